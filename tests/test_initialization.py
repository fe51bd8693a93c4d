"""Initial weights of every estimator and layer against closed forms. Section 4.6."""

from __future__ import annotations

import warnings

import ebp
import numpy as np
import pytest
from ebp.layers import Conv1D, Conv2D, Dense, GaussianRBF
from sklearn.exceptions import ConvergenceWarning

# Standard deviation and largest magnitude by fan-in m and fan-out k; None: a normal distribution, no bound.
SCHEMES = {
    "lecun": lambda m, k: (m**-0.5, None),
    "lecun_uniform": lambda m, k: (m**-0.5, (3 / m) ** 0.5),
    "xavier": lambda m, k: ((2 / (m + k)) ** 0.5, (6 / (m + k)) ** 0.5),
    "he": lambda m, k: ((2 / m) ** 0.5, None),
    "lenet": lambda m, k: (2.4 / m / 3**0.5, 2.4 / m),
    "sn": lambda m, k: ((3 * m) ** -0.5, m**-0.5),
}
# The table of C3 as printed: the maps of S2 that each of the 16 maps sees.
C3_FAN_IN = [75] * 6 + [100] * 9 + [150]
HIDDEN = (150, 100)
STACK = [Dense(150), Dense(100)]


def assert_drawn(values, scheme, fan_in, fan_out):
    """`values` have mean, spread and bounds of the scheme, within four standard errors."""
    values, (std, bound) = np.ravel(values), SCHEMES[scheme](fan_in, fan_out)
    assert abs(values.mean()) < 4 * std / values.size**0.5
    assert values.std() == pytest.approx(std, rel=2.9 / values.size**0.5)
    if bound is None:
        assert np.abs(values).max() > 1.9 * std  # a uniform distribution ends at 1.73
    else:
        assert (1 - 20 / values.size) * bound < np.abs(values).max() <= bound * (1 + 1e-6)


def untrained(estimator, X, y):
    """Fitted at a rate that moves no weight by as much as a bit."""
    estimator.set_params(learning_rate_init=1e-30, dtype="float64", max_iter=1, solver="sgd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y).network_


def networks(**options):
    """Two hidden layers over 200 inputs and three outputs, made in every way there is."""
    rng = np.random.default_rng(0)
    X, labels, values = rng.standard_normal((30, 200)), np.arange(30) % 3, rng.standard_normal((30, 3))
    yield untrained(ebp.MLPClassifier(HIDDEN, **options), X, labels)
    yield untrained(ebp.MLPRegressor(HIDDEN, **options), X, values)
    yield untrained(ebp.NetworkClassifier(STACK, **options), X, labels)
    yield untrained(ebp.NetworkRegressor(STACK, **options), X, values)
    yield ebp.Network([*STACK, Dense(3)], 200, dtype="float64", **options)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_dense_layers_of_every_estimator(scheme):
    for network in networks(weight_init=scheme, random_state=1):
        shapes = [shape for _, _, shape in network.parameter_slices]
        assert shapes == [(150, 200), (150,), (100, 150), (100,), (3, 100), (3,)]
        fan_in = {"0": 200, "1": 150, "2": 100}
        for name, where, shape in network.parameter_slices:
            values, m = network.parameters[where], fan_in[name[0]]
            if name.endswith("weights"):
                assert_drawn(values, scheme, m, shape[0])
            elif scheme == "sn":  # there biases are weights like all others
                assert 0.5 * m**-0.5 < np.abs(values).max() <= m**-0.5
            else:
                assert np.abs(values).max() < 1e-20


def test_an_array_is_taken_by_every_estimator():
    values = np.random.default_rng(2).standard_normal(150 * 201 + 100 * 151 + 3 * 101)
    for network in networks(weight_init=values):
        np.testing.assert_allclose(network.parameters, values, rtol=1e-15)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_convolutions_count_the_maps_that_they_see(scheme):
    """Fan-in of a unit of C3: 25 weights for each map of the table, and not for all of S2."""
    weights = {name: [] for name in ("0.weights", "2.weights", "4.weights")}
    for seed in range(10):
        network = ebp.Network(
            ebp.layers.lenet5("dense"), (1, 32, 32), weight_init=scheme, random_state=seed, dtype="float64"
        )
        for name, where, _ in network.parameter_slices:
            if name in weights:
                weights[name].append(network.parameters[where])
            elif name.endswith("coefficients"):
                np.testing.assert_array_equal(network.parameters[where], 0.5)  # of sums of four
            elif name.endswith("bias") and scheme != "sn":
                assert not network.parameters[where].any()
    assert_drawn(weights["0.weights"], scheme, 25, 6 * 25)
    assert_drawn(weights["4.weights"], scheme, 16 * 25, 120 * 25)
    maps = np.split(np.array(weights["2.weights"]), np.cumsum(C3_FAN_IN)[:-1], axis=1)
    for fan_in in (75, 100, 150):
        drawn = np.hstack([part for part, m in zip(maps, C3_FAN_IN, strict=True) if m == fan_in])
        assert drawn.shape == (10, fan_in * C3_FAN_IN.count(fan_in))
        assert_drawn(drawn, scheme, fan_in, 16 * 25)


def test_a_wrong_fan_in_would_be_noticed():
    drawn = np.random.default_rng(0).normal(0, 75**-0.5, 10 * 75 * 6)
    assert_drawn(drawn, "lecun", 75, 400)
    with pytest.raises(AssertionError):
        assert_drawn(drawn, "lecun", 100, 400)
    with pytest.raises(AssertionError):
        assert_drawn(drawn, "lecun_uniform", 75, 400)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("estimator", [ebp.NetworkClassifier, ebp.NetworkRegressor])
def test_shared_weights_of_estimators(estimator, scheme):
    rng = np.random.default_rng(0)
    images, sequences, y = rng.random((12, 2, 9, 9)), rng.random((12, 3, 40)), np.arange(12) % 3
    table = np.array([[1, 0], [1, 1]] * 20, bool)
    layers = [Conv2D(40, 5, connections=table), Dense(4)]
    options = {"weight_init": scheme, "random_state": 0, "normalize": None}
    network = untrained(estimator(layers, **options), images, y)
    kernels = network.parameters[network.parameter_slices[0][1]].reshape(20, 3, 25)
    assert_drawn(kernels[:, 0], scheme, 25, 40 * 25)
    assert_drawn(kernels[:, 1:], scheme, 50, 40 * 25)
    network = untrained(estimator([Conv1D(30, 7), Dense(4)], **options), sequences, y)
    kernels = network.parameters[network.parameter_slices[0][1]]
    assert kernels.size == 30 * 3 * 7
    assert_drawn(kernels, scheme, 21, 30 * 7)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_radial_units_leave_the_layer_above_its_fan_in(scheme):
    network = ebp.Network(
        [GaussianRBF(80), Dense(40)], 10, weight_init=scheme, random_state=0, dtype="float64"
    )
    where = {name: part for name, part, _ in network.parameter_slices}
    assert_drawn(network.parameters[where["1.weights"]], scheme, 80, 40)
    np.testing.assert_allclose(network.parameters[where["0.widths"]], 10**0.5)
