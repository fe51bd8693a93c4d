"""Batch optimisation of networks and of any function. Section 6, (40)-(47), signs corrected.

`fit` takes a network with data, `minimize` a function with its gradient, `least_squares` residuals with their
Jacobian. The last two have the shape of SciPy's functions of the same names; all return
`scipy.optimize.OptimizeResult`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ebp import _core
from ebp._checks import check_choice
from ebp._fit import fit
from ebp._optimize_inputs import (
    EPS,
    LINE_SEARCH_OPTIONS,
    UNUSED_OPTIONS,
    check_callable,
    check_memory,
    check_settings,
    checked_function,
    chosen_settings,
    residuals_and_jacobian_of,
    start_vector,
    stopper_of,
    value_and_gradient_of,
)

__all__ = ["fit", "least_squares", "minimize"]

_METHODS = ("newton", "cg", "bfgs", "lbfgs")
_LEAST_SQUARES_METHODS = ("lm", "gauss_newton")
# Up to this many parameters a factorisation is fast enough to be preferred to products.
_MOST_FACTORISED = 1000


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    *,
    jac: Any = True,
    hess: Callable[..., Any] | None = None,
    hessp: Callable[..., Any] | None = None,
    method: str = "bfgs",
    tol: float = 1e-8,
    max_iter: int = 1000,
    callback: Callable[..., Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResult:
    """Minimise a function E of n parameters along directions of descent, with a strong-Wolfe line search.

    With g the gradient and H the Hessian, a step is ``x + a d`` where

    - "newton": d = -H⁻¹ g, (40). Where H is not positive definite, its eigenvalues are replaced by their
      absolute values. With `hessp` alone the system is solved by conjugate gradient.
    - "cg": d = -g + β d_before, (41), with Polak and Ribière's β (43) or Fletcher and Reeves's (42); begins
      again with -g where β < 0, d is no descent, or, with (42), successive gradients are far from orthogonal.
    - "bfgs": d = -M g, where M estimates H⁻¹ by (44) and (45); an update that would spoil M is skipped.
    - "lbfgs": the same from the last `memory` steps, without a matrix.

    Parameters
    ----------
    fun : callable
        ``fun(x)`` with x of shape (n,) gives E, or the pair (E, gradient) if `jac` is True. Away from `x0` it
        may be infinite or NaN: the step is shortened then. What it raises is passed on.
    x0 : array-like of shape (n,)
        Where to start; E must be finite there.
    jac : True or callable
        ``jac(x)`` gives the gradient, of shape (n,).
    hess, hessp : callable, optional
        ``hess(x)`` gives the Hessian, of shape (n, n); ``hessp(x, v)`` its product with v, of shape (n,).
        Used by "newton", which needs one of them and prefers `hess`.
    method : {"bfgs", "lbfgs", "cg", "newton"}
    tol : float
        Converged when ``max|g| <= tol * max(1, sqrt(|E|))``; the option `gradient_tolerance` by another name.
    max_iter : int
        Most iterations.
    callback : callable, optional
        Called after every iteration as ``callback(x)``, or as ``callback(intermediate_result=result)`` if
        that is its parameter's name, where the result has x, fun, jac and nit. It ends the search by
        returning True or raising StopIteration.
    options : dict, optional
        - `step_tolerance`: converged when ``|step| <= step_tolerance * |x|`` in every parameter; default:
          rounding.
        - `decrease_tolerance`: when E falls by no more than ``decrease_tolerance * |E|``; default: rounding.
        - `c1`, `c2`: the line search wants ``E(x + a d) <= E + c1 a g'd`` and
          ``|g(x + a d)'d| <= c2 |g'd|``; defaults 1e-4 and 0.9, or 0.1 for "cg". With a small c2, such as
          1e-8, the search is exact on a quadratic.
        - `max_line_search`: most evaluations in one line search; default 50.
        - "cg": `beta`, "polak_ribiere" (default) or "fletcher_reeves".
        - "bfgs": `initial_scaling`, whether the first M is scaled by the first step; default True.
        - "lbfgs": `memory`, how many steps are remembered; default 10.

    Returns
    -------
    scipy.optimize.OptimizeResult
        x, the best point found, (n,); fun; jac, the gradient there; nit, nfev, njev, nhev (Hessians or
        products); success; message; stop, the reason in one word, and status, its number: "gradient" 0,
        "step" 1, "decrease" 2 (these three are success), "max_iter" 3, "non_finite" 4, "line_search" 5,
        "callback" 6, "singular" 7. For "bfgs" also hess_inv, M of shape (n, n).

    Raises
    ------
    ValueError, TypeError
        For arguments of the wrong kind, shape or range, and where E or its gradient at `x0` is not finite.
    MemoryError
        If the matrices of "newton" or "bfgs" would not fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> import ebp
    >>> A, b = np.array([[2.0, 1.0], [1.0, 4.0]]), np.array([1.0, -1.0])
    >>> result = ebp.optimize.minimize(lambda x: (x @ A @ x / 2 - b @ x, A @ x - b), [0.0, 0.0])
    >>> result.success, bool(np.allclose(result.x, np.linalg.solve(A, b)))
    (True, True)
    """
    name = "minimize"
    check_choice(name, "method", method, _METHODS)
    start = start_vector(name, x0)
    check_callable(name, "fun", fun)
    for label, function in (("hess", hess), ("hessp", hessp), ("callback", callback)):
        if function is not None:
            check_callable(name, label, function)
    if jac is not True and not callable(jac):
        raise TypeError(
            f"[{name}] jac must be True, if fun returns value and gradient, or a callable; got {jac!r}"
        )
    if method == "newton" and hess is None and hessp is None:
        raise ValueError(f"[{name}] method='newton' needs hess or hessp; got neither")
    if method == "bfgs" or (method == "newton" and hess is not None):
        check_memory(name, method, 5 * start.size**2, "method='lbfgs' or 'cg' or, for Newton, hessp")
    settings = {**UNUSED_OPTIONS, **chosen_settings(name, method, LINE_SEARCH_OPTIONS[method], options)}
    settings.setdefault("gradient_tolerance", tol)
    check_settings(name, tol, max_iter, settings)
    summary = _core.minimize(
        value_and_gradient_of(fun, jac, start.size),
        start,
        method=method,
        hess=checked_function(hess, name, "hess(x)", (start.size, start.size)),
        hessp=checked_function(hessp, name, "hessp(x, v)", (start.size,)),
        callback=stopper_of(callback, name),
        max_iter=int(max_iter),
        **settings,
    )
    result = OptimizeResult(summary)
    if result.stop == "non_finite" and result.nfev == 1 and not result.nhev:
        what, value = ("gradient", result.jac) if np.isfinite(result.fun) else ("value", result.fun)
        raise ValueError(f"[{name}] the {what} at x0 must be finite; got {value}")
    return result


def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Callable[..., Any],
    *,
    method: str = "lm",
    tol: float = 1e-10,
    max_iter: int = 1000,
    callback: Callable[..., Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResult:
    """Minimise half the sum of the squares of m residuals r of n parameters, whose Jacobian is J.

    - "lm": Levenberg-Marquardt, x - (JᵀJ + μ D²)⁻¹ Jᵀr, (47), with D the lengths of J's columns, the largest
      so far. μ falls after a step in proportion as the decrease is what the linear model promised, and
      rises, faster and faster, until there is a decrease (Nielsen 1999).
    - "gauss_newton": x - a (JᵀJ)⁻¹ Jᵀr, (46), where a is halved from 1 until the sum falls.

    Parameters
    ----------
    fun : callable
        ``fun(x)`` gives the residuals, of shape (m,). Away from `x0` they may be infinite or NaN: the step is
        shortened then. What it raises is passed on.
    x0 : array-like of shape (n,)
        Where to start.
    jac : callable
        ``jac(x)`` gives the Jacobian, of shape (m, n): an array, or a sparse matrix or
        `scipy.sparse.linalg.LinearOperator`, of which only products are used (then D = I).
    method : {"lm", "gauss_newton"}
    tol : float
        Default of the options `gradient_tolerance` and `step_tolerance`.
    max_iter : int
        Most iterations.
    callback : callable, optional
        As for `minimize`; an intermediate result's fun is half the sum of squares and its jac Jᵀr.
    options : dict, optional
        - `gradient_tolerance`: converged when the cosine of the angle between r and every column of J,
          ``|Jᵢᵀr| / (|Jᵢ| |r|)``, is no larger.
        - `step_tolerance`: converged when ``|D step| <= step_tolerance * |D x|``.
        - `decrease_tolerance`: converged when decrease and promised decrease are both no larger than this
          share of the sum; default: rounding.
        - `solver`: "qr" (of J, which loses fewer digits than the next), "cholesky" (of JᵀJ + μ D²), "cg"
          (conjugate gradient with products only) or "auto": "qr" up to 1000 parameters, then "cg".
        - `damping`: the first μ of "lm"; default 1e-4.

    Returns
    -------
    scipy.optimize.OptimizeResult
        x, the best point found, (n,); fun, the residuals there, (m,); jac, J there, (m, n), unless it is an
        operator; grad, Jᵀr, (n,); cost, half the sum of squares; optimality, max|Jᵀr|; nit, nfev, njev,
        nhev; success, message, stop and status as for `minimize`.

    Raises
    ------
    ValueError, TypeError
        For arguments of the wrong kind, shape or range, and where r or J at `x0` is not finite.
    MemoryError
        If the matrices would not fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> import ebp
    >>> t = np.arange(5.0)
    >>> y = 3 * np.exp(-0.5 * t)
    >>> result = ebp.optimize.least_squares(
    ...     lambda x: x[0] * np.exp(-x[1] * t) - y,
    ...     [1.0, 1.0],
    ...     lambda x: np.stack([np.exp(-x[1] * t), -x[0] * t * np.exp(-x[1] * t)], axis=1),
    ... )
    >>> result.success, bool(np.allclose(result.x, [3, 0.5]))
    (True, True)
    """
    name = "least_squares"
    check_choice(name, "method", method, _LEAST_SQUARES_METHODS)
    start = start_vector(name, x0)
    for label, function in (("fun", fun), ("jac", jac)):
        check_callable(name, label, function)
    if callback is not None:
        check_callable(name, "callback", callback)
    defaults = {"decrease_tolerance": EPS, "step_tolerance": tol, "solver": "auto"}
    if method == "lm":
        defaults["damping"] = 1e-4
    settings = {"damping": 1e-4, **chosen_settings(name, method, defaults, options)}
    settings.setdefault("gradient_tolerance", tol)
    check_settings(name, tol, max_iter, settings)
    residuals, jacobian, m, products = residuals_and_jacobian_of(fun, jac, start)
    if settings["solver"] == "auto":
        settings["solver"] = "cg" if products or start.size > _MOST_FACTORISED else "qr"
    if products and settings["solver"] != "cg":
        raise ValueError(
            f"[{name}] solver must be 'auto' or 'cg' for a Jacobian that is an operator or sparse; "
            f"got {settings['solver']!r}"
        )
    if not products:
        check_memory(name, method, 3 * start.size * (start.size + m), "a jac that returns an operator")
    summary = _core.least_squares(
        residuals,
        start,
        m,
        jacobian,
        method=method,
        callback=stopper_of(callback, name),
        max_iter=int(max_iter),
        products=products,
        **settings,
    )
    return OptimizeResult(summary)
