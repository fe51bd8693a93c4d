"""Rows that are too many to be made ready for the engine all at once: how many at a time, and by a thread."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

BLOCK_BYTES = 32 << 20  # of what is predicted, validated or learnt by `partial_fit` at a time

Item = TypeVar("Item")


def rows_of(n_bytes: int, row_bytes: int) -> int:
    """Rows of so many bytes that fit into `n_bytes`, at least one."""
    return max(1, n_bytes // max(1, row_bytes))


def block_rows(n_features: int, itemsize: int) -> int:
    """Rows of a block: 32 MB."""
    return rows_of(BLOCK_BYTES, n_features * itemsize)


class Ahead(Iterator[Item]):
    """The items, each one made by a thread while the one before it is in use.

    Reading and training take turns with one processor, and share two: the engine runs without the GIL.

    The end of the ``with`` block waits for the item that is being made: nothing is written into buffers, or
    read from the source, after it. Only an interrupt, which is to be served at once, does not wait for a
    source that takes its time; nor does the end of the program, since the thread is a daemon.

    Parameters
    ----------
    items : generator
        Also closed by the thread, to which what it reads from may be bound.
    """

    def __init__(self, items: Generator[Item]) -> None:
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        queues = self._wanted, self._made
        self._reader = Thread(target=_make, args=(items, *queues), name="ebp-reader", daemon=True)
        self._ended = False
        self._wanted.put(True)
        self._reader.start()

    def __next__(self) -> Item:
        if self._ended:
            raise StopIteration
        item: Item
        item, error = self._made.get()
        if error is None:
            self._wanted.put(True)
            return item
        self._ended = True
        try:
            raise error
        finally:
            del error  # it holds this frame, too

    def __enter__(self) -> Ahead[Item]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._ended = True
        self._wanted.put(False)
        if kind is None or issubclass(kind, Exception):
            self._reader.join()


def _make(items: Generator[Item], wanted: SimpleQueue[bool], made: SimpleQueue[Any]) -> None:
    """Make an item for every True in `wanted`, up to an error: StopIteration where there are no more."""
    with closing(items):
        while wanted.get():
            try:
                made.put((next(items), None))
            except BaseException as error:
                made.put((None, error))
                return
