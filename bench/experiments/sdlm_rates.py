"""A rate for every weight of a linear unit by diagonal curvature. Figures 22 and 23, section 9.1.

    python bench/experiments/sdlm_rates.py --out sdlm_rates.png
    python bench/experiments/sdlm_rates.py --full             # 100 seeds in the table

100 samples of two Gaussians, a unit of two weights and a bias, stochastic diagonal Levenberg-Marquardt with
curvatures measured once on all samples and then running, leak 0.05,
at the global rates 0.02 and 0.12. The curvatures are the mean squares of the
inputs, 0.196, 0.676 and 1 for the bias, which gives the rates 0.102, 0.030, 0.020 and six times as much. The
smaller rates fluctuate less. Top: the smaller ones (Fig 22); bottom: the larger ones (Fig 23). Default:
seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

import ebp
import experiment
import numpy as np
from tqdm import tqdm

START = (-2.0, 0.2, 0.8)
GLOBAL_RATES = {"smaller rates": 0.02, "larger rates": 0.12}
MU = 1e-6
GAMMA = 0.05
EPOCHS = 20
SHOWN = 5
NAMES = ("w1", "w2", "bias")
CURVATURES = (0.196, 0.676, 1.0)
REMEMBERED = {"smaller rates": (0.12, 0.03, 0.02), "larger rates": (0.76, 0.18, 0.12)}


@dataclass(frozen=True)
class Course:
    """One training: parameters after each update, and the rates of each."""

    X: np.ndarray
    y: np.ndarray
    path: np.ndarray  # (n + 1, 3)
    rates: np.ndarray  # (n, 3)

    @property
    def errors(self) -> np.ndarray:
        """Mean loss above the smallest possible after each update."""
        best = experiment.linear_unit(experiment.optimum(self.X, self.y))
        return experiment.losses_along(best, self.X, self.y, self.path) - best.loss(self.X, self.y)

    @property
    def fluctuation(self) -> np.ndarray:
        """Standard deviation of each parameter in the second half."""
        return self.path[len(self.path) // 2 :].std(axis=0)


def train(rate: float, seed: int) -> Course:
    X, y = ebp.datasets.two_gaussians(random_state=seed)
    net = experiment.linear_unit(START)
    rule = ebp.rules.SDLM(0, mu=MU, hessian_samples=len(X), refresh="running", gamma=GAMMA)
    net.train_online(X, y, rule)  # only measures curvatures: the weights stay at a rate of 0
    rule.learning_rate = rate
    path, rates = [net.parameters.copy()], []
    for row in experiment.epochs_order(len(X), EPOCHS, seed):
        net.learn_one(X[row], y[row : row + 1], rule)
        path.append(net.parameters.copy())
        rates.append(rule.learning_rates)
    return Course(X, y, np.array(path), np.array(rates))


def claim(courses: dict[str, list[Course]]) -> experiment.Claims:
    """Medians over the seeds."""
    claims = experiment.Claims()
    ratios = []
    for name, rate in GLOBAL_RATES.items():
        rates = np.median([np.median(course.rates, axis=0) for course in courses[name]], axis=0)
        for k, (weight, h) in enumerate(zip(NAMES, CURVATURES, strict=True)):
            expected = rate / (h + MU)
            within = 0.85 * expected, 1.15 * expected
            claims.number(f"{name}: of {weight}", rates[k], f"{expected:.3g}", "D", within)
            claims.number(f"{name}: of {weight}, in the figure", rates[k], f"{REMEMBERED[name][k]:g}", "R")
    for k, weight in enumerate(NAMES):
        smaller, larger = ([course.fluctuation[k] for course in courses[name]] for name in GLOBAL_RATES)
        ratio = median(np.divide(smaller, larger))
        claims.number(f"s.d. of {weight}, Fig 22 / Fig 23", ratio, "< 1", "P", (0, 0.8))
    for name in GLOBAL_RATES:
        ratios.append(
            median(float(np.mean(course.errors[len(course.rates) // 2 :])) for course in courses[name])
        )
    claims.number("error above the minimum, Fig 22 / Fig 23", ratios[0] / ratios[1], "< 1", "P", (0, 0.5))
    X, y = courses["smaller rates"][0].X, courses["smaller rates"][0].y
    unit = experiment.linear_unit(START[:2], bias=False)
    largest = ebp.curvature.principal_eigenvalue(unit, X, y, "lanczos").eigenvalue
    claims.number("lambda_max in the figures, without bias", largest, "0.84", "R")
    claims.number("largest rate in the figures, without bias", 2 / largest, "2.38", "R")
    return claims


def draw(figure: Any, courses: dict[str, list[Course]]) -> None:
    """Path, error and weights of the first seed: a row for each global rate."""
    axes = figure.subplots(2, 3, width_ratios=[1.3, 1, 1])
    for row, (name, rate), number in zip(axes, GLOBAL_RATES.items(), (22, 23), strict=True):
        course = courses[name][0]
        n = SHOWN * len(course.X)
        best = experiment.linear_unit(experiment.optimum(course.X, course.y))
        ebp.plotting.LossSurfaceDisplay.from_network(
            best,
            course.X,
            course.y,
            directions=(0, 1),
            trajectories={f"{SHOWN} epochs": course.path[: n + 1]},
            extent=(-2.4, 1.6, -0.2, 2.6),
            ax=row[0],
        )
        rates = ", ".join(f"{one:.3f}" for one in np.median(course.rates, axis=0))
        row[0].set(title=f"Fig {number}: rates {rates}", xlabel="$w_1$", ylabel="$w_2$")
        row[1].plot(course.errors[: n + 1], color="tab:orange")
        row[1].set(title="Error above the minimum", xlabel="presentations", ylabel="mean loss")
        row[1].set(yscale="log", ylim=(1e-6, 4))
        for values, weight in zip(course.path.T, ("$w_1$", "$w_2$", "bias"), strict=True):
            row[2].plot(values[: n + 1], label=weight)
        row[2].set(title=f"Weights, global rate {rate:g}", xlabel="presentations", ylim=(-2.2, 2.6))
        row[2].legend(ncols=3, loc="lower right")
        for ax in row[1:]:
            ax.grid(alpha=0.3)


def main() -> None:
    options = experiment.parser(__doc__, seeds=5).parse_args()
    seeds = list(range(100)) if options.full else options.seeds
    courses: dict[str, list[Course]] = {name: [] for name in GLOBAL_RATES}
    for seed in tqdm(seeds, unit="seed", leave=False):
        for name, rate in GLOBAL_RATES.items():
            courses[name].append(train(rate, seed))
    figure = experiment.new_figure((15, 9), "A linear unit on two Gaussians: a rate for every weight")
    draw(figure, courses)
    print(f"medians of {len(seeds)} seeds")
    claim(courses).print()
    experiment.save(figure, options.out, "sdlm_rates")


if __name__ == "__main__":
    main()
