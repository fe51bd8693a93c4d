"""Stochastic and batch descent on a set that repeats itself: 1,000 samples, ten copies of 100. Section 4.1.

    python bench/experiments/redundancy.py --out redundancy.png
    python bench/experiments/redundancy.py --full          # a finer grid of rates, 10 seeds

100 digits of scikit-learn, ten of each class, and a network 64x30x10. The batch gradient of the 1,000 is that
of the 100, so nine tenths of its work are wasted; a stochastic epoch is as good as ten over the 100. Both
have the best of a grid of rates for every error that is to be reached. Presentations are counted, not
updates. Default: three seeds, half a minute.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import ebp
import experiment
import numpy as np
from ebp.layers import Dense
from tqdm import tqdm

COPIES = 10
LEVELS = (0.3, 0.1, 0.03, 0.01)  # mean square errors per output, which a constant leaves at 0.36
RATES = {"stochastic": (0.005, 0.01, 0.02, 0.03, 0.05), "batch": (0.03, 0.06, 0.1, 0.14, 0.18)}
FINE_RATES = {
    "stochastic": (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.06, 0.08),
    "batch": (0.03, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.25),
}
PRESENTATIONS = {"stochastic": 20_000, "batch": 800_000}  # at most
STEP = {"stochastic": 20, "batch": 1000}  # presentations between two looks at the error


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Ten digits of each class, in turn, float64."""
    X, y = ebp.datasets.load_digits()
    rows = np.stack([np.flatnonzero(y == digit)[:10] for digit in range(10)]).T.ravel()
    X = ebp.InputNormalizer("global").fit_transform(X[rows]).astype(np.float64)
    return X, experiment.plus_minus_one(y[rows], "float64")


def network(seed: int) -> ebp.Network:
    return ebp.Network([Dense(30), Dense(10)], 64, dtype="float64", random_state=seed)


def repeated(X: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ten copies, one after the other."""
    return np.tile(X, (COPIES, 1)), np.tile(T, (COPIES, 1))


def course(X: np.ndarray, T: np.ndarray, mode: str, rate: float, seed: int) -> np.ndarray:
    """Mean square errors before training and after every `STEP`, until the last level is reached."""
    many, targets = repeated(X, T)
    net = network(seed)
    rule = ebp.rules.SGD(rate)
    order = experiment.epochs_order(len(many), PRESENTATIONS[mode] // len(many), seed)
    errors = [experiment.mean_square_error(net, X, T)]
    for rows in order.reshape(-1, STEP[mode]):
        batch_size = 1 if mode == "stochastic" else len(many)
        status = net.train_online(many, targets, rule, order=rows, batch_size=batch_size).status
        errors.append(experiment.mean_square_error(net, X, T))
        if status != "ok" or errors[-1] <= LEVELS[-1]:
            break
    return np.array(errors)


def presentations(errors: np.ndarray, level: float, mode: str) -> float:
    """How many it takes to reach the level."""
    reached = errors <= level
    return float(STEP[mode] * np.argmax(reached)) if reached.any() else np.inf


def wasted(X: np.ndarray, T: np.ndarray) -> float:
    """Largest difference of weights after 50 batch updates on the copies and on the 100 samples."""
    nets = network(0), network(0)
    for net, data in zip(nets, (repeated(X, T), (X, T)), strict=True):
        experiment.batch_path(net, *data, 0.1, 50)
    return float(np.abs(nets[0].parameters - nets[1].parameters).max())


def saved(X: np.ndarray, T: np.ndarray) -> float:
    """The same after a stochastic epoch of the copies, and ten epochs of the 100 samples."""
    nets = network(0), network(0)
    rule, other = ebp.rules.SGD(0.02), ebp.rules.SGD(0.02)
    nets[0].train_online(*repeated(X, T), rule)
    for _ in range(COPIES):
        nets[1].train_online(X, T, other)
    return float(np.abs(nets[0].parameters - nets[1].parameters).max())


Courses = dict[str, dict[float, list[np.ndarray]]]  # by mode and rate, one a seed


def fewest(courses: Courses, mode: str, level: float) -> tuple[float, float]:
    """Presentations to the level, median over the seeds, at the rate that needs the fewest; and this rate."""
    return min(
        (median(presentations(one, level, mode) for one in found), rate)
        for rate, found in courses[mode].items()
    )


def claim(courses: Courses, X: np.ndarray, T: np.ndarray) -> experiment.Claims:
    claims = experiment.Claims()
    claims.number(
        "weights, batch on the copies and on the 100: difference", wasted(X, T), "0", "D", (0, 1e-9)
    )
    claims.number("weights, 1 epoch of the copies, 10 of the 100: difference", saved(X, T), "0", "D", (0, 0))
    for level in LEVELS:
        (batch, batch_rate), (stochastic, rate) = (
            fewest(courses, mode, level) for mode in ("batch", "stochastic")
        )
        claims.number(f"presentations to {level:g}, batch at rate {batch_rate:g}", batch)
        claims.number(f"presentations to {level:g}, stochastic at rate {rate:g}", stochastic)
        claims.number(
            f"batch / stochastic, to {level:g}", batch / stochastic, "more than 10", "P", (10, np.inf)
        )
    return claims


def draw(figure: Any, courses: Courses) -> None:
    """Errors of the first seed over presentations, and presentations over rates."""
    axes = figure.subplots(1, 2)
    for mode, colour in (("stochastic", "tab:orange"), ("batch", "tab:red")):
        best = fewest(courses, mode, LEVELS[-1])[1]
        for rate, found in courses[mode].items():
            counts = STEP[mode] * np.arange(len(found[0]))
            style = (
                {"lw": 2.0, "label": f"{mode}, rate {rate:g}"} if rate == best else {"lw": 0.7, "alpha": 0.5}
            )
            axes[0].plot(np.maximum(counts, 10), found[0], color=colour, **style)
        for level, line in zip(LEVELS, (":", "-.", "--", "-"), strict=True):
            values = [
                median(presentations(one, level, mode) for one in found) for found in courses[mode].values()
            ]
            axes[1].plot(list(courses[mode]), values, "o" + line, color=colour, label=f"{mode}, to {level:g}")
    for level in LEVELS:
        axes[0].axhline(level, color="grey", lw=0.6)
    axes[0].plot([], [], color="grey", lw=0.7, label="other rates")
    axes[0].set(xscale="log", yscale="log", xlabel="presentations", ylabel="mean square error")
    axes[0].set(title="One seed, best rate to reach 0.01 in bold", ylim=(LEVELS[-1] / 1.3, 3))
    axes[1].set(xscale="log", yscale="log", xlabel="rate", ylabel="presentations")
    axes[1].set(title="Presentations to an error; none where it is not reached", ylim=(50, 2e6))
    for ax in axes:
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", ncols=2 if ax is axes[1] else 1)


def main() -> None:
    options = experiment.parser(__doc__, seeds=3).parse_args()
    seeds, rates = (list(range(10)), FINE_RATES) if options.full else (options.seeds, RATES)
    X, T = samples()
    courses: Courses = {mode: {rate: [] for rate in rates[mode]} for mode in rates}
    with tqdm(total=sum(map(len, rates.values())) * len(seeds), unit="training", leave=False) as bar:
        for mode, by_rate in courses.items():
            for rate, found in by_rate.items():
                for seed in seeds:
                    found.append(course(X, T, mode, rate, seed))
                    bar.update()
    figure = experiment.new_figure((14, 6), "1,000 samples that are ten copies of 100: stochastic and batch")
    draw(figure, courses)
    print(f"medians of {len(seeds)} seeds; errors are mean squares per output")
    claim(courses, X, T).print()
    experiment.save(figure, options.out, "redundancy")


if __name__ == "__main__":
    main()
