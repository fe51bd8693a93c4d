"""The samples of a stream in training: mixed, normalised and coded, a block at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from ._blocks import ahead, block_rows
from ._inputs import dense_rows, is_exact, normalized
from ._presentation import presentations, row_keys
from ._survey import Survey, has_single_labels
from ._targets import label_sets, round_significand
from ._training import LONG_BLOCK, TrainingData
from .sampling import Emphasize
from .streams import ShuffleBuffer, Stream
from .streams._shuffle import Arrays, regrouped
from .streams._stream import rows_of

BUFFER_BYTES = 64 << 20


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
        self._buffer_rows = buffer_rows(stream, survey.width * self._dtype.itemsize)
        exact = self._transform is None or is_exact(self._transform, self._dtype)
        self._raw = survey.all_raw and exact
        self._weighted = survey.weighted or bool((survey.factors != 1).any())
        sample = self._prepared(*survey.sample)
        self.sample: TrainingData = self._block(sample, np.arange(len(sample[0])))

    @property
    def n_presentations(self) -> int:
        """Presentations of an epoch, about."""
        return max(self._survey.n_samples, round(self._survey.total_weight))

    @property
    def refresh(self) -> str:
        """As of other data in blocks."""
        size = min(block_rows(self._survey.width, self._dtype.itemsize), self._buffer_rows // 2)
        return "running" if size < min(LONG_BLOCK, self.n_presentations // 2) else "epoch"

    def blocks(self, seed: int, multiple: int) -> Generator[TrainingData]:
        """The samples of one epoch in blocks, whose sizes but the last are multiples of `multiple`."""
        return ahead(self._made_blocks(np.random.default_rng(seed), multiple))

    def _made_blocks(self, rng: np.random.Generator, multiple: int) -> Iterator[TrainingData]:
        shuffled = self._estimator._sampling != "sequential"
        chunks = self._chunks(rng if shuffled else None)
        size = block_rows(self._survey.width, self._dtype.itemsize, multiple)
        if not shuffled:
            for chunk in regrouped(chunks, size):
                yield self._block(chunk, np.arange(len(chunk[0])))
            return
        half = max(1, self._buffer_rows // 2 // multiple) * multiple
        buffer = ShuffleBuffer(max(self._buffer_rows, half), rng)
        for store, chosen in buffer._turns(chunks, min(size, half)):
            yield self._block(store, chosen)

    def _chunks(self, rng: np.random.Generator | None) -> Iterator[Arrays]:
        """The chunks without samples that are held out or of weight 0, prepared."""
        estimator, fraction = self._estimator, self._survey.fraction
        for numbers, (X, y, weights) in self._stream._numbered(rng):
            X, y, weights = estimator._checked_chunk(X, y, weights, known=self._stream._same)
            counted = np.ones(len(y)) if weights is None else weights
            if fraction or weights is not None:
                taken = np.flatnonzero((self._survey.numbers(len(y), numbers) >= fraction) & (counted > 0))
                X, y, counted = X[taken], y[taken], counted[taken]
            if len(y):
                yield self._prepared(X, y, counted)

    def _prepared(self, X: Any, y: np.ndarray, weights: np.ndarray) -> Arrays:
        """Inputs, targets, labels and weights of samples, as the network takes them.

        Inputs are left as they are if the engine can normalise them by itself. What tells the samples of an
        indicator matrix apart are its rows, since numbers of sets of labels differ from chunk to chunk.
        """
        estimator = self._estimator
        if self._raw:
            rows = np.ascontiguousarray(dense_rows(X, slice(None)), self._dtype)
        else:
            rows = normalized(X, self._transform, self._dtype, estimator._name)
        numbers = estimator._labels(y) if has_single_labels(estimator) else None
        T = estimator._code(y, numbers)
        if self._weighted:
            factors = self._survey.factors
            weights = round_significand(weights * (factors if numbers is None else factors[numbers]))
        return rows, T, y if numbers is None else numbers, weights

    def _block(self, arrays: Sequence[np.ndarray], rows: np.ndarray) -> TrainingData:
        """The `rows` of prepared arrays, of which the others are not looked at."""
        X, T, labels, weights = arrays
        own = self._estimator._sampling
        if own == "interleave" and labels.ndim == 2:
            labels = _spread(label_sets(labels[rows]), rows, len(X))
        keys = None
        if own == "emphasize" or isinstance(own, Emphasize):
            keys = row_keys(X[rows], T[rows])
        order, share = presentations(weights[rows] if self._weighted else None, len(rows), keys)
        if share is not None:
            share = _spread(share, rows, len(X))
        if keys is not None:
            keys = _spread(keys, rows, len(X))
        transform = self._transform if self._raw else None
        return TrainingData(X, T, transform, rows[order], share, labels, keys)


def _spread(values: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """An array of n values that has these ones at the places `rows`."""
    spread = np.zeros(n, values.dtype)
    spread[rows] = values
    return spread
