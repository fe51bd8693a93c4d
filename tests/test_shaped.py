"""Networks of any layers: every result against the oracle and against differences; initial weights."""

import ebp
import numpy as np
import pytest
from cases_grid import LENET_C3
from cases_shaped import CASES, ShapedCase, case, layer
from checks import assert_close, assert_parameters_close, check_gradient, check_jacobian

EVERY_CASE = pytest.mark.parametrize("one", CASES, ids=str)
TABLE = [[k in row for k in range(6)] for row in LENET_C3]
LENET5 = ShapedCase("lenet5", (1, 32, 32), (
    layer("Conv2D", 6, 5), layer("Subsample2D", 2), layer("Conv2D", 16, 5, connections=TABLE),
    layer("Subsample2D", 2), layer("Conv2D", 120, 5), layer("Dense", 84),
    layer("EuclideanRBF", np.sign(np.sin(np.arange(1, 841.0) ** 2)).reshape(10, 84).tolist())), "map", 2, 0,
    {"j": 84.0})  # fmt: skip


def check_curvature(net, X, T, expected, oracle, tolerance):
    """Losses of straight lines have none at all."""
    got = net._curvature_diagonal(X, T)
    if expected.any():
        assert_parameters_close(got, expected, oracle, tolerance, "curvature diagonal")
    else:
        assert oracle.loss_function.name in ("hinge", "absolute_error")
        assert not got.any()


@pytest.mark.parametrize("one", [*CASES, LENET5], ids=str)
def test_results_equal_the_oracle(one):
    net, oracle, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    np.testing.assert_array_equal(net.parameters, theta)
    assert net.parameter_slices == oracle.slices
    assert net.output_shapes == tuple(oracle.shapes)
    assert_close(net.forward(X), oracle.forward(theta, X), 1e-12, "forward")
    for got, expected in zip(net.activations(X), oracle.activations(theta, X), strict=True):
        assert_close(got, expected, 1e-12, "activations")
    assert_close(net.losses(X, T), oracle.losses(theta, X, T), 1e-12, "losses")
    assert net.loss(X, T) == pytest.approx(oracle.loss(theta, X, T), rel=1e-12)
    assert_parameters_close(net.gradient(X, T), oracle.gradient(theta, X, T), oracle, 1e-10, "gradient")
    check_curvature(net, X, T, oracle.curvature_diagonal(theta, X, T), oracle, 1e-10)
    if one is not LENET5:
        assert_close(net.jacobian(X), oracle.jacobian(theta, X), 1e-12, "jacobian")


@EVERY_CASE
def test_derivatives_agree_with_differences(one):
    net, oracle, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data(4)

    def at(parameters, function, *arguments):
        net.parameters[:] = parameters
        return function(*arguments)

    check_gradient(lambda t: at(t, net.loss, X, T), at(theta, net.gradient, X, T), theta, oracle)
    check_jacobian(lambda t: at(t, net.forward, X), at(theta, net.jacobian, X), theta)


@EVERY_CASE
def test_float32_is_close_to_float64(one):
    net, oracle, theta, (X, T) = one.network("float32"), one.oracle(), one.parameters(), one.data()
    for got in (net.forward(X), net.gradient(X, T), net.jacobian(X), net.parameters, *net.activations(X)):
        assert got.dtype == np.float32
    assert_close(net.forward(X), oracle.forward(theta, X), 1e-5, "forward")
    assert_close(net.losses(X, T), oracle.losses(theta, X, T), 1e-5, "losses")
    assert_parameters_close(net.gradient(X, T), oracle.gradient(theta, X, T), oracle, 1e-4, "gradient")
    check_curvature(net, X, T, oracle.curvature_diagonal(theta, X, T), oracle, 1e-4)


@pytest.mark.parametrize("n", [1, 255, 257])
@pytest.mark.parametrize("one", [case("lenet"), case("map-trained")], ids=str)
def test_many_rows_equal_their_parts(one, n):
    """Sums formed in blocks of rows lose nothing at the blocks' edges."""
    net, oracle, (X, T) = one.network(), one.oracle(), one.data(n)
    rows = [slice(row, row + 1) for row in range(n)]
    assert_close(net.forward(X), np.concatenate([net.forward(X[r]) for r in rows]), 1e-13, "forward")
    for function in (net.gradient, net._curvature_diagonal):
        mean = sum(function(X[r], T[r]) for r in rows) / n
        assert_parameters_close(function(X, T), mean, oracle, 1e-12)


@EVERY_CASE
def test_samples_are_images_or_rows(one):
    net, (X, T) = one.network(), one.data()
    rows, before = X.reshape(len(X), -1), X.copy()
    np.testing.assert_array_equal(net.forward(rows), net.forward(X))
    np.testing.assert_array_equal(net.gradient(rows, T), net.gradient(X, T))
    np.testing.assert_array_equal(X, before)


@EVERY_CASE
def test_no_rows_give_no_outputs(one):
    net = one.network()
    assert net.forward(np.empty((0, net.n_inputs))).shape == (0, net.n_outputs)
    shapes = [states.shape for states in net.activations(np.empty((0, *one.input_shape)))]
    assert shapes == [(0, *shape) for shape in net.output_shapes]


# --- initial weights ----------------------------------------------------------------------------------------


def test_fan_in_of_shared_weights_counts_connected_maps_only():
    """Trap T15: 75, 100 and 150 for the maps of LeNet-5's C3."""
    net = ebp.Network(ebp.layers.lenet5(), (1, 32, 32), loss="map", weight_init="lenet", random_state=0)
    where = {name: part for name, part, _ in net.parameter_slices}
    kernels = np.abs(net.parameters[where["2.weights"]]).reshape(-1, 25)
    maps = np.repeat(np.arange(16), [len(row) for row in LENET_C3])
    for number, row in enumerate(LENET_C3):
        bound = 2.4 / (25 * len(row))
        assert 0.9 * bound < kernels[maps == number].max() <= bound * (1 + 1e-6)
    assert not any(net.parameters[part].any() for name, part in where.items() if name.endswith("bias"))
    np.testing.assert_array_equal(net.parameters[where["1.coefficients"]], np.float32(0.5))


def test_codes_to_be_trained_start_as_given():
    codes = [[1.0, -1, 0.5], [-1, 1, 2]]
    net = ebp.Network([ebp.layers.EuclideanRBF(codes, trainable=True)], 3, loss="map")
    np.testing.assert_array_equal(net.parameters, np.ravel(codes))
