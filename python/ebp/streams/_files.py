"""Streams of tables in files, read by PyArrow: the extra `streams`."""

from __future__ import annotations

import glob
import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ebp._blocks import rows_of
from ebp._checks import check_number
from ebp._extras import require_extra
from ebp.streams._stream import Chunk, Stream

ROW_GROUP_BYTES = 8 << 20  # of a row group, read at a time: each column costs some time whatever its length
TEXT_BYTES = 2 << 20  # of a CSV file, read at a time: about a megabyte of numbers
FIRST_BYTES = 1 << 20  # of a CSV file, from which the types of its columns are found


class _Tables(Stream):
    """Files of columns with names."""

    def __init__(
        self, path: Any, target: Any, features: Any, sample_weight: Any, buffer_size: int | None
    ) -> None:
        super().__init__(buffer_size)
        self._name = type(self).__name__
        self._arrow = require_extra("pyarrow", "streams", self._name)
        self.paths = _paths(self._name, path)
        self.target = target
        self._targets = [target] if isinstance(target, str) else list(target)
        self.sample_weight = sample_weight
        schema = self._schema(self.paths[0])
        others = {*self._targets, *([] if sample_weight is None else [sample_weight])}
        self.features = [name for name in schema.names if name not in others]
        if features is not None:
            self.features = list(features)
        self._columns = [*self.features, *sorted(others)]
        self._check(schema)

    @abstractmethod
    def _schema(self, path: str) -> Any:
        """Names and types of the columns of a file."""

    def _check(self, schema: Any) -> None:
        """Raise ValueError unless the columns are there, and the features numbers."""
        missing = [name for name in self._columns if name not in schema.names]
        if missing or not self.features:
            raise ValueError(
                f"[{self._name}] target, features and sample_weight must be columns of the file, "
                f"{', '.join(schema.names)}, with at least one feature; got {missing or 'no feature'}"
            )
        types = self._arrow.types
        tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
        kinds = {name: schema.field(name).type for name in self.features}
        wrong = {name: str(kind) for name, kind in kinds.items() if not any(test(kind) for test in tests)}
        if wrong:
            raise ValueError(
                f"[{self._name}] features must be columns of numbers: name them, or encode the others first; "
                f"got {wrong}"
            )

    def _chunk(self, batch: Any) -> Chunk:
        y = [self._values(batch, name) for name in self._targets]
        weights = None if self.sample_weight is None else self._values(batch, self.sample_weight)
        target = y[0] if isinstance(self.target, str) else np.column_stack(y)
        return self._rows(batch.select(self.features)), target, weights

    def _rows(self, batch: Any) -> np.ndarray:
        """The features as an array (n, n_features), missing values as NaN."""
        if any(map(self._arrow.types.is_boolean, batch.schema.types)):
            columns = [one.cast("uint8") if one.type == "bool" else one for one in batch.columns]
            batch = self._arrow.RecordBatch.from_arrays(columns, names=batch.schema.names)
        return np.asarray(batch.to_tensor(null_to_nan=True))

    @property
    def feature_names(self) -> list[str]:
        return self.features

    def _values(self, batch: Any, name: str) -> np.ndarray:
        """A column of targets or weights, text as NumPy's own."""
        column, types = batch.column(name), self._arrow.types
        if column.null_count:
            raise ValueError(
                f"[{self._name}] targets and weights must not be missing; got {column.null_count} missing in "
                f"a chunk of {name!r}"
            )
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        values = np.asarray(column.to_numpy(zero_copy_only=False))
        return values.astype(str) if values.dtype == object else values


class Parquet(_Tables):
    """Samples of Parquet files, one row a sample.

    Parameters
    ----------
    path : str, path, or sequence of them
        Of one file or several with the same columns; a str may be a pattern such as ``"part-*.parquet"``.
    target : str or sequence of str
        Column of labels or values; several columns for several outputs or for an indicator matrix.
    features : sequence of str, default=None
        Columns of the inputs, numbers; None: all others, in the order of the first file.
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
        If a column is not there, a feature is no number, or there is no file.

    Notes
    -----
    Up to eight row groups are read in turn, in random order, each of them a chunk at a time: the compressed
    columns of eight row groups are in memory. Writers that sort their rows should make small row groups.

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
        super().__init__(path, target, features, sample_weight, buffer_size)
        if chunk_size is None:
            chunk_size = rows_of(ROW_GROUP_BYTES, 8 * len(self._columns))
        check_number("Parquet", "chunk_size", chunk_size, 1, integer=True)
        self.chunk_size = int(chunk_size)
        metadata = [self._files.read_metadata(path) for path in self.paths]
        self._groups = [
            (path, group)
            for path, one in zip(self.paths, metadata, strict=True)
            for group in range(one.num_row_groups)
        ]
        self._n_samples = sum(one.num_rows for one in metadata)

    @property
    def n_samples(self) -> int:
        return self._n_samples

    def _schema(self, path: str) -> Any:
        return self._files.read_schema(path)

    def _parts(self) -> Sequence[tuple[str, int]]:
        return self._groups

    def _read(self, part: tuple[str, int]) -> Iterator[Chunk]:
        path, group = part
        with self._files.ParquetFile(path) as file:
            batches = file.iter_batches(self.chunk_size, row_groups=[group], columns=self._columns)
            for batch in batches:
                if batch.num_rows:
                    yield self._chunk(batch)


class CSV(_Tables):
    """Samples of text files, one line a sample.

    Parameters
    ----------
    path : str, path, or sequence of them
        Of one file or several with the same columns; a str may be a pattern such as ``"part-*.csv"``.
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
        If a column is not there, a feature is no number, there is no file, or it is compressed.

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
        self._names = [self._schema(path).names for path in self.paths]
        starts = [self._start(path) for path in self.paths]
        self._pieces = [
            (i, begin, min(os.path.getsize(path), begin + TEXT_BYTES))
            for i, (path, start) in enumerate(zip(self.paths, starts, strict=True))
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
        return self._table(text, self.column_names, None).schema

    def _start(self, path: str) -> int:
        """Where the first sample begins."""
        if self.column_names is not None:
            return 0
        with open(path, "rb") as file:
            file.readline()
            return file.tell()

    def _table(self, text: bytes, names: list[str] | None, columns: list[str] | None) -> Any:
        """The table that the text holds, with a first line of names if `names` is None."""
        convert = self._csv.ConvertOptions(strings_can_be_null=True)
        if columns is not None:
            number = self._arrow.float64()
            convert.include_columns = columns
            convert.column_types = dict.fromkeys(self.features, number)
        return self._csv.read_csv(
            self._arrow.BufferReader(text),
            read_options=self._csv.ReadOptions(
                column_names=names, use_threads=False, block_size=max(1, len(text))
            ),
            parse_options=self._csv.ParseOptions(delimiter=self.delimiter),
            convert_options=convert,
        )

    def _parts(self) -> Sequence[tuple[int, int, int]]:
        return self._pieces

    def _read(self, part: tuple[int, int, int]) -> Iterator[Chunk]:
        i, begin, end = part
        text = _lines(self.paths[i], begin, end, self._start(self.paths[i]))
        if text.strip():
            (batch,) = self._table(text, self._names[i], self._columns).combine_chunks().to_batches()
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


def _paths(owner: str, path: Any) -> list[str]:
    """Names of files, at least one; patterns are replaced by what they fit, in alphabetical order."""
    given = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    found: list[str] = []
    for one in (os.fspath(item) for item in given):
        found += sorted(glob.glob(one)) if any(sign in one for sign in "*?[") else [one]
    missing = [one for one in found if not os.path.isfile(one)]
    if missing or not found:
        raise ValueError(f"[{owner}] path must be of files that are there; got {missing or path}")
    return found
