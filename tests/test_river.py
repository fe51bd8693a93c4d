"""The adapters to River: what they learn from dicts is what the estimators learn from rows."""

from __future__ import annotations

import pickle
import subprocess
import sys

import ebp
import numpy as np
import pandas as pd
import pytest
from ebp.river import RiverClassifier, RiverRegressor
from river_checks import CHECKED


def samples(n=1200, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.where(X[:, 0] > X[:, 1], "left", "right")


def dicts(X, names=("a", "b", "c")):
    return [dict(zip(names, row, strict=True)) for row in X.tolist()]


def small(kind=ebp.MLPClassifier, **options):
    return kind((4,), random_state=0, **options)


def test_the_updates_are_those_of_the_estimator():
    X, y = samples()
    model = RiverClassifier(small(), classes=["left", "right"])
    other = small().partial_fit(X[:1], [0 if y[0] == "left" else 1], classes=[0, 1])
    for i, (x, label) in enumerate(zip(dicts(X), y, strict=True)):
        model.learn_one(x, label)
        if i:
            other.learn_one(X[i], int(label == "right"))
    np.testing.assert_array_equal(model.estimator_.network_.parameters, other.network_.parameters)
    p = model.predict_proba_one({"c": 0.1, "a": 0.5, "b": -0.5})
    assert list(p) == ["left", "right"]
    np.testing.assert_array_equal(list(p.values()), other.predict_proba_one([0.5, -0.5, 0.1]))
    assert model.predict_one({"a": 1.0, "b": -1.0}) == "left"


def test_a_regressor():
    X, _ = samples()
    model = RiverRegressor(small(ebp.MLPRegressor))
    assert model.predict_one({"a": 1.0}) == 0.0
    other = small(ebp.MLPRegressor).partial_fit(X[:1], X[:1, 0])
    for i, x in enumerate(dicts(X)):
        model.learn_one(x, x["a"])
        if i:
            other.learn_one(X[i], X[i, 0])
    assert model.predict_one(dicts(X)[0]) == other.predict_one(X[0])
    assert abs(model.predict_one({"a": 0.5, "b": 0.0, "c": 0.0}) - 0.5) < 0.2


@pytest.mark.parametrize("known", [True, False])
def test_labels_of_any_kind_at_any_time(known):
    X, _ = samples(2000)
    labels = np.array([3, 1, 7])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)].tolist()
    model = RiverClassifier(small(), classes=[1, 3, 7] if known else None)
    for x, label in zip(dicts(X[:50]), labels, strict=False):
        if label != 7:
            model.learn_one(x, label)
    assert sorted(model.predict_proba_one(dicts(X)[0])) == ([1, 3, 7] if known else [1, 3])
    for x, label in zip(dicts(X), labels, strict=True):
        model.learn_one(x, label)
    assert sorted(model.labels_) == [1, 3, 7]
    assert sum(model.predict_proba_one(dicts(X)[0]).values()) == pytest.approx(1)
    right = [model.predict_one(x) == label for x, label in zip(dicts(X[-300:]), labels[-300:], strict=True)]
    assert np.mean(right) > (0.85 if known else 0.7)


def test_bools_have_one_output():
    X, _ = samples(20)
    model = RiverClassifier(small())
    for x in dicts(X):
        model.learn_one(x, x["a"] > 0)
    assert model.estimator_.network_.n_outputs == 1
    assert model.labels_ == [False, True]


def test_features_that_come_and_go():
    model = RiverClassifier(small(), n_features=4)
    model.learn_one({"b": 1.0, "a": 2.0}, "x")
    assert model.features_ == ["a", "b"]
    model.learn_one({"z": 1.0, "b": 1.0, "y": 3}, "y")
    assert model.features_ == ["a", "b", "y", "z"]
    model.learn_one({"a": 1.0, "more": 9.0}, "x")  # no room for it
    assert model.features_ == ["a", "b", "y", "z"]
    full, part = {"a": 1.0, "b": 0.0, "y": 0.0, "z": 0.0}, {"a": 1.0, "unknown": 5.0}
    assert model.predict_proba_one(full) == model.predict_proba_one(part)
    fixed = RiverClassifier(small(), features=["b", "q"])
    fixed.learn_one({"b": 1.0, "a": 2.0}, "x")
    assert fixed.features_ == ["b", "q"]
    assert fixed.estimator_.n_features_in_ == 2


def test_the_order_of_a_dict_means_nothing():
    X, y = samples(200)
    models = [RiverClassifier(small()) for _ in range(2)]
    for x, label in zip(dicts(X), y, strict=True):
        models[0].learn_one(x, label)
        models[1].learn_one(dict(reversed(x.items())), label)
    assert models[0].predict_proba_one(x) == models[1].predict_proba_one(x)


def test_weights():
    X, y = samples(300)
    models = [RiverClassifier(small(), classes=["left", "right"]) for _ in range(2)]
    for x, label in zip(dicts(X), y, strict=True):
        models[0].learn_one(x, label, w=2.0)
        models[1].learn_one(x, label)
    assert models[0].estimator_.t_ == 2 * models[1].estimator_.t_ == 600


def test_batches():
    X, y = samples()
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(5, 1205))
    model = RiverClassifier(small())
    assert model.predict_many(frame).empty
    for start in range(0, 1200, 100):
        model.learn_many(frame[start : start + 100], pd.Series(y[start : start + 100]))
    p = model.predict_proba_many(frame)
    assert sorted(p.columns) == ["left", "right"]
    assert p.index.equals(frame.index)
    assert p.iloc[7].to_dict() == pytest.approx(model.predict_proba_one(dicts(X)[7]))
    assert (model.predict_many(frame) == y).mean() > 0.9
    regressor = RiverRegressor(small(ebp.MLPRegressor))
    assert (regressor.predict_many(frame) == 0).all()
    for start in range(0, 1200, 100):
        regressor.learn_many(frame[start : start + 100], pd.Series(X[start : start + 100, 0]))
    values = regressor.predict_many(frame)
    assert values.index.equals(frame.index)
    assert np.corrcoef(values, X[:, 0])[0, 1] > 0.95


def test_copies():
    X, y = samples(50)
    model = RiverClassifier(small())
    for x, label in zip(dicts(X), y, strict=True):
        model.learn_one(x, label)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.predict_proba_one(x) == model.predict_proba_one(x)


@pytest.mark.parametrize(
    ("options", "sample", "error", "text"),
    [
        ({}, ({"a": "red"}, 1), ValueError, r"features must be numbers, encode others .* got 'red' for 'a'"),
        ({}, ({"a": float("nan")}, 1), ValueError, "NaN"),
        ({}, ({}, 1), ValueError, "n_features must be at least"),
        ({"n_features": 1}, ({"a": 1, "b": 2}, 1), ValueError, "n_features must be at least the number .* 2"),
        ({"n_features": 1.5}, ({"a": 1}, 1), ValueError, "n_features must be an integer >= 1"),
        ({"classes": ["x", "y"]}, ({"a": 1}, "z"), ValueError, r"labels must be among \['x', 'y'\].*got 'z'"),
        ({"n_classes": 1}, ({"a": 1}, "z"), ValueError, "classes, or n_classes, must be at least 2; got 1"),
        ({"estimator": ebp.MLPRegressor()}, ({"a": 1}, 1), TypeError, "estimator must be an ebp classifier"),
        ({"estimator": 3}, ({"a": 1}, 1), TypeError, r"such as ebp.MLPClassifier\(\), or None; got 3"),
    ],
)
def test_misuse(options, sample, error, text):
    model = RiverClassifier(**options)
    with pytest.raises(error, match=text):
        model.learn_one(*sample)
    assert model.predict_one({"a": 1}) is None


REFUSED = [
    ({"bad": "red"}, {}),
    ({"a": "3.5"}, {}),
    ({"a": b"3"}, {}),
    ({"bad": np.nan}, {}),
    ({}, {"w": -1.0}),
]


@pytest.mark.parametrize(("x", "weight"), REFUSED)
@pytest.mark.parametrize("n", [1, 1100])
def test_a_refused_sample_leaves_nothing_behind(x, weight, n):
    model, other = (RiverClassifier(small(), n_features=3) for _ in range(2))
    regressor = RiverRegressor(small(ebp.MLPRegressor), n_features=3)
    for value in np.random.default_rng(0).normal(size=n):
        for one in (model, other):
            one.learn_one({"a": value}, "up" if value > 0 else "down")
        regressor.learn_one({"a": value}, value)
    labels = model.labels_
    for one in (model, regressor):
        with pytest.raises(ValueError, match=r"features must be numbers|NaN|w must be a number >= 0; got -1"):
            one.learn_one({"a": 1.0, "new": 2.0, **x}, "ghost" if one is model else 1.0, **weight)
        assert one.features_ == ["a"]
    frame = pd.DataFrame([{"a": 1.0, "new": 2.0, **x}])
    if not weight:
        for one in (model, regressor):
            with pytest.raises(ValueError, match=r"features must be numbers|NaN"):
                one.learn_many(frame, pd.Series(["ghost" if one is model else 1.0]))
            assert one.features_ == ["a"]
    assert model.labels_ == labels == other.labels_
    for one in (model, other):
        one.learn_one({"a": 0.5, "late": 1.0}, "up")
    assert model.predict_proba_one({"a": 1.0, "late": 1.0}) == other.predict_proba_one(
        {"a": 1.0, "late": 1.0}
    )
    assert model.features_ == ["a", "late"]


def test_a_label_that_is_refused_among_others_leaves_none_behind():
    model = RiverClassifier(small(), n_classes=3)
    model.learn_one({"a": 1.0}, "x")
    with pytest.raises(ValueError, match=r"labels must be among .* got 't'"):
        model.learn_many(pd.DataFrame({"a": [1.0] * 3, "b": 2.0}), ["y", "z", "t"])
    assert (model.features_, model.labels_) == (["a"], ["x"])


@pytest.mark.parametrize("kind", [RiverClassifier, RiverRegressor])
def test_a_first_sample_that_is_refused_or_counts_for_nothing(kind):
    model = kind()
    for x, w, message in (
        ({"a": np.nan}, 1.0, "NaN"),
        ({"a": "3"}, 1.0, "numbers"),
        ({"a": 1}, np.nan, "w "),
    ):
        with pytest.raises(ValueError, match=message):
            model.learn_one(x, 1, w=w)
    model.learn_one({"first": 1.0}, 1, w=0)
    model.learn_many(pd.DataFrame({"first": []}), pd.Series([]))
    assert not hasattr(model, "features_")
    assert not model.predict_one({"a": 1.0})
    model.learn_one({"a": 1.0}, 1)
    t = model.estimator_.t_
    model.learn_one({"b": 1.0}, 2, w=0)
    model.learn_many(pd.DataFrame({"b": []}), pd.Series([]))
    assert (model.features_, model.estimator_.t_) == (["a"], t)
    if kind is RiverClassifier:
        assert model.labels_ == [1]


@pytest.mark.parametrize(
    "column",
    [
        np.array(["1", "2"]),
        np.array([1.0, "2"], object),
        pd.Series(["1", "2"]),
        pd.to_datetime(["2020-01-01", "2020-01-02"]),
        np.array([1.0, {}], object),
    ],
)
def test_columns_must_be_numbers(column):
    model = RiverRegressor()
    with pytest.raises(ValueError, match=r"^\[RiverRegressor\] features must be numbers.* for 'a'"):
        model.learn_many(pd.DataFrame({"a": column}), pd.Series([1.0, 2.0]))
    model.learn_many(pd.DataFrame({"a": np.array([1, True, 2.5], object)}), pd.Series([1.0, 2.0, 3.0]))
    assert model.features_ == ["a"]


def test_values_must_be_numbers():
    model = RiverRegressor()
    for y in (["1", "2"], pd.Series([1.0, "2"], dtype=object)):
        with pytest.raises(ValueError, match="y must be real numbers"):
            model.learn_many(pd.DataFrame({"a": [1.0, 2.0]}), y)
    with pytest.raises(ValueError, match="y must be real numbers"):
        model.learn_one({"a": 1.0}, "2")


def test_one_label_too_many():
    model = RiverClassifier(small(), n_classes=2)
    model.learn_one({"a": 1.0}, "x")
    model.learn_one({"a": 1.0}, "y")
    with pytest.raises(
        ValueError, match=r"labels must be among \['x', 'y'\], or n_classes be larger; got 'z'"
    ):
        model.learn_one({"a": 1.0}, "z")


def test_river_takes_them_for_its_own():
    pytest.importorskip("river")
    from river import base, compose, datasets, evaluate, metrics, preprocessing

    assert isinstance(RiverClassifier(), base.MiniBatchClassifier)
    assert isinstance(RiverRegressor(), base.MiniBatchRegressor)
    model = preprocessing.StandardScaler() | RiverClassifier(small(normalize=None))
    metric = evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy())
    assert metric.get() > 0.8
    encoded = compose.Select("a") | preprocessing.OneHotEncoder() | RiverClassifier(small(), n_features=4)
    for _ in range(100):
        encoded.learn_one({"a": "red", "b": 1.0}, "x")
        encoded.learn_one({"a": "blue", "b": 1.0}, "y")
    assert encoded.predict_one({"a": "red"}) == "x"
    regression = preprocessing.StandardScaler() | RiverRegressor(small(ebp.MLPRegressor))
    error = evaluate.progressive_val_score(datasets.TrumpApproval(), regression, metrics.MAE())
    assert error.get() < 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model", "check"), CHECKED)
def test_the_checks_of_river(model, check):
    check(model.clone())


WITHOUT = """
import sys
sys.modules["river"] = sys.modules["river.base"] = None
import ebp
from ebp.river import RiverClassifier
model = RiverClassifier()
model.learn_one({"a": 1.0}, True)
print(model.predict_one({"a": 1.0}))
"""


def test_without_river():
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert run.stdout in ("True\n", "False\n"), run.stderr
    code = "import sys, ebp; print('river' in sys.modules, 'polars' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "False False\n", run.stderr
