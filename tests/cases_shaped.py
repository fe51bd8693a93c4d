"""The one list of networks of other layers than dense ones; a new layer joins by one line."""

from dataclasses import dataclass, field
from math import prod

import numpy as np
from reference_shaped import ShapedNet


def layer(name, *arguments, **options):
    """A layer of ebp.layers, by name."""
    return name, arguments, options


def codes(units, width, seed=0):
    """Codes of +-1, all different."""
    rng = np.random.default_rng(seed)
    while True:
        matrix = rng.choice([-1.0, 1.0], (units, width))
        if len(np.unique(matrix, axis=0)) == units:
            return matrix.tolist()


@dataclass(frozen=True)
class ShapedCase:
    """An architecture, its loss, and random data that fit it; everything follows from `seed`."""

    name: str
    input_shape: tuple
    layers: tuple
    loss: str
    n_samples: int
    seed: int
    options: dict = field(default_factory=dict)  # of the loss

    def __str__(self):
        return self.name

    def oracle(self):
        return ShapedNet(self.input_shape, self.layers, self.loss, **self.options)

    def parameters(self):
        """Values that let no term vanish: weights of standard deviation fan_in^-1/2, biases off zero."""
        rng, net = np.random.default_rng(self.seed), self.oracle()
        theta = np.where(net.is_bias, 0.3, net.fan_in**-0.5) * rng.standard_normal(net.n_parameters)
        for name, where, shape in net.slices:
            if name.endswith("widths"):
                theta[where] = net.fan_in[where] ** 0.5 * rng.uniform(0.7, 1.3, shape)
            if name.endswith(("codes", "centres")):
                theta[where] = rng.standard_normal(prod(shape))
        return theta

    def data(self, n_samples=None):
        """Inputs of mean 0.2 and variance 1, and targets inside the range that the loss expects."""
        n = self.n_samples if n_samples is None else n_samples
        rng, k = np.random.default_rng(self.seed + 1), self.oracle().n_outputs
        X = 0.2 + rng.standard_normal((n, *self.input_shape))
        signs = rng.choice([-1.0, 1.0], size=(n, k))
        targets = {
            "cross_entropy": lambda: rng.dirichlet(np.full(k, 0.5), size=n),
            "binary_cross_entropy": lambda: rng.uniform(0.0, 1.0, size=(n, k)),
            "map": lambda: np.eye(k)[rng.integers(0, k, n)],
            "hinge": lambda: signs,
        }
        return X, targets.get(self.loss, lambda: signs * rng.uniform(0.5, 1.0, size=(n, k)))()

    def network(self, dtype="float64"):
        """The same network in ebp, with the same parameters."""
        import ebp  # here, so that the oracle's own tests run without the package

        layers = [getattr(ebp.layers, name)(*given, **options) for name, given, options in self.layers]
        kinds = {"map": ebp.losses.MAP, "huber": ebp.losses.Huber}
        loss = kinds[self.loss](**self.options) if self.options else self.loss
        theta = self.parameters().astype(dtype)
        return ebp.Network(layers, self.input_shape, loss=loss, weight_init=theta, dtype=dtype)


TABLE = [[1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]]

CASES = [
    ShapedCase("lenet", (1, 12, 12), (layer("Conv2D", 3, 3), layer("Subsample2D", 2),
               layer("Conv2D", 4, 2, connections=TABLE), layer("Subsample2D", 2, twist=0.1),
               layer("Dense", 5)), "squared_error", 9, 10),
    ShapedCase("max-pool", (2, 9, 8), (layer("Conv2D", 4, (2, 3)), layer("MaxPool2D", 2),
               layer("Dense", 7, "tanh"), layer("Dense", 3, "identity")), "cross_entropy", 7, 20),
    ShapedCase("average-pool", (2, 6, 9), (layer("Conv2D", 3, 3, padding="same", twist=0.1),
               layer("AveragePool2D", 3), layer("Dense", 2)), "huber", 11, 30, {"delta": 0.7}),
    ShapedCase("time-delay", (3, 15), (layer("Conv1D", 5, 3), layer("Conv1D", 4, 4, stride=2,
               activation="tanh"), layer("Dense", 3, "identity")), "binary_cross_entropy", 7, 40),
    ShapedCase("time-delay-same", (2, 11), (layer("Conv1D", 3, 4, padding="same", stride=3, bias=False),
               layer("Conv1D", 2, 3, padding="wrap", activation="logistic")), "squared_error", 5, 50),
    ShapedCase("gaussian-hidden", (4,), (layer("Dense", 6), layer("GaussianRBF", 7),
               layer("Dense", 3, "identity")), "squared_error", 17, 60),
    ShapedCase("gaussian-first", (3,), (layer("GaussianRBF", 5), layer("Dense", 1, "identity")),
               "absolute_error", 9, 70),
    ShapedCase("map-fixed", (1, 8, 8), (layer("Conv2D", 3, 3, stride=2, padding="wrap"), layer("Dense", 5),
               layer("EuclideanRBF", codes(4, 5))), "map", 13, 80, {"curvature": "exact"}),
    ShapedCase("map-fixed-constant", (1, 7, 6), (layer("Conv2D", 2, (3, 2), stride=2, padding="same"),
               layer("Dense", 6), layer("EuclideanRBF", codes(3, 6))), "map", 9, 90,
               {"j": 4.0}),
    ShapedCase("map-trained", (6,), (layer("Dense", 5), layer("EuclideanRBF", codes(4, 5), trainable=True)),
               "map", 13, 100, {"j": 8.0, "curvature": "exact"}),
    ShapedCase("map-trained-constant", (6,), (layer("Dense", 5, bias=False),
               layer("EuclideanRBF", codes(4, 5), trainable=True)), "map", 13, 110,
               {"j": 0.5, "curvature": "constant"}),
    ShapedCase("map-alone", (5,), (layer("EuclideanRBF", codes(3, 5), trainable=True),), "map", 9, 120,
               {"j": 8.0, "curvature": "exact"}),
    ShapedCase("map-of-other-outputs", (5,), (layer("Dense", 7), layer("Dense", 4, "logistic")), "map", 9,
               130, {"j": 2.0}),
    ShapedCase("distances", (5,), (layer("Dense", 4), layer("EuclideanRBF", codes(3, 4))),
               "squared_error", 9, 140),
    ShapedCase("hinge", (3, 7, 8), (layer("Conv2D", 3, (4, 3), stride=3, connections=np.eye(3).tolist(),
               bias=False), layer("Dense", 4, "identity")), "hinge", 9, 150),
    ShapedCase("pool-first", (1, 6, 8), (layer("AveragePool2D", 2), layer("Conv2D", 2, 2),
               layer("MaxPool2D", 1), layer("Subsample2D", 1, "identity"), layer("Dense", 1)),
               "squared_error", 9, 160),
    ShapedCase("subsample-first", (2, 4, 6), (layer("Subsample2D", 2, "tanh"), layer("MaxPool2D", 1),
               layer("Subsample2D", 1, "logistic"), layer("Dense", 3, "identity")), "cross_entropy", 7, 170),
]  # fmt: skip


def case(name):
    """The case of this name."""
    return next(one for one in CASES if one.name == name)
