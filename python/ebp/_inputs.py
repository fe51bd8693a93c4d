"""Rows on their way into a network: accepted types, normalisation in chunks, no copy where none is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

CHUNK = 1 << 18  # numbers normalised at a time, in float64

Transform = tuple[np.ndarray, np.ndarray]


def accepted_dtypes(X: Any) -> list[type]:
    """Types that `X` may keep, the first being what any other type is converted to.

    Small types (pixels, booleans) are exact in float32; everything else is converted to float64, because
    large integers and time stamps would lose digits before their mean is subtracted.
    """
    dtype = getattr(X, "dtype", None)
    if (
        isinstance(dtype, np.dtype)
        and dtype.kind in "biuf"
        and np.result_type(dtype, np.float32) == np.float32
    ):
        return [np.float32, np.float64]
    return [np.float64, np.float32]


def normalized(X: np.ndarray, transform: Transform | None, dtype: np.dtype, name: str = "fit") -> np.ndarray:
    """Normalised rows of `X` in the network's dtype, computed in float64 chunk by chunk.

    Parameters
    ----------
    X : ndarray of shape (n, features)
    transform : (shift, factor) or None
        z = (x - shift) * factor for factor (features,); z = factor (x - shift) for a matrix.
    dtype : dtype
    name : str
        Caller, for the message.

    Raises
    ------
    ValueError
        If a normalised value does not fit into `dtype`.
    """
    width = X.shape[1] if transform is None or transform[1].ndim == 1 else len(transform[1])
    Z = np.empty((len(X), width), dtype)
    for part in chunks(X):
        rows = X[part]
        if transform is not None:
            shift, factor = transform
            rows = rows - shift
            rows = rows * factor if factor.ndim == 1 else rows @ factor.T
        with np.errstate(over="ignore"):
            Z[part] = rows
        if not np.isfinite(Z[part]).all():
            largest = np.abs(rows).max()
            raise ValueError(
                f"[{name}] normalised inputs must fit into {dtype}; got values up to {largest:.3g}"
            )
    return Z


def chunks(X: np.ndarray) -> Iterator[slice]:
    """Slices of rows whose work arrays stay in the cache."""
    step = max(1, CHUNK // max(1, X.shape[1]))
    for start in range(0, len(X), step):
        yield slice(start, start + step)


def engine_rows(
    X: np.ndarray, transform: Transform | None, dtype: np.dtype, name: str = "fit"
) -> tuple[np.ndarray, Transform | None]:
    """Rows and transformation for the engine: `X` itself if its layout fits, else a normalised copy."""
    if X.dtype == dtype and X.flags.c_contiguous:
        return X, transform
    return normalized(X, transform, dtype, name), None
