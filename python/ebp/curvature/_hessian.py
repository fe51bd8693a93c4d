"""The Hessian, its diagonal and its products."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ebp._arrays import as_vector
from ebp._checks import check_choice
from ebp.curvature._samples import MEMORY_LIMIT, METHODS, curvature_of
from ebp.network import Network

_DIAGONALS = ("backprop", "gauss_newton", "exact")


def hessian(
    net: Network,
    X: Any,
    T: Any,
    method: str = "exact",
    *,
    sample_weight: Any = None,
    n_threads: int = 1,
    memory_limit: float = MEMORY_LIMIT,
) -> np.ndarray:
    """The whole Hessian of the mean loss.

    Parameters
    ----------
    net : Network
    X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
    T : array-like of shape (n, n_outputs), or (n,) for one output
    method : {"exact", "gauss_newton", "finite_difference"}, default="exact"
        "exact": by the R-operator, section 7.5, one pass for every unit of a dense layer and every parameter
        of others. "gauss_newton": Σ JᵀDJ, section 7.2. "finite_difference": differences of gradients, section
        7.1, symmetrised, in double precision; a check of the others.
    sample_weight : array-like of shape (n,), default=None
        Weights of the mean.
    n_threads : int, default=1
        "gauss_newton" needs one more matrix for each further thread.
    memory_limit : float, default=8 GiB
        Bytes that the matrix may take.

    Returns
    -------
    ndarray of shape (n_parameters, n_parameters)
        Symmetric.

    Raises
    ------
    MemoryError
        If the matrix would be larger than `memory_limit`.
    ValueError, TypeError
        For shapes that do not fit and unknown methods.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> X = np.array([[-1.0], [0.0], [2.0]])
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 1, dtype="float64", random_state=0)
    >>> H = ebp.curvature.hessian(net, X, np.zeros(3))  # of a linear unit: means of x², x and 1, (29)
    >>> H * 3
    array([[5., 1.],
           [1., 3.]])
    """
    check_choice("hessian", "method", method, METHODS)
    curvature = curvature_of("hessian", net, X, T, sample_weight, n_threads)
    curvature.check_memory(method, memory_limit)
    return curvature.matrix(method)


def hessian_diagonal(
    net: Network,
    X: Any,
    T: Any,
    method: str = "backprop",
    *,
    sample_weight: Any = None,
    n_threads: int = 1,
) -> np.ndarray:
    """The diagonal of the Hessian of the mean loss.

    Parameters
    ----------
    net, X, T, sample_weight, n_threads
        As for `hessian`.
    method : {"backprop", "gauss_newton", "exact"}, default="backprop"
        "backprop": the recursion (54)-(58) that SDLM uses, for about the price of a gradient. It drops the
        cross terms between units, and so equals "gauss_newton" in the last two weight layers of a network
        whose loss has a diagonal second derivative, if they share no weights, and is an estimate below.
        "gauss_newton": the diagonal of Σ JᵀDJ, one pass back for each output. "exact": that of H, one pass
        for each unit or shared weight; may be negative.

    Returns
    -------
    ndarray of shape (n_parameters,)

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit and unknown methods.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> rng = np.random.default_rng(0)
    >>> X, T = rng.standard_normal((50, 3)), rng.standard_normal((50, 2))
    >>> net = ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(2)], 3, dtype="float64", random_state=0)
    >>> h = ebp.curvature.hessian_diagonal(net, X, T, "exact")
    >>> bool(np.allclose(h, np.diag(ebp.curvature.hessian(net, X, T))))
    True
    """
    check_choice("hessian_diagonal", "method", method, _DIAGONALS)
    curvature = curvature_of("hessian_diagonal", net, X, T, sample_weight, n_threads)
    return curvature.mean(curvature.diagonal_sum(method))


def hessian_vector_product(
    net: Network,
    X: Any,
    T: Any,
    v: Any,
    method: str = "exact",
    *,
    sample_weight: Any = None,
    n_threads: int = 1,
) -> np.ndarray:
    """H v without the matrix. Section 7.5.

    Parameters
    ----------
    net, X, T, sample_weight, n_threads
        As for `hessian`.
    v : array-like of shape (n_parameters,)
    method : {"exact", "gauss_newton", "finite_difference"}, default="exact"
        "exact": the R-operator (Pearlmutter 1994), at most three times the price of a gradient.
        "gauss_newton": JᵀDJ v. "finite_difference": (59), centred, in double precision.

    Returns
    -------
    ndarray of shape (n_parameters,)

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit and unknown methods.

    See Also
    --------
    hessian_operator : for several products at the same point.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> rng = np.random.default_rng(0)
    >>> X, T = rng.standard_normal((50, 3)), rng.standard_normal((50, 2))
    >>> net = ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(2)], 3, dtype="float64", random_state=0)
    >>> v = rng.standard_normal(net.n_parameters)
    >>> product = ebp.curvature.hessian_vector_product(net, X, T, v)
    >>> bool(np.allclose(product, ebp.curvature.hessian(net, X, T) @ v))
    True
    """
    function = "hessian_vector_product"
    check_choice(function, "method", method, METHODS)
    curvature = curvature_of(function, net, X, T, sample_weight, n_threads)
    vector = as_vector(v, net.n_parameters, net.dtype, function, "v")
    return curvature.product(curvature.products(method), vector)


def hessian_operator(
    net: Network,
    X: Any,
    T: Any,
    method: str = "exact",
    *,
    sample_weight: Any = None,
    n_threads: int = 1,
) -> LinearOperator:
    """The Hessian as a SciPy operator, at the point where the network stands now.

    What forward and backward passes compute there is kept (up to a GiB), so that a product costs little more
    than a tangent pass up and down. The operator does not follow later changes of `net.parameters`; the data
    must not be changed while it is in use.

    Parameters
    ----------
    net, X, T, method, sample_weight, n_threads
        As for `hessian_vector_product`.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator of shape (n_parameters, n_parameters)

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit and unknown methods.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> from scipy.sparse.linalg import eigsh
    >>> rng = np.random.default_rng(0)
    >>> X, T = rng.standard_normal((50, 3)), rng.standard_normal((50, 2))
    >>> net = ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(2)], 3, dtype="float64", random_state=0)
    >>> operator = ebp.curvature.hessian_operator(net, X, T)
    >>> smallest = eigsh(operator, k=1, which="SA", return_eigenvectors=False)
    >>> bool(np.isclose(smallest[0], ebp.curvature.spectrum(net, X, T)[0]))
    True
    """
    check_choice("hessian_operator", "method", method, METHODS)
    curvature = curvature_of("hessian_operator", net, X, T, sample_weight, n_threads)
    return curvature.operator(method)
