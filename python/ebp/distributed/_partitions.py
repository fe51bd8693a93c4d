"""Samples in the partitions of dask arrays, and sums over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ebp._arrays import is_dask
from ebp._extras import require_extra
from ebp.curvature._samples import Curvature, Products, Samples
from ebp.network import Network

# Sums are made of so many at a time, so that no machine has to hold many large ones.
_TOGETHER = 8
# A graph holds the network, once: what it takes to send the parameters is no mistake to be warned of.
NO_GRAPH_IS_LARGE = {"distributed.admin.large-graph-warning-threshold": "1 PB"}


class Partitions(Curvature):
    """Sums over samples whose rows are spread over the partitions of dask arrays.

    Every sum is taken over the partitions, in their order: results depend on the partitions, not on the
    number of workers. With a `dask.distributed` client, partitions are kept in the memory of workers for as
    long as this lives; those of a worker that dies are made again from what they came from.
    """

    def __init__(
        self, function: str, net: Network, X: Any, T: Any, sample_weight: Any = None, n_threads: Any = 1
    ) -> None:
        super().__init__(function, net, n_threads)
        self._dask = require_extra("dask", "distributed", function)
        X = self._by_rows("X", X)
        arrays = [X, self._like("T", T, X)]
        if sample_weight is not None:
            arrays.append(self._like("sample_weight", sample_weight, X))
        if has_client():
            arrays = list(self._dask.persist(*arrays))
        self._arrays = arrays  # what keeps them in the workers' memory
        self._n_rows = int(X.shape[0])
        if not self._n_rows:
            raise ValueError(f"[{function}] X must have at least one row; got 0")
        self.parts = list(zip(*(array.to_delayed().ravel() for array in arrays), strict=True))
        self.total = float(self._n_rows)
        if sample_weight is not None:
            self.total = float(sum(self.each(_total_weight)))
            if not self.total > 0:
                raise ValueError(f"[{function}] sample_weight must have a positive sum; got {self.total}")

    def __len__(self) -> int:
        return self._n_rows

    def _by_rows(self, name: str, array: Any) -> Any:
        """The array, checked, in partitions of whole rows."""
        if not (is_dask(array) and hasattr(array, "to_delayed") and hasattr(array, "chunks")):
            raise TypeError(
                f"[{self.function}] {name} must be a dask array (dask.array.from_array makes one of others); "
                f"got {type(array).__name__}"
            )
        if not array.ndim:
            raise ValueError(f"[{self.function}] {name} must have a row for each sample; got shape ()")
        if any(size != size for size in array.shape):
            raise ValueError(
                f"[{self.function}] {name} must have partitions of known sizes: call its "
                f"compute_chunk_sizes(); got shape {array.shape}"
            )
        return array.rechunk({axis: -1 for axis in range(1, array.ndim)})

    def _like(self, name: str, array: Any, X: Any) -> Any:
        """The same with the partitions of X."""
        array = self._by_rows(name, array)
        if array.shape[0] != X.shape[0]:
            raise ValueError(
                f"[{self.function}] {name} must have as many rows as X, {X.shape[0]}; got {array.shape[0]}"
            )
        return array.rechunk({0: X.chunks[0]})

    # ---- what is computed where the partitions are --------------------------------------------------------

    @property
    def delayed(self) -> Callable[..., Any]:
        """`dask.delayed`."""
        return self._dask.delayed

    def compute(self, tasks: list[Any]) -> list[Any]:
        """The results of delayed tasks."""
        with self._dask.config.set(NO_GRAPH_IS_LARGE):
            return list(self._dask.compute(*tasks))

    def _tasks(
        self, term: Callable[..., Any], arguments: tuple[Any, ...], theta: np.ndarray | None
    ) -> list[Any]:
        net = self.net.copy()
        if theta is not None:
            net.parameters[:] = theta
        delayed = self._dask.delayed
        shared = delayed((self.function, net, self.n_threads, term, arguments), pure=False, traverse=False)
        return [delayed(_on_part, pure=False)(shared, *part) for part in self.parts]

    def each(self, term: Callable[..., Any], *arguments: Any, theta: np.ndarray | None = None) -> list[Any]:
        """term(samples of the partition, or None if all weights are 0, \\*arguments) of each partition."""
        return self.compute(self._tasks(term, arguments, theta))

    def summed(self, term: Callable[..., Any], *arguments: Any, theta: np.ndarray | None = None) -> Any:
        """The sum of such terms, tuples of numbers and arrays, in double precision."""
        terms = self._tasks(term, arguments, theta)
        while len(terms) > 1:
            groups = [terms[k : k + _TOGETHER] for k in range(0, len(terms), _TOGETHER)]
            terms = [self._dask.delayed(_added, pure=False)(group) for group in groups]
        return self.compute([self._dask.delayed(_added, pure=False)(terms)])[0]

    # ---- the interface of Curvature -----------------------------------------------------------------------

    def products(self, method: str) -> Products:
        return _SummedProducts(self, method)

    def hessian_sum(self, method: str) -> np.ndarray:
        return self.summed(_hessian, method)[0]

    def diagonal_sum(self, method: str) -> np.ndarray:
        return self.summed(_diagonal, method)[0]


class _SummedProducts:
    """H v at the point where the network was when this was made."""

    def __init__(self, partitions: Partitions, method: str) -> None:
        self._partitions = partitions
        self._method = method
        self._theta = partitions.net.parameters.copy()

    def apply(self, v: np.ndarray) -> np.ndarray:
        return self._partitions.summed(_product, self._method, v, theta=self._theta)[0]


def has_client() -> bool:
    """Whether tasks go to a `dask.distributed` scheduler."""
    try:
        from distributed import get_client

        get_client()
    except (ImportError, ValueError):
        return False
    return True


def _on_part(shared: tuple[Any, ...], X: np.ndarray, T: np.ndarray, weights: np.ndarray | None = None) -> Any:
    function, net, n_threads, term, arguments = shared
    # Several threads of a worker may have this network, and terms may move it.
    net = net.copy()
    if not len(X) or (weights is not None and not np.any(weights)):
        return term(_Nothing(net), *arguments)
    return term(Samples(function, net, X, T, weights, n_threads), *arguments)


class _Nothing:
    """A partition without rows, or of rows that do not count."""

    total = 0.0

    def __init__(self, net: Network) -> None:
        self.net = net


def _added(terms: list[Any]) -> Any:
    sums = [np.array(item, np.float64) if np.ndim(item) else float(item) for item in terms[0]]
    for term in terms[1:]:
        for k, item in enumerate(term):
            sums[k] = sums[k] + item
    return tuple(sums)


# Terms of sums: tuples.


def _total_weight(samples: Any) -> float:
    return float(samples.total)


def _hessian(samples: Any, method: str) -> tuple[np.ndarray]:
    p = samples.net.n_parameters
    return (samples.hessian_sum(method) if samples.total else np.zeros((p, p)),)


def _diagonal(samples: Any, method: str) -> tuple[np.ndarray]:
    return (samples.diagonal_sum(method) if samples.total else np.zeros(samples.net.n_parameters),)


def _product(samples: Any, method: str, v: np.ndarray) -> tuple[np.ndarray]:
    if not samples.total:
        return (np.zeros(len(v)),)
    return (samples.products(method).apply(np.ascontiguousarray(v, samples.net.dtype)),)
