"""State of the estimators: failed calls, changed parameters, copies, and what a stream may not do."""

from __future__ import annotations

import copy
import pickle

import ebp
import numpy as np
import pytest
from tables import blobs

ESTIMATORS = [ebp.MLPClassifier, ebp.MLPRegressor]
both = pytest.mark.parametrize("estimator", ESTIMATORS)


def known(estimator):
    """The further argument of the first call of partial_fit."""
    return {"classes": [0, 1, 2]} if estimator is ebp.MLPClassifier else {}


def attributes(model):
    return {name: value for name, value in vars(model).items() if name not in model.get_params()}


# ---- failed calls -----------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("bad_X", "bad_y"),
    [
        (lambda X: X[:, :3], lambda y: np.full(len(y), np.nan)),
        (lambda X: np.where(X[3, 0] == X, 1e300, X), lambda y: y),
        (lambda X: X, lambda y: [[0, "a"]] * len(y)),
    ],
    ids=["fewer columns", "too large a number", "bad targets"],
)
def test_a_failed_fit_leaves_everything_as_it_was(estimator, warm_start, bad_X, bad_y):
    X, y = blobs()
    model = estimator((3,), normalize=None, warm_start=warm_start, max_iter=3, random_state=0).fit(X, y)
    before, outputs = attributes(model), model.predict(X)
    with pytest.raises(ValueError, match=r"y|Y|fit into"):
        model.fit(bad_X(X), bad_y(y))
    assert attributes(model) == before
    np.testing.assert_array_equal(model.predict(X), outputs)


def test_fit_on_one_class_leaves_the_fitted_classifier_alone():
    X, y = blobs()
    model = ebp.MLPClassifier((3,), random_state=0).fit(X, y)
    labels = model.predict(X)
    with pytest.raises(ValueError, match="at least 2"):
        model.fit(X[:, :2], np.zeros(len(X)))
    assert model.n_features_in_ == 6
    np.testing.assert_array_equal(model.predict(X), labels)


@both
def test_a_failed_first_call_fits_nothing(estimator):
    X, y = blobs()
    model = estimator((3,), weight_init=np.zeros(5))
    for method, more in (("fit", {}), ("partial_fit", known(estimator))):
        with pytest.raises(ValueError, match="weight_init"):
            getattr(model, method)(X, y, **more)
        assert attributes(model) == {}


@both
def test_a_failed_partial_fit_counts_nothing(estimator):
    X, y = blobs()
    model = estimator((3,), random_state=0).partial_fit(X[:40], y[:40], **known(estimator))
    mean = model.normalizer_.mean_
    far = X[:40].copy()
    far[0, 0] = 1e300
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"must fit into float32|overflow"):
        model.partial_fit(far, y[:40])
    assert model.normalizer_.mean_ is mean
    assert model.normalizer_.n_samples_seen_ == 40
    model.partial_fit(X[40:], y[40:])
    assert model.normalizer_.n_samples_seen_ == len(X)


# ---- parameters changed between calls ---------------------------------------------------------------------

CHANGES = [
    ("hidden_layer_sizes", (4,), r"hidden_layer_sizes must stay \(3,\) .*; got \(4,\)"),
    ("activation", "relu", "activation must stay 'scaled_tanh' .*; got 'relu'"),
    ("out_activation", "logistic", "out_activation must stay 'auto' .*; got 'logistic'"),
    ("targets", (-0.5, 0.5), r"targets must stay 'auto' .*; got \(-0.5, 0.5\)"),
    ("twist", 0.1, "twist must stay 0.0 .*; got 0.1"),
    ("dtype", "float64", "dtype must stay 'float32' .*; got 'float64'"),
]


@both
@pytest.mark.parametrize(("name", "value", "message"), CHANGES)
def test_the_architecture_cannot_change(estimator, name, value, message):
    X, y = blobs()
    model = estimator((3,), warm_start=True, max_iter=2, random_state=0).fit(X, y)
    weights = model.network_.parameters.copy()
    model.set_params(**{name: value})
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(X, y)
    np.testing.assert_array_equal(model.network_.parameters, weights)
    model.set_params(warm_start=False).fit(X, y)
    model.partial_fit(X, y)


def test_the_loss_cannot_change():
    X, y = blobs()
    model = ebp.MLPClassifier([3], warm_start=True, max_iter=2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"loss must stay 'auto' .*; got 'cross_entropy'"):
        model.set_params(loss="cross_entropy").fit(X, y)
    model.set_params(loss="auto", hidden_layer_sizes=3, dtype=np.float32).fit(X, y)  # written otherwise


@both
def test_a_changed_rule_takes_effect_in_partial_fit(estimator):
    X, y = blobs()
    model = estimator((3,), solver="sgd", random_state=0).partial_fit(X, y, **known(estimator))
    first, rate = model._rule, model._rate
    model.partial_fit(X, y)
    assert model._rule is first
    model.set_params(alpha=0.1).partial_fit(X, y)
    assert (model._rule.weight_decay, model._rate) == (0.1, rate)
    model.set_params(momentum=0.5).partial_fit(X, y)
    assert model._rule.momentum == 0.5
    model.set_params(solver="sdlm").partial_fit(X, y)
    assert isinstance(model._rule, ebp.rules.SDLM)
    fresh = estimator((3,), solver="sdlm", momentum=0.5).partial_fit(X, y, **known(estimator))
    assert model._rate == fresh._rate


@both
def test_a_changed_solver_after_fit_gets_its_own_rate(estimator):
    X, y = blobs()
    model = estimator((3,), solver="sgd", random_state=0).fit(X, y)
    model.set_params(solver="sdlm").partial_fit(X, y)
    fresh = estimator((3,), solver="sdlm").partial_fit(X, y, **known(estimator))
    assert model._rate == fresh._rate


# ---- streams ----------------------------------------------------------------------------------------------


@both
def test_decorrelation_needs_enough_samples_at_first(estimator):
    X, y = blobs()
    model = estimator((3,), normalize="decorrelate", random_state=0)
    message = r"which must have n_samples >= n_features \+ 1 = 7; got "
    with pytest.raises(ValueError, match=message + "1$"):
        model.partial_fit(X[:1], y[:1], **known(estimator))
    with pytest.raises(ValueError, match=message + "6$"):
        model.partial_fit(X[:7], y[:7], sample_weight=np.arange(7), **known(estimator))
    model.partial_fit(X[:7], y[:7], **known(estimator))
    assert model.network_.n_inputs == 6
    for row in range(7, 50):
        model.partial_fit(X[row : row + 1], y[row : row + 1])


# ---- copies -----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize(
    ("options", "rows"),
    [({}, 300), ({"momentum": 0.9}, 300), ({}, 50)],
    ids=["no state", "velocity", "running curvature"],
)
def test_copies_predict_alike_and_go_on_alike(estimator, copier, options, rows):
    X, y = blobs()
    model = estimator((5,), random_state=0, **options)
    model.partial_fit(X[:rows], y[:rows], **known(estimator))
    twin = copier(model)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    model.partial_fit(X, y)
    twin.partial_fit(X, y)
    np.testing.assert_array_equal(twin.network_.parameters, model.network_.parameters)
