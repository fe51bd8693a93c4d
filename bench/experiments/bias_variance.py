"""Bias and variance in the course of the training, on a function that is known and on a real set. Figure 1.

    python bench/experiments/bias_variance.py --out bias_variance.png
    python bench/experiments/bias_variance.py --full          # 200 data sets, three times as many epochs

Early in training the networks of all data sets are alike and wrong, late each has learnt the noise of its
own: bias falls, variance rises, and the sum, the error on new samples, is least in between (section 2). The
figure of the paper is a sketch, so that shapes are compared, not numbers. By `ebp.evaluation.bias_variance`:

- sine, L-BFGS: 40 samples of a sine with noise, by an accurate minimiser; every data set is a new one, and
  function and noise are known;
- sine, online: the same one sample at a time at a constant rate, for as many epochs;
- diabetes, online: scikit-learn's 442 patients, a third held out, bootstrap samples of the others; targets
  have variance 1, and their noise cannot be told from the bias.

Default: 40 data sets, half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ebp
import experiment
import numpy as np
from ebp.evaluation import BiasVarianceResult, bias_variance
from sklearn.datasets import load_diabetes

NOISE = 0.5  # standard deviation
SIZE = 40  # of a data set of the sine


@dataclass
class Training:
    """Options of the estimator, and by which factors bias, variance and sum should change; None: no claim."""

    options: dict[str, Any]
    epochs: int
    bias_falls: float | None = None
    variance_rises: float | None = None
    sum_rises: float | None = None
    known: bool = field(default=True, kw_only=True)


ONLINE = {"learning_rate": "constant"}
TRAININGS = {
    "sine, L-BFGS": Training({"hidden_layer_sizes": (20,), "solver": "lbfgs"}, 100, 5, 2, 1.5),
    "sine, online": Training({"hidden_layer_sizes": (20,), "learning_rate_init": 2e-3, **ONLINE}, 100),
    "diabetes, online": Training(
        {"hidden_layer_sizes": (50,), "learning_rate_init": 1e-4, **ONLINE}, 150, 1.1, 2, 1.02, known=False
    ),
}


def sine(X: np.ndarray) -> np.ndarray:
    return np.sin(X[:, 0])


def noisy_sine(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = rng.uniform(-3, 3, (n, 1))
    return X, sine(X) + NOISE * rng.standard_normal(n)


def measure(training: Training, n_datasets: int, longer: int, seed: int) -> BiasVarianceResult:
    model = ebp.MLPRegressor(**training.options, max_iter=longer * training.epochs, random_state=seed)
    options: dict[str, Any] = {"n_datasets": n_datasets, "random_state": seed, "verbose": 1}
    if not training.known:
        X, y = load_diabetes(return_X_y=True)
        return bias_variance(model, X, (y - y.mean()) / y.std(), test_size=1 / 3, **options)
    # A pool so large that the data sets hardly overlap.
    rng = np.random.default_rng(seed)
    X_test, y_test = noisy_sine(1000, rng)
    options |= {"resample": "subsample", "train_size": SIZE, "true_function": sine}
    pool = noisy_sine(10 * SIZE * n_datasets, rng)
    return bias_variance(model, *pool, X_test=X_test, y_test=y_test, **options)


def claim(results: dict[str, BiasVarianceResult]) -> experiment.Claims:
    claims = experiment.Claims()
    for name, found in results.items():
        training = TRAININGS[name]
        best = found.best_epoch - 1
        last = len(found.epochs) - 1
        ratios = (
            (
                "bias^2, first epoch / last",
                found.bias_squared[0] / found.bias_squared[-1],
                training.bias_falls,
            ),
            (
                "variance, last / best epoch",
                found.variance[-1] / found.variance[best],
                training.variance_rises,
            ),
            ("sum, last / best epoch", found.total[-1] / found.total[best], training.sum_rises),
        )
        for label, ratio, low in ratios:
            shape = {"expected": "more than 1", "status": "P", "within": (low, np.inf)} if low else {}
            claims.number(f"{name}: {label}", ratio, **shape)
        inside = {"expected": "inside", "status": "P", "within": (2, last)} if training.sum_rises else {}
        claims.number(f"{name}: best epoch of {last + 1}", found.best_epoch, **inside)
        gap = float(np.abs(found.total / found.test_errors.mean(axis=0) - 1).max())
        claims.number(f"{name}: sum / mean error of the networks - 1", gap, "0", "D", (0, 1e-12))
        if found.noise is not None:
            expected = NOISE**2
            within = (0.8 * expected, 1.2 * expected)
            claims.number(f"{name}: noise", found.noise, f"{expected:g}", "D", within)
    return claims


def draw(figure: Any, results: dict[str, BiasVarianceResult]) -> None:
    """Figure 1 for every training, with the errors of the single networks."""
    axes = figure.subplots(1, len(results), squeeze=False)[0]
    for ax, (name, found) in zip(axes, results.items(), strict=True):
        ax.plot(found.epochs, found.test_errors[:20].T, color="grey", lw=0.4, alpha=0.5)
        found.plot(ax)
        ax.set(title=name, xlabel="iteration" if "BFGS" in name else "epoch", ylim=(0, 1.5 * found.total[0]))
        ax.grid(alpha=0.3)


def main() -> None:
    parser = experiment.parser(__doc__)
    parser.add_argument("--trainings", nargs="+", choices=list(TRAININGS), default=list(TRAININGS))
    parser.add_argument("--datasets", type=int, help="default 40, with --full 200")
    options = parser.parse_args()
    n_datasets, longer = options.datasets or (200 if options.full else 40), 3 if options.full else 1
    results = {
        name: measure(TRAININGS[name], n_datasets, longer, options.seeds[0]) for name in options.trainings
    }
    figure = experiment.new_figure((18, 6), f"Figure 1: bias and variance of {n_datasets} data sets")
    draw(figure, results)
    print(f"{n_datasets} data sets; squared errors, of the sine against the function without noise")
    claim(results).print()
    experiment.save(figure, options.out, "bias_variance")


if __name__ == "__main__":
    main()
