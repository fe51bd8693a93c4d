"""Target coding (paper section 4.5), and the way back from outputs to probabilities."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax, xlogy

from .losses import Loss, loss_name, loss_options

PROBABILITY_SHARPNESS = 10.0
SIGMOIDS = ("scaled_tanh", "tanh", "logistic")
ASYMPTOTES = {"scaled_tanh": (-1.7159, 1.7159), "tanh": (-1.0, 1.0), "logistic": (0.0, 1.0)}

# Points of maximal |f''| of the output sigmoid. Asymptotes as targets would drive the weights to infinity.
# tanh: f'' = -2 t (1 - t^2) peaks at t = 1/sqrt(3); logistic: f = (1 + tanh(x/2)) / 2. The recommended
# sigmoid 1.7159 tanh(2x/3) peaks at 0.988; the paper rounds its outputs there to +-1.
CURVATURE_POINTS = {
    "scaled_tanh": (-1.0, 1.0),
    "tanh": (-1 / math.sqrt(3), 1 / math.sqrt(3)),
    "logistic": (0.5 - 0.5 / math.sqrt(3), 0.5 + 0.5 / math.sqrt(3)),
    "identity": (-1.0, 1.0),
    "relu": (0.0, 1.0),
}
CURVATURE_INPUTS = {"scaled_tanh": 1.0, "tanh": math.atanh(1 / math.sqrt(3))}  # where the sigmoids are there
CURVATURE_INPUTS["logistic"] = 2 * CURVATURE_INPUTS["tanh"]


def curvature_points(activation: str, twist: float = 0.0) -> tuple[float, float]:
    """Outputs (low, high) where |f''| is largest; -1 and 1, or 0 and 1 for relu, without a sigmoid.

    A twist adds a line, which has no second derivative: the points stay above the same total inputs.

    Examples
    --------
    >>> curvature_points("scaled_tanh")
    (-1.0, 1.0)
    >>> curvature_points("scaled_tanh", twist=0.5)
    (-1.5, 1.5)
    """
    low, high = CURVATURE_POINTS[activation]
    moved = twist * CURVATURE_INPUTS.get(activation, 0.0)
    return low - moved, high + moved


def asymptotes(activation: str, twist: float = 0.0) -> tuple[float, float] | None:
    """Limits (low, high) of a sigmoid; None for functions without, which a twist makes of all of them."""
    return None if twist else ASYMPTOTES.get(activation)


def output_targets(
    owner: str, targets: str | tuple[float, float], activation: str, twist: float
) -> tuple[float, float]:
    """Targets (low, high) that the parameter `targets` asks for, with outputs of this activation and twist.

    Raises
    ------
    ValueError
        For "asymptotes" of outputs that have none.

    Examples
    --------
    >>> output_targets("MLPClassifier", "asymptotes", "logistic", 0.0)
    (0.0, 1.0)
    """
    if isinstance(targets, tuple):
        return targets
    if targets == "auto":
        return curvature_points(activation, twist)
    limits = asymptotes(activation, twist)
    if limits is None:
        outputs = f"out_activation={activation!r}" + (f" and twist={twist:g}" if twist else "")
        raise ValueError(
            f"[{owner}] targets must be 'auto' or a pair (low, high) where the outputs have no limits; "
            f"'asymptotes' are for out_activation {', '.join(map(repr, SIGMOIDS))} with twist=0; "
            f"got 'asymptotes' with {outputs}"
        )
    return limits


def class_targets(
    labels: np.ndarray, n_outputs: int, low: float, high: float, dtype: np.dtype | str
) -> np.ndarray:
    """Targets of class numbers: `high` for the class of the sample, `low` for the others.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Class numbers 0, 1, ...
    n_outputs : int
        1 for two classes (class 1 is `high`), else the number of classes.

    Returns
    -------
    T : ndarray of shape (n, n_outputs)

    Examples
    --------
    >>> class_targets(np.array([0, 2]), 3, -1, 1, "float32")
    array([[ 1., -1., -1.],
           [-1., -1.,  1.]], dtype=float32)
    """
    T = np.full((len(labels), n_outputs), low, dtype)
    if n_outputs == 1:
        T[labels == 1] = high
    else:
        T[np.arange(len(labels)), labels] = high
    return T


def label_targets(Y: np.ndarray, low: float, high: float, dtype: np.dtype | str) -> np.ndarray:
    """Targets of an indicator matrix (n, n_labels): `high` where it is 1, `low` where it is 0.

    Examples
    --------
    >>> label_targets(np.array([[1, 0], [1, 1]]), -1, 1, "float32")
    array([[ 1., -1.],
           [ 1.,  1.]], dtype=float32)
    """
    return np.where(Y, np.array(high, dtype), np.array(low, dtype))


def label_sets(Y: np.ndarray) -> np.ndarray:
    """Numbers (n,) that are equal for equal rows of an indicator matrix (n, n_labels).

    Examples
    --------
    >>> label_sets(np.array([[1, 0], [1, 1], [1, 0]]))
    array([0, 1, 0])
    """
    return np.unique(np.packbits(Y, axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def class_factors(
    owner: str,
    class_weight: dict[Any, float] | str,
    classes: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Weight of each class (n_classes,): from a dict, or "balanced" for equal sums of weights.

    `labels` (n,) are class numbers, `weights` (n,) their sample weights.

    Raises
    ------
    ValueError
        If a key is no class or a value is no number, negative or not finite.

    Examples
    --------
    >>> class_factors("MLPClassifier", "balanced", np.array(["a", "b"]), np.array([0, 0, 0, 1]), None)
    array([0.66666667, 2.        ])
    """
    if isinstance(class_weight, str):
        counts = np.bincount(labels, weights, minlength=len(classes))
        return counts.sum() / (len(classes) * np.where(counts > 0, counts, 1.0))
    known = classes.tolist()
    unknown = [label for label in class_weight if label not in known]
    if unknown:
        raise ValueError(f"[{owner}] the keys of class_weight must be classes, {classes}; got {unknown}")
    factors = [class_weight.get(label, 1.0) for label in known]
    if not all(isinstance(factor, Real) and 0 <= factor < math.inf for factor in factors):
        raise ValueError(f"[{owner}] class_weight must have values >= 0, finite numbers; got {class_weight}")
    return np.array(factors, float)


def probabilities(outputs: np.ndarray, loss: str, low: float, high: float) -> np.ndarray:
    """Class probabilities from network outputs.

    Parameters
    ----------
    outputs : ndarray of shape (n, n_outputs)
        One column means two classes.
    loss : str
        "cross_entropy": softmax. "binary_cross_entropy": logistic, normalised over the classes.
        "squared_error": p proportional to softplus(10 u) / 10 with u = (output - low) / (high - low), which
        is close to u itself where u > 0, positive everywhere and increasing; two classes with one output take
        u and 1 - u. "hinge": the same. "map": softmax of the negative outputs.
    low, high : float
        Targets, used by squared_error and hinge.

    Returns
    -------
    p : ndarray of shape (n, n_classes), float64
        Rows sum to 1.

    Examples
    --------
    >>> probabilities(np.array([[1.0], [-0.5]]), "squared_error", -1, 1).round(3)
    array([[0.065, 0.935],
           [0.744, 0.256]])
    """
    outputs = outputs.astype(np.float64)
    binary = outputs.shape[1] == 1
    if loss == "cross_entropy":
        return softmax(outputs, axis=1)
    if loss == "map":
        return softmax(-outputs, axis=1)
    if loss == "binary_cross_entropy":
        if binary:
            return np.hstack([expit(-outputs), expit(outputs)])
        scores = -np.logaddexp(0, -outputs)
    else:
        share = (outputs - low) / (high - low)
        scores = _log_softplus(PROBABILITY_SHARPNESS * (np.hstack([1 - share, share]) if binary else share))
    return np.exp(log_softmax(scores, axis=1))


def label_probabilities(outputs: np.ndarray, loss: str, low: float, high: float) -> np.ndarray:
    """Probability of each label of an indicator matrix from network outputs, each for itself.

    As the probability of the second of two classes with one output, see `probabilities`: increasing in the
    output, and above 1/2 where the output is above the midpoint of the targets.

    Parameters
    ----------
    outputs : ndarray of shape (n, n_labels)
    loss : {"squared_error", "binary_cross_entropy", "hinge"}
    low, high : float
        Targets, used by squared_error and hinge.

    Returns
    -------
    p : ndarray of shape (n, n_labels), float64

    Examples
    --------
    >>> label_probabilities(np.array([[1.0, 1.0, -0.5]]), "squared_error", -1, 1).round(3)
    array([[0.935, 0.935, 0.256]])
    """
    outputs = outputs.astype(np.float64)
    if loss == "binary_cross_entropy":
        return expit(outputs)
    z = PROBABILITY_SHARPNESS * (outputs - low) / (high - low)
    return expit(_log_softplus(z) - _log_softplus(PROBABILITY_SHARPNESS - z))


def _log_softplus(z: np.ndarray) -> np.ndarray:
    """log(log(1 + e^z)), which tends to z for very negative z."""
    return np.where(z < -30, z, np.log(np.logaddexp(0, np.maximum(z, -30))))


def constant_loss(T: np.ndarray, weights: np.ndarray | None, loss: Loss) -> float:
    """Mean loss of the best constant outputs, which a useful network undercuts.

    For absolute_error and huber it is that of the mean, a little more; for hinge that of the more frequent
    target. Distances to codes, which "map" takes, cannot all be small, so that constants tell nothing: inf.

    Parameters
    ----------
    T : ndarray of shape (n, n_outputs)
    weights : ndarray of shape (n,) or None
    loss : str or ebp.losses object

    Examples
    --------
    >>> constant_loss(np.array([[-1.0], [1.0]]), None, "squared_error")
    0.5
    """
    mean = np.average(T, axis=0, weights=weights)
    if loss == "squared_error":
        return float(np.average(((T - mean) ** 2).sum(axis=1), weights=weights) / 2)
    if loss == "hinge":
        return float((1 - np.abs(mean)).sum())
    if loss_name(loss) == "map":
        return math.inf
    if loss_name(loss) in ("absolute_error", "huber"):
        errors = np.abs(T - mean)
        if loss_name(loss) == "huber":
            delta = loss_options(loss).get("delta", 1.0)
            errors = np.where(errors > delta, delta * (errors - delta / 2), errors**2 / 2)
        return float(np.average(errors.sum(axis=1), weights=weights))
    entropy = -xlogy(mean, mean)
    if loss == "binary_cross_entropy":
        entropy -= xlogy(1 - mean, 1 - mean)
    return float(entropy.sum())


def round_significand(values: np.ndarray, bits: int = 40) -> np.ndarray:
    """Round to `bits` significant bits.

    Statistics of the same data, summed in another order or given as weights instead of repeated rows, differ
    in the last bits. Rounding them away keeps training bit for bit the same.
    """
    fraction, exponent = np.frexp(np.asarray(values, np.float64))
    return np.ldexp(np.round(np.ldexp(fraction, bits)), exponent - bits)
