"""Test errors over multiples of the automatic SDLM rate: is 1 a good choice, and how far off is failure?

    python bench/experiments/automatic_rates.py
    python bench/experiments/automatic_rates.py --data digits cancer --multiples 0.5 1 2 --seeds 5
    EBP_DATA_DIR=data python bench/experiments/automatic_rates.py --data digits480
    EBP_DATA_DIR=data python bench/experiments/automatic_rates.py --data mnist --hidden 300 --epochs 10

Each cell is the median test error in percent over the seeds, which draw weights, orders and (where the data
have no test part of their own) splits; `*` marks cells where training diverged or did not help for some seed.
The rates are given, so that nothing is restarted. Default: tables of scikit-learn, some ten seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings
from collections.abc import Callable
from typing import Any

import ebp
from ebp._rates import automatic_sdlm_rate
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

Split = tuple[Any, Any, Any, Any]  # X, y, X_test, y_test

TABLES: dict[str, Callable[..., Any]] = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
IMAGES: dict[str, Callable[[str], Split]] = {
    "digits480": ebp.datasets.load_digits480,
    "mnist": ebp.datasets.load_mnist,
}


def load(name: str, seed: int) -> Split:
    """Training and test samples."""
    if name in IMAGES:
        folder = os.environ.get("EBP_DATA_DIR")
        if not folder:
            raise SystemExit(f"{name} needs EBP_DATA_DIR, the folder with {name}/")
        return IMAGES[name](folder)
    X, y = TABLES[name](return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    return X, y, X_test, y_test


def automatic_rate(hidden: tuple[int, ...], split: Split, epochs: int) -> float:
    """What `learning_rate_init="auto"` starts from."""
    X, y = split[:2]
    n_classes = len(set(y.tolist()))
    widths = [*hidden, 1 if n_classes == 2 else n_classes]
    network = ebp.Network([ebp.layers.Dense(width) for width in widths], X.shape[1])
    return automatic_sdlm_rate(network, epochs * len(X))


def cell(name: str, hidden: tuple[int, ...], multiple: float, epochs: int, seeds: int) -> str:
    """Median test error in percent, with a mark where training failed."""
    errors, failed = [], False
    for seed in range(seeds):
        split = load(name, seed)
        rate = multiple * automatic_rate(hidden, split, epochs)
        model = ebp.MLPClassifier(hidden, learning_rate_init=rate, max_iter=epochs, random_state=seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(*split[:2])
        failed |= any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        errors.append(100 * (1 - model.score(*split[2:])))
    return f"{statistics.median(errors):.1f}{'*' if failed else ''}"


def hidden_sizes(text: str) -> tuple[int, ...]:
    """The sizes that `--hidden` names: "100", "50,30", or "0" for no hidden layer."""
    return tuple(size for size in map(int, text.split(",")) if size)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", nargs="+", choices=[*TABLES, *IMAGES], default=list(TABLES))
    parser.add_argument(
        "--hidden", nargs="+", type=hidden_sizes, default=[(), (10,), (100,), (300,), (50, 30)]
    )
    parser.add_argument("--multiples", nargs="+", type=float, default=[0.03, 0.1, 0.3, 1, 1.5, 2, 3, 5, 10])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    head = ["data", "hidden", *(f"{multiple:g}" for multiple in options.multiples)]
    print(("{:10s}{:10s}" + "{:>8s}" * len(options.multiples)).format(*head))
    for name in options.data:
        for hidden in options.hidden:
            print(f"{name:10s}{','.join(map(str, hidden)) or '-':10s}", end="", flush=True)
            for multiple in options.multiples:
                print(
                    f"{cell(name, hidden, multiple, options.epochs, options.seeds):>8s}", end="", flush=True
                )
            print()


if __name__ == "__main__":
    main()
