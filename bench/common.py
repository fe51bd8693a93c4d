"""What tasks and peers are, comparison of answers and C compilation; no library is measured here."""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    "OMP_WAIT_POLICY": "ACTIVE",  # threads that a peer asks for itself wait without giving up their core
}

SDLM_MU = 0.02
SDLM_RATE = 5e-4
MOMENTUM = 0.9
WEIGHT_DECAY = 0.01
MINI_BATCH = 256


@dataclass
class Problem:
    """Data and initial parameters of a task: float32, C-contiguous, on 64-byte boundaries.

    `inputs` (rows, ...) and `targets` (rows, outputs); per layer with parameters `weights`, such as
    (out, in) or (maps, input maps, height, width), and `biases`.
    """

    rate: float
    inputs: np.ndarray
    targets: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]

    @property
    def layers(self) -> tuple[int, ...]:
        """Widths of a fully connected network, inputs first."""
        return self.weights[0].shape[1], *map(len, self.biases)

    @property
    def hessian_samples(self) -> int:
        """Presentations for SDLM's curvature: the same share of a pass as 500 of MNIST's 60,000."""
        return max(1, round(len(self.inputs) * 500 / 60_000))


@dataclass
class Work:
    """What a peer hands over: `run()` does the task once, going on from where it stands.

    `amount` is how much that is: the samples of an online pass, 1 for anything that is done as a whole.
    `answer()` reads what came out: of an online pass the parameters [W0, b0, ...], shaped as in `Problem`.
    """

    amount: int
    run: Callable[[], object]
    answer: Callable[[], Sequence]


@dataclass(frozen=True)
class Peer:
    """One way to do a task.

    `builder` is "module:function" in peers/, a function from the task's problem to Work. `compiled`: a whole
    online pass runs outside Python. `method` tells `OnlineTask.reference` what is computed. `options` are
    further arguments of the builder.
    """

    builder: str
    description: str
    compiled: bool = True
    method: str = "sgd"
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        return int(self.options.get("threads", 1))

    def on(self, threads: int) -> Peer:
        """The same with so many threads, for a builder that takes them."""
        options = {**self.options, "threads": threads}
        return replace(self, options=options, description=f"{self.description}, {threads} threads")

    def build(self, problem) -> Work:
        """Set up the work; ImportError where the library is absent."""
        module, function = self.builder.split(":")
        return getattr(importlib.import_module(f"peers.{module}"), function)(problem, **self.options)


class WrongAnswer(Exception):
    """A peer computed something else than the task asks for."""


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """Something to compute, named by its label, with its data, the right answer, and who can do it.

    `tolerance` is the largest difference from the right answer that rounding explains.
    """

    label: str
    peers: Mapping[str, Peer] = field(repr=False)
    tolerance: float

    @abstractmethod
    def problem_to_check(self):
        """Data and start for the check of the answers; always the same."""

    @abstractmethod
    def problem_to_time(self, peer: Peer):
        """Data and start for the measurement; always the same."""

    @abstractmethod
    def differences(self, answers: Mapping[str, Sequence]) -> dict[str, float]:
        """How far each peer's answer is from the right one."""

    def figures(self, answer: Sequence) -> dict[str, float]:
        """What a report shows of an answer."""
        return {}

    def facts(self) -> dict:
        """What a result says about the task besides its label."""
        return {}


@dataclass(frozen=True, kw_only=True)
class OnlineTask(Task):
    """Online training of a network.

    `compiled_rows` serve peers that run a whole pass in compiled code, `interpreted_rows` those that go
    through Python for every sample; both are enough that the cost of starting a pass does not count. The
    answer is checked after `check_rows`. Differences are in units of the largest change: float32 rounding
    reaches a tenth of the tolerance; a rate wrong by 0.1 % exceeds it (tests/test_bench.py).
    """

    rate: float
    compiled_rows: int
    interpreted_rows: int
    check_rows: int = 300
    tolerance: float = 1e-4

    @property
    @abstractmethod
    def n_weights(self) -> int:
        """Weights without biases."""

    @property
    @abstractmethod
    def operations(self) -> int:
        """Fewest floating point operations of one update, a multiply-add counted as two."""

    @abstractmethod
    def problem(self, rows: int) -> Problem:
        """Data and initial parameters; always the same."""

    @abstractmethod
    def reference(self, problem: Problem, method: str = "sgd") -> list[np.ndarray]:
        """Parameters [W0, b0, ...] after one online pass in float64; `method` is a peer's."""

    def problem_to_check(self) -> Problem:
        return self.problem(self.check_rows)

    def problem_to_time(self, peer: Peer) -> Problem:
        return self.problem(self.compiled_rows if peer.compiled else self.interpreted_rows)

    def differences(self, answers: Mapping[str, Sequence]) -> dict[str, float]:
        problem = self.problem_to_check()
        start = initial_parameters(problem)
        methods = {self.peers[name].method for name in answers}
        expected = {method: self.reference(problem, method) for method in methods}
        return {
            name: relative_difference(parameters, expected[self.peers[name].method], start)
            for name, parameters in answers.items()
        }

    def facts(self) -> dict:
        return {"rate": self.rate, "check_rows": self.check_rows}


# Numbers


def aligned(array, alignment: int = 64) -> np.ndarray:
    """Float32 copy that starts on a multiple of `alignment` bytes, so that no peer is hurt by chance."""
    array = np.asarray(array, np.float32)
    memory = np.empty(array.size + alignment // 4, np.float32)
    skip = -memory.ctypes.data % alignment // 4
    copy = memory[skip : skip + array.size].reshape(array.shape)
    copy[...] = array
    return copy


def initial_parameters(problem: Problem) -> list[np.ndarray]:
    """[W0, b0, W1, b1, ...] before training."""
    return [p for pair in zip(problem.weights, problem.biases, strict=True) for p in pair]


def relative_difference(found, expected, start) -> float:
    """Largest |found - expected| over all parameters, in units of the largest change from `start`."""
    if not all(np.isfinite(f).all() for f in found):
        return float("inf")
    change = max(np.abs(e - s).max() for e, s in zip(expected, start, strict=True))
    return float(max(np.abs(f - e).max() for f, e in zip(found, expected, strict=True)) / change)


# Processes and C


def pin(*cpus: int) -> bool:
    """Keep this process, and those it starts, on these CPUs; False, with a message, if that fails."""
    try:
        os.sched_setaffinity(0, cpus)
    except (AttributeError, OSError, ValueError) as reason:
        names = ",".join(map(str, cpus))
        print(f"not pinned to CPU {names} ({reason}); expect noisier ratios", file=sys.stderr)
        return False
    return True


def integers(text: str) -> list[int]:
    """Of a comma-separated option."""
    return [int(part) for part in text.split(",")]


def parser(description: str | None) -> argparse.ArgumentParser:
    """The parser of a script that is described so, as it stands, and whose options are written out."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def write_json(file: Path | None, found: object) -> None:
    """Write what was found, if a file was asked for."""
    if file:
        file.write_text(json.dumps(found, indent=1) + "\n")


def add_cpus(parser: argparse.ArgumentParser) -> None:
    """The option that names the CPUs, in all benchmarks."""
    what = "the CPUs everything runs on, one a thread (default: 0)"
    parser.add_argument("--cpus", "--cpu", type=integers, default=[0], metavar="N,...", help=what)


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
