"""Diagonal curvature against the best single rate: presentations to the same errors. Section 9.1.

    EBP_DATA_DIR=data python bench/experiments/sdlm_speed.py --out sdlm_speed.png
    EBP_DATA_DIR=data python bench/experiments/sdlm_speed.py --problems netmask --seeds 0 1 2 3 4
    EBP_DATA_DIR=data python bench/experiments/sdlm_speed.py --full        # and LeNet-5; three seeds

Stochastic diagonal Levenberg-Marquardt, with curvatures measured before each pass, and descent at a
single rate start from the same weights and see the same samples in the same order. Both have the best of a
grid of global rates for each error that is to be reached, constant during training; presentations to measure
curvatures count. The paper's rule of thumb is three times fewer presentations. With tuned rates on both sides
and inputs prepared as the paper advises, the ratio is near 1 here, with other --mu too. Times are resolved to
30 % on MNIST and to a pass of 320 digits on NetMASK. --full also has finer grids, longer training, and rates
over sqrt(fan-in times shares): hours. Default: one seed (NetMASK: five), two minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import geometric_mean, median
from typing import Any

import ebp
import experiment
import numpy as np
from ebp.layers import Dense
from tqdm import tqdm

CONTESTANTS = {"single": "single rate", "sdlm": "SDLM", "fan_in": "rates by fan-in"}
MEASURES = {"training": "mean square error on training samples", "test": "test error [%]"}
EVALUATED = 5000  # training samples that errors are measured on


@dataclass(frozen=True)
class Problem:
    """Networks by their seeds, data, how long to train, and what is to be reached."""

    title: str
    network: Callable[[int], ebp.Network]
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # inputs and digits to train, and to test
    passes: int
    hessian_samples: int  # before each pass
    checkpoints: np.ndarray  # presentations
    levels: dict[str, tuple[float, ...]]
    rates: dict[str, tuple[float, float]]  # first and last of the grid of each contestant


@dataclass(frozen=True)
class Course:
    """Errors at so many presentations, curvature's included; measures by their names."""

    presentations: np.ndarray
    errors: dict[str, np.ndarray]

    def reaches(self, measure: str, level: float) -> float:
        """Presentations to the level."""
        reached = self.errors[measure] <= level
        return float(self.presentations[np.argmax(reached)]) if reached.any() else np.inf


def netmask(data_dir: str | None, full: bool) -> Problem:
    X, y, X_test, y_test = ebp.datasets.load_digits480(data_dir)
    mean = X.mean(axis=0)
    passes = 40
    return Problem(
        "NetMASK, 320 digits",
        lambda seed: ebp.Network(ebp.layers.netmask(), (1, 16, 16), weight_init="sn", random_state=seed),
        (X - mean, y, X_test - mean, y_test),
        passes,
        50,
        320 * np.arange(1, passes + 1),
        {"training": (0.12, 0.1, 0.08, 0.065), "test": (10, 5, 2.5)},
        {"single": (5e-4, 3.2e-2), "sdlm": (3.125e-4, 2e-2), "fan_in": (1.25e-2, 0.8)},
    )


def mnist(
    title: str,
    layers: list[Any],
    images: bool,
    init: str,
    levels: dict[str, tuple[float, ...]],
    rates: dict[str, tuple[float, float]],
    data_dir: str | None,
    full: bool,
) -> Problem:
    """A network on all of MNIST, as padded images or as rows."""
    X, y, X_test, y_test = ebp.datasets.load_mnist(data_dir)
    if images:
        X, X_test = experiment.padded_mnist(X), experiment.padded_mnist(X_test)
    else:
        normalizer = ebp.InputNormalizer("global").fit(X)
        X, X_test = (normalizer.transform(part).astype(np.float32) for part in (X, X_test))
    passes = 5 if full else 2
    return Problem(
        title,
        lambda seed: ebp.Network(layers, X.shape[1:], weight_init=init, random_state=seed),
        (X, y, X_test, y_test),
        passes,
        500,
        np.geomspace(2000, passes * len(X), 24 if full else 16).astype(int),
        levels,
        rates,
    )


def dense(data_dir: str | None, full: bool) -> Problem:
    levels = {"training": (0.1, 0.07, 0.05), "test": (10.0, 7.0, 5.0)}
    rates = {"single": (2.5e-4, 8e-3), "sdlm": (7.5e-5, 2.4e-3), "fan_in": (5e-3, 0.16)}
    layers = [Dense(100), Dense(10)]
    return mnist("784x100x10, MNIST", layers, False, "lecun", levels, rates, data_dir, full)


def figure24(data_dir: str | None, full: bool) -> Problem:
    levels = {"training": (0.12, 0.1, 0.08), "test": (10.0, 7.0, 5.0)}
    rates = {"single": (5e-4, 1.6e-2), "sdlm": (3.125e-4, 1e-2), "fan_in": (1.25e-2, 0.4)}
    layers = ebp.layers.figure24()
    return mnist("64,638 connections, MNIST", layers, True, "sn", levels, rates, data_dir, full)


def lenet5(data_dir: str | None, full: bool) -> Problem:
    levels = {"training": (0.05, 0.03, 0.02), "test": (5.0, 2.5, 1.5)}
    rates = {"single": (2.5e-4, 8e-3), "sdlm": (6.25e-5, 2e-3), "fan_in": (5e-3, 0.16)}
    layers = ebp.layers.lenet5("dense")
    return mnist("LeNet-5, MNIST", layers, True, "lecun", levels, rates, data_dir, full)


PROBLEMS = {"netmask": netmask, "dense": dense, "figure24": figure24, "lenet5": lenet5}


def grid(ends: tuple[float, float], full: bool) -> np.ndarray:
    """Rates in steps of a factor of 2, or of its square root."""
    step = 2**0.5 if full else 2
    return ends[0] * step ** np.arange(round(np.log(ends[1] / ends[0]) / np.log(step)) + 1)


def rule_of(contestant: str, rate: float, mu: float, hessian_samples: int) -> Any:
    if contestant == "sdlm":
        return ebp.rules.SDLM(rate, mu=mu, hessian_samples=hessian_samples)
    return ebp.rules.SGD(rate, scale="none" if contestant == "single" else "fan_in")


def train(problem: Problem, contestant: str, rate: float, mu: float, seed: int) -> Course:
    """One training, looked at in its checkpoints."""
    X, y, _, _ = problem.data
    T = experiment.plus_minus_one(y)
    net = problem.network(seed)
    rule = rule_of(contestant, rate, mu, problem.hessian_samples)
    extra = problem.hessian_samples if contestant == "sdlm" else 0
    presentations: list[int] = []
    snapshots: list[np.ndarray] = []

    def look(n: int) -> None:
        if len(snapshots) < len(problem.checkpoints) and n >= problem.checkpoints[len(snapshots)]:
            presentations.append(n + extra * -(-n // len(X)))
            snapshots.append(net.parameters.copy())

    for number, order in enumerate(experiment.epochs_order(len(X), problem.passes, seed).reshape(-1, len(X))):
        before = number * len(X)
        result = net.train_online(
            X, T, rule, order=order, callback=lambda n, _, before=before: look(before + n)
        )
        look(before + len(X))
        if result.status != "ok":
            break
    return Course(np.array(presentations), errors(problem, net, snapshots))


def errors(problem: Problem, net: ebp.Network, snapshots: list[np.ndarray]) -> dict[str, np.ndarray]:
    X, y, X_test, y_test = problem.data
    rows = slice(EVALUATED)
    T = experiment.plus_minus_one(y[rows])
    found: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    for parameters in snapshots:
        net.parameters[:] = parameters
        found["training"].append(experiment.mean_square_error(net, X[rows], T))
        found["test"].append(100 * float(np.mean(net.forward(X_test).argmax(axis=1) != y_test)))
    return {measure: np.array(values) for measure, values in found.items()}


Courses = dict[str, dict[float, list[Course]]]  # by contestant and rate, one a seed


def fewest(courses: Courses, contestant: str, measure: str, level: float) -> tuple[float, float]:
    """Presentations to the level, median over the seeds, at the rate that needs the fewest; and this rate.

    Where no rate reaches the level, that of the least error in the end.
    """
    candidates = []
    for rate, found in courses[contestant].items():
        needed = median(course.reaches(measure, level) for course in found)
        candidates.append((needed, median(course.errors[measure][-1] for course in found), rate))
    needed, _, rate = min(candidates)
    return needed, rate


def add_claims(claims: experiment.Claims, problem: Problem, courses: Courses) -> None:
    ratios = []
    for measure, levels in problem.levels.items():
        for level in levels:
            needed = {name: fewest(courses, name, measure, level) for name in courses}
            unit = "% of test" if measure == "test" else "MSE, training"
            for name, (presentations, rate) in needed.items():
                at = f"{rate:.2g}" if np.isfinite(presentations) else "at any rate"
                title = f"{problem.title}: to {level:g} {unit}, {CONTESTANTS[name]} {at}"
                claims.number(title, presentations)
            if all(np.isfinite(one[0]) for one in needed.values()):
                ratios.append(needed["single"][0] / needed["sdlm"][0])
    if ratios:
        mean = geometric_mean(ratios)
        claims.number(f"{problem.title}: single / SDLM, mean of {len(ratios)}", mean, "3", "P", (2, np.inf))
        claims.number(f"{problem.title}: single / SDLM, least", min(ratios))
        claims.number(f"{problem.title}: single / SDLM, most", max(ratios))


def draw(axes: Any, problem: Problem, courses: Courses) -> None:
    """Errors of the first seed over presentations; the best rate for the last level in bold."""
    for ax, (measure, levels) in zip(axes, problem.levels.items(), strict=True):
        for (name, by_rate), colour in zip(
            courses.items(), ("tab:red", "tab:blue", "tab:green"), strict=False
        ):
            best = fewest(courses, name, measure, levels[-1])[1]
            for rate, found in by_rate.items():
                bold = {"lw": 2.2, "label": f"{CONTESTANTS[name]}, {rate:.2g}", "zorder": 3}
                style = bold if rate == best else {"lw": 0.7, "alpha": 0.45}
                ax.plot(found[0].presentations, found[0].errors[measure], color=colour, **style)
        for level in levels:
            ax.axhline(level, color="grey", lw=0.6, ls="--")
        ax.set(title=problem.title, xlabel="presentations", ylabel=MEASURES[measure])
        ax.set(xscale="log", yscale="log", ylim=(levels[-1] / 2, 5 * levels[0]))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("{x:g}")
        ax.grid(alpha=0.3)
        ax.legend(title="best rates, first seed", loc="upper right")


def parse() -> argparse.Namespace:
    parser = experiment.parser(__doc__, data="mnist/ and digits480/")
    parser.set_defaults(seeds=None)
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS))
    parser.add_argument("--mu", type=float, default=0.02, help="of SDLM (default: %(default)s)")
    options = parser.parse_args()
    options.problems = options.problems or list(PROBLEMS)[: 4 if options.full else 3]
    return options


def main() -> None:
    options = parse()
    figure = experiment.new_figure(
        (13, 5 * len(options.problems)), "Presentations to the same error, each at its best rate"
    )
    rows = figure.subplots(len(options.problems), 2, squeeze=False)
    contestants = list(CONTESTANTS)[: 3 if options.full else 2]
    claims = experiment.Claims()
    for axes, name in zip(rows, options.problems, strict=True):
        problem = PROBLEMS[name](options.data_dir, options.full)
        seeds = options.seeds or range(5 if name == "netmask" else 3 if options.full else 1)
        courses: Courses = {
            one: {float(rate): [] for rate in grid(problem.rates[one], options.full)} for one in contestants
        }
        jobs = [(one, rate, seed) for one, rates in courses.items() for rate in rates for seed in seeds]
        for one, rate, seed in tqdm(jobs, unit="training", desc=name, leave=False):
            courses[one][rate].append(train(problem, one, rate, options.mu, seed))
        draw(axes, problem, courses)
        add_claims(claims, problem, courses)
    claims.print()
    experiment.save(figure, options.out, "sdlm_speed")


if __name__ == "__main__":
    main()
