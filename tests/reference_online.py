"""The oracle's online loops: one update after another, written out. No ebp import."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Trained:
    """What a loop leaves behind; `velocity` and `curvature` continue a later call."""

    theta: np.ndarray
    losses: np.ndarray
    velocity: np.ndarray
    rates: np.ndarray
    curvature: np.ndarray | None = None


def transformed(X, shift, factor):
    """z = (x - shift) factor, or factor (x - shift) for a matrix."""
    return (X - shift) * factor if np.ndim(factor) == 1 else (X - shift) @ np.asarray(factor).T


def _batches(n, order, batch_size):
    order = np.arange(n) if order is None else np.asarray(order)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _step(mlp, theta, velocity, rates, gradient, momentum, weight_decay):
    """The momentum step; decay acts on weights, never on biases or on places in the space of the inputs."""
    gradient = gradient + weight_decay * np.where(mlp.decays, theta, 0.0)
    velocity = momentum * velocity - rates * gradient
    return theta + velocity, velocity


def train_sgd(
    mlp, theta, X, T, *, rate, order=None, momentum=0.0, weight_decay=0.0, scale="none",
    sample_weight=None, batch_size=1, velocity=None,
):  # fmt: skip
    """Stochastic gradient descent, (11), with the momentum of section 4.7."""
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    connections = mlp.fan_in * mlp.shares if scale == "fan_in" else np.ones(mlp.n_parameters)
    rates = rate / np.sqrt(connections)
    velocity = np.zeros(mlp.n_parameters) if velocity is None else velocity
    losses = []
    for rows in _batches(len(X), order, batch_size):
        losses.extend(weight[rows] * mlp.losses(theta, X[rows], T[rows]))
        gradient = (weight[rows, None] * mlp.gradients(theta, X[rows], T[rows])).mean(axis=0)
        theta, velocity = _step(mlp, theta, velocity, rates, gradient, momentum, weight_decay)
    return Trained(theta, np.array(losses), velocity, rates)


def _curvature(mlp, theta, X, T, weight, rows, granularity):
    """Mean h^p over `rows` of the weighted losses; 0 for no rows."""
    if len(rows) == 0:
        return np.zeros(mlp.n_parameters)
    h = (weight[rows, None] * mlp.curvatures(theta, X[rows], T[rows])).mean(axis=0)
    return mlp.mean_over_units(h) if granularity == "unit" else h


def train_sdlm(
    mlp, theta, X, T, *, rate=5e-4, mu=0.02, hessian_samples=500, refresh="epoch", gamma=0.05,
    granularity="weight", momentum=0.0, weight_decay=0.0, order=None, sample_weight=None, batch_size=1,
    velocity=None, curvature=None,
):  # fmt: skip
    """Stochastic diagonal Levenberg-Marquardt, (61)-(62)."""
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    velocity = np.zeros(mlp.n_parameters) if velocity is None else velocity
    batches, losses = _batches(len(X), order, batch_size), []
    h = curvature
    if refresh == "epoch" or h is None:
        first = np.concatenate(batches)[:hessian_samples]
        h = _curvature(mlp, theta, X, T, weight, first, granularity)
    for rows in batches:
        if refresh == "running":
            h = (1 - gamma) * h + gamma * _curvature(mlp, theta, X, T, weight, rows, granularity)
        losses.extend(weight[rows] * mlp.losses(theta, X[rows], T[rows]))
        gradient = (weight[rows, None] * mlp.gradients(theta, X[rows], T[rows])).mean(axis=0)
        theta, velocity = _step(mlp, theta, velocity, rate / (h + mu), gradient, momentum, weight_decay)
    return Trained(theta, np.array(losses), velocity, rate / (h + mu), h)


def online_eigenvalue(mlp, theta, X, T, psi, *, order, gamma, alpha=1e-2):
    """|Psi| after each presentation of (64), started from `psi`; gamma may change from one to the next."""
    norms = []
    for row, leak in zip(order, np.broadcast_to(gamma, len(order)), strict=True):
        one = slice(row, row + 1)
        moved = theta + alpha * psi / np.linalg.norm(psi)
        difference = mlp.gradient(moved, X[one], T[one]) - mlp.gradient(theta, X[one], T[one])
        psi = (1 - leak) * psi + leak / alpha * difference
        norms.append(np.linalg.norm(psi))
    return np.array(norms)
