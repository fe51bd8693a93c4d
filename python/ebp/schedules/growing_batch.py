"""Mini-batches that grow in the course of the training. Section 4.1."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ebp._checks import check_number

from ._base import Schedule
from .rates import InverseTime


@dataclass(frozen=True)
class GrowingBatch:
    """Mini-batches that grow where the rate of a schedule would fall. Section 4.1.

    Small batches learn fast at first, large ones average the noise away in the end. A rate divided by k and a
    batch multiplied by k have the same effect, so that any rate schedule says how a batch grows: an update
    that begins after t presentations takes first / factor(t) of them, rounded.

    Parameters
    ----------
    growth : rate schedule, default=InverseTime(1.0, unit="epoch")
        `InverseTime(t0)` grows from each update to the next by the factor r = 1 + first / t0, exponentially,
        which is linear in presentations: the optimum (Orr 1997). On a quadratic loss of curvature λ the best
        factor is r = 1 / (1 − η λ), t0 = first · (1 − η λ) / (η λ), and the mean square error of the weights
        is then s² / (λ² t), the best that annealing a rate can reach too; from r = 1 / (1 − η λ)² on, batches
        grow too fast for the minimum to be reached. The smallest λ that matters decides. The default grows by
        `first` in every epoch. `Piecewise` grows in steps, `Exponential` faster than is ever optimal.
    first : int, default=1
        Size of the first batch.
    largest : int or None, default=None
        Largest size; None: no bound but the presentations of one call (one epoch in `fit`), whose last batch
        takes what is left.

    Raises
    ------
    ValueError
        For values out of range.

    Examples
    --------
    >>> from ebp.schedules import GrowingBatch, InverseTime
    >>> doubling = GrowingBatch(InverseTime(1))
    >>> doubling.sizes(0, 20)
    array([1, 2, 4, 8, 5])
    >>> doubling.sizes(20, 30)
    array([21,  9])
    """

    growth: Schedule = field(default_factory=lambda: InverseTime(1.0, unit="epoch"))
    first: int = field(default=1, kw_only=True)
    largest: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.growth, Schedule):
            raise ValueError(
                "[GrowingBatch] growth must be a schedule with factors(t): InverseTime, Piecewise, "
                f"Exponential or Constant; got {self.growth!r}"
            )
        check_number("GrowingBatch", "first", self.first, 1, integer=True)
        if self.largest is not None:
            check_number("GrowingBatch", "largest", self.largest, int(self.first), integer=True)

    def in_presentations(self, n_epoch: int) -> GrowingBatch:
        """The same batches with the lengths of `growth` in presentations, of which an epoch has `n_epoch`."""
        return replace(self, growth=self.growth.in_presentations(n_epoch))

    def sizes_at(self, t: Any) -> np.ndarray:
        """Sizes of batches that begin after `t` presentations, array-like of int: an int array like it."""
        with np.errstate(divide="ignore"):  # a factor may underflow to 0
            wanted = self.first / self.growth.factors(t)
        return np.clip(np.rint(wanted), 1, self.largest or 2.0**62).astype(np.int64)

    def sizes(self, t: int, n: int) -> np.ndarray:
        """Sizes of the batches that `n` presentations are divided into.

        Parameters
        ----------
        t : int
            Presentations made before.
        n : int

        Returns
        -------
        sizes : ndarray of int
            Their sum is `n`.

        Raises
        ------
        ValueError
            If `t` or `n` is no integer or negative, or if `growth` is in epochs.
        """
        check_number("GrowingBatch", "t", t, 0, integer=True)
        check_number("GrowingBatch", "n", n, 0, integer=True)
        candidates = self.sizes_at(t + np.arange(n)).tolist()
        sizes, done = [], 0
        while done < n:
            sizes.append(min(candidates[done], n - done))
            done += sizes[-1]
        return np.array(sizes, np.intp)
