"""A network and the partitions of dask arrays as a function of the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebp import _core
from ebp._arrays import as_vector
from ebp._checks import check_number
from ebp.distributed._partitions import Partitions
from ebp.network import Network

# Names of the blocks of parameters that weight decay pulls.
_DECAYED = ("weights", "coefficients")


class Objective:
    """E(θ) = Σ wᵢ Eᵢ(θ) / Σ wᵢ + ½ λ |weights|² with its derivatives, as sums over partitions.

    Made by `ebp.distributed.objective`. Calls give value and gradient, so that any optimiser of functions
    takes it: ``ebp.optimize.minimize(objective, objective.start, hessp=objective.hessian_product)``.

    Attributes
    ----------
    n_parameters : int
    n_samples : int
    start : ndarray of shape (n_parameters,)
        The network's parameters when this was made, in double precision.
    """

    def __init__(self, partitions: Partitions, weight_decay: float) -> None:
        self._partitions = partitions
        self._weight_decay = weight_decay
        net = partitions.net
        self.n_parameters = net.n_parameters
        self.n_samples = len(partitions)
        self.start = net.parameters.astype(np.float64)
        decayed = [where for name, where, _ in net.parameter_slices if name.split(".")[1] in _DECAYED]
        self._decayed = np.zeros(self.n_parameters, bool)
        for where in decayed if weight_decay else ():
            self._decayed[where] = True
        self.total_weight = partitions.total
        self.dtype = net.dtype
        self.best_value = np.inf
        self.best = self.start

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """E and its gradient (n_parameters,) at θ."""
        theta = self._vector("", "theta", theta)
        if not self._fits(theta):
            return np.nan, np.zeros(self.n_parameters)
        value, gradient = self._partitions.summed(_value_and_gradient, theta=theta)
        value, gradient = value / self.total_weight, gradient / self.total_weight
        value += 0.5 * self._weight_decay * float(np.square(theta[self._decayed]).sum())
        gradient[self._decayed] += self._weight_decay * theta[self._decayed]
        if np.isfinite(gradient).all():
            self._offer(value, theta)
        return value, gradient

    def hessian_product(self, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
        """H v (n_parameters,) at θ, exact, by the R-operator. Section 7.5."""
        theta, v = (self._vector(".hessian_product", *pair) for pair in (("theta", theta), ("v", v)))
        length = float(np.linalg.norm(v))
        if length == 0:
            return np.zeros_like(v)
        (product,) = self._partitions.summed(_scaled_product, v / length, theta=theta)
        product *= length / self.total_weight
        product[self._decayed] += self._weight_decay * v[self._decayed]
        return product

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """The exact Hessian (n_parameters, n_parameters) at θ."""
        theta = self._vector(".hessian", "theta", theta)
        (matrix,) = self._partitions.summed(_exact_hessian, theta=theta)
        matrix /= self.total_weight
        matrix[self._decayed, self._decayed] += self._weight_decay
        return matrix

    # ---- as a sum of squares ------------------------------------------------------------------------------

    @property
    def n_parts(self) -> int:
        """Partitions, and the weights that decay as one more."""
        return len(self._partitions.parts) + 1

    def norms(self, theta: np.ndarray) -> np.ndarray:
        """Roots of the parts' sums of squared residuals (n_parts,)."""
        theta = self._vector(".norms", "theta", theta)
        if not self._fits(theta):
            return np.full(self.n_parts, np.nan)
        sums = self._partitions.each(_squares, theta=theta)
        decay = self._weight_decay * self.total_weight * np.square(theta[self._decayed]).sum()
        norms = np.sqrt(np.array([*sums, decay]))
        self._offer(float(norms @ norms) / 2 / self.total_weight, theta)
        return norms

    def linearize(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """J'r (n_parameters,) and J'J (n_parameters, n_parameters), summed."""
        theta = self._vector(".linearize", "theta", theta)
        gradient, normal = self._partitions.summed(_gradient_and_normal, theta=theta)
        decay = self._weight_decay * self.total_weight
        gradient[self._decayed] += decay * theta[self._decayed]
        normal[self._decayed, self._decayed] += decay
        return gradient, normal

    def _vector(self, method: str, name: str, value: Any) -> np.ndarray:
        return as_vector(value, self.n_parameters, self.start.dtype, f"Objective{method}", name)

    def _fits(self, theta: np.ndarray) -> bool:
        """Whether θ is finite in the network's type."""
        with np.errstate(over="ignore"):
            return bool(np.isfinite(theta.astype(self._partitions.net.dtype)).all())

    def _offer(self, value: float, theta: np.ndarray) -> None:
        if value < self.best_value:
            self.best_value, self.best = value, theta.copy()


def objective(
    net: Network,
    X: Any,
    T: Any,
    *,
    weight_decay: float = 0.0,
    sample_weight: Any = None,
    n_threads: int = 1,
) -> Objective:
    """A network and dask arrays as a function of the parameters, for optimisers of functions.

    Parameters
    ----------
    net : Network
        Gives layers, loss and `start`; stays as it is.
    X : dask array of shape (n, n_inputs) or (n, \\*input_shape)
        In partitions of any number of rows, of the network's dtype if it is not to be converted at every
        evaluation.
    T : dask array of shape (n, n_outputs), or (n,) for one output
        Targets.
    weight_decay : float, default=0.0
        λ, see `ebp.optimize.fit`.
    sample_weight : dask array of shape (n,), optional
        A weight of 2 counts like a sample given twice.
    n_threads : int, default=1
        Threads of each task. One task works on one partition, so that usually the workers' threads do.

    Returns
    -------
    Objective

    Raises
    ------
    ImportError
        Without dask, which the extra "distributed" brings.
    TypeError, ValueError
        For other arrays, or shapes that do not fit.

    Examples
    --------
    >>> import dask.array as da, ebp, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> T = np.sin(X.sum(axis=1))
    >>> net = ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(1)], 3, dtype="float64", random_state=0)
    >>> function = ebp.distributed.objective(net, da.from_array(X, chunks=50), da.from_array(T, chunks=50))
    >>> value, gradient = function(function.start)
    >>> bool(np.isclose(value, net.loss(X, T)))
    True
    """
    check_number("objective", "weight_decay", weight_decay, 0)
    return Objective(Partitions("objective", net, X, T, sample_weight, n_threads), float(weight_decay))


# Terms of sums over partitions.


def _value_and_gradient(samples: Any) -> tuple[float, np.ndarray]:
    if not samples.total:
        return 0.0, np.zeros(samples.net.n_parameters)
    network, X, T, weights = samples.arguments
    return _core.loss_and_gradient(network, X, T, weights, samples.n_threads)


def _squares(samples: Any) -> float:
    if not samples.total:
        return 0.0
    losses = samples.net.losses(samples.X, samples.T).astype(np.float64)
    return 2 * float(losses.sum() if samples.weights is None else losses @ samples.weights)


def _gradient_and_normal(samples: Any) -> tuple[np.ndarray, np.ndarray]:
    p = samples.net.n_parameters
    if not samples.total:
        return np.zeros(p), np.zeros((p, p))
    return _value_and_gradient(samples)[1], samples.hessian_sum("gauss_newton")


def _scaled_product(samples: Any, v: np.ndarray) -> tuple[np.ndarray]:
    if not samples.total:
        return (np.zeros(len(v)),)
    return (samples.products("exact").apply(v.astype(samples.net.dtype)),)


def _exact_hessian(samples: Any) -> tuple[np.ndarray]:
    p = samples.net.n_parameters
    return (samples.hessian_sum("exact") if samples.total else np.zeros((p, p)),)
