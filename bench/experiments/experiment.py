"""What the experiments on the paper's figures share: options, data, the table of claims, the picture.

No experiment is in here; the scripts beside it import it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ebp
import numpy as np

STATUS = {
    "P": "printed in the paper",
    "D": "derived from its formulas or obtained by an independent program",
    "R": "remembered from its figures, no target",
}

ENOUGH = 20  # values whose range a further one rarely leaves


# Options


def parser(doc: str | None, *, data: str = "", seeds: int = 1) -> argparse.ArgumentParser:
    """Options of all experiments; `data` names what --data-dir must hold, `seeds` says how many are usual."""
    found = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if data:
        found.add_argument("--data-dir", default=os.environ.get("EBP_DATA_DIR"), help=f"folder with {data}")
    found.add_argument(
        "--seeds", type=int, nargs="+", default=list(range(seeds)), help="of all that is random"
    )
    found.add_argument("--full", action="store_true", help="the long form")
    found.add_argument("--out", type=Path, help="file of the picture; default: in a temporary folder")
    return found


# Results


@dataclass
class Claims:
    """Expected beside obtained."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def number(
        self,
        name: str,
        obtained: float,
        expected: str = "",
        status: str = "",
        within: tuple[float, float] | None = None,
    ) -> None:
        """A number; the claim holds if it lies `within` these limits, and is no claim without them."""
        parts = [expected, f"({_limits(*within)})" if within else "", f"[{status}]" if status else ""]
        holds = _yes(within[0] <= obtained <= within[1]) if within else "-"
        self.rows.append((name, " ".join(filter(None, parts)) or "-", f"{obtained:.3g}", holds))

    def covers(self, name: str, values: Sequence[float], expected: float, status: str) -> None:
        """One value of another program; the claim, with enough `values`, is that it could be one of them."""
        inside = min(values) <= expected <= max(values)
        holds = _yes(inside) if len(values) >= ENOUGH else "-"
        obtained = f"{min(values):.3g} to {max(values):.3g}"
        self.rows.append((name, f"{expected:g} [{status}]", obtained, holds))

    def verdict(self, name: str, obtained: str, expected: str, status: str) -> None:
        """A word, which must be the expected one."""
        self.rows.append((name, f"{expected} [{status}]", obtained, _yes(obtained == expected)))

    def print(self) -> None:
        rows = [("", "expected", "obtained", "holds"), *self.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print()
        for row in rows:
            print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        used = [key for key in STATUS if any(f"[{key}]" in row[1] for row in self.rows)]
        print("; ".join(f"[{key}] {STATUS[key]}" for key in used))


def _limits(low: float, high: float) -> str:
    if high == np.inf:
        return f"at least {low:.3g}"
    return f"at most {high:.3g}" if low == -np.inf else f"{low:.3g} to {high:.3g}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def save(figure: Any, out: Path | None, name: str) -> None:
    """Write the picture and say where."""
    out = out or Path(tempfile.mkdtemp()) / f"{name}.png"
    figure.savefig(out, dpi=110)
    print(f"picture: {out}")


def new_figure(size: tuple[float, float], title: str) -> Any:
    """An empty figure that needs no display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=13)
    return figure


# The linear unit of Figs 9-12, 22 and 23


def linear_unit(start: Sequence[float] | np.ndarray, bias: bool = True) -> ebp.Network:
    """One linear output on two inputs; parameters w1, w2 and the bias."""
    layers = [ebp.layers.Dense(1, "identity", bias=bias)]
    return ebp.Network(layers, 2, weight_init=start, dtype="float64")


def optimum(X: np.ndarray, y: np.ndarray, bias: bool = True) -> np.ndarray:
    """Least-squares solution of the linear unit."""
    inputs = np.column_stack([X, np.ones(len(X))]) if bias else X
    return np.linalg.lstsq(inputs, y, rcond=None)[0]


# Trajectories


def batch_path(net: ebp.Network, X: np.ndarray, T: np.ndarray, rate: float, n_epochs: int) -> np.ndarray:
    """Parameters (n_epochs + 1, n_parameters) of batch descent, one update an epoch, (10)."""
    rule = ebp.rules.SGD(rate)
    path = [net.parameters.copy()]
    for _ in range(n_epochs):
        net.train_online(X, T, rule, batch_size=len(X))
        path.append(net.parameters.copy())
    return np.array(path)


def online_path(
    net: ebp.Network, X: np.ndarray, T: np.ndarray, rule: Any, order: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Parameters (n + 1, n_parameters) after each of n online updates, (11)."""
    path = [net.parameters.copy()]
    for row in order:
        net.learn_one(X[row], T[row : row + 1], rule)
        path.append(net.parameters.copy())
    return np.array(path)


def losses_along(net: ebp.Network, X: np.ndarray, T: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Mean loss at each point of a path."""
    probe = net.copy()
    losses = np.empty(len(path))
    for k, point in enumerate(path):
        probe.parameters[:] = point
        losses[k] = probe.loss(X, T)
    return losses


def mean_square_error(net: ebp.Network, X: np.ndarray, T: np.ndarray) -> float:
    """Per output, where the loss is the squared error."""
    return 2 * net.loss(X, T) / T.shape[1]


def epochs_order(n: int, n_epochs: int, seed: int) -> np.ndarray:
    """Shuffled anew in each epoch."""
    rng = np.random.default_rng(seed)
    return np.concatenate([ebp.sampling.shuffle(n, rng) for _ in range(n_epochs)])


# Digits


def plus_minus_one(y: np.ndarray, dtype: str = "float32") -> np.ndarray:
    """Targets (n, 10): +1 for the class, -1 for the others."""
    return (2 * np.eye(10) - 1)[y].astype(dtype)


def padded_mnist(X: np.ndarray) -> np.ndarray:
    """Digits (n, 784) of pixels 0 to 1 as (n, 1, 32, 32), background -0.1 and foreground 1.175."""
    images = np.pad(X.reshape(-1, 1, 28, 28), ((0, 0), (0, 0), (2, 2), (2, 2)))
    return np.ascontiguousarray(1.275 * images - 0.1, dtype=np.float32)
