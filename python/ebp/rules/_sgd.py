"""Plain stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ebp import _core
from ebp.rules._base import Rule, choice


class SGD(Rule):
    """Stochastic gradient descent, (11), with momentum. Section 4.7.

    v ← momentum·v − rate·(g + weight_decay·w), w ← w + v.

    Parameters
    ----------
    learning_rate : float
        Global rate η. There is no default: it depends on the data; `MLPClassifier(solver="sgd")` measures it.
    momentum : float, default=0.0
        Strength of the momentum term in [0, 1). It multiplies the effective rate by 1 / (1 − momentum),
        unless it is averaged.
    weight_decay : float, default=0.0
        Pull of every weight towards 0; biases, and centres, widths and codes of radial units, are not pulled.
    scale : {"none", "fan_in", "literal"}, default="none"
        "fan_in" divides the rate of each unit by the square root of its number of inputs (bias not
        counted), and that of a shared weight by the square root of the number of connections that use it
        besides: the practice of the authors' simulator, which lets one global rate suit layers of different
        sizes. "literal" multiplies by these roots, which is what section 4.7 says word for word; it makes
        sense where gradients are means over the connections, and those here are sums.
    momentum_form : {"heavy_ball", "nesterov", "averaged"}, default="heavy_ball"
        "heavy_ball": as above, the paper's. "nesterov": w ← w + momentum·v − rate·(g + weight_decay·w), which
        amounts to gradients taken ahead of the weights, where v leads. "averaged": v ← momentum·v −
        (1 − momentum)·rate·(...), the form of the authors' later library, which leaves the effective rate as
        it is.
    schedule : ebp.schedules object, default=None
        Course of the rate: `learning_rate` is multiplied by its factor at each presentation. None: constant.
    center_hidden : bool, default=False
        Train dense layers above the first one as if the running means (over about 100 presentations) of their
        inputs were subtracted from these: inputs are to have mean 0 at all layers, section 4.3. The network
        stays an ordinary one, as the biases take up the difference after every update. Pays where
        activations are far from 0 on average, as those of the logistic function; not by default, since the
        symmetric sigmoid leaves little to gain.

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
    >>> import ebp
    >>> rule = ebp.rules.SGD(0.01, momentum=0.9, momentum_form="nesterov")
    >>> rule.learning_rate, rule.momentum
    (0.01, 0.9)
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        scale: str = "none",
        momentum_form: str = "heavy_ball",
        schedule: Any = None,
        center_hidden: bool = False,
    ) -> None:
        super().__init__(learning_rate, momentum, momentum_form, weight_decay, schedule, center_hidden)
        self.scale = choice("SGD", "scale", scale, ("none", "fan_in", "literal"))

    def _method(self) -> Any:
        return _core.SgdOptions(self.scale)
