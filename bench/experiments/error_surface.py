"""Stochastic paths over the error surface of a network with one hidden unit. Figures 13 and 14, section 5.1.

    python bench/experiments/error_surface.py --out error_surface.png
    python bench/experiments/error_surface.py --rate 0.4 --epochs 50
    python bench/experiments/error_surface.py --full            # 20 seeds in the table

One input, one hidden unit, one output: two weights and two biases. Ten samples of each class, of means -1
and 1, standard deviation 0.4 and targets -1 and 1. The sigmoid is the library's, 1.7159 tanh(2x/3), where
the paper writes 1.71: 0.3 % less. Rates are not printed. The surface over the two weights, at biases of 0,
has a saddle at the origin and two valleys, each the mirror image of the other, which fall for ever if the
classes can be separated. The start decides which one a path takes. Stochastic paths with their errors, and
batch descent from the same starts at a rate near 1 / lambda_max in the valley. Default: seconds.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import ebp
import experiment
import numpy as np
from ebp.layers import Dense
from tqdm import tqdm

STARTS = {"A": (0.3, 0.2), "B": (-0.25, -0.5), "C": (-1.0, 1.2)}
EXTENT = (-2.6, 2.6, -2.6, 2.6)
COLOURS = ("tab:orange", "tab:red", "black")
SLOPE = 1.7159 * 2 / 3  # of the sigmoid at 0


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    X, y = ebp.datasets.two_gaussians(10, std=0.4, means=((-1,), (1,)), random_state=seed)
    return X, y[:, np.newaxis]


def chain(first: float = 0.0, second: float = 0.0) -> ebp.Network:
    """The 1-1-1 network with these weights; parameters: weight, bias, weight, bias."""
    return ebp.Network([Dense(1), Dense(1)], 1, weight_init=[first, 0, second, 0], dtype="float64")


def stochastic_paths(X: np.ndarray, T: np.ndarray, options: Any, seed: int) -> dict[str, np.ndarray]:
    """By their starts; all in the same order."""
    order = experiment.epochs_order(len(X), options.epochs, seed)
    return {
        name: experiment.online_path(chain(*start), X, T, ebp.rules.SGD(options.rate), order)
        for name, start in STARTS.items()
    }


def batch_paths(X: np.ndarray, T: np.ndarray, options: Any) -> dict[str, np.ndarray]:
    return {
        name: experiment.batch_path(chain(*start), X, T, options.batch_rate, options.epochs)
        for name, start in STARTS.items()
    }


def errors(X: np.ndarray, T: np.ndarray, path: np.ndarray) -> np.ndarray:
    return experiment.losses_along(chain(), X, T, path)


def asymmetry(X: np.ndarray, T: np.ndarray) -> float:
    """Largest difference of the errors at mirror-image weights."""
    points = np.random.default_rng(0).uniform(-2, 2, (100, 2))
    return max(abs(chain(*point).loss(X, T) - chain(*-point).loss(X, T)) for point in points)


def claim(options: Any, seeds: Any) -> experiment.Claims:
    claims = experiment.Claims()
    lowest, expected, unlike, in_valley, stochastic, batch = [], [], [], [], [], []
    for seed in tqdm(seeds, unit="seed", leave=False):
        X, T = samples(seed)
        lowest.append(ebp.curvature.spectrum(chain(), X, T)[0])
        expected.append(-(SLOPE**2) * float(np.mean(X * T)))
        unlike.append(asymmetry(X, T))
        for path in stochastic_paths(X, T, options, seed).values():
            in_valley.append(path[-1, 0] * path[-1, 2] > 0)
            stochastic.append(errors(X, T, path[-len(X) :]).mean())
        batch += [errors(X, T, path[-1:])[0] for path in batch_paths(X, T, options).values()]
    ratios = np.array(lowest) / expected
    claims.number("saddle: lowest curvature at 0 / formula", median(ratios), "1", "D", (0.999, 1.001))
    claims.number("largest difference between mirror images", max(unlike), "0", "D", (0, 1e-12))
    claims.number("part of paths that end in a valley", float(np.mean(in_valley)), "1", "P", (1, 1))
    claims.number("error after training, stochastic", median(stochastic))
    ratio = median(batch) / median(stochastic)
    claims.number("error after training, batch / stochastic", ratio, "> 1", "P", (1, np.inf))
    return claims


def draw(figure: Any, seed: int, options: Any) -> None:
    """Paths over the surface and errors over presentations, stochastic above batch."""
    X, T = samples(seed)
    axes = figure.subplots(2, 2, width_ratios=[1.2, 1])
    stochastic = f"stochastic, rate {options.rate:g}"
    batch = f"batch, rate {options.batch_rate:g}"
    for row, name, paths, every in (
        (axes[0], stochastic, stochastic_paths(X, T, options, seed), 1),
        (axes[1], batch, batch_paths(X, T, options), len(X)),
    ):
        labelled = {f"start {start}": path for start, path in paths.items()}
        ebp.plotting.LossSurfaceDisplay.from_network(
            chain(), X, T, directions=(0, 2), trajectories=labelled, extent=EXTENT, ax=row[0]
        )
        row[0].set(title=name, xlabel="weight of the hidden unit", ylabel="weight of the output")
        for (label, path), colour in zip(labelled.items(), COLOURS, strict=True):
            row[1].plot(every * np.arange(len(path)), errors(X, T, path), color=colour, label=label)
        row[1].set(title="Error", xlabel="presentations", ylabel="mean loss", yscale="log")
        row[1].grid(alpha=0.3)
        row[1].legend()
    low = min(ax.get_ylim()[0] for ax in axes[:, 1])
    high = max(ax.get_ylim()[1] for ax in axes[:, 1])
    for ax in axes[:, 1]:
        ax.set_ylim(low, high)


def main() -> None:
    parser = experiment.parser(__doc__, seeds=3)
    parser.add_argument("--rate", type=float, default=0.1, help="stochastic (default: %(default)s)")
    parser.add_argument("--batch-rate", type=float, default=0.6, help="(default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=25, help="of 20 presentations (default: %(default)s)")
    options = parser.parse_args()
    figure = experiment.new_figure((13, 10), "Error surface of a 1-1-1 network with twice ten samples")
    draw(figure, options.seeds[0], options)
    seeds = range(20) if options.full else options.seeds
    print(f"sigmoid 1.7159 tanh(2x/3) (paper: 1.71); medians of {len(seeds)} seeds")
    claim(options, seeds).print()
    experiment.save(figure, options.out, "error_surface")


if __name__ == "__main__":
    main()
