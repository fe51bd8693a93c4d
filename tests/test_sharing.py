"""Shared weights: a convolution unrolled into dense layers with sparse weights of their own gives the same
outputs, and its gradient and curvature are sums over the connections there (trap T3)."""

import ebp
import numpy as np
import pytest
from cases_grid import ConvCase, full, partial
from checks import assert_close
from reference import relative_error

# Two convolutions on top of each other, so that curvature is carried through one of them.
STACKS = {
    "valid": (ConvCase((2, 7, 6), (3, 2), 1, "valid", full(2, 3)),
              ConvCase((3, 5, 5), (2, 3), 2, "valid", partial(3, 4, 1))),
    "same": (ConvCase((1, 6, 5), (3, 3), 2, "same", full(1, 3)),
             ConvCase((3, 3, 3), (2, 2), 1, "same", [[0, 1], [2]])),
    "wrap": (ConvCase((2, 6, 4), (3, 3), 2, "wrap", partial(2, 3, 2)),
             ConvCase((3, 3, 2), (2, 2), 1, "wrap", full(3, 2), bias=False)),
    "line": (ConvCase((3, 1, 11), (1, 4), 1, "valid", full(3, 2)),
             ConvCase((2, 1, 8), (1, 3), 3, "same", full(2, 5))),
}  # fmt: skip
EVERY_STACK = pytest.mark.parametrize("name", STACKS)


def conv_layer(case):
    table = [[k in row for k in range(case.image[0])] for row in case.sources]
    return ebp.layers.Conv2D(
        len(case.sources), case.kernel, stride=case.stride, padding=case.padding, connections=table,
        bias=case.bias,
    )  # fmt: skip


def unrolled(conv, theta):
    """The weights (outputs, inputs + 1), bias last, of the dense layer that does the same."""
    matrix = np.zeros((conv.n_out, conv.n_in + 1))
    np.add.at(matrix, (conv.output, conv.input), theta[conv.parameter])
    return matrix


def as_theta(matrix):
    return np.concatenate([matrix[:, :-1].ravel(), matrix[:, -1]])


def as_matrix(theta, conv):
    weights, bias = np.split(theta, [conv.n_out * conv.n_in])
    return np.column_stack([weights.reshape(conv.n_out, conv.n_in), bias])


def networks(name):
    """The network, the dense one, the two oracles of the convolutions, and data."""
    rng, cases = np.random.default_rng(7), STACKS[name]
    convs = [case.oracle() for case in cases]
    thetas = [rng.standard_normal(conv.n_parameters) / 3 for conv in convs]
    last = rng.standard_normal(3 * (convs[1].n_out + 1)) / 3
    net = ebp.Network(
        [*map(conv_layer, cases), ebp.layers.Dense(3)], cases[0].image, dtype="float64",
        weight_init=np.concatenate([*thetas, last]),
    )  # fmt: skip
    dense = ebp.Network(
        [ebp.layers.Dense(conv.n_out) for conv in convs] + [ebp.layers.Dense(3)], convs[0].n_in,
        dtype="float64", weight_init=np.concatenate([*[as_theta(unrolled(conv, theta)) for conv, theta
                                                       in zip(convs, thetas, strict=True)], last]),
    )  # fmt: skip
    return net, dense, convs, rng.standard_normal((5, convs[0].n_in)), rng.standard_normal((5, 3))


def parts(values, convs, unrolled_too):
    """The slices of the two convolutions, as matrices (outputs, inputs + 1) where they are unrolled."""
    sizes = [conv.n_out * (conv.n_in + 1) if unrolled_too else conv.n_parameters for conv in convs]
    first, second, last = np.split(values, np.cumsum(sizes))
    pair = (first, second)
    if unrolled_too:
        pair = tuple(as_matrix(part, conv) for part, conv in zip(pair, convs, strict=True))
    return (*pair, last)


@EVERY_STACK
def test_the_unrolled_network_is_the_same_function(name):
    net, dense, convs, X, T = networks(name)
    assert_close(net.forward(X), dense.forward(X), 1e-12)
    assert_close(net.losses(X, T), dense.losses(X, T), 1e-12)
    assert dense.n_parameters > 2 * net.n_parameters
    assert [conv.n_out for conv in convs] == [np.prod(shape) for shape in net.output_shapes[:2]]


@pytest.mark.parametrize("function", ["gradient", "_curvature_diagonal"])
@EVERY_STACK
def test_derivatives_are_sums_over_connections(name, function):
    net, dense, convs, X, T = networks(name)
    got = parts(getattr(net, function)(X, T), convs, unrolled_too=False)
    by_connection = parts(getattr(dense, function)(X, T), convs, unrolled_too=True)
    for conv, of_shared, matrix in zip(convs, got, by_connection, strict=False):
        single = matrix[conv.output, conv.input]
        total = np.bincount(conv.parameter, single, conv.n_parameters)
        assert_close(of_shared, total, 1e-11)
        count = np.bincount(conv.parameter)
        assert relative_error(of_shared, total / count) > 0.1, "the mean would pass too"
    assert_close(got[-1], by_connection[-1], 1e-11)  # the layer above, which shares nothing


def test_a_subsampling_coefficient_squares_the_sum_of_its_window():
    """Trap T6: its gradient is the sum over connections, but h is hy S^2, not hy times the sum of x^2."""
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(4 + 3 * 9)
    layers = [ebp.layers.Subsample2D(2, "identity"), ebp.layers.Dense(3)]
    net = ebp.Network(layers, (2, 4, 4), weight_init=theta, dtype="float64")
    X, T = rng.standard_normal((1, 2, 4, 4)), rng.standard_normal((1, 3))
    sums = X.reshape(2, 2, 2, 2, 2).sum(axis=(2, 4)).reshape(1, 8)  # (map, window row, column)
    above = ebp.Network(
        [ebp.layers.Dense(8, "identity"), ebp.layers.Dense(3)], 8, dtype="float64",
        weight_init=np.concatenate([np.diag(np.repeat(theta[:2], 4)).ravel(), np.repeat(theta[2:4], 4),
                                    theta[4:]]),
    )  # fmt: skip
    assert_close(net.forward(X), above.forward(sums), 1e-13)
    for function in ("gradient", "_curvature_diagonal"):
        got, dense = getattr(net, function)(X, T), getattr(above, function)(sums, T)
        assert_close(got[:2], np.diag(dense[:64].reshape(8, 8)).reshape(2, 4).sum(axis=1), 1e-12)
        assert_close(got[2:4], dense[64:72].reshape(2, 4).sum(axis=1), 1e-12)
    h, hy = net._curvature_diagonal(X, T), above._curvature_diagonal(sums, T)[64:72].reshape(2, 4)
    squares = (X**2).reshape(2, 2, 2, 2, 2).sum(axis=(2, 4)).reshape(2, 4)
    assert relative_error(h[:2], (hy * squares).sum(axis=1)) > 0.1
