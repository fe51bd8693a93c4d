"""Checks of single values; every message reads `[owner] rule; got value`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_choice(owner: str, name: str, value: Any, allowed: Sequence[Any], alternative: str = "") -> None:
    """Raise ValueError unless `value` is one of `allowed` (strings, None).

    `alternative` names what else the caller takes, for the message.
    """
    if (isinstance(value, str) or value is None) and value in allowed:
        return
    options = ", ".join(repr(option) for option in allowed)
    raise ValueError(f"[{owner}] {name} must be one of {options}{_or(alternative)}; got {value!r}")


def check_number(
    owner: str,
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    integer: bool = False,
    alternative: str = "",
) -> None:
    """Raise ValueError unless `value` is a finite number (or an integer) between `low` and `high`.

    `alternative` names what else the caller takes, for the message.
    """
    kind = Integral if integer else Real
    valid = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
    if valid:
        above = value > low if open_low else value >= low
        below = value < high if open_high or math.isinf(high) else value <= high
        valid = above and below
    if not valid:
        noun = "an integer" if integer else "a number"
        limits = _range(low, high, open_low, open_high)
        raise ValueError(f"[{owner}] {name} must be {noun} {limits}{_or(alternative)}; got {value!r}")


def check_verbose(owner: str, verbose: Any) -> None:
    """Raise ValueError unless `verbose` is 0 or 1."""
    if verbose not in (0, 1):
        raise ValueError(f"[{owner}] verbose must be one of 0, 1; got {verbose!r}")


def check_n_jobs(owner: str, n_jobs: Any) -> None:
    """Raise ValueError unless `n_jobs` is None or a number of processes as joblib counts them."""
    whole = isinstance(n_jobs, Integral) and not isinstance(n_jobs, (bool, np.bool_))
    if n_jobs is not None and (not whole or n_jobs == 0):
        raise ValueError(
            f"[{owner}] n_jobs must be None, an integer >= 1, or a negative one, -1 for all processors; "
            f"got {n_jobs!r}"
        )


def _or(alternative: str) -> str:
    return f" or {alternative}" if alternative else ""


def _range(low: float, high: float, open_low: bool, open_high: bool) -> str:
    if math.isinf(high):
        return f"{'>' if open_low else '>='} {low}"
    return f"in {'(' if open_low else '['}{low}, {high}{')' if open_high else ']'}"
