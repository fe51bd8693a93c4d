"""The oracle: the paper's formulas in plain NumPy, float64, written apart from ebp and never importing it.

Equation numbers are those of "Efficient BackProp". Index letters: n rows (samples), i inputs, k outputs,
p parameters. The module classes take and return what the core's modules do, so that one checker serves both.
"""

import numpy as np

AMPLITUDE = 1.7159
SLOPE = 2.0 / 3.0
ACTIVATIONS = ("identity", "scaled_tanh", "tanh", "logistic", "relu")
LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy")


def _sigma(y):
    """1 / (1 + exp(-y)) without overflow."""
    e = np.exp(-np.abs(y))
    return np.where(y < 0, e, 1.0) / (1.0 + e)


def _sech2(y):
    """1 / cosh(y)^2 without overflow."""
    e = np.exp(-2 * np.abs(y))
    return 4 * e / (1 + e) ** 2


def activation(name, y, twist=0.0):
    """f(y) + twist y."""
    f = {
        "identity": lambda: y,
        "scaled_tanh": lambda: AMPLITUDE * np.tanh(SLOPE * y),
        "tanh": lambda: np.tanh(y),
        "logistic": lambda: _sigma(y),
        "relu": lambda: np.maximum(y, 0.0),
    }[name]()
    return f + twist * y


def activation_slope(name, y, twist=0.0):
    """f'(y) + twist."""
    f1 = {
        "identity": lambda: np.ones_like(y),
        "scaled_tanh": lambda: AMPLITUDE * SLOPE * _sech2(SLOPE * y),
        "tanh": lambda: _sech2(y),
        "logistic": lambda: _sigma(y) * _sigma(-y),
        "relu": lambda: np.where(y > 0, 1.0, 0.0),
    }[name]()
    return f1 + twist


def activation_bend(name, y):
    """f''(y); the twist is linear and leaves no trace."""
    return {
        "identity": lambda: np.zeros_like(y),
        "scaled_tanh": lambda: -2 * AMPLITUDE * SLOPE**2 * np.tanh(SLOPE * y) * _sech2(SLOPE * y),
        "tanh": lambda: -2 * np.tanh(y) * _sech2(y),
        "logistic": lambda: _sigma(y) * _sigma(-y) * (_sigma(-y) - _sigma(y)),
        "relu": lambda: np.zeros_like(y),
    }[name]()


class Activation:
    """y = f(x), element by element; no parameters."""

    n_parameters = 0

    def __init__(self, width, name, twist=0.0):
        self.n_in = self.n_out = width
        self.name, self.twist = name, twist

    def slope(self, X):
        return activation_slope(self.name, X, self.twist)

    def forward(self, theta, X):
        return activation(self.name, X, self.twist)

    def backward(self, theta, X, GY):
        return self.slope(X) * GY, np.zeros(0)

    def backward_curvature(self, theta, X, HY):
        return self.slope(X) ** 2 * HY, np.zeros(0)

    def forward_tangent(self, theta, dtheta, X, DX):
        return self.slope(X) * DX

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        return activation_bend(self.name, X) * DX * GY + self.slope(X) * DGY, np.zeros(0)


class Dense:
    """Y = X W' + b; theta = W (out, in) row by row, then b."""

    def __init__(self, n_in, n_out, bias=True):
        self.n_in, self.n_out, self.bias = n_in, n_out, bias
        self.n_parameters = n_out * n_in + (n_out if bias else 0)

    def split(self, theta):
        """W (out, in) and b (out), zero where there is no bias."""
        weights, rest = np.split(np.asarray(theta, float), [self.n_in * self.n_out])
        return weights.reshape(self.n_out, self.n_in), rest if self.bias else np.zeros(self.n_out)

    def join(self, weights, bias):
        return np.concatenate([weights.ravel(), bias]) if self.bias else weights.ravel()

    def forward(self, theta, X):
        weights, bias = self.split(theta)
        return X @ weights.T + bias  # (2)

    def backward(self, theta, X, GY):
        weights, _ = self.split(theta)
        return GY @ weights, self.join(np.einsum("nk,ni->ki", GY, X), GY.sum(axis=0))  # (6), (5)

    def backward_curvature(self, theta, X, HY):
        weights, _ = self.split(theta)
        return HY @ weights**2, self.join(np.einsum("nk,ni->ki", HY, X**2), HY.sum(axis=0))  # (56), (55)

    def forward_tangent(self, theta, dtheta, X, DX):
        (weights, _), (dweights, dbias) = self.split(theta), self.split(dtheta)
        return X @ dweights.T + DX @ weights.T + dbias

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        (weights, _), (dweights, _) = self.split(theta), self.split(dtheta)
        dgweights = np.einsum("nk,ni->ki", DGY, X) + np.einsum("nk,ni->ki", GY, DX)
        return GY @ dweights + DGY @ weights, self.join(dgweights, DGY.sum(axis=0))


class Loss:
    """Per-sample loss of outputs (n, k) against targets (n, k), with its derivatives in the outputs."""

    def __init__(self, name):
        self.name = name

    def probabilities(self, outputs):
        if self.name == "binary_cross_entropy":
            return _sigma(outputs)
        e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def value(self, outputs, targets):
        """(n,)"""
        if self.name == "squared_error":
            return 0.5 * ((targets - outputs) ** 2).sum(axis=1)
        if self.name == "binary_cross_entropy":
            return (np.logaddexp(0.0, outputs) - targets * outputs).sum(axis=1)
        largest = outputs.max(axis=1, keepdims=True)
        log_p = outputs - largest - np.log(np.exp(outputs - largest).sum(axis=1, keepdims=True))
        return -(targets * log_p).sum(axis=1)

    def gradient(self, outputs, targets):
        """(n, k)"""
        if self.name == "squared_error":
            return outputs - targets
        if self.name == "binary_cross_entropy":
            return self.probabilities(outputs) - targets
        return targets.sum(axis=1, keepdims=True) * self.probabilities(outputs) - targets

    def hessian(self, outputs, targets):
        """(n, k, k), the whole matrix of second derivatives."""
        eye = np.eye(outputs.shape[1])
        if self.name == "squared_error":
            return np.repeat(eye[None], len(outputs), axis=0)
        p = self.probabilities(outputs)
        if self.name == "binary_cross_entropy":
            return np.einsum("nk,kl->nkl", p * (1 - p), eye)
        total = targets.sum(axis=1)[:, None, None]
        return total * (np.einsum("nk,kl->nkl", p, eye) - np.einsum("nk,nl->nkl", p, p))

    def curvature(self, outputs, targets):
        """(n, k), the diagonal: the seed of (54)."""
        return np.einsum("nkk->nk", self.hessian(outputs, targets)).copy()

    def curvature_product(self, outputs, targets, V):
        """(n, k), the whole matrix times V."""
        return np.einsum("nkl,nl->nk", self.hessian(outputs, targets), V)


class MLP:
    """A stack of dense layers over one flat parameter vector.

    `layers` is a list of (units, activation, twist, bias). The parameters are an argument of every method,
    so that differences with respect to them need no state.
    """

    def __init__(self, n_inputs, layers, loss="squared_error"):
        self.n_inputs, self.layers, self.loss_function = n_inputs, list(layers), Loss(loss)
        self.stack, self.slices, self.fan_in = [], [], []
        start, width = 0, n_inputs
        for index, (units, name, twist, bias) in enumerate(layers):
            dense = Dense(width, units, bias)
            middle, end = start + width * units, start + dense.n_parameters
            self.stack.append((slice(start, end), dense, Activation(units, name, twist)))
            self.slices.append((f"{index}.weights", slice(start, middle), (units, width)))
            if bias:
                self.slices.append((f"{index}.bias", slice(middle, end), (units,)))
            self.fan_in.append(np.full(dense.n_parameters, width))
            start, width = end, units
        self.n_parameters, self.n_outputs = start, width
        self.fan_in = np.concatenate(self.fan_in)
        self.shares = np.ones(start, int)  # connections that use each parameter
        self.is_bias = np.zeros(start, bool)
        for name, where, _ in self.slices:
            self.is_bias[where] = name.endswith("bias")
        self.decays = ~self.is_bias

    def states(self, theta, X):
        """x_0 ... x_N and y_1 ... y_N of (2)-(3)."""
        states, sums = [np.asarray(X, float)], []
        for where, dense, function in self.stack:
            sums.append(dense.forward(theta[where], states[-1]))
            states.append(function.forward(None, sums[-1]))
        return states, sums

    def activations(self, theta, X):
        return self.states(theta, X)[0][1:]

    def forward(self, theta, X):
        return self.activations(theta, X)[-1]

    def losses(self, theta, X, T):
        return self.loss_function.value(self.forward(theta, X), T)

    def loss(self, theta, X, T, sample_weight=None):
        losses = self.losses(theta, X, T)
        return (losses if sample_weight is None else losses * sample_weight).mean()

    def _carry_back(self, theta, X, seed, power):
        """Per-sample derivatives (n, p) from those at the output states, `seed` (n, k).

        With power 1 the first derivatives, (4)-(6); with power 2 the diagonal second derivatives in
        Gauss-Newton form, (54)-(56), which are the same sums over squared slopes, inputs and weights.
        """
        states, sums = self.states(theta, X)
        columns = []
        for (where, dense, function), x, y in zip(self.stack[::-1], states[-2::-1], sums[::-1], strict=True):
            at_sum = seed * function.slope(y) ** power
            per_weight = np.einsum("nk,ni->nki", at_sum, x**power).reshape(len(x), -1)
            columns.insert(0, np.hstack([per_weight, at_sum]) if dense.bias else per_weight)
            seed = at_sum @ dense.split(theta[where])[0] ** power
        return np.hstack(columns)

    def gradients(self, theta, X, T):
        """(n, p), one row a sample."""
        return self._carry_back(theta, X, self.loss_function.gradient(self.forward(theta, X), T), 1)

    def gradient(self, theta, X, T):
        """(p,) of the mean loss."""
        return self.gradients(theta, X, T).mean(axis=0)

    def jacobian(self, theta, X):
        """(n, k, p): one backward pass for each output, seeded with a unit vector at the output state."""
        rows = [self._carry_back(theta, X, np.tile(e, (len(X), 1)), 1) for e in np.eye(self.n_outputs)]
        return np.stack(rows, axis=1)

    def curvatures(self, theta, X, T):
        """(n, p), h^p of (62)."""
        return self._carry_back(theta, X, self.loss_function.curvature(self.forward(theta, X), T), 2)

    def curvature_diagonal(self, theta, X, T):
        """(p,), the mean of h^p."""
        return self.curvatures(theta, X, T).mean(axis=0)

    def mean_over_units(self, h):
        """Gives every incoming weight and bias of a unit the mean of their h."""
        result = np.array(h, float)
        for where, dense, _ in self.stack:
            weights, bias = dense.split(h[where])
            count = dense.n_in + (1 if dense.bias else 0)
            mean = (weights.sum(axis=1) + bias) / count
            result[where] = dense.join(np.repeat(mean[:, None], dense.n_in, axis=1), mean)
        return result


def central_differences(function, x):
    """d function / dx, of shape function(x).shape + x.shape, with h ~ eps^(1/3) scale."""
    x = np.asarray(x, float)
    derivative = np.empty((*np.shape(function(x)), x.size))
    for index in range(x.size):
        h = np.finfo(float).eps ** (1 / 3) * max(1.0, abs(x.flat[index]))
        above, below = x.copy(), x.copy()
        above.flat[index] += h
        below.flat[index] -= h
        width = above.flat[index] - below.flat[index]
        derivative[..., index] = (np.asarray(function(above)) - np.asarray(function(below))) / width
    return derivative.reshape(*derivative.shape[:-1], *x.shape)


def second_differences(function, x):
    """The diagonal of the second derivatives of a scalar function, with h ~ eps^(1/4) scale."""
    x = np.asarray(x, float)
    result, middle = np.empty(x.shape), function(x)
    for index in range(x.size):
        h = np.finfo(float).eps ** (1 / 4) * max(1.0, abs(x.flat[index]))
        above, below = x.copy(), x.copy()
        above.flat[index] += h
        below.flat[index] -= h
        result.flat[index] = (function(above) - 2 * middle + function(below)) / h**2
    return result


def directional_differences(function, x, direction):
    """d/dr function(x + r direction) at r = 0."""
    h = np.finfo(float).eps ** (1 / 3) * max(1.0, np.abs(x).max()) / np.abs(direction).max()
    above, below = function(x + h * direction), function(x - h * direction)
    return (np.asarray(above) - np.asarray(below)) / (2 * h)


def relative_error(got, expected):
    """max |got - expected| / max |expected|; infinite where one is not finite and the other differs."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    if got.shape != expected.shape:
        return np.inf
    if expected.size == 0:
        return 0.0
    if not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return 0.0 if np.array_equal(got, expected, equal_nan=True) else np.inf
    return np.abs(got - expected).max() / max(np.abs(expected).max(), np.finfo(float).tiny)
