"""Statistics of columns, built up chunk by chunk, and the transformations that follow from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigh

_INTEGERS = (int, np.integer)
_CHUNK_ROWS = 4096
_CHUNK_BYTES = 4 << 20


def chunks(X: Any) -> list[slice]:
    """Slices of rows that stay within a few megabytes as float64."""
    rows = min(_CHUNK_ROWS, max(1, _CHUNK_BYTES // (8 * X.shape[1])))
    return [slice(start, start + rows) for start in range(0, X.shape[0], rows)]


class Moments:
    """Weighted mean, second moments about the mean and range of each column, built up chunk by chunk.

    Chunks are merged with the update of Chan, Golub and LeVeque (1979), which never subtracts large sums.
    """

    def __init__(self, n_features: int, with_scatter: bool):
        self.weight: int | float = 0
        self.mean = np.zeros(n_features)
        self.low = np.full(n_features, np.inf)
        self.high = np.full(n_features, -np.inf)
        self.rounding = float(np.finfo(np.float64).eps)
        # (n_features, n_features) sums of products, or only their diagonal.
        self.scatter = np.zeros((n_features, n_features) if with_scatter else n_features)

    def add(self, rows: np.ndarray, weight: np.ndarray | None) -> None:
        if weight is not None:
            rows, weight = rows[weight > 0], weight[weight > 0]
        if not len(rows):
            return
        if rows.dtype.kind == "f":
            self.rounding = max(self.rounding, float(np.finfo(rows.dtype).eps))
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))

        # Deviations from the first row stay small where the mean is large, so that their sum is accurate.
        origin = rows[0].astype(np.float64)
        deviation = np.subtract(rows, origin, dtype=np.float64)
        if weight is None:
            total: int | float = len(rows)
            average = deviation.sum(axis=0) / total
            deviation -= average
        else:
            total = float(weight.sum())
            average = weight @ deviation / total
            deviation -= average
            deviation *= np.sqrt(weight)[:, None]

        merged = self.weight + total
        step = origin + average - self.mean
        gain = step * (self.weight * (total / merged))
        if self.scatter.ndim == 2:
            self.scatter += deviation.T @ deviation
            self.scatter += np.outer(gain, step)
        else:
            self.scatter += np.einsum("ij,ij->j", deviation, deviation)
            self.scatter += gain * step
        self.mean = self.mean + step * (total / merged)
        self.weight = merged

    @property
    def variance(self) -> np.ndarray:
        return (np.diagonal(self.scatter) if self.scatter.ndim == 2 else self.scatter) / self.weight

    def constant(self, eps: float) -> np.ndarray:
        """Which columns do not vary beyond rounding; the range of a constant column is exactly 0."""
        tolerance = max(eps, 4 * self.rounding) * np.maximum(np.abs(self.low), np.abs(self.high))
        return (self.high - self.low <= tolerance) | (self.variance < np.finfo(np.float64).tiny)


def shift_and_scale(moments: Moments, method: str, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Column-wise shift and scale; the rotations take only the shift."""
    if method == "standard":
        return moments.mean, np.where(moments.constant(eps), 1.0, np.sqrt(moments.variance))
    if method == "minmax":
        half = moments.high / 2 - moments.low / 2
        return moments.low + half, np.where(moments.constant(eps), 1.0, half)
    if method == "global":
        mean = moments.mean.mean()
        variance = np.mean(moments.variance + (moments.mean - mean) ** 2)
        low, high = moments.low.min(), moments.high.max()
        tolerance = max(eps, 4 * moments.rounding) * max(abs(low), abs(high))
        varies = high - low > tolerance and variance >= np.finfo(np.float64).tiny
        scale = np.sqrt(variance) if varies else 1.0
        return np.full_like(moments.mean, mean), np.full_like(moments.mean, scale)
    return moments.mean, np.ones_like(moments.mean)


def principal_directions(
    moments: Moments, eps: float, n_components: int | float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal directions (k, n_features) and their standard deviations (k,), largest first."""
    varying = ~moments.constant(eps)
    n_features = len(varying)
    if not varying.any():
        return np.eye(1, n_features), np.ones(1)
    # Rounding noise of constant columns must not look like a direction.
    covariance = moments.scatter * np.outer(varying, varying) / moments.weight
    eigenvalues, vectors = eigh(covariance, check_finite=False)
    eigenvalues, directions = eigenvalues[::-1], vectors.T[::-1]
    # eps = 0 still drops what eigh cannot tell from 0.
    floor = max(eps, n_features * np.finfo(np.float64).eps) * eigenvalues[0]
    k = int(np.count_nonzero(eigenvalues > floor))
    if isinstance(n_components, _INTEGERS):
        k = min(k, int(n_components))
    elif n_components is not None:
        explained = np.cumsum(eigenvalues[:k]) / eigenvalues[:k].sum()
        k = min(k, int(np.searchsorted(explained, n_components)) + 1)
    directions = directions[:k]
    # The first of the entries that are largest up to rounding decides the sign, so that ties decide alike.
    size = np.abs(directions)
    leading = np.argmax(size >= (1 - 1e-6) * size.max(axis=1, keepdims=True), axis=1)
    signs = np.sign(directions[np.arange(k), leading])
    return np.ascontiguousarray(directions * signs[:, None]), np.sqrt(eigenvalues[:k])
