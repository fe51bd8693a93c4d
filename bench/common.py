"""Tasks, data, oracles and C compilation shared by the benchmarks; no library is measured here."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

# Read when a numeric library is loaded, hence set by a driver before it starts the peers' processes.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


@dataclass(frozen=True)
class Task:
    """One network and how many different rows a pass has.

    `compiled_rows` serve peers that run a whole pass in compiled code, `interpreted_rows` those that go
    through Python for every sample; both are enough that the cost of starting a pass does not count.
    """

    layers: tuple[int, ...]
    rate: float
    compiled_rows: int
    interpreted_rows: int

    @property
    def n_weights(self) -> int:
        return sum(i * o for i, o in pairwise(self.layers))


TASKS = {
    "A": Task((16, 16, 2), 0.01, 20_000, 2_000),
    "B": Task((64, 32, 10), 0.01, 20_000, 2_000),
    "C": Task((784, 30, 10), 0.001, 8_000, 2_000),
    "D": Task((784, 300, 10), 0.001, 2_000, 1_000),
    "E": Task((784, 500, 300, 10), 0.001, 1_000, 500),
}

SDLM_MU = 0.02
SDLM_RATE = 5e-4


@dataclass
class Problem:
    """Data and initial parameters of a task: float32, C-contiguous, on 64-byte boundaries.

    `inputs` (rows, layers[0]), `targets` (rows, layers[-1]); per layer `weights` (out, in), `biases` (out,).
    """

    task: str
    rate: float
    inputs: np.ndarray
    targets: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]

    @property
    def layers(self) -> tuple[int, ...]:
        return TASKS[self.task].layers

    @property
    def hessian_samples(self) -> int:
        """Presentations for SDLM's curvature: the same share of a pass as 500 of MNIST's 60,000."""
        return max(1, round(len(self.inputs) * 500 / 60_000))


@dataclass
class Training:
    """What a peer hands over: `run()` makes one online pass of `samples` updates from where it stands.

    `parameters()` reads the current parameters as [W0, b0, W1, b1, ...], W as (out, in).
    """

    samples: int
    run: Callable[[], object]
    parameters: Callable[[], list[np.ndarray]]


def aligned(array, alignment: int = 64) -> np.ndarray:
    """Float32 copy that starts on a multiple of `alignment` bytes, so that no peer is hurt by chance."""
    array = np.asarray(array, np.float32)
    memory = np.empty(array.size + alignment // 4, np.float32)
    skip = -memory.ctypes.data % alignment // 4
    copy = memory[skip : skip + array.size].reshape(array.shape)
    copy[...] = array
    return copy


def make_problem(task: str, rows: int) -> Problem:
    """Normal inputs, targets in ±0.9, weights uniform in ±1/sqrt(fan-in), biases 0; always the same."""
    layers = TASKS[task].layers
    rng = np.random.default_rng(1998)
    weights = [rng.uniform(-1, 1, (o, i)) / np.sqrt(i) for i, o in pairwise(layers)]
    return Problem(
        task=task,
        rate=TASKS[task].rate,
        inputs=aligned(rng.standard_normal((rows, layers[0]))),
        targets=aligned(rng.uniform(-0.9, 0.9, (rows, layers[-1]))),
        weights=[aligned(w) for w in weights],
        biases=[aligned(np.zeros(len(w))) for w in weights],
    )


# Oracles: the definition written out in float64, one sample at a time.


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


def reference_parameters(problem: Problem, method: str = "sgd") -> list[np.ndarray]:
    """Parameters [W0, b0, ...] after one online pass in float64.

    `method` is "sgd", "sgd, linear output" (scikit-learn's regressor has one) or "sdlm" (frozen rates).
    """
    linear_output = method == "sgd, linear output"
    weights = [w.astype(float) for w in problem.weights]
    biases = [b.astype(float) for b in problem.biases]
    rates = [(problem.rate, problem.rate)] * len(weights)
    if method == "sdlm":
        curvature = _mean_curvature(problem, weights, biases)
        rates = [(SDLM_RATE / (hw + SDLM_MU), SDLM_RATE / (hb + SDLM_MU)) for hw, hb in curvature]
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


def relative_difference(found, expected, start) -> float:
    """Largest |found - expected| over all parameters, in units of the largest change from `start`."""
    if not all(np.isfinite(f).all() for f in found):
        return float("inf")
    change = max(np.abs(e - s).max() for e, s in zip(expected, start, strict=True))
    return float(max(np.abs(f - e).max() for f, e in zip(found, expected, strict=True)) / change)


def initial_parameters(problem: Problem) -> list[np.ndarray]:
    """[W0, b0, W1, b1, ...] before training."""
    return [p for pair in zip(problem.weights, problem.biases, strict=True) for p in pair]


# Processes and C


def pin(cpu: int) -> bool:
    """Keep this process, and those it starts, on one CPU; False with a message where that is impossible."""
    try:
        os.sched_setaffinity(0, {cpu})
    except (AttributeError, OSError, ValueError) as reason:
        print(f"not pinned to CPU {cpu} ({reason}); expect noisier ratios", file=sys.stderr)
        return False
    return True


GCC_FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512")
GCC_FAST_MATH = ("-ffast-math", "-lmvec")


def compile_c(
    source: Path, folder: str, flags: tuple[str, ...] = (*GCC_FLAGS, *GCC_FAST_MATH)
) -> ctypes.CDLL:
    """Load `source`, compiled by gcc into `folder`; ImportError where that fails, as for any absent peer."""
    gcc = shutil.which("gcc")
    if gcc is None:
        raise ImportError("gcc is not installed")
    library = Path(folder) / f"{source.stem}.so"
    options = [f for f in flags if not f.startswith("-l")]
    libraries = [f for f in flags if f.startswith("-l")]
    command = [gcc, *options, "-shared", "-fPIC", str(source), "-o", str(library), *libraries, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ImportError(f"gcc cannot compile {source.name}: {done.stderr.strip()}")
    return ctypes.CDLL(str(library))
