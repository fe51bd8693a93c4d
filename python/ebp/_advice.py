"""The recipe of section 10, step by step, held against a data set and an estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._batch import suits_lm
from ._options import ONLINE_SOLVERS
from ._targets import asymptotes

# Where advice begins. The paper's "a few hundred" samples are LARGE; the others are rules of thumb.
LARGE = 500
LARGEST_MEAN = 0.5
STD_RATIO = 10.0
FEW_SMALL = 0.5  # part of the columns below a tenth of the largest: at the margin of images, say
CONDITION = 100.0
ASYMPTOTE = 0.9  # targets beyond this part of the way from the middle of a sigmoid to its limit
TOTAL_INPUT_STD = (0.3, 2.0)
SATURATION = 0.2
SATURATION_FITTED = 0.5  # trained units may well be decided
SPREAD = 10.0
RUN = 0.9  # neighbours of the same class

Step = tuple[bool, str]  # whether all is well, and what there is or what to do


def recipe(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> list[dict[str, Any]]:
    """All steps in the paper's order: dicts with "step", "section", "ok" and "text".

    Parameters
    ----------
    estimator : fitted or prepared estimator
    T : ndarray of shape (n, n_outputs)
        Coded targets.
    report : dict
        What was measured: the keys "task", "data", "inputs", "hessian", "layers".
    """
    steps: list[tuple[str, str, Callable[..., Step]]] = [
        ("shuffle", "4.2", _shuffle),
        ("columns", "4.3", _columns),
        ("centre", "4.3", _centre),
        ("scale", "4.3", _scale),
        ("decorrelate", "4.3", _decorrelate),
        ("sigmoid", "4.4", _sigmoid),
        ("targets", "4.5", _targets),
        ("weights", "4.6", _weights),
        ("rates", "4.7", _rates),
        ("method", "10", _method),
    ]
    lines = []
    for name, section, check in steps:
        ok, text = check(estimator, T, report)
        lines.append({"step": name, "section": section, "ok": ok, "text": text})
    return lines


def _shuffle(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    alike = report["data"]["same_class_neighbours"]
    runs = "" if alike is None else f"; in {alike:.0%} of cases the next row has the same class"
    if estimator.sampling != "sequential":
        return True, f"every epoch presents the samples in a new order{runs}"
    if alike is not None and alike < RUN:
        return True, f"rows are presented as they stand{runs}"
    return False, f"rows are presented as they stand{runs}: set sampling='auto'"


def _columns(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    constant, dependent = report["inputs"]["n_constant"], report["inputs"]["n_dependent"]
    if dependent:
        found = f"{dependent} linear combinations of others, which give flat directions"
        return False, f"{found}: leave them out, or set normalize='decorrelate'"
    if constant and estimator.normalizer_ is None:
        return False, f"{constant} constant, which are further biases: leave them out"
    constants = f"{constant} constant, set to 0" if constant else "none constant"
    return True, f"{constants}; none a linear combination of others"


def _centre(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    inputs = report["inputs"]["normalised"]
    mean = inputs["largest_mean_over_std"]
    if mean <= LARGEST_MEAN:
        return True, f"means are at most {mean:.2g} standard deviations"
    growth = inputs["lambda_max_with_bias"] / max(inputs["lambda_max_covariance"], np.finfo(float).tiny)
    found = f"a mean is {mean:.3g} standard deviations; means raise the largest eigenvalue {growth:.2g}-fold"
    if _method_name(estimator) == "global":
        return growth < 2, f"{found}: compare with normalize='standard'"
    return False, f"{found}: set normalize='standard'"


def _scale(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    inputs = report["inputs"]["normalised"]
    found = f"standard deviations of the columns differ by a factor of {inputs['std_ratio']:.3g}"
    if inputs["std_ratio"] <= STD_RATIO:
        return True, found
    if _method_name(estimator) == "global" and inputs["share_small"] < FEW_SMALL:
        return True, f"{found}; columns that share a unit, as pixels do, keep it"
    return False, f"{found}: set normalize='standard'"


def _decorrelate(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    condition = report["inputs"]["normalised"]["condition_covariance"]
    found = f"condition number of the covariance {condition:.3g}"
    if condition <= CONDITION:
        return True, found
    n_samples, n_features = report["data"]["n_samples"], report["data"]["n_features"]
    if n_samples <= n_features:
        return False, f"{found}: collect more than {n_features} samples, or drop columns, to decorrelate"
    return False, f"{found}: try normalize='decorrelate', for columns that are no pixels"


def _sigmoid(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    hidden = [layer["activation"] for layer in report["layers"][:-1] if layer["activation"] is not None]
    if "logistic" in hidden:
        return False, "logistic units have positive means, which slow the layer above: use 'scaled_tanh'"
    stuck = sum(layer["n_stuck"] or 0 for layer in report["layers"])
    if stuck:
        return False, f"{stuck} units are flat for every sample and learn nothing: lower rates or weights"
    return True, ", ".join(dict.fromkeys(hidden)) or "no hidden units"


def _targets(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    activation = report["layers"][-1]["activation"]
    low, high = float(T.min()), float(T.max())
    found = f"from {low:.3g} to {high:.3g} for outputs of {activation}"
    limits = asymptotes(activation, getattr(estimator.network_.layers[-1], "twist", 0.0))
    if limits is None:
        return True, found
    middle, half = sum(limits) / 2, (limits[1] - limits[0]) / 2
    if max(high - middle, middle - low) <= ASYMPTOTE * half:
        return True, found
    return False, f"{found}, at or beyond their limits: weights grow without bound; set targets='auto'"


def _weights(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    limit = SATURATION_FITTED if report["fitted"] else SATURATION
    saturated = [layer for layer in report["layers"] if (layer["saturated"] or 0) > limit]
    saturated = [layer for layer in saturated if layer["activation"] != "relu"]
    if saturated:
        worst = max(saturated, key=lambda layer: layer["saturated"])
        cause = "smaller rates or targets, or alpha > 0" if report["fitted"] else "weight_init='lecun'"
        return False, f"layer {worst['layer']} is flat in {worst['saturated']:.0%} of cases: try {cause}"
    spreads = [layer["total_input_std"] for layer in report["layers"] if layer["total_input_std"] is not None]
    text = f"total inputs have standard deviations {', '.join(f'{one:.2g}' for one in spreads)}"
    low, high = TOTAL_INPUT_STD
    if not report["fitted"] and spreads and not low <= spreads[0] <= high:
        return False, f"{text}; the first should be near 1: normalise the inputs, weight_init='lecun'"
    return True, text


def _rates(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    rate, largest = estimator.learning_rate_init, report["hessian"]["eta_max"]
    given = not isinstance(rate, str) and estimator.solver_ in ("sgd", "gd")
    if given and largest is not None and rate / (1 - estimator.momentum) > largest:
        return False, f"rate {rate:.3g} is beyond 2/lambda_max = {largest:.3g}: set learning_rate_init='auto'"
    spread = report["curvature_spread"]
    text = "" if spread is None else f"mean curvatures of the layers differ by a factor of {spread:.3g}"
    if spread is not None and spread > SPREAD and estimator.solver_ == "sgd":
        return False, f"{text}: set solver='sdlm', which has a rate for every weight"
    solver = f"{estimator.solver_}, rate {rate if isinstance(rate, str) else format(rate, '.3g')}"
    return True, f"{solver}; {text}" if text else solver


def _method(estimator: Any, T: np.ndarray, report: dict[str, Any]) -> Step:
    n_samples, n_parameters = report["data"]["n_samples"], report["hessian"]["n_parameters"]
    online = estimator.solver_ in ONLINE_SOLVERS
    if report["task"] == "classification" and n_samples > LARGE:
        text = f"{n_samples:,} samples and classes: online learning, 'sdlm' or a tuned 'sgd'"
        return online, text if online else f"{text}, rather than {estimator.solver_!r}"
    reason = f"only {n_samples:,} samples" if n_samples <= LARGE else "regression"
    least_squares = estimator.network_.loss_function == "squared_error"
    if least_squares and suits_lm(estimator.network_, n_samples):
        batch = "Levenberg-Marquardt on all samples, solver='lm',"
    else:
        batch = "conjugate gradient on all samples, solver='cg' or 'lbfgs',"
    text = f"{reason}, {n_parameters:,} parameters: {batch}"
    return not online, f"{text} may reach lower losses" if online else text.rstrip(",")


def same_class_neighbours(y: np.ndarray) -> float | None:
    """Share of rows followed by a row of the same class, or of the same labels of an indicator matrix."""
    same = y[1:] == y[:-1]
    return float(np.mean(same if y.ndim == 1 else same.all(axis=1))) if len(y) > 1 else None


def lines(steps: list[dict[str, Any]]) -> Iterator[str]:
    """The steps as text; those that ask for something are marked."""
    for one in steps:
        yield f"{'  ' if one['ok'] else '! '}{one['step']:<12} {one['section']:<4} {one['text']}"


def _method_name(estimator: Any) -> str | None:
    return None if estimator.normalizer_ is None else estimator.normalizer_.method_
