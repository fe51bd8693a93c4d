"""Batch training of a network by the optimisers of the core, without Python in the loop. Section 6."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ebp import _core
from ebp._arrays import as_rows, checked_mean_weights, is_dask
from ebp._checks import check_choice, check_number
from ebp._optimize_inputs import (
    LINE_SEARCH_OPTIONS,
    UNUSED_OPTIONS,
    check_callable,
    check_memory,
    check_settings,
    chosen_settings,
    stopper_of,
)
from ebp.losses import loss_name
from ebp.network import Network

LEAST_SQUARES = ("lm", "gauss_newton")
METHODS = (*LEAST_SQUARES, "newton", "cg", "bfgs", "lbfgs")
# Up to so many parameters a factorisation is fast enough to be preferred to products; that of a matrix which
# is not positive definite, by eigenvalues, takes much longer.
MOST_FACTORISED = {"lm": 1000, "gauss_newton": 300, "newton": 300}
# The first damping where every system takes many products, too many for a search of a trust region's damping.
PRODUCTS_DAMPING = 1.0
_WITHOUT_SQUARES = "method='lbfgs' or 'cg', or 'newton' with the option solver='cg'"
_MATRIX_FREE = "method='lbfgs' or 'cg', or for 'newton', 'lm' and 'gauss_newton' the option solver='cg'"


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
    """Train a network on all samples at once, natively.

    Minimises E(θ) = Σ wᵢ Eᵢ(θ) / Σ wᵢ + ½ λ |weights|², where Eᵢ is the loss of sample i, wᵢ its weight and λ
    the weight decay, which does not pull biases, nor centres, widths and codes of radial units. The methods
    are those of `least_squares` ("lm" with D = I, (47), and "gauss_newton") and of `minimize` (the others),
    with all derivatives by backpropagation: gradients (4)-(6), products with the Hessian by the R-operator
    (section 7.5), and JᵀJ added up sample by sample, so that memory does not grow with their number.

    The optimisers work in double precision, the passes in the network's. In float32, values that differ by
    rounding only count as equal.

    Parameters
    ----------
    net : Network
        Starts from its parameters and ends at the best ones, also if an exception or Ctrl-C ends the fit.
        Other threads may use it meanwhile: its parameters change at callbacks and at the end only.
    X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
        A C-contiguous array of the network's dtype is used without a copy. Dask arrays, `X` and `T`, are
        fitted where they are: see `ebp.distributed.fit`.
    T : array-like of shape (n, n_outputs), or (n,) for one output
        Targets.
    method : {"lm", "gauss_newton", "newton", "cg", "bfgs", "lbfgs"}
        "lm" and "gauss_newton" need the loss "squared_error".
    tol : float
        Default of the option `gradient_tolerance`; for "lm" and "gauss_newton" of all three tolerances.
    max_iter : int
        Most iterations.
    callback : callable, optional
        As for `minimize`; while it runs, `net` has the parameters of the iteration.
    weight_decay : float
        λ.
    sample_weight : array-like of shape (n,), optional
        A weight of 2 counts like a sample given twice.
    n_threads : int
        Threads that share the samples; the result depends on it by rounding only.
    options : dict, optional
        The tolerances, and for the methods that have them `c1`, `c2`, `max_line_search`, `beta`, `memory` and
        `initial_scaling`, as for `minimize` and `least_squares`; the default of `decrease_tolerance` is not
        below the precision of the network's dtype.

        - `solver`: for "newton" "cholesky" (of the whole Hessian) or "cg" (with products), for "lm" and
          "gauss_newton" "cholesky" (of JᵀJ) or "cg" (with products Jv and Jᵀu); for all three "auto",
          "cholesky" up to 300 parameters, for "lm" up to 1000. Over dask arrays, "lm" and "gauss_newton"
          have "cholesky" only, whatever the number of parameters.
        - `damping`: the first μ of "lm" in units of the mean diagonal element of JᵀJ, to be controlled by
          Nielsen's rule. None, the default, chooses every μ so that the step stays within a trust region
          (1 with solver "cg").

    Returns
    -------
    scipy.optimize.OptimizeResult
        x, the parameters, (n_parameters,), float64; fun, E; jac, its gradient; nit, nfev, njev, nhev
        (Hessians or products); success, message, stop and status as for `minimize`. For "bfgs" also hess_inv.

    Raises
    ------
    ValueError, TypeError
        For arguments of the wrong kind, shape or range, and where E or its gradient is not finite at the
        start.
    MemoryError
        If the matrices of the method would not fit into memory.

    Notes
    -----
    What a callback raises passes through. Ctrl-C takes effect within some hundredths of a second, but for
    the factorisation of a matrix of several thousand parameters, which is not interrupted.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(200, 1))
    >>> T = np.sin(3 * X)
    >>> layers = [ebp.layers.Dense(5), ebp.layers.Dense(1, "identity")]
    >>> net = ebp.Network(layers, 1, dtype="float64", random_state=0)
    >>> result = ebp.optimize.fit(net, X, T)
    >>> bool(result.fun < 1e-5), bool(result.fun == net.loss(X, T))
    (True, True)
    """
    if is_dask(X):
        from ebp import distributed

        return distributed.fit(
            net,
            X,
            T,
            method,
            tol=tol,
            max_iter=max_iter,
            callback=callback,
            weight_decay=weight_decay,
            sample_weight=sample_weight,
            n_threads=n_threads,
            options=options,
        )
    settings = checked_settings(net, method, tol, max_iter, callback, weight_decay, n_threads, options)
    data = _data(net, X, T, sample_weight)
    search: Any = _core.fit_least_squares if method in LEAST_SQUARES else _core.fit_minimize
    theta = net.parameters.copy()
    try:
        summary = search(
            net._core,
            theta,
            *data,
            method=method,
            callback=shown(net, stopper_of(callback, "fit")),
            weight_decay=float(weight_decay),
            n_threads=min(int(n_threads), len(data[0])),
            max_iter=int(max_iter),
            **settings,
        )
    finally:
        net.parameters[:] = theta
    return finished(summary, net)


def finished(summary: dict[str, Any], net: Network) -> OptimizeResult:
    """The result of a search that has left its best point in the network."""
    result = OptimizeResult(summary, x=net.parameters.astype(np.float64))
    if result.stop == "non_finite" and not result.nit:
        what = "gradient" if np.isfinite(result.fun) else "loss"
        raise ValueError(f"[fit] the {what} at the start must be finite; got {result.fun}")
    return result


def checked_settings(
    net: Any,
    method: Any,
    tol: Any,
    max_iter: Any,
    callback: Any,
    weight_decay: Any,
    n_threads: Any,
    options: Any,
    factorised: bool = False,
) -> dict[str, Any]:
    """The options of the method with their defaults; all arguments but the data are checked.

    `factorised` says that sums of squares are to be had with JᵀJ only.
    """
    check_choice("fit", "method", method, METHODS)
    if not isinstance(net, Network):
        raise TypeError(f"[fit] net must be an ebp.Network; got {net!r}")
    if not net.n_parameters:
        raise ValueError(f"[fit] net must have parameters; got none in {net!r}")
    if method in LEAST_SQUARES and net.loss_function != "squared_error":
        raise ValueError(
            f"[fit] method={method!r} needs a network with loss='squared_error', "
            f"use 'newton', 'cg', 'bfgs' or 'lbfgs'; got loss={loss_name(net.loss_function)!r}"
        )
    if callback is not None:
        check_callable("fit", "callback", callback)
    check_number("fit", "weight_decay", weight_decay, 0)
    check_number("fit", "n_threads", n_threads, 1, integer=True)
    return _settings(net, method, tol, max_iter, options, factorised and method in LEAST_SQUARES)


def _settings(
    net: Network, method: str, tol: Any, max_iter: Any, options: Any, factorised: bool
) -> dict[str, Any]:
    eps = float(np.finfo(net.dtype).eps)
    if method in LEAST_SQUARES:
        check_number("fit", "tol", tol, 0)
        defaults: dict[str, Any] = {
            "step_tolerance": tol,
            "decrease_tolerance": max(eps, tol),
            "solver": "auto",
        }
        if method == "lm":
            defaults["damping"] = None
        hidden: dict[str, Any] = {"damping": None, "smallest_eigenvalue": 45 * eps}
    else:
        defaults = {**LINE_SEARCH_OPTIONS[method], "decrease_tolerance": eps}
        if method == "newton":
            defaults["solver"] = "auto"
        hidden = {**UNUSED_OPTIONS, "solver": "cg"}
    settings = {**hidden, **chosen_settings("fit", method, defaults, options)}
    settings.setdefault("gradient_tolerance", tol)
    if "solver" in defaults:
        check_choice("fit", "solver", settings["solver"], ("auto", "cholesky", "cg"))
    if factorised and settings["solver"] == "cg":
        raise ValueError(
            f"[fit] solver must be 'auto' or 'cholesky' for method={method!r} over dask arrays, where JᵀJ is "
            f"added up ({_WITHOUT_SQUARES} does without); got 'cg'"
        )
    check_settings("fit", tol, max_iter, settings)
    if factorised:
        settings["solver"] = "cholesky"
        check_memory("fit", method, 5 * net.n_parameters**2, _WITHOUT_SQUARES)
    else:
        settings["solver"] = check_matrices("fit", net.n_parameters, method, settings["solver"])
    if method == "lm" and settings["damping"] is None and settings["solver"] == "cg":
        settings["damping"] = PRODUCTS_DAMPING
    return settings


def check_matrices(owner: str, n_parameters: int, method: str, solver: str) -> str:
    """The `solver` that "auto" stands for; MemoryError if the matrices would not fit into memory."""
    if solver == "auto":
        solver = "cholesky" if n_parameters <= MOST_FACTORISED.get(method, 0) else "cg"
    if method == "bfgs" or (method not in ("cg", "lbfgs") and solver == "cholesky"):
        check_memory(owner, method, 5 * n_parameters**2, _MATRIX_FREE)
    return solver


def _data(
    net: Network, X: Any, T: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Rows, targets, and weights or None, as the core takes them."""
    rows, targets = net._inputs(X, "fit"), as_rows(T, net.n_outputs, net.dtype, "fit", "T")
    if not len(rows):
        raise ValueError("[fit] X must have at least one row; got 0")
    if len(targets) != len(rows):
        raise ValueError(f"[fit] T must have as many rows as X, {len(rows)}; got {len(targets)}")
    if sample_weight is None:
        return rows, targets, None
    return rows, targets, checked_mean_weights(sample_weight, len(rows), net.dtype, "fit")


def shown(net: Network, stopper: Callable[..., bool] | None) -> Callable[..., bool] | None:
    """`stopper`, called when `net` has the parameters of the iteration."""
    if stopper is None:
        return None

    def show(iteration: int, x: np.ndarray, value: float, gradient: np.ndarray) -> bool:
        net.parameters[:] = x
        return stopper(iteration, net.parameters.astype(np.float64), value, gradient)

    return show
