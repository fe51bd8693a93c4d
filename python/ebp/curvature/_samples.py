"""A network with its data: what every function of `ebp.curvature` begins with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ebp import _core
from ebp._arrays import checked_mean_weights, is_dask
from ebp._checks import check_number
from ebp.network import Network

METHODS = ("exact", "gauss_newton", "finite_difference")
# Of dense matrices, in bytes: some 30,000 parameters, whose eigenvalues take the better part of a day.
MEMORY_LIMIT = 8 * 2**30


class Products(Protocol):
    """The Hessian of the summed loss at a fixed point, by its products with vectors."""

    def apply(self, v: np.ndarray) -> np.ndarray: ...


class Curvature(ABC):
    """Second derivatives of a network's mean loss, from sums over its samples, wherever these are.

    Attributes
    ----------
    total : float
        The sum of the weights, or the number of samples.
    """

    total: float

    def __init__(self, function: str, net: Network, n_threads: Any) -> None:
        if not isinstance(net, Network):
            raise TypeError(f"[{function}] net must be an ebp.Network; got {type(net).__name__}")
        check_number(function, "n_threads", n_threads, 1, integer=True)
        self.function = function
        self.net = net
        self.n_threads = int(n_threads)

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def products(self, method: str) -> Products:
        """The Hessian at the point where the network stands now."""

    @abstractmethod
    def hessian_sum(self, method: str) -> np.ndarray:
        """Of "exact" or "gauss_newton" Hessians."""

    @abstractmethod
    def diagonal_sum(self, method: str) -> np.ndarray:
        """Of diagonals by "backprop", "gauss_newton" or "exact"."""

    def mean(self, sums: np.ndarray) -> np.ndarray:
        """`sums` over the samples, divided by the weights in place, in the network's type."""
        sums /= self.total
        return sums.astype(self.net.dtype, copy=False)

    def product(self, products: Products, v: np.ndarray) -> np.ndarray:
        return self.mean(products.apply(np.ascontiguousarray(v, dtype=self.net.dtype).ravel()))

    def operator(self, method: str) -> LinearOperator:
        products = self.products(method)
        p = self.net.n_parameters

        def matvec(v: np.ndarray) -> np.ndarray:
            return self.product(products, v)

        return LinearOperator((p, p), matvec=matvec, rmatvec=matvec, dtype=self.net.dtype)

    def matrix(self, method: str) -> np.ndarray:
        """The dense matrix, symmetric."""
        if method != "finite_difference":
            return self.mean(self.hessian_sum(method))
        products = self.products(method)
        columns = np.empty((self.net.n_parameters,) * 2, self.net.dtype)
        for column, unit in zip(columns, np.eye(len(columns), dtype=self.net.dtype), strict=True):
            column[:] = self.product(products, unit)
        return (columns + columns.T) / 2

    def check_memory(self, method: str, limit: float) -> None:
        """Refuse a dense matrix that would be too large."""
        check_number(self.function, "memory_limit", limit, 0)
        p = self.net.n_parameters
        copies = self.n_threads if method == "gauss_newton" else 1
        needed = p * p * self.net.dtype.itemsize * copies
        if needed > limit:
            raise MemoryError(
                f"[{self.function}] the Hessian of {p:,} parameters must fit into memory_limit = "
                f"{limit / 2**30:.3g} GiB: use hessian_operator or hessian_vector_product for products, "
                "hessian_diagonal for its diagonal, spectrum(k=...) or principal_eigenvalue for its largest "
                f"eigenvalues; got {needed / 2**30:.3g} GiB"
            )


class Samples(Curvature):
    """Inputs, targets and weights for a network in memory, checked and converted once."""

    def __init__(
        self, function: str, net: Network, X: Any, T: Any, sample_weight: Any, n_threads: Any
    ) -> None:
        super().__init__(function, net, n_threads)
        self.X = net._inputs(X, function)
        self.T = net._targets(T, function)
        if not len(self.X):
            raise ValueError(f"[{function}] X must have at least one row; got 0")
        if len(self.T) != len(self.X):
            expected = (len(self.X), net.n_outputs)
            raise ValueError(f"[{function}] T must have shape {expected}; got {self.T.shape}")
        self.weights = None
        self.total = float(len(self.X))
        if sample_weight is not None:
            self.weights = checked_mean_weights(sample_weight, len(self.X), net.dtype, function)
            self.total = float(self.weights.sum(dtype=np.float64))

    @property
    def arguments(self) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray | None]:
        """What the core's functions take first."""
        return self.net._core, self.X, self.T, self.weights

    def __len__(self) -> int:
        return len(self.X)

    def products(self, method: str) -> Products:
        if method == "finite_difference":
            return _Differences(self)
        make: Any = _core.HessianProduct32 if self.net.dtype == np.float32 else _core.HessianProduct64
        return make(*self.arguments, method, self.n_threads)

    def hessian_sum(self, method: str) -> np.ndarray:
        return _core.hessian(*self.arguments, method, self.n_threads)

    def diagonal_sum(self, method: str) -> np.ndarray:
        return _core.hessian_diagonal(*self.arguments, method, self.n_threads)


def curvature_of(
    function: str, net: Network, X: Any, T: Any, sample_weight: Any, n_threads: Any
) -> Curvature:
    """Of samples in memory, or in the partitions of dask arrays."""
    if is_dask(X):
        from ebp.distributed._partitions import Partitions

        return Partitions(function, net, X, T, sample_weight, n_threads)
    return Samples(function, net, X, T, sample_weight, n_threads)


class _Differences:
    """(59) with a central difference, in double precision: the gradients are nearly equal."""

    def __init__(self, samples: Samples) -> None:
        self.double = samples.net._in_double()
        self.theta = self.double.parameters.copy()
        weights = None if samples.weights is None else samples.weights.astype(np.float64)
        self.arguments = samples.X.astype(np.float64), samples.T.astype(np.float64), weights
        self.n_threads = samples.n_threads

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        self.double.parameters[:] = theta
        return _core.loss_and_gradient(self.double._core, *self.arguments, self.n_threads)[1]

    def apply(self, v: np.ndarray) -> np.ndarray:
        direction = v.astype(np.float64)
        length = float(np.linalg.norm(direction))
        if length == 0:
            return np.zeros_like(v)
        # At the cube root of the rounding error, rounding and the third derivatives cost about the same.
        reach = np.cbrt(np.finfo(np.float64).eps) * max(1.0, float(np.abs(self.theta).max())) / length
        ahead, behind = (self.gradient(self.theta + sign * reach * direction) for sign in (1, -1))
        return ((ahead - behind) / (2 * reach)).astype(v.dtype)
