"""What `ebp.diagnose` measures: conditioning of inputs, spectrum of the Hessian, state of the layers.

Everything is returned as numbers, strings, None, lists and dicts of these, ready for JSON.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from . import curvature
from .network import Network

# Multiplications for the eigenvalues of the inputs: in all, and up to which they come from singular values.
COST = 1e10
SINGULAR_COST = 2e8
SMALL = 0.1  # standard deviation, relative to the largest, of a column that hardly counts
CONSTANT = 1e-8  # range of a constant column, relative to its largest value
# Up to so many parameters all eigenvalues of the dense Hessian are calculated.
EXACT_PARAMETERS = 1500
N_LARGEST = 20  # eigenvalues of larger Hessians
SATURATED = 0.1  # slope below this part of the slope at 0


# ---- inputs -----------------------------------------------------------------------------------------------


def rows_for_eigenvalues(n: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to take, ascending: all, or a random part if n · width · min(n, width) would be too much work."""
    most = int(max(COST / width**2, min(width, math.sqrt(COST / width))))
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def varying(X: np.ndarray) -> np.ndarray:
    """Which columns vary, (features,) bool."""
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    return high - low > CONSTANT * np.maximum(np.abs(low), np.abs(high))


def conditioning(X: np.ndarray) -> dict[str, Any]:
    """Means, scales and eigenvalues of the columns of `X` (n, features) that vary.

    Eigenvalues that are zero up to rounding are counted, and left out of the condition numbers.
    """
    X = X[:, varying(X)].astype(np.float64)
    mean, std = X.mean(axis=0), X.std(axis=0)
    covariance, n_zero = _eigenvalues(X - mean)
    with_bias, _ = _eigenvalues(np.hstack([X, np.ones((len(X), 1))]))
    return {
        "largest_mean_over_std": float((np.abs(mean) / std).max()),
        "std_ratio": float(std.max() / std.min()),
        "share_small": float(np.mean(std < SMALL * std.max())),
        "lambda_max_covariance": float(covariance[0]),
        "condition_covariance": float(covariance[0] / covariance[-1]),
        "n_zero_covariance": n_zero,
        "lambda_max_with_bias": float(with_bias[0]),
        "condition_with_bias": float(with_bias[0] / with_bias[-1]),
    }


def n_dependent(X: np.ndarray) -> int:
    """Columns that are linear combinations of others, whatever their units; 0 for too few rows to tell."""
    X = X[:, varying(X)].astype(np.float64)
    if len(X) <= X.shape[1]:
        return 0
    return _eigenvalues((X - X.mean(axis=0)) / X.std(axis=0))[1]


def _eigenvalues(X: np.ndarray) -> tuple[np.ndarray, int]:
    """Nonzero eigenvalues of Xᵀ X / n, descending, and how many are zero.

    Singular values lose no digits by the squares, and so tell small eigenvalues from zero where columns have
    very different units; large problems do without.
    """
    n, width = X.shape
    if n * width * min(n, width) <= SINGULAR_COST:
        singular = np.linalg.svd(X, compute_uv=False)
        nonzero = singular > max(X.shape) * np.finfo(np.float64).eps * singular[0]
        values = singular**2 / n
    else:
        values = np.linalg.eigvalsh(X.T @ X if n > width else X @ X.T)[::-1] / n
        nonzero = values > max(X.shape) * np.finfo(np.float64).eps * values[0]
    return values[nonzero], width - int(nonzero.sum())


# ---- Hessian ----------------------------------------------------------------------------------------------


def hessian_eigenvalues(net: Network, Z: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Eigenvalues of the Hessian of the mean loss, ascending: all, or the largest of a large network."""
    return curvature.spectrum(net, Z, T, k=None if net.n_parameters <= EXACT_PARAMETERS else N_LARGEST)


def hessian_summary(eigenvalues: np.ndarray, n_parameters: int, n_samples: int) -> dict[str, Any]:
    """The extreme ones of `hessian_eigenvalues`, the rates (38)-(39) and the time constants.

    A time constant is 1 / (η λ) updates with η = 1 / λ_max: after so many, the distance to the minimum in the
    direction of λ has shrunk by the factor e.
    """
    complete = len(eigenvalues) == n_parameters
    largest = float(np.abs(eigenvalues).max())
    zero = np.abs(eigenvalues) <= n_parameters * np.finfo(np.float64).eps * largest
    positive = eigenvalues[(eigenvalues > 0) & ~zero]
    summary: dict[str, Any] = {
        "n_parameters": n_parameters,
        "n_samples": n_samples,
        "n_eigenvalues": len(eigenvalues),
        "method": "all eigenvalues"
        if complete
        else f"the {len(eigenvalues)} largest eigenvalues, by Lanczos",
        "lambda_max": float(eigenvalues[-1]),
        "lambda_min": float(eigenvalues[0]) if complete else None,
        "smallest_known": float(eigenvalues[0]),
        "n_negative": int(((eigenvalues < 0) & ~zero).sum()) if complete else None,
        "n_zero": int(zero.sum()) if complete else None,
        "smallest_positive": float(positive[0]) if complete and len(positive) else None,
        "eta_opt": None,
        "eta_max": None,
        "time_constants": None,
    }
    if len(positive):
        top = float(positive[-1])
        constants = top / positive[::-1]  # of the largest eigenvalue first
        summary |= {"eta_opt": 1 / top, "eta_max": 2 / top}
        summary["time_constants"] = {
            "eigenvalue_10": float(constants[9]) if len(constants) >= 10 else None,
            "median": float(np.median(constants)) if complete else None,
            "slowest": float(constants[-1]) if complete else None,
            "slowest_known": float(constants[-1]),
        }
    return summary


# ---- layers -----------------------------------------------------------------------------------------------


def layer_states(net: Network, Z: np.ndarray, T: np.ndarray) -> list[dict[str, Any]]:
    """Of every layer: standard deviation of its total inputs, saturation, and mean diagonal curvature."""
    diagonal = curvature.hessian_diagonal(net, Z, T, method="backprop")
    states = []
    for number, layer in enumerate(net.layers):
        parts = [
            diagonal[part] for name, part, _ in net.parameter_slices if int(name.split(".")[0]) == number
        ]
        values = np.concatenate(parts) if parts else np.empty(0)
        state: dict[str, Any] = {
            "layer": f"{number} {layer._label()}",
            "activation": getattr(layer, "activation", None),
            "n_units": math.prod(net.output_shapes[number]),
            "total_input_std": None,
            "saturated": None,
            "n_stuck": None,
            "mean_curvature": float(values.mean()) if len(values) else None,
        }
        if state["activation"] is not None:
            state |= _saturation(total_inputs(net, Z, number), state["activation"], layer)
        states.append(state)
    return states


def total_inputs(net: Network, Z: np.ndarray, number: int) -> np.ndarray:
    """What the activation of a layer is applied to, (n, units): its output with the identity in its place."""
    layers = list(net.layers[: number + 1])
    layers[number] = replace(layers[number], activation="identity", twist=0.0)  # type: ignore[type-var]
    size = sum(
        part.stop - part.start for name, part, _ in net.parameter_slices if int(name.split(".")[0]) <= number
    )
    below = Network(
        layers, net.input_shape, loss="squared_error", weight_init=np.zeros(size), dtype=net.dtype.name
    )
    below.parameters[:] = net.parameters[:size]
    return below.forward(Z)


def _saturation(Y: np.ndarray, activation: str, layer: Any) -> dict[str, Any]:
    """Share of samples and units where f' is below a tenth of f'(0), and units where it is for all samples.

    A relu, of slope 0 or 1, counts as saturated where the slope is 0.
    """
    slope = slopes(Y, activation) + layer.twist
    at_zero = 1.0 if activation == "relu" else slopes(np.zeros(1), activation)[0]
    saturated = slope < SATURATED * (at_zero + layer.twist)
    return {
        "total_input_std": float(Y.std()),
        "saturated": float(saturated.mean()),
        "n_stuck": int(saturated.all(axis=0).sum()),
    }


def slopes(Y: np.ndarray, activation: str) -> np.ndarray:
    """f'(y) of an activation without its twisting term."""
    if activation == "identity":
        return np.ones_like(Y)
    if activation == "relu":
        return (Y > 0).astype(np.float64)
    if activation == "logistic":
        return 0.25 / np.cosh(np.clip(Y / 2, -300, 300)) ** 2
    scale, rate = (1.7159, 2 / 3) if activation == "scaled_tanh" else (1.0, 1.0)
    return scale * rate / np.cosh(np.clip(rate * Y, -300, 300)) ** 2


def curvature_spread(states: list[dict[str, Any]]) -> float | None:
    """Ratio of the largest to the smallest mean curvature of a layer; None for one layer, or a flat one."""
    means = [state["mean_curvature"] for state in states if state["mean_curvature"] is not None]
    return max(means) / min(means) if len(means) > 1 and min(means) > 0 else None
