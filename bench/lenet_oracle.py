"""Online descent of LeNets in float64, one image after the other: the definition written out in NumPy.

A layer's `forward` takes its parameters `p` (weights, biases) and an input x (maps, height, width) or (n,).
`backward` takes derivatives with respect to the output y and returns those with respect to the input and to
p: first derivatives for power 1, diagonal Gauss-Newton second derivatives, equations (54)-(56), for power 2.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

KERNEL = 5


class _Trained:
    """A layer with weights and biases; `fan_in` along the first axis of its weights."""

    trains = True

    def __init__(self, weight_shape, n_out, fan_in):
        self.weight_shape, self.n_out, self.fan_in = weight_shape, n_out, np.asarray(fan_in)

    def start_range(self):
        """1/sqrt(fan-in), to be multiplied with the weights."""
        return self.fan_in.reshape(-1, *[1] * (len(self.weight_shape) - 1)) ** -0.5


class Conv(_Trained):
    """`sources[o]` are the input maps of map o; weights (pairs, 5, 5) in that order, biases (maps,)."""

    def __init__(self, n_in, sources):
        self.n_in = n_in
        self.above = [o for o, row in enumerate(sources) for _ in row]
        self.below = [i for row in sources for i in row]
        fan_in = [KERNEL**2 * len(sources[o]) for o in self.above]
        super().__init__((len(self.above), KERNEL, KERNEL), len(sources), fan_in)

    def _kernels(self, weights):
        """(maps, input maps, 5, 5), zero where there is no connection."""
        kernels = np.zeros((self.n_out, self.n_in, KERNEL, KERNEL))
        kernels[self.above, self.below] = np.reshape(weights, self.weight_shape)
        return kernels

    def forward(self, p, x):
        windows = sliding_window_view(x, (KERNEL, KERNEL), axis=(1, 2))  # (maps, rows, columns, 5, 5)
        return np.tensordot(self._kernels(p[0]), windows, ([1, 2, 3], [0, 3, 4])) + p[1][:, None, None]

    def backward(self, p, x, y, d, power):
        windows = sliding_window_view(x**power, (KERNEL, KERNEL), axis=(1, 2))
        to_weights = np.tensordot(d, windows, ([1, 2], [1, 2]))[self.above, self.below]
        edge = KERNEL - 1
        around = sliding_window_view(
            np.pad(d, ((0, 0), (edge,) * 2, (edge,) * 2)), (KERNEL,) * 2, axis=(1, 2)
        )
        turned = self._kernels(p[0])[:, :, ::-1, ::-1] ** power
        to_input = np.tensordot(turned, around, ([0, 2, 3], [0, 3, 4]))
        return to_input, [to_weights, d.sum(axis=(1, 2))]


class Dense(_Trained):
    """Weights (units, inputs); the maps below are one vector, map by map and row by row."""

    def __init__(self, n_in, n_out):
        super().__init__((n_out, n_in), n_out, [n_in] * n_out)

    def forward(self, p, x):
        return p[0] @ x.ravel() + p[1]

    def backward(self, p, x, y, d, power):
        return (d @ p[0] ** power).reshape(x.shape), [np.outer(d, x.ravel() ** power), d]


def _in_windows(x):
    """(maps, rows, columns, 4): windows of 2 x 2."""
    maps, height, width = x.shape
    grid = x.reshape(maps, height // 2, 2, width // 2, 2)
    return grid.transpose(0, 1, 3, 2, 4).reshape(maps, height // 2, width // 2, 4)


def _in_place(windows):
    """The inverse of `_in_windows`."""
    maps, rows, columns, _ = windows.shape
    return windows.reshape(maps, rows, columns, 2, 2).transpose(0, 1, 3, 2, 4).reshape(maps, 2 * rows, -1)


class MaxPool:
    """The first of the largest values gets what comes back."""

    trains = False

    def forward(self, p, x):
        return _in_windows(x).max(axis=3)

    def backward(self, p, x, y, d, power):
        winners = np.arange(4) == _in_windows(x).argmax(axis=3)[..., None]
        return _in_place(winners * d[..., None]), []


class Subsample(_Trained):
    """c (sum of the window) + b, one coefficient and one bias a map."""

    def __init__(self, maps):
        super().__init__((maps,), maps, [4] * maps)

    def forward(self, p, x):
        return p[0][:, None, None] * _in_windows(x).sum(axis=3) + p[1][:, None, None]

    def backward(self, p, x, y, d, power):
        at_sums = p[0][:, None, None] ** power * d
        to_coefficients = (d * _in_windows(x).sum(axis=3) ** power).sum(axis=(1, 2))
        return _in_place(np.repeat(at_sums[..., None], 4, axis=3)), [to_coefficients, d.sum(axis=(1, 2))]


class Tanh:
    """amplitude tanh(slope x)"""

    trains = False

    def __init__(self, amplitude=1.0, slope=1.0):
        self.amplitude, self.slope = amplitude, slope

    def forward(self, p, x):
        return self.amplitude * np.tanh(self.slope * x)

    def backward(self, p, x, y, d, power):
        return d * (self.amplitude * self.slope * (1 - (y / self.amplitude) ** 2)) ** power, []


class SquaredError:
    """Half the sum of squares."""

    def gradient(self, y, target):
        return y - target

    def curvature(self, y, target):
        return np.ones_like(y)


class MapOfDistances:
    """Of the squared distances D to codes: D_target + log(e^-1 + sum e^-D), with the distances inside."""

    def __init__(self, codes):
        self.codes = codes

    def _terms(self, y):
        """y - codes, and the share of each code in the sum; what is missing to 1 is no code's."""
        differences = y - self.codes
        shares = np.exp(-np.sum(differences**2, axis=1))
        return differences, shares / (np.exp(-1) + shares.sum())

    def gradient(self, y, target):
        differences, shares = self._terms(y)
        return 2 * (target - shares) @ differences

    def curvature(self, y, target):
        differences, shares = self._terms(y)
        variance = shares @ differences**2 - (shares @ differences) ** 2
        return 4 * variance + 2 * (1 - shares.sum())


def deal_out(layers, parameters):
    """The list [W0, b0, ...] dealt out to the layers; nothing for those that train none."""
    rest = iter(parameters)
    return [[next(rest), next(rest)] if layer.trains else [] for layer in layers]


def run(layers, dealt, x):
    """x and the output of every layer."""
    states = [x]
    for layer, p in zip(layers, dealt, strict=True):
        states.append(layer.forward(p, states[-1]))
    return states


def _derivatives(layers, dealt, states, seed, power):
    """For each parameter, in the order of the list."""
    found = []
    for layer, p, x, y in zip(layers[::-1], dealt[::-1], states[-2::-1], states[:0:-1], strict=True):
        seed, own = layer.backward(p, x, y, seed, power)
        found = own + found
    return found


def mean_curvature(layers, loss, parameters, inputs, targets):
    """The mean over samples, for each parameter."""
    dealt, total = deal_out(layers, parameters), [np.zeros(np.shape(p)) for p in parameters]
    for x, target in zip(inputs, targets, strict=True):
        states = run(layers, dealt, x)
        own = _derivatives(layers, dealt, states, loss.curvature(states[-1], target), 2)
        total = [t + h / len(inputs) for t, h in zip(total, own, strict=True)]
    return total


def train(layers, loss, parameters, inputs, targets, rates):
    """Parameters after one update per sample; `rates` has one, or an array of them, for each parameter."""
    for x, target in zip(inputs, targets, strict=True):
        dealt = deal_out(layers, parameters)
        states = run(layers, dealt, x)
        gradient = _derivatives(layers, dealt, states, loss.gradient(states[-1], target), 1)
        parameters = [p - r * g for p, r, g in zip(parameters, rates, gradient, strict=True)]
    return parameters
