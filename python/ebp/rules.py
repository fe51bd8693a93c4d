"""Update rules: what online training does with the gradient of one sample. Sections 4.7 and 9.1.

A rule keeps what it learns about a network's parameters (velocity, curvature) from call to call, and so
belongs to the first network that it trains. Of its settings only `learning_rate` may be changed, between
calls or by a callback, which is how schedules work.
"""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from ebp import _core

if TYPE_CHECKING:
    from ebp.network import Network

__all__ = ["SDLM", "SGD"]


def _number(owner: str, name: str, value: Any, low: float, high: float, *, open_low: bool = False) -> float:
    """The value as a float in [low, high), or (low, high) if `open_low`."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"[{owner}] {name} must be a number; got {value!r}")
    number = float(value)
    inside = (low < number if open_low else low <= number) and number < high
    if not inside:
        limits = f"in {'(' if open_low else '['}{low:g}, {high:g})"
        raise ValueError(f"[{owner}] {name} must be {limits}; got {value!r}")
    return number


def _choice(owner: str, name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"[{owner}] {name} must be one of {', '.join(choices)}; got {value!r}")
    return str(value)


class Rule:
    """What all rules have in common; made through one of its subclasses."""

    def __init__(self, learning_rate: float, momentum: float, weight_decay: float) -> None:
        owner = type(self).__name__
        self._trainer: Any = None
        self._core: Any = None
        self._learning_rate = _number(owner, "learning_rate", learning_rate, 0, np.inf)
        self.momentum = _number(owner, "momentum", momentum, 0, 1)
        self.weight_decay = _number(owner, "weight_decay", weight_decay, 0, np.inf)

    @property
    def learning_rate(self) -> float:
        """Global rate; may be set between calls."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = _number(type(self).__name__, "learning_rate", value, 0, np.inf)
        if self._trainer is not None:
            self._trainer.set_learning_rate(self._learning_rate)

    @property
    def learning_rates(self) -> np.ndarray | None:
        """Effective rate of every parameter, shaped like `Network.parameters`; None before training."""
        return None if self._trainer is None else self._trainer.rates

    def _options(self) -> Any:
        raise NotImplementedError

    def _bind(self, network: Network) -> Any:
        """The trainer for this network, made when it is first asked for."""
        if self._trainer is None:
            self._core = network._core
            self._trainer = network._trainer_class(self._core, self._options())
        elif self._core is not network._core:
            raise ValueError(
                f"[{type(self).__name__}] a rule belongs to the first network it trains; got another one"
            )
        return self._trainer

    def __setattr__(self, name: str, value: Any) -> None:
        # A change would not reach the state that the core keeps, so it is refused instead of being ignored.
        if name in self.__dict__ and not name.startswith("_"):
            raise AttributeError(
                f"[{type(self).__name__}] {name} is fixed; make a new rule with another {name}; got {value!r}"
            )
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_trainer": None, "_core": None}


class SGD(Rule):
    """Stochastic gradient descent, (11), with momentum. Section 4.7.

    v ← momentum·v − rate·(g + weight_decay·w), w ← w + v.

    Parameters
    ----------
    learning_rate : float
        Global rate η. There is no default: it depends on the data; `MLPClassifier(solver="sgd")` measures it.
    momentum : float, default=0.0
        Strength of the momentum term in [0, 1). It multiplies the effective rate by 1 / (1 − momentum).
    weight_decay : float, default=0.0
        Pull of every weight towards 0; biases, and centres, widths and codes of radial units, are not pulled.
    scale : {"none", "fan_in"}, default="none"
        "fan_in" divides the rate of each unit by the square root of its number of inputs (bias not
        counted), and that of a shared weight by the square root of the number of connections that use it
        besides: the practice of the authors' simulator, which lets one global rate suit layers of different
        sizes.

    Raises
    ------
    ValueError, TypeError
        For values out of range. `Network.train_online` raises ValueError if the rule belongs to another
        network.

    Notes
    -----
    A pickled or copied rule keeps its settings and forgets its state.

    Examples
    --------
    >>> import ebp
    >>> ebp.rules.SGD(0.01, momentum=0.9)
    SGD(0.01, momentum=0.9, weight_decay=0.0, scale='none')
    """

    def __init__(
        self, learning_rate: float, *, momentum: float = 0.0, weight_decay: float = 0.0, scale: str = "none"
    ) -> None:
        super().__init__(learning_rate, momentum, weight_decay)
        self.scale = _choice("SGD", "scale", scale, ("none", "fan_in"))

    def _options(self) -> Any:
        return _core.RuleOptions.sgd(
            learning_rate=self._learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            fan_in_scale=self.scale == "fan_in",
        )

    def __repr__(self) -> str:
        return (
            f"SGD({self.learning_rate!r}, momentum={self.momentum!r}, weight_decay={self.weight_decay!r}, "
            f"scale={self.scale!r})"
        )


class SDLM(Rule):
    """Stochastic diagonal Levenberg-Marquardt, (61)-(62). Section 9.1.

    Every weight has its own rate ε / (h + μ), where h is the mean over samples of its diagonal second
    derivative in Gauss-Newton form, (54)-(56). The rate belongs to the gradient of one sample.

    Parameters
    ----------
    learning_rate : float, default=5e-4
        Global rate ε, the authors' value for the first passes of LeNet-5.
    mu : float, default=0.02
        Safety term μ > 0 that bounds the rates by ε / μ where the curvature is small; the authors' value.
    hessian_samples : int, default=500
        Presentations that h is measured on, the first ones of a call: shuffle the data. The authors' value.
    refresh : {"epoch", "running"}, default="epoch"
        "epoch": h is measured anew before each call of `train_online` and frozen during it, as the authors
        did for LeNet-5. "running": h is measured once (from 0 if `hessian_samples` is 0) and then follows
        (62), h ← (1−γ) h + γ h_sample, before every step. `Network.learn_one` always does the latter,
        starting from the first sample's h.
    gamma : float, default=0.05
        Leak size γ of (62), the constant of the authors' simulator.
    granularity : {"weight", "unit"}, default="weight"
        "unit": one h a unit, the mean over its incoming weights and bias, the simulator's cheaper variant.
    momentum, weight_decay : float, default=0.0
        As for `SGD`, with the rate of each weight.

    Raises
    ------
    ValueError, TypeError
        For values out of range. `Network.train_online` raises ValueError if the rule belongs to another
        network.

    Notes
    -----
    A pickled or copied rule keeps its settings and forgets its state.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, random_state=0)
    >>> rule = ebp.rules.SDLM(0.02, mu=0.01)
    >>> X = np.array([[1, 2], [-1, -2], [1, -2], [-1, 2]], dtype=np.float32)
    >>> _ = net.train_online(X, X[:, :1], rule)
    >>> rule.curvature  # the mean squares of the inputs, and 1 for the bias
    array([1., 4., 1.], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 5e-4,
        *,
        mu: float = 0.02,
        hessian_samples: int = 500,
        refresh: str = "epoch",
        gamma: float = 0.05,
        granularity: str = "weight",
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, momentum, weight_decay)
        self.mu = _number("SDLM", "mu", mu, 0, np.inf, open_low=True)
        self.gamma = _number("SDLM", "gamma", gamma, 0, 1)
        self.refresh = _choice("SDLM", "refresh", refresh, ("epoch", "running"))
        self.granularity = _choice("SDLM", "granularity", granularity, ("weight", "unit"))
        if not isinstance(hessian_samples, numbers.Integral) or isinstance(hessian_samples, bool):
            raise TypeError(f"[SDLM] hessian_samples must be an integer; got {hessian_samples!r}")
        self.hessian_samples: int = int(hessian_samples)
        fewest = 0 if self.refresh == "running" else 1
        if self.hessian_samples < fewest:
            raise ValueError(
                f"[SDLM] hessian_samples must be at least {fewest} for refresh={refresh!r}; "
                f"got {hessian_samples}"
            )

    @property
    def curvature(self) -> np.ndarray | None:
        """h of every parameter, in the order of `Network.parameters`; None before any training."""
        return None if self._trainer is None else self._trainer.curvature

    def _options(self) -> Any:
        return _core.RuleOptions.sdlm(
            learning_rate=self._learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            mu=self.mu,
            hessian_samples=self.hessian_samples,
            running=self.refresh == "running",
            gamma=self.gamma,
            per_unit=self.granularity == "unit",
        )

    def __repr__(self) -> str:
        return (
            f"SDLM({self.learning_rate!r}, mu={self.mu!r}, hessian_samples={self.hessian_samples!r}, "
            f"refresh={self.refresh!r}, gamma={self.gamma!r}, granularity={self.granularity!r}, "
            f"momentum={self.momentum!r}, weight_decay={self.weight_decay!r})"
        )
