"""The largest eigenvalue of the Hessian, estimated while samples pass by. Figure 24, section 9.2.

    EBP_DATA_DIR=data python bench/experiments/online_eigenvalue.py --out online_eigenvalue.png
    EBP_DATA_DIR=data python bench/experiments/online_eigenvalue.py --full          # 10 seeds
    EBP_DATA_DIR=data python bench/experiments/online_eigenvalue.py --init sn

Estimates by (64) with constant leaks and a falling one, beside Lanczos's method on all samples, at initial
weights: on the paper's network with shared weights, 64,638 connections and 1,278 parameters, with 1,000 MNIST
digits; and on NetMASK with the authors' 320 training digits, centred, where an independent program gives
estimates to compare with, as parts of its own eigenvalue. A leak of g forgets the random start within 1/g
presentations; the right order of magnitude comes in fewer than 100. The paper's initial weights are not said:
those of LeNet-5 give an eigenvalue near 70, others up to 290 (--init). Top: estimates of the first seed;
bottom: their relative errors. Default: half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

import ebp
import experiment
import numpy as np
from tqdm import tqdm

LEAKS = (0.1, 0.03, 0.01, 0.003)
FALLING = "falling from 0.1"
PRESENTATIONS = 3200
SHOWN = 400
# Estimates of the independent program on NetMASK after so many presentations, where the eigenvalue is 29.7,
# and their standard deviations in the end.
TIMES = (20, 50, 100, 200, 400, 1600)
REFERENCE = {
    0.1: (25, 28.9, 29.4, 29.4, 30.4, 30.0),
    0.03: (9.1, 18.6, 24.5, 27.7, 29.6, 29.2),
    0.01: (3.1, 9.7, 17.7, 25.5, 29.4, 29.8),
    0.003: (1.1, 2.5, 6.0, 12.0, 19.9, 29.1),
}
REFERENCE_JITTER = {0.1: 0.5, 0.03: 0.3, 0.01: 0.2, 0.003: 0.2}
REFERENCE_EIGENVALUE = 29.7


@dataclass(frozen=True)
class Course:
    """Estimates (PRESENTATIONS,) by their leaks, and the true value."""

    eigenvalue: float
    estimates: dict[Any, np.ndarray]

    def part(self, leak: Any, presentations: int) -> float:
        """Estimate over true value."""
        return float(self.estimates[leak][presentations - 1] / self.eigenvalue)

    def jitter(self, leak: Any) -> float:
        """Standard deviation in the second half over true value."""
        return float(self.estimates[leak][PRESENTATIONS // 2 :].std() / self.eigenvalue)


def figure24(options: Any) -> Any:
    """The paper's network and 1,000 digits, as a function of the seed."""
    X, y, _, _ = ebp.datasets.load_mnist(options.data_dir)
    inputs, T = experiment.padded_mnist(X[:1000]), experiment.plus_minus_one(y[:1000])
    layers = ebp.layers.figure24()

    def network(seed: int) -> ebp.Network:
        return ebp.Network(layers, (1, 32, 32), weight_init=options.init, random_state=seed)

    return network, inputs, T


def netmask(options: Any) -> Any:
    """NetMASK and the authors' digits, likewise."""
    X, y, _, _ = ebp.datasets.load_digits480(options.data_dir)

    def network(seed: int) -> ebp.Network:
        return ebp.Network(ebp.layers.netmask(), (1, 16, 16), weight_init="sn", random_state=seed)

    return network, X - X.mean(axis=0), experiment.plus_minus_one(y)


PROBLEMS = {"64,638 connections, MNIST": figure24, "NetMASK, 320 digits": netmask}


def course(problem: Any, seed: int) -> Course:
    network, X, T = problem
    net = network(seed)
    true = ebp.curvature.principal_eigenvalue(net, X, T, "lanczos", tol=1e-6)
    estimates = {}
    for leak in (*LEAKS, FALLING):
        gamma = 0.1 if leak == FALLING else np.full(PRESENTATIONS, leak)
        found = ebp.curvature.principal_eigenvalue(
            net, X, T, "online", gamma=gamma, n_presentations=PRESENTATIONS, random_state=seed
        )
        estimates[leak] = found.history
    return Course(true.eigenvalue, estimates)


def claim(courses: dict[str, list[Course]]) -> experiment.Claims:
    """Medians over the seeds."""
    claims = experiment.Claims()
    for name, found in courses.items():
        claims.number(f"{name}: eigenvalue", median(one.eigenvalue for one in found))
        for leak in (0.1, FALLING):
            part = median(one.part(leak, 100) for one in found)
            claims.number(f"{name}: part after 100, leak {leak}", part, "right order", "P", (1 / 3, 3))
        for leak in (FALLING, *LEAKS):
            part = median(one.part(leak, PRESENTATIONS) for one in found)
            claims.number(f"{name}: part in the end, leak {leak}", part, "1", "D", (0.9, 1.1))
    netmasks = courses["NetMASK, 320 digits"]
    for leak, values in REFERENCE.items():
        for presentations, value in zip(TIMES, values, strict=True):
            part, expected = (
                median(one.part(leak, presentations) for one in netmasks),
                value / REFERENCE_EIGENVALUE,
            )
            within = max(0.0, expected - 0.15), expected + 0.15
            claims.number(
                f"NetMASK: part after {presentations}, leak {leak}", part, f"{expected:.2f}", "D", within
            )
    for leak, value in REFERENCE_JITTER.items():
        jitter, expected = median(one.jitter(leak) for one in netmasks), value / REFERENCE_EIGENVALUE
        within = expected / 3, 3 * expected
        claims.number(f"NetMASK: s.d. in the end, leak {leak}", jitter, f"{expected:.3f}", "D", within)
    return claims


def draw(figure: Any, courses: dict[str, list[Course]]) -> None:
    axes = figure.subplots(2, len(courses))
    presentations = np.arange(1, PRESENTATIONS + 1)
    for column, (name, found) in zip(axes.T, courses.items(), strict=True):
        one = found[0]
        for k, (leak, estimates) in enumerate(one.estimates.items()):
            style = {"color": "black" if leak == FALLING else f"C{k}", "lw": 1.2}
            label = f"leak {leak}"
            column[0].plot(presentations[:SHOWN], estimates[:SHOWN], label=label, **style)
            errors = np.abs(estimates / one.eigenvalue - 1)
            column[1].plot(presentations, errors, label=label, **style)
        true = f"Lanczos, {one.eigenvalue:.3g}"
        column[0].axhline(one.eigenvalue, color="grey", ls="--", label=true)
        column[0].set(title=name, xlabel="presentations", ylabel="estimate of the largest eigenvalue")
        column[0].set_xlim(0, SHOWN)
        column[1].set(xlabel="presentations", ylabel="relative error", xscale="log", yscale="log")
        column[1].set(ylim=(1e-4, 2))
        for ax in column:
            ax.grid(alpha=0.3)
        column[0].legend(loc="lower right", ncols=2)


def main() -> None:
    parser = experiment.parser(__doc__, data="mnist/ and digits480/", seeds=3)
    parser.add_argument(
        "--init", default="lenet", help="weights of the paper's network (default: %(default)s)"
    )
    options = parser.parse_args()
    seeds = list(range(10)) if options.full else options.seeds
    courses: dict[str, list[Course]] = {}
    with tqdm(total=len(PROBLEMS) * len(seeds), unit="network", leave=False) as bar:
        for name, make in PROBLEMS.items():
            problem = make(options)
            courses[name] = []
            for seed in seeds:
                courses[name].append(course(problem, seed))
                bar.update()
    figure = experiment.new_figure(
        (15, 9), "Largest eigenvalue of the Hessian at initial weights, sample by sample"
    )
    draw(figure, courses)
    print(f"medians of {len(seeds)} seeds; parts are of the true eigenvalue")
    claim(courses).print()
    experiment.save(figure, options.out, "online_eigenvalue")


if __name__ == "__main__":
    main()
