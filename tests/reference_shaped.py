"""The oracle of networks of any layers: the reference modules stacked over one flat parameter vector. No ebp.

A layer is (name, arguments, options) as ebp.layers takes them; the builders here give its modules and say
which unit, how many inputs and how many connections every parameter has. Samples are taken one by one.
"""

from dataclasses import dataclass
from math import prod

import numpy as np
import reference_grid as grid
from reference import Activation, Dense, Loss


@dataclass(frozen=True)
class Block:
    """One named array of parameters; `units` and `fan_in` are given for each, units counted per module."""

    name: str
    shape: tuple
    units: np.ndarray
    fan_in: np.ndarray
    shares: int = 1
    is_bias: bool = False


def _of_units(name, shape, sizes, fan_in, shares=1, is_bias=False):
    """A block of units that have `sizes` parameters and `fan_in` inputs each."""
    units = np.repeat(np.arange(len(sizes)), sizes)
    return Block(name, shape, units, np.broadcast_to(fan_in, len(sizes))[units], shares, is_bias)


def _weights_and_bias(name, shape, sizes, shares, bias):
    """The inputs of a unit are its weights."""
    blocks = [_of_units(name, shape, sizes, sizes, shares)]
    if bias:
        blocks.append(_of_units("bias", (len(sizes),), np.ones(len(sizes), int), sizes, shares, True))
    return blocks


def dense(shape, units, activation="scaled_tanh", *, twist=0.0, bias=True):
    width = prod(shape)
    blocks = _weights_and_bias("weights", (units, width), np.full(units, width), 1, bias)
    return (units,), [(Dense(width, units, bias), blocks), (Activation(units, activation, twist), [])]


def conv2d(shape, maps, kernel_size, *, stride=1, padding="valid", connections=None,
           activation="scaled_tanh", twist=0.0, bias=True):  # fmt: skip
    kernel = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    table = np.ones((maps, shape[0])) if connections is None else np.asarray(connections)
    sources = [np.flatnonzero(row).tolist() for row in table]
    module = grid.Conv2D(*shape, maps, *kernel, stride, padding, sources, bias)
    sizes = np.array([len(row) for row in sources]) * prod(kernel)
    kernels = (sum(map(len, sources)), *kernel)
    blocks = _weights_and_bias("weights", kernels, sizes, prod(module.out_shape[1:]), bias)
    return module.out_shape, [(module, blocks), (Activation(module.n_out, activation, twist), [])]


def conv1d(shape, maps, kernel_size, **options):
    channels, length = shape
    (maps, _, outputs), modules = conv2d((channels, 1, length), maps, (1, kernel_size), **options)
    return (maps, outputs), modules


def _windowed(shape, size):
    return shape[0], shape[1] // size, shape[2] // size


def subsample2d(shape, size=2, activation="scaled_tanh", *, twist=0.0):
    maps, *sides = out = _windowed(shape, size)
    ones = np.ones(maps, int)
    blocks = [
        _of_units("coefficients", (maps,), ones, size**2, prod(sides) * size**2),
        _of_units("bias", (maps,), ones, size**2, prod(sides), True),
    ]
    modules = [(grid.WindowSum2D(*shape, size), []), (grid.MapScale(maps, prod(sides)), blocks)]
    return out, [*modules, (Activation(prod(out), activation, twist), [])]


def max_pool2d(shape, size=2):
    return _windowed(shape, size), [(grid.MaxPool2D(*shape, size), [])]


def average_pool2d(shape, size=2):
    return _windowed(shape, size), [(grid.AveragePool2D(*shape, size), [])]


def gaussian_rbf(shape, units):
    width = prod(shape)
    blocks = _weights_and_bias("centres", (units, width), np.full(units, width), 1, False)
    alone = units + np.arange(units)  # a width is averaged with nothing
    blocks.append(Block("widths", (units,), alone, np.full(units, width)))
    return (units,), [(grid.GaussianRBF(width, units), blocks)]


def euclidean_rbf(shape, codes, *, trainable=False):
    units, width = np.shape(codes)
    if not trainable:
        return (units,), [(grid.EuclideanRBF(width, units, np.asarray(codes, float)), [])]
    blocks = _weights_and_bias("codes", (units, width), np.full(units, width), 1, False)
    return (units,), [(grid.EuclideanRBF(width, units), blocks)]


BUILDERS = {
    "Dense": dense,
    "Conv2D": conv2d,
    "Conv1D": conv1d,
    "Subsample2D": subsample2d,
    "MaxPool2D": max_pool2d,
    "AveragePool2D": average_pool2d,
    "GaussianRBF": gaussian_rbf,
    "EuclideanRBF": euclidean_rbf,
}


class ShapedNet:
    """A stack of layers; the parameters are an argument of every method.

    `curvature` is that of the loss "map" below distances, "constant" or "exact"; other options are the
    loss's own.
    """

    def __init__(self, input_shape, layers, loss="squared_error", *, curvature="constant", **loss_options):
        self.constant = curvature == "constant"
        make = grid.Loss if loss in grid.LOSSES else Loss
        self.loss_function = make(loss, **loss_options)
        self.stack, self.slices, self.shapes, self.ends = [], [], [], []
        shape, start, blocks, n_units = tuple(input_shape), 0, [], 0
        for index, (name, arguments, options) in enumerate(layers):
            shape, modules = BUILDERS[name](shape, *arguments, **options)
            for module, own in modules:
                self.stack.append((slice(start, start + module.n_parameters), module))
                for block in own:
                    end = start + block.units.size
                    self.slices.append((f"{index}.{block.name}", slice(start, end), block.shape))
                    blocks.append((block, block.units + n_units))
                    start = end
                n_units += max((block.units.max() + 1 for block in own), default=0)
            self.shapes.append(shape)
            self.ends.append(len(self.stack))
        self.n_parameters, self.n_outputs = start, prod(shape)
        self.units, self.fan_in, self.shares, self.is_bias = (
            np.concatenate([np.zeros(0), *parts]).astype(int)
            for parts in (
                [units for _, units in blocks],
                [block.fan_in for block, _ in blocks],
                [np.full(units.size, block.shares) for block, units in blocks],
                [np.full(units.size, block.is_bias) for block, units in blocks],
            )
        )
        self.is_bias = self.is_bias.astype(bool)
        places = ("centres", "widths", "codes")
        names = [name.split(".")[1] for name, where, _ in self.slices for _ in range(where.start, where.stop)]
        self.decays = np.array([name not in ("bias", *places) for name in names], dtype=bool)

    def states(self, theta, X):
        """The inputs, and the outputs of every module."""
        states = [np.asarray(X, float).reshape(len(X), -1)]
        for where, module in self.stack:
            states.append(module.forward(theta[where], states[-1]))
        return states

    def activations(self, theta, X):
        states = self.states(theta, X)
        return [states[end].reshape(-1, *shape) for end, shape in zip(self.ends, self.shapes, strict=True)]

    def forward(self, theta, X):
        return self.states(theta, X)[-1]

    def losses(self, theta, X, T):
        return self.loss_function.value(self.forward(theta, X), T)

    def loss(self, theta, X, T):
        return self.losses(theta, X, T).mean()

    def _carry_back(self, name, theta, X, seed, below=None):
        """(n, p), sample by sample, from `seed` (n, k); `below`, if given, replaces what the last module
        passes down."""
        result = np.zeros((len(X), self.n_parameters))
        for n in range(len(X)):
            states, above = self.states(theta, X[n : n + 1]), seed[n : n + 1]
            for number in reversed(range(len(self.stack))):
                where, module = self.stack[number]
                above, result[n, where] = getattr(module, name)(theta[where], states[number], above)
                if below is not None and number == len(self.stack) - 1:
                    above = below[n : n + 1]
        return result

    def gradients(self, theta, X, T):
        """(n, p), one row a sample."""
        seed = self.loss_function.gradient(self.forward(theta, X), T)
        return self._carry_back("backward", theta, X, seed)

    def gradient(self, theta, X, T):
        return self.gradients(theta, X, T).mean(axis=0)

    def jacobian(self, theta, X):
        """(n, k, p)"""
        seeds = [np.tile(e, (len(X), 1)) for e in np.eye(self.n_outputs)]
        return np.stack([self._carry_back("backward", theta, X, seed) for seed in seeds], axis=1)

    def curvature_below(self, theta, X, T):
        """Diagonal (n, i) of d2E/dx2 for the inputs x of the distances below the loss "map", from the whole
        matrices of the chain rule, J' (d2E/dy2) J + sum dE/dy d2y/dx2; None for other ends."""
        where, last = self.stack[-1]
        if self.loss_function.name != "map" or not isinstance(last, grid.EuclideanRBF):
            return None
        *_, x, y = self.states(theta, X)
        if self.constant:
            return np.full(x.shape, 2.0)
        J = 2 * last.differences(theta[where], x)  # (n, k, i)
        bend = 2 * self.loss_function.gradient(y, T).sum(axis=1)
        return np.einsum("nki,nkl,nli->ni", J, self.loss_function.hessian(y, T), J) + bend[:, None]

    def curvatures(self, theta, X, T):
        """(n, p), h^p of (62)."""
        seed = self.loss_function.curvature(self.forward(theta, X), T)
        below = self.curvature_below(theta, X, T)
        return self._carry_back("backward_curvature", theta, X, seed, below)

    def curvature_diagonal(self, theta, X, T):
        return self.curvatures(theta, X, T).mean(axis=0)

    def mean_over_units(self, h):
        """Gives all parameters of a unit (of a map, where they are shared) the mean of their h."""
        return (np.bincount(self.units, h) / np.bincount(self.units))[self.units]
