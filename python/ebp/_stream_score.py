"""`score` on a stream: the scores of arrays, summed up chunk by chunk."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.utils.validation import check_is_fitted

from ._moments import Moments
from .streams import Stream


class StreamScores:
    """What the estimators do with streams in `score`; stands before scikit-learn's mixins."""

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """How well `predict` does on samples `X` with `y`: accuracy of a classifier, R² of a regressor.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or ebp.streams object
            Or of shape (n_samples, \\*input_shape), as in `fit`. A stream is read once, a chunk at a time.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The true labels or values; left out where X is a stream, which has its own.
        sample_weight : array-like of shape (n_samples,) or None
            A weight of 2 counts like a sample given twice; left out where X is a stream, too.

        Returns
        -------
        score : float
            Accuracy: the share of samples whose label, or all of whose labels, are predicted. R²: 1 less the
            squared error over that of the mean, averaged over the outputs; at most 1, and below 0 where the
            mean would be the better prediction. Of an output with constant values 1 if all are predicted
            exactly, else 0.

        Raises
        ------
        NotFittedError
            Before `fit` or `partial_fit`.
        ValueError
            For data that `predict` or `fit` would refuse; with y or sample_weight beside a stream, or without
            y beside arrays; for a stream of other features, or without samples of positive weight.

        Warns
        -----
        UndefinedMetricWarning
            If there are less than two samples for R², which is NaN then.

        Examples
        --------
        >>> import numpy as np, ebp
        >>> X = np.random.default_rng(0).normal(size=(1000, 3))
        >>> stream = ebp.streams.Arrays(X, X[:, 0] > X[:, 1], chunk_size=100)
        >>> clf = ebp.MLPClassifier((4,), random_state=0).fit(stream)
        >>> clf.score(stream) == clf.score(X, X[:, 0] > X[:, 1])
        True
        """
        own: Any = self
        if isinstance(X, Stream):
            own._check_alone("score", y, sample_weight)
            return _stream_score(own, X)
        if y is None:
            raise ValueError(f"[{own._name}.score] y must be given, unless X is a stream; got None")
        score: float = super().score(X, y, sample_weight)  # type: ignore[misc]
        return score


def _stream_score(estimator: Any, stream: Stream) -> float:
    check_is_fitted(estimator)
    estimator._check_names(stream)
    target_map, n_samples = estimator._target_map(), 0
    total = _Accuracy() if isinstance(estimator, ClassifierMixin) else _R2(estimator.n_outputs_)
    for X, y, sample_weight in stream:
        X, y, weights = estimator._checked_chunk(X, y, sample_weight)
        n_samples += len(y)
        weights = np.ones(len(y)) if weights is None else weights
        if weights.any():
            total.add(y, estimator._answers(estimator._outputs_of_rows(X), target_map), weights)
    if not total.weight:
        raise ValueError(f"[{estimator._name}.score] X must have samples of positive weight; got none")
    if n_samples < 2 and isinstance(total, _R2):
        text = f"[{estimator._name}.score] R^2 needs two samples; got 1"
        warnings.warn(text, UndefinedMetricWarning, stacklevel=3)
        return math.nan
    return total.value


class _Accuracy:
    """Share of the samples that are predicted."""

    def __init__(self) -> None:
        self.weight = self._hits = 0.0

    def add(self, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> None:
        self.weight += float(weights.sum())
        self._hits += float(accuracy_score(y, predicted, sample_weight=weights, normalize=False))

    @property
    def value(self) -> float:
        return self._hits / self.weight


class _R2:
    """`sklearn.metrics.r2_score`, averaged over the outputs."""

    def __init__(self, n_outputs: int) -> None:
        self._moments = Moments(n_outputs, with_scatter=False)
        self._squares = np.zeros(n_outputs)
        self._origin: np.ndarray | None = None  # near the values, whose differences then keep their digits

    @property
    def weight(self) -> float:
        return self._moments.weight

    def add(self, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> None:
        y, predicted = (values.reshape(len(values), -1).astype(np.float64) for values in (y, predicted))
        if self._origin is None:
            self._origin = y[0]
        means = mean_squared_error(y, predicted, sample_weight=weights, multioutput="raw_values")
        self._squares += weights.sum() * means
        self._moments.add(y - self._origin, weights)

    @property
    def value(self) -> float:
        around_mean = self._moments.scatter
        varies = around_mean != 0
        scores = np.where(self._squares == 0, 1.0, 0.0)
        scores[varies] = 1 - self._squares[varies] / around_mean[varies]
        return float(scores.mean())
