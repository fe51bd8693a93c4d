"""Networks and losses written in PyTorch, as functions of the flat parameter vector, for its derivatives."""

from math import prod

import ebp
import numpy as np
import torch

F = torch.nn.functional
SIGMOIDS = {
    "identity": lambda y: y,
    "scaled_tanh": lambda y: 1.7159 * torch.tanh(y * 2 / 3),
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "relu": torch.relu,
}


def padded(image, size, kernel, stride, padding):
    """Zeros or the opposite edge around the image; of an odd number of zeros the greater part comes last."""
    if padding == "valid":
        return image
    margins = []
    for extent, taps in zip(size[::-1], kernel[::-1], strict=True):  # torch begins with the width
        if padding == "wrap":
            margins += [0, taps - 1]
            continue
        total = max((-(-extent // stride) - 1) * stride + taps - extent, 0)
        margins += [total // 2, total - total // 2]
    return F.pad(image, margins, mode="circular" if padding == "wrap" else "constant")


def conv2d(image, kernels, bias, sources, stride, padding):
    """Images (n, maps, height, width) by kernels (pairs, height, width) in the order of `sources`."""
    size, kernel = image.shape[2:], kernels.shape[1:]
    pairs = [(o, i) for o, row in enumerate(sources) for i in row]
    full = torch.zeros(len(sources), image.shape[1], *kernel, dtype=kernels.dtype)
    full = full.index_put(tuple(torch.tensor(pairs).T), kernels)
    result = F.conv2d(padded(image, size, kernel, stride, padding), full, bias, stride=stride)
    if padding == "wrap":  # as many outputs as strides fit into the image
        rows, columns = (-(-extent // stride) for extent in size)
        result = result[:, :, :rows, :columns]
    return result


def activated(layer, y):
    return SIGMOIDS[layer.activation](y) + layer.twist * y


def convolved(layer, x, shape, p):
    image = x.reshape(-1, *(shape if len(shape) == 3 else (shape[0], 1, shape[1])))
    table = layer.connections
    table = np.ones((layer.maps, image.shape[1])) if table is None else np.asarray(table)
    sources = [np.flatnonzero(row).tolist() for row in table]
    return activated(layer, conv2d(image, p["weights"], p.get("bias"), sources, layer.stride, layer.padding))


def layer_outputs(layer, x, shape, p):
    """Outputs of one layer of ebp.layers for inputs x of `shape`; p holds its parameters by name."""
    kind = type(layer).__name__
    if kind == "Dense":
        return activated(layer, F.linear(x.flatten(1), p["weights"], p.get("bias")))
    if kind in ("Conv1D", "Conv2D"):
        return convolved(layer, x, shape, p)
    if kind == "GaussianRBF":
        distances = ((x.flatten(1)[:, None] - p["centres"]) ** 2).sum(2)
        return torch.exp(-distances / (2 * p["widths"] ** 2))
    if kind == "EuclideanRBF":
        codes = p["codes"] if layer.trainable else torch.tensor(np.asarray(layer.codes, float))
        return ((x.flatten(1)[:, None] - codes) ** 2).sum(2)
    image = x.reshape(-1, *shape)
    if kind == "MaxPool2D":
        return F.max_pool2d(image, layer.size)
    if kind == "AveragePool2D":
        return F.avg_pool2d(image, layer.size)
    assert kind == "Subsample2D", kind
    sums = layer.size**2 * F.avg_pool2d(image, layer.size)
    return activated(layer, sums * p["coefficients"][:, None, None] + p["bias"][:, None, None])


def outputs(net, theta, X):
    """Outputs (n, outputs) of an ebp.Network's layers at theta."""
    x, shapes = torch.as_tensor(X).reshape(len(X), *net.input_shape), (net.input_shape, *net.output_shapes)
    for number, layer in enumerate(net.layers):
        p = {name.split(".")[1]: theta[part].reshape(shape) for name, part, shape in net.parameter_slices
             if name.split(".")[0] == str(number)}  # fmt: skip
        x = layer_outputs(layer, x, shapes[number], p)
    return x.reshape(len(X), prod(shapes[-1]))


def losses(loss, y, t):
    """Loss (n,) of outputs y for targets t."""
    if isinstance(loss, ebp.losses.Huber):
        return F.huber_loss(y, t, reduction="none", delta=loss.delta).sum(1)
    if isinstance(loss, ebp.losses.MAP) or loss == "map":
        j = loss.j if isinstance(loss, ebp.losses.MAP) else ebp.losses.MAP().j
        rubbish = torch.full((len(y), 1), -float(j), dtype=y.dtype)
        return (t * y).sum(1) + torch.logsumexp(torch.cat([-y, rubbish], 1), 1)
    formulas = {
        "squared_error": lambda: 0.5 * ((y - t) ** 2).sum(1),
        "cross_entropy": lambda: -(t * F.log_softmax(y, 1)).sum(1),
        "binary_cross_entropy": lambda: (F.softplus(y) - t * y).sum(1),
        "absolute_error": lambda: (y - t).abs().sum(1),
        "huber": lambda: F.huber_loss(y, t, reduction="none").sum(1),
        "hinge": lambda: torch.relu(1 - t * y).sum(1),
    }
    return formulas[loss]()


def mean_loss(net, X, T):
    """The mean loss as a function of theta, a tensor of float64."""
    targets = torch.as_tensor(T)
    return lambda theta: losses(net.loss_function, outputs(net, theta, X), targets).mean()


def hessian(net, X, T):
    theta = torch.tensor(np.array(net.parameters))
    return torch.func.hessian(mean_loss(net, X, T))(theta).numpy()
