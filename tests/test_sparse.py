"""Sparse inputs: they learn and predict as dense ones do, and are never made dense as a whole."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
from ebp import _blocks
from limited import peak_of
from scipy import sparse

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


def test_blocks_do_not_change_the_updates(monkeypatch):
    """SGD with one rate, sample by sample: however the rows are divided, the bits are the same."""
    X, y = table(1000)
    rate = {"solver": "sgd", "learning_rate_init": 0.05, "engine": "streaming"}
    expected = fitted(X, y, **rate)
    seen = []
    train = ebp.Network.train_online

    def spy(self, rows, *args, **kwargs):
        seen.append(len(rows))
        return train(self, rows, *args, **kwargs)

    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 100 * 12 * 4)
    monkeypatch.setattr(ebp.Network, "train_online", spy)
    equal(fitted(sparse.csr_array(X), y, **rate), expected)
    assert seen == 30 * [100]
    seen.clear()
    fitted(sparse.csr_array(X), y, batch_size=70, **rate)  # no batch is divided
    assert seen == 3 * [*(14 * [70]), 20]


def test_blocks_with_batches_weights_and_emphasis(monkeypatch):
    X, y = table(1000)
    weights = np.random.default_rng(1).uniform(0, 3, len(y))
    options = {"solver": "sgd", "engine": "streaming", "sampling": "emphasize", "batch_size": 7}
    expected = ebp.MLPClassifier((5,), max_iter=3, random_state=0, **options).fit(X, y, weights)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 100 * 12 * 4)
    model = ebp.MLPClassifier((5,), max_iter=3, random_state=0, **options).fit(
        sparse.csr_array(X), y, weights
    )
    equal(model, expected)


def test_sdlm_measures_its_curvature_in_every_block(monkeypatch):
    X, y = table(2000)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 500 * 12 * 4)
    model = fitted(sparse.csr_array(X), y, max_iter=10)
    assert model.score(X, y) > 0.95


def test_memory_stays_far_below_the_dense_array(monkeypatch):
    """128 MB as a dense array of float64; every way through the estimator stays below a fifth of it."""
    n, n_features = 8000, 2000
    X = sparse.random_array((n, n_features), density=0.01, format="csr", rng=0)
    y = np.asarray(X[:, [0, 1]].sum(axis=1) > 0)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1 << 20)
    model = ebp.MLPClassifier((2,), max_iter=1, tol=0, random_state=0, early_stopping=True)
    emphasized = ebp.MLPClassifier((2,), sampling="emphasize", random_state=0)
    dense = n * n_features * 8
    for work in (
        lambda: model.fit(X, y),
        lambda: emphasized.partial_fit(X, y, classes=[False, True]),
        lambda: model.predict(X),
        lambda: model.predict_proba(X),
        lambda: model.score(X, y),
        lambda: ebp.InputNormalizer().fit(X),
    ):
        assert peak_of(work) < dense / 5


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
    halves = ebp.InputNormalizer(method).partial_fit(sparse.csr_array(X[:200]))
    halves.partial_fit(sparse.csr_array(X[200:]))
    np.testing.assert_allclose(halves.mean_, X.mean(axis=0) if method == "center" else halves.mean_)


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
