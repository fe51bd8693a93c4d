"""Single samples of estimators: what ends the fast way, copies, misuse, threads."""

import copy
import pickle
import threading

import ebp
import numpy as np
import pytest
from single_data import INDICATORS, LABELS, VALUES, X, assert_same_state, fast_model, is_fast
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator


def test_changes_take_effect_at_once():
    model, other = fast_model(), fast_model()
    for change in ({"solver": "sgd"}, {"momentum": 0.5}, {"learning_rate_init": 1e-3}, {"alpha": 0.01}):
        model.set_params(**change)
        other.set_params(**change)
        assert not is_fast(model)
        for row in range(3):
            model.learn_one(X[row], LABELS[row])
            other.partial_fit([X[row]], [LABELS[row]])
        assert is_fast(model)
        assert_same_state(model, other)
    model.learning_rate_init = 5e-3
    other.learning_rate_init = 5e-3
    model.learn_one(X[0], LABELS[0])
    other.partial_fit([X[0]], [LABELS[0]])
    assert_same_state(model, other)


def test_parameters_are_checked_again():
    model = fast_model().set_params(hidden_layer_sizes=(7,))
    with pytest.raises(ValueError, match="hidden_layer_sizes must stay"):
        model.learn_one(X[0], LABELS[0])
    model.set_params(hidden_layer_sizes=(6,), learning_rate_init=-1)
    with pytest.raises(ValueError, match="learning_rate_init"):
        model.learn_one(X[0], LABELS[0])
    with pytest.raises(AttributeError, match="solver"):
        fast_model().set_params(solver="lm").learn_one(X[0], LABELS[0])


def test_another_fit_and_other_weights_are_used():
    model = fast_model()
    model.fit(X * 100, LABELS)
    assert model.predict_one(X[1] * 100) == model.predict(X[1:2] * 100)[0]
    model.network_.parameters[:] = 0
    assert model.predict_one(X[0]) == model.predict(X[:1])[0]
    model.partial_fit(X[:50] * 100, LABELS[:50])
    np.testing.assert_array_equal(model.predict_proba_one(X[1]), model.predict_proba(X[1:2])[0])


def test_a_shared_normalizer_that_learns_on_is_noticed():
    normalizer = ebp.InputNormalizer().fit(X)
    model = fast_model(normalize=FrozenEstimator(normalizer))
    before = model.predict_proba_one(X[0])
    normalizer.fit(X * 2 - 30)
    np.testing.assert_array_equal(model.predict_proba_one(X[0]), model.predict_proba(X[:1])[0])
    assert (model.predict_proba_one(X[0]) != before).any()
    other = copy.deepcopy(model)
    other.learn_one(X[0], LABELS[0])
    model.learn_one(X[0], LABELS[0])
    assert_same_state(model, other)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_copies_learn_for_themselves(duplicate):
    model = fast_model()
    copied = duplicate(model)
    assert not is_fast(copied)
    network = copied.network_
    assert copied.predict_one(X[1]) == model.predict_one(X[1])
    copied.learn_one(X[1], LABELS[1])
    copied.learn_one(X[2], LABELS[2])
    assert copied.network_ is network
    assert not hasattr(clone(model), "network_")


def test_a_saved_model_predicts_one(tmp_path):
    model = fast_model()
    model.save(tmp_path / "model.safetensors")
    loaded = ebp.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba_one(X[0]), model.predict_proba_one(X[0]))
    loaded.learn_one(X[0], LABELS[0])


# ---- estimators: misuse ------------------------------------------------------------------------------------


def bad_samples():
    nan, far = X[0].copy(), X[0].copy()
    nan[2], far[1] = np.nan, np.inf
    return [
        (X[0, :4], "a", "has 4 features"),
        (X[:1], "a", "dim 3"),
        (1.0, "a", "1D array"),
        (nan, "a", "NaN"),
        (far, "a", "infinity"),
        (["u"] * 5, "a", "could not convert|dtype"),
        ([1, [2, 3], 4, 5, 6], "a", "inhomogeneous|sequence"),
        (X[0], "d", "must be one of the classes"),
        (X[0], ["a", "b"], "label"),
    ]


@pytest.mark.parametrize(("x", "label", "text"), bad_samples())
def test_misuse_of_a_classifier(x, label, text):
    model = fast_model()
    before, t = model.network_.parameters.copy(), model.t_
    with pytest.raises(ValueError, match=text):
        model.learn_one(x, label)
    np.testing.assert_array_equal(model.network_.parameters, before)
    assert model.t_ == t
    if label == "a":
        for predict in (model.predict_one, model.predict_proba_one):
            with pytest.raises(ValueError, match=text):
                predict(x)


@pytest.mark.parametrize(
    ("y", "text"), [(np.nan, "NaN"), ([1.0, 2.0], "outputs of the first call"), ("one", "real numbers")]
)
def test_misuse_of_a_regressor(y, text):
    model = ebp.MLPRegressor((6,), max_iter=2, random_state=0).fit(X, VALUES[:, 0])
    model.learn_one(X[0], 1.0)
    before = model.network_.parameters.copy()
    with pytest.raises(ValueError, match=text):
        model.learn_one(X[0], y)
    np.testing.assert_array_equal(model.network_.parameters, before)


@pytest.mark.parametrize("row", [[0, 2, 1], [0, 1], 1])
def test_misuse_of_indicators(row):
    model = ebp.MLPClassifier((6,), max_iter=2, random_state=0).fit(X, INDICATORS)
    model.learn_one(X[0], INDICATORS[0])
    with pytest.raises(ValueError, match="y must be"):
        model.learn_one(X[0], row)


def test_relu_swallows_no_nan():
    model = ebp.MLPClassifier((6,), activation="relu", max_iter=2, random_state=0).fit(X, LABELS)
    model.learn_one(X[0], LABELS[0])
    with pytest.raises(ValueError, match="NaN"):
        model.learn_one(np.full(5, np.nan), LABELS[0])


def test_an_estimator_has_to_be_started():
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        ebp.MLPClassifier().learn_one(X[0], "a")
    for model in (ebp.MLPClassifier(), ebp.MLPRegressor()):
        with pytest.raises(NotFittedError):
            model.predict_one(X[0])
    started = ebp.MLPRegressor(random_state=0)
    assert started.learn_one(X[0], 1.0) == started.loss_


def test_names_of_features_are_not_asked_for():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("pqrst"))
    model = ebp.MLPClassifier((6,), max_iter=2, random_state=0).fit(frame, LABELS)
    for _, row in frame[:3].iterrows():
        model.learn_one(row, "a")
        model.predict_one(row)
    with pytest.raises(ValueError, match="has 4 features"):
        model.predict_one(X[0, :4])


def test_threads_share_an_estimator():
    """Each prediction is that of its own sample, whatever the other threads ask at the time."""
    model = ebp.MLPClassifier((6,), max_iter=5, random_state=0).fit(X, LABELS)
    expected, wrong = model.predict_proba(X), []

    def ask(start):
        for row in range(start, 400, 3):
            if not np.array_equal(model.predict_proba_one(X[row]), expected[row]):
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
