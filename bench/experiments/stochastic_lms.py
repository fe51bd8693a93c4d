"""Stochastic descent of a linear unit beside batch descent, per presentation. Figure 12, section 4.1.

    python bench/experiments/stochastic_lms.py --out stochastic_lms.png
    python bench/experiments/stochastic_lms.py --full             # the median of 100 seeds in the table

The data and the start of `batch_lms.py`: 100 samples of two Gaussians, a unit of two weights and a bias. Rate
0.2 after every sample, in an order shuffled anew in each epoch, against batch at rate 1.5: an epoch is 100
updates for the one and a single update for the other. The stochastic path is noisy, arrives long before the
other, and then goes on fluctuating, with a variance in proportion to the rate. Default: seconds.
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
RATE, BATCH_RATE, SMALL_RATE = 0.2, 1.5, 0.02
EPOCHS = 10
SETTLED = 50  # epochs after which only fluctuations are left, even at the small rate
MEASURED = 100  # epochs that they are measured over


@dataclass(frozen=True)
class Outcome:
    """What one seed shows; errors are mean losses above the smallest possible."""

    stochastic_error: float  # after an epoch
    batch_error: float
    batch_presentations: float  # until the error falls to what the stochastic one keeps on average
    raising: float  # part of the stochastic updates that raise the error
    variance_ratio: float  # of the weights, between the two rates


def errors(X: np.ndarray, y: np.ndarray, path: np.ndarray) -> np.ndarray:
    best = experiment.linear_unit(experiment.optimum(X, y))
    return experiment.losses_along(best, X, y, path) - best.loss(X, y)


def stochastic_path(X: np.ndarray, y: np.ndarray, seed: int, rate: float, n_epochs: int) -> np.ndarray:
    order = experiment.epochs_order(len(X), n_epochs, seed)
    return experiment.online_path(experiment.linear_unit(START), X, y, ebp.rules.SGD(rate), order)


def batch_path(X: np.ndarray, y: np.ndarray, n_epochs: int) -> np.ndarray:
    return experiment.batch_path(experiment.linear_unit(START), X, y, BATCH_RATE, n_epochs)


def fluctuation(X: np.ndarray, y: np.ndarray, seed: int, rate: float) -> float:
    """Variance of the parameters, summed, when the start is forgotten.

    Samples are drawn with replacement: within a shuffled epoch the noise partly cancels at small rates.
    """
    order = np.random.default_rng(seed).integers(len(X), size=(SETTLED + MEASURED) * len(X))
    path = experiment.online_path(experiment.linear_unit(START), X, y, ebp.rules.SGD(rate), order)
    return float(path[SETTLED * len(X) :].var(axis=0).sum())


def outcome(seed: int) -> Outcome:
    X, y = ebp.datasets.two_gaussians(random_state=seed)
    stochastic = errors(X, y, stochastic_path(X, y, seed, RATE, EPOCHS))
    batch = errors(X, y, batch_path(X, y, 200))
    kept = stochastic[len(X) :].mean()
    return Outcome(
        stochastic[len(X)],
        batch[1],
        len(X) * (float(np.argmax(batch < kept)) or np.inf),
        float(np.mean(np.diff(stochastic) > 0)),
        fluctuation(X, y, seed, RATE) / fluctuation(X, y, seed, SMALL_RATE),
    )


def claim(outcomes: list[Outcome]) -> experiment.Claims:
    def middle(name: str) -> float:
        return median(getattr(one, name) for one in outcomes)

    stochastic = middle("stochastic_error")
    claims = experiment.Claims()
    claims.number("part of updates that raise the error", middle("raising"), "noisy", "P", (0.2, 0.8))
    claims.number("error after an epoch, stochastic", stochastic)
    claims.number(
        "error after an epoch, batch", middle("batch_error"), "much larger", "P", (2 * stochastic, np.inf)
    )
    presentations = middle("batch_presentations")
    claims.number("presentations until batch is as good", presentations, "many more", "P", (500, np.inf))
    claims.number(
        f"variance of weights, rates {RATE:g} / {SMALL_RATE:g}", middle("variance_ratio"), "10", "D", (6, 16)
    )
    return claims


def draw(axes: Any, seed: int) -> None:
    """Paths over the error, errors and weights over presentations."""
    X, y = ebp.datasets.two_gaussians(random_state=seed)
    best = experiment.linear_unit(experiment.optimum(X, y))
    stochastic = stochastic_path(X, y, seed, RATE, EPOCHS)
    batch = batch_path(X, y, EPOCHS)
    paths = {f"stochastic, rate {RATE:g}": stochastic, f"batch, rate {BATCH_RATE:g}": batch}
    ebp.plotting.LossSurfaceDisplay.from_network(
        best, X, y, directions=(0, 1), trajectories=paths, extent=(-2.4, 1.6, -0.2, 2.6), ax=axes[0]
    )
    axes[0].set(title=f"{EPOCHS} epochs, bias at its optimum", xlabel="$w_1$", ylabel="$w_2$")
    for (name, path), colour, every in zip(
        paths.items(), ("tab:orange", "tab:red"), (1, len(X)), strict=True
    ):
        presentations = every * np.arange(len(path))
        marker = "." if every > 1 else ""
        axes[1].plot(presentations, errors(X, y, path), color=colour, marker=marker, label=name)
        for values, style, weight in zip(path.T, ("-", "--", ":"), ("$w_1$", "$w_2$", "bias"), strict=True):
            label = f"{weight}, {name.split(',')[0]}"
            axes[2].plot(presentations, values, color=colour, ls=style, marker=marker, label=label)
    axes[1].set(title="Error above the minimum", xlabel="presentations", ylabel="mean loss", yscale="log")
    axes[1].legend()
    axes[2].set(title="Weights", xlabel="presentations", ylim=(-2.2, 3.6))
    axes[2].legend(fontsize="small", ncols=2, loc="upper right")
    for ax in axes[1:]:
        ax.grid(alpha=0.3)


def main() -> None:
    options = experiment.parser(__doc__, seeds=5).parse_args()
    seeds = range(100) if options.full else options.seeds
    outcomes = [outcome(seed) for seed in tqdm(seeds, unit="seed", leave=False)]
    figure = experiment.new_figure(
        (15, 5), "A linear unit on two Gaussians: updates after every sample, or epoch"
    )
    draw(figure.subplots(1, 3, width_ratios=[1.3, 1, 1]), options.seeds[0])
    print(f"medians of {len(outcomes)} seeds")
    claim(outcomes).print()
    experiment.save(figure, options.out, "stochastic_lms")


if __name__ == "__main__":
    main()
