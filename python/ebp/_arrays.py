"""Conversion of what users give into the arrays that the core takes, once and with clear errors."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_dask(value: Any) -> bool:
    """Whether this is an array of dask's, or another of its collections."""
    # Arrays of xarray always have the method, which returns None where they hold no array of dask's.
    graph = getattr(value, "__dask_graph__", None)
    return callable(graph) and graph() is not None


def _numeric(value: Any, function: str, name: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"[{function}] {name} must be a rectangular array; got {type(value).__name__}"
        ) from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"[{function}] {name} must be real numbers; got dtype {array.dtype}")
    return array


def as_rows(
    value: Any, width: int, dtype: np.dtype, function: str, name: str, sample_shape: tuple[int, ...] = ()
) -> np.ndarray:
    """`value` as a C-contiguous array of shape (n, width), without a copy if it is one already.

    Samples of any shape with `width` values are flattened; (n,) will do where `width` is 1. If `sample_shape`
    has several axes, samples must come as flat rows or with these axes, apart from axes of size 1: others,
    such as images with their channels last, would be taken for something else.
    """
    array = _numeric(value, function, name)
    if array.ndim == 1 and width == 1:
        array = array[:, np.newaxis]
    elif array.ndim > 2 and fits_shape(array.shape[1:], width, sample_shape):
        array = array.reshape(len(array), width)
    if array.ndim != 2 or array.shape[1] != width:
        images = f" or (n, {', '.join(map(str, sample_shape))})" if len(sample_shape) > 1 else ""
        raise ValueError(f"[{function}] {name} must have shape (n, {width}){images}; got {array.shape}")
    return np.ascontiguousarray(array, dtype=dtype)


def checked_axes(value: Any, sample_shape: tuple[int, ...], function: str, name: str) -> None:
    """Refuse one sample whose axes are not those of `sample_shape`; flat rows are left to the core."""
    axes = np.shape(value)
    if (
        axes != sample_shape
        and len(axes) > 1
        and not fits_shape(axes, int(np.prod(sample_shape)), sample_shape)
    ):
        raise ValueError(f"[{function}] {name} must have the shape {sample_shape} or be flat; got {axes}")


def fits_shape(axes: tuple[int, ...], width: int, sample_shape: tuple[int, ...]) -> bool:
    """Whether a sample with these axes is one of `sample_shape`, or of `width` values if that is flat."""
    if len(sample_shape) < 2:
        return int(np.prod(axes)) == width
    return [size for size in axes if size != 1] == [size for size in sample_shape if size != 1]


def as_vector(value: Any, size: int, dtype: np.dtype, function: str, name: str) -> np.ndarray:
    """`value` as a C-contiguous array of shape (size,)."""
    array = _numeric(value, function, name)
    if array.shape != (size,):
        raise ValueError(f"[{function}] {name} must have shape ({size},); got {array.shape}")
    return np.ascontiguousarray(array, dtype=dtype)


def checked_weights(value: Any, size: int, dtype: np.dtype, function: str) -> np.ndarray:
    """Sample weights as a C-contiguous array of shape (size,), finite and not negative."""
    weights = as_vector(value, size, dtype, function, "sample_weight")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"[{function}] sample_weight must be finite and not negative; got other values")
    return weights


def checked_mean_weights(value: Any, size: int, dtype: np.dtype, function: str) -> np.ndarray:
    """The same for a mean, which needs a weight that is positive."""
    weights = checked_weights(value, size, dtype, function)
    if not weights.any():
        raise ValueError(f"[{function}] some sample_weight must be positive; got zeros only")
    return weights


def checked_order(order: Any, n: int, function: str) -> np.ndarray:
    """A copy of `order` as row indices, None for all rows in turn; the core checks their range, once."""
    if order is None:
        return np.arange(n, dtype=np.intp)
    array = np.asarray(order)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"[{function}] order must be a 1-D array of integers; got {array.dtype} {array.shape}"
        )
    return np.array(array, dtype=np.intp)


def checked_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple of sizes."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list, np.ndarray)) else (shape,)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise TypeError(f"[Network] input_shape must hold integers; got {shape!r}")
    if not sizes or min(sizes) < 1:
        raise ValueError(f"[Network] input_shape must hold sizes of at least 1; got {shape!r}")
    return tuple(int(size) for size in sizes)
