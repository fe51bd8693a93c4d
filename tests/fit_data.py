"""Small networks and data for the tests of `ebp.optimize.fit`."""

import ebp
import numpy as np
from ebp.layers import Conv2D, Dense, GaussianRBF, Subsample2D

METHODS = ("lm", "gauss_newton", "newton", "cg", "bfgs", "lbfgs")


def small(dtype="float64", loss="squared_error", hidden=4, outputs=2, seed=0):
    layers = [Dense(hidden, "tanh"), Dense(outputs, "identity")]
    return ebp.Network(layers, 3, loss=loss, dtype=dtype, random_state=seed)


def samples(n=60, outputs=2, seed=0):
    """Targets of another network, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    teacher = small(outputs=outputs, seed=100)
    return X, teacher.forward(X) + 0.1 * rng.standard_normal((n, outputs))


def decayed(net):
    """Positions of the parameters that weight decay pulls."""
    where = np.zeros(net.n_parameters, bool)
    for name, part, _ in net.parameter_slices:
        where[part] = name.endswith((".weights", ".coefficients"))
    return where


def shaped():
    return ebp.Network(
        [Conv2D(2, 3), Subsample2D(2), GaussianRBF(3), Dense(2, "identity")],
        (1, 6, 6),
        dtype="float64",
        random_state=0,
    )


def curve_fitting(seed, n):
    """A 5-10-1 network at its start, inputs, and targets of a random teacher of the same shape with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((1000, 5))
    weights, biases, output_weights = rng.standard_normal((10, 5)), *rng.standard_normal((2, 10))
    T = np.tanh(X @ weights.T + biases) @ output_weights / np.sqrt(10) + 0.05 * rng.standard_normal(1000)
    hidden = rng.uniform(-1, 1, 50) / np.sqrt(5)
    start = np.concatenate([hidden, np.zeros(10), rng.uniform(-1, 1, 10) / np.sqrt(10), [0.0]])
    layers = [Dense(10, "tanh"), Dense(1, "identity")]
    return ebp.Network(layers, 5, dtype="float64", weight_init=start), X[:n], T[:n]
