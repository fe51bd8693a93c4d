"""The rate schedule that depends on losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ebp._checks import check_number


@dataclass(frozen=True)
class Plateau:
    """A rate that is multiplied by `factor` whenever the loss has stopped falling.

    The one schedule that depends on the losses of the epochs and not on the number of presentations: on the
    validation loss, where the estimator holds samples out, else on the training loss.

    Parameters
    ----------
    factor : float, default=0.2
        In (0, 1). The defaults are those of learning_rate="adaptive".
    patience : int, default=2
        Epochs in a row that must fail to undercut the smallest loss by `tol`.
    tol : float, default=1e-4
        Smallest change of the loss that counts.
    floor : float, default=0.0
        Smallest factor of the initial rate, in [0, 1].

    Raises
    ------
    ValueError
        For values out of range.

    Notes
    -----
    Outside the estimators, set ``rule.learning_rate = rate * plateau.factor_after(losses)`` after every pass.

    Examples
    --------
    >>> from ebp.schedules import Plateau
    >>> plateau = Plateau(factor=0.5, patience=2)
    >>> [plateau.factor_after([3.0, 2.0, 2.5, 2.1, 1.0][:n]) for n in range(6)]
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    """

    factor: float = field(default=0.2, kw_only=True)
    patience: int = field(default=2, kw_only=True)
    tol: float = field(default=1e-4, kw_only=True)
    floor: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        check_number("Plateau", "factor", self.factor, 0, 1, open_low=True, open_high=True)
        check_number("Plateau", "patience", self.patience, 1, integer=True)
        check_number("Plateau", "tol", self.tol, 0)
        check_number("Plateau", "floor", self.floor, 0, 1)

    def factor_after(self, losses: Sequence[float]) -> float:
        """Factor of the initial rate after epochs of these losses."""
        best, failures, drops = math.inf, 0, 0
        for loss in losses:
            failures = 0 if loss < best - self.tol else failures + 1
            best = min(best, loss)
            if failures == self.patience:
                drops += 1
                failures = 0
        return max(float(self.floor), float(self.factor) ** drops)
