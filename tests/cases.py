"""The one list of networks and data that the tests run over; a new layer or loss joins by one line."""

from dataclasses import dataclass

import numpy as np
from reference import MLP


@dataclass(frozen=True)
class Case:
    """An architecture, its loss, and random data that fit it; everything follows from `seed`.

    `layers` is a tuple of (units, activation, twist, bias).
    """

    name: str
    n_inputs: int
    layers: tuple
    loss: str
    n_samples: int
    seed: int

    def __str__(self):
        return self.name

    def oracle(self):
        return MLP(self.n_inputs, self.layers, self.loss)

    def parameters(self):
        """Weights of standard deviation fan_in^-1/2, and biases off zero so that no term vanishes."""
        rng = np.random.default_rng(self.seed)
        mlp = self.oracle()
        scale = np.where(mlp.is_bias, 0.3, mlp.fan_in**-0.5)
        return scale * rng.standard_normal(mlp.n_parameters)

    def data(self, n_samples=None):
        """Inputs of mean 0.2 and variance 1, and targets inside the range that the loss expects."""
        n = self.n_samples if n_samples is None else n_samples
        rng = np.random.default_rng(self.seed + 1)
        k = self.layers[-1][0]
        X = 0.2 + rng.standard_normal((n, self.n_inputs))
        if self.loss == "cross_entropy":
            return X, rng.dirichlet(np.full(k, 0.5), size=n)
        if self.loss == "binary_cross_entropy":
            return X, rng.uniform(0.0, 1.0, size=(n, k))
        return X, rng.choice([-1.0, 1.0], size=(n, k)) * rng.uniform(0.5, 1.0, size=(n, k))

    def network(self, dtype="float64"):
        """The same network in ebp, with the same parameters."""
        import ebp  # here, so that the oracle's own tests run without the package

        layers = [ebp.layers.Dense(units, f, twist=twist, bias=bias) for units, f, twist, bias in self.layers]
        return ebp.Network(
            layers, self.n_inputs, loss=self.loss, weight_init=self.parameters().astype(dtype), dtype=dtype
        )


CASES = [
    Case("linear-33-1", 33, ((1, "identity", 0.0, True),), "squared_error", 17, 10),
    Case("chain-1-1-1", 1, ((1, "tanh", 0.0, True), (1, "scaled_tanh", 0.0, True)), "squared_error", 7, 20),
    Case("sigmoid-7-5-3", 7, ((5, "scaled_tanh", 0.0, True), (3, "scaled_tanh", 0.0, True)),
         "squared_error", 33, 30),
    Case("square-7-7-7", 7, ((7, "scaled_tanh", 0.1, True), (7, "tanh", 0.1, True)), "squared_error", 5, 40),
    Case("unbiased-100-3-17", 100, ((3, "scaled_tanh", 0.0, False), (17, "scaled_tanh", 0.1, False)),
         "squared_error", 7, 50),
    Case("logistic-17-33-5", 17, ((33, "logistic", 0.0, True), (5, "logistic", 0.1, True)),
         "squared_error", 17, 60),
    Case("softmax-5-17-7", 5, ((17, "relu", 0.0, True), (7, "identity", 0.0, True)), "cross_entropy", 33, 70),
    Case("softmax-3-100-5", 3, ((100, "scaled_tanh", 0.1, True), (5, "scaled_tanh", 0.0, False)),
         "cross_entropy", 5, 80),
    Case("binary-17-33-1", 17, ((33, "tanh", 0.0, True), (1, "identity", 0.0, True)),
         "binary_cross_entropy", 17, 90),
    Case("binary-33-7-3", 33, ((7, "relu", 0.1, False), (3, "identity", 0.0, True)),
         "binary_cross_entropy", 100, 100),
    Case("deep-5-7-17-3-33", 5, ((7, "scaled_tanh", 0.1, True), (17, "identity", 0.0, False),
                                 (3, "logistic", 0.0, True), (33, "tanh", 0.0, True)),
         "squared_error", 3, 110),
    Case("single-row-1-17-1", 1, ((17, "scaled_tanh", 0.0, True), (1, "tanh", 0.0, True)),
         "squared_error", 1, 120),
]  # fmt: skip


def case(name):
    """The case of this name."""
    return next(one for one in CASES if one.name == name)
