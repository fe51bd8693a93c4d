"""Learning rates of the estimators: the automatic start and its course over the epochs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._inputs import normalized
from .curvature import principal_eigenvalue
from .network import Network
from .schedules import Plateau

# bench/experiments/automatic_rates.py prints test errors over multiples of the rate that follows: training
# begins to suffer at two to five times the rate, and is slow from a tenth of it down. Beyond SHORT
# updates there is time for a smaller rate, which leaves less noise in the weights of a stream. In `fit`,
# where the rate falls in the end, the larger one is as good:
# --data mnist --hidden 300 --epochs 10 --multiples 1 1.43
SDLM_FRACTION = 0.22
# MNIST, 100 hidden units, 4 epochs: 3.9 % with the rate that the hidden layer allows, 3.5 % with this.
SDLM_INPUTS = 3
SHORT = 100_000
STREAM = 1_000_000
SDLM_LARGEST = 5e-3
EIGENVALUE_PRESENTATIONS = 1000
# (fraction, largest rate): over nine sets of bench/suite.py the best of a grid lay at 3e-3 for adam and
# rmsprop with 100 units, at a third of it with 300 units and with 784 inputs; for adagrad ten times as high.
STEPS = {"adagrad": (3.0, 0.1), "rmsprop": (0.3, 5e-3), "adam": (0.3, 5e-3), "rprop": (1.0, 0.03)}
FINAL_FRACTION = 1 / 20


def automatic_sdlm_rate(network: Network, n_updates: int | None) -> float:
    """Global rate of SDLM at which one update goes at most about a fifth of the way to its own sample.

    A weight of curvature h moves by eps/(h + mu) times its gradient, so that all parameters of a unit
    together move its total input by eps times the sum of h/(h + mu), which is at most eps times their number
    (fan-in + 1 in a dense layer; where units differ, their mean counts), of a Newton step. The effects of the
    layers add up; the first one may have three times as large ones, because samples differ more in the inputs
    than in the hidden states and so disturb each other less there. Narrow networks are limited by eps = 5e-3;
    from 100,000 updates on, eps falls as the fifth root of their number. A stream, `n_updates` None, counts
    as a million.

    Examples
    --------
    >>> from ebp.layers import Dense
    >>> automatic_sdlm_rate(Network([Dense(99), Dense(10)], 64), 50_000)
    0.0022
    """
    return _rate_by_width(network, n_updates, SDLM_FRACTION, SDLM_LARGEST, SDLM_INPUTS)


def automatic_step(solver: str, network: Network, n_updates: int | None) -> float:
    """First rate of the solvers whose rate is about the length of a weight's step, whatever its gradient.

    When all weights of a unit move by a step, its total input moves by up to step times their number, which
    the rate is divided by: that of the first layer or that of all the others together, whichever is larger.

    Examples
    --------
    >>> from ebp.layers import Dense
    >>> round(automatic_step("adam", Network([Dense(99), Dense(10)], 64), 50_000), 12)
    0.003
    """
    return _rate_by_width(network, n_updates, *STEPS[solver], inputs=1.0)


def _rate_by_width(
    network: Network, n_updates: int | None, fraction: float, largest: float, inputs: float
) -> float:
    """`fraction` divided by the widths of the layers above the first, or that of the first over `inputs`."""
    first, *upper = layer_widths(network)
    width = max(first / inputs, sum(upper)) if upper else first
    return min(largest, fraction * haste(n_updates) / width)


def layer_widths(network: Network) -> list[float]:
    """Parameters of a unit, fan-in + 1, in every layer that has any; their mean where units differ."""
    per_layer: dict[str, float] = {}
    for name, _, _, unit_sizes, _ in network._core.parameter_blocks():
        layer = name.split(".")[0]
        per_layer[layer] = per_layer.get(layer, 0) + sum(unit_sizes) / len(unit_sizes)
    return list(per_layer.values()) or [1.0]  # nothing is trainable, and no rate moves anything


def rates_of(rule: Any, network: Network) -> np.ndarray:
    """Effective rate of every parameter; the global rate if the rule has not taken a step."""
    rates = rule.learning_rates
    return np.full(network.n_parameters, rule.learning_rate) if rates is None else np.array(rates)


def haste(n_updates: int | None) -> float:
    """Factor of the rate for a training of so many updates; None for a stream."""
    return min(1.0, (SHORT / max(1, STREAM if n_updates is None else n_updates)) ** 0.2)


def measure_eigenvalue(network: Network, data: Any) -> float:
    """Largest eigenvalue of the Hessian by eq (64), on up to 1,000 presentations of a `TrainingData`."""
    rows = data.spread(EIGENVALUE_PRESENTATIONS)
    weights = None if data.weights is None else data.weights[rows]
    found = principal_eigenvalue(
        network,
        normalized(data.X[rows], data.transform, network.dtype),
        data.T[rows],
        "online",
        order=range(len(rows)),
        sample_weight=weights,
        n_presentations=EIGENVALUE_PRESENTATIONS,
    )
    # An update takes a sample's gradient times its weight, so that it is not the mean that counts.
    return found.eigenvalue * (1.0 if weights is None else float(weights.mean()))


class RateSchedule:
    """Learning rate of each epoch.

    Parameters
    ----------
    kind : str or ebp.schedules object
        "auto": falls linearly from `start` to `start` / 20 in the last of `n_epochs` epochs.
        "constant": `start`. "invscaling": `start` / sqrt(epoch + 1).
        "adaptive": `start`, divided by 5 whenever two epochs in a row fail to lower the loss by `tol`.
        A `Plateau` does so by its own settings; with any other schedule, which the rule follows from one
        presentation to the next, `start`.
    start : float
    n_epochs : int
    tol : float
    """

    def __init__(self, kind: Any, start: float, n_epochs: int, tol: float) -> None:
        self.kind = kind
        self.start = start
        self.n_epochs = n_epochs
        self._plateau = Plateau(tol=tol) if kind == "adaptive" else kind
        self._losses: list[float] = []

    def rate(self, epoch: int) -> float:
        """Rate of epoch 0, 1, ..."""
        if self.kind == "auto":
            progress = min(1.0, epoch / max(1, self.n_epochs - 1))
            return self.start * (1 - (1 - FINAL_FRACTION) * progress)
        if self.kind == "invscaling":
            return self.start / math.sqrt(epoch + 1)
        if isinstance(self._plateau, Plateau):
            return self.start * self._plateau.factor_after(self._losses)
        return self.start

    def observe(self, loss: float) -> None:
        """Tell the schedule the loss of the epoch that has ended: on held-out samples, if there are any."""
        self._losses.append(loss)
