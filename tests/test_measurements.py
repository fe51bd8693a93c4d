"""What `ebp.diagnose` measures, each measurement alone."""

import ebp
import numpy as np
import pytest
from ebp import _measurements
from ebp.layers import Conv2D, Dense, MaxPool2D, Subsample2D

# ---- inputs ------------------------------------------------------------------------------------------------


def test_many_columns_take_a_part_of_the_rows(rng):
    rows = _measurements.rows_for_eigenvalues(1_000_000, 784, rng)
    assert 784 < len(rows) < 20_000
    assert len(np.unique(rows)) == len(rows)
    assert len(_measurements.rows_for_eigenvalues(5000, 10_000, rng)) <= 1000
    np.testing.assert_array_equal(_measurements.rows_for_eigenvalues(1000, 64, rng), np.arange(1000))


@pytest.mark.parametrize("shape", [(50, 7), (7, 50)])
def test_eigenvalues_with_and_without_singular_values(monkeypatch, rng, shape):
    X = rng.standard_normal(shape)
    X[:, 0] = X[:, 1]
    small, n_zero = _measurements._eigenvalues(X)
    monkeypatch.setattr(_measurements, "SINGULAR_COST", 0)
    large, n_zero_large = _measurements._eigenvalues(X)
    np.testing.assert_allclose(large, small, rtol=1e-9)
    assert n_zero == n_zero_large == shape[1] - np.linalg.matrix_rank(X)
    np.testing.assert_allclose(small.sum(), (X**2).sum() / len(X))


# ---- layers ------------------------------------------------------------------------------------------------


def test_saturation_is_where_the_slope_is_below_a_tenth():
    """Total inputs of one unit, known in advance: |2y/3| > arccosh(sqrt(10)) = 1.818 is saturated."""
    X = np.array([[-4.0], [-2.8], [-2.7], [0.0], [2.7], [2.8]])
    net = ebp.Network([Dense(1), Dense(1, "identity")], 1, weight_init=[1, 0, 1, 0], dtype="float64")
    first, last = _measurements.layer_states(net, X, np.zeros((6, 1)))
    assert first["saturated"] == pytest.approx(3 / 6)
    assert first["total_input_std"] == pytest.approx(X.std())
    assert (last["saturated"], last["n_stuck"]) == (0, 0)


def test_a_twist_keeps_units_from_saturation():
    X = np.linspace(-10, 10, 41)[:, None]
    for twist, saturated in ((0.0, True), (0.2, False)):
        net = ebp.Network([Dense(1, "tanh", twist=twist)], 1, weight_init=[1, 0], dtype="float64")
        (state,) = _measurements.layer_states(net, X, np.zeros((41, 1)))
        assert (state["saturated"] > 0) == saturated


def test_dead_relu_units_are_found(rng):
    X = rng.standard_normal((300, 2))
    net = ebp.Network(
        [Dense(2, "relu"), Dense(1)], 2, weight_init=[1, 0, 0, 1, 0, -100, 1, 1, 0], dtype="float64"
    )
    first, _ = _measurements.layer_states(net, X, np.zeros((300, 1)))
    assert first["n_stuck"] == 1
    assert first["saturated"] == pytest.approx(0.5 + (X[:, 0] <= 0).mean() / 2)


@pytest.mark.parametrize("activation", ["scaled_tanh", "tanh", "logistic"])
def test_slopes_against_differences(activation):
    Y = np.linspace(-3, 3, 13)
    layer = ebp.Network([Dense(1, activation)], 1, weight_init=[1, 0], dtype="float64")
    h = 1e-6
    differences = (layer.forward(Y[:, None] + h) - layer.forward(Y[:, None] - h))[:, 0] / (2 * h)
    np.testing.assert_allclose(_measurements.slopes(Y, activation), differences, rtol=1e-5)


def test_total_inputs_of_layers_of_all_kinds(rng):
    layers = [Conv2D(2, 3, activation="relu"), MaxPool2D(2), Subsample2D(1, twist=0.1), Dense(4, "logistic")]
    net = ebp.Network(layers, (1, 6, 6), dtype="float64", random_state=0)
    X = rng.standard_normal((5, 36))
    outputs = net.activations(X)
    np.testing.assert_allclose(
        np.maximum(_measurements.total_inputs(net, X, 0), 0), outputs[0].reshape(5, -1)
    )
    Y = _measurements.total_inputs(net, X, 2)
    np.testing.assert_allclose(1.7159 * np.tanh(2 * Y / 3) + 0.1 * Y, outputs[2].reshape(5, -1), rtol=1e-5)
    np.testing.assert_allclose(1 / (1 + np.exp(-_measurements.total_inputs(net, X, 3))), outputs[3])
    states = _measurements.layer_states(net, X, np.zeros((5, 4)))
    assert [state["saturated"] is None for state in states] == [False, True, False, False]
    assert [state["mean_curvature"] is None for state in states] == [False, True, False, False]
