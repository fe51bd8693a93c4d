"""The estimators among scikit-learn's tools and the tables of others: pipelines, searches, frames."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import ebp
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

NAMES = ["length", "width", "weight"]
RECENT = pytest.mark.skipif(
    find_spec("sklearn.callback") is None,
    reason="scikit-learn before 1.9 does not see the names of the columns of new polars frames",
)


def table(n=300, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 3)) * [1, 10, 100]
    return X, np.where(X[:, 0] + X[:, 1] / 10 > 0, "large", "small")


def classifier(**options):
    return ebp.MLPClassifier((5,), **{"max_iter": 10, "random_state": 0, **options})


def frame_of(library, X):
    module = pytest.importorskip(library)
    if library == "pyarrow":
        return module.table(dict(zip(NAMES, X.T, strict=True)))
    return module.DataFrame(dict(zip(NAMES, X.T, strict=True)))


def column_of(library, y):
    module = pytest.importorskip(library)
    return module.array(y) if library == "pyarrow" else module.Series(y)


def test_pipelines_and_searches():
    X, y = table()
    pipeline = make_pipeline(ebp.InputNormalizer("standard"), classifier(normalize=None))
    grid = {"mlpclassifier__hidden_layer_sizes": [(2,), (5,)], "inputnormalizer__method": ["center", "zca"]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    assert search.predict(X[:5]).shape == (5,)
    scores = cross_val_score(classifier(), X, y, cv=3, scoring="neg_log_loss")
    assert (scores > np.log(0.5)).all()
    timed = cross_validate(classifier(), X, y, cv=2, return_estimator=True)
    assert all(hasattr(model, "network_") for model in timed["estimator"])


def test_searches_in_other_processes_find_the_same():
    X, y = table(120)
    searches = [
        GridSearchCV(classifier(), {"hidden_layer_sizes": [(2,), (4,)]}, cv=2, n_jobs=n_jobs).fit(X, y)
        for n_jobs in (1, 2)
    ]
    results = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_calibration(method, convert):
    """Labels that are right in 80 % of the cases: no probability is far from 0.8 or 0.2."""
    rng = np.random.default_rng(0)
    X, y = table(1500)
    y = np.where(rng.random(1500) < 0.8, y, np.where(y == "small", "large", "small"))
    model = CalibratedClassifierCV(classifier(max_iter=20, solver="adam"), method=method, cv=3)
    p = model.fit(convert(X[:1000]), y[:1000]).predict_proba(convert(X[1000:]))[:, 0]
    assert np.mean(np.abs(np.maximum(p, 1 - p) - 0.8)) < 0.1


def test_other_meta_estimators():
    X, y = table()
    stack = StackingClassifier([("net", classifier())], LogisticRegression(), cv=2).fit(X, y)
    bag = BaggingClassifier(classifier(max_iter=3), n_estimators=3, random_state=0).fit(X, y)
    assert min(stack.score(X, y), bag.score(X, y)) > 0.9
    labels = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    for meta in (MultiOutputClassifier(classifier()), ClassifierChain(classifier())):
        assert np.mean(meta.fit(X, labels).predict(X) == labels) > 0.9
    regressor = ebp.MLPRegressor((5,), max_iter=30, solver="lm", random_state=0)
    log = TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp).fit(X, np.exp(X[:, 0]))
    assert log.score(X, np.exp(X[:, 0])) > 0.9
    importances = permutation_importance(stack, X, y, n_repeats=2, random_state=0).importances_mean
    assert importances[:2].min() > importances[2]


def test_outputs_of_several_values():
    X, _ = table()
    targets = np.column_stack([X[:, 0], X[:, 1] - X[:, 0], np.tanh(X[:, 2])])
    model = ebp.MLPRegressor((8,), solver="sdlm", max_iter=20, random_state=0)
    predicted = cross_val_predict(model, X, pd.DataFrame(targets), cv=3)
    assert predicted.shape == targets.shape
    assert model.fit(sparse.csr_array(X), targets).score(X, targets) > 0.8


@pytest.mark.parametrize("library", ["pandas", pytest.param("polars", marks=RECENT), "pyarrow"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_frames_with_names(library, kind):
    X, y = table()
    X = X.astype(kind)
    frame, column = frame_of(library, X), column_of(library, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = classifier().fit(frame, column)
        parts = classifier().partial_fit(frame, column, classes=["large", "small"])
        assert model.feature_names_in_.tolist() == parts.feature_names_in_.tolist() == NAMES
        np.testing.assert_array_equal(model.predict(frame), classifier().fit(X, y).predict(X))
        assert model.score(frame, column) == model.score(frame, y)
        normalizer = ebp.InputNormalizer().fit(frame)
        assert normalizer.get_feature_names_out().tolist() == NAMES
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame_of("pandas", X)[NAMES[::-1]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_values_and_labels_in_frames(library):
    X, y = table()
    module = pytest.importorskip(library)
    labels = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    model = classifier().fit(X, module.DataFrame({"a": labels[:, 0], "b": labels[:, 1]}))
    assert model.multilabel_
    regressor = ebp.MLPRegressor((5,), solver="sdlm", random_state=0)
    assert regressor.fit(X, module.Series(X[:, 0])).predict(X).shape == (300,)
    assert regressor.fit(X, module.DataFrame({"a": X[:, 0], "b": X[:, 1]})).predict(X).shape == (300, 2)
    categories = module.Series(y).astype("category") if library == "pandas" else module.Series(y)
    assert classifier().fit(X, categories).classes_.tolist() == ["large", "small"]


@RECENT
def test_normalised_frames_come_out_as_frames():
    X, _ = table()
    for library in ("pandas", "polars"):
        frame = frame_of(library, X)
        changed = ebp.InputNormalizer().set_output(transform=library).fit_transform(frame)
        assert type(changed) is type(frame)
        assert list(changed.columns) == NAMES


def test_words_and_categories_arrive_sparse():
    words = ["good film", "bad film", "good plot", "bad plot", "very good", "very bad"] * 20
    model = make_pipeline(CountVectorizer(), classifier()).fit(words, [text.split()[0] for text in words])
    assert model.predict(["good film"])[0] == "good"
    X, y = table()
    frame = pd.DataFrame({"size": X[:, 0], "kind": np.where(X[:, 1] > 0, "a", "b")})
    columns = make_column_transformer(
        (OneHotEncoder(), ["kind"]), remainder="passthrough", sparse_threshold=1
    )
    assert make_pipeline(columns, classifier()).fit(frame, y).score(frame, y) > 0.8


@pytest.mark.parametrize(
    "estimator",
    [
        ebp.MLPClassifier((3,), max_iter=9, random_state=0),
        ebp.MLPRegressor((3,), max_iter=9, solver="sdlm", random_state=0, twist=0.1),
        ebp.NetworkClassifier([ebp.layers.Dense(3)], max_iter=9, random_state=0),
        ebp.InputNormalizer("zca"),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_estimators_show_themselves_in_notebooks(estimator):
    X, y = table()
    name = type(estimator).__name__
    before = estimator._repr_html_()
    assert name in before
    assert "Not fitted" in before
    estimator.fit(X, X[:, 0] if isinstance(estimator, ebp.MLPRegressor) else y)
    assert "<span>Fitted</span>" in estimator._repr_html_()
    assert name in make_pipeline(estimator)._repr_html_()
    changed = [key for key in ("max_iter", "method") if key in estimator.get_params()]
    assert all(key in repr(estimator) for key in changed)
