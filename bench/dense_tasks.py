"""Tasks A-E: fully connected networks with tanh units, and their oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from common import MINI_BATCH, MOMENTUM, SDLM_MU, SDLM_RATE, WEIGHT_DECAY, OnlineTask, Peer, Problem, aligned
from peers import DENSE, MINI_BATCH_SGD


@dataclass(frozen=True, kw_only=True)
class DenseTask(OnlineTask):
    """`layers` are the widths, inputs first."""

    layers: tuple[int, ...]

    @property
    def n_weights(self) -> int:
        return sum(i * o for i, o in pairwise(self.layers))

    @property
    def operations(self) -> int:
        """Six a weight (forward, error below, update), four in the first layer, which passes no error on."""
        return 6 * self.n_weights - 2 * self.layers[0] * self.layers[1]

    def problem(self, rows: int) -> Problem:
        """Normal inputs, targets in ±0.9, weights uniform in ±1/sqrt(fan-in), biases 0."""
        rng = np.random.default_rng(1998)
        weights = [rng.uniform(-1, 1, (o, i)) / np.sqrt(i) for i, o in pairwise(self.layers)]
        return Problem(
            rate=self.rate,
            inputs=aligned(rng.standard_normal((rows, self.layers[0]))),
            targets=aligned(rng.uniform(-0.9, 0.9, (rows, self.layers[-1]))),
            weights=[aligned(w) for w in weights],
            biases=[aligned(np.zeros(len(w))) for w in weights],
        )

    def reference(self, problem: Problem, method: str = "sgd") -> list[np.ndarray]:
        how = METHODS[method]
        start = zip(problem.weights, problem.biases, strict=True)
        parameters = [[w.astype(float), b.astype(float)] for w, b in start]
        changes = [[np.zeros_like(p) for p in pair] for pair in parameters]
        rates = how.rates(problem, parameters)
        inputs, targets = problem.inputs.astype(float), problem.targets.astype(float)
        for first in range(0, len(inputs), how.batch):
            rows = slice(first, first + how.batch)
            gradients = _gradients(parameters, inputs[rows], targets[rows], how.linear_output)
            for pair, change, gradient, rate in zip(parameters, changes, gradients, rates, strict=True):
                gradient[0] += how.weight_decay * pair[0]
                for k in range(2):
                    change[k] = how.momentum * change[k] - rate[k] * gradient[k]
                    pair[k] += change[k]
        return [p for pair in parameters for p in pair]


def _task(
    layers: tuple[int, ...],
    rate: float,
    compiled_rows: int,
    interpreted_rows: int,
    peers: Mapping[str, Peer] = DENSE,
) -> DenseTask:
    return DenseTask(
        label="-".join(map(str, layers)),
        layers=layers,
        rate=rate,
        compiled_rows=compiled_rows,
        interpreted_rows=interpreted_rows,
        peers=peers,
    )


TASKS = {
    "A": _task((16, 16, 2), 0.01, 20_000, 2_000),
    "B": _task((64, 32, 10), 0.01, 20_000, 2_000),
    "C": _task((784, 30, 10), 0.001, 8_000, 2_000),
    "D": _task((784, 300, 10), 0.001, 8 * MINI_BATCH, 1_000, {**DENSE, **MINI_BATCH_SGD}),
    "E": _task((784, 500, 300, 10), 0.001, 1_000, 500),
}


# The definition in float64.


@dataclass(frozen=True)
class Method:
    """What is computed; `curvature` is that of SDLM, of every "weight" or "unit"."""

    linear_output: bool = False
    curvature: str | None = None
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch: int = 1

    def rates(self, problem, parameters):
        """Of weights and biases, layer by layer; frozen for a pass."""
        if self.curvature is None:
            return [(problem.rate, problem.rate)] * len(parameters)
        curvature = _mean_curvature(problem, parameters)
        if self.curvature == "unit":
            means = [np.hstack([w, b[:, None]]).mean(axis=1) for w, b in curvature]
            curvature = [(mean[:, None], mean) for mean in means]
        return [tuple(SDLM_RATE / (h + SDLM_MU) for h in pair) for pair in curvature]


METHODS = {
    "sgd": Method(),
    "sgd, linear output": Method(linear_output=True),  # scikit-learn's regressor
    "sdlm": Method(curvature="weight"),
    "sdlm, one rate a unit": Method(curvature="unit"),
    "momentum": Method(momentum=MOMENTUM),
    "weight decay": Method(weight_decay=WEIGHT_DECAY),
    "mini-batch": Method(batch=MINI_BATCH),
}


def _forward(parameters, x, linear_output):
    """Outputs (rows, units) of every level, inputs first."""
    outputs = [x]
    for w, b in parameters:
        outputs.append(np.tanh(outputs[-1] @ w.T + b))
    if linear_output:
        outputs[-1] = outputs[-2] @ parameters[-1][0].T + parameters[-1][1]
    return outputs


def _gradients(parameters, x, target, linear_output):
    """[weights, biases] of every layer, summed over the rows."""
    outputs = _forward(parameters, x, linear_output)
    error = outputs[-1] - target
    delta = error if linear_output else error * (1 - outputs[-1] ** 2)
    gradients = []
    for (w, _), below in zip(reversed(parameters), reversed(outputs[:-1]), strict=True):
        gradients.insert(0, [delta.T @ below, delta.sum(axis=0)])
        delta = (delta @ w) * (1 - below**2)
    return gradients


def _mean_curvature(problem, parameters):
    """Mean of the diagonal Gauss-Newton back-propagation, paper equations (54)-(56)."""
    rows = problem.hessian_samples
    outputs = _forward(parameters, problem.inputs[:rows].astype(float), linear_output=False)
    below, curvature = np.ones_like(outputs[-1]), []
    for (w, _), inputs, y in zip(
        reversed(parameters), reversed(outputs[:-1]), reversed(outputs), strict=False
    ):
        total = below * (1 - y**2) ** 2
        curvature.insert(0, [total.T @ inputs**2 / rows, total.mean(axis=0)])
        below = total @ w**2
    return curvature
