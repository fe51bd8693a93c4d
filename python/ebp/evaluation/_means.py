"""Means of a sequence of scores that tell how well things go now, or went until now."""

from __future__ import annotations

import numpy as np


def _divided(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """NaN where all weights are zero."""
    with np.errstate(invalid="ignore"):
        return sums / weights


def running_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of all values up to each, (n,).

    Examples
    --------
    >>> running_mean(np.array([1.0, 0.0, 2.0]), np.ones(3))
    array([1. , 0.5, 1. ])
    """
    return _divided(np.cumsum(weights * values), np.cumsum(weights))


def grouped_mean(values: np.ndarray, weights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean of each group, (n_groups,), of so many values that follow each other.

    Examples
    --------
    >>> grouped_mean(np.array([1.0, 0.0, 2.0]), np.ones(3), np.array([2, 1]))
    array([0.5, 2. ])
    """
    starts = np.cumsum(sizes) - sizes
    return _divided(np.add.reduceat(weights * values, starts), np.add.reduceat(weights, starts))


def windowed_mean(values: np.ndarray, weights: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` values up to each, (n,); in the beginning, of those there are.

    Examples
    --------
    >>> windowed_mean(np.array([1.0, 0.0, 2.0, 5.0]), np.ones(4), 2)
    array([1. , 0.5, 1. , 3.5])
    """
    return _divided(_windowed_sum(weights * values, window), _windowed_sum(weights, window))


def faded_mean(values: np.ndarray, weights: np.ndarray, factor: float) -> np.ndarray:
    """S / B with S = w v + factor S and B = w + factor B (Gama, Sebastião and Rodrigues 2013), (n,).

    Examples
    --------
    >>> faded_mean(np.array([1.0, 0.0, 3.0]), np.ones(3), 0.5)
    array([1.        , 0.33333333, 1.85714286])
    """
    from scipy.signal import lfilter  # takes long to import

    sums, totals = (lfilter([1.0], [1.0, -factor], series) for series in (weights * values, weights))
    return _divided(sums, totals)


def _windowed_sum(values: np.ndarray, window: int) -> np.ndarray:
    """Sum of the last `window` values up to each.

    A window is the end of one block and the beginning of the next, so that no sum goes beyond a window:
    differences of sums over everything would lose digits on a long stream, and all of it after a NaN.
    """
    n = len(values)
    window = min(window, n)
    blocks = np.zeros((-(-n // window), window))
    blocks.ravel()[:n] = values
    beginnings = blocks.cumsum(axis=1)
    ends = blocks[:, ::-1].cumsum(axis=1)[:, ::-1]
    sums = beginnings.copy()
    sums[1:, :-1] += ends[:-1, 1:]
    return sums.ravel()[:n]
