"""The online solvers of the estimators: the rule that each stands for, and the rate that it starts with."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core, rules
from ._inputs import normalized
from ._options import BATCH_SOLVERS, ONLINE_SOLVERS
from ._rates import automatic_sdlm_rate, automatic_step, layer_widths, measure_eigenvalue
from .network import Network

# Of 1/lambda_max, since single samples bend more than their mean; "gd", which averages, takes all of it.
SGD_FRACTION = 0.5
FLATTEST = 1e-3  # lambda_max that is counted at least
# A stream that begins with fewer tells too little of its inputs, whose normalisation has only begun. SDLM
# then lets its curvature run along, sample by sample; what bends the loss of a single sample at most is
# estimated, by one for every weight of a unit, as if all inputs, hidden states and slopes had the size 1.
FEW_ROWS = 100
MEAN_GRADIENT_ROWS = 1000
# Have a rate for each unit, or can have.
BLOCKED = ("sdlm", "sgd", "gd")
# Have momentum of their own, or steps that momentum would make meaningless.
WITHOUT_MOMENTUM = ("adam", "rprop")
RULES: dict[str, Any] = {
    "sdlm": rules.SDLM,
    "sgd": rules.SGD,
    "gd": rules.SGD,
    "murata": rules.Murata,
    "adagrad": rules.AdaGrad,
    "rmsprop": rules.RMSProp,
    "adam": rules.Adam,
    "rprop": rules.Rprop,
}


def learns_from_parts(estimator: Any) -> bool:
    """Whether the solver can learn from parts of the samples; else AttributeError, as scikit-learn asks."""
    if estimator.solver in BATCH_SOLVERS:
        names = ", ".join(map(repr, ("auto", *ONLINE_SOLVERS)))
        raise AttributeError(
            f"[{type(estimator).__name__}.partial_fit] solver must be one of {names}, which learn from a "
            f"part of the samples; got {estimator.solver!r}"
        )
    return True


def stream_solver(estimator: Any) -> str:
    """The solver of `partial_fit`."""
    return "sdlm" if estimator.solver == "auto" else str(estimator.solver)


def start_rate(
    solver: str, network: Network, data: Any, n_updates: int | None, momentum: float
) -> tuple[float, float | None]:
    """The automatic first rate, and the largest eigenvalue if it was measured.

    `n_updates` is the length of the training, None for a stream.
    """
    eigenvalue = None
    if solver == "sdlm":
        rate = automatic_sdlm_rate(network, n_updates)
    elif solver in ("sgd", "gd", "murata"):
        if n_updates is None and len(data.rows) < FEW_ROWS:
            bend = float(sum(layer_widths(network)))
        else:
            bend = eigenvalue = measure_eigenvalue(network, data)
        rate = (1.0 if solver == "gd" else SGD_FRACTION) / max(bend, FLATTEST)
    else:
        rate = automatic_step(solver, network, n_updates)
    # heavy-ball momentum multiplies the effective rate by 1 / (1 - momentum)
    return (rate if solver in WITHOUT_MOMENTUM else rate * (1 - momentum)), eigenvalue


def new_rule(
    solver: str,
    rate: float,
    network: Network,
    data: Any,
    *,
    momentum: float,
    weight_decay: float,
    schedule: Any,
    center_hidden: bool,
    refresh: str,
    engine: str,
) -> Any:
    """A rule of this rate for the network as it stands.

    `refresh` is that of SDLM, which has one rate a unit for the `engine` "blocked".
    """
    options: dict[str, Any] = {
        "weight_decay": weight_decay,
        "schedule": schedule,
        "center_hidden": center_hidden,
    }
    if solver not in WITHOUT_MOMENTUM:
        options["momentum"] = momentum
    if solver == "sdlm":
        options |= {"refresh": refresh, "granularity": "unit" if engine == "blocked" else "weight"}
    elif solver == "murata":
        # within what a float can hold: where the gradient is not finite, the first sample will tell
        options["beta"] = float(np.clip(rate / mean_gradient_length(network, data), 1e-300, 1e300))
    return RULES[solver](rate, **options)


def check_engine(owner: str, engine: str, solver: str, network: Network) -> None:
    """Raise ValueError if the engine is "blocked" and cannot be."""
    if engine != "blocked":
        return
    if solver not in BLOCKED:
        names = ", ".join(repr(name) for name in BLOCKED)
        raise ValueError(f"[{owner}] solver must be one of {names} with engine='blocked'; got {solver!r}")
    rules.SGD(1.0)._bind(network).engine(engine)


def mean_gradient_length(network: Network, data: Any) -> float:
    """Length of the mean gradient on up to 1,000 presentations of a `TrainingData`; 1 for 0 or no number.

    An update takes a sample's gradient times its weight, so that it is not the weighted mean that counts.
    """
    rows = data.spread(MEAN_GRADIENT_ROWS)
    weights = None if data.weights is None else data.weights[rows].astype(network.dtype)
    Z = normalized(data.X[rows], data.transform, network.dtype)
    summed = _core.loss_and_gradient(network._core, Z, data.T[rows], weights, 1)[1]
    length = float(np.linalg.norm(summed.astype(np.float64))) / len(rows)
    return length if np.isfinite(length) and length > 0 else 1.0
