"""Trainings of 784-300-10 on all of MNIST, pass by pass: what `time_to_error.py` compares.

A course is a generator: each step trains for one pass over the 60,000 digits and yields its seconds and the
test error after it, which is measured outside the seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ebp
import numpy as np
from common import SDLM_MU, SDLM_RATE

HIDDEN, CLASSES = 300, 10
STEPS = 100  # of a rate that falls linearly


@dataclass(frozen=True)
class Digits:
    """Pixels of 0 to 1, raw and with one common mean 0 and deviation 1, and classes."""

    raw: np.ndarray
    scaled: np.ndarray
    y: np.ndarray
    raw_test: np.ndarray
    scaled_test: np.ndarray
    y_test: np.ndarray

    def error(self, predicted: np.ndarray) -> float:
        """Test error in per cent."""
        return 100 * float(np.mean(predicted != self.y_test))


def load(data_dir: str | None, rows: int | None = None) -> Digits:
    """All digits, or the first `rows` of each part."""
    X, y, X_test, y_test = (part[:rows] for part in ebp.datasets.load_mnist(data_dir))
    normalizer = ebp.InputNormalizer("global").fit(X)
    scaled, scaled_test = (normalizer.transform(part).astype(np.float32) for part in (X, X_test))
    return Digits(X, scaled, y, X_test, scaled_test, y_test)


@dataclass(frozen=True)
class Step:
    """One pass: seconds of training, seconds of the CPU, test error in per cent."""

    seconds: float
    cpu_seconds: float
    error: float


Course = Callable[[Digits, int], Iterator[Step]]  # of a seed


def _timed(train: Callable[[], object]) -> tuple[float, float]:
    start, start_cpu = time.perf_counter(), time.process_time()
    train()
    return time.perf_counter() - start, time.process_time() - start_cpu


def falling(passes: int, n: int) -> ebp.schedules.Piecewise:
    """From 1 linearly to 0 over all passes of n samples, in steps."""
    factors = 1 - np.arange(STEPS) / STEPS
    return ebp.schedules.Piecewise(passes * n * (1 - factors[1:]), factors)


def recipe(passes: int, engine: str) -> Course:
    """ebp by the paper: SDLM with one rate a unit, scaled tanh, squared error, targets of +1 and -1."""
    layers = [ebp.layers.Dense(HIDDEN), ebp.layers.Dense(CLASSES)]

    def course(digits: Digits, seed: int) -> Iterator[Step]:
        net = ebp.Network(layers, 784, random_state=seed)
        schedule = falling(passes, len(digits.y))
        rule = ebp.rules.SDLM(SDLM_RATE, mu=SDLM_MU, granularity="unit", schedule=schedule)
        T = (2 * np.eye(CLASSES, dtype=np.float32) - 1)[digits.y]
        return _online(digits, net, rule, T, passes, engine, seed)

    return course


def rectified(passes: int, rate: float) -> Course:
    """ebp with PyTorch's network and loss: SGD at one rate."""
    layers = [ebp.layers.Dense(HIDDEN, "relu"), ebp.layers.Dense(CLASSES, "identity")]

    def course(digits: Digits, seed: int) -> Iterator[Step]:
        net = ebp.Network(layers, 784, loss="cross_entropy", weight_init="he", random_state=seed)
        rule = ebp.rules.SGD(rate, schedule=falling(passes, len(digits.y)))
        T = np.eye(CLASSES, dtype=np.float32)[digits.y]
        return _online(digits, net, rule, T, passes, "auto", seed)

    return course


def _online(
    digits: Digits, net: ebp.Network, rule: Any, T: np.ndarray, passes: int, engine: str, seed: int
) -> Iterator[Step]:
    """One update a sample, shuffled anew in each pass."""
    rng = np.random.default_rng(seed)

    def train() -> None:
        order = ebp.sampling.shuffle(len(T), rng)
        result = net.train_online(digits.scaled, T, rule, order=order, engine=engine)
        if result.status != "ok":
            raise RuntimeError(f"training ended with status {result.status!r}")

    for _ in range(passes):
        seconds = _timed(train)
        yield Step(*seconds, digits.error(net.forward(digits.scaled_test).argmax(axis=1)))


def defaults(passes: int) -> Course:
    """ebp's classifier with nothing set but the hidden units and the passes; it gets raw pixels."""

    def course(digits: Digits, seed: int) -> Iterator[Step]:
        clocks: list[tuple[float, float]] = []
        states: list[np.ndarray] = []

        def note(estimator, epoch, logs) -> None:
            clocks.append((time.perf_counter(), time.process_time()))
            states.append(estimator.network_.parameters.copy())

        estimator = ebp.MLPClassifier((HIDDEN,), max_iter=passes, random_state=seed, callbacks=[note])
        clocks.append((time.perf_counter(), time.process_time()))
        estimator.fit(digits.raw, digits.y)
        for (start, start_cpu), (end, end_cpu), state in zip(clocks[:-1], clocks[1:], states, strict=True):
            estimator.network_.parameters[:] = state
            yield Step(end - start, end_cpu - start_cpu, digits.error(estimator.predict(digits.raw_test)))

    return course


def adam(passes: int, batch: int, rate: float, falls: bool) -> Course:
    """PyTorch: mini-batches, Adam in its fused form, rectified linear units, cross-entropy; one thread."""

    def course(digits: Digits, seed: int) -> Iterator[Step]:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        X, X_test = torch.from_numpy(digits.scaled), torch.from_numpy(digits.scaled_test)
        y = torch.from_numpy(digits.y.astype(np.int64))
        layers = torch.nn.Linear(784, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
        net, loss = torch.nn.Sequential(*layers), torch.nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(net.parameters(), rate, fused=True)
        n_updates = passes * -(-len(y) // batch)
        done = 0

        def train() -> None:
            torch.set_flush_denormal(True)  # as ebp does; undone below, for it holds for this whole thread
            try:
                one_pass()
            finally:
                torch.set_flush_denormal(False)

        def one_pass() -> None:
            nonlocal done
            for rows in torch.randperm(len(y)).split(batch):
                if falls:
                    optimizer.param_groups[0]["lr"] = rate * (1 - done / n_updates)
                optimizer.zero_grad()
                loss(net(X[rows]), y[rows]).backward()
                optimizer.step()
                done += 1

        for _ in range(passes):
            seconds = _timed(train)
            with torch.no_grad():
                predicted = net(X_test).argmax(dim=1).numpy()
            yield Step(*seconds, digits.error(predicted))

    return course
