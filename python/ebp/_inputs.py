"""Rows on their way into a network: accepted types, normalisation in chunks, no copy where none is needed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_array, validate_data

CHUNK = 1 << 18  # numbers normalised at a time, in float64
RESERVE = 1e6  # distance from the largest number of a type; rows may lie so many scales from their mean
SHIFT_TOLERANCE = 1e-3

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


def on_disk(X: Any) -> bool:
    """Whether `X` is an array that maps a file, such as an `np.memmap` or a part of one."""
    while isinstance(X, np.ndarray):
        X = X.base
    return isinstance(X, mmap.mmap)


def is_large(X: Any) -> bool:
    """Whether `X` may be larger than memory as a dense array of floats: it is sparse, or on disk."""
    return issparse(X) or on_disk(X)


def dense_rows(X: Any, rows: Any) -> np.ndarray:
    """``X[rows]`` as a dense array of a type that `accepted_dtypes` allows; a view where it can be."""
    part = X[rows]
    part = part.toarray() if issparse(part) else np.asarray(part)
    accepted = accepted_dtypes(part)
    return part if part.dtype in accepted else part.astype(accepted[0])


def validated(estimator: Any, X: Any, *y: Any, reset: bool, **options: Any) -> Any:
    """``validate_data(estimator, X, *y, ...)``, which leaves sparse rows sparse and files on disk.

    Sparse matrices become CSR. Arrays on disk keep their type, and are looked through for NaN and infinity a
    chunk at a time; see `dense_rows` for the rest of what is done with other arrays here.
    """
    if not on_disk(X):
        dtypes = accepted_dtypes(X)
        return validate_data(estimator, X, *y, dtype=dtypes, accept_sparse="csr", reset=reset, **options)
    options |= {"dtype": "numeric", "ensure_all_finite": False}
    checked = validate_data(estimator, X, *y, reset=reset, **options)
    rows = checked[0] if y else checked
    for part in chunks(rows):
        assert_all_finite(rows[part], estimator_name=type(estimator).__name__, input_name="X")
    return checked


def checked_sample_weight(owner: str, sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Weights (n_samples,), finite and >= 0, in float64; a number stands for all samples, None stays None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, sample_weight, np.float64)
    weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.shape != (n_samples,):
        raise ValueError(f"[{owner}] sample_weight must have shape ({n_samples},); got {weights.shape}")
    if weights.min() < 0:
        raise ValueError(f"[{owner}] sample_weight must be >= 0; got {weights.min()}")
    return weights


def check_rectangular(owner: str, y: Any, rule: str) -> None:
    """Raise ValueError if `y` is a list of rows that differ in length; `rule` says what it must be."""
    if not hasattr(y, "shape"):
        try:
            np.asarray(y)
        except ValueError as error:
            raise ValueError(f"[{owner}] y must be {rule}; got rows of different lengths") from error


def normalized(X: np.ndarray, transform: Transform | None, dtype: np.dtype, name: str = "fit") -> np.ndarray:
    """Normalised rows of `X` in the network's dtype, computed in float64 chunk by chunk.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, features)
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
    Z = np.empty((X.shape[0], width), dtype)
    for part in chunks(X):
        rows = dense_rows(X, part)
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


def chunks(X: Any) -> Iterator[slice]:
    """Slices of rows whose work arrays stay in the cache."""
    step = max(1, CHUNK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], step):
        yield slice(start, start + step)


def engine_rows(
    X: np.ndarray, transform: Transform | None, dtype: np.dtype, name: str = "fit"
) -> tuple[np.ndarray, Transform | None]:
    """Rows and transformation for the engine: `X` itself if layout and range fit, else a normalised copy."""
    if fits_engine(X, transform, dtype):
        return X, transform
    return normalized(X, transform, dtype, name), None


def fits_engine(X: Any, transform: Transform | None, dtype: np.dtype) -> bool:
    """Whether the engine can read `X` as it is, and normalise its rows by itself."""
    if not isinstance(X, np.ndarray) or X.dtype != dtype or not X.flags.c_contiguous:
        return False
    return transform is None or is_exact(transform, dtype)


def is_exact(transform: Transform, dtype: np.dtype) -> bool:
    """Whether the transformation can be carried out in `dtype`, as the engine does.

    Neither shift nor factor may come near the limits of the type, and rounding the shift may move no
    normalised value by more than 1e-3.

    Examples
    --------
    >>> is_exact((np.array([100.1]), np.array([5.0])), np.dtype("float32"))
    True
    >>> is_exact((np.array([1e6 + 0.02]), np.array([5.0])), np.dtype("float32"))
    False
    """
    shift, factor = transform
    limits = np.finfo(dtype)
    sizes = np.abs(factor) if factor.ndim == 1 else np.abs(factor).max(axis=1)
    sizes = sizes[sizes > 0]
    largest = limits.max / RESERVE
    if max(np.abs(shift).max(), sizes.max(initial=0)) > largest or sizes.min(initial=1) < 1 / largest:
        return False
    rounding = np.abs(shift - shift.astype(dtype))
    moved = np.abs(factor) * rounding if factor.ndim == 1 else np.abs(factor) @ rounding
    return bool(moved.max() <= SHIFT_TOLERANCE)
