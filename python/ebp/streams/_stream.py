"""What all streams have in common: parts that can be read in any order, each of them in chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ebp._checks import check_number

Chunk = tuple[Any, Any, Any]  # X (n, ...), y (n,) or (n, outputs), sample_weight (n,) or None

CHUNK_BYTES = 1 << 20  # small, so that many chunks of different parts are in the buffer; read at full speed
OPEN_PARTS = 8  # parts that are read in turn, where they have several chunks


class Stream(ABC):
    """Samples in chunks, for `fit`, `partial_fit` and `score` of the estimators; made through a subclass.

    Iterating over a stream gives its chunks ``(X, y, sample_weight)`` in their order, the last one of them
    None where samples count alike. So `ebp.evaluation.prequential` takes streams too.

    Parameters
    ----------
    buffer_size : int or None
        Samples in the shuffle buffer; None: as many as take 64 MB.

    Notes
    -----
    Training does not take the chunks in their order (unless sampling="sequential"): it reads the parts of
    the stream, which are files, row groups or pieces of an array, in another random order in every epoch,
    and passes the samples through a `ShuffleBuffer`. So neighbours come from all over the data even if these
    are sorted by class.

    `fit` reads a stream once for classes, weights and normalisation (twice, where samples have weights), and
    then once in every epoch. In memory are the buffer, what the stream reads at a time, and a ring of the
    samples that are trained on and of those that come next: some tens of megabytes, however long the stream
    is. Wide samples and large batches take more, since the ring holds, in the type of the network, the
    samples of a batch, a few milliseconds' worth of others, the 500 that SDLM measures its curvature on, and,
    for a first layer that takes them in blocks, up to 192 (384 with several threads): with SDLM 2 GB for a
    million features, and 200 MB for a thousand with batches of 50,000. A thread reads while another trains.
    All that is done epoch by epoch stays: losses, schedules, callbacks, stopping, and the curvature of SDLM,
    measured at the start of an epoch (and again after every two million presentations).

    - early_stopping holds out `validation_fraction` of the samples at random, without regard to classes, and
      keeps those in memory: 10,000 or 32 MB of them at most. The others go into training.
    - sampling="emphasize" goes by the errors just before a few megabytes of samples are presented,
      "interleave" works within them.
    - class_weight does not count in the normalisation, as it does with arrays.
    - Batch solvers, which need all samples at once, refuse streams; solver="auto" is "sdlm".

    `partial_fit` reads a stream once, and learns each block of 32 MB (or half the buffer) as by a call of its
    own. It takes the chunks of a generator too, which can be read only once.

    `score` reads a stream once, and has one chunk at a time in memory.
    """

    _same = True  # in every pass, so that it is enough to check the samples once

    def __init__(self, buffer_size: int | None) -> None:
        self.buffer_size = buffer_size
        if buffer_size is not None:
            check_number(type(self).__name__, "buffer_size", buffer_size, 1, integer=True)

    @property
    def n_samples(self) -> int | None:
        """Number of samples, or None if it is not known without reading them."""
        return None

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features, or None if they have none."""
        return None

    @abstractmethod
    def _parts(self) -> Sequence[Any]:
        """What can be read in any order."""

    @abstractmethod
    def _read(self, part: Any) -> Iterator[Chunk]:
        """The chunks of a part."""

    def __iter__(self) -> Iterator[Chunk]:
        return (chunk for _, chunk in self._numbered(None))

    def _numbered(self, rng: np.random.Generator | None) -> Iterator[tuple[tuple[int, int], Chunk]]:
        """All chunks, each with the numbers of its part and of itself within the part.

        `rng` draws the order of the parts, eight of which are read in turn; None keeps it.
        """
        parts = self._parts()
        if rng is None:
            for i, part in enumerate(parts):
                for j, chunk in enumerate(self._read(part)):
                    yield (i, j), chunk
            return
        waiting = rng.permutation(len(parts)).tolist()
        opened: list[tuple[int, Iterator[tuple[int, Chunk]]]] = []
        while waiting or opened:
            while waiting and len(opened) < OPEN_PARTS:
                i = waiting.pop()
                opened.append((i, enumerate(self._read(parts[i]))))
            turn = int(rng.integers(len(opened)))
            i, chunks = opened[turn]
            found = next(chunks, None)
            if found is None:
                opened.pop(turn)
            else:
                yield (i, found[0]), found[1]
