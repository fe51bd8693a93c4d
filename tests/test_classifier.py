"""MLPClassifier: accuracy unconfigured, labels, fit against partial_fit, state."""

from __future__ import annotations

import tracemalloc

import ebp
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from tables import CANCER, IRIS, blobs

SEQUENTIAL = {"sampling": "sequential", "learning_rate": "constant", "normalize": None, "tol": 0.0}


# ---- the main job -----------------------------------------------------------------------------------------


def test_default_on_digits():
    X, y = load_digits(return_X_y=True)
    scores = []
    for seed in range(5):
        split = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
        scores.append(ebp.MLPClassifier(random_state=seed).fit(split[0], split[2]).score(split[1], split[3]))
    assert np.median(scores) >= 0.975, scores


def test_mnist_sdlm(data_dir):
    X, y, X_test, y_test = ebp.datasets.load_mnist(data_dir)
    model = ebp.MLPClassifier((300,), solver="sdlm", max_iter=10, random_state=0).fit(X, y)
    assert 1 - model.score(X_test, y_test) <= 0.022


def test_authors_digits(data_dir):
    X, y, X_test, y_test = ebp.datasets.load_digits480(data_dir)
    # 320 samples for 10,690 weights: a little weight decay steadies the result
    model = ebp.MLPClassifier((40,), solver="sdlm", alpha=0.01)
    scores = [model.set_params(random_state=seed).fit(X, y).score(X_test, y_test) for seed in range(5)]
    assert np.median(scores) >= 0.9, scores


@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
@pytest.mark.parametrize("hidden", [(), (10,), (100,), (50, 30)])
def test_automatic_rates_over_architectures(solver, hidden):
    X, X_test, y, y_test = train_test_split(*CANCER, test_size=0.3, random_state=0)
    model = ebp.MLPClassifier(hidden, solver=solver, random_state=0).fit(X, y)
    assert model.score(X_test, y_test) >= 0.9


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("data", [IRIS, CANCER], ids=["three classes", "two classes"])
def test_losses_and_probabilities(loss, data):
    X, y = data
    model = ebp.MLPClassifier((20,), loss=loss, random_state=0).fit(X, y)
    p = model.predict_proba(X)
    assert model.score(X, y) > 0.93
    assert p.shape == (len(X), len(model.classes_))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert (p > 0).all()
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))


@pytest.mark.parametrize(
    "labels", [np.array(["b", "a", "c"]), np.array([10, -3, 7]), np.array(["u", "v", "w"], dtype=object)]
)
def test_labels_of_any_kind(labels):
    X, y = IRIS
    names = labels[y]
    model = ebp.MLPClassifier((10,), random_state=0).fit(X, names)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    assert model.predict(X).dtype == names.dtype
    assert np.mean(model.predict(X) == names) > 0.9


# ---- fit and partial_fit ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_partial_fit_in_chunks_equals_one_epoch_of_fit(dtype, momentum):
    X, y = blobs()
    options = {"solver": "sgd", "learning_rate_init": 0.003, "momentum": momentum, "dtype": dtype}
    options |= {"random_state": 3, **SEQUENTIAL}
    whole = ebp.MLPClassifier((7,), max_iter=1, **options).fit(X, y)
    parts = ebp.MLPClassifier((7,), **options)
    for start in (0, 1, 50, 120, 290):
        stop = {0: 1, 1: 50, 50: 120, 120: 290, 290: 300}[start]
        parts.partial_fit(X[start:stop], y[start:stop], classes=[0, 1, 2])
    np.testing.assert_array_equal(whole.network_.parameters, parts.network_.parameters)
    assert whole.t_ == parts.t_ == 300


@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
@pytest.mark.parametrize("sampling", ["sequential", "shuffle", "interleave"])
def test_partial_fit_calls_equal_epochs_of_fit(solver, sampling):
    X, y = blobs()
    options = {"solver": solver, "learning_rate_init": 1e-3, "momentum": 0.5, "random_state": 3}
    options |= {**SEQUENTIAL, "sampling": sampling}
    whole = ebp.MLPClassifier((7,), max_iter=4, **options).fit(X, y)
    calls = ebp.MLPClassifier((7,), **options)
    for _ in range(4):
        calls.partial_fit(X, y, classes=[0, 1, 2])
    assert whole.n_iter_ == calls.n_iter_ == 4
    np.testing.assert_array_equal(whole.network_.parameters, calls.network_.parameters)


def test_partial_fit_sample_by_sample():
    X, y = blobs(1500, n_classes=2)
    model = ebp.MLPClassifier((10,), random_state=0)
    for x, label in zip(X[:1200], y[:1200], strict=True):
        model.partial_fit(x[None], [label], classes=[0, 1])
    assert model.score(X[1200:], y[1200:]) > 0.85
    assert model.normalizer_.n_samples_seen_ == 1000
    assert model.t_ == 1200


def test_partial_fit_goes_on_from_fit():
    X, y = blobs()
    model = ebp.MLPClassifier((10,), random_state=0).fit(X, y)
    normalized, rate = model.normalizer_.mean_.copy(), model._rate
    before, score = model.network_.parameters.copy(), model.score(X, y)
    model.partial_fit(X, y)
    np.testing.assert_array_equal(model.normalizer_.mean_, normalized)
    assert not np.array_equal(model.network_.parameters, before)
    assert (model.n_iter_, model._rate) == (21, rate)
    assert model.score(X, y) >= score - 0.02


def test_partial_fit_after_fit_depends_on_the_seed_only():
    X, y = blobs()
    model = ebp.MLPClassifier((5,), random_state=0)
    first = model.fit(X, y).partial_fit(X, y).network_.parameters.copy()
    again = model.fit(X, y).partial_fit(X, y).network_.parameters
    np.testing.assert_array_equal(again, first)


def test_frozen_normalizer_is_used_as_it_is():
    X, y = blobs()
    normalizer = ebp.InputNormalizer().fit(10 * X + 3)
    model = ebp.MLPClassifier((5,), normalize=FrozenEstimator(normalizer), random_state=0).fit(X, y)
    assert model.normalizer_ is normalizer
    stream = clone(model).partial_fit(X[:5], y[:5], classes=[0, 1, 2])
    np.testing.assert_array_equal(stream.normalizer_.mean_, normalizer.mean_)
    own = ebp.MLPClassifier((5,), normalize=normalizer, random_state=0).fit(X, y)
    np.testing.assert_allclose(own.normalizer_.mean_, X.mean(axis=0))


# ---- state and data ---------------------------------------------------------------------------------------


def test_warm_start_goes_on():
    X, y = blobs()
    model = ebp.MLPClassifier((5,), warm_start=True, max_iter=3, random_state=0).fit(X, y)
    first = model.loss_
    model.fit(X, y)
    assert model.loss_curve_[0] < first * 1.2
    assert model.t_ == 6 * len(X)
    with pytest.raises(ValueError, match=r"\[MLPClassifier\] every label must be one of the classes"):
        model.fit(X, y + 1)


def test_coefs_have_the_orientation_of_scikit_learn():
    X, y = IRIS
    model = ebp.MLPClassifier((7, 5), activation="relu", random_state=0).fit(X, y)
    assert [w.shape for w in model.coefs_] == [(4, 7), (7, 5), (5, 3)]
    assert [b.shape for b in model.intercepts_] == [(7,), (5,), (3,)]
    a = model.normalizer_.transform(X)
    for w, b in list(zip(model.coefs_, model.intercepts_, strict=True))[:-1]:
        a = np.maximum(a @ w + b, 0)
    o = np.tanh(2 / 3 * (a @ model.coefs_[-1] + model.intercepts_[-1])) / np.tanh(2 / 3)
    np.testing.assert_allclose(model.decision_function(X), o, atol=1e-5)


def test_random_states():
    X, y = blobs()

    def fitted(seed):
        return ebp.MLPClassifier((5,), max_iter=2, random_state=seed).fit(X, y).network_.parameters

    np.testing.assert_array_equal(fitted(5), fitted(5))
    np.testing.assert_array_equal(fitted(np.random.RandomState(5)), fitted(np.random.RandomState(5)))
    np.testing.assert_array_equal(fitted(np.random.default_rng(5)), fitted(np.random.default_rng(5)))
    assert not np.array_equal(fitted(5), fitted(6))


def test_training_makes_no_copy_of_float32_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 200)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    model = ebp.MLPClassifier((4,), max_iter=2, random_state=0)
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes / 2, f"{peak / 1e6:.1f} MB beside X of {X.nbytes / 1e6:.1f} MB"


def test_float32_and_float64_rows_agree():
    X, y = blobs()
    X = X.astype(np.float32)
    one = ebp.MLPClassifier((5,), random_state=0).fit(X, y)
    other = ebp.MLPClassifier((5,), random_state=0).fit(X.astype(np.float64), y)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-3)


def test_columns_that_float32_cannot_shift_are_normalised_in_float64():
    rng = np.random.default_rng(0)
    X = (1e6 + 0.15 * rng.normal(size=(2000, 1))).astype(np.float32)
    y = (X[:, 0] > 1e6).astype(int)
    one = ebp.MLPClassifier((5,), random_state=0).fit(X, y)
    other = ebp.MLPClassifier((5,), random_state=0).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(one.network_.parameters, other.network_.parameters)


@pytest.mark.parametrize("scale", [1e-40, 1e-38, 1e-36, 1e30, 1e34, 1e37])
@pytest.mark.parametrize("normalize", ["auto", "minmax", "zca"])
def test_columns_at_the_limits_of_float32(scale, normalize):
    rng = np.random.default_rng(0)
    X = (scale * rng.normal(size=(400, 3))).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    model = ebp.MLPClassifier((5,), normalize=normalize, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95


# ---- sample weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1 / 300, 1e-5, 0.1, 3e-310])
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}])
def test_equal_weights_are_the_same_as_none(weight, options):
    X, y = blobs()
    plain = ebp.MLPClassifier((5,), random_state=0, **options).fit(X, y)
    weighted = ebp.MLPClassifier((5,), random_state=0, **options).fit(X, y, np.full(len(X), weight))
    np.testing.assert_array_equal(weighted.network_.parameters, plain.network_.parameters)


def test_boosting_weights_train_as_well():
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    weights = np.random.default_rng(0).exponential(size=len(X))
    model = ebp.MLPClassifier((20,), random_state=0).fit(X, y, weights / weights.sum())
    assert model.score(X_test, y_test) > 0.94


def test_partial_fit_takes_weights_as_they_are():
    X, y = blobs()
    start = ebp.MLPClassifier((5,), random_state=0).partial_fit(X, y, classes=[0, 1, 2]).network_.parameters
    model = ebp.MLPClassifier((5,), random_state=0)
    model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=np.full(len(X), 1e-9))
    slow = model.network_.parameters
    model.partial_fit(X, y, sample_weight=np.full(len(X), 1e-9))
    np.testing.assert_allclose(model.network_.parameters, slow, atol=1e-4)
    assert np.abs(start - slow).max() > 1e-2
