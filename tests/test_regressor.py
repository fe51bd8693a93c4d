"""MLPRegressor: accuracy unconfigured, targets mapped inside, several outputs, fit against partial_fit."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

SEQUENTIAL = {"sampling": "sequential", "learning_rate": "constant", "normalize": None, "tol": 0.0}


def waves(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 3))
    return X, np.column_stack([np.sin(3 * X[:, 0]) + X[:, 1], 1000 + 100 * X[:, 2] ** 2])


def test_default_on_friedman():
    X, y = make_friedman1(2000, noise=1.0, random_state=0)
    scores = []
    for seed in range(5):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=seed)
        scores.append(ebp.MLPRegressor(random_state=seed).fit(X_train, y_train).score(X_test, y_test))
    assert np.median(scores) > 0.92, scores  # the noise leaves 0.96


def test_no_hidden_layer_is_as_good_as_ridge():
    X, X_test, y, y_test = train_test_split(*load_diabetes(return_X_y=True), test_size=0.3, random_state=0)
    linear = ebp.MLPRegressor((), random_state=0).fit(X, y)
    assert linear.score(X_test, y_test) > Ridge(0.1).fit(X, y).score(X_test, y_test) - 0.03


@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
def test_several_outputs(solver):
    X, Y = waves()
    model = ebp.MLPRegressor((50,), solver=solver, max_iter=60, random_state=0).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.predict(X).dtype == np.float64
    assert model.score(X, Y) > 0.9
    assert model.n_outputs_ == 2


def test_shape_of_y_is_kept():
    X, Y = waves(50)
    assert ebp.MLPRegressor((3,), random_state=0).fit(X, Y[:, 0]).predict(X).shape == (50,)
    assert ebp.MLPRegressor((3,), random_state=0).fit(X, Y[:, :1]).predict(X).shape == (50, 1)


def test_targets_are_standardised_inside():
    X, Y = waves()
    model = ebp.MLPRegressor((5,), random_state=0).fit(X, Y)
    T = model._code(Y, None)
    np.testing.assert_allclose(T.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(T.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(model._values(T), Y, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "interval"),
    [
        ({"out_activation": "scaled_tanh"}, (-1, 1)),
        ({"out_activation": "logistic"}, (0.5 - 3**-0.5 / 2, 0.5 + 3**-0.5 / 2)),
        ({"targets": (2, 5)}, (2, 5)),
    ],
)
def test_targets_are_mapped_to_an_interval(options, interval):
    X, Y = waves()
    model = ebp.MLPRegressor((30,), random_state=0, **options).fit(X, Y)
    T = model._code(Y, None)
    np.testing.assert_allclose(T.min(axis=0), interval[0], rtol=1e-5)
    np.testing.assert_allclose(T.max(axis=0), interval[1], rtol=1e-5)
    np.testing.assert_allclose(model._values(T), Y, rtol=1e-5, atol=1e-5)
    assert model.score(X, Y) > 0.6


@pytest.mark.parametrize(
    ("name", "targets", "beyond"),
    [
        ("scaled_tanh", "auto", 0.7159 / 2),
        ("tanh", "auto", (3**0.5 - 1) / 2),
        ("logistic", "auto", (3**0.5 - 1) / 2),
        ("scaled_tanh", "asymptotes", 0.0),
        ("logistic", "asymptotes", 0.0),
        ("scaled_tanh", (-0.5, 0.5), 1.2159),
    ],
)
def test_predictions_end_where_the_sigmoid_does(name, targets, beyond):
    """Values far away are predicted beyond the training values, by `beyond` times their range at most."""
    X = np.linspace(-1, 1, 200)[:, None]
    y = 3 * X[:, 0] + 7
    model = ebp.MLPRegressor(
        (), out_activation=name, targets=targets, solver="sdlm", max_iter=60, random_state=0
    )
    model.fit(X, y)
    assert model.score(X, y) > 0.9
    low, high = model.predict([[-1000.0], [1000.0]])
    np.testing.assert_allclose([low, high], [4 - 6 * beyond, 10 + 6 * beyond], rtol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_relu_outputs_reach_every_target(seed):
    X, _ = waves()
    y = np.exp(X[:, 0]) - 5
    model = ebp.MLPRegressor((20,), out_activation="relu", random_state=seed).fit(X, y)
    T = model._code(y, None)
    np.testing.assert_allclose(T.min(), 0, atol=1e-9)
    np.testing.assert_allclose(T.std(), 1, rtol=1e-6)
    np.testing.assert_allclose(model._values(T), y, rtol=1e-5)
    assert model.predict(X).min() >= y.min() - 1e-6
    assert model.score(X, y) > 0.9


def test_affine_change_of_targets_changes_predictions_alike():
    X, Y = waves()
    y = np.round(Y[:, 0], 3)
    one = ebp.MLPRegressor((5,), dtype="float64", sampling="sequential", random_state=0).fit(X, y)
    other = ebp.MLPRegressor((5,), dtype="float64", sampling="sequential", random_state=0).fit(X, 8 * y - 100)
    np.testing.assert_allclose(other.predict(X), 8 * one.predict(X) - 100, rtol=1e-7)


def test_constant_target():
    X, _ = waves(60)
    model = ebp.MLPRegressor((5,), random_state=0).fit(X, np.full(60, 7.5))
    np.testing.assert_allclose(model.predict(X), 7.5, atol=0.3)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_partial_fit_in_chunks_equals_one_epoch_of_fit(momentum):
    X, Y = waves()
    Y = Y[:, :1]
    # fixed statistics of the targets: chunks with the same smallest and largest value
    Y[[0, 50, 130]], Y[[1, 51, 131]] = -2, 2
    options = {"solver": "sgd", "learning_rate_init": 0.003, "momentum": momentum, "random_state": 3}
    options |= {"targets": (-1, 1), **SEQUENTIAL}
    whole = ebp.MLPRegressor((7,), max_iter=1, **options).fit(X, Y)
    parts = ebp.MLPRegressor((7,), **options)
    for start, stop in ((0, 50), (50, 130), (130, 400)):
        parts.partial_fit(X[start:stop], Y[start:stop])
    np.testing.assert_array_equal(whole.network_.parameters, parts.network_.parameters)


@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
def test_partial_fit_calls_equal_epochs_of_fit(solver):
    X, Y = waves(1100)  # more than 1,000, so that the statistics stay after the first call
    options = {"solver": solver, "learning_rate_init": 1e-3, "random_state": 3, **SEQUENTIAL}
    whole = ebp.MLPRegressor((7,), max_iter=3, **options).fit(X, Y)
    calls = ebp.MLPRegressor((7,), **options)
    for _ in range(3):
        calls.partial_fit(X, Y)
    np.testing.assert_array_equal(whole.network_.parameters, calls.network_.parameters)


def test_stream_of_single_samples():
    X, Y = waves(3000)
    model = ebp.MLPRegressor((30,), random_state=0)
    for x, y in zip(X[:2500], Y[:2500], strict=True):
        model.partial_fit(x[None], y[None])
    assert model.score(X[2500:], Y[2500:]) > 0.6
    assert model.target_normalizer_.n_samples_seen_ == 1000


def test_frozen_normalizer_leaves_targets_free():
    X, Y = waves(50)
    frozen = FrozenEstimator(ebp.InputNormalizer().fit(X))
    model = ebp.MLPRegressor((3,), normalize=frozen, random_state=0).partial_fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
    assert model.target_normalizer_.n_samples_seen_ == 50


def test_integer_weights_equal_repeated_rows():
    X, Y = waves(60)
    weights = np.arange(60) % 4
    order = np.random.default_rng(0).permutation(weights.sum())
    options = {"random_state": 0, "max_iter": 5}
    repeated = ebp.MLPRegressor((5,), **options).fit(
        X.repeat(weights, axis=0)[order], Y.repeat(weights, axis=0)[order]
    )
    weighted = ebp.MLPRegressor((5,), **options).fit(X, Y, sample_weight=weights)
    np.testing.assert_array_equal(repeated.network_.parameters, weighted.network_.parameters)


def test_fractional_weights_move_the_mean():
    X = np.zeros((40, 1))
    y = np.repeat([0.0, 1.0], 20)
    w = np.repeat([0.25, 0.75], 20)
    model = ebp.MLPRegressor((), max_iter=200, tol=0.0, random_state=0).fit(X, y, sample_weight=w)
    assert model.predict(X[:1])[0] == pytest.approx(0.75, abs=0.05)


def test_early_stopping_uses_held_out_samples_only_for_measuring():
    X, Y = waves()
    model = ebp.MLPRegressor((20,), early_stopping=True, max_iter=30, random_state=0).fit(X, Y)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.target_normalizer_.n_samples_seen_ == 360
    assert model.normalizer_.n_samples_seen_ == 360
