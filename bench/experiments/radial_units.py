"""Local problems: radial units against sigmoids, updates until the task is solved. Section 4.8.

    python bench/experiments/radial_units.py --out radial_units.png
    python bench/experiments/radial_units.py --full --rules sdlm sgd
    python bench/experiments/radial_units.py --problems spirals --units 60 --hidden 13,13 40,40
    python bench/experiments/radial_units.py --widths

Two problems: the two spirals of Lang and Witbrock, solved when all points are right, and a ripple around the
origin of the plane, solved when 1 % of the variance is left. Each contestant has the best of a grid of rates
(and of the rules, if there are several); starting weights and orders come from the seeds, the same orders for
all. Table and curves show medians over seeds. The test points of the spirals lie half-way between neighbours
on an arm, those of the ripple are new. `--widths` shows instead what too large a rate does to
widths. Needs matplotlib. Default: less than a minute on an idle core.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ebp
import numpy as np
from ebp.layers import Dense, GaussianRBF
from tqdm import tqdm

RULES: dict[str, Callable[[float], Any]] = {"sdlm": ebp.rules.SDLM, "sgd": ebp.rules.SGD}
RATES = {  # the middle first: a rate need not be tried for longer than the best one so far
    "sdlm": [1e-3, 2e-3, 5e-4, 4e-3, 2.5e-4, 8e-3],
    "sgd": [1e-2, 2e-2, 5e-3, 4e-2, 2.5e-3, 8e-2],
}
DEAD = 1e-3  # a unit below this on all samples does nothing
COLOURS = ["tab:red", "tab:orange", "tab:blue", "tab:green"]


@dataclass(frozen=True)
class Problem:
    """Samples, and an error in percent that counts as solved at `goal`."""

    title: str
    X: np.ndarray
    T: np.ndarray
    X_test: np.ndarray
    T_test: np.ndarray
    activation: str  # of the output
    error: Callable[[np.ndarray, np.ndarray], float]
    error_name: str
    goal: float


def spirals() -> Problem:
    """Two spirals, scaled to unit variance. Test points: half-way between neighbours on an arm."""
    scale = np.sqrt(np.mean(np.square(ebp.datasets.two_spirals()[0])))
    X, y = ebp.datasets.two_spirals(2 * 97 - 1)
    rows = np.arange(len(X)) // 2 % 2 == 0
    return Problem(
        "Two spirals",
        *(X[rows] / scale, y[rows], X[~rows] / scale, y[~rows]),
        activation="scaled_tanh",
        error=lambda outputs, targets: 100 * float(np.mean(outputs * targets <= 0)),
        error_name="training points on the wrong side [%]",
        goal=0,
    )


def ripple() -> Problem:
    """A wave around the origin that dies out."""
    X = np.random.default_rng(0).uniform(-(3**0.5), 3**0.5, (800, 2))
    radius = np.linalg.norm(X, axis=1)
    T = 2 * np.cos(6 * radius) * np.exp(-radius)
    return Problem(
        "Ripple  2 cos(6r) exp(-r)",
        *(X[:400], T[:400], X[400:], T[400:]),
        activation="identity",
        error=lambda outputs, targets: 100 * float(np.mean((outputs - targets) ** 2) / np.var(targets)),
        error_name="training error [% of variance]",
        goal=1,
    )


PROBLEMS = {"spirals": spirals, "ripple": ripple}


@dataclass(frozen=True)
class Contestant:
    """Layers below the output unit."""

    name: str
    hidden: list[Any]
    clusters: bool = False

    def network(self, problem: Problem, seed: int) -> ebp.Network:
        network = ebp.Network([*self.hidden, Dense(1, problem.activation)], 2, random_state=seed)
        if self.clusters:
            network.initialize_rbf(problem.X, random_state=seed)
        return network


@dataclass
class Run:
    """Errors on the training samples after so many updates, and when they first reached the goal."""

    network: ebp.Network
    updates: list[int] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    solved: float = math.inf
    status: str = "ok"


@dataclass(frozen=True)
class Best:
    """The runs, one a seed, at the best rate of a contestant."""

    rule: str
    rate: float
    solved: float
    runs: list[Run]


def blocks(n_epochs: int) -> Iterator[int]:
    """Epochs between two looks at the errors; SDLM measures curvatures anew after each look."""
    done = 0
    while done < n_epochs:
        block = min(max(1, done // 20), 20, n_epochs - done)
        done += block
        yield block


def train(
    problem: Problem, contestant: Contestant, rule: Any, seed: int, n_updates: int, limit: float = 0
) -> Run:
    """Online training, one update a sample; to the goal or `limit` updates if that is given."""
    network = contestant.network(problem, seed)
    run = Run(network)
    orders = np.random.default_rng(seed)
    n = len(problem.X)
    updates = 0
    for block in blocks(math.ceil(n_updates / n)):
        order = np.concatenate([ebp.sampling.shuffle(n, orders) for _ in range(block)])
        order = order[: n_updates - updates]
        result = network.train_online(problem.X, problem.T, rule, order=order)
        updates += result.n_samples
        run.updates.append(updates)
        run.errors.append(problem.error(network.forward(problem.X)[:, 0], problem.T))
        if run.errors[-1] <= problem.goal:
            run.solved = min(run.solved, updates)
        run.status = result.status
        if run.status != "ok" or (limit and (updates >= limit or run.solved < math.inf)):
            break
    return run


def best_rate(problem: Problem, contestant: Contestant, options: argparse.Namespace, bar: Any) -> Best:
    """The rate that solves the problem in the fewest updates, or comes nearest, by the medians over seeds."""
    candidates = []
    limit = math.inf
    for name in options.rules:
        for rate in RATES[name]:
            runs = []
            for seed in range(options.seeds):
                rule = RULES[name](rate)
                runs.append(train(problem, contestant, rule, seed, options.updates, limit))
                bar.update()
            solved = statistics.median(run.solved for run in runs)
            limit = min(limit, solved)
            candidates.append((solved, statistics.median(run.errors[-1] for run in runs), name, rate))
    solved, _, name, rate = min(candidates)
    runs = []
    for seed in range(options.seeds):
        runs.append(train(problem, contestant, RULES[name](rate), seed, options.updates))
        bar.update()
    return Best(name, rate, solved, runs)


def print_row(problem: Problem, contestant: Contestant, best: Best) -> None:
    networks = [run.network for run in best.runs]
    updates = best.runs[0].updates[-1]
    solved = f"{best.solved:,.0f}" if best.solved < math.inf else f"not within {updates:,}"
    errors = [run.errors[-1] for run in best.runs]
    tests = [problem.error(network.forward(problem.X_test)[:, 0], problem.T_test) for network in networks]
    print(
        f"{contestant.name:28s}{networks[0].n_parameters:>7d}  {best.rule:5s}{best.rate:<9g}{solved:>22s}"
        f"{statistics.median(errors):>10.1f}{statistics.median(tests):>10.1f}"
    )


def draw(axes: Any, problem: Problem, contestants: list[Contestant], bests: list[Best]) -> None:
    """A row of the picture: learning curves, then the outputs of two networks over the plane."""
    curves = axes[0]
    highest = 0.0
    for contestant, best, colour in zip(contestants, bests, COLOURS, strict=True):
        updates = max((run.updates for run in best.runs), key=len)
        errors = np.array([run.errors for run in best.runs if len(run.errors) == len(updates)])
        label = f"{contestant.name}, {best.runs[0].network.n_parameters} parameters"
        curves.plot(updates, np.median(errors, axis=0), color=colour, label=label)
        curves.fill_between(updates, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.15, lw=0)
        highest = max(highest, errors.max())
        if best.solved < math.inf:
            curves.plot(best.solved, problem.goal, "o", color=colour, ms=9, mec="black", zorder=3)
    if problem.goal:
        curves.set(yscale="log", ylim=(None, 50 * highest))  # room for the legend
    else:
        curves.set_ylim(-3, 1.5 * highest)
    curves.plot([], [], "o", color="white", ms=9, mec="black", label="solved (median)")
    curves.set(xscale="log", xlabel="updates", ylabel=problem.error_name, title=f"{problem.title}: learning")
    curves.grid(alpha=0.3)
    curves.legend(loc="upper right")

    fewest = best_index(bests[:2]), 2 + best_index(bests[2:])
    for ax, which in zip(axes[1:], fewest, strict=True):
        surface(ax, problem, contestants[which], bests[which])


def best_index(bests: list[Best]) -> int:
    """The one that solved the problem first, or came nearest."""
    ranks = [(best.solved, statistics.median(run.errors[-1] for run in best.runs)) for best in bests]
    return ranks.index(min(ranks))


def surface(ax: Any, problem: Problem, contestant: Contestant, best: Best) -> None:
    """The output of the first seed's network as colours, with the samples and the radial units."""
    network = best.runs[0].network
    edge = 1.1 * np.abs(problem.X).max()
    ticks = np.linspace(-edge, edge, 300)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    outputs = network.forward(plane.reshape(-1, 2)).reshape(len(ticks), -1)
    top = np.abs(problem.T).max()
    colours = {"cmap": "RdBu_r", "vmin": -top, "vmax": top}
    image = ax.imshow(outputs, extent=(-edge, edge, -edge, edge), origin="lower", **colours)
    ax.contour(ticks, ticks, outputs, [0], colors="black", linewidths=0.6)
    if problem.goal:  # a point that cannot be seen is right
        ax.scatter(*problem.X.T, c=problem.T, s=14, ec="grey", lw=0.3, **colours)
    else:
        for target, colour in ((-1, "white"), (1, "black")):
            points = problem.X[np.equal(problem.T, target)]
            ax.scatter(*points.T, c=colour, s=16, ec="grey", lw=0.5, label=f"target {target:+d}")
        ax.legend(loc="lower right", framealpha=1, facecolor="lightgrey")
    updates = best.runs[0].updates[-1]
    ax.set(title=f"{contestant.name}: output after {updates:,} updates", xlabel="$x_1$", ylabel="$x_2$")
    ax.figure.colorbar(image, ax=ax, shrink=0.8)


def print_widths(problem: Problem, contestant: Contestant, n_updates: int) -> None:
    """What becomes of widths and units when the rate grows."""
    print(f"{problem.title}, {contestant.name}, {n_updates:,} updates, seed 0")
    print("rule       rate  status    error [%]  |width|: least, median, most   changed sign   dead units")
    for name, rates in RATES.items():
        for rate in min(rates) * 4.0 ** np.arange(8):
            run = train(problem, contestant, RULES[name](rate), 0, n_updates)
            network = run.network
            where = {part: place for part, place, _ in network.parameter_slices}["0.widths"]
            widths = network.parameters[where]
            dead = int(np.sum(network.activations(problem.X)[0].max(axis=0) < DEAD))
            low, middle, high = np.quantile(np.abs(widths), [0, 0.5, 1])
            print(
                f"{name:5s}{rate:>10.3g}  {run.status:8s}{run.errors[-1]:>11.3g}  {low:>10.2g}{middle:>9.2g}"
                f"{high:>9.2g}{int(np.sum(widths < 0)):>13d}{dead:>13d}"
            )


def sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--units", type=int, default=100, help="radial units")
    parser.add_argument("--hidden", nargs=2, type=sizes, default=[[18, 18], [40, 40]], help="of two networks")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=["sdlm"])
    parser.add_argument("--updates", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--full", action="store_true", help="3,000,000 updates, 9 seeds")
    parser.add_argument("--widths", action="store_true", help="only show widths over rates")
    parser.add_argument("--out", type=Path, help="file of the picture; default: in a temporary folder")
    options = parser.parse_args()
    options.updates = options.updates or (3_000_000 if options.full else 200_000)
    options.seeds = options.seeds or (9 if options.full else 3)

    radial = [GaussianRBF(options.units)]
    contestants = [
        Contestant(f"radial {options.units}, k-means", radial, clusters=True),
        Contestant(f"radial {options.units}, random", radial),
    ]
    for hidden in options.hidden:
        name = f"sigmoid {'-'.join(map(str, hidden))}"
        contestants.append(Contestant(name, [Dense(size) for size in hidden]))
    problems = [PROBLEMS[name]() for name in options.problems]
    if options.widths:
        for problem in problems:
            print_widths(problem, contestants[0], options.updates)
        return

    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 5 * len(problems)), layout="constrained")
    rules = " or ".join(name.upper() for name in options.rules)
    figure.suptitle(
        f"Online training by {rules}, each contestant at its best rate: median and range of "
        f"{options.seeds} seeds",
        fontsize=14,
    )
    all_axes = figure.subplots(len(problems), 3, squeeze=False, width_ratios=[1.3, 1, 1])
    n_rates = 1 + sum(len(RATES[name]) for name in options.rules)
    bar = tqdm(total=len(problems) * len(contestants) * n_rates * options.seeds, unit="run", leave=False)
    for problem, axes in zip(problems, all_axes, strict=True):
        bar.write(f"{problem.title}: {len(problem.X)} samples, {options.seeds} seeds")
        bar.write(f"{'':28s}parameters best rate      updates to the goal  error [%] test [%]")
        bests = []
        for contestant in contestants:
            bests.append(best_rate(problem, contestant, options, bar))
            bar.clear()
            print_row(problem, contestant, bests[-1])
        draw(axes, problem, contestants, bests)
    bar.close()
    out = options.out or Path(tempfile.mkdtemp()) / "radial_units.png"
    figure.savefig(out, dpi=110)
    print(f"picture: {out}")


if __name__ == "__main__":
    main()
