"""Batch descent of a linear unit below and above the largest stable rate. Figures 9 to 11, section 5.1.

    python bench/experiments/batch_lms.py --out batch_lms.png
    python bench/experiments/batch_lms.py --full              # a finer sweep of rates

100 samples of two Gaussians, a unit of two weights and a bias, rates 1.5 and 2.5. The paper takes the limit
from the inputs' covariance, 2 / 0.84 = 2.38; the bias has the curvature 1, which makes it 2.0. The sweep
shows both limits, with and without a bias, beside 2 / lambda_max of the Hessian; the bias starts off its
optimum, or its direction would not be excited. Top: paths over the error, errors, weights; bottom: errors
over rates. Default: seconds.
"""

from __future__ import annotations

from typing import Any

import ebp
import experiment
import numpy as np
from tqdm import tqdm

START = (-2.0, 0.2, 0.8)  # the bias, too, off its optimum
RATES = (1.5, 2.5)
EPOCHS = 40
DIVERGING = 12  # epochs shown of the rate that is too large
SWEEP_EPOCHS = 200
NAMES = ("$w_1$", "$w_2$", "bias")


def excess(X: np.ndarray, y: np.ndarray, rate: float, bias: bool, n_epochs: int) -> tuple[float, float]:
    """Mean loss above the smallest possible one, before and after batch descent."""
    net = experiment.linear_unit(START if bias else START[:2], bias)
    best = experiment.linear_unit(experiment.optimum(X, y, bias), bias).loss(X, y)
    before = net.loss(X, y) - best
    experiment.batch_path(net, X, y, rate, n_epochs)
    return before, net.loss(X, y) - best


def converges(X: np.ndarray, y: np.ndarray, rate: float, bias: bool) -> bool:
    before, after = excess(X, y, rate, bias, SWEEP_EPOCHS)
    return after < before


def stability_limit(X: np.ndarray, y: np.ndarray, bias: bool) -> float:
    """Largest rate that converges, by bisection."""
    low, high = 1.0, 4.0
    for _ in range(12):
        middle = (low + high) / 2
        if converges(X, y, middle, bias):
            low = middle
        else:
            high = middle
    return low


def contraction(X: np.ndarray, y: np.ndarray, rate: float) -> np.ndarray:
    """Factors of one epoch along the eigenvectors of the Hessian, in ascending order of eigenvalues, (37)."""
    net = experiment.linear_unit(START)
    _, directions = np.linalg.eigh(ebp.curvature.hessian(net, X, y))
    path = experiment.batch_path(net, X, y, rate, 1)
    before, after = (path - experiment.optimum(X, y)) @ directions
    return after / before


def claim(X: np.ndarray, y: np.ndarray, limits: dict[bool, float]) -> experiment.Claims:
    claims = experiment.Claims()
    covariance = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    claims.number("larger eigenvalue of the covariance", covariance[1], "0.84", "P", (0.74, 0.94))
    claims.number("smaller eigenvalue of the covariance", covariance[0], "0.036", "P", (0.021, 0.051))
    for bias in (False, True):
        net = experiment.linear_unit(START if bias else START[:2], bias)
        largest = ebp.curvature.principal_eigenvalue(net, X, y, "lanczos").eigenvalue
        where = "with bias" if bias else "without bias"
        claims.number(f"limit {where}, by training", limits[bias], *_limit(bias))
        claims.number(f"limit {where} times lambda_max", limits[bias] * largest, "2", "D", (1.99, 2.01))
    for rate, bias, status in (
        *((rate, bias, "P") for bias in (True, False) for rate in RATES),
        *((rate, True, "D") for rate in (1.9, 2.1, 2.3)),
        (2.3, False, "D"),
    ):
        expected = "converges" if rate < (2.0 if bias else 2.38) else "diverges"
        obtained = "converges" if converges(X, y, rate, bias) else "diverges"
        claims.verdict(f"rate {rate:g} {'with' if bias else 'without'} bias", obtained, expected, status)
    for rate, expected in ((1.5, (0.946, -0.26, -0.5)), (2.5, (0.91, -1.1, -1.5))):
        for k, (obtained, one) in enumerate(zip(contraction(X, y, rate), expected, strict=True)):
            within = (one - 0.15, one + 0.15) if k else (one - 0.05, one + 0.05)
            claims.number(
                f"factor of an epoch, rate {rate:g}, direction {k + 1}", obtained, f"{one:g}", "D", within
            )
    return claims


def _limit(bias: bool) -> tuple[str, str, tuple[float, float]]:
    """What the paper, or its formula with the bias, says of the limit; samples scatter by 0.1."""
    return ("2.0", "D", (1.85, 2.01)) if bias else ("2.38", "P", (2.1, 2.7))


def draw_paths(axes: Any, X: np.ndarray, y: np.ndarray) -> None:
    """Paths over the error, errors over epochs, weights over epochs."""
    best = experiment.linear_unit(experiment.optimum(X, y))
    surface = {}
    for rate, colour in zip(RATES, ("tab:orange", "tab:red"), strict=True):
        path = experiment.batch_path(experiment.linear_unit(START), X, y, rate, EPOCHS)
        errors = experiment.losses_along(best, X, y, path) - best.loss(X, y)
        axes[1].plot(errors, color=colour, label=f"rate {rate:g}")
        if rate > 2:
            path = path[: DIVERGING + 1]  # then it leaves the picture
        for values, style, name in zip(path.T, ("-", "--", ":"), NAMES, strict=True):
            axes[2].plot(values, color=colour, ls=style, label=f"{name}, rate {rate:g}")
        surface[f"rate {rate:g}"] = path
    ebp.plotting.LossSurfaceDisplay.from_network(
        best, X, y, directions=(0, 1), trajectories=surface, extent=(-2.5, 4.0, -3.5, 4.5), ax=axes[0]
    )
    axes[0].set(title="Paths over the error, bias at its optimum", xlabel="$w_1$", ylabel="$w_2$")
    axes[1].set(title="Error above the minimum", xlabel="epochs", ylabel="mean loss", yscale="log")
    axes[1].set_ylim(1e-4, 1e4)
    axes[1].legend()
    axes[2].set(title=f"Weights; of rate 2.5 the first {DIVERGING} epochs", xlabel="epochs", ylim=(-9, 14))
    axes[2].legend(loc="upper right", fontsize="small", ncols=2)
    for ax in axes[1:]:
        ax.grid(alpha=0.3)


def draw_sweep(ax: Any, X: np.ndarray, y: np.ndarray, rates: np.ndarray, limits: dict[bool, float]) -> None:
    """Excess error after some epochs, over the rate."""
    curves: dict[bool, list[float]] = {True: [], False: []}
    for rate in tqdm(rates, unit="rate", desc="sweep", leave=False):
        for bias, values in curves.items():
            before, after = excess(X, y, rate, bias, SWEEP_EPOCHS)
            values.append(after / before)
    for bias, colour in ((True, "tab:blue"), (False, "tab:green")):
        where = "with bias" if bias else "without bias"
        ax.plot(rates, curves[bias], ".-", color=colour, label=f"{where}; limit {limits[bias]:.2f}")
        ax.axvline(limits[bias], color=colour, ls="--", lw=1)
    ax.axhline(1, color="black", lw=0.8)
    ax.set(
        title=f"Error above the minimum after {SWEEP_EPOCHS} epochs: the bias lowers the limit",
        xlabel="rate",
        ylabel="after / before",
        yscale="log",
        ylim=(1e-12, 1e12),
    )
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left")


def main() -> None:
    options = experiment.parser(__doc__).parse_args()
    X, y = ebp.datasets.two_gaussians(random_state=options.seeds[0])
    limits = {bias: stability_limit(X, y, bias) for bias in (True, False)}
    figure = experiment.new_figure((15, 9), "Batch descent of a linear unit on two Gaussians")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.25, 1])
    draw_paths(top.subplots(1, 3, width_ratios=[1.3, 1, 1]), X, y)
    draw_sweep(bottom.subplots(), X, y, np.linspace(1, 2.8, 73 if options.full else 37), limits)
    claim(X, y, limits).print()
    experiment.save(figure, options.out, "batch_lms")


if __name__ == "__main__":
    main()
