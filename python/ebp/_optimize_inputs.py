"""What users give to `ebp.optimize`, checked and wrapped for the core."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from ebp._checks import check_choice, check_number

SOLVERS = ("auto", "qr", "cholesky", "cg")
EPS = float(np.finfo(float).eps)
_LINE_SEARCH = {"step_tolerance": EPS, "decrease_tolerance": EPS, "c1": 1e-4, "max_line_search": 50}
# The options that each method with a line search takes, with their defaults; gradient_tolerance is `tol`
# unless given.
LINE_SEARCH_OPTIONS: dict[str, dict[str, Any]] = {
    "newton": {**_LINE_SEARCH, "c2": 0.9},
    "cg": {**_LINE_SEARCH, "c2": 0.1, "beta": "polak_ribiere"},
    "bfgs": {**_LINE_SEARCH, "c2": 0.9, "initial_scaling": True},
    "lbfgs": {**_LINE_SEARCH, "c2": 0.9, "memory": 10},
}
# What the core is told where a method does not have the option.
UNUSED_OPTIONS = {"beta": "polak_ribiere", "memory": 10, "initial_scaling": True}


def start_vector(name: str, x0: Any) -> np.ndarray:
    """`x0` as a new vector of finite doubles."""
    start = np.atleast_1d(_numbers(x0, name, "x0"))
    if start.ndim != 1 or not start.size:
        raise ValueError(f"[{name}] x0 must have shape (n,) with n >= 1; got {start.shape}")
    start = np.array(start, dtype=np.float64)
    if not np.isfinite(start).all():
        raise ValueError(f"[{name}] x0 must be finite; got {start}")
    return start


def check_callable(name: str, label: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(f"[{name}] {label} must be callable; got {function!r}")


def check_memory(name: str, method: str, n_numbers: int, instead: str) -> None:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 8 * n_numbers > memory:
        raise MemoryError(
            f"[{name}] the matrices of method={method!r} must fit into {memory / 2**30:.0f} GiB of memory, "
            f"try {instead}; got {8 * n_numbers / 2**30:.0f} GiB"
        )


def chosen_settings(name: str, method: str, defaults: Mapping[str, Any], options: Any) -> dict[str, Any]:
    if options is None:
        return dict(defaults)
    if not isinstance(options, Mapping):
        raise TypeError(f"[{name}] options must be None or a dict; got {options!r}")
    allowed = sorted([*defaults, "gradient_tolerance"])
    for key in options:
        if key not in allowed:
            names = ", ".join(repr(option) for option in allowed)
            raise ValueError(f"[{name}] options of method={method!r} must be among {names}; got {key!r}")
    return {**defaults, **options}


def check_settings(name: str, tol: Any, max_iter: Any, settings: dict[str, Any]) -> None:
    check_number(name, "tol", tol, 0)
    check_number(name, "max_iter", max_iter, 0, integer=True)
    for key, value in settings.items():
        if value is None and (name, key) == ("fit", "damping"):
            continue
        if key.endswith("_tolerance"):
            check_number(name, key, value, 0)
        elif key in ("c1", "c2", "damping", "smallest_eigenvalue"):
            high = float("inf") if key == "damping" else 1
            check_number(name, key, value, 0, high, open_low=True, open_high=True)
        elif key in ("memory", "max_line_search"):
            check_number(name, key, value, 1, integer=True)
        elif key == "beta":
            check_choice(name, key, value, ("polak_ribiere", "fletcher_reeves"))
        elif key == "solver":
            check_choice(name, key, value, SOLVERS)
        elif not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"[{name}] {key} must be True or False; got {value!r}")


def _numbers(value: Any, name: str, what: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"[{name}] {what} must be a rectangular array; got {type(value).__name__}"
        ) from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"[{name}] {what} must be real numbers; got {type(value).__name__} of {array.dtype}")
    return array


def _shaped(value: Any, name: str, what: str, shape: tuple[int, ...]) -> np.ndarray:
    array = _numbers(value, name, what)
    if array.shape != shape:
        raise ValueError(f"[{name}] {what} must have shape {shape}; got {array.shape}")
    return array


def checked_function(
    function: Callable[..., Any] | None, name: str, what: str, shape: tuple[int, ...]
) -> Callable[..., np.ndarray] | None:
    """`function` with its result checked."""
    if function is None:
        return None
    return lambda *arguments: _shaped(function(*arguments), name, what, shape)


def value_and_gradient_of(
    fun: Callable[..., Any], jac: Any, n: int
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """The function that returns value and gradient, both checked."""

    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        if jac is True:
            pair = fun(x.copy())
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(
                    "[minimize] fun must return the pair (value, gradient) if jac=True; "
                    f"got {type(pair).__name__}"
                )
            value, gradient = pair
        else:
            value, gradient = fun(x.copy()), jac(x.copy())
        number = _numbers(value, "minimize", "the value of fun")
        if number.size != 1:
            raise ValueError(f"[minimize] the value of fun must be a number; got shape {number.shape}")
        return float(number.item()), _shaped(gradient, "minimize", "the gradient", (n,))

    return value_and_gradient


def residuals_and_jacobian_of(
    fun: Callable[..., Any], jac: Callable[..., Any], start: np.ndarray
) -> tuple[Callable[..., Any], Callable[..., Any], int, bool]:
    """Both functions with their results checked, m, and whether the Jacobian is to be used by products.

    The results at the start, from which m is read, are not computed again.
    """
    name = "least_squares"
    first = _numbers(fun(start.copy()), name, "the residuals")
    if first.ndim != 1 or not first.size:
        raise ValueError(f"[{name}] the residuals must have shape (m,) with m >= 1; got {first.shape}")
    if not np.isfinite(first).all():
        raise ValueError(f"[{name}] the residuals at x0 must be finite; got {first}")
    shape = (first.size, start.size)
    known: dict[str, Any] = {"residuals": first, "jacobian": jac(start.copy())}
    products = issparse(known["jacobian"]) or isinstance(known["jacobian"], LinearOperator)

    def residuals(x: np.ndarray) -> np.ndarray:
        value = known.pop("residuals", None)
        return _shaped(fun(x) if value is None else value, name, "the residuals", first.shape)

    def jacobian(x: np.ndarray) -> Any:
        value = known.pop("jacobian", None)
        value = jac(x) if value is None else value
        if not products:
            return _shaped(value, name, "jac(x)", shape)
        if not (issparse(value) or isinstance(value, LinearOperator)) or value.shape != shape:
            raise ValueError(
                f"[{name}] jac(x) must be an operator of shape {shape} again; "
                f"got {type(value).__name__} of shape {np.shape(value)}"
            )
        return aslinearoperator(value)

    if not products and not np.isfinite(_shaped(known["jacobian"], name, "jac(x)", shape)).all():
        raise ValueError(f"[{name}] the Jacobian at x0 must be finite; got other values")
    return residuals, jacobian, first.size, products


def stopper_of(callback: Callable[..., Any] | None, name: str) -> Callable[..., bool] | None:
    """The callback that the core calls, which returns True to stop."""
    if callback is None:
        return None
    try:
        by_name = list(inspect.signature(callback).parameters) == ["intermediate_result"]
    except (TypeError, ValueError):  # some callables that are not written in Python have no signature
        by_name = False

    def stopper(iteration: int, x: np.ndarray, value: float, gradient: np.ndarray) -> bool:
        try:
            if by_name:
                answer = callback(
                    intermediate_result=OptimizeResult(x=x, fun=value, jac=gradient, nit=iteration)
                )
            else:
                answer = callback(x)
        except StopIteration:
            return True
        return isinstance(answer, (bool, np.bool_)) and bool(answer)

    return stopper
