"""What streams of tables in files share: columns with names and types, and what is made of them."""

from __future__ import annotations

import glob
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from ebp._extras import require_extra
from ebp.streams._stream import Chunk, Stream


class Tables(Stream):
    """Files of columns with names, which are read as PyArrow's record batches."""

    def __init__(
        self, path: Any, target: Any, features: Any, sample_weight: Any, buffer_size: int | None
    ) -> None:
        super().__init__(buffer_size)
        self._name = type(self).__name__
        self._arrow = require_extra("pyarrow", "streams", self._name)
        self.paths = _paths(self._name, path)
        self.target = target
        self._targets = [target] if isinstance(target, str) else _names(self._name, "target", target)
        if not isinstance(sample_weight, (str, type(None))):
            raise TypeError(
                f"[{self._name}] sample_weight must be the name of a column, or None; got {sample_weight!r}"
            )
        self.sample_weight = sample_weight
        self._schemas = [self._schema(path) for path in self.paths]
        self._weights = [] if sample_weight is None else [sample_weight]
        others = {*self._targets, *self._weights}
        if features is None:
            first = self._schemas[0]
            indices = (first.pandas_metadata or {}).get("index_columns", [])  # a range is a dict there
            left_out = others.union(name for name in indices if isinstance(name, str))
            self.features = [name for name in first.names if name not in left_out]
        else:
            self.features = _names(self._name, "features", features)
        self._columns = [*self.features, *sorted(others)]
        repeated = [name for name, times in Counter(self._columns).items() if times > 1]
        if repeated:
            raise ValueError(
                f"[{self._name}] features must be other columns than target and sample_weight, "
                f"each named once; got {repeated}"
            )
        for path, schema in zip(self.paths, self._schemas, strict=True):
            self._check_columns(path, schema)
        for name in self._targets:
            self._check_target(name)

    @abstractmethod
    def _schema(self, path: str) -> Any:
        """Names and types of the columns of a file."""

    def _check_columns(self, path: str, schema: Any) -> None:
        """Raise ValueError unless the columns are there, and features and weights numbers."""
        times = Counter(schema.names)
        missing = [name for name in self._columns if times[name] != 1]
        if missing or not self.features:
            raise ValueError(
                f"[{self._name}] target, features and sample_weight must be columns of every file, each name "
                f"that of one, with at least one feature; {path} has {', '.join(schema.names)}; "
                f"got {missing or 'no feature'}"
            )
        for role, names in (("features", self.features), ("sample_weight", self._weights)):
            kinds = {name: schema.field(name).type for name in names}
            wrong = {name: str(kind) for name, kind in kinds.items() if not self._is_number(kind)}
            if wrong:
                advice = ": name them, or encode the others first" if role == "features" else ""
                raise ValueError(
                    f"[{self._name}] {role} must be columns of numbers{advice}; got {wrong} in {path}"
                )

    def _check_target(self, name: str) -> None:
        """Raise ValueError unless a target is of the same kind in all files, except where it is empty."""
        first = "null"
        for path, schema in zip(self.paths, self._schemas, strict=True):
            kind = self._kind(schema.field(name).type)
            if "null" not in (first, kind) and kind != first:
                raise ValueError(
                    f"[{self._name}] target must be of the same kind in every file; "
                    f"got {name!r} of {kind} in {path}, after {first}"
                )
            first = kind if first == "null" else first

    def _is_number(self, kind: Any) -> bool:
        types = self._arrow.types
        tests = types.is_integer, types.is_floating, types.is_boolean, types.is_null, types.is_decimal
        return any(test(kind) for test in tests)

    def _kind(self, kind: Any) -> str:
        """What the values of a column are: "numbers", "text", "null" for none, or a type of Arrow."""
        types = self._arrow.types
        if types.is_dictionary(kind):
            return self._kind(kind.value_type)
        if types.is_null(kind):
            return "null"
        if self._is_number(kind):
            return "numbers"
        is_text = types.is_string(kind) or types.is_large_string(kind)
        return "text" if is_text else str(kind)

    def _number(self, column: Any) -> Any:
        """A column as it is, or of floats where NumPy or Arrow do not get on with its numbers."""
        types, kind = self._arrow.types, column.type
        if types.is_null(kind) or types.is_decimal(kind):
            return column.cast("float64")
        return column.cast("float32") if types.is_float16(kind) else column

    def _chunk(self, batch: Any) -> Chunk:
        y = [self._values(batch, name) for name in self._targets]
        weights = None if self.sample_weight is None else self._values(batch, self.sample_weight)
        target = y[0] if isinstance(self.target, str) else np.column_stack(y)
        return self._rows(batch.select(self.features)), target, weights

    def _rows(self, batch: Any) -> np.ndarray:
        """The features as an array (n, n_features), missing values as NaN."""
        columns = [one.cast("uint8") if one.type == "bool" else self._number(one) for one in batch.columns]
        numbers = self._arrow.RecordBatch.from_arrays(columns, names=batch.schema.names)
        return np.asarray(numbers.to_tensor(null_to_nan=True))

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
        values = np.asarray(self._number(column).to_numpy(zero_copy_only=False))
        return values.astype(str) if values.dtype == object else values


def _names(owner: str, role: str, given: Any) -> list[str]:
    """A sequence of names, which a single one is not, as a list."""
    names = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    if not names or not all(isinstance(name, str) for name in names):
        alternative = "a name or " if role == "target" else ""
        raise TypeError(
            f"[{owner}] {role} must be {alternative}a sequence of names of columns; got {given!r}"
        )
    return names


def _paths(owner: str, path: Any) -> list[str]:
    """Names of files, at least one; patterns are replaced by what they fit, in alphabetical order.

    A file whose very name is given is no pattern, whatever signs it has.
    """
    given = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    found: list[str] = []
    for item in given:
        one = os.fspath(item)
        pattern = isinstance(item, str) and any(sign in one for sign in "*?[") and not os.path.isfile(one)
        found += sorted(glob.glob(one)) if pattern else [one]
    missing = [one for one in found if not os.path.isfile(one)]
    if missing or not found:
        raise ValueError(f"[{owner}] path must be of files that are there; got {missing or path}")
    return found
