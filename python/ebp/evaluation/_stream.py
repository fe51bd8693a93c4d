"""Streams of samples, whatever form they come in, as chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from ebp._checks import check_number

Chunk = tuple[Any, np.ndarray, np.ndarray | None]  # X (n, ...), y (n,) or (n, outputs), weights (n,)


def check_stream(stream: Any) -> None:
    """Raise TypeError unless `stream` is a tuple of arrays, or may give chunks or samples."""
    if (
        not isinstance(stream, Iterable)
        or isinstance(stream, (str, bytes, Mapping))
        or hasattr(stream, "shape")
    ):
        raise TypeError(
            "[prequential] stream must be an iterable of (x, y), (X, y) or (X, y, sample_weight), or a tuple "
            f"of arrays (X, y); got {type(stream).__name__}"
        )


def dense(y: Any) -> np.ndarray:
    """Targets as an array; indicator matrices may be sparse."""
    return y.toarray() if issparse(y) else np.asarray(y)


def are_arrays(stream: Any) -> bool:
    """Whether `stream` is (X, y) or (X, y, sample_weight), and not a sequence of such chunks."""
    return isinstance(stream, tuple) and len(stream) in (2, 3) and not isinstance(stream[0], tuple)


def chunks(stream: Any, chunk_size: int | None) -> Iterator[Chunk]:
    """The chunks of a `stream` that is one; empty ones are left out."""
    if are_arrays(stream):
        size = 1 if chunk_size is None else chunk_size
        check_number("prequential", "chunk_size", size, 1, integer=True)
        return _parts(*stream, size=size)
    if chunk_size is not None:
        raise ValueError(
            "[prequential] chunk_size must be None unless stream is a tuple of arrays (X, y) or "
            f"(X, y, sample_weight): other streams come in chunks of their own; got {chunk_size!r}"
        )
    return (chunk for chunk in map(_as_chunk, stream) if len(chunk[1]))


def _parts(X: Any, y: Any, sample_weight: Any = None, *, size: int) -> Iterator[Chunk]:
    X = X if hasattr(X, "shape") else np.asarray(X)
    X, y, weights = _checked(X, dense(y), sample_weight)

    def parts() -> Iterator[Chunk]:
        for start in range(0, len(y), size):
            rows = slice(start, min(start + size, len(y)))
            part = X[rows] if isinstance(X, np.ndarray) else _safe_indexing(X, rows)
            yield part, y[rows], None if weights is None else weights[rows]

    return parts()


def _as_chunk(item: Any) -> Chunk:
    """One item of a stream: a sample becomes a chunk of one."""
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise TypeError(
            "[prequential] every item of stream must be (x, y), (X, y) or (X, y, sample_weight); "
            f"got {type(item).__name__}{f' of {len(item)}' if isinstance(item, (tuple, list)) else ''}"
        )
    X, y, weights = (*item, None)[:3]
    y = dense(y)
    if y.ndim == 0 or np.ndim(X) == 1:
        X, y = np.asarray(X)[np.newaxis], y[np.newaxis]
        weights = None if weights is None else np.reshape(weights, 1)
    return _checked(X, y, weights)


def _checked(X: Any, y: np.ndarray, sample_weight: Any) -> Chunk:
    """The three, if they are of the same length."""
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    shapes = [np.shape(part) for part in (X, y, weights) if part is not None]
    if not all(shapes) or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(
            "[prequential] X, y and sample_weight must have the same number of samples; "
            f"got shapes {', '.join(map(str, shapes))}"
        )
    if weights is not None and not (
        weights.ndim == 1 and np.isfinite(weights).all() and (weights >= 0).all()
    ):
        raise ValueError(
            "[prequential] sample_weight must hold one finite number >= 0 a sample; got other values"
        )
    return X, y, weights
