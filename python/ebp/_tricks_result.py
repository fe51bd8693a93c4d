"""What an ablation found: intervals, rows, and the whole, as numbers, table and picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from ._tricks_report import markdown, plot
from ._tricks_table import Trick

CONFIDENCE = 0.95
# Errors are at most 1, so that their differences are rounded by some 1e-16; one wrong answer in a thousand
# million changes them by more than this.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean over the seeds with Student's interval of 95 %.

    Attributes
    ----------
    mean : float
    half_width : float
        NaN for one seed.
    """

    mean: float
    half_width: float

    @classmethod
    def of(cls, values: Any) -> Interval:
        """From one value a seed.

        Examples
        --------
        >>> Interval.of([1.0, 2.0, 3.0])
        Interval(mean=2.0, half_width=2.484...)
        """
        values = np.asarray(values, np.float64)
        n = len(values)
        if n < 2:
            return cls(float(values.mean()), math.nan)
        quantile = student.ppf((1 + CONFIDENCE) / 2, n - 1)
        return cls(float(values.mean()), float(quantile * values.std(ddof=1) / math.sqrt(n)))

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width


@dataclass(frozen=True)
class AblationRow:
    """Result of one trick, at the rate that is best for it.

    Attributes
    ----------
    trick : Trick
        What differs from the recipe, and what the paper says.
    test_errors : ndarray of shape (n_seeds,)
        Share of wrong answers, or 1 - R^2 (at most 1).
    error, difference : Interval
        Mean test error; mean of its differences to that of the row `against`, seed by seed (positive: the
        other row is better).
    against : str
        The row from which this one differs in one thing: the recipe, but for some of the inputs.
    validation_curve : ndarray of shape (max_iter + 1,)
        Mean validation error after every epoch; the first is that of a constant answer.
    presentations : float
        Samples presented until the mean validation error is at the level of the ablation, with the rate that
        needs the fewest; inf if no rate gets there.
    rate, factor : float
        The best global rate, and in units of the automatic one.
    validation_errors : dict
        Mean last validation error by factor: the grid.
    at_edge : bool
        The best rate is the smallest or largest that was tried: a still better one may exist.
    n_failed : int
        Seeds for which training by the best rate diverged, or ended no better than a constant answer.
    """

    trick: Trick
    test_errors: np.ndarray
    error: Interval
    difference: Interval
    against: str
    validation_curve: np.ndarray
    presentations: float
    rate: float
    factor: float
    validation_errors: dict[float, float]
    at_edge: bool
    n_failed: int

    @property
    def name(self) -> str:
        return self.trick.name

    @property
    def equal_differences(self) -> bool:
        """Whether the differences of all seeds are the same number, up to rounding."""
        return self.difference.half_width < ROUNDING

    @property
    def verdict(self) -> str:
        """Of the test error: "worse", "better", or "same" if the interval of `difference` contains 0.

        Empty for one seed, which has no interval. Differences that are equal for all seeds, as counts of a
        few wrong answers may be, decide nothing either: "same".
        """
        if math.isnan(self.difference.half_width):
            return ""
        if self.equal_differences:
            return "same"
        if self.difference.low > 0:
            return "worse"
        return "better" if self.difference.high < 0 else "same"


@dataclass(frozen=True)
class Ablation:
    """What `ablation` found. Prints as a table.

    Attributes
    ----------
    rows : list of AblationRow
        The full recipe first.
    task : {"classification", "regression"}
    recipe : dict
        Parameters of the full recipe.
    hidden_layer_sizes : tuple of int
    max_iter, n_seeds, n_training, n_validation, n_test, n_features : int
        Epochs, seeds, sizes of the three parts.
    level : float
        The validation error whose presentations are counted: 1.25 times the recipe's last one, or half way
        from there to that of a constant answer if this is less, and at least one wrong answer.
    """

    rows: list[AblationRow]
    task: str
    recipe: dict[str, Any]
    hidden_layer_sizes: tuple[int, ...]
    max_iter: int
    n_seeds: int
    n_training: int
    n_validation: int
    n_test: int
    n_features: int
    level: float

    def __getitem__(self, name: str) -> AblationRow:
        """The row of a trick."""
        for row in self.rows:
            if row.name == name:
                return row
        names = ", ".join(repr(row.name) for row in self.rows)
        raise KeyError(f"[Ablation] the rows are {names}; got {name!r}")

    def __iter__(self) -> Iterator[AblationRow]:
        return iter(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for `json.dumps`: intervals as mean, low and high, what is not finite as None."""
        shared = {name: value for name, value in vars(self).items() if name != "rows"}
        return _plain({**shared, "rows": [_row_dict(row) for row in self.rows]})

    def to_markdown(self) -> str:
        """The table in Markdown, with the explanation of its columns and marks."""
        return markdown(self)

    __str__ = to_markdown

    def plot(self, axes: Any = None) -> Any:
        """Draw test errors with their intervals, and presentations to the level.

        Parameters
        ----------
        axes : pair of matplotlib Axes, default=None
            Where to draw the two; None makes a figure.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return plot(self, axes)


def _row_dict(row: AblationRow) -> dict[str, Any]:
    trick = row.trick
    values = {name: value for name, value in vars(row).items() if name != "trick"}
    return {
        "name": row.name,
        "section": trick.section,
        "claim": trick.claim,
        "expected": trick.expected,
        "verdict": row.verdict,
        "changes": {**trick.changes, "weight_factor": trick.weight_factor, "ordered": trick.ordered},
        **values,
    }


def _plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts instead of arrays and intervals; None for what is not finite."""
    if isinstance(value, Interval):
        return _plain({"mean": value.mean, "low": value.low, "high": value.high})
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else repr(value)
