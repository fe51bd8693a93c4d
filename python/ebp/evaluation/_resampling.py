"""Held-out samples, and many data sets drawn from the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, indexable

from ebp._checks import check_choice, check_number
from ebp._classifier import has_columns

from ._stream import dense

RESAMPLES = ("bootstrap", "subsample")
FEWEST = 4  # samples to train on and to hold out
DRAWS = 1000  # of a data set that is to have two classes


@dataclass(frozen=True)
class HeldOut:
    """What to train on and what to predict.

    Attributes
    ----------
    X_train, y_train : array-like
        What data sets are drawn from.
    X_test : array-like of shape (n_test, ...)
    targets : ndarray of shape (n_test, n_outputs or n_classes or n_labels)
        Values; or 1 for the class of the sample and 0 for the others; or an indicator matrix.
    truth : ndarray of the same shape, or None
        What `true_function` gives.
    classes : ndarray of shape (n_classes,) or None
        None for regression and for indicator matrices.
    multilabel : bool
        Whether the targets are an indicator matrix.
    """

    X_train: Any
    y_train: Any
    X_test: Any
    targets: np.ndarray
    truth: np.ndarray | None
    classes: np.ndarray | None
    multilabel: bool

    def squared_error(self, values: np.ndarray, reference: np.ndarray | None = None) -> float:
        """Mean over samples of the squared difference from `reference`, from the truth, or from the targets.

        Outputs of a regression and probabilities of labels are averaged, probabilities of classes summed up.
        """
        if reference is None:
            reference = self.targets if self.truth is None else self.truth
        squares = (values - reference) ** 2
        return float(squares.mean() if self.classes is None else squares.sum(axis=1).mean())


def held_out(
    estimator: Any,
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    test_size: Any,
    true_function: Callable[[Any], Any] | None,
    rng: np.random.Generator,
) -> HeldOut:
    """Split off the held-out samples, unless they are given, and code their targets."""
    if (X_test is None) != (y_test is None):
        raise ValueError("[bias_variance] X_test and y_test must be given together; got one of them")
    X, y = _indexable(X, y)
    _check_enough("X and y", len(y), FEWEST if X_test is None else 2)
    if X_test is None:
        n = len(y)
        n_test = _size("test_size", test_size, n, n - 2)
        order = rng.permutation(n)
        X_test, y_test = (_safe_indexing(part, order[:n_test]) for part in (X, y))
        X, y = (_safe_indexing(part, order[n_test:]) for part in (X, y))
    else:
        X_test, y_test = _indexable(X_test, y_test)
        _check_enough("X_test and y_test", len(y_test), 1)
    y, targets, classes, multilabel = _coded(estimator, y, y_test)
    truth = None if true_function is None else _truth(true_function, X_test, targets.shape)
    return HeldOut(X, y, X_test, targets, truth, classes, multilabel)


def _coded(estimator: Any, y: Any, y_test: Any) -> tuple[Any, np.ndarray, np.ndarray | None, bool]:
    """`y` to train on, and the targets, classes and multilabel of `HeldOut`."""
    if not is_classifier(estimator):
        values = np.asarray(y_test, np.float64)
        return y, values.reshape(len(values), -1), None, False
    if not has_columns(y) and not has_columns(y_test):
        labels = np.ravel(y_test)
        classes = np.unique(np.concatenate([np.ravel(y), labels]))
        return y, (labels[:, np.newaxis] == classes).astype(np.float64), classes, False
    y, y_test = (estimator._indicators(np.asarray(part).reshape(len(part), -1)) for part in (y, y_test))
    if y.shape[1] != y_test.shape[1]:
        raise ValueError(
            "[bias_variance] y and y_test must have the same number of labels; "
            f"got {y.shape[1]} and {y_test.shape[1]}"
        )
    return y, y_test.astype(np.float64), None, True


def _indexable(X: Any, y: Any) -> tuple[Any, Any]:
    try:
        X, y = indexable(X, y)
    except ValueError as error:
        raise ValueError(
            f"[bias_variance] X and y must have the same number of samples; got {error}"
        ) from error
    return X, y if hasattr(y, "iloc") else dense(y)


def _check_enough(names: str, n: int, fewest: int) -> None:
    if n < fewest:
        raise ValueError(
            f"[bias_variance] {names} must have enough samples, at least {fewest}; got {n}: too few samples"
        )


def _truth(true_function: Callable[[Any], Any], X: Any, shape: tuple[int, ...]) -> np.ndarray:
    if not callable(true_function):
        raise TypeError(f"[bias_variance] true_function must be callable; got {true_function!r}")
    values = np.asarray(true_function(X), np.float64)
    if values.shape != shape and (shape[1] > 1 or values.shape != shape[:1]):
        raise ValueError(
            f"[bias_variance] true_function must give values of shape {shape}; got {values.shape}"
        )
    return values.reshape(shape)


def _size(name: str, value: Any, n: int, largest: int) -> int:
    """A number of `n` samples from a number or a share, between 1 and `largest`."""
    integer = isinstance(value, Integral) and not isinstance(value, bool)
    if integer:
        check_number("bias_variance", name, value, 1, largest, integer=True)
        return int(value)
    check_number("bias_variance", name, value, 0, 1, open_low=True)
    size = int(value * n)
    if not 1 <= size <= largest:
        raise ValueError(
            f"[bias_variance] {name} must stand for 1 to {largest} of {n} samples; got {value!r}, {size}"
        )
    return size


def rows_of_data_sets(
    tests: HeldOut, resample: Any, train_size: Any, n_datasets: Any, rng: np.random.Generator
) -> list[np.ndarray]:
    """Row numbers of each data set."""
    check_choice("bias_variance", "resample", resample, RESAMPLES)
    check_number("bias_variance", "n_datasets", n_datasets, 2, integer=True)
    n = len(tests.y_train)
    share = (1.0 if resample == "bootstrap" else 0.5) if train_size is None else train_size
    size = _size("train_size", share, n, n)
    return [_rows(tests, size, resample == "bootstrap", rng) for _ in range(n_datasets)]


def _rows(tests: HeldOut, size: int, replace: bool, rng: np.random.Generator) -> np.ndarray:
    labels = None if tests.classes is None else np.ravel(tests.y_train)
    for _ in range(DRAWS):
        rows = np.sort(rng.choice(len(tests.y_train), size, replace=replace))  # equal sets, equal networks
        if labels is None or (labels[rows] != labels[rows[0]]).any():
            return rows
    raise ValueError(
        f"[bias_variance] data sets must have two classes: none of {DRAWS} drawn ones has; "
        f"got train_size of {size} samples"
    )
