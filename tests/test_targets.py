"""Target coding: points of maximal curvature, asymptotes, probabilities from outputs, class weights."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
from ebp._targets import CURVATURE_POINTS, constant_loss, probabilities
from ebp.layers import Dense
from tables import CANCER, IRIS


def test_two_classes_have_one_output_and_three_have_three():
    two = ebp.MLPClassifier((3,), random_state=0).fit(*CANCER)
    three = ebp.MLPClassifier((3,), random_state=0).fit(*IRIS)
    assert (two.n_outputs_, three.n_outputs_) == (1, 3)
    assert two.decision_function(CANCER[0]).shape == (len(CANCER[0]),)
    assert three.decision_function(IRIS[0]).shape == (len(IRIS[0]), 3)
    assert (two.out_activation_, two.network_.loss_function) == ("scaled_tanh", "squared_error")


@pytest.mark.parametrize("name", ["tanh", "logistic", "scaled_tanh"])
def test_curvature_points_maximise_second_derivative(name):
    y = np.linspace(0.1, 4, 400_001)
    f = {
        "tanh": np.tanh(y),
        "logistic": 1 / (1 + np.exp(-y)),
        "scaled_tanh": np.tanh(2 * y / 3) / np.tanh(2 / 3),
    }
    output = f[name][1:-1][np.abs(np.diff(f[name], 2)).argmax()]
    # the paper rounds the point of its own sigmoid, 0.988, to 1
    assert CURVATURE_POINTS[name][1] == pytest.approx(output, abs=0.02 if name == "scaled_tanh" else 1e-3)


def forward(activation, twist, y):
    """f(y) + twist y of one unit, by the core."""
    unit = ebp.Network([Dense(1, activation, twist=twist)], 1, weight_init=[1, 0], dtype="float64")
    return unit.forward(y[:, None])[:, 0]


@pytest.mark.parametrize("estimator", [ebp.MLPClassifier, ebp.MLPRegressor])
@pytest.mark.parametrize("twist", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("name", ["tanh", "logistic", "scaled_tanh"])
def test_automatic_targets_are_where_the_output_unit_bends_most(name, twist, estimator):
    y = np.linspace(0.1, 4, 40_001)
    bend = np.abs(np.diff(forward(name, twist, y), 2)).argmax()
    expected = [forward(name, twist, side * y)[1:-1][bend] for side in (-1, 1)]
    X, values = IRIS
    model = estimator((2,), out_activation=name, twist=twist, solver="sdlm", max_iter=5, random_state=0)
    T = model.fit(X, values)._code(values, values)
    # the paper rounds the input where its own sigmoid bends most, 0.988, to 1
    tolerance = 0.02 if name == "scaled_tanh" else 1e-3
    np.testing.assert_allclose([T.min(), T.max()], expected, atol=tolerance)


@pytest.mark.parametrize("estimator", [ebp.MLPClassifier, ebp.MLPRegressor])
@pytest.mark.parametrize("name", ["tanh", "logistic", "scaled_tanh"])
def test_asymptotes_are_what_outputs_tend_to(name, estimator):
    X, values = IRIS
    options = {"targets": "asymptotes", "out_activation": name, "solver": "sdlm", "max_iter": 5}
    T = estimator((2,), random_state=0, **options).fit(X, values)._code(values, values)
    np.testing.assert_allclose([T.min(), T.max()], forward(name, 0.0, np.array([-100.0, 100.0])), atol=1e-6)
    outputs = ebp.NetworkClassifier([Dense(3, name)], targets="asymptotes", random_state=0).fit(X, values)
    np.testing.assert_allclose(outputs._targets, (T.min(), T.max()), rtol=1e-6)


@pytest.mark.parametrize("estimator", [ebp.MLPClassifier, ebp.MLPRegressor])
@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"out_activation": "identity"}, "with out_activation='identity'$"),
        ({"out_activation": "relu"}, "with out_activation='relu'$"),
        ({"out_activation": "tanh", "twist": 0.1}, "with out_activation='tanh' and twist=0.1$"),
    ],
)
def test_outputs_without_limits_have_no_asymptotes(estimator, options, got):
    rule = "targets must be 'auto' or a pair .* 'asymptotes' are for out_activation 'scaled_tanh', 'tanh', "
    with pytest.raises(ValueError, match=rf"{rule}'logistic' with twist=0; got 'asymptotes' {got}"):
        estimator(targets="asymptotes", **options).fit(*IRIS)


def test_the_twist_of_a_given_output_layer_counts():
    X, y = IRIS
    layers = [Dense(3, "tanh", twist=0.2)]
    model = ebp.NetworkClassifier(layers, max_iter=2, random_state=0).fit(X, y)
    assert model._targets[1] == pytest.approx(3**-0.5 + 0.2 * np.arctanh(3**-0.5))
    with pytest.raises(ValueError, match=r"and twist=0\.2$"):
        ebp.NetworkClassifier(layers, targets="asymptotes").fit(X, y)


@pytest.mark.parametrize("loss", ["hinge", "cross_entropy", "binary_cross_entropy"])
def test_losses_with_targets_of_their_own_refuse_asymptotes(loss):
    with pytest.raises(ValueError, match=rf"targets must be 'auto' or .* with loss='{loss}'; got 'asympt"):
        ebp.MLPClassifier(loss=loss, targets="asymptotes").fit(*IRIS)


def test_targets_stay_while_training_goes_on():
    model = ebp.MLPClassifier((2,), targets="asymptotes", warm_start=True, max_iter=1, random_state=0)
    model.fit(*IRIS).fit(*IRIS)
    with pytest.raises(ValueError, match=r"targets must stay 'asymptotes' .*; got 'auto'"):
        model.set_params(targets="auto").fit(*IRIS)


@pytest.mark.parametrize("name", ["tanh", "logistic", "scaled_tanh"])
def test_asymptotes_drive_output_weights_to_infinity(name):
    """The claim of section 4.5: weights stay bounded with targets where f bends most, else they grow on."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 2))
    y = (X.sum(axis=1) > 0).astype(int)
    X += 0.3 * (2 * y[:, None] - 1)  # a gap, so that every sample can be learnt
    epochs = [50, 100, 200, 400, 800]

    def norms(targets):
        found = []

        def record(model, *_):
            found.append(float(np.linalg.norm(model.coefs_[-1])))

        rate = 0.1 if name == "logistic" else 0.02
        options = {"solver": "sgd", "learning_rate": "constant", "learning_rate_init": rate, "tol": 0.0}
        options |= {"max_iter": 800, "n_iter_no_change": 800, "callbacks": record, "random_state": 0}
        model = ebp.MLPClassifier((5,), out_activation=name, targets=targets, **options)
        model.fit(X, y)
        return np.array([found[epoch - 1] for epoch in epochs])

    bounded, growing = norms("auto"), norms("asymptotes")
    assert bounded.max() <= 1.1 * bounded[:2].max()
    assert (np.diff(growing) > 0.03 * growing[0]).all()  # the same step with every doubling: like log(t)
    assert growing[-1] > 2 * bounded[-1]


def test_targets_may_be_given():
    X, y = IRIS
    model = ebp.MLPClassifier((10,), targets=(-0.5, 0.5), random_state=0).fit(X, y)
    assert np.median(np.abs(model.decision_function(X))) < 0.7
    assert model.score(X, y) > 0.9


def test_squared_error_probabilities_by_hand():
    outputs = np.array([[1.0, -1.0, -1.0], [0.2, 0.5, -3.0]])
    u = (outputs + 1) / 2
    soft = np.log1p(np.exp(10 * u)) / 10
    expected = soft / soft.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities(outputs, "squared_error", -1, 1), expected, rtol=1e-12)
    far = probabilities(np.array([[-500.0, -600.0]]), "squared_error", -1, 1)
    np.testing.assert_allclose(far, [[1, 0]], atol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "binary_cross_entropy"])
def test_constant_loss_is_that_of_the_best_constant(loss, rng):
    T = np.eye(3)[rng.integers(3, size=40)]
    w = rng.uniform(0.5, 1, 40)
    net = ebp.Network([ebp.layers.Dense(3, "identity")], 1, loss=loss, dtype="float64", random_state=0)
    mean = np.average(T, axis=0, weights=w)
    best = {
        "squared_error": mean,
        "cross_entropy": np.log(mean),
        "binary_cross_entropy": np.log(mean / (1 - mean)),
    }
    net.parameters[:3] = 0
    net.parameters[3:] = best[loss]
    assert net.loss(np.zeros((40, 1)), T, w) == pytest.approx(constant_loss(T, w, loss), rel=1e-9)


def test_class_weight_moves_the_boundary():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(0, 1, (400, 2)), rng.normal(1.5, 1, (40, 2))])
    y = np.repeat([0, 1], [400, 40])

    def recall(class_weight):
        model = ebp.MLPClassifier((5,), class_weight=class_weight, random_state=0).fit(X, y)
        return np.mean(model.predict(X[400:]) == 1)

    assert recall("balanced") > recall(None) + 0.1
    assert recall({0: 1, 1: 10}) > recall(None) + 0.1
    np.testing.assert_allclose(recall("balanced"), recall({0: 440 / 800, 1: 440 / 80}))
