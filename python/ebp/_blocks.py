"""Rows made ready for the engine a block at a time, where all of them at once might not fit into memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from scipy.sparse import issparse

from ._inputs import Transform, accepted_dtypes, dense_rows, engine_rows, normalized

# Large enough that the curvature of SDLM, which is measured on 500 samples at the start of every block, costs
# little: 10,700 rows of 784 numbers. Two blocks are in memory, one that is read and one that is trained on.
BLOCK_BYTES = 32 << 20

Item = TypeVar("Item")


@dataclass
class Block:
    """What the engine reads, and the order in which it presents the rows."""

    X: np.ndarray  # (n, features)
    T: np.ndarray  # (n, outputs)
    transform: Transform | None  # applied row by row by the engine
    order: np.ndarray | None  # (n_presentations,), None for one row after the other
    weights: np.ndarray | None  # (n,)


def block_rows(n_features: int, itemsize: int, multiple: int = 1) -> int:
    """Rows of a block, a multiple of so many: 32 MB, and at least one of these multiples."""
    return max(1, BLOCK_BYTES // (max(1, n_features) * itemsize * multiple)) * multiple


def blocks_of(data: Any, order: np.ndarray, weights: np.ndarray | None, multiple: int) -> Iterator[Block]:
    """The rows `order` of a `TrainingData`, block by block, each with its rows gathered in its own array.

    `weights` (n,) are those of a presentation of each row. All but the last block have a multiple of
    `multiple` presentations, so that no batch is divided.
    """
    dtype = data.T.dtype
    size = block_rows(data.X.shape[1], dtype.itemsize, multiple)
    as_they_are = issparse(data.X) or data.X.flags.c_contiguous  # as `engine_rows` decides for all rows
    for start in range(0, len(order), size):
        # in the order of the file, and every row once
        rows, presented = np.unique(order[start : start + size], return_inverse=True)
        X, transform = data.X[rows], data.transform
        if as_they_are and accepted_dtypes(X)[0] == dtype:
            X, transform = engine_rows(dense_rows(X, slice(None)), transform, dtype)
        else:
            X, transform = normalized(X, transform, dtype), None
        yield Block(X, data.T[rows], transform, presented, None if weights is None else weights[rows])


def ahead(items: Iterator[Item]) -> Generator[Item]:
    """The items, each one made by a thread while the one before it is in use.

    Reading and training take turns with one processor, and share two: the engine runs without the GIL.
    """
    end: Any = object()
    with ThreadPoolExecutor(1, "ebp-reader") as reader:
        coming = reader.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = reader.submit(next, items, end)
            yield item
