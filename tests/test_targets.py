"""Target coding: the points of maximal curvature, probabilities from outputs, class weights."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
from ebp._targets import CURVATURE_POINTS, constant_loss, probabilities
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
