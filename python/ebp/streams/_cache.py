"""Samples of slow streams in files of numbers, which are read as fast as memory."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.format import dtype_to_descr, open_memmap, write_array_header_1_0
from scipy.sparse import issparse
from sklearn.utils.validation import _get_feature_names

from ebp.streams._sources import Arrays
from ebp.streams._stream import Stream

NAMES = "X", "y", "sample_weight"


class CachedStream(Arrays):
    """A stream of files that `cache` has written; they are `folder`/X.npy, y.npy and sample_weight.npy."""

    def __init__(self, folder: str | Path, names: list[str] | None, buffer_size: int | None) -> None:
        paths = (Path(folder) / f"{name}.npy" for name in NAMES)
        super().__init__(
            *(np.load(path, mmap_mode="r") if path.exists() else None for path in paths),
            buffer_size=buffer_size,
        )
        self.folder = str(folder)
        self._names = names

    @property
    def feature_names(self) -> list[str] | None:
        return self._names


def cache(stream: Stream, folder: str | os.PathLike[str] | None = None) -> CachedStream:
    """Copy the samples of a stream to files that are read as fast as memory.

    Columns and text have to be decoded again in every epoch, which takes several times as long as training a
    small network does. The copy, read once from the stream, is decoded.

    Parameters
    ----------
    stream : Stream
    folder : path, default=None
        A folder for the files X.npy, y.npy and sample_weight.npy, empty or not there yet; None: a temporary
        one, which goes with the stream. It needs room for the numbers as they are read: 4 bytes for every
        value of a Parquet file of float32, 8 for every value of a CSV file.

    Returns
    -------
    stream : Stream
        The same samples, names and size of the shuffle buffer. The files stay where `folder` is given: a
        later program takes them by ``Arrays(np.load("X.npy", mmap_mode="r"), ...)``.

    Raises
    ------
    TypeError
        If `stream` is none, or the features are no numbers or sparse, which would fill the disk with zeros.
    ValueError
        If there is something in the folder, if there are no samples, or if chunks differ in their number of
        columns or only some have weights.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> def chunks():
    ...     rng = np.random.default_rng(0)
    ...     for _ in range(50):
    ...         X = rng.normal(size=(100, 3))
    ...         yield X, X[:, 0] > X[:, 1]
    >>> stream = ebp.streams.cache(ebp.streams.Chunks(chunks))
    >>> stream.n_samples, stream.X.shape
    (5000, (5000, 3))
    >>> clf = ebp.MLPClassifier((4,), random_state=0).fit(stream)
    >>> bool(clf.loss_ < 0.1)
    True
    """
    if not isinstance(stream, Stream):
        raise TypeError(f"[cache] stream must be one of ebp.streams; got {type(stream).__name__}")
    place = Path(tempfile.mkdtemp(prefix="ebp-") if folder is None else folder)
    place.mkdir(parents=True, exist_ok=True)
    if any(place.iterdir()):
        raise ValueError(f"[cache] folder must be empty, or not there yet; got {str(place)!r}")
    try:
        names = _write(stream, place)
    except BaseException:
        for path in place.iterdir():
            path.unlink()
        if folder is None:
            place.rmdir()
        raise
    cached = CachedStream(place, names, stream.buffer_size)
    if folder is None:
        weakref.finalize(cached, shutil.rmtree, place, ignore_errors=True)
    return cached


def _write(stream: Stream, folder: Path) -> list[str] | None:
    """Write the files; return the names of the features."""
    names = stream.feature_names
    files: dict[str, _GrowingFile] = {}
    with ExitStack() as stack:
        for chunk in stream:
            parts = {
                name: _rows(name, part) for name, part in zip(NAMES, chunk, strict=True) if part is not None
            }
            if not files:
                given = _get_feature_names(chunk[0]) if names is None else names
                names = None if given is None else list(given)
                files = {
                    name: stack.enter_context(closing(_GrowingFile(folder / f"{name}.npy", rows)))
                    for name, rows in parts.items()
                }
            if files.keys() != parts.keys():
                raise ValueError("[cache] all chunks or none must have sample_weight; got both kinds")
            for name, rows in parts.items():
                files[name].append(rows)
    if not files:
        raise ValueError("[cache] stream must have samples; got none")
    return names


def _rows(name: str, part: Any) -> np.ndarray:
    """A part of a chunk as an array that a file can hold."""
    if issparse(part):
        raise TypeError(f"[cache] {name} must be dense; got a sparse matrix")
    rows = np.asarray(part)
    if rows.dtype == object and name == "y":
        rows = rows.astype(str)
    if rows.dtype.kind not in "fiub" + "US" * (name == "y"):
        raise TypeError(f"[cache] {name} must be of numbers; got an array of {rows.dtype}")
    return rows


class _GrowingFile:
    """An array in a .npy file, to which rows are added; of the type and shape of `rows` at first."""

    def __init__(self, path: Path, rows: np.ndarray) -> None:
        self._path, self._dtype = path, rows.dtype
        self._shape: tuple[int, ...] = (0, *rows.shape[1:])
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def append(self, rows: np.ndarray) -> None:
        """Add rows; if they are of a larger type, what is there takes it on."""
        if rows.shape[1:] != self._shape[1:]:
            raise ValueError(
                "[cache] all chunks must have rows of the same shape; "
                f"got {rows.shape[1:]} after {self._shape[1:]}"
            )
        dtype = np.result_type(self._dtype, rows.dtype)
        if dtype != self._dtype:
            self._convert(dtype)
        np.ascontiguousarray(rows, dtype).tofile(self._file)
        self._shape = (self._shape[0] + len(rows), *self._shape[1:])

    def _write_header(self) -> None:
        """Write type and shape; the format keeps room for any number of rows."""
        self._file.seek(0)
        described = {"descr": dtype_to_descr(self._dtype), "fortran_order": False}
        write_array_header_1_0(self._file, {**described, "shape": self._shape})

    def _convert(self, dtype: np.dtype) -> None:
        """Copy the file as one of the type `dtype`."""
        self.close()
        narrow = self._path.with_suffix(".narrow")
        os.replace(self._path, narrow)
        source = np.load(narrow, mmap_mode="r")
        copy = open_memmap(self._path, "w+", dtype, source.shape)
        for start in range(0, len(source), 65_536):
            copy[start : start + 65_536] = source[start : start + 65_536]
        del copy
        narrow.unlink()
        self._dtype, self._file = dtype, self._path.open("r+b")
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Write the number of rows."""
        self._write_header()
        self._file.close()
