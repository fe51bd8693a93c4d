"""The oracle of the modules on grids and of the radial units: plain NumPy, float64, never importing ebp.

Images are rows (n, maps * height * width), map by map and line by line. Formulas are the layer rules of
section 7.4 of "Efficient BackProp" and, for radial units, of section 4.8; the losses on distances and the
tables of connections come from LeCun, Bottou, Bengio and Haffner (1998). The classes take and return what the
core's modules do.
"""

import numpy as np

LOSSES = ("absolute_error", "huber", "hinge", "map")


def window_positions(size, kernel, stride, padding):
    """(outputs, kernel): the place under each tap of each window along one side, -1 outside the image."""
    outputs = (size - kernel) // stride + 1 if padding == "valid" else -(-size // stride)
    positions = stride * np.arange(outputs)[:, None] + np.arange(kernel)
    if padding == "wrap":
        return positions % size
    if padding == "same":
        positions -= max((outputs - 1) * stride + kernel - size, 0) // 2
    return np.where((positions >= 0) & (positions < size), positions, -1)


def scatter(values, places, size):
    """(n, size): the sums of the columns of `values` (n, c) that share a place."""
    return np.array([np.bincount(places, weights=row, minlength=size) for row in values])


class Conv2D:
    """y[o, r, c] = b[o] + sum over sources i and taps (a, b) of K[o, i, a, b] x[i, s r + a, s c + b].

    Held as the list of its connections: the output, the input and the parameter of each. The bias is a
    connection to one more input, the constant 1. theta = kernels in the order of `sources`, output map by
    output map, then biases.
    """

    def __init__(self, maps_in, height, width, maps_out, kernel_height, kernel_width, stride=1,
                 padding="valid", sources=None, bias=True):  # fmt: skip
        self.sources = [range(maps_in)] * maps_out if sources is None else sources
        rows = window_positions(height, kernel_height, stride, padding)
        columns = window_positions(width, kernel_width, stride, padding)
        self.out_shape = (maps_out, len(rows), len(columns))
        self.n_in, self.n_out = maps_in * height * width, int(np.prod(self.out_shape))
        r, c, a, b = np.indices((len(rows), len(columns), kernel_height, kernel_width)).reshape(4, -1)
        inside = (rows[r, a] >= 0) & (columns[c, b] >= 0)
        r, c, a, b = r[inside], c[inside], a[inside], b[inside]
        parts, kernel = [], 0
        for o, row in enumerate(self.sources):
            for i in row:
                output = (o * len(rows) + r) * len(columns) + c
                source = (i * height + rows[r, a]) * width + columns[c, b]
                parts.append((output, source, (kernel * kernel_height + a) * kernel_width + b))
                kernel += 1
        self.n_kernel_weights = kernel * kernel_height * kernel_width
        self.n_parameters = self.n_kernel_weights + (maps_out if bias else 0)
        if bias:
            output = np.arange(self.n_out)
            of_map = output // (len(rows) * len(columns))
            parts.append((output, np.full(self.n_out, self.n_in), self.n_kernel_weights + of_map))
        self.output, self.input, self.parameter = map(np.concatenate, zip(*parts, strict=True))

    @property
    def n_connections(self):
        return len(self.output)

    def at_inputs(self, X, constant=1.0):
        """(n, connections): what enters each connection."""
        X = np.asarray(X, float)
        return np.column_stack([X, np.full(len(X), constant)])[:, self.input]

    def to_inputs(self, values):
        return scatter(values, self.input, self.n_in + 1)[:, : self.n_in]

    def to_parameters(self, values):
        return scatter(values, self.parameter, self.n_parameters).sum(axis=0)

    def unshared_forward(self, weights, X):
        """The same network with a weight of its own for each connection, `weights` (connections,)."""
        return scatter(weights * self.at_inputs(X), self.output, self.n_out)

    def forward(self, theta, X):
        return self.unshared_forward(theta[self.parameter], X)

    def backward(self, theta, X, GY):
        weights, G = theta[self.parameter], GY[:, self.output]
        return self.to_inputs(weights * G), self.to_parameters(self.at_inputs(X) * G)

    def backward_curvature(self, theta, X, HY):
        weights, H = theta[self.parameter], HY[:, self.output]
        return self.to_inputs(weights**2 * H), self.to_parameters(self.at_inputs(X) ** 2 * H)

    def forward_tangent(self, theta, dtheta, X, DX):
        weights, dweights = theta[self.parameter], dtheta[self.parameter]
        values = dweights * self.at_inputs(X) + weights * self.at_inputs(DX, 0.0)
        return scatter(values, self.output, self.n_out)

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        weights, dweights = theta[self.parameter], dtheta[self.parameter]
        G, DG = GY[:, self.output], DGY[:, self.output]
        dgtheta = self.to_parameters(self.at_inputs(X) * DG + self.at_inputs(DX, 0.0) * G)
        return self.to_inputs(dweights * G + weights * DG), dgtheta


class _Windows:
    """Windows of size x size that tile the image; no parameters."""

    n_parameters = 0

    def __init__(self, maps, height, width, size):
        if height % size or width % size:
            raise ValueError(f"windows of {size} x {size} do not tile an image of {height} x {width}")
        self.shape = (maps, height // size, size, width // size, size)
        self.n_in = maps * height * width
        self.n_out = self.n_in // size**2

    def windows(self, X):
        """(n, outputs, size^2), the values of each window line by line."""
        grid = np.asarray(X, float).reshape(len(X), *self.shape)
        return grid.transpose(0, 1, 2, 4, 3, 5).reshape(len(X), self.n_out, -1)

    def image(self, windows):
        """The inverse of `windows`."""
        maps, rows, size, columns, _ = self.shape
        grid = windows.reshape(len(windows), maps, rows, columns, size, size)
        return grid.transpose(0, 1, 2, 4, 3, 5).reshape(len(windows), self.n_in)


class WindowSum2D(_Windows):
    """y = the sum over each window, times `factor`."""

    def __init__(self, maps, height, width, size, factor=1.0):
        super().__init__(maps, height, width, size)
        self.factor = factor

    def spread(self, Y, factor):
        return self.image(np.repeat(factor * Y[:, :, None], self.shape[2] ** 2, axis=2))

    def forward(self, theta, X):
        return self.factor * self.windows(X).sum(axis=2)

    def backward(self, theta, X, GY):
        return self.spread(GY, self.factor), np.zeros(0)

    def backward_curvature(self, theta, X, HY):
        return self.spread(HY, self.factor**2), np.zeros(0)

    def forward_tangent(self, theta, dtheta, X, DX):
        return self.forward(theta, DX)

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        return self.spread(DGY, self.factor), np.zeros(0)


class AveragePool2D(WindowSum2D):
    """y = the mean over each window."""

    def __init__(self, maps, height, width, size):
        super().__init__(maps, height, width, size, 1 / size**2)


class MaxPool2D(_Windows):
    """y = the largest value of each window; the first one that holds it gets what comes back."""

    def winners(self, X):
        """(n, outputs, size^2), 1 at the winner and 0 elsewhere."""
        windows = self.windows(X)
        return np.arange(windows.shape[2]) == windows.argmax(axis=2)[:, :, None]

    def forward(self, theta, X):
        return self.windows(X).max(axis=2)

    def backward(self, theta, X, GY):
        return self.image(self.winners(X) * GY[:, :, None]), np.zeros(0)

    def backward_curvature(self, theta, X, HY):
        return self.image(self.winners(X) * HY[:, :, None]), np.zeros(0)

    def forward_tangent(self, theta, dtheta, X, DX):
        return (self.winners(X) * self.windows(DX)).sum(axis=2)

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        return self.image(self.winners(X) * DGY[:, :, None]), np.zeros(0)


class MapScale:
    """y = c[m] s + b[m] at all `units` of map m; theta = c (maps), then b (maps)."""

    def __init__(self, maps, units):
        self.maps, self.units = maps, units
        self.n_in = self.n_out = maps * units
        self.n_parameters = 2 * maps

    def spread(self, per_map):
        return np.repeat(per_map, self.units)

    def per_map(self, values):
        """The sums over rows and units."""
        return values.reshape(len(values), self.maps, self.units).sum(axis=(0, 2))

    def join(self, coefficients, biases):
        return np.concatenate([self.per_map(coefficients), self.per_map(biases)])

    def split(self, theta):
        return self.spread(theta[: self.maps]), self.spread(theta[self.maps :])

    def forward(self, theta, X):
        c, b = self.split(theta)
        return c * X + b

    def backward(self, theta, X, GY):
        return self.split(theta)[0] * GY, self.join(GY * X, GY)

    def backward_curvature(self, theta, X, HY):
        return self.split(theta)[0] ** 2 * HY, self.join(HY * X**2, HY)

    def forward_tangent(self, theta, dtheta, X, DX):
        dc, db = self.split(dtheta)
        return dc * X + self.split(theta)[0] * DX + db

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        dgx = self.split(dtheta)[0] * GY + self.split(theta)[0] * DGY
        return dgx, self.join(DGY * X + GY * DX, DGY)


class EuclideanRBF:
    """y_i = sum_j (x_j - w_ij)^2, without 1/2; theta = codes w (units, inputs), empty if they are fixed."""

    def __init__(self, n_in, n_out, codes=None):
        self.n_in, self.n_out, self.codes = n_in, n_out, codes
        self.n_parameters = 0 if codes is not None else n_in * n_out

    def as_codes(self, theta):
        """(units, inputs): the codes, or a tangent of theta in their shape."""
        return np.reshape(theta, (self.n_out, self.n_in)) if self.codes is None else 0.0

    def differences(self, theta, X):
        """(n, units, inputs)"""
        codes = self.as_codes(theta) if self.codes is None else self.codes
        return X[:, None, :] - codes

    def to_theta(self, per_code):
        return per_code.sum(axis=0).ravel() if self.codes is None else np.zeros(0)

    def forward(self, theta, X):
        return (self.differences(theta, X) ** 2).sum(axis=2)

    def backward(self, theta, X, GY):
        terms = 2 * GY[:, :, None] * self.differences(theta, X)
        return terms.sum(axis=1), self.to_theta(-terms)

    def backward_curvature(self, theta, X, HY):
        terms = 4 * HY[:, :, None] * self.differences(theta, X) ** 2
        return terms.sum(axis=1), self.to_theta(terms)

    def forward_tangent(self, theta, dtheta, X, DX):
        du = DX[:, None, :] - self.as_codes(dtheta)
        return 2 * (self.differences(theta, X) * du).sum(axis=2)

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        du = DX[:, None, :] - self.as_codes(dtheta)
        terms = 2 * (DGY[:, :, None] * self.differences(theta, X) + GY[:, :, None] * du)
        return terms.sum(axis=1), self.to_theta(-terms)


class GaussianRBF:
    """phi_i = exp(-|x - nu_i|^2 / (2 sigma_i^2)); theta = centres nu (units, inputs), then widths sigma."""

    def __init__(self, n_in, n_out):
        self.n_in, self.n_out = n_in, n_out
        self.n_parameters = n_out * (n_in + 1)

    def split(self, theta):
        centres, widths = np.split(np.asarray(theta, float), [self.n_in * self.n_out])
        return centres.reshape(self.n_out, self.n_in), widths

    def terms(self, theta, X):
        """x - nu (n, units, inputs), its squared length and phi (n, units), and sigma (units)."""
        centres, widths = self.split(theta)
        u = X[:, None, :] - centres
        squares = (u**2).sum(axis=2)
        return u, squares, np.exp(-squares / (2 * widths**2)), widths

    def join(self, per_centre, per_width):
        return np.concatenate([per_centre.sum(axis=0).ravel(), per_width.sum(axis=0)])

    def slopes(self, theta, X):
        """d phi / d nu (n, units, inputs), which is -d phi / d x, and d phi / d sigma (n, units)."""
        u, squares, phi, widths = self.terms(theta, X)
        return (phi / widths**2)[:, :, None] * u, phi * squares / widths**3

    def forward(self, theta, X):
        return self.terms(theta, X)[2]

    def backward(self, theta, X, GY):
        to_centre, to_width = self.slopes(theta, X)
        terms = GY[:, :, None] * to_centre
        return -terms.sum(axis=1), self.join(terms, GY * to_width)

    def backward_curvature(self, theta, X, HY):
        to_centre, to_width = self.slopes(theta, X)
        terms = HY[:, :, None] * to_centre**2
        return terms.sum(axis=1), self.join(terms, HY * to_width**2)

    def forward_tangent(self, theta, dtheta, X, DX):
        to_centre, to_width = self.slopes(theta, X)
        dcentres, dwidths = self.split(dtheta)
        return (to_centre * (dcentres - DX[:, None, :])).sum(axis=2) + to_width * dwidths

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        u, squares, phi, widths = self.terms(theta, X)
        dcentres, dwidths = self.split(dtheta)
        du = DX[:, None, :] - dcentres
        dsquares = 2 * (u * du).sum(axis=2)
        dphi = self.forward_tangent(theta, dtheta, X, DX)
        d_product = DGY * phi + GY * dphi  # R{gy phi}
        factor = GY * phi / widths**2
        dfactor = d_product / widths**2 - 2 * GY * phi * dwidths / widths**3
        terms = dfactor[:, :, None] * u + factor[:, :, None] * du
        per_width = (d_product * squares + GY * phi * dsquares) / widths**3
        per_width -= 3 * GY * phi * squares * dwidths / widths**4
        return -terms.sum(axis=1), self.join(terms, per_width)


class Loss:
    """Per-sample losses of outputs o (n, k) against targets d (n, k), with their derivatives in o.

    "absolute_error": sum |d - o|; "huber": per output e^2 / 2 where |e| <= delta, else
    delta (|e| - delta / 2); "hinge": sum max(0, 1 - d o), targets -1 and +1; "map": the outputs are distances
    y and the target is 1 at the class D, y_D + log(e^-j + sum e^-y). At the kinks:
    slope 0 for absolute_error and hinge, curvature 1 for huber.
    """

    def __init__(self, name, delta=1.0, j=1.0):
        self.name, self.delta, self.j = name, delta, j

    def posteriors(self, y):
        """(n, k), e^-y / (e^-j + sum e^-y); what is missing to 1 is the share of no class at all."""
        return np.exp(-y - self.log_sum(y)[:, None])

    def log_sum(self, y):
        exponents = np.column_stack([-np.asarray(y, float), np.full(len(y), -self.j)])
        largest = exponents.max(axis=1)
        return largest + np.log(np.exp(exponents - largest[:, None]).sum(axis=1))

    def value(self, outputs, targets):
        """(n,)"""
        e = outputs - targets
        if self.name == "absolute_error":
            return np.abs(e).sum(axis=1)
        if self.name == "huber":
            outside = self.delta * (np.abs(e) - self.delta / 2)
            return np.where(np.abs(e) <= self.delta, e**2 / 2, outside).sum(axis=1)
        if self.name == "hinge":
            return np.maximum(0.0, 1 - targets * outputs).sum(axis=1)
        return (targets * outputs).sum(axis=1) + self.log_sum(outputs)

    def gradient(self, outputs, targets):
        """(n, k)"""
        e = outputs - targets
        if self.name == "absolute_error":
            return np.sign(e)
        if self.name == "huber":
            return np.clip(e, -self.delta, self.delta)
        if self.name == "hinge":
            return np.where(targets * outputs < 1, -targets, 0.0)
        return targets - self.posteriors(outputs)

    def hessian(self, outputs, targets):
        """(n, k, k), the whole matrix of second derivatives."""
        eye = np.eye(outputs.shape[1])
        if self.name == "map":
            p = self.posteriors(outputs)
            return np.einsum("nk,kl->nkl", p, eye) - np.einsum("nk,nl->nkl", p, p)
        inside = np.abs(outputs - targets) <= self.delta if self.name == "huber" else 0.0 * outputs
        return np.einsum("nk,kl->nkl", inside, eye)

    def curvature(self, outputs, targets):
        """(n, k), the diagonal: the seed of (54)."""
        return np.einsum("nkk->nk", self.hessian(outputs, targets)).copy()

    def curvature_product(self, outputs, targets, V):
        """(n, k), the whole matrix times V."""
        return np.einsum("nkl,nl->nk", self.hessian(outputs, targets), V)
