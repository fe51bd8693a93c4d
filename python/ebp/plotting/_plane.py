"""A plane in the space of a network's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ebp.network import Network


@dataclass(frozen=True)
class Plane:
    """Points origin + a u + b v.

    Attributes
    ----------
    origin : ndarray of shape (n_parameters,)
    basis : ndarray of shape (2, n_parameters)
        The directions u and v, linearly independent.
    labels : tuple of str
        What a and b are.
    """

    origin: np.ndarray
    basis: np.ndarray
    labels: tuple[str, str]

    def point(self, a: float, b: float) -> np.ndarray:
        """Parameters at the coordinates (a, b)."""
        return self.origin + a * self.basis[0] + b * self.basis[1]

    def coordinates(self, points: np.ndarray) -> np.ndarray:
        """Coordinates (n, 2) of the feet of the perpendiculars from `points` (n, n_parameters)."""
        return (points - self.origin) @ np.linalg.pinv(self.basis)


def make_plane(net: Network, directions: Any, trajectories: Mapping[str, np.ndarray], function: str) -> Plane:
    """The plane that `directions` asks for; None means the one in which the trajectories move most."""
    if directions is None and net.n_parameters == 2:
        directions = (0, 1)
    if directions is None:
        return _principal_plane(net, trajectories, function)
    if not isinstance(directions, (tuple, list, np.ndarray)) or len(directions) != 2:
        raise ValueError(f"[{function}] directions must be None, (i, j) or (u, v); got {directions!r}")
    if all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in directions):
        return _coordinate_plane(net, int(directions[0]), int(directions[1]), function)
    return _given_plane(net, directions, function)


def _coordinate_plane(net: Network, i: int, j: int, function: str) -> Plane:
    """The plane of two parameters, whose coordinates are their values."""
    size = net.n_parameters
    if not (0 <= i < size and 0 <= j < size and i != j):
        raise ValueError(
            f"[{function}] directions must be two different parameters from 0 to {size - 1}; got {(i, j)}"
        )
    origin = np.array(net.parameters)
    origin[[i, j]] = 0.0
    return Plane(origin, np.eye(size)[[i, j]], (parameter_name(net, i), parameter_name(net, j)))


def _given_plane(net: Network, directions: Any, function: str) -> Plane:
    try:
        basis = np.array([np.asarray(one, dtype=np.float64) for one in directions])
    except (TypeError, ValueError):
        basis = np.empty(0)
    if basis.shape != (2, net.n_parameters) or not np.isfinite(basis).all():
        raise ValueError(
            f"[{function}] directions must be two indices, or two finite vectors of {net.n_parameters} "
            f"values; got {[np.shape(one) for one in directions]}"
        )
    if np.linalg.matrix_rank(basis) < 2:
        raise ValueError(f"[{function}] directions must be linearly independent; got parallel ones or zeros")
    return Plane(np.array(net.parameters), basis, ("along direction 1", "along direction 2"))


def _principal_plane(net: Network, trajectories: Mapping[str, np.ndarray], function: str) -> Plane:
    """The plane through the network's parameters in which the trajectories, seen from there, move most."""
    if not trajectories:
        raise ValueError(
            f"[{function}] directions must be given for {net.n_parameters} parameters without trajectories; "
            "got None"
        )
    origin = np.array(net.parameters)
    moves = np.concatenate(list(trajectories.values())) - origin
    _, sizes, directions = np.linalg.svd(moves, full_matrices=False)
    if len(sizes) < 2 or sizes[1] <= 1e-12 * sizes[0]:
        raise ValueError(
            f"[{function}] directions must be given where the trajectories lie on one line through the "
            "network's parameters; got None"
        )
    # Signs of singular vectors are arbitrary: the first of the largest entries is made positive.
    basis = directions[:2]
    basis = basis * np.sign(basis[[0, 1], np.abs(basis).argmax(axis=1)])[:, np.newaxis]
    shares = sizes[:2] ** 2 / (sizes**2).sum()
    first, second = (f"principal direction {k} ({share:.0%})" for k, share in enumerate(shares, start=1))
    return Plane(origin, basis, (first, second))


def parameter_name(net: Network, index: int) -> str:
    """Name of one parameter, such as "0.weights[1, 2]"."""
    for name, where, shape in net.parameter_slices:
        if where.start <= index < where.stop:
            place = np.unravel_index(index - where.start, shape)
            return f"{name}[{', '.join(str(int(k)) for k in place)}]"
    raise IndexError(index)
