"""Rates for every weight from the history of its gradients.

These are not the paper's; they are what it is compared with today. Section 4.7 warns of rules that react to
oscillations: the gradients of single samples change their signs all the time.
"""

from __future__ import annotations

from typing import Any

from ebp import _core
from ebp.rules._base import Rule, number


class AdaGrad(Rule):
    """Rates that fall with the sum of the squared gradients of each weight (Duchi, Hazan, Singer 2011).

    s ← s + g², w ← w − learning_rate · g / (√s + epsilon).

    Parameters
    ----------
    learning_rate : float, default=0.01
        The usual value; about the length of the first steps.
    initial : float, default=0.0
        First value of s.
    epsilon : float, default=1e-8
        Keeps the quotient finite; > 0.
    momentum, weight_decay, momentum_form, schedule, center_hidden
        As for `SGD`, with the rate of each weight.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Notes
    -----
    A pickled, copied or loaded rule goes on with what it remembers, on the first network that it trains.

    Examples
    --------
    >>> import ebp
    >>> ebp.rules.AdaGrad(0.05).learning_rate
    0.05
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        *,
        initial: float = 0.0,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        momentum_form: str = "heavy_ball",
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, momentum, momentum_form, weight_decay, schedule, center_hidden)
        self.initial = number("AdaGrad", "initial", initial, 0)
        self.epsilon = number("AdaGrad", "epsilon", epsilon, 0, open_low=True)

    def _method(self) -> Any:
        return _core.AdaGradOptions(initial=self.initial, floor=self.epsilon)


class RMSProp(Rule):
    """Rates from the running mean of the squared gradients of each weight (Hinton's lecture, 2012).

    s ← rho s + (1 − rho) g², w ← w − learning_rate · g / (√s + epsilon).

    Parameters
    ----------
    learning_rate : float, default=1e-3
        The usual value; about the length of all steps.
    rho : float, default=0.99
        Share of s that stays at each update, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the quotient finite; > 0.
    momentum, weight_decay, momentum_form, schedule, center_hidden
        As for `SGD`, with the rate of each weight.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Notes
    -----
    A pickled, copied or loaded rule goes on with what it remembers, on the first network that it trains.

    Examples
    --------
    >>> import ebp
    >>> ebp.rules.RMSProp(rho=0.9).rho
    0.9
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        momentum_form: str = "heavy_ball",
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, momentum, momentum_form, weight_decay, schedule, center_hidden)
        self.rho = number("RMSProp", "rho", rho, 0, 1)
        self.epsilon = number("RMSProp", "epsilon", epsilon, 0, open_low=True)

    def _method(self) -> Any:
        return _core.RmsPropOptions(leak=1 - self.rho, floor=self.epsilon)


class Adam(Rule):
    """Momentum and rates from running means of gradients and of their squares (Kingma, Ba 2015).

    m ← beta_1 m + (1 − beta_1) g, s ← beta_2 s + (1 − beta_2) g²; after t updates
    w ← w − learning_rate · m̂ / (√ŝ + epsilon) with m̂ = m / (1 − beta_1ᵗ) and ŝ = s / (1 − beta_2ᵗ), which
    takes out the start from 0.

    Parameters
    ----------
    learning_rate : float, default=1e-3
        The usual value.
    beta_1, beta_2 : float, default=(0.9, 0.999)
        Shares of the means that stay at each update, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the quotient finite; > 0.
    weight_decay, schedule, center_hidden
        As for `SGD`; the decay is part of the gradient.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Notes
    -----
    A pickled, copied or loaded rule goes on with what it remembers, on the first network that it trains.

    Examples
    --------
    >>> import ebp
    >>> ebp.rules.Adam(beta_2=0.99).beta_2
    0.99
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, 0.0, "heavy_ball", weight_decay, schedule, center_hidden)
        self.beta_1 = number("Adam", "beta_1", beta_1, 0, 1)
        self.beta_2 = number("Adam", "beta_2", beta_2, 0, 1)
        self.epsilon = number("Adam", "epsilon", epsilon, 0, open_low=True)

    def _method(self) -> Any:
        return _core.AdamOptions(leak=1 - self.beta_1, second_leak=1 - self.beta_2, floor=self.epsilon)


class Rprop(Rule):
    """Steps from the signs of the gradients alone (Riedmiller, Braun 1993; form of Igel, Hüsken 2003).

    Every weight has a step. Where its gradient has kept its sign, the step grows by the factor `increase`;
    where it has changed, the step shrinks by `decrease` and the weight rests once. w ← w − step · sign(g).

    Meant for gradients of many samples: use large mini-batches, or all samples in one.

    Parameters
    ----------
    learning_rate : float, default=0.01
        First step.
    increase : float, default=1.2
        >= 1.
    decrease : float, default=0.5
        In (0, 1].
    smallest, largest : float, default=(1e-5, 1000)
        Bounds of the step, as multiples of `learning_rate`; smallest in (0, 1], largest >= 1.
    momentum, weight_decay, momentum_form, schedule, center_hidden
        As for `SGD`; the schedule multiplies all steps.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Notes
    -----
    A pickled, copied or loaded rule goes on with what it remembers, on the first network that it trains.

    Examples
    --------
    >>> import ebp
    >>> ebp.rules.Rprop(0.05).increase
    1.2
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        *,
        increase: float = 1.2,
        decrease: float = 0.5,
        smallest: float = 1e-5,
        largest: float = 1000.0,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        momentum_form: str = "heavy_ball",
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, momentum, momentum_form, weight_decay, schedule, center_hidden)
        self.increase = number("Rprop", "increase", increase, 1)
        self.decrease = number("Rprop", "decrease", decrease, 0, 1, open_low=True, closed_high=True)
        self.smallest = number("Rprop", "smallest", smallest, 0, 1, open_low=True, closed_high=True)
        self.largest = number("Rprop", "largest", largest, 1)

    def _method(self) -> Any:
        return _core.RpropOptions(self.increase, self.decrease, self.smallest, self.largest)


class DeltaBarDelta(Rule):
    """Rates that grow where gradients agree with those before (Jacobs 1988), cited in section 4.7.

    Every weight has a rate learning_rate · u. Where its gradient has the sign of the mean f of the gradients
    before, u ← u + increase; where it has the other, u ← (1 − decrease) u. f ← theta f + (1 − theta) g.

    Parameters
    ----------
    learning_rate : float
        First rate. There is no default: it depends on the data.
    increase : float, default=0.1
        κ >= 0, as a multiple of `learning_rate`.
    decrease : float, default=0.1
        φ in [0, 1).
    theta : float, default=0.7
        Share of f that stays at each update, in [0, 1).
    largest : float, default=100.0
        Bound of u, >= 1: rates that grow steadily end in divergence otherwise.
    momentum, weight_decay, momentum_form, schedule, center_hidden
        As for `SGD`, with the rate of each weight.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Notes
    -----
    A pickled, copied or loaded rule goes on with what it remembers, on the first network that it trains.

    Examples
    --------
    >>> import ebp
    >>> ebp.rules.DeltaBarDelta(0.01).theta
    0.7
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        increase: float = 0.1,
        decrease: float = 0.1,
        theta: float = 0.7,
        largest: float = 100.0,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        momentum_form: str = "heavy_ball",
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, momentum, momentum_form, weight_decay, schedule, center_hidden)
        self.increase = number("DeltaBarDelta", "increase", increase, 0)
        self.decrease = number("DeltaBarDelta", "decrease", decrease, 0, 1)
        self.theta = number("DeltaBarDelta", "theta", theta, 0, 1)
        self.largest = number("DeltaBarDelta", "largest", largest, 1)

    def _method(self) -> Any:
        return _core.DeltaBarDeltaOptions(self.increase, self.decrease, 1 - self.theta, self.largest)
