"""The largest eigenvalue of a network's Hessian, estimated while samples pass by. Section 9.2, (64)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebp import _core
from ebp._arrays import as_rows, as_vector, checked_order
from ebp._initialization import generator
from ebp.network import Network

# The leak of (64): a good estimate comes within its inverse number of presentations. From CALM on it falls
# as 1/t, which averages the fluctuations out.
LEAK = 0.1
CALM = 100
# Length of the step that the gradients' difference is taken over; any small one does in double precision.
STEP = 1e-2


def online_eigenvalue(
    network: Network,
    X: np.ndarray,
    T: np.ndarray,
    *,
    order: Any = None,
    input_transform: tuple[Any, Any] | None = None,
    sample_weight: np.ndarray | None = None,
    n_presentations: int = 1000,
    random_state: Any = 0,
) -> float:
    """Estimate λ_max by (64), in double precision whatever the network's dtype.

    The arguments are those of `Network.train_online`; `order` is repeated until there have been
    `n_presentations`, and `random_state` draws the first direction.
    """
    double = Network(
        network.layers,
        network.input_shape,
        loss=network.loss_function,
        weight_init=network.parameters,
        dtype="float64",
    )
    rows, where = np.unique(np.resize(checked_order(order, len(X)), n_presentations), return_inverse=True)
    shift, factor = double._transform(input_transform)
    psi = generator(random_state).standard_normal(network.n_parameters)
    psi /= np.linalg.norm(psi)
    weights = None
    if sample_weight is not None:
        weights = as_vector(
            sample_weight[rows], len(rows), double.dtype, "online_eigenvalue", "sample_weight"
        )
    width = network.n_inputs if shift is None else len(shift)
    norms = _core.online_eigenvalue(
        double._core,
        as_rows(X[rows], width, double.dtype, "online_eigenvalue", "X"),
        as_rows(T[rows], network.n_outputs, double.dtype, "online_eigenvalue", "T"),
        np.ascontiguousarray(where, dtype=np.intp),
        psi,
        LEAK / (1 + np.arange(n_presentations) / CALM),
        alpha=STEP,
        weights=weights,
        shift=shift,
        factor=factor,
    )
    return float(norms[-1])
