"""One rate that follows the mean gradient."""

from __future__ import annotations

from typing import Any

from ebp import _core
from ebp.rules._base import Rule, number


class Murata(Rule):
    """The adaptive rate of Murata, Müller, Ziehe and Amari, (17)-(19). Section 4.7.

    w ← w − η g, r ← (1 − δ) r + δ g, η ← η + α η (β |r| − η): far from the minimum the mean gradient r is
    long and keeps the rate large; near it the gradients cancel and the rate falls, on a quadratic like
    1 / (λ_min t), which is the best annealing there is. It also follows a minimum that moves.

    Parameters
    ----------
    learning_rate : float
        First rate η > 0. There is no default: it depends on the data; `MLPClassifier(solver="murata")`
        measures it, and β with it.
    beta : float
        β > 0: η tends to β |r|. Where the mean gradient has the length |r₀| before training, learning_rate /
        |r₀| makes the rate start in balance.
    alpha : float, default=2e-3
        α > 0: share of the way to β |r| that η goes at each presentation is α η. Should exceed λ_min, but the
        rate must not follow the noise.
    delta : float, default=0.01
        Leak size δ of r in (0, 1]: it is a mean over about 1 / δ presentations.
    smallest, largest : float, default=(0, None)
        Bounds of η; for α (η − β |r|) > 1, (19) would take it below 0. None: the first rate, since one that
        may grow is one that can diverge.
    momentum, weight_decay, momentum_form, schedule, center_hidden
        As for `SGD`; the schedule multiplies η.

    Raises
    ------
    ValueError, TypeError
        For values out of range. `Network.train_online` raises ValueError if the rule belongs to another
        network.

    Notes
    -----
    A pickled, copied or loaded rule goes on with what it remembers, on the first network that it trains.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> X, T = ebp.datasets.two_gaussians(random_state=0)
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, dtype="float64", random_state=0)
    >>> rule = ebp.rules.Murata(0.2, beta=0.5, alpha=0.1)
    >>> _ = net.train_online(X, T, rule, order=np.tile(np.arange(len(X)), 10))
    >>> bool(rule.learning_rates[0] < 0.05)  # it has fallen
    True
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        beta: float,
        alpha: float = 2e-3,
        delta: float = 0.01,
        smallest: float = 0.0,
        largest: float | None = None,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        momentum_form: str = "heavy_ball",
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, momentum, momentum_form, weight_decay, schedule, center_hidden)
        self.beta = number("Murata", "beta", beta, 0, open_low=True)
        self.alpha = number("Murata", "alpha", alpha, 0, open_low=True)
        self.delta = number("Murata", "delta", delta, 0, 1, open_low=True, closed_high=True)
        self.smallest = number("Murata", "smallest", smallest, 0)
        self.largest = None if largest is None else number("Murata", "largest", largest, self.smallest)

    def _checked_rate(self, value: Any) -> float:
        return number("Murata", "learning_rate", value, 0, open_low=True)

    def _method(self) -> Any:
        largest = self._learning_rate if self.largest is None else self.largest
        return _core.MurataOptions(
            delta=self.delta,
            alpha=self.alpha,
            beta=self.beta,
            smallest=min(self.smallest, largest),
            largest=largest,
        )
