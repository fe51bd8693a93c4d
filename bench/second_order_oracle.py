"""Right answers of the second-order tasks: float64 NumPy for fully connected networks of tanh units.

Everything refers to ebp's loss, half the sum of squares over the outputs, mean over samples. Second
derivatives are central differences of the gradient, which is the only thing derived by hand; the diagonal of
Gauss-Newton's matrix, one output after the other, is independent of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

# About eps^(1/3), where truncation and rounding of a central difference meet.
STEP = 1e-5


@dataclass
class BatchProblem:
    """Data and a point of a fully connected network; tanh everywhere but, if so asked, in the last layer.

    `inputs` (samples, n_in), `targets` (samples, n_out), of one dtype with `start` (p,): for each layer its
    weights (out, in) row by row, then its biases. `direction` (p,) is what the Hessian is multiplied with.
    """

    layers: Sequence[int]
    linear_output: bool
    inputs: np.ndarray
    targets: np.ndarray
    start: np.ndarray
    direction: np.ndarray

    @property
    def n_outputs(self) -> int:
        return self.layers[-1]

    def matrices(self, parameters: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """(weights, biases) of each layer, as views."""
        pairs, at = [], 0
        for n_in, n_out in pairwise(self.layers):
            weights = parameters[at : at + n_out * n_in].reshape(n_out, n_in)
            at += n_out * (n_in + 1)
            pairs.append((weights, parameters[at - n_out : at]))
        return pairs


def forward(problem: BatchProblem, parameters: np.ndarray) -> list[np.ndarray]:
    """Outputs of every layer for all samples, the inputs first."""
    levels = [problem.inputs.astype(float)]
    pairs = problem.matrices(parameters)
    for number, (weights, biases) in enumerate(pairs, 1):
        sums = levels[-1] @ weights.T + biases
        levels.append(sums if problem.linear_output and number == len(pairs) else np.tanh(sums))
    return levels


def _output_slope(problem: BatchProblem, levels: list[np.ndarray]) -> np.ndarray:
    return np.ones_like(levels[-1]) if problem.linear_output else 1 - levels[-1] ** 2


def mean_square(problem: BatchProblem, parameters: np.ndarray) -> float:
    """Mean of squares over samples and outputs."""
    return float(np.mean((forward(problem, parameters.astype(float))[-1] - problem.targets) ** 2))


def gradient(problem: BatchProblem, parameters: np.ndarray) -> np.ndarray:
    """(p,)"""
    levels, pairs = forward(problem, parameters), problem.matrices(parameters)
    delta = (levels[-1] - problem.targets) * _output_slope(problem, levels) / len(problem.inputs)
    found: list[np.ndarray] = []
    for (weights, _), below in zip(reversed(pairs), reversed(levels[:-1]), strict=True):
        found = [(delta.T @ below).ravel(), delta.sum(axis=0), *found]
        delta = (delta @ weights) * (1 - below**2)
    return np.concatenate(found)


def product(problem: BatchProblem, direction: np.ndarray | None = None) -> np.ndarray:
    """Hessian times direction, by default the problem's; (p,)"""
    direction = (problem.direction if direction is None else direction).astype(float)
    step, start = STEP / np.linalg.norm(direction) * direction, problem.start.astype(float)
    difference = gradient(problem, start + step) - gradient(problem, start - step)
    return difference * (np.linalg.norm(direction) / (2 * STEP))


def hessian(problem: BatchProblem) -> np.ndarray:
    """(p, p)"""
    return np.array([product(problem, unit) for unit in np.eye(len(problem.start))])


def gauss_newton_diagonal(problem: BatchProblem) -> np.ndarray:
    """Mean over samples of the outputs' squared derivatives, summed over the outputs; two layers; (p,)"""
    start = problem.start.astype(float)
    (_, (above, _)), levels = problem.matrices(start), forward(problem, start)
    inputs, hidden, _ = (level**2 for level in levels)
    output = _output_slope(problem, levels) ** 2
    # One output reaches a hidden unit by one weight, so squares may be summed over the outputs.
    below = (output @ above**2) * (1 - levels[1] ** 2) ** 2
    parts = [below.T @ inputs, below.sum(axis=0), output.T @ hidden, output.sum(axis=0)]
    return np.concatenate([part.ravel() for part in parts]) / len(inputs)


def largest_eigenvalue(problem: BatchProblem) -> np.ndarray:
    """The largest eigenvalue of the Hessian; (1,)"""
    n = len(problem.start)
    operator = LinearOperator((n, n), matvec=lambda v: product(problem, v), dtype=float)
    start = np.random.default_rng(1).standard_normal(n)
    return eigsh(operator, k=1, which="LA", tol=1e-6, v0=start, return_eigenvectors=False)
