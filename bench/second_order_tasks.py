"""Tasks a-e: second derivatives and batch optimisation of fully connected networks.

a  Hessian, 10-10-3, 500 samples
b  diagonal of Gauss-Newton's matrix, 784-30-10, 500 samples
c  784-30-10 after some descent, 1000 samples: c1 largest eigenvalue of the Hessian; c2 product of the Hessian
   with a vector, from the parameters; c3 the same where the network's states are at hand
d  Levenberg-Marquardt until it converges, 5-10-1, linear output, 1000 samples, float64, three starts
e  50 iterations of L-BFGS, 784-30-10, linear output, 5000 samples
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import second_order_oracle as oracle
from common import Peer, Task, WrongAnswer, aligned
from peers import SECOND_ORDER
from second_order_oracle import BatchProblem

# The point of task c: as many passes of batch descent, at this rate, from a random start.
PASSES, RATE = 50, 0.06
NOISE = 0.05
LBFGS_ITERATIONS = 50
# Mean squares that a fit must reach. d: minima lie around the noise's variance. e: the libraries' L-BFGS ends
# at 0.0017-0.0021, descent at a constant rate still at 0.02.
LM_HIGHEST, LBFGS_HIGHEST = 1.5 * NOISE**2, 0.0025


def uniform_start(rng: np.random.Generator, layers: Sequence[int]) -> np.ndarray:
    """Weights and biases uniform in ±1/sqrt(fan-in)."""
    parts = [rng.uniform(-1, 1, n_out * (n_in + 1)) / np.sqrt(n_in) for n_in, n_out in pairwise(layers)]
    return np.concatenate(parts)


@dataclass(frozen=True, kw_only=True)
class BatchTask(Task):
    """A task on one fixed problem."""

    layers: tuple[int, ...]
    samples: int

    @abstractmethod
    def problem(self) -> BatchProblem:
        """Data and start; always the same."""

    def problem_to_check(self) -> BatchProblem:
        return self.problem()

    def problem_to_time(self, peer: Peer) -> BatchProblem:
        return self.problem()


@dataclass(frozen=True, kw_only=True)
class DerivativeTask(BatchTask):
    """Something of the Hessian at one point; peers answer [array] in the scale of ebp's loss.

    `expected` finds it in float64. Differences are in units of its largest element.
    """

    expected: Callable[[BatchProblem], np.ndarray]
    passes: int = 0
    tolerance: float = 1e-4

    def problem(self) -> BatchProblem:
        """Normal inputs, targets in ±0.9; the point after `passes` of descent."""
        rng = np.random.default_rng(1998)
        problem = BatchProblem(
            layers=self.layers,
            linear_output=False,
            inputs=aligned(rng.standard_normal((self.samples, self.layers[0]))),
            targets=aligned(rng.uniform(-0.9, 0.9, (self.samples, self.layers[-1]))),
            start=uniform_start(rng, self.layers),
            direction=np.empty(0),
        )
        for _ in range(self.passes):
            problem.start -= RATE * oracle.gradient(problem, problem.start)
        problem.start = aligned(problem.start)
        problem.direction = aligned(rng.standard_normal(len(problem.start)))
        return problem

    def differences(self, answers: Mapping[str, Sequence]) -> dict[str, float]:
        expected = self.expected(self.problem())
        return {
            name: float(np.abs(found - expected).max() / np.abs(expected).max())
            if found.shape == expected.shape and np.isfinite(found).all()
            else float("inf")
            for name, (found,) in answers.items()
        }

    def figures(self, answer: Sequence) -> dict[str, float]:
        return {"value": float(answer[0][0])} if answer[0].size == 1 else {}


@dataclass(frozen=True, kw_only=True)
class FitTask(BatchTask):
    """Minimise the mean square; peers answer [parameters, mean square as they see it, iterations].

    Runs from one start may end in different minima, so that there is no single right answer: what a peer says
    of its parameters must be so, and none may end above `highest`. `tolerance` is for the former.
    """

    make: Callable[[FitTask], BatchProblem]
    highest: float
    seed: int = 0

    def problem(self) -> BatchProblem:
        return self.make(self)

    def differences(self, answers: Mapping[str, Sequence]) -> dict[str, float]:
        problem, differences = self.problem(), {}
        for name, (parameters, claimed, _) in answers.items():
            found = oracle.mean_square(problem, parameters)
            if not found <= self.highest:
                raise WrongAnswer(f"{self.label}: {name} ends at {found:g}, not at most {self.highest:g}")
            differences[name] = float(abs(claimed - found) / found)
        return differences

    def figures(self, answer: Sequence) -> dict[str, float]:
        return {"MSE": float(answer[1]), "iterations": int(answer[2])}


def noisy_curve(task: FitTask) -> BatchProblem:
    """A random network of the same shape with noise added to its output, float64; another random start."""
    rng, (n_in, n_hidden, _) = np.random.default_rng(task.seed), task.layers
    inputs = rng.standard_normal((task.samples, n_in))
    weights, biases = rng.standard_normal((n_hidden, n_in)), rng.standard_normal(n_hidden)
    above = rng.standard_normal(n_hidden)
    targets = np.tanh(inputs @ weights.T + biases) @ above / np.sqrt(n_hidden)
    targets += NOISE * rng.standard_normal(task.samples)
    start = [rng.uniform(-1, 1, n_hidden * n_in) / np.sqrt(n_in), np.zeros(n_hidden)]
    start += [rng.uniform(-1, 1, n_hidden) / np.sqrt(n_hidden), np.zeros(1)]
    return BatchProblem(
        layers=task.layers,
        linear_output=True,
        inputs=inputs,
        targets=targets[:, None],
        start=np.concatenate(start),
        direction=np.empty(0),
    )


def squashed_linear(task: FitTask) -> BatchProblem:
    """Targets 0.9 tanh of a linear map, float32."""
    rng, (n_in, _, n_out) = np.random.default_rng(task.seed), task.layers
    inputs = rng.standard_normal((task.samples, n_in))
    teacher = rng.standard_normal((n_in, n_out)) / np.sqrt(n_in)
    return BatchProblem(
        layers=task.layers,
        linear_output=True,
        inputs=aligned(inputs),
        targets=aligned(0.9 * np.tanh(inputs @ teacher)),
        start=aligned(uniform_start(rng, task.layers)),
        direction=np.empty(0),
    )


def _derivative(
    key: str, label: str, expected, samples: int, layers=(784, 30, 10), **settings
) -> DerivativeTask:
    return DerivativeTask(
        label=f"{label}, {'-'.join(map(str, layers))}, {samples} samples",
        peers=SECOND_ORDER[key],
        layers=layers,
        samples=samples,
        expected=expected,
        **settings,
    )


def _levenberg_marquardt(seed: int) -> FitTask:
    return FitTask(
        label=f"Levenberg-Marquardt, 5-10-1, 1000 samples, float64, seed {seed}",
        peers=SECOND_ORDER["d"],
        layers=(5, 10, 1),
        samples=1000,
        make=noisy_curve,
        seed=seed,
        highest=LM_HIGHEST,
        tolerance=1e-9,
    )


TASKS = {
    "a": _derivative("a", "Hessian", oracle.hessian, 500, layers=(10, 10, 3)),
    "b": _derivative("b", "diagonal of Gauss-Newton", oracle.gauss_newton_diagonal, 500),
    "c1": _derivative("c1", "largest eigenvalue", oracle.largest_eigenvalue, 1000, passes=PASSES),
    "c2": _derivative("c2", "Hessian times vector", oracle.product, 1000, passes=PASSES),
    "c3": _derivative("c3", "Hessian times vector, states kept", oracle.product, 1000, passes=PASSES),
    **{f"d{seed}": _levenberg_marquardt(seed) for seed in range(3)},
    "e": FitTask(
        label=f"L-BFGS, {LBFGS_ITERATIONS} iterations, 784-30-10, 5000 samples",
        peers=SECOND_ORDER["e"],
        layers=(784, 30, 10),
        samples=5000,
        make=squashed_linear,
        highest=LBFGS_HIGHEST,
        tolerance=1e-4,
    ),
}
