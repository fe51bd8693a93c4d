"""Batch solvers of the estimators: when "auto" takes one, and their iterations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from scipy.sparse import issparse
from sklearn.base import is_regressor
from tqdm import tqdm

from ._fit import LEAST_SQUARES, check_matrices, fit
from ._inputs import is_large, normalized
from ._options import BATCH_SOLVERS, ONLINE_SOLVERS, SEARCHES
from ._training import Course, TrainingData, pace
from .losses import loss_name
from .network import Network

# When "auto" prefers "lm" to "sdlm" (section 10: second-order methods for regression and small sets). With 20
# iterations each, R^2 on new samples of Friedman's first function and of smooth ones was higher with lm by
# 0.01 to 0.13, and once lower by 0.04, where there were at least five targets for each parameter. With fewer,
# lm may fit the noise (diabetes, 265 samples, 61 parameters: 0.21 instead of 0.39). Beyond 500 parameters, or
# 2e9 operations for J'J, n_samples n_outputs n_parameters^2, an iteration takes longer than many epochs.
TARGETS_PER_PARAMETER = 5
FEW_PARAMETERS = 500
FEW_OPERATIONS = 2e9


def chosen_solver(estimator: Any, network: Network, data: TrainingData) -> str:
    """The solver that `solver` stands for, checked against the network."""
    owner = type(estimator).__name__
    if issparse(data.X) and estimator.solver in BATCH_SOLVERS:
        names = ", ".join(map(repr, ("auto", *ONLINE_SOLVERS)))
        raise ValueError(
            f"[{owner}] solver must be one of {names} for sparse X, since the others hold all samples as a "
            f"dense array; got {estimator.solver!r}"
        )
    if estimator.solver == "auto":
        regression = is_regressor(estimator) and network.loss_function == "squared_error"
        regression = regression and not is_large(data.X)
        solver = "lm" if regression and suits_lm(network, len(data.rows)) else "sdlm"
        if estimator.verbose:
            tqdm.write(f"[{owner}] solver {solver}")
        return solver
    solver = str(estimator.solver)
    if solver in LEAST_SQUARES and network.loss_function != "squared_error":
        raise ValueError(
            f"[{owner}] loss must be 'squared_error' with solver={solver!r}; "
            f"got {loss_name(network.loss_function)!r}"
        )
    if solver in SEARCHES:
        check_matrices(owner, network.n_parameters, solver, "auto")
    return solver


def suits_lm(network: Network, n_samples: int) -> bool:
    """Whether Levenberg-Marquardt is the better choice for a regression with the squared error.

    Examples
    --------
    >>> from ebp.layers import Dense
    >>> net = Network([Dense(10), Dense(1, "identity")], 5)
    >>> net.n_parameters, suits_lm(net, 100), suits_lm(net, 1000), suits_lm(net, 1_000_000)
    (71, False, True, False)
    """
    p, n_targets = network.n_parameters, n_samples * network.n_outputs
    enough = n_targets >= TARGETS_PER_PARAMETER * p
    return enough and p <= FEW_PARAMETERS and n_targets * p**2 <= FEW_OPERATIONS


@dataclass
class Search:
    """One training of a network by `ebp.optimize.fit`.

    Parameters
    ----------
    estimator : estimator
        Gives the options.
    network, data : Network, TrainingData
    """

    estimator: Any
    network: Network
    data: TrainingData

    def train(self, course: Course) -> None:
        """Run up to `max_iter` iterations, each of which counts as an epoch."""
        options, n_samples = self.estimator, len(self.data.rows)
        started = time.perf_counter()

        def iteration(intermediate_result: OptimizeResult) -> bool:
            nonlocal started
            logs = {"loss": float(intermediate_result.fun), **pace(started, n_samples)}
            if options.alpha:  # the loss is without the penalty, as the other solvers have it
                logs |= {"objective": logs["loss"], "loss": self.network.loss(Z, T, weights)}
            ends = course.epoch_done(logs, n_samples)
            started = time.perf_counter()
            return ends

        Z, T, weights = self._rows()
        result = fit(
            self.network,
            Z,
            T,
            options.solver_,
            max_iter=options.max_iter,
            callback=iteration,
            weight_decay=options.alpha,
            sample_weight=weights,
            n_threads=options.n_threads,
        )
        if result.success:
            course.history.status = "converged"
        elif result.stop not in ("max_iter", "callback"):
            course.history.status = "gave up"

    def _rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Rows and targets, each once, and the weights that its presentations add up to, or None."""
        data, dtype = self.data, self.network.dtype
        weights = np.bincount(data.rows, minlength=len(data.T)).astype(np.float64)
        if data.weights is not None:
            weights *= data.weights
        X, T = data.X, data.T
        if not weights.all():
            X, T, weights = X[weights > 0], T[weights > 0], weights[weights > 0]
        if data.transform is not None:
            X = normalized(X, data.transform, dtype, type(self.estimator).__name__)
        return X, T, None if (weights == 1).all() else weights
