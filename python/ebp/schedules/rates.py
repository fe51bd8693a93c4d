"""Rate schedules: factors of the initial rate that depend on the presentations made. Section 4.1."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from ebp._checks import check_number

from ._base import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """A constant rate: what follows targets that change, and what leaves noise in the weights.

    Examples
    --------
    >>> from ebp.schedules import Constant
    >>> Constant().factors([0, 1000])
    array([1., 1.])
    """

    def _factors(self, t: np.ndarray) -> np.ndarray:
        return np.ones(t.shape)


@dataclass(frozen=True)
class InverseTime(Schedule):
    """Annealing by t0 / (t + t0), in the end the c / t of (12). Section 4.1.

    The rate is c / (t + t0) with c = learning_rate_init · t0. On a quadratic loss of curvature λ the mean
    square error of the weights tends to c² s² / ((2 c λ − 1) t): no schedule does better than c = 1 / λ, and
    from c = 1 / (2 λ) down the rate falls too fast for the minimum to be reached. The smallest curvature that
    matters decides, which makes c / t from the start "too fast" in practice.

    Parameters
    ----------
    t0 : float, default=1.0
        When the rate has fallen to half: near 1 / (learning_rate_init · λ) for the smallest λ that matters.
        One presentation, the default, is c / t itself, c = learning_rate_init; one epoch, `unit="epoch"`, is
        a cautious start for networks, and leaves after 20 epochs the twentieth that the automatic course of
        the estimators ends with.
    unit : {"presentation", "epoch"}, default="presentation"
        Unit of `t0`.

    Raises
    ------
    ValueError
        For a `t0` that is not positive, or an unknown unit.

    Examples
    --------
    The mean of numbers, learnt by a bias at the rate 1 / t:

    >>> import numpy as np
    >>> from ebp.schedules import InverseTime
    >>> estimate = 0.0
    >>> for rate, number in zip(InverseTime().factors(np.arange(4)), [3.0, 1.0, 4.0, 0.0]):
    ...     estimate += rate * (number - estimate)
    >>> float(estimate)
    2.0
    """

    t0: float = 1.0
    unit: str = field(default="presentation", kw_only=True)
    _lengths: ClassVar = ("t0",)

    def __post_init__(self) -> None:
        self._check_positive("t0")
        self._check_unit()

    def _factors(self, t: np.ndarray) -> np.ndarray:
        return self.t0 / (t + self.t0)


@dataclass(frozen=True)
class Exponential(Schedule):
    """A rate that falls by the factor `decay` in every period, down to a floor.

    It falls faster than any c / t in the end; the floor keeps the training alive.

    Parameters
    ----------
    period : float
        The time in which the rate falls by `decay`.
    decay : float, default=0.85
        In (0, 1]. The default with a period of one epoch, and the floor, are those that were used with
        stochastic diagonal Levenberg-Marquardt on handwritten digits.
    floor : float, default=0.01
        Smallest factor, in [0, 1].
    unit : {"presentation", "epoch"}, default="presentation"
        Unit of `period`.

    Raises
    ------
    ValueError
        For values out of range.

    Examples
    --------
    >>> from ebp.schedules import Exponential
    >>> Exponential(1000, decay=0.5, floor=0.2).factors([0, 1000, 2000, 3000])
    array([1.  , 0.5 , 0.25, 0.2 ])
    """

    period: float
    decay: float = field(default=0.85, kw_only=True)
    floor: float = field(default=0.01, kw_only=True)
    unit: str = field(default="presentation", kw_only=True)
    _lengths: ClassVar = ("period",)

    def __post_init__(self) -> None:
        self._check_positive("period", "decay")
        check_number("Exponential", "decay", self.decay, 0, 1, open_low=True)
        check_number("Exponential", "floor", self.floor, 0, 1)
        object.__setattr__(self, "floor", float(self.floor))
        self._check_unit()

    def _factors(self, t: np.ndarray) -> np.ndarray:
        return np.maximum(self.floor, self.decay ** (t / self.period))


@dataclass(frozen=True)
class Piecewise(Schedule):
    """A rate that is constant between boundaries.

    Parameters
    ----------
    boundaries : sequence of float
        Times, positive and increasing, at which the rate changes.
    values : sequence of float
        Positive factors of the initial rate: before the first boundary, between boundaries, and after the
        last one.
    unit : {"presentation", "epoch"}, default="presentation"
        Unit of the boundaries.

    Raises
    ------
    ValueError
        For values out of range, or another number of values than of boundaries plus one.

    Examples
    --------
    LeNet-5's schedule of 1998, relative to its first rate of 5e-4:

    >>> from ebp.schedules import Piecewise
    >>> lenet5 = Piecewise([2, 5, 8, 12], [1, 0.4, 0.2, 0.1, 0.02], unit="epoch")
    >>> lenet5.in_presentations(60_000).factors([0, 119_999, 120_000, 720_000])
    array([1.  , 1.  , 0.4 , 0.02])
    """

    boundaries: Sequence[float]
    values: Sequence[float]
    unit: str = field(default="presentation", kw_only=True)
    _lengths: ClassVar = ("boundaries",)

    def __post_init__(self) -> None:
        boundaries = _positive_numbers("boundaries", self.boundaries)
        if any(later <= earlier for earlier, later in itertools.pairwise(boundaries)):
            raise ValueError(f"[Piecewise] boundaries must increase; got {self.boundaries!r}")
        values = _positive_numbers("values", self.values)
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"[Piecewise] values must be {len(boundaries) + 1}, one more than boundaries; "
                f"got {len(values)}"
            )
        object.__setattr__(self, "boundaries", boundaries)
        object.__setattr__(self, "values", values)
        self._check_unit()

    def _factors(self, t: np.ndarray) -> np.ndarray:
        return np.asarray(self.values)[np.searchsorted(self.boundaries, t, side="right")]


def _positive_numbers(name: str, values: Any) -> tuple[float, ...]:
    numbers: list[Any] = list(values) if isinstance(values, (Sequence, np.ndarray)) else [None]
    real = all(isinstance(x, Real) and not isinstance(x, (bool, np.bool_)) for x in numbers)
    if not real or not all(0 < float(x) < math.inf for x in numbers):
        raise ValueError(f"[Piecewise] {name} must be a sequence of positive numbers; got {values!r}")
    return tuple(float(x) for x in numbers)
