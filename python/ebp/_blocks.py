"""Rows that are too many to be made ready for the engine all at once: how many at a time, and by a thread."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

BLOCK_BYTES = 32 << 20  # of what is predicted, validated or learnt by `partial_fit` at a time

Item = TypeVar("Item")


def rows_of(n_bytes: int, row_bytes: int) -> int:
    """Rows of so many bytes that fit into `n_bytes`, at least one."""
    return max(1, n_bytes // max(1, row_bytes))


def block_rows(n_features: int, itemsize: int) -> int:
    """Rows of a block: 32 MB."""
    return rows_of(BLOCK_BYTES, n_features * itemsize)


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
