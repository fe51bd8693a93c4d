"""The samples of a stream in training: mixed, normalised and coded, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ._blocks import rows_of
from ._feed import Feed, Reach, Turn, turn_rows
from ._inputs import dense_rows, is_exact, normalized
from ._presentation import repeated, row_keys
from ._survey import Survey, has_single_labels
from ._targets import label_sets, round_significand
from ._training import TrainingData
from .sampling import Emphasize
from .streams import ShuffleBuffer, Stream
from .streams._shuffle import Arrays, regrouped

BUFFER_BYTES = 64 << 20

# Called with a turn, labels and weights; gives the order of the rows, and the weight of each.
Show = Callable[..., tuple[np.ndarray, "np.ndarray | None"]]


def buffer_rows(stream: Stream, row_bytes: int) -> int:
    """Samples in the shuffle buffer: as many as the stream asks for, or 64 MB; no more than it has."""
    size = stream.buffer_size or rows_of(BUFFER_BYTES, row_bytes)
    return min(size, max(1, stream.n_samples or size))


class StreamData:
    """What `fit` trains on when it is given a stream; plays the part of `TrainingData`.

    Parameters
    ----------
    estimator : estimator
        With its network built.
    stream : Stream
    survey : Survey
    """

    def __init__(self, estimator: Any, stream: Stream, survey: Survey) -> None:
        self._estimator = estimator
        self._stream = stream
        self._survey = survey
        self._transform = estimator._transform()
        self._dtype = estimator.network_.dtype
        wanted = buffer_rows(stream, survey.width * self._dtype.itemsize)
        self._buffer_rows = min(wanted, survey.n_samples)
        exact = self._transform is None or is_exact(self._transform, self._dtype)
        self._raw = survey.all_raw and exact
        self.weighted = survey.weighted or bool((survey.factors != 1).any())
        X, T, labels, weights = self._prepared(*survey.sample)
        self.sample: TrainingData = self.block(X, T, labels, weights if self.weighted else None)
        self._n_presentations = self._count()

    @property
    def n_presentations(self) -> int:
        """Presentations of an epoch."""
        return self._n_presentations

    def feed(self, seed: int, reach: Reach, show: Show) -> Feed:
        """The samples of one epoch, mixed; `show` says how to present those of a turn."""
        network = self._estimator.network_
        width = self._survey.width if self._raw else network.n_inputs
        rows = min(turn_rows(width, self._dtype.itemsize), max(1, self._buffer_rows // 2))
        turns = self._turns(np.random.default_rng(seed), rows, show)
        return Feed(network, turns, rows, width, reach, self._transform if self._raw else None)

    def _turns(self, rng: np.random.Generator, rows: int, show: Show) -> Generator[Turn]:
        mixed: Iterator[tuple[Sequence[np.ndarray], np.ndarray]]
        if self._estimator._sampling == "sequential":
            mixed = ((chunk, np.arange(len(chunk[0]))) for chunk in regrouped(self._chunks(None), rows))
        else:
            mixed = ShuffleBuffer(self._buffer_rows, rng)._turns(self._chunks(rng), rows)
        for (X, T, labels, weights), chosen in mixed:
            own = weights[chosen] if self.weighted else None
            yield Turn(X, T, partial(show, labels=labels[chosen], weights=own), chosen)

    def block(
        self, X: np.ndarray, T: np.ndarray, labels: np.ndarray, weights: np.ndarray | None
    ) -> TrainingData:
        """Prepared samples as data for themselves."""
        own = self._estimator._sampling
        if own == "interleave" and labels.ndim == 2:
            labels = label_sets(labels)
        emphasized = own == "emphasize" or isinstance(own, Emphasize)
        keys = row_keys(X, T) if emphasized else None
        order, share = np.arange(len(X)), None
        if weights is not None:
            order, share = repeated(weights)
        if keys is not None:
            order = order[np.argsort(keys[order], kind="stable")]
        return TrainingData(X, T, self._transform if self._raw else None, order, share, labels, keys)

    def _chunks(self, rng: np.random.Generator | None) -> Iterator[Arrays]:
        """The chunks without samples that are held out or of weight 0, prepared."""
        for X, y, weights in self._taken(rng):
            yield self._prepared(X, y, weights)

    def _taken(self, rng: np.random.Generator | None) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
        """The same, raw."""
        estimator, fraction = self._estimator, self._survey.fraction
        for numbers, (X, y, weights) in self._stream._numbered(rng):
            X, y, weights = estimator._checked_chunk(X, y, weights, known=self._stream._same)
            counted = np.ones(len(y)) if weights is None else weights
            if fraction or weights is not None:
                taken = np.flatnonzero((self._survey.numbers(len(y), numbers) >= fraction) & (counted > 0))
                X, y, counted = X[taken], y[taken], counted[taken]
            if len(y):
                yield X, y, counted

    def _count(self) -> int:
        """Presentations of an epoch; takes another pass where samples have weights."""
        if not self.weighted:
            return self._survey.n_samples
        return sum(
            int(np.ceil(self._total(weights, self._numbers(y))).sum()) for _, y, weights in self._taken(None)
        )

    def _numbers(self, y: np.ndarray) -> np.ndarray | None:
        """Class numbers, if there is one label a sample."""
        return self._estimator._labels(y) if has_single_labels(self._estimator) else None

    def _total(self, weights: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
        """Weights times class weights, brought to a mean of 1 where it is below."""
        factors = self._survey.factors
        return round_significand(weights * (factors if numbers is None else factors[numbers]))

    def _prepared(self, X: Any, y: np.ndarray, weights: np.ndarray) -> Arrays:
        """Inputs, targets, labels and weights of samples, as the network takes them.

        Inputs are left as they are if the engine can normalise them by itself. What tells the samples of an
        indicator matrix apart is its rows, since numbers of sets of labels differ from chunk to chunk.
        """
        estimator = self._estimator
        if self._raw:
            rows = np.ascontiguousarray(dense_rows(X, slice(None)), self._dtype)
        else:
            rows = normalized(X, self._transform, self._dtype, estimator._name)
        numbers = self._numbers(y)
        T = estimator._code(y, numbers)
        if self.weighted:
            weights = self._total(weights, numbers)
        return rows, T, y if numbers is None else numbers, weights
