"""Batch training of a network on dask arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ebp import _core
from ebp._fit import LEAST_SQUARES, checked_settings, finished, shown
from ebp._optimize_inputs import stopper_of
from ebp.distributed._objective import Objective
from ebp.distributed._partitions import Partitions
from ebp.network import Network

# Rounding of a mean loss, in units of the type's precision, as for fits on one machine.
_ROUNDINGS = 45


def fit(
    net: Network,
    X: Any,
    T: Any,
    method: str = "lm",
    *,
    tol: float = 1e-8,
    max_iter: int = 1000,
    callback: Callable[..., Any] | None = None,
    weight_decay: float = 0.0,
    sample_weight: Any = None,
    n_threads: int = 1,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResult:
    """Train a network on all samples of dask arrays at once: `ebp.optimize.fit` over partitions.

    Losses, gradients, products with the Hessian and JᵀJ are computed where the partitions are, and added up;
    the steps are computed here, by the same optimisers. At every evaluation θ is sent to each partition and a
    sum back, (n_parameters,), or with "lm" and "gauss_newton" (n_parameters, n_parameters).

    With a `dask.distributed` client the partitions are kept in the workers' memory during the fit; if a
    worker dies, dask makes its partitions again elsewhere, and the fit goes on. Without, dask's threads work.

    Parameters
    ----------
    net : Network
        Starts from its parameters and ends at the best ones, also if an exception or Ctrl-C ends the fit.
    X : dask array of shape (n, n_inputs) or (n, \\*input_shape)
    T : dask array of shape (n, n_outputs), or (n,) for one output
        Targets.
    method : {"lm", "gauss_newton", "newton", "cg", "bfgs", "lbfgs"}
        "lm" and "gauss_newton" need the loss "squared_error".
    tol, max_iter, callback, weight_decay, options
        As for `ebp.optimize.fit`; but "lm" and "gauss_newton" have no `solver` "cg", and "auto" stands for
        "cholesky": they factorise JᵀJ whatever its size.
    sample_weight : dask array of shape (n,), optional
        A weight of 2 counts like a sample given twice.
    n_threads : int, default=1
        Threads of each task. One task works on one partition, so that usually the workers' threads do.

    Returns
    -------
    scipy.optimize.OptimizeResult
        As of `ebp.optimize.fit` where that takes the same solver, to rounding: sums are taken in another
        order. For larger networks, of more than 1000 parameters with "lm" and 300 with "gauss_newton", it
        takes "cg" unless told otherwise; steps and results then differ, and are comparable with its
        ``options={"solver": "cholesky"}``.

    Raises
    ------
    ImportError
        Without dask, which the extra "distributed" brings.
    TypeError, ValueError, MemoryError
        As `ebp.optimize.fit` does, and for arrays that are not dask's.

    Examples
    --------
    >>> import dask.array as da, ebp, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(200, 1))
    >>> layers = [ebp.layers.Dense(5), ebp.layers.Dense(1, "identity")]
    >>> net = ebp.Network(layers, 1, dtype="float64", random_state=0)
    >>> parts = da.from_array(X, chunks=(50, 1)), da.from_array(np.sin(3 * X), chunks=(50, 1))
    >>> result = ebp.distributed.fit(net, *parts)
    >>> bool(result.fun < 1e-5)
    True
    """
    settings = checked_settings(net, method, tol, max_iter, callback, weight_decay, n_threads, options, True)
    partitions = Partitions("fit", net, X, T, sample_weight, n_threads)
    function = Objective(partitions, float(weight_decay))
    watched = shown(net, stopper_of(callback, "fit"))
    search = _search_squares if method in LEAST_SQUARES else _search
    try:
        summary = search(function, method, watched, int(max_iter), settings)
    except BaseException:
        net.parameters[:] = function.best
        raise
    net.parameters[:] = summary["x"]
    return finished(summary, net)


def _search(
    function: Objective, method: str, callback: Any, max_iter: int, settings: dict[str, Any]
) -> dict[str, Any]:
    dense = settings.pop("solver") == "cholesky"
    eps = float(np.finfo(function.dtype).eps)
    return _core.minimize(
        function,
        function.start,
        method=method,
        hess=function.hessian if dense else None,
        hessp=None if dense else function.hessian_product,
        callback=callback,
        max_iter=max_iter,
        rounding=_ROUNDINGS * eps,
        **settings,
    )


def _search_squares(
    function: Objective, method: str, callback: Any, max_iter: int, settings: dict[str, Any]
) -> dict[str, Any]:
    settings.pop("solver")
    return _core.fit_summed_squares(
        function.start,
        function.n_parts,
        function.norms,
        function.linearize,
        total_weight=function.total_weight,
        method=method,
        callback=callback,
        max_iter=max_iter,
        **settings,
    )
