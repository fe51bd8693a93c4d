"""Streams of what Python holds: arrays, also on disk, and chunks that somebody else makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ebp._blocks import rows_of
from ebp._checks import check_number
from ebp.streams._stream import CHUNK_BYTES, Chunk, Stream


class Arrays(Stream):
    """Samples of arrays, which may be files (`numpy.memmap`), sparse matrices or frames.

    `fit` takes arrays on disk as they are, too, and then presents the samples in the very order that it has
    for arrays in memory. Where the file is larger than memory, that order makes it read all over the file
    for every sample; through this stream it reads pieces of a megabyte.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, \\*input_shape)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    chunk_size : int, default=None
        Samples read at a time; None: as many as take a megabyte.
    buffer_size : int, default=None
        Samples in the shuffle buffer; None: as many as take 64 MB.

    Raises
    ------
    ValueError
        If the arrays differ in length, or have none.

    Examples
    --------
    >>> import tempfile, numpy as np, ebp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     X = np.memmap(f"{folder}/X", np.float32, "w+", shape=(5000, 3))
    ...     X[:] = np.random.default_rng(0).normal(size=X.shape)
    ...     stream = ebp.streams.Arrays(X, X[:, 0] > X[:, 1])
    ...     clf = ebp.MLPClassifier((4,), random_state=0).fit(stream)
    ...     bool(clf.score(X, X[:, 0] > X[:, 1]) > 0.98)
    True
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        chunk_size: int | None = None,
        buffer_size: int | None = None,
    ) -> None:
        super().__init__(buffer_size)
        self.X, self.y = _indexable(X), _indexable(y)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        lengths = [_num_samples(part) for part in (self.X, self.y, self.sample_weight) if part is not None]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError(
                "[Arrays] X, y and sample_weight must have the same number of samples, at least one; "
                f"got {', '.join(map(str, lengths))}"
            )
        if chunk_size is None:
            itemsize = getattr(getattr(self.X, "dtype", None), "itemsize", 8)
            chunk_size = rows_of(CHUNK_BYTES, itemsize * int(np.prod(self.X.shape[1:])))
        check_number("Arrays", "chunk_size", chunk_size, 1, integer=True)
        self.chunk_size = int(chunk_size)

    @property
    def n_samples(self) -> int:
        return int(self.X.shape[0])

    def _parts(self) -> Sequence[slice]:
        n = self.n_samples
        return [slice(i, min(n, i + self.chunk_size)) for i in range(0, n, self.chunk_size)]

    def _read(self, part: slice) -> Iterator[Chunk]:
        yield tuple(None if array is None else _part(array, part) for array in self._arrays)  # type: ignore[misc]

    @property
    def _arrays(self) -> tuple[Any, Any, Any]:
        return self.X, self.y, self.sample_weight


def _indexable(array: Any) -> Any:
    """An array, frame or sparse matrix of which rows can be taken."""
    if issparse(array):
        return array.tocsr()
    # a slice of a plain array that maps a file takes a hundredth of the time of one of an np.memmap
    return array if hasattr(array, "shape") and not isinstance(array, np.memmap) else np.asarray(array)


def _part(array: Any, rows: slice) -> Any:
    return array[rows] if isinstance(array, np.ndarray) or issparse(array) else _safe_indexing(array, rows)


class Chunks(Stream):
    """Samples in chunks that come from somewhere: a list, a generator function, a loader of one's own.

    Parameters
    ----------
    source : iterable of chunks, or function without arguments that returns one
        Each chunk is ``(X, y)`` or ``(X, y, sample_weight)``, of one sample or more; X may be an array, a
        frame or a sparse matrix. An iterator can be read once, which is enough for one `partial_fit` or
        `score`. `fit` reads the chunks once for the statistics and then once an epoch: it needs a list or,
        for chunks that are read or computed when they are needed, a function. The chunks should be the same
        in every pass; distorted samples do no harm without early_stopping, but there must be as many.
    buffer_size : int, default=None
        Samples in the shuffle buffer; None: as many as take 64 MB.

    Raises
    ------
    TypeError
        If `source` is neither iterable nor callable, or a chunk is no tuple of two or three.

    Notes
    -----
    The chunks are taken in their order, since there is no other way to read them: only the buffer mixes
    them. If they are sorted, by class say, it should hold a good part of the samples.

    Except in `score` and the first pass of `fit`, it is a thread that calls the function and takes the
    chunks, another one in every pass. So the function should itself open the files and connections that it
    reads from: those of `sqlite3`, for one, serve only the thread that has opened them.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> def chunks():
    ...     rng = np.random.default_rng(0)
    ...     for _ in range(50):
    ...         X = rng.normal(size=(100, 3))
    ...         yield X, X[:, 0] > X[:, 1]
    >>> clf = ebp.MLPClassifier((4,), random_state=0).fit(ebp.streams.Chunks(chunks))
    >>> bool(clf.loss_ < 0.1)
    True

    A stream that comes once, such as a generator's, is for one `partial_fit` or `score`:

    >>> stream = ebp.streams.Chunks(chunks())
    >>> clf = ebp.MLPClassifier((4,), random_state=0).partial_fit(stream, classes=[False, True])
    >>> clf.t_
    5000
    """

    _same = False

    def __init__(
        self,
        source: Iterable[Any] | Callable[[], Iterable[Any]],
        *,
        buffer_size: int | None = None,
    ) -> None:
        super().__init__(buffer_size)
        if not callable(source) and (not isinstance(source, Iterable) or isinstance(source, (str, bytes))):
            raise TypeError(
                "[Chunks] source must be an iterable of chunks (X, y) or (X, y, sample_weight), or a "
                f"function that returns one; got {type(source).__name__}"
            )
        self.source = source
        self._exhausted = False

    def _parts(self) -> Sequence[None]:
        return [None]

    def _read(self, part: None) -> Iterator[Chunk]:
        source = self.source() if callable(self.source) else self.source
        if isinstance(source, Iterator) and not callable(self.source):
            if self._exhausted:
                raise ValueError(
                    "[Chunks] source must be a list or a function to be read more than once, as fit does; "
                    "got an iterator that has been read: it is enough for one partial_fit or score"
                )
            self._exhausted = True
        for item in source:
            if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
                raise TypeError(
                    "[Chunks] every chunk must be (X, y) or (X, y, sample_weight); "
                    f"got {type(item).__name__}"
                    f"{f' of {len(item)}' if isinstance(item, (tuple, list)) else ''}"
                )
            if _num_samples(item[0]):
                yield (*item, None)[:3]
