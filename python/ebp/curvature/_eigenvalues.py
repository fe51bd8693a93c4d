"""Eigenvalues of the Hessian, and the learning rates that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import eigsh

from ebp._arrays import as_vector, is_dask
from ebp._checks import check_choice, check_number
from ebp._initialization import generator
from ebp.curvature._iterations import lanczos, power_method
from ebp.curvature._online import falling_leak, online_eigenvalue
from ebp.curvature._samples import MEMORY_LIMIT, METHODS, Samples, curvature_of
from ebp.network import Network

_MAX_ITER = {"power": 1000, "lanczos": 300}


@dataclass(frozen=True)
class PrincipalEigenvalue:
    """The largest eigenvalue of the Hessian of the mean loss.

    Attributes
    ----------
    eigenvalue : float
        λ_max.
    eigenvector : ndarray of shape (n_parameters,)
        Of length 1.
    learning_rate : float
        η_opt = 1 / λ_max, (39); a single rate for batch descent must stay below twice that, (38). Infinite if
        no eigenvalue is positive.
    history : ndarray
        The estimates of λ_max: one a product, or one a presentation.
    n_presentations : int
        Samples that went forward and back.
    """

    eigenvalue: float
    eigenvector: np.ndarray
    learning_rate: float
    history: np.ndarray
    n_presentations: int


def principal_eigenvalue(
    net: Network,
    X: Any,
    T: Any,
    method: str = "power",
    *,
    hessian: str = "exact",
    tol: float = 1e-4,
    max_iter: int | None = None,
    gamma: Any = 0.1,
    alpha: float = 1e-2,
    n_presentations: int = 1000,
    order: Any = None,
    sample_weight: Any = None,
    n_threads: int = 1,
    random_state: Any = 0,
) -> PrincipalEigenvalue:
    """The largest eigenvalue λ_max of the Hessian, and the learning rate 1/λ_max. Sections 7.5 and 9.2.

    Parameters
    ----------
    net : Network
    X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
    T : array-like of shape (n, n_outputs), or (n,) for one output
    method : {"power", "lanczos", "online"}, default="power"
        "power": Ψ <- HΨ/|Ψ|, (60). "lanczos": Lanczos's method with full reorthogonalisation, which makes
        the most of every product and needs a fraction of them. "online": (64), sample by sample; the right
        size comes within a hundred presentations, however many samples there are. All find the eigenvalue of
        largest absolute value first in effect; if it is negative, as it can be before training, they go on to
        the largest one.
    hessian : {"exact", "gauss_newton", "finite_difference"}, default="exact"
        Which matrix, see `curvature.hessian`; "online" has the exact one only.
    tol : float, default=1e-4
        Relative error of λ at which "power" and "lanczos" end, as bounded by the residual |HΨ - λΨ| for Ψ of
        length 1 or, for "lanczos", from 3 tol |λ| on by its square over the distance to the next eigenvalue.
    max_iter : int, default=None
        Most products; None: 1000 for "power", 300 for "lanczos".
    gamma : float or array-like of shape (n_presentations,), default=0.1
        Leak of (64) at each presentation. A number is the first value, which falls as 1/(1 + t/100): large
        ones forget the random start soon, small ones average more samples.
    alpha : float, default=1e-2
        Length of the step in (64) that two gradients are compared over; anything small, as the arithmetic of
        "online" is in double precision.
    n_presentations : int, default=1000
        Of "online".
    order : array-like of int, default=None
        Rows in the order of their presentation to "online", repeated as needed. None: shuffled anew for each
        pass.
    sample_weight : array-like of shape (n,), default=None
        Weights of the mean.
    n_threads : int, default=1
        For the products.
    random_state : None, int, numpy.random.Generator or RandomState, default=0
        Source of the first Ψ and of the order.

    Returns
    -------
    PrincipalEigenvalue

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, unknown methods, and derivatives that are not finite.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` products do not suffice.

    Examples
    --------
    >>> import ebp
    >>> X, T = ebp.datasets.two_gaussians(random_state=0)
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, random_state=0)
    >>> found = ebp.curvature.principal_eigenvalue(net, X, T)  # of the bias: 1, (29)
    >>> round(found.eigenvalue, 2), round(found.learning_rate, 2)
    (1.0, 1.0)
    """
    function = "principal_eigenvalue"
    check_choice(function, "method", method, ("power", "lanczos", "online"))
    check_choice(function, "hessian", hessian, METHODS)
    check_number(function, "tol", tol, 0)
    if method == "online" and is_dask(X):
        raise ValueError(
            f"[{function}] method must be 'power' or 'lanczos' for dask arrays, as 'online' takes single "
            f"samples; got {method!r}"
        )
    samples = curvature_of(function, net, X, T, sample_weight, n_threads)
    rng = generator(random_state)
    start = rng.standard_normal(net.n_parameters)
    if not len(start):
        raise ValueError(f"[{function}] the network must have parameters; got none")
    if method == "online":
        if hessian != "exact":
            raise ValueError(f"[{function}] hessian must be 'exact' for method='online'; got {hessian!r}")
        check_number(function, "n_presentations", n_presentations, 1, integer=True)
        check_number(function, "alpha", alpha, 0, open_low=True)
        rows = _order(function, order, len(samples), int(n_presentations), rng)
        gammas = _leaks(function, gamma, int(n_presentations))
        assert isinstance(samples, Samples)
        pair, presented = online_eigenvalue(samples, rows, gammas, float(alpha), start)
        _check_finite(function, pair.history)
    else:
        limit = _MAX_ITER[method] if max_iter is None else max_iter
        check_number(function, "max_iter", limit, 1, integer=True)
        products = samples.products(hessian)
        iterate = power_method if method == "power" else lanczos
        pair = iterate(
            lambda v: samples.product(products, v), start.astype(net.dtype), float(tol), int(limit), function
        )
        presented = pair.n_products * len(samples)
    rate = 1 / pair.eigenvalue if pair.eigenvalue > 0 else np.inf
    return PrincipalEigenvalue(pair.eigenvalue, pair.eigenvector, rate, pair.history, presented)


def _order(function: str, order: Any, n: int, n_presentations: int, rng: np.random.Generator) -> np.ndarray:
    if order is None:
        passes = -(-n_presentations // n)
        return np.concatenate([rng.permutation(n) for _ in range(passes)])[:n_presentations]
    rows = np.resize(order, n_presentations)
    integers = np.ndim(order) == 1 and np.size(order) > 0 and rows.dtype.kind in "iu"
    if not integers or rows.min() < 0 or rows.max() >= n:
        raise ValueError(f"[{function}] order must hold indices of rows of X, 0 to {n - 1}; got {order!r}")
    return rows.astype(np.intp)


def _leaks(function: str, gamma: Any, n: int) -> np.ndarray:
    if np.ndim(gamma) == 0:
        check_number(function, "gamma", gamma, 0, 1, open_low=True)
        return falling_leak(float(gamma), n)
    leaks = as_vector(gamma, n, np.dtype(np.float64), function, "gamma")
    if not ((leaks > 0) & (leaks <= 1)).all():
        raise ValueError(f"[{function}] gamma must lie in (0, 1]; got values outside")
    return leaks


def spectrum(
    net: Network,
    X: Any,
    T: Any,
    method: str = "exact",
    k: int | None = None,
    *,
    sample_weight: Any = None,
    n_threads: int = 1,
    memory_limit: float = MEMORY_LIMIT,
) -> np.ndarray:
    """Eigenvalues of the Hessian in ascending order. Section 8.

    Parameters
    ----------
    net, X, T, method, sample_weight, n_threads, memory_limit
        As for `hessian`.
    k : int, default=None
        How many of the largest; by ARPACK's Lanczos method, without the matrix. None: all.

    Returns
    -------
    ndarray of shape (n_parameters,) or (k,)
        In double precision.

    Raises
    ------
    MemoryError
        If all are wanted and the matrix would be larger than `memory_limit`.
    ValueError, TypeError
        For shapes that do not fit, unknown methods, and derivatives that are not finite.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> X, T = ebp.datasets.two_gaussians(random_state=0)
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, random_state=0)
    >>> values = ebp.curvature.spectrum(net, X, T)  # of the inputs' covariance, and 1 for the bias
    >>> bool(np.allclose(values, [0.036, 0.836, 1], atol=0.05))
    True
    """
    function = "spectrum"
    check_choice(function, "method", method, METHODS)
    curvature = curvature_of(function, net, X, T, sample_weight, n_threads)
    p = net.n_parameters
    if k is not None:
        check_number(function, "k", k, 1, p, integer=True)
    if k is not None and k < p - 1:  # ARPACK can find no more
        start = np.random.default_rng(0).standard_normal(p).astype(net.dtype)
        operator = curvature.operator(method)
        product = operator @ start
        _check_finite(function, product)
        if not product.any():  # which ARPACK takes for a bad start
            return np.zeros(int(k))
        found = eigsh(operator, k=int(k), which="LA", v0=start, return_eigenvectors=False)
        return np.sort(found).astype(np.float64)
    curvature.check_memory(method, memory_limit)
    matrix = curvature.matrix(method).astype(np.float64)
    _check_finite(function, matrix)
    return eigvalsh(matrix, overwrite_a=True)[0 if k is None else p - int(k) :]


def _check_finite(function: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"[{function}] the Hessian must be finite; got {values[~np.isfinite(values)][0]}")
