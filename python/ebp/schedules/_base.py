"""What the rate schedules have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ebp._checks import check_choice, check_number

if TYPE_CHECKING:
    from typing import Self

UNITS = ("presentation", "epoch")


class Schedule:
    """What the rate schedules have in common: a factor of the initial rate for every presentation.

    A subclass is a frozen dataclass; one with lengths of time names these in `_lengths` and has a `unit`.
    """

    _lengths: ClassVar[tuple[str, ...]] = ()

    def factors(self, t: Any) -> np.ndarray:
        """Factors of the initial rate.

        Parameters
        ----------
        t : array-like of int
            Presentations made before.

        Returns
        -------
        factors : ndarray of the shape of `t`, float64

        Raises
        ------
        ValueError
            For a negative `t`, or if the schedule is in epochs: see `in_presentations`.
        """
        owner = type(self).__name__
        if getattr(self, "unit", UNITS[0]) != UNITS[0]:
            raise ValueError(
                f"[{owner}] a schedule in epochs must be turned into one in presentations, by "
                f"in_presentations(presentations of an epoch); got {self!r}"
            )
        counts = np.asarray(t, np.float64)
        if not (counts >= 0).all():
            raise ValueError(f"[{owner}] t must not be negative; got {counts.min()}")
        return np.asarray(self._factors(counts), np.float64)

    def _factors(self, t: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def in_presentations(self, n_epoch: int) -> Self:
        """The same schedule with its lengths in presentations, of which an epoch has `n_epoch`.

        One that is in presentations is returned as it is.
        """
        owner = type(self).__name__
        check_number(owner, "n_epoch", n_epoch, 1, integer=True)
        if getattr(self, "unit", UNITS[0]) == UNITS[0]:
            return self
        scaled = {name: _times(getattr(self, name), n_epoch) for name in self._lengths}
        return replace(self, **scaled, unit=UNITS[0])  # type: ignore[type-var]

    def _check_positive(self, *names: str) -> None:
        """Turn fields into floats; each must be a positive number."""
        for name in names:
            value = getattr(self, name)
            check_number(type(self).__name__, name, value, 0, open_low=True)
            object.__setattr__(self, name, float(value))

    def _check_unit(self) -> None:
        check_choice(type(self).__name__, "unit", getattr(self, "unit", None), UNITS)


def _times(lengths: Any, n: int) -> Any:
    return tuple(length * n for length in lengths) if isinstance(lengths, tuple) else lengths * n
