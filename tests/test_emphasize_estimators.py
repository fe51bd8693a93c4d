"""Estimators that emphasise: what reaches the engine, and what it does to real digits (S4.2)."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
from ebp._presentation import orders, presentations, row_keys
from ebp._training import TrainingData
from ebp.sampling import Emphasize
from ebp.schedules import Constant
from sklearn.base import clone
from sklearn.datasets import load_digits
from tables import blobs


def recorded(model, X, y, monkeypatch, **fit):
    """The fitted model, and (order, sample_weight) of every epoch."""
    calls, train = [], ebp.Network.train_online

    def spy(network, *args, order, sample_weight, **options):
        calls.append((order, sample_weight))
        return train(network, *args, order=order, sample_weight=sample_weight, **options)

    monkeypatch.setattr(ebp.Network, "train_online", spy)
    return model.fit(X, y, **fit), calls


@pytest.mark.parametrize("estimator", [ebp.MLPClassifier, ebp.MLPRegressor])
@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
def test_estimators_emphasise(estimator, solver, monkeypatch):
    X, y = blobs(200)
    model = estimator((5,), solver=solver, sampling="emphasize", max_iter=4, random_state=0)
    one, calls = recorded(model, X, y, monkeypatch)
    counts = [np.bincount(order, minlength=200) for order, _ in calls]
    assert (counts[0] == 1).all()
    assert max(count.max() for count in counts[1:]) >= 3
    assert all(weight is None for _, weight in calls)
    other = clone(model).fit(X, y)
    np.testing.assert_array_equal(one.network_.parameters, other.network_.parameters)
    explicit = clone(model).set_params(sampling=Emphasize()).fit(X, y)
    np.testing.assert_array_equal(one.network_.parameters, explicit.network_.parameters)
    shuffled = clone(model).set_params(sampling="shuffle").fit(X, y)
    assert not np.array_equal(one.network_.parameters, shuffled.network_.parameters)


def test_corrected_estimators_weight_the_presentations(monkeypatch):
    X, y = blobs(200)
    model = ebp.MLPClassifier((5,), sampling=Emphasize(corrected=True), max_iter=3, random_state=0)
    _, calls = recorded(model, X, y, monkeypatch)
    np.testing.assert_array_equal(calls[0][1], np.ones(200))
    for order, weights in calls[1:]:
        counts = np.bincount(order, minlength=200)
        assert np.abs(counts - 1 / weights).max() < 1
        assert np.ptp(weights) > 1


@pytest.mark.parametrize("corrected", [False, True])
def test_weights_go_together_with_emphasis(corrected):
    X, y = blobs(60)
    weights = np.arange(60) % 4
    order = np.random.default_rng(0).permutation(weights.sum())
    model = ebp.MLPClassifier((5,), sampling=Emphasize(corrected=corrected), max_iter=5, random_state=0)
    repeated = clone(model).fit(X.repeat(weights, axis=0)[order], y.repeat(weights)[order])
    weighted = clone(model).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(repeated.network_.parameters, weighted.network_.parameters)
    fractions = clone(model).fit(X, y, sample_weight=weights + 0.5)
    assert np.isfinite(fractions.loss_curve_).all()


@pytest.mark.parametrize("corrected", [False, True])
def test_running_errors_are_those_of_the_samples_without_weights(rng, corrected):
    X, T = rng.normal(size=(50, 2)), rng.normal(size=(50, 1))
    weights, errors = rng.uniform(0.1, 3.0, size=50), rng.exponential(size=50)
    keys = row_keys(X, T)
    rows, share = presentations(weights, 50, keys)
    data = TrainingData(X, T, None, rows, share, None, keys)
    drawn = orders(data, Emphasize(corrected=corrected), rng)
    for _ in range(3):
        order = drawn.draw()
        mean = drawn.observe(order, errors[order] * drawn.weights[order])
    by_row = drawn._sampler.errors[drawn._kind]
    np.testing.assert_allclose(by_row, errors)
    assert mean == pytest.approx(np.average(errors, weights=weights), rel=0.05)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_reported_losses_do_not_depend_on_the_emphasis(corrected, weighted):
    """At a vanishing rate the loss stays, and so does its mean over all samples."""
    X, y = blobs(300)
    weights = np.random.default_rng(0).uniform(0.1, 3.0, size=300) if weighted else None
    options = {"learning_rate_init": 1e-9, "max_iter": 8, "n_iter_no_change": 8, "dtype": "float64"}
    means = []
    for sampling in ("shuffle", Emphasize(corrected=corrected)):
        model = ebp.MLPClassifier((5,), sampling=sampling, random_state=0, **options)
        with pytest.warns(match="not reached the loss of constant outputs"):
            model.fit(X, y, sample_weight=weights)
        means.append(model.loss_curve_)
    np.testing.assert_allclose(means[1][0], means[0][0], rtol=1e-6)
    # later orders estimate it
    np.testing.assert_allclose(means[1], means[0], rtol=0.05)


def test_partial_fit_goes_by_the_errors_before(monkeypatch):
    X, y = blobs(200)
    model = ebp.MLPClassifier((5,), random_state=0, max_iter=3).fit(X, y)
    wrong = np.arange(200) < 4
    y = np.where(wrong, (y + 1) % 3, y)
    calls, train = [], ebp.Network.train_online

    def spy(network, *args, order, **options):
        calls.append(order)
        return train(network, *args, order=order, **options)

    monkeypatch.setattr(ebp.Network, "train_online", spy)
    model.set_params(sampling=Emphasize(outliers=0.0)).partial_fit(X, y)
    counts = np.bincount(calls[0], minlength=200)
    assert counts[wrong].min() > counts[~wrong].mean() + 2
    model.partial_fit(X[:1], y[:1])
    np.testing.assert_array_equal(calls[1], [0])


def test_batch_descent_is_not_emphasised(monkeypatch):
    X, y = blobs(100)
    model = ebp.MLPClassifier((5,), solver="gd", sampling="emphasize", max_iter=3, random_state=0)
    with pytest.warns(match="before the training had converged"):
        _, calls = recorded(model.set_params(learning_rate=Constant()), X, y, monkeypatch)
    assert all((np.bincount(order) == 1).all() for order, _ in calls)


def digits(seed):
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order[:1000]], y[order[:1000]], X[order[1000:]], y[order[1000:]]


def test_a_rare_class_is_learnt_sooner():
    settings = Emphasize(outliers=0.0)  # 1 % of the samples are rare: no fraction as large may be set back
    errors = {"shuffle": [], settings: []}
    for seed in range(4):
        X, y, X_test, y_test = digits(seed)
        kept = (y != 8) | (np.cumsum(y == 8) <= 10)
        rare = y_test == 8
        for sampling, found in errors.items():
            model = ebp.MLPClassifier((30,), sampling=sampling, max_iter=5, random_state=seed)
            found.append(1 - model.fit(X[kept], y[kept]).score(X_test[rare], y_test[rare]))
    assert np.mean(errors[settings]) < np.mean(errors["shuffle"]) - 0.2


def presented_wrong(sampling, monkeypatch, fraction, seed=0):
    """Share of mislabelled samples among the presentations of the last epochs; and test accuracy."""
    X, y, X_test, y_test = digits(seed)
    wrong = np.arange(1000) < fraction * 1000
    noisy = np.where(wrong, (y + 1 + np.arange(1000) % 9) % 10, y)
    model = ebp.MLPClassifier((30,), sampling=sampling, random_state=seed)
    model, calls = recorded(model, X, noisy, monkeypatch)
    return np.mean([wrong[order].mean() for order, _ in calls[-5:]]), model.score(X_test, y_test)


def test_mislabelled_samples_do_not_take_over(monkeypatch):
    guarded, _ = presented_wrong("emphasize", monkeypatch, 0.015)
    unguarded, _ = presented_wrong(Emphasize(outliers=0.0), monkeypatch, 0.015)
    assert guarded < 1.2 * 0.015
    assert unguarded > 3 * 0.015
    settings = Emphasize(outliers=0.06, patience=3), Emphasize(outliers=0.0)
    # one seed's accuracies differ by rounding as much as by the setting
    results = [[presented_wrong(each, monkeypatch, 0.05, seed) for seed in range(4)] for each in settings]
    (many, accuracy), (all_of_them, disastrous) = np.mean(results, axis=1)
    assert many < 1.2 * 0.05
    assert all_of_them > 3 * 0.05
    assert accuracy > disastrous
