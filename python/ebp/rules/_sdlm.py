"""Rates from the diagonal of the Hessian."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from ebp import _core
from ebp.rules._base import Rule, choice, number


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
    momentum, weight_decay, momentum_form, schedule, center_hidden
        As for `SGD`, with the rate of each weight.

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
        momentum_form: str = "heavy_ball",
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, momentum, momentum_form, weight_decay, schedule, center_hidden)
        self.mu = number("SDLM", "mu", mu, 0, open_low=True)
        self.gamma = number("SDLM", "gamma", gamma, 0, 1)
        self.refresh = choice("SDLM", "refresh", refresh, ("epoch", "running"))
        self.granularity = choice("SDLM", "granularity", granularity, ("weight", "unit"))
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

    def _method(self) -> Any:
        return _core.SdlmOptions(
            mu=self.mu,
            hessian_samples=self.hessian_samples,
            running=self.refresh == "running",
            gamma=self.gamma,
            per_unit=self.granularity == "unit",
        )
