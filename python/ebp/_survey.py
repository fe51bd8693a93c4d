"""The first pass of `fit` over a stream: what other fits find in arrays that they hold.

It finds classes, statistics for the normalisation, weights, and random samples: some by which rates are
chosen, some on which networks are validated.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from ._blocks import BLOCK_BYTES, rows_of
from ._inputs import dense_rows
from ._targets import class_factors
from ._training import MONITORED
from .streams import Stream
from .streams._shuffle import Arrays

MOST_REPEATS = 10  # presentations of a sample on average, beyond which weights are brought to a mean of 1
VALIDATED = 10_000  # held-out samples that are kept at most: an accuracy is then good to half a per cent


def has_single_labels(estimator: Any) -> bool:
    """Whether the targets are one label a sample."""
    return isinstance(estimator, ClassifierMixin) and not estimator.multilabel_


class SmallestKeys:
    """Keeps the rows of the smallest keys, at most so many, of arrays that come in chunks."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._chunks: list[Arrays] = []

    def add(self, keys: np.ndarray, *arrays: np.ndarray) -> None:
        """Take in rows with their keys."""
        self._chunks.append((keys, *arrays))
        if sum(len(chunk[0]) for chunk in self._chunks) > 2 * self.most:
            self._chunks = [self.rows()]

    def rows(self) -> Arrays:
        """Keys and arrays, by increasing keys; nothing at all if no rows came."""
        if not self._chunks:
            return ()
        keys, *arrays = map(np.concatenate, zip(*self._chunks, strict=True))
        first = np.argsort(keys, kind="stable")[: self.most]
        return keys[first], *(rows[first] for rows in arrays)


class Survey:
    """What one pass over a stream tells, and the estimator's statistics, which it learns.

    Every sample has a random number, the same in every pass. Those below `fraction` take no part in the
    statistics; if they are more than are kept for validation, the ones of the smallest numbers are, and the
    others are trained on like the rest.

    Parameters
    ----------
    estimator : estimator
    stream : Stream
    warm : bool
        Whether classes and statistics are there already.

    Attributes
    ----------
    fraction : float
        Samples of a number below it are held out in training.
    weighted : bool
        Whether samples came with weights.
    factors : ndarray of shape (n_classes,), or (1,) without classes
        Times the weight of a sample: class weights, and what brings the mean weight up to 1.
    n_samples : int
        Samples of positive weight to train on.
    sample, validation : tuples (X, y, weights)
        Random ones of the samples to train on, and those held out, if there are any.
    all_raw : bool
        Whether all rows came in the network's type.
    """

    def __init__(self, estimator: Any, stream: Stream, warm: bool) -> None:
        self._estimator = estimator
        self._warm = warm
        # of a copy, so that the network starts from the same weights as for arrays
        self._seed = int(copy.deepcopy(estimator._rng).integers(2**63))
        self.fraction = float(estimator.validation_fraction) if estimator.early_stopping else 0.0
        self.weighted, self.all_raw, self.width = False, True, 0
        self._sums: dict[Any, float] = {}  # of the weights of each class, or of all samples
        self._counts: dict[Any, int] = {}  # of positive weights
        for numbers, (X, y, weights) in stream._numbered(None):
            first = not self.width
            reset = stream if first and not warm else None
            X, y, weights = estimator._checked_chunk(X, y, weights, reset)
            if first:
                self._begin(X, y)
            self._take(X, y, weights, self.numbers(len(y), numbers))
        if not sum(self._counts.values()):
            raise ValueError(f"[{estimator._name}] a stream must have samples of positive weight; got none")
        self._end()

    def numbers(self, n: int, numbers: tuple[int, int]) -> np.ndarray:
        """A number in [0, 1) for each of the n samples of a chunk."""
        return np.random.default_rng([self._seed, *numbers]).random(n)

    def _begin(self, X: Any, y: np.ndarray) -> None:
        self.width = X.shape[1]
        most = rows_of(BLOCK_BYTES, 8 * self.width)
        self._training, self._held_out = (
            SmallestKeys(min(MONITORED, most)),
            SmallestKeys(min(VALIDATED, most)),
        )
        if self._warm:
            return
        if not isinstance(self._estimator, ClassifierMixin):  # classes are known in the end
            self._estimator._start_targets(y, None)
        self._estimator._start_normalizer()

    def _take(self, X: Any, y: np.ndarray, weights: np.ndarray | None, numbers: np.ndarray) -> None:
        estimator, held = self._estimator, numbers < self.fraction
        self.all_raw = self.all_raw and dense_rows(X, slice(1)).dtype == estimator.dtype
        self.weighted = self.weighted or weights is not None
        counted = np.ones(len(y)) if weights is None else weights
        for kept, which in ((self._training, ~held), (self._held_out, held)):
            rows = np.flatnonzero(which & (counted > 0))
            rows = rows[np.argsort(numbers[rows], kind="stable")[: kept.most]]
            if len(rows):
                kept.add(numbers[rows], dense_rows(X, rows), y[rows], counted[rows])
        self._count(y, counted)
        if not self._warm:
            self._learn(X, y, np.where(held, 0.0, counted) if self.fraction else weights)

    def _count(self, y: np.ndarray, weights: np.ndarray) -> None:
        classes, labels = np.zeros(1), np.zeros(len(y), np.intp)
        if has_single_labels(self._estimator):
            classes, labels = np.unique(y, return_inverse=True)
        self._classes: np.ndarray = np.union1d(self._classes, classes) if self._sums else classes
        sums, counts = (np.bincount(labels, one, len(classes)) for one in (weights, weights > 0))
        for label, total, count in zip(classes.tolist(), sums.tolist(), counts.tolist(), strict=True):
            self._sums[label] = self._sums.get(label, 0.0) + total
            self._counts[label] = self._counts.get(label, 0) + int(count)

    def _learn(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
        """Take rows into the statistics of inputs and targets."""
        estimator = self._estimator
        if weights is not None and not weights.any():
            return
        if estimator.normalizer_ is not None and not estimator._frozen:
            estimator.normalizer_.partial_fit(X, sample_weight=weights)
        estimator._update_targets(y, weights)

    def _end(self) -> None:
        estimator = self._estimator
        training, held_out = self._training.rows(), self._held_out.rows()
        if not training or (estimator.early_stopping and not held_out):
            raise ValueError(
                f"[{estimator._name}] the validation split of a stream needs more samples, so that some are "
                f"held out and some are not; got {sum(self._counts.values())}"
            )
        self.sample, self.validation, y = training[1:], held_out[1:], training[2]
        if held_out and len(held_out[0]) == self._held_out.most:
            self.fraction = float(np.nextafter(held_out[0][-1], 1))
        if not self._warm and estimator.normalizer_ is not None and not estimator._frozen:
            estimator.normalizer_._settle()
        if not self._warm and isinstance(estimator, ClassifierMixin):
            classes = estimator._checked_classes(self._classes) if y.ndim == 1 else None
            estimator._start_targets(y, classes)
        self.factors = self._all_factors()

    def _all_factors(self) -> np.ndarray:
        estimator = self._estimator
        classes = estimator.classes_ if has_single_labels(estimator) else np.zeros(1)
        sums = np.array([self._sums.get(label, 0.0) for label in classes.tolist()])
        counts = np.array([self._counts.get(label, 0) for label in classes.tolist()])
        factors = np.ones(len(classes))
        if getattr(estimator, "class_weight", None) is not None:
            if not has_single_labels(estimator):
                estimator._total_weights(None, None)  # which refuses
            given, name = estimator.class_weight, estimator._name
            factors = class_factors(name, given, classes, np.arange(len(classes)), sums)
        n, total = counts[factors > 0].sum(), float(factors @ sums)
        if not total > 0:
            raise ValueError(f"[{estimator._name}] some sample must have a positive weight; got zeros only")
        if total < n or total > MOST_REPEATS * n:
            factors = factors * (n / total)
        kept = 0 if not self.validation else len(self.validation[0])
        self.n_samples = max(1, int(n) - kept)
        return factors
