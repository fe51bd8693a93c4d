"""Network: every result against the oracle and against differences, and the parameter vector."""

import copy
import gc
import pickle

import ebp
import numpy as np
import pytest
from cases import CASES, case
from checks import assert_close, assert_parameters_close, check_gradient, check_jacobian

EVERY_CASE = pytest.mark.parametrize("one", CASES, ids=str)


@EVERY_CASE
def test_results_equal_the_oracle(one):
    net, mlp, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    np.testing.assert_array_equal(net.parameters, theta)
    assert_close(net.forward(X), mlp.forward(theta, X), 1e-12, "forward")
    for got, expected in zip(net.activations(X), mlp.activations(theta, X), strict=True):
        assert_close(got, expected, 1e-12, "activations")
    assert_close(net.losses(X, T), mlp.losses(theta, X, T), 1e-12, "losses")
    assert net.loss(X, T) == pytest.approx(mlp.loss(theta, X, T), rel=1e-12)
    assert isinstance(net.loss(X, T), float)
    assert_parameters_close(net.gradient(X, T), mlp.gradient(theta, X, T), mlp, 1e-12, "gradient")
    assert_close(net.jacobian(X), mlp.jacobian(theta, X), 1e-12, "jacobian")
    diagonal = mlp.curvature_diagonal(theta, X, T)
    assert_parameters_close(net._curvature_diagonal(X, T), diagonal, mlp, 1e-12, "curvature diagonal")


@EVERY_CASE
def test_derivatives_agree_with_differences(one):
    net, mlp, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data(7)

    def at(parameters, function, *arguments):
        net.parameters[:] = parameters
        return function(*arguments)

    check_gradient(lambda t: at(t, net.loss, X, T), at(theta, net.gradient, X, T), theta, mlp)
    check_jacobian(lambda t: at(t, net.forward, X), at(theta, net.jacobian, X), theta)


@EVERY_CASE
def test_float32_is_close_to_float64(one):
    net, mlp, theta, (X, T) = one.network("float32"), one.oracle(), one.parameters(), one.data()
    assert net.dtype == np.float32
    for got in (net.forward(X), net.gradient(X, T), net.jacobian(X), net.parameters, *net.activations(X)):
        assert got.dtype == np.float32
    assert_close(net.forward(X), mlp.forward(theta, X), 1e-5, "forward")
    assert_parameters_close(net.gradient(X, T), mlp.gradient(theta, X, T), mlp, 1e-4, "gradient")
    assert_close(net.jacobian(X), mlp.jacobian(theta, X), 1e-5, "jacobian")


@pytest.mark.parametrize("n", [1, 255, 256, 257, 1000])
def test_many_rows_equal_their_parts(n):
    """Sums formed in blocks of rows lose nothing at the blocks' edges."""
    one = case("sigmoid-7-5-3")
    net, mlp, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data(n)
    single = [net.forward(X[row : row + 1]) for row in range(n)]
    assert_close(net.forward(X), np.concatenate(single), 1e-13, "forward")
    assert_close(net.losses(X, T), mlp.losses(theta, X, T), 1e-12, "losses")
    assert_close(net.activations(X)[0], mlp.activations(theta, X)[0], 1e-12, "activations")
    assert_close(net.jacobian(X), mlp.jacobian(theta, X), 1e-12, "jacobian")
    assert_parameters_close(net.gradient(X, T), mlp.gradient(theta, X, T), mlp, 1e-12, "gradient")
    diagonal = mlp.curvature_diagonal(theta, X, T)
    assert_parameters_close(net._curvature_diagonal(X, T), diagonal, mlp, 1e-12, "curvature diagonal")


def test_loss_with_sample_weights():
    one = case("sigmoid-7-5-3")
    net, mlp, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    weight = np.linspace(0.0, 2.0, len(X))
    weight *= len(X) / weight.sum()  # mean 1, where the weighted mean has one meaning only
    expected = mlp.loss(theta, X, T, weight)
    assert net.loss(X, T, sample_weight=weight) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="sample_weight"):
        net.loss(X, T, sample_weight=weight[:-1])


# --- the parameter vector ----------------------------------------------------------------------------------


def test_parameters_are_a_writable_view():
    net = case("sigmoid-7-5-3").network()
    X = case("sigmoid-7-5-3").data()[0]
    before = net.forward(X)
    net.parameters[:] *= 2
    assert not np.array_equal(net.forward(X), before)
    assert np.shares_memory(net.parameters, net.parameters)
    assert net.parameters.flags.c_contiguous
    assert net.parameters.flags.writeable
    assert net.parameters.ctypes.data % 64 == 0


def test_parameters_outlive_their_network():
    net = case("softmax-3-100-5").network()
    parameters, expected = net.parameters, net.parameters.copy()
    del net
    gc.collect()
    np.testing.assert_array_equal(parameters, expected)
    parameters[:] = 0


def test_parameters_may_be_assigned_whole():
    net = case("sigmoid-7-5-3").network()
    view = net.parameters
    net.parameters[:] = 1.0
    assert np.all(view == 1.0)


def test_slices_name_every_parameter_once():
    one = case("deep-5-7-17-3-33")
    net = one.network()
    assert net.parameter_slices == one.oracle().slices
    assert net.n_parameters == one.oracle().n_parameters == net.parameters.size
    covered = np.concatenate([np.arange(net.n_parameters)[where] for _, where, _ in net.parameter_slices])
    np.testing.assert_array_equal(covered, np.arange(net.n_parameters))


def test_attributes_describe_the_network():
    net = case("deep-5-7-17-3-33").network()
    assert (net.n_inputs, net.n_outputs, net.loss_function) == (5, 33, "squared_error")
    assert [layer.units for layer in net.layers] == [7, 17, 3, 33]
    assert net.dtype == np.dtype("float64")


def test_summary_counts_parameters_and_connections():
    """In dense layers every parameter, the biases too, is one connection."""
    layers = [ebp.layers.Dense(300), ebp.layers.Dense(10, bias=False)]
    text = ebp.Network(layers, 784).summary().replace(",", "").replace("_", "")
    first, second = 784 * 300 + 300, 300 * 10
    for number in (first, second, first + second):
        assert text.count(str(number)) >= 2, f"{number} as parameters and as connections in:\n{text}"


@pytest.mark.parametrize(
    "duplicate", [lambda n: n.copy(), copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copies_are_equal_and_independent(duplicate, dtype):
    one = case("square-7-7-7")
    net, (X, T) = one.network(dtype), one.data()
    other = duplicate(net)
    np.testing.assert_array_equal(other.forward(X), net.forward(X))
    np.testing.assert_array_equal(other.gradient(X, T), net.gradient(X, T))
    assert (other.dtype, other.loss_function) == (net.dtype, net.loss_function)
    other.parameters[:] = 0
    assert not np.array_equal(other.forward(X), net.forward(X))


def test_same_input_twice_gives_the_same_bits_and_leaves_inputs_unchanged():
    one = case("square-7-7-7")
    net, (X, T) = one.network(), one.data()
    X0, T0 = X.copy(), T.copy()
    for function, arguments in [(net.forward, (X,)), (net.gradient, (X, T)), (net.jacobian, (X,))]:
        np.testing.assert_array_equal(function(*arguments), function(*arguments))
    np.testing.assert_array_equal(X, X0)
    np.testing.assert_array_equal(T, T0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", [(5, 100, 1), (64, 300, 10), (10, 7, 3), (2, 1), (784, 33, 2)])
def test_outputs_of_a_row_do_not_depend_on_the_rows_beside_it(widths, dtype):
    """Bit for bit, as long as the products are small enough to stay with one method."""
    layers = [ebp.layers.Dense(units) for units in widths[1:]]
    net = ebp.Network(layers, widths[0], dtype=dtype, random_state=0)
    X = np.random.default_rng(0).standard_normal((83, widths[0])).astype(dtype)
    whole = net.forward(X)
    for rows in (1, 2, 3, 5, 20):
        for start in range(0, 60, 7):
            part = slice(start, start + rows)
            np.testing.assert_array_equal(net.forward(X[part]), whole[part])
