"""Sparse inputs: they learn and predict as dense ones do, and are never made dense as a whole."""

from __future__ import annotations

import warnings

import ebp
import numpy as np
import pytest
from ebp import _blocks, _feed
from ebp.sampling import Emphasize
from ebp.schedules import GrowingBatch, InverseTime
from limited import peak_of
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

LAYOUTS = (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix)
METHODS = ("auto", "center", "standard", "global", "decorrelate", "zca", "minmax")


def table(n=400, n_features=12, seed=0):
    """Rows with 4 of 5 values zero, and whether the sum of the first three is positive."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features)) * (rng.random((n, n_features)) < 0.2)
    return X, X[:, :3].sum(axis=1) > 0


def fitted(X, y, estimator=ebp.MLPClassifier, **options):
    return estimator((5,), **{"max_iter": 3, "random_state": 0, **options}).fit(X, y)


def equal(model, other):
    np.testing.assert_array_equal(model.network_.parameters, other.network_.parameters)
    assert model.loss_curve_ == other.loss_curve_


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int8, bool])
def test_every_layout_and_type_gives_the_bits_of_dense_rows(layout, kind):
    X, y = table()
    X = (3 * X).astype(kind)
    model, other = fitted(layout(X), y), fitted(X, y)
    equal(model, other)
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(model, method)(layout(X)), getattr(other, method)(X))
    assert model.score(layout(X), y) == other.score(X, y)


@pytest.mark.parametrize(
    "options",
    [
        *({"solver": solver} for solver in ("sgd", "murata", "adagrad", "rmsprop", "adam")),
        {"solver": "rprop", "batch_size": 50},
        *({"normalize": method} for method in (*METHODS, None)),
        {"sampling": "interleave"},
        {"sampling": "emphasize"},
        {"sampling": "sequential", "class_weight": "balanced"},
        {"engine": "blocked", "solver": "sgd"},
        {"center_hidden": True, "momentum": 0.5, "dtype": "float64"},
    ],
    ids=str,
)
def test_every_online_solver_and_option(options):
    X, y = table()
    equal(fitted(sparse.csr_array(X), y, **options), fitted(X, y, **options))


@pytest.mark.parametrize("estimator", [ebp.MLPRegressor, ebp.MLPClassifier])
def test_parts_weights_and_validation(estimator):
    X, y = table()
    y = 1.0 * y if estimator is ebp.MLPRegressor else y
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    model, other = (estimator((5,), random_state=0, early_stopping=True, solver="sdlm") for _ in range(2))
    model.fit(sparse.csr_array(X), y, weights)
    other.fit(X, y, weights)
    equal(model, other)
    np.testing.assert_allclose(model.validation_loss_curve_, other.validation_loss_curve_, rtol=1e-5)
    model, other = (estimator((5,), random_state=0) for _ in range(2))
    first = {"classes": [False, True]} if estimator is ebp.MLPClassifier else {}
    for start in range(0, 400, 100):
        part = slice(start, start + 100)
        model.partial_fit(sparse.csr_matrix(X[part]), y[part], **first)
        other.partial_fit(X[part], y[part], **first)
    equal(model, other)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"solver": "sgd", "batch_size": 70},
        {"solver": "adam", "batch_size": GrowingBatch(largest=9)},
        {"sampling": "emphasize", "engine": "streaming"},
        {"sampling": Emphasize(corrected=True), "batch_size": 7},
        {"learning_rate": InverseTime(2, unit="epoch"), "momentum": 0.3},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_many_turns_make_one_training(options, weighted, monkeypatch):
    """However the rows come into the ring, and in however many turns, the bits are those of dense rows."""
    X, y = table(1500)
    weights = np.random.default_rng(1).uniform(0, 3, len(y)) if weighted else None
    options = {"max_iter": 3, "random_state": 0, "learning_rate_init": 0.002, "tol": 0, **options}
    expected, model = (ebp.MLPClassifier((5,), **options) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected.fit(X, y, weights)
        monkeypatch.setattr(_feed, "TURN_BYTES", 60 * 12 * 4)
        equal(model.fit(sparse.csr_array(X), y, weights), expected)


def test_a_long_epoch_is_several_calls(monkeypatch):
    X, y = table(1500)
    options = {"solver": "sgd", "engine": "streaming", "learning_rate_init": 0.05}
    expected = fitted(X, y, **options)
    monkeypatch.setattr(_feed, "TURN_BYTES", 70 * 12 * 4)
    monkeypatch.setattr(_feed, "MOST_PRESENTATIONS", 400)
    equal(fitted(sparse.csr_array(X), y, **options), expected)


def test_the_ring_is_filled_many_times_while_the_core_runs(monkeypatch):
    """A network wide enough that the core calls back often, and fewer slots than turns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9000, 40)) * (rng.random((9000, 40)) < 0.3)
    y = X[:, 0] > 0
    monkeypatch.setattr(_feed, "TURN_BYTES", 400 * 40 * 4)
    feeds, taken = [], []
    init, take = _feed.Feed.__init__, _feed.Feed._take

    def remember(self, *args):
        init(self, *args)
        feeds.append(self)

    def note(self):
        taken.append(self._last)
        return take(self)

    monkeypatch.setattr(_feed.Feed, "__init__", remember)
    monkeypatch.setattr(_feed.Feed, "_take", note)
    for engine, solver in (("blocked", "sgd"), ("streaming", "sdlm"), ("auto", "sdlm")):
        options = {"solver": solver, "engine": engine, "learning_rate_init": 0.001, "max_iter": 1}
        models = [ebp.MLPClassifier((1000, 60), random_state=0, **options) for _ in range(2)]
        equal(models[0].fit(sparse.csr_array(X), y), models[1].fit(X, y))
    assert feeds[0]._taken == 23 > 2 * feeds[0]._n_slots
    assert len({n_done for n_done in taken if n_done}) > 10


def test_a_core_that_calls_back_too_late_is_noticed(monkeypatch):
    X, y = table(1000)
    monkeypatch.setattr(_feed, "CALLBACK_PRESENTATIONS", 10)
    with pytest.raises(
        RuntimeError, match=r"\[fit\] callbacks must come after 11 presentations at most; got"
    ):
        fitted(sparse.csr_array(X), y)


def test_memory_stays_far_below_the_dense_array(monkeypatch):
    """128 MB as a dense array of float64; every way through the estimator stays below a quarter of it."""
    n, n_features = 8000, 2000
    X = sparse.random_array((n, n_features), density=0.01, format="csr", rng=0)
    y = np.asarray(X[:, [0, 1]].sum(axis=1) > 0)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(_feed, "TURN_BYTES", 1 << 20)
    model = ebp.MLPClassifier((60,), max_iter=1, tol=0, random_state=0, early_stopping=True)
    emphasized = ebp.MLPClassifier((60,), sampling="emphasize", random_state=0)
    dense = n * n_features * 8
    for work in (
        lambda: model.fit(X, y),
        lambda: emphasized.partial_fit(X, y, classes=[False, True]),
        lambda: model.predict(X),
        lambda: model.predict_proba(X),
        lambda: model.score(X, y),
        lambda: ebp.InputNormalizer().fit(X),
    ):
        assert peak_of(work) < dense / 4


@pytest.mark.parametrize("method", METHODS)
def test_the_normaliser_has_the_statistics_of_dense_rows(method):
    X, _ = table()
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    dense = ebp.InputNormalizer(method).fit(X, sample_weight=weights)
    for layout in LAYOUTS:
        normalizer = ebp.InputNormalizer(method).fit(layout(X), sample_weight=weights)
        np.testing.assert_array_equal(normalizer.mean_, dense.mean_)
        np.testing.assert_array_equal(normalizer.scale_, dense.scale_)
        np.testing.assert_array_equal(normalizer.transform(layout(X)), dense.transform(X))
    halves, dense = ebp.InputNormalizer(method), ebp.InputNormalizer(method)
    for part in (slice(200), slice(200, None)):
        halves.partial_fit(sparse.csr_array(X[part]))
        dense.partial_fit(X[part])
    np.testing.assert_array_equal(halves.mean_, dense.mean_)
    np.testing.assert_array_equal(halves.scale_, dense.scale_)
    np.testing.assert_array_equal(halves.transform(X), dense.transform(X))


def test_networks_of_any_layers_take_flat_sparse_rows():
    X, y = table(n_features=36)
    layers = [ebp.layers.Conv2D(2, 3), ebp.layers.Dense(4)]
    options = {"input_shape": (1, 6, 6), "max_iter": 2, "random_state": 0}
    model = ebp.NetworkClassifier(layers, **options).fit(sparse.csr_array(X), y)
    equal(model, ebp.NetworkClassifier(layers, **options).fit(X, y))


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "gd"])
def test_batch_solvers_refuse_them(solver):
    X, y = table()
    model = ebp.MLPRegressor((2,), solver=solver)
    with pytest.raises(ValueError, match=r"\[MLPRegressor\] solver must be one of 'auto', 'sdlm'.*sparse X"):
        model.fit(sparse.csr_array(X), 1.0 * y)
    assert not hasattr(model, "network_")
    model = ebp.MLPRegressor((2,), solver="auto", max_iter=50, random_state=0)
    assert model.fit(X, 1.0 * y).solver_ == "lm"
    assert model.fit(sparse.csr_array(X), 1.0 * y).solver_ == "sdlm"


def test_what_is_not_finite_is_refused():
    X, y = table(50)
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        ebp.MLPClassifier().fit(sparse.csr_array(X), y)
