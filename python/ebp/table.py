"""Tables of a user: from a CSV file to the numbers a network takes, alike at training and prediction.

A table has one header line. A column whose every value is a number is used as it is; any other column
becomes one column of zeros and ones per text that occurs in it (one-hot coding). `TableReader` learns this
coding from the training file and is kept with the model, so that `ebp predict` applies it again.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DELIMITERS = ",;\t|"
# A text column with more texts than this is a name or a number of record, not a property.
MAX_CATEGORIES = 1000
# Numeric targets with more different values than these may be quantities; see `task_of`.
MAX_WHOLE_CLASSES = 20
MAX_FRACTIONAL_CLASSES = 10
# A class has so many rows on the average; a quantity seldom repeats.
MIN_ROWS_PER_CLASS = 20

_MISSING_NUMBERS = ("", "?", "na", "n/a", "nan", "null", "none")


@dataclass(frozen=True)
class Table:
    """A CSV file as texts: the names of the columns, the rows, and the line of the file each row ends on."""

    path: str
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """Texts of one column, one a row."""
        if name not in self.columns:
            known = ", ".join(self.columns)
            raise ValueError(f"{self.path} has no column {name!r}; it has {known}")
        k = self.columns.index(name)
        return [row[k] for row in self.rows]

    def where(self, row: int, name: str) -> str:
        """Place of a value, for messages: file, line, data row (counted from 1) and column."""
        return f"{self.path}, line {self.lines[row]} (row {row + 1}), column {name!r}"


def read_csv(path: str | os.PathLike[str]) -> Table:
    """Read a CSV file with a header line; the delimiter (comma, semicolon, tab or bar) is found out.

    Parameters
    ----------
    path : str or path-like
        A text file in UTF-8. Blank lines are skipped, blanks around values removed.

    Returns
    -------
    Table
        At least one row, every row as long as the header.

    Raises
    ------
    ValueError
        If the file is not text, the header has an empty or a repeated name, a row has more or fewer values
        than the header, or there are no rows.
    """
    path = os.fspath(path)
    rows, lines = [], []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.read(8192))
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for row in reader:
                values = [value.strip() for value in row]
                if values and (len(values) > 1 or values[0]):
                    rows.append(values)
                    lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8 ({error.reason})") from error
    except csv.Error as error:
        raise ValueError(f"{path} is not a readable CSV file ({error})") from error
    if not rows:
        raise ValueError(f"{path} is empty; a table starts with a line of column names")
    table = Table(path, rows[0], rows[1:], lines[1:])
    _check_shape(table)
    return table


def _delimiter(sample: str) -> str:
    """The delimiter by `csv.Sniffer`, or the commonest one in the header where that finds nothing there."""
    header = next((line for line in sample.splitlines() if line.strip()), "")
    try:
        delimiter = csv.Sniffer().sniff(sample, DELIMITERS).delimiter
    except csv.Error:
        delimiter = ","
    return delimiter if delimiter in header else max(DELIMITERS, key=header.count)


def _check_shape(table: Table) -> None:
    for k, name in enumerate(table.columns):
        if not name:
            raise ValueError(f"{table.path}: column {k + 1} has no name in the header line")
        if table.columns.index(name) != k:
            raise ValueError(f"{table.path}: the column name {name!r} occurs twice in the header line")
    for row, line in zip(table.rows, table.lines, strict=True):
        if len(row) != len(table.columns):
            header = f"the header has {len(table.columns)} columns"
            raise ValueError(f"{table.path}, line {line}: {len(row)} values where {header}")
    if not table.rows:
        raise ValueError(f"{table.path} has a header line and no rows")


class TableReader:
    """Coding of a table's columns as numbers, learned once and applied to every later table.

    Numeric columns pass unchanged. A text column becomes one 0/1 column per category, the texts of the
    training table in sorted order; a text that was not there then is coded as all zeros.

    Parameters
    ----------
    target : str
        Name of the column to predict; it is never an input.
    drop : sequence of str, default=()
        Columns to leave out, such as record numbers.

    Attributes
    ----------
    categories_ : dict
        Of each input column, in the order of the training table: None if numeric, else its list of texts.
    feature_names_ : list of str
        Names of the coded columns: ``name``, or ``name=text`` for a category.

    Examples
    --------
    >>> table = Table("t.csv", ["size", "colour", "y"], [["1.5", "red", "0"], ["2", "blue", "1"]], [2, 3])
    >>> reader = TableReader("y").fit(table)
    >>> reader.feature_names_
    ['size', 'colour=blue', 'colour=red']
    >>> reader.transform(table).tolist()
    [[1.5, 0.0, 1.0], [2.0, 1.0, 0.0]]
    """

    def __init__(self, target: str, *, drop: Sequence[str] = ()) -> None:
        self.target = target
        self.drop = list(drop)
        self.categories_: dict[str, list[str] | None] = {}

    @property
    def feature_names_(self) -> list[str]:
        names = []
        for name, categories in self.categories_.items():
            names += [name] if categories is None else [f"{name}={text}" for text in categories]
        return names

    def fit(self, table: Table) -> TableReader:
        """Learn which columns are numeric, and the categories of the others.

        Raises
        ------
        ValueError
            If a named column does not exist, no input column is left, or a text column has more than
            `MAX_CATEGORIES` texts.
        """
        for name in (self.target, *self.drop):
            table.column(name)
        inputs = [name for name in table.columns if name != self.target and name not in self.drop]
        if not inputs:
            raise ValueError(f"{table.path} has no column to predict {self.target!r} from")
        self.categories_ = {name: self._categories(table, name) for name in inputs}
        return self

    @staticmethod
    def _categories(table: Table, name: str) -> list[str] | None:
        texts = set(table.column(name))
        if is_numeric(texts):
            return None
        if len(texts) > MAX_CATEGORIES:
            raise ValueError(
                f"{table.path}: the text column {name!r} has {len(texts)} different values, "
                f"more than {MAX_CATEGORIES}; leave it out with --drop"
            )
        return sorted(texts - {""})

    def transform(self, table: Table) -> np.ndarray:
        """Code a table; columns may stand in any order, and columns not seen in `fit` are ignored.

        Returns
        -------
        ndarray of shape (n_rows, n_features), float64

        Raises
        ------
        ValueError
            If a column is missing, a value is missing, or a numeric column holds a text.
        """
        missing = [name for name in self.categories_ if name not in table.columns]
        if missing:
            raise ValueError(f"{table.path} lacks the columns {', '.join(map(repr, missing))}")
        parts = []
        for name, categories in self.categories_.items():
            if categories is None:
                parts.append(numbers(table, name)[:, np.newaxis])
            else:
                parts.append(_one_hot(table, name, categories))
        return np.hstack(parts)

    def to_dict(self) -> dict[str, Any]:
        """The coding as JSON-able data, for `from_dict`."""
        columns = [[name, categories] for name, categories in self.categories_.items()]
        return {"target": self.target, "drop": self.drop, "columns": columns}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TableReader:
        """A reader with the coding that `to_dict` gave.

        Raises
        ------
        ValueError
            If the data do not describe a coding.
        """
        try:
            reader = cls(data["target"], drop=data["drop"])
            reader.categories_ = {name: categories for name, categories in data["columns"]}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no column coding in this data ({error})") from error
        return reader


def number(text: str) -> float | None:
    """The finite number a text says, or None. Digits grouped by underscores are Python, not numbers."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def is_numeric(texts: set[str]) -> bool:
    """Whether a column is numeric: at least one number, and nothing else but signs of a missing number."""
    rest = [text for text in texts if text.lower() not in _MISSING_NUMBERS and not _is_infinite(text)]
    return bool(rest) and all(number(text) is not None for text in rest)


def _is_infinite(text: str) -> bool:
    return text.lower().lstrip("+-") in ("inf", "infinity")


def numbers(table: Table, name: str) -> np.ndarray:
    """A numeric column, (n_rows,) float64; a missing or unreadable value raises ValueError with its place."""
    result = np.empty(len(table.rows))
    for row, text in enumerate(table.column(name)):
        value = number(text)
        if value is None:
            place = table.where(row, name)
            if text.lower() in _MISSING_NUMBERS:
                raise ValueError(f"{place}: the value is missing ({text!r}); fill it in or remove the row")
            raise ValueError(f"{place}: {text!r} is not a finite number")
        result[row] = value
    return result


def _one_hot(table: Table, name: str, categories: list[str]) -> np.ndarray:
    position = {text: k for k, text in enumerate(categories)}
    result = np.zeros((len(table.rows), len(categories)))
    for row, text in enumerate(table.column(name)):
        if not text:
            raise ValueError(f"{table.where(row, name)}: the value is missing; fill it in or remove the row")
        if text in position:
            result[row, position[text]] = 1.0
    return result


def task_of(texts: Sequence[str]) -> str:
    """Kind of task that a target column asks for: ``"regression"`` or ``"classification"``.

    Texts are classes. Numbers are a quantity, hence regression, if they have

    - more than `MAX_FRACTIONAL_CLASSES` (10) different values, not all of them whole, or
    - more than `MAX_WHOLE_CLASSES` (20) different whole values, which are also more than one to
      `MIN_ROWS_PER_CLASS` (20) rows (5 %) or more than `MAX_CATEGORIES` (1000): prices and counts, but not
      the codes of letters.

    Examples
    --------
    >>> task_of([str(1000 + 7 * k) for k in range(400)])
    'regression'
    >>> task_of([str(k % 26) for k in range(1000)])
    'classification'
    """
    different = set(texts)
    if not is_numeric(different):
        return "classification"
    values = {value for text in different if (value := number(text)) is not None}
    if all(value.is_integer() for value in values):
        limit = max(MAX_WHOLE_CLASSES, min(MAX_CATEGORIES, len(texts) / MIN_ROWS_PER_CLASS))
    else:
        limit = MAX_FRACTIONAL_CLASSES
    return "regression" if len(values) > limit else "classification"


def labels(table: Table, name: str) -> np.ndarray:
    """Class labels of a target column, (n_rows,): integers if every text is one, else the texts."""
    texts = table.column(name)
    for row, text in enumerate(texts):
        if not text:
            raise ValueError(f"{table.where(row, name)}: the value is missing; fill it in or remove the row")
    if is_numeric(set(texts)):
        numbers(table, name)  # Raises where a number is missing.
        # "01" or "1.0" would not come back as written from an integer.
        if all(text == str(int(float(text))) for text in set(texts)):
            return np.array([int(text) for text in texts])
    return np.array(texts)
