"""Mixing samples that come in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ebp._checks import check_number
from ebp.sampling.orders import as_generator

Arrays = tuple[np.ndarray, ...]


class ShuffleBuffer:
    """Holds many samples of a stream and gives out random ones while others take their places.

    Half of the samples leave at a time, so that one stays for two such turns on average. So samples are mixed
    that are up to a few times `size` apart; a stream that is sorted over longer stretches has to be read in
    pieces from all over it too, as the streams of this module are.

    Parameters
    ----------
    size : int
        Samples held. Up to half of them are given out at a time.
    random_state : int, Generator or None, default=None
        Source of randomness: a Generator is used as it is, an int is a seed, None takes fresh entropy.

    Examples
    --------
    >>> import numpy as np
    >>> from ebp.streams import ShuffleBuffer
    >>> chunks = ((np.arange(i, i + 10), np.zeros(10)) for i in range(0, 100, 10))
    >>> mixed = np.concatenate([numbers for numbers, _ in ShuffleBuffer(40, 0).mix(chunks)])
    >>> bool((np.sort(mixed) == np.arange(100)).all()), bool((np.diff(mixed) == 1).mean() < 0.1)
    (True, True)
    """

    def __init__(self, size: int, random_state: Any = None) -> None:
        check_number("ShuffleBuffer", "size", size, 1, integer=True)
        self.size = int(size)
        self._rng = as_generator(random_state, "ShuffleBuffer")

    def mix(self, chunks: Iterable[Arrays], most: int | None = None) -> Iterator[Arrays]:
        """The same samples in other chunks and a random order.

        Parameters
        ----------
        chunks : iterable of tuples of arrays
            All arrays of a chunk have the same length; all chunks have as many arrays, which differ in length
            only.
        most : int, default=None
            Samples of a chunk that is given out, at most; None: half of `size`.

        Yields
        ------
        chunk : tuple of ndarray
            New arrays.
        """
        for store, chosen in self._turns(chunks, self.size // 2 if most is None else most):
            yield tuple(rows[chosen] for rows in store)

    def _turns(self, chunks: Iterable[Arrays], most: int) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        """The arrays of the buffer, and the rows of them that are given out at this turn.

        These rows stay as they are until the turn after the next one is asked for, so that a thread may fill
        the buffer for the next turn while they are in use. A buffer that is too small for what comes is
        replaced by another one of twice the size, so that `size` may be larger than the stream.
        """
        out = max(1, min(most, (self.size + 1) // 2))
        chunks, chunk = iter(chunks), None
        store: list[np.ndarray] = []
        n_slots = start = 0
        free, filled, given = (np.zeros(0, np.intp) for _ in range(3))
        while True:
            while len(filled) < self.size:
                if chunk is None or start == len(chunk[0]):
                    chunk, start = next(chunks, None), 0
                    if chunk is None:
                        break
                    store = _of_types(store, chunk)
                if not len(free):
                    free = np.arange(n_slots, min(self.size + out, max(2 * n_slots, len(chunk[0]))))
                    n_slots += len(free)
                    store = [_enlarged(held, n_slots) for held in store]
                end = min(len(chunk[0]), start + min(self.size - len(filled), len(free)))
                slots, free = np.split(free, [end - start])
                for held, rows in zip(store, chunk, strict=True):
                    held[slots] = rows[start:end]
                filled, start = np.concatenate([filled, slots]), end
            if not len(filled):
                return
            chosen, filled = np.split(self._rng.permutation(filled), [min(out, len(filled))])
            yield store, chosen
            free, given = np.concatenate([free, given]), chosen


def _of_types(store: list[np.ndarray], chunk: Arrays) -> list[np.ndarray]:
    """Arrays for samples of types that hold those in `store`, which is empty at first, and of the chunk."""
    if not store:
        return [np.zeros((0, *rows.shape[1:]), rows.dtype) for rows in map(np.asarray, chunk)]
    kinds = [np.result_type(held, rows) for held, rows in zip(store, chunk, strict=True)]
    return [held.astype(kind, copy=False) for held, kind in zip(store, kinds, strict=True)]


def _enlarged(held: np.ndarray, n: int) -> np.ndarray:
    """A copy with room for `n` samples; what is in use of the old one stays as it is."""
    enlarged = np.zeros((n, *held.shape[1:]), held.dtype)
    enlarged[: len(held)] = held
    return enlarged


def regrouped(chunks: Iterable[Arrays], size: int) -> Iterator[Arrays]:
    """The same samples in the same order, in chunks of `size` samples and a last one of the rest."""
    kept: list[Arrays] = []
    n_kept = 0
    for chunk in chunks:
        while n_kept + len(chunk[0]) >= size:
            cut = size - n_kept
            yield _joined([*kept, tuple(rows[:cut] for rows in chunk)])
            kept, n_kept, chunk = [], 0, tuple(rows[cut:] for rows in chunk)
        if len(chunk[0]):
            kept.append(chunk)
            n_kept += len(chunk[0])
    if kept:
        yield _joined(kept)


def _joined(chunks: list[Arrays]) -> Arrays:
    filled = [chunk for chunk in chunks if len(chunk[0])]
    return filled[0] if len(filled) == 1 else tuple(map(np.concatenate, zip(*filled, strict=True)))
