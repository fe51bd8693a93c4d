"""Bad input: a clear error or warning every time, finite weights, and an estimator that still works."""

from __future__ import annotations

import re
import warnings

import ebp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

ESTIMATORS = [ebp.MLPClassifier, ebp.MLPRegressor]
both = pytest.mark.parametrize("estimator", ESTIMATORS)


def data(n=60):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    return X, (X[:, 0] > 0).astype(int)


def assert_usable(model, X):
    assert np.isfinite(model.network_.parameters).all()
    assert np.isfinite(model.predict(X)).all()
    if hasattr(model, "predict_proba"):
        assert np.isfinite(model.predict_proba(X)).all()


# ---- samples ----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_x(estimator, method, value):
    X, y = data()
    X[3, 2] = value
    known = {"classes": [0, 1]} if method == "partial_fit" and estimator is ebp.MLPClassifier else {}
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        getattr(estimator(), method)(X, y, **known)


@both
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_y(estimator, value):
    X, y = data()
    y = y.astype(float)
    y[3] = value
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        estimator().fit(X, y)


@both
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.full(60, np.nan), "sample_weight contains NaN"),
        (np.full(60, np.inf), "sample_weight contains infinity"),
        (np.full(60, -1.0), "sample_weight must be >= 0; got -1.0"),
        (np.zeros(60), "(at least one non-zero number|must have a positive weight)"),
        (np.ones(59), r"sample_weight must have shape \(60,\); got \(59,\)"),
        (np.ones((60, 1)), r"sample_weight must have shape \(60,\); got \(60, 1\)"),
    ],
)
def test_bad_weights(estimator, weights, message):
    X, y = data()
    with pytest.raises(ValueError, match=message):
        estimator().fit(X, y, sample_weight=weights)


@both
@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((0, 4)), np.zeros(0), "Found array with 0 sample"),
        (np.zeros((5, 0)), np.arange(5) % 2, "Found array with 0 feature"),
        (np.zeros(5), np.arange(5) % 2, "Expected 2D array, got 1D array"),
        (np.zeros((5, 2, 2)), np.arange(5) % 2, "dim 3"),
        (np.zeros((5, 2)), np.arange(4) % 2, "inconsistent numbers of samples"),
        (np.zeros((5, 2)), None, "requires y to be passed"),
        (np.zeros((5, 2)) + 1j, np.arange(5) % 2, "Complex data not supported"),
    ],
)
def test_wrong_shapes_and_types(estimator, X, y, message):
    with pytest.raises(ValueError, match=message):
        estimator().fit(X, y)


@both
def test_text_in_x(estimator):
    X, y = data()
    X = X.astype(object)
    X[0, 0] = "red"
    with pytest.raises(ValueError, match="could not convert string to float: 'red'"):
        estimator().fit(X, y)
    X[0, 0] = {}
    with pytest.raises(TypeError, match="must be a string or a real number, not 'dict'"):
        estimator().fit(X, y)


@both
def test_object_columns_of_numbers_are_numbers(estimator):
    X, y = data()
    model = estimator((3,), random_state=0)
    expected = model.fit(X, y).predict(X)
    np.testing.assert_array_equal(model.fit(X.astype(object), y).predict(X.astype(object)), expected)


@both
def test_other_number_of_features(estimator):
    X, y = data()
    model = estimator((3,), max_iter=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 3 features, but MLP.* is expecting 4 features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match=r"X has 3 features, but MLP.* is expecting 4 features"):
        model.partial_fit(X[:, :3], y)
    assert_usable(model, X)


@both
def test_not_fitted(estimator):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        estimator().predict([[1.0]])
    with pytest.raises(AttributeError, match=r"call fit first"):
        estimator().coefs_  # noqa: B018


def test_text_as_regression_target():
    X, y = data()
    with pytest.raises(ValueError, match=r"\[MLPRegressor\] y must be real numbers; got <U1"):
        ebp.MLPRegressor().fit(X, np.array(["a", "b"])[y])


def test_other_number_of_outputs():
    X, y = data()
    model = ebp.MLPRegressor((3,), random_state=0).partial_fit(X, y)
    with pytest.raises(
        ValueError, match=re.escape("[MLPRegressor] y must have the outputs of the first call")
    ):
        model.partial_fit(X, np.column_stack([y, y]))
    model.partial_fit(X, y)
    assert_usable(model, X)


# ---- classes ----------------------------------------------------------------------------------------------


def test_one_class():
    X, y = data()
    for method in (ebp.MLPClassifier().fit, lambda X, y: ebp.MLPClassifier().partial_fit(X, y, classes=[0])):
        with pytest.raises(
            ValueError,
            match=re.escape("[MLPClassifier] the number of classes must be at least 2; got 1 class"),
        ):
            method(X, np.zeros_like(y))


def test_continuous_labels():
    X, _ = data()
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        ebp.MLPClassifier().fit(X, X[:, 0])


@pytest.mark.parametrize("unseen", [2, "b", -1])
def test_unseen_labels_in_partial_fit(unseen):
    X, y = data()
    model = ebp.MLPClassifier((3,), random_state=0).partial_fit(X, y, classes=[0, 1])
    before = model.network_.parameters.copy()
    message = re.escape("[MLPClassifier] every label must be one of the classes")
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, np.array([unseen] * len(X)))
    np.testing.assert_array_equal(model.network_.parameters, before)
    with pytest.raises(ValueError, match=message):
        ebp.MLPClassifier((3,)).partial_fit(X, np.array([unseen] * len(X)), classes=[0, 1])
    assert_usable(model.partial_fit(X, y), X)


def test_classes_of_partial_fit():
    X, y = data()
    with pytest.raises(
        ValueError, match=r"\[MLPClassifier.partial_fit\] classes must be given in the first call"
    ):
        ebp.MLPClassifier().partial_fit(X, y)
    model = ebp.MLPClassifier((3,), random_state=0).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes must be those of the first call, \[0 1\]; got \[0 1 2\]"):
        model.partial_fit(X, y, classes=[0, 1, 2])


def test_options_that_need_all_data_are_refused_by_partial_fit():
    X, y = data()
    with pytest.raises(ValueError, match=r"class_weight must be None or a dict.*got 'balanced'"):
        ebp.MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="early_stopping must be False; got True"):
        ebp.MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="early_stopping must be False; got True"):
        ebp.MLPRegressor(early_stopping=True).partial_fit(X, y)


@both
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("y", [[[0, 1], [1], [0]], [0, [1], 0]], ids=["rows", "mixture"])
def test_ragged_y(estimator, method, y):
    rule = "one label a sample, .* or an indicator" if estimator is ebp.MLPClassifier else "of shape .n_sampl"
    known = {"classes": [0, 1]} if method == "partial_fit" and estimator is ebp.MLPClassifier else {}
    with pytest.raises(ValueError, match=rf"^\[{estimator.__name__}\] y must be {rule}.*; got rows of diff"):
        getattr(estimator(), method)(data(3)[0], y, **known)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({3: 1.0}, r"the keys of class_weight must be classes, \[0 1\]; got \[3\]"),
        ({0: -1.0}, "class_weight must have values >= 0"),
        ({0: np.nan}, "class_weight must have values >= 0"),
        ({0: "a"}, r"\[MLPClassifier\] class_weight must have values >= 0; got {0: 'a'}"),
        ({0: "2"}, r"\[MLPClassifier\] class_weight must have values >= 0; got {0: '2'}"),
        ({0: [1, 2], 1: 1}, r"class_weight must have values >= 0; got {0: \[1, 2\], 1: 1}"),
        ({1: 2j}, r"class_weight must have values >= 0; got {1: 2j}"),
        ("equal", "class_weight must be None, 'balanced' or a dict; got 'equal'"),
        ({0: 0, 1: 0}, "some sample must have a positive weight"),
    ],
)
def test_bad_class_weight(class_weight, message):
    with pytest.raises(ValueError, match=message):
        ebp.MLPClassifier(class_weight=class_weight).fit(*data())


def test_early_stopping_needs_two_samples():
    with pytest.raises(ValueError, match="the validation split needs n_samples >= 2; got 1"):
        ebp.MLPRegressor(early_stopping=True).fit([[1.0]], [2.0])


# ---- awkward but valid ------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    "normalize", ["auto", "center", "standard", "global", "decorrelate", "zca", "minmax"]
)
def test_constant_columns(estimator, normalize):
    X, y = data()
    X[:, 1] = 1e9
    X[:, 3] = 0
    assert_usable(estimator((3,), normalize=normalize, random_state=0).fit(X, y), X)


@both
@pytest.mark.parametrize("normalize", ["auto", "standard", "decorrelate"])
def test_nothing_but_constant_columns(estimator, normalize):
    X, y = data()
    X[:] = 3.0
    assert_usable(estimator((3,), normalize=normalize, random_state=0).fit(X, y), X)


@both
def test_one_sample_at_a_time_from_the_start(estimator):
    X, y = data()
    known = {"classes": [0, 1]} if estimator is ebp.MLPClassifier else {}
    model = estimator((3,), random_state=0)
    for k in range(3):
        assert_usable(model.partial_fit(X[k : k + 1], y[k : k + 1], **known), X)


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["columns", "strided", "reversed", "read-only", "memory-mapped"])
def test_layouts(estimator, dtype, layout, tmp_path):
    X, y = data()
    X = X.astype(dtype)
    expected = estimator((3,), random_state=0, sampling="sequential").fit(X, y).predict(X)
    if layout == "columns":
        other = np.asfortranarray(X)
    elif layout == "strided":
        other = np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2]
    elif layout == "reversed":
        other = np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    elif layout == "read-only":
        other = X.copy()
        other.flags.writeable = False
    else:
        np.save(tmp_path / "X.npy", X)
        other = np.load(tmp_path / "X.npy", mmap_mode="r")
    before = other.copy()
    model = estimator((3,), random_state=0, sampling="sequential").fit(other, y)
    np.testing.assert_allclose(model.predict(other), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(other, before)


@both
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16])
def test_other_number_types(estimator, dtype):
    X, y = data()
    X = (X > 0).astype(dtype)
    assert_usable(estimator((3,), random_state=0).fit(X, y), X)


@both
def test_large_offsets_survive_float32(estimator):
    X, y = data(300)
    target = y if estimator is ebp.MLPClassifier else X[:, 0]
    model = estimator((10,), random_state=0).fit(X + 1e9, target)
    assert model.score(X + 1e9, target) > 0.9


@both
def test_values_beyond_float32(estimator):
    X, y = data()
    X[0, 0] = 1e300
    with pytest.raises(
        ValueError, match=r"\[MLP.*\] normalised inputs must fit into float32; got values up to 1e\+300"
    ):
        estimator(normalize=None).fit(X, y)
    model = estimator((3,), random_state=0).fit(X[1:], y[1:])
    with pytest.raises(ValueError, match="normalised inputs must fit into float32"):
        model.predict(X)
    assert_usable(model, X[1:])


@both
def test_huge_targets_and_inputs_are_scaled(estimator):
    X, y = data()
    assert_usable(estimator((3,), random_state=0).fit(1e30 * X, y), 1e30 * X)
    if estimator is ebp.MLPRegressor:
        assert_usable(estimator((3,), random_state=0).fit(X, 1e30 * X[:, 0]), X)


@both
@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
@pytest.mark.parametrize("activation", ["scaled_tanh", "relu", "identity"])
@pytest.mark.parametrize("rate", [1e2, 1e8, 1e300])
def test_huge_learning_rates(estimator, solver, activation, rate):
    X, y = data()
    model = estimator((5, 5), solver=solver, activation=activation, learning_rate_init=rate, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"\[MLP.*\] (training diverged|the loss after training is not)"
    ):
        model.fit(X, y)
    assert_usable(model, X)
    assert_usable(model.set_params(learning_rate_init="auto").fit(X, y), X)
    assert model.score(X, y) > 0.5


@both
def test_huge_learning_rate_in_partial_fit(estimator):
    X, y = data()
    known = {"classes": [0, 1]} if estimator is ebp.MLPClassifier else {}
    model = estimator((5, 5), activation="relu", out_activation="identity", learning_rate_init=1e30)
    with pytest.warns(ConvergenceWarning, match="training diverged"):
        model.partial_fit(X, y, **known)
    assert_usable(model, X)
    model.set_params(learning_rate_init=1e-3)
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.loss_ < 0.6


@both
def test_unnormalised_inputs_with_automatic_rate(estimator):
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert_usable(estimator((5,), normalize=None, random_state=0).fit(1e4 * X, y), 1e4 * X)


def test_a_failed_call_leaves_the_fitted_estimator_alone():
    X, y = data()
    model = ebp.MLPClassifier((3,), random_state=0).fit(X, y)
    expected = model.predict_proba(X)
    for bad in (X[:0], X[:, :2] * np.nan):
        with pytest.raises(ValueError, match=r"sample|NaN"):
            model.fit(bad, y[: len(bad)])
    np.testing.assert_array_equal(model.predict_proba(X), expected)
