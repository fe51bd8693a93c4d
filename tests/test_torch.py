"""Convolution and pooling agree with PyTorch: outputs, and gradients of inputs and parameters."""

import ebp
import numpy as np
import pytest
from cases_grid import LENET_C3, ConvCase, full, one_to_one, partial
from checks import assert_close

torch = pytest.importorskip("torch", reason="PyTorch is not installed, which nothing else here needs")
from reference_torch import conv2d  # noqa: E402  needs torch

F = torch.nn.functional
# A remark on speed.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
DTYPES = pytest.mark.parametrize(("bits", "tolerance"), [(64, 1e-12), (32, 2e-5)])
CONVS = [
    ConvCase((1, 9, 8), (5, 5), 1, "valid", full(1, 4)),
    ConvCase((3, 9, 7), (3, 2), 1, "valid", full(3, 2)),
    ConvCase((3, 10, 9), (3, 3), 2, "valid", full(3, 5), bias=False),
    ConvCase((2, 11, 8), (2, 3), 3, "valid", full(2, 3)),
    ConvCase((2, 7, 6), (3, 3), 1, "same", full(2, 3)),
    ConvCase((2, 7, 6), (4, 2), 1, "same", full(2, 3)),
    ConvCase((2, 7, 6), (3, 4), 2, "same", full(2, 3)),
    ConvCase((1, 16, 16), (3, 3), 2, "wrap", full(1, 2)),
    ConvCase((2, 7, 6), (3, 4), 1, "wrap", full(2, 3)),
    ConvCase((4, 8, 7), (3, 3), 1, "valid", partial(4, 6, 3), "partial"),
    ConvCase((5, 7, 9), (3, 3), 2, "same", one_to_one(5), "one_to_one"),
    ConvCase((6, 14, 14), (5, 5), 1, "valid", LENET_C3, "lenet_c3"),
]


def tensor(array, *shape):
    return torch.tensor(array.reshape(shape or array.shape), requires_grad=True)


@DTYPES
@pytest.mark.parametrize("case", CONVS, ids=str)
def test_convolution(case, bits, tolerance, rng):
    dtype = np.float64 if bits == 64 else np.float32
    theta, _, X, _, GY, *_ = [array.astype(dtype) for array in case.inputs(3, rng)]
    n_weights = sum(map(len, case.sources)) * int(np.prod(case.kernel))
    values = tensor(theta[:n_weights], -1, *case.kernel)
    bias = tensor(theta[n_weights:]) if case.bias else None
    image = tensor(X, 3, *case.image)
    outputs = conv2d(image, values, bias, case.sources, case.stride, case.padding)
    assert_close(case.core(bits).forward(theta, X), outputs.detach().numpy().reshape(3, -1), tolerance)
    outputs.backward(torch.tensor(GY.reshape(outputs.shape)))
    gx, gtheta = case.core(bits).backward(theta, X, GY)
    assert_close(gx, image.grad.numpy().reshape(3, -1), tolerance, "inputs")
    assert_close(gtheta[:n_weights], values.grad.numpy().ravel(), tolerance, "kernels")
    if case.bias:
        assert_close(gtheta[n_weights:], bias.grad.numpy(), tolerance, "bias")


@DTYPES
def test_one_to_one_tables_are_groups(bits, tolerance, rng):
    case = ConvCase((4, 9, 7), (3, 2), 2, "valid", one_to_one(4), "one_to_one", bias=False)
    dtype = np.float64 if bits == 64 else np.float32
    theta, _, X, _, GY, *_ = [array.astype(dtype) for array in case.inputs(2, rng)]
    kernels, image = tensor(theta, 4, 1, 3, 2), tensor(X, 2, *case.image)
    outputs = F.conv2d(image, kernels, stride=2, groups=4)
    assert_close(case.core(bits).forward(theta, X), outputs.detach().numpy().reshape(2, -1), tolerance)
    outputs.backward(torch.tensor(GY.reshape(outputs.shape)))
    gx, gtheta = case.core(bits).backward(theta, X, GY)
    assert_close(gx, image.grad.numpy().reshape(2, -1), tolerance, "inputs")
    assert_close(gtheta, kernels.grad.numpy().ravel(), tolerance, "kernels")


@DTYPES
@pytest.mark.parametrize("shape", [(2, 6, 4, 2), (1, 3, 9, 3), (3, 5, 7, 1)])
@pytest.mark.parametrize(("kind", "pool"), [("MaxPool2D", "max_pool2d"), ("WindowSum2D", "avg_pool2d")])
def test_pooling(kind, pool, shape, bits, tolerance, rng):
    *image_shape, size = shape
    dtype = np.float64 if bits == 64 else np.float32
    factor = (1 / size**2,) if kind == "WindowSum2D" else ()
    module = getattr(ebp._core, f"{kind}{bits}")(*shape, *factor)
    X = rng.standard_normal((3, np.prod(image_shape))).astype(dtype)
    image, none = tensor(X, 3, *image_shape), np.zeros(0, dtype)
    outputs = getattr(F, pool)(image, size)
    assert_close(module.forward(none, X), outputs.detach().numpy().reshape(3, -1), tolerance)
    GY = rng.standard_normal(outputs.shape).astype(dtype)
    outputs.backward(torch.tensor(GY))
    gx, _ = module.backward(none, X, GY.reshape(3, -1))
    assert_close(gx, image.grad.numpy().reshape(3, -1), tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-4)])
def test_whole_network(dtype, tolerance, rng):
    """A small LeNet whose subsampling is 4 times the average, trained by squared error."""
    layers = [
        ebp.layers.Conv2D(3, 3),
        ebp.layers.Subsample2D(2),
        ebp.layers.Conv2D(4, 2, padding="same"),
        ebp.layers.MaxPool2D(3),
        ebp.layers.Dense(5, "tanh"),
    ]
    net = ebp.Network(layers, (2, 8, 8), dtype=dtype, random_state=0)
    net.parameters[:] += 0.1 * rng.standard_normal(net.n_parameters)
    X, D = rng.standard_normal((6, 2, 8, 8)).astype(dtype), rng.standard_normal((6, 5)).astype(dtype)
    shapes = {"0.weights": (3, 2, 3, 3), "1.coefficients": (1, 3, 1, 1), "1.bias": (1, 3, 1, 1),
              "2.weights": (4, 3, 2, 2)}  # fmt: skip
    p = {name: tensor(net.parameters[part].copy(), *shapes.get(name, shape))
         for name, part, shape in net.parameter_slices}  # fmt: skip

    def sigmoid(y):
        return 1.7159 * torch.tanh(y * 2 / 3)

    x = sigmoid(F.conv2d(torch.tensor(X), p["0.weights"], p["0.bias"]))
    x = sigmoid(4 * F.avg_pool2d(x, 2) * p["1.coefficients"] + p["1.bias"])
    x = sigmoid(F.conv2d(x, p["2.weights"], p["2.bias"], padding="same"))
    x = torch.tanh(F.linear(F.max_pool2d(x, 3).flatten(1), p["4.weights"], p["4.bias"]))
    losses = 0.5 * ((x - torch.tensor(D)) ** 2).sum(dim=1)
    assert_close(net.losses(X, D), losses.detach().numpy(), tolerance)
    losses.mean().backward()
    gradient = net.gradient(X, D)
    for name, part, _ in net.parameter_slices:
        assert_close(gradient[part], p[name].grad.numpy().ravel(), tolerance, name)
