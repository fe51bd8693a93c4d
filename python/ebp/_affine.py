"""Affine maps of images by spline interpolation; coordinates are (row, column) of pixel centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage


def warp(
    out: np.ndarray, images: np.ndarray, inverses: np.ndarray, offsets: np.ndarray, order: int, fill: Any
) -> None:
    """Distort a block of images (n, channels, height, width) into `out`.

    Pixel p of a result is the image at inverses[i] @ p + offsets[i], interpolated. Beyond the image all
    pixels have the value of the fill ("grid-constant"): a border that differs fades out over one pixel.
    """
    source = np.ascontiguousarray(images, dtype=work_dtype(images.dtype))
    if isinstance(fill, str):
        fills = _border_median(source)
    else:
        fills = np.full(source.shape[:2], fill, dtype=source.dtype)
    result = np.empty_like(source)
    for i, (inverse, offset) in enumerate(zip(inverses, offsets, strict=True)):
        for channel, value in enumerate(fills[i]):
            ndimage.affine_transform(
                source[i, channel],
                inverse,
                offset,
                output=result[i, channel],
                order=order,
                mode="grid-constant",
                cval=value,
            )
    low = np.minimum(source.min(axis=(2, 3)), fills)[:, :, np.newaxis, np.newaxis]
    high = np.maximum(source.max(axis=(2, 3)), fills)[:, :, np.newaxis, np.newaxis]
    np.clip(result, low, high, out=result)
    out[...] = result if images.dtype.kind == "f" else np.rint(result)


def backward(
    matrices: np.ndarray, shifts: np.ndarray, size: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the result comes from: p' = inverse @ p + offset, for the map about the centre.

    Forwards p = centre + shift + matrix @ (p' - centre); the determinant is the square of the size, never 0.
    """
    centre = (np.array(size) - 1) / 2
    inverses = np.linalg.inv(matrices)
    return inverses, centre - np.einsum("nij,nj->ni", inverses, centre + shifts)


def _border_median(images: np.ndarray) -> np.ndarray:
    """Median of the outermost pixels of each channel, the lower one of two: (n, channels)."""
    edges = [images[:, :, [0, -1], :], images[:, :, 1:-1, [0, -1]]]
    flat = np.concatenate([edge.reshape(*images.shape[:2], -1) for edge in edges], axis=2)
    middle = (flat.shape[2] - 1) // 2
    return np.partition(flat, middle, axis=2)[:, :, middle]


def work_dtype(dtype: np.dtype) -> np.dtype:
    """float32 where it holds every value of the type, else float64."""
    return np.result_type(dtype, np.float32).newbyteorder("=")
