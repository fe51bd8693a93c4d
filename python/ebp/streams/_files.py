"""Streams of tables in files, read by PyArrow: the extra `streams`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ebp._blocks import rows_of
from ebp._checks import check_number
from ebp._extras import require_extra
from ebp.streams._stream import Chunk
from ebp.streams._tables import Tables

ROW_GROUP_BYTES = 8 << 20  # of a row group, read at a time: each column costs some time whatever its length
TEXT_BYTES = 2 << 20  # of a CSV file, read at a time: about a megabyte of numbers
FIRST_BYTES = 1 << 20  # of a CSV file, from which the types of its columns are found


class Parquet(Tables):
    """Samples of Parquet files, one row a sample.

    Parameters
    ----------
    path : str, path, or sequence of them
        Of one file or several with the same columns; a str that is no file may be a pattern such as
        ``"part-*.parquet"``.
    target : str or sequence of str
        Column of labels or values; several columns for several outputs or for an indicator matrix.
    features : sequence of str, default=None
        Columns of the inputs, numbers; None: all others, in the order of the first file, without those that
        pandas has written an index to.
    sample_weight : str, default=None
        Column of the weights.
    chunk_size : int, default=None
        Samples read at a time; None: as many as take 8 MB as float64.
    buffer_size : int, default=None
        Samples in the shuffle buffer; None: as many as take 64 MB.

    Attributes
    ----------
    features : list of str
    n_samples : int

    Raises
    ------
    ImportError
        Without PyArrow: ``pip install 'efficient-backprop[streams]'``.
    ValueError
        If a file is not there, is damaged or does not have all columns, if a feature or weight is no number,
        or if a target is among the features or of different kinds in the files.
    TypeError
        If target, features or sample_weight are no names.

    Notes
    -----
    Up to eight row groups are read in turn, in random order, each of them a chunk at a time: the compressed
    columns of eight row groups are in memory. Writers that sort their rows should make small row groups.

    Missing features are NaN. Decimal numbers are read as float64.

    Columns are decoded again in every epoch, which takes longer than small networks take to train:
    `ebp.streams.cache` makes a copy of the rows on disk that is read as fast as memory.

    Examples
    --------
    >>> import tempfile, numpy as np, ebp
    >>> import pyarrow as pa, pyarrow.parquet
    >>> X = np.random.default_rng(0).normal(size=(3000, 2))
    >>> table = pa.table({"a": X[:, 0], "b": X[:, 1], "larger": np.where(X[:, 0] > X[:, 1], "a", "b")})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pa.parquet.write_table(table, f"{folder}/table.parquet")
    ...     stream = ebp.streams.Parquet(f"{folder}/table.parquet", target="larger")
    ...     clf = ebp.MLPClassifier((4,), random_state=0).fit(stream)
    >>> clf.feature_names_in_.tolist(), bool(clf.loss_ < 0.1)
    (['a', 'b'], True)
    """

    def __init__(
        self,
        path: Any,
        target: str | Sequence[str],
        *,
        features: Sequence[str] | None = None,
        sample_weight: str | None = None,
        chunk_size: int | None = None,
        buffer_size: int | None = None,
    ) -> None:
        self._files = require_extra("pyarrow.parquet", "streams", "Parquet")
        self._metadata: list[Any] = []  # of the files, as their schemas are read
        super().__init__(path, target, features, sample_weight, buffer_size)
        if chunk_size is None:
            chunk_size = rows_of(ROW_GROUP_BYTES, 8 * len(self._columns))
        check_number("Parquet", "chunk_size", chunk_size, 1, integer=True)
        self.chunk_size = int(chunk_size)
        self._groups = [
            (path, group)
            for path, one in zip(self.paths, self._metadata, strict=True)
            for group in range(one.num_row_groups)
        ]
        self._n_samples = sum(one.num_rows for one in self._metadata)

    @property
    def n_samples(self) -> int:
        return self._n_samples

    def _schema(self, path: str) -> Any:
        try:
            self._metadata.append(self._files.read_metadata(path))
        except (self._arrow.ArrowInvalid, OSError) as error:
            raise ValueError(f"[Parquet] path must be of Parquet files; got {path}: {error}") from error
        return self._metadata[-1].schema.to_arrow_schema()

    def _parts(self) -> Sequence[tuple[str, int]]:
        return self._groups

    def _read(self, part: tuple[str, int]) -> Iterator[Chunk]:
        path, group = part
        with self._files.ParquetFile(path) as file:
            batches = file.iter_batches(self.chunk_size, row_groups=[group], columns=self._columns)
            for batch in batches:
                if batch.num_rows:
                    yield self._chunk(batch)


class CSV(Tables):
    """Samples of text files, one line a sample.

    Parameters
    ----------
    path : str, path, or sequence of them
        Of one file or several with the same columns; a str that is no file may be a pattern such as
        ``"part-*.csv"``.
    target : str or sequence of str
        Column of labels or values; several columns for several outputs or for an indicator matrix.
    features : sequence of str, default=None
        Columns of the inputs, numbers; None: all others, in the order of the first file.
    sample_weight : str, default=None
        Column of the weights.
    delimiter : str, default=","
    column_names : sequence of str, default=None
        For files without a first line that names the columns.
    buffer_size : int, default=None
        Samples in the shuffle buffer; None: as many as take 64 MB.

    Raises
    ------
    ImportError
        Without PyArrow: ``pip install 'efficient-backprop[streams]'``.
    ValueError
        If a file does not have all columns or is not there, if a feature or weight is no number, if a target
        is among the features or of different kinds in the files, or if a file is compressed or no table.
    TypeError
        If target, features or sample_weight are no names.

    Notes
    -----
    Files are read in pieces of 2 MB of text, in another random order in every epoch, for which no value may
    contain a line break. Labels that are numbers in one piece and text in another are not the same: for such
    columns write text.

    Reading text takes longer than small networks take to train: `ebp.streams.cache` makes a copy of the rows
    on disk that is read as fast as memory. Parquet files are read several times faster than text, too.

    Examples
    --------
    >>> import tempfile, ebp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lines = [f"{i % 7},{i % 5},{i % 7 + i % 5}" for i in range(2000)]
    ...     with open(f"{folder}/table.csv", "w") as file:
    ...         print("a,b,sum", *lines, sep="\\n", file=file)
    ...     stream = ebp.streams.CSV(f"{folder}/table.csv", target="sum")
    ...     reg = ebp.MLPRegressor((4,), random_state=0).fit(stream)
    >>> bool(abs(reg.predict_one([3, 4]) - 7) < 0.2)
    True
    """

    def __init__(
        self,
        path: Any,
        target: str | Sequence[str],
        *,
        features: Sequence[str] | None = None,
        sample_weight: str | None = None,
        delimiter: str = ",",
        column_names: Sequence[str] | None = None,
        buffer_size: int | None = None,
    ) -> None:
        self._csv = require_extra("pyarrow.csv", "streams", "CSV")
        self.delimiter = delimiter
        self.column_names = None if column_names is None else list(column_names)
        super().__init__(path, target, features, sample_weight, buffer_size)
        self._starts = [self._start(path) for path in self.paths]
        self._pieces = [
            (i, begin, min(os.path.getsize(path), begin + TEXT_BYTES))
            for i, (path, start) in enumerate(zip(self.paths, self._starts, strict=True))
            for begin in range(start, os.path.getsize(path), TEXT_BYTES)
        ]

    def _schema(self, path: str) -> Any:
        with open(path, "rb") as file:
            text = file.read(FIRST_BYTES)
            text += file.readline()
        if text[:2] == b"\x1f\x8b" or b"\0" in text:
            raise ValueError(
                "[CSV] path must be of text files, not compressed ones, which cannot be read in pieces; "
                f"got {path}"
            )
        return self._table(path, text, self.column_names, {}).schema

    def _start(self, path: str) -> int:
        """Where the first sample begins, or an empty line before it."""
        if self.column_names is not None:
            return 0
        with open(path, "rb") as file:
            while file.readline() in (b"\n", b"\r\n"):
                pass
            return file.tell()

    def _table(self, path: str, text: bytes, names: list[str] | None, kinds: dict[str, Any]) -> Any:
        """The table that text of a file holds, with a first line of names if `names` is None.

        `kinds` has the columns that are asked for, all if it is empty, and their types, None for those that
        the values tell.
        """
        convert = self._csv.ConvertOptions(strings_can_be_null=True)
        convert.include_columns = list(kinds)
        convert.column_types = {name: kind for name, kind in kinds.items() if kind is not None}
        try:
            return self._csv.read_csv(
                self._arrow.BufferReader(text),
                read_options=self._csv.ReadOptions(
                    column_names=names, use_threads=False, block_size=max(1, len(text))
                ),
                parse_options=self._csv.ParseOptions(delimiter=self.delimiter),
                convert_options=convert,
            )
        except self._arrow.ArrowInvalid as error:
            raise ValueError(
                "[CSV] every line must have all columns, and numbers as features and weights; "
                f"got {path}: {error}"
            ) from error

    def _kinds(self, i: int) -> dict[str, Any]:
        """The types that the columns of a file are read as; None for targets, of whatever kind they are."""
        kinds = dict.fromkeys(self._columns)
        for name in (*self.features, *self._weights):
            found = self._schemas[i].field(name).type
            # what looks whole or empty at first need not be so further on
            kinds[name] = found if self._arrow.types.is_boolean(found) else self._arrow.float64()
        return kinds

    def _parts(self) -> Sequence[tuple[int, int, int]]:
        return self._pieces

    def _read(self, part: tuple[int, int, int]) -> Iterator[Chunk]:
        i, begin, end = part
        path, names = self.paths[i], self._schemas[i].names
        text = _lines(path, begin, end, self._starts[i])
        if text.strip():
            (batch,) = self._table(path, text, names, self._kinds(i)).combine_chunks().to_batches()
            yield self._chunk(batch)


def _lines(path: str, begin: int, end: int, first: int) -> bytes:
    """The lines of a file that begin in [begin, end); the first one begins at `first`."""
    with open(path, "rb") as file:
        file.seek(begin)
        if begin > first:
            file.seek(begin - 1)
            file.readline()
        text = file.read(max(0, end - file.tell()))
        return text if text.endswith(b"\n") or not text else text + file.readline()
