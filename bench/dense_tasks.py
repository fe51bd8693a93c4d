"""Tasks A-E: fully connected networks with tanh units, and their oracle."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from common import SDLM_MU, SDLM_RATE, OnlineTask, Problem, aligned
from peers import DENSE


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
        """`method` is "sgd", "sgd, linear output" (scikit-learn's regressor) or "sdlm" (frozen rates)."""
        linear_output = method == "sgd, linear output"
        weights = [w.astype(float) for w in problem.weights]
        biases = [b.astype(float) for b in problem.biases]
        rates = [(problem.rate, problem.rate)] * len(weights)
        if method == "sdlm":
            curvature = _mean_curvature(problem, weights, biases)
            rates = [tuple(SDLM_RATE / (h + SDLM_MU) for h in pair) for pair in curvature]
        for x, t in zip(problem.inputs.astype(float), problem.targets.astype(float), strict=True):
            outputs = _forward(weights, biases, x, linear_output)
            error = outputs[-1] - t
            delta = error if linear_output else error * (1 - outputs[-1] ** 2)
            for layer in reversed(range(len(weights))):
                below = (weights[layer].T @ delta) * (1 - outputs[layer] ** 2)
                weights[layer] -= rates[layer][0] * np.outer(delta, outputs[layer])
                biases[layer] -= rates[layer][1] * delta
                delta = below
        return [p for pair in zip(weights, biases, strict=True) for p in pair]


def _task(layers: tuple[int, ...], rate: float, compiled_rows: int, interpreted_rows: int) -> DenseTask:
    return DenseTask(
        label="-".join(map(str, layers)),
        layers=layers,
        rate=rate,
        compiled_rows=compiled_rows,
        interpreted_rows=interpreted_rows,
        peers=DENSE,
    )


TASKS = {
    "A": _task((16, 16, 2), 0.01, 20_000, 2_000),
    "B": _task((64, 32, 10), 0.01, 20_000, 2_000),
    "C": _task((784, 30, 10), 0.001, 8_000, 2_000),
    "D": _task((784, 300, 10), 0.001, 2_000, 1_000),
    "E": _task((784, 500, 300, 10), 0.001, 1_000, 500),
}


# The definition in float64, one sample at a time.


def _forward(weights, biases, x, linear_output):
    """Outputs of every level, input first."""
    outputs = [x]
    for w, b in zip(weights, biases, strict=True):
        outputs.append(np.tanh(w @ outputs[-1] + b))
    if linear_output:
        outputs[-1] = weights[-1] @ outputs[-2] + biases[-1]
    return outputs


def _mean_curvature(problem, weights, biases):
    """Mean of the diagonal Gauss-Newton back-propagation, paper equations (54)-(56)."""
    rows = problem.hessian_samples
    curvature = [[np.zeros_like(w), np.zeros_like(b)] for w, b in zip(weights, biases, strict=True)]
    for x in problem.inputs[:rows].astype(float):
        outputs = _forward(weights, biases, x, linear_output=False)
        below = np.ones(len(outputs[-1]))
        for layer in reversed(range(len(weights))):
            total = below * (1 - outputs[layer + 1] ** 2) ** 2
            curvature[layer][0] += np.outer(total, outputs[layer] ** 2) / rows
            curvature[layer][1] += total / rows
            below = (weights[layer] ** 2).T @ total
    return curvature
