"""Sorted samples: what the order costs, and what a curvature measured on one class. Section 4.2.

    EBP_DATA_DIR=DIR python bench/experiments/sorted_curvature.py --out sorted_curvature.png
    EBP_DATA_DIR=DIR python bench/experiments/sorted_curvature.py --full

Stochastic diagonal Levenberg-Marquardt measures its curvature on the first 500 samples of an epoch, which is
fine only if the set is shuffled: sorted by class, all of them belong to one. The row "sorted by target" of
docs/tricks.md thus differs from the recipe in two things, which are taken apart here on MNIST: two orders
(neighbours of different classes; class after class) with two curvatures each (of 500 samples of one class; of
all classes). Network 784-30-10, inputs decorrelated, each of the four with the rate of the least mean
validation error, from a grid that grows while the best one is at its edge. Default: 12,000 samples, three
epochs, one seed, a minute; --full: all 60,000, five epochs, three seeds, some four minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ebp
import experiment
import numpy as np
from ebp.layers import Dense
from ebp.tricks import Interval
from tqdm import tqdm

HIDDEN = 30
MEASURED = 500  # presentations that SDLM measures its curvature on
RATES = (2.5e-5, 1e-4, 4e-4)
EXTENSIONS = 6  # rates tried beyond these at most
FINAL = 0.05  # of the rate, in the last epoch
COLOURS = ("black", "tab:grey", "tab:red", "tab:blue")


@dataclass(frozen=True)
class Data:
    """One seed's parts: inputs, targets and digits to train on; inputs and digits of the others."""

    X: np.ndarray
    T: np.ndarray
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Arm:
    """One way to present an epoch, and what the curvature is measured on: the first so many of it, or all."""

    name: str
    order: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    everything: bool = False


def by_class(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Class after class, the same in each epoch."""
    return np.argsort(y, kind="stable")


def one_class_first(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Neighbours of different classes, but for the samples that the curvature is measured on."""
    order = ebp.sampling.interleave(y, rng)
    first = order[y[order] == y.min()][:MEASURED]
    return np.concatenate([first, order[~np.isin(order, first)]])


MIXED, MIXED_ONE, SORTED, SORTED_ALL = ARMS = (
    Arm("mixed, curvature of all classes", ebp.sampling.interleave),
    Arm("mixed, curvature of one class", one_class_first),
    Arm("sorted, curvature of one class", by_class),
    Arm("sorted, curvature of all classes", by_class, everything=True),
)


def load(data_dir: str | None, n_samples: int, seed: int) -> Data:
    """MNIST with a tenth of the training digits to choose the rate, decorrelated by the rest."""
    X, y, X_test, y_test = ebp.datasets.load_mnist(data_dir)
    rows = np.random.default_rng(seed).permutation(len(y))[:n_samples]
    held_out, rows = np.split(rows, [len(rows) // 10])
    normalizer = ebp.InputNormalizer("decorrelate").fit(X[rows])
    Z, Z_held_out, Z_test = (
        normalizer.transform(part).astype(np.float32) for part in (X[rows], X[held_out], X_test)
    )
    T = experiment.plus_minus_one(y[rows])
    return Data(Z, T, y[rows], (Z_held_out, y[held_out]), (Z_test, y_test))


Errors = dict[float, np.ndarray]  # by rate: (n_seeds, 2) in percent, of validation and of test


def train(arm: Arm, datas: dict[int, Data], rates: list[float], epochs: int) -> Errors:
    """By each of the rates, with each seed."""
    runs = [(rate, seed) for rate in rates for seed in datas]
    parts = [datas[seed] for _, seed in runs]
    layers = [Dense(HIDDEN), Dense(10, "scaled_tanh")]
    nets = [ebp.Network(layers, datas[seed].X.shape[1], random_state=seed) for _, seed in runs]
    rules = [
        ebp.rules.SDLM(rate, hessian_samples=len(datas[seed].X) if arm.everything else MEASURED)
        for rate, seed in runs
    ]
    rngs = {seed: np.random.default_rng(seed) for seed in datas}
    for epoch in range(epochs):
        orders = {seed: arm.order(datas[seed].y, rng) for seed, rng in rngs.items()}
        for rule, (rate, _) in zip(rules, runs, strict=True):
            rule.learning_rate = rate * (1 - (1 - FINAL) * epoch / max(1, epochs - 1))
        ebp.train_many(  # a network that diverges keeps its last finite weights
            nets,
            [part.X for part in parts],
            [part.T for part in parts],
            rules,
            orders=[orders[seed] for _, seed in runs],
        )
    found = [
        (error(net, *part.validation), error(net, *part.test)) for net, part in zip(nets, parts, strict=True)
    ]
    return dict(zip(rates, np.reshape(found, (len(rates), len(datas), 2)), strict=True))


def error(net: ebp.Network, X: np.ndarray, y: np.ndarray) -> float:
    return 100 * float(np.mean(net.forward(X).argmax(axis=1) != y))


def best(errors: Errors) -> float:
    """The rate of the least mean validation error."""
    return min(errors, key=lambda rate: errors[rate][:, 0].mean())


def search(arm: Arm, datas: dict[int, Data], rates: list[float], epochs: int, bar: Any) -> Errors:
    """Errors by a grid of rates, and by more while the best one is at its edge."""
    errors: Errors = {}
    pending = list(rates)
    step = rates[1] / rates[0]
    while pending and len(errors) < len(rates) + EXTENSIONS:
        errors |= train(arm, datas, pending, epochs)
        bar.update(len(pending) * len(datas))
        pending = beyond(sorted(errors), best(errors), step)
    return errors


def beyond(tried: list[float], best_rate: float, step: float) -> list[float]:
    if best_rate == tried[0]:
        return [tried[0] / step]
    return [tried[-1] * step] if best_rate == tried[-1] else []


def report(found: dict[Arm, Errors]) -> experiment.Claims:
    claims = experiment.Claims()
    test = {arm: errors[best(errors)][:, 1] for arm, errors in found.items()}
    for arm, errors in found.items():
        claims.number(f"test error [%], {arm.name}", test[arm].mean())
        claims.number(f"best rate, {arm.name}", best(errors))
    positive = (0.0, np.inf)
    differences = (
        ("sorted and curvature of one class, against the recipe", SORTED, MIXED, "worse", positive),
        ("sorted, curvature of all classes, against the recipe", SORTED_ALL, MIXED, "worse", positive),
        ("curvature of one class against all, sorted", SORTED, SORTED_ALL, "", None),
        ("curvature of one class against all, mixed", MIXED_ONE, MIXED, "", None),
    )
    for title, one, other, expected, within in differences:
        interval = Interval.of(test[one] - test[other])
        claims.number(f"{title} [points]", interval.mean, expected, "P" if expected else "", within)
        if np.isfinite(interval.half_width):
            claims.number("... half of its interval of 95 %", interval.half_width)
    return claims


def draw(figure: Any, found: dict[Arm, Errors]) -> None:
    """Validation errors over rates; the test error at the best rate as a dot."""
    ax = figure.subplots()
    for (arm, errors), colour in zip(found.items(), COLOURS, strict=True):
        rates = sorted(errors)
        ax.plot(rates, [errors[rate][:, 0].mean() for rate in rates], color=colour, label=arm.name)
        ax.plot(best(errors), errors[best(errors)][:, 1].mean(), "o", color=colour)
    ax.set(xscale="log", yscale="log", xlabel="global rate", ylabel="error, %")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    ax.grid(alpha=0.3, which="both")
    ax.legend(title="lines: validation; dots: test, at the best rate")


def main() -> None:
    parser = experiment.parser(__doc__, data="mnist/")
    parser.set_defaults(seeds=None)
    parser.add_argument("--samples", type=int, help="default: 12,000, with --full all 60,000")
    parser.add_argument("--epochs", type=int, help="default: 3, with --full 5")
    options = parser.parse_args()
    n_samples = options.samples or (60_000 if options.full else 12_000)
    epochs = options.epochs or (5 if options.full else 3)
    seeds = options.seeds or ([0, 1, 2] if options.full else [0])
    rates = list(np.geomspace(RATES[0], RATES[-1], 5) if options.full else RATES)
    datas = {seed: load(options.data_dir, n_samples, seed) for seed in seeds}
    with tqdm(unit="training") as bar:
        found = {arm: search(arm, datas, [float(rate) for rate in rates], epochs, bar) for arm in ARMS}
    report(found).print()
    figure = experiment.new_figure(
        (8, 5.5), "MNIST: order of the samples, and what the curvature is measured on"
    )
    draw(figure, found)
    experiment.save(figure, options.out, "sorted_curvature")


if __name__ == "__main__":
    main()
