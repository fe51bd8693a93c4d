"""Checks of the estimators' parameters, so that a wrong value is named before any work is done.

Every message reads `[Estimator] rule; got value`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from ._checks import check_choice, check_number
from ._initialization import SCHEMES as WEIGHT_INITS
from .layers import ACTIVATIONS
from .losses import loss_name
from .normalizer import METHODS as NORMALIZERS
from .normalizer import InputNormalizer
from .sampling import Emphasize
from .schedules import GrowingBatch, Plateau, Schedule

# The solvers of `ebp.optimize.fit`; "gd" is the online solver "sgd" with all samples in one update.
SEARCHES = ("cg", "bfgs", "lbfgs", "newton", "gauss_newton", "lm")
BATCH_SOLVERS = ("gd", *SEARCHES)
ONLINE_SOLVERS = ("sdlm", "sgd", "murata", "adagrad", "rmsprop", "adam", "rprop")
SOLVERS = ("auto", *ONLINE_SOLVERS, *BATCH_SOLVERS)
LEARNING_RATES = ("auto", "constant", "invscaling", "adaptive")
# Targets of the wrong and the right class that a loss is made for.
FIXED_TARGETS = {
    "cross_entropy": (0.0, 1.0),
    "binary_cross_entropy": (0.0, 1.0),
    "hinge": (-1.0, 1.0),
    "map": (0.0, 1.0),
}
TARGETS = ("auto", "asymptotes")  # or a pair
ENGINES = ("auto", "streaming", "blocked")


def layer_sizes(owner: str, sizes: Any) -> tuple[int, ...]:
    """`hidden_layer_sizes` as a tuple of positive integers; an integer means one hidden layer."""
    values = (sizes,) if isinstance(sizes, Integral) else sizes
    whole = isinstance(values, (tuple, list, np.ndarray)) and all(
        isinstance(size, Integral) and not isinstance(size, bool) and int(size) >= 1 for size in values
    )
    if not whole:
        raise ValueError(
            f"[{owner}] hidden_layer_sizes must be a positive integer or a sequence of them; got {sizes!r}"
        )
    return tuple(int(size) for size in values)


def generator_of(random_state: Any) -> np.random.Generator:
    """The Generator that `random_state` is, or a new one seeded by it."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))


def checked_targets(owner: str, targets: Any) -> str | tuple[float, float]:
    """`targets` as "auto", "asymptotes" or (low, high)."""
    if isinstance(targets, str) and targets in TARGETS:
        return str(targets)
    if isinstance(targets, (tuple, list, np.ndarray)) and len(targets) == 2:
        low, high = targets
        if isinstance(low, Real) and isinstance(high, Real):
            pair = float(low), float(high)
            if pair[0] < pair[1] and math.isfinite(pair[1] - pair[0]):
                return pair
    raise ValueError(
        f"[{owner}] targets must be 'auto', 'asymptotes' or a pair (low, high) with low < high; "
        f"got {targets!r}"
    )


def callback_list(owner: str, callbacks: Any) -> list[Callable[..., Any]]:
    """`callbacks` as a list; None means none, a callable means itself."""
    if callbacks is None:
        return []
    if callable(callbacks):
        return [callbacks]
    if isinstance(callbacks, (list, tuple)) and all(callable(callback) for callback in callbacks):
        return list(callbacks)
    raise ValueError(
        f"[{owner}] callbacks must be None, a callable or a list of callables; got {callbacks!r}"
    )


def check_options(estimator: Any, samplings: Sequence[str], losses: Sequence[str]) -> None:
    """Check every parameter that the estimators share.

    `samplings` and `losses` are the choices of the estimator at hand.
    """
    owner = type(estimator).__name__
    checked_targets(owner, estimator.targets)
    callback_list(owner, estimator.callbacks)
    check_choice(owner, "out_activation", estimator.out_activation, ("auto", *ACTIVATIONS))
    check_choice(owner, "loss", loss_name(estimator.loss), ("auto", *losses))
    check_choice(owner, "solver", estimator.solver, SOLVERS)
    _check_course(owner, estimator, samplings)
    check_choice(owner, "engine", estimator.engine, ENGINES)
    check_choice(owner, "dtype", dtype_name(estimator.dtype), ("float32", "float64"))
    _check_normalize(owner, estimator.normalize)
    if not isinstance(estimator.weight_init, np.ndarray):
        values = "an array of all weights and biases"
        check_choice(owner, "weight_init", estimator.weight_init, WEIGHT_INITS, values)
    if not (isinstance(estimator.learning_rate_init, str) and estimator.learning_rate_init == "auto"):
        rate = estimator.learning_rate_init
        check_number(owner, "learning_rate_init", rate, 0, open_low=True, alternative="'auto'")
    _check_numbers(owner, estimator)


def check_class_options(estimator: Any) -> None:
    """Check the parameters that only classifiers have."""
    owner, weight = type(estimator).__name__, estimator.class_weight
    if not (weight is None or isinstance(weight, dict) or (isinstance(weight, str) and weight == "balanced")):
        raise ValueError(f"[{owner}] class_weight must be None, 'balanced' or a dict; got {weight!r}")


def check_outputs(estimator: Any, loss: str, out_activation: str) -> None:
    """Check that activation and targets of the outputs suit the loss that a classifier uses."""
    owner = type(estimator).__name__
    asked = loss if estimator.loss == "auto" else estimator.loss
    if loss.endswith("cross_entropy") and out_activation != "identity":
        raise ValueError(
            f"[{owner}] out_activation must be 'auto' or 'identity' with loss={asked!r}, and an output layer "
            f"of one's own must have the activation 'identity'; got {out_activation!r}"
        )
    fixed = FIXED_TARGETS.get(loss)
    if fixed and checked_targets(owner, estimator.targets) not in ("auto", fixed):
        raise ValueError(
            f"[{owner}] targets must be 'auto' or ({fixed[0]:g}, {fixed[1]:g}) with loss={asked!r}; "
            f"got {estimator.targets!r}"
        )


def _check_course(owner: str, estimator: Any, samplings: Sequence[str]) -> None:
    """Check the parameters that may be a name or number, or an object for more."""
    if not isinstance(estimator.learning_rate, (Schedule, Plateau)):
        schedules = "an ebp.schedules object with the course of a rate"
        check_choice(owner, "learning_rate", estimator.learning_rate, LEARNING_RATES, schedules)
    if not isinstance(estimator.sampling, Emphasize):
        check_choice(owner, "sampling", estimator.sampling, samplings, "an ebp.sampling.Emphasize")
    if not isinstance(estimator.batch_size, GrowingBatch):
        alternative = "an ebp.schedules.GrowingBatch"
        check_number(owner, "batch_size", estimator.batch_size, 1, integer=True, alternative=alternative)


def _check_numbers(owner: str, estimator: Any) -> None:
    check_number(owner, "twist", estimator.twist, 0)
    check_number(owner, "momentum", estimator.momentum, 0, 1, open_high=True)
    check_number(owner, "alpha", estimator.alpha, 0)
    check_number(owner, "tol", estimator.tol, 0)
    check_number(
        owner, "validation_fraction", estimator.validation_fraction, 0, 1, open_low=True, open_high=True
    )
    for name in ("max_iter", "n_iter_no_change", "n_threads"):
        check_number(owner, name, getattr(estimator, name), 1, integer=True)
    for name in ("center_hidden", "early_stopping", "warm_start"):
        value = getattr(estimator, name)
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"[{owner}] {name} must be True or False; got {value!r}")
    if estimator.verbose not in (0, 1, 2):
        raise ValueError(f"[{owner}] verbose must be one of 0, 1, 2; got {estimator.verbose!r}")


def _check_normalize(owner: str, value: Any) -> None:
    inner = value.estimator if isinstance(value, FrozenEstimator) else value
    if not isinstance(inner, InputNormalizer):
        names = (*NORMALIZERS, None)
        if not (value is None or (isinstance(value, str) and value in names)):
            options = ", ".join(repr(name) for name in names)
            raise ValueError(
                f"[{owner}] normalize must be one of {options} or an InputNormalizer; got {value!r}"
            )


def dtype_name(dtype: Any) -> Any:
    """The name of a NumPy dtype; anything else is returned as it is, for the message."""
    if isinstance(dtype, str):
        return dtype
    try:
        return np.dtype(dtype).name if dtype is not None else None
    except TypeError:
        return dtype
