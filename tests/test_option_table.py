"""One table of every parameter of the estimators with every value that is good: each of them trains."""

from __future__ import annotations

import warnings

import ebp
import numpy as np
import pytest
from ebp import _options
from ebp.layers import ACTIVATIONS, Conv1D, Dense, EuclideanRBF, GaussianRBF
from ebp.sampling import Emphasize
from ebp.schedules import Constant, Exponential, GrowingBatch, InverseTime, Piecewise, Plateau
from sklearn.frozen import FrozenEstimator
from tables import blobs, label

X, LABELS = blobs(58)
ROWS = np.sort(np.argsort(LABELS, kind="stable")[10:])  # fewer of class 0
X, LABELS = X[ROWS], LABELS[ROWS]
VALUES = X[:, 0] * X[:, 1] + 3
ESTIMATORS = [ebp.MLPClassifier, ebp.MLPRegressor, ebp.NetworkClassifier, ebp.NetworkRegressor]
ANY = ("Classifier", "Regressor")  # ends of the names of the estimators that a row is for


def nothing(*_):
    pass


# name, values, ends of names of estimators, and what else the values need
TABLE = [
    ("hidden_layer_sizes", [3, (), (3,), [3, 2], np.array([2, 3])], ANY, {}),
    ("layers", [[], [Dense(3)], (Dense(3, "tanh"), Dense(2)), [GaussianRBF(4)]], ANY, {}),
    ("layers", [[Conv1D(2, 3)], [Conv1D(2, 3, stride=2), Dense(3)]], ANY, {"input_shape": (1, 6)}),
    ("input_shape", [None, 6, (6,), [6], (1, 2, 3)], ANY, {}),
    ("activation", ACTIVATIONS, ANY, {}),
    ("out_activation", ["auto", *ACTIVATIONS], ANY, {}),
    ("loss", ["auto", "squared_error", "cross_entropy", "binary_cross_entropy", "hinge"], ANY[:1], {}),
    ("loss", ["map", ebp.losses.MAP(2.0)], ["NetworkClassifier"], {"layers": [EuclideanRBF(np.eye(3, 6))]}),
    ("loss", ["auto", "squared_error", "absolute_error", "huber", ebp.losses.Huber(0.5)], ANY[1:], {}),
    ("targets", ["auto", (-0.9, 0.9), [-0.5, 1], np.array([0.2, 0.8])], ANY, {}),
    ("targets", _options.TARGETS, ANY, {"out_activation": "tanh"}),
    ("targets", _options.TARGETS, ANY, {"out_activation": "logistic"}),
    ("normalize", [*_options.NORMALIZERS, None, ebp.InputNormalizer("decorrelate", n_components=4)], ANY, {}),
    ("normalize", [FrozenEstimator(ebp.InputNormalizer().fit(X))], ANY, {}),
    ("weight_init", _options.WEIGHT_INITS, ANY, {}),
    ("twist", [0, 0.0, 0.1, 1], ANY, {}),
    ("center_hidden", [False, True, np.True_], ANY, {}),
    ("solver", _options.SOLVERS, ANY, {}),
    ("learning_rate", _options.LEARNING_RATES, ANY, {}),
    ("learning_rate", [Constant(), InverseTime(50), Exponential(0.99)], ANY, {}),
    ("learning_rate", [Piecewise([30], [1.0, 0.1]), Plateau()], ANY, {}),
    ("learning_rate_init", ["auto", 1e-3, np.float32(0.01)], ANY, {}),
    ("momentum", [0, 0.5, 0.99], ANY, {}),
    ("batch_size", [1, 7, np.int64(48), 1000, GrowingBatch(largest=10)], ANY, {}),
    ("sampling", ["auto", "shuffle", "emphasize", "sequential", Emphasize(cap=2.0)], ANY, {}),
    ("sampling", ["interleave"], ANY[:1], {}),
    ("alpha", [0, 1e-4, 1], ANY, {}),
    ("max_iter", [1, np.int32(2), 5], ANY, {}),
    ("tol", [0, 1e-4, 10], ANY, {"max_iter": 8}),
    ("n_iter_no_change", [1, 5], ANY, {"max_iter": 8}),
    ("early_stopping", [False, True, np.True_], ANY, {}),
    ("validation_fraction", [0.01, 0.5, 0.99], ANY, {"early_stopping": True}),
    ("class_weight", [None, "balanced", {0: 2.0}, {0: 1, 1: 0.5, 2: 3}, {}], ANY[:1], {}),
    ("dtype", ["float32", "float64", np.float32, np.dtype("float64")], ANY, {}),
    ("engine", _options.ENGINES, ANY, {}),
    ("n_threads", [1, np.int64(2)], ANY, {}),
    ("warm_start", [False, True, np.False_], ANY, {}),
    ("callbacks", [None, nothing, [nothing, nothing], ()], ANY, {}),
    ("verbose", [0, 1, 2], ANY, {}),
    ("random_state", [None, 0, np.random.RandomState(0), np.random.default_rng(0)], ANY, {}),
]
CASES = [
    pytest.param(estimator, {**others, name: value}, id=f"{estimator.__name__}-{name}-{label(value)}")
    for name, values, ends, others in TABLE
    for estimator in ESTIMATORS
    for value in values
    if {name, *others} <= set(estimator().get_params()) and estimator.__name__.endswith(tuple(ends))
]


def trained(estimator, options):
    network = {"layers": [Dense(4)]} if "layers" in estimator().get_params() else {"hidden_layer_sizes": (4,)}
    model = estimator(**{**network, "max_iter": 2, "random_state": 0, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of so short a training
        return model.fit(X, LABELS if hasattr(model, "predict_proba") else VALUES)


@pytest.mark.parametrize(("estimator", "options"), CASES)
def test_every_good_value_trains(estimator, options):
    model = trained(estimator, options)
    assert np.isfinite(model.network_.parameters).all()
    assert np.isfinite(model.loss_)
    assert 1 <= model.n_iter_ <= model.max_iter
    assert len(model.loss_curve_) == model.n_iter_
    predicted = model.predict(X)
    assert predicted.shape == (48,)
    if hasattr(model, "predict_proba"):
        assert set(predicted) <= {0, 1, 2}
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    else:
        assert np.isfinite(predicted).all()
    assert np.isfinite(model.score(X, LABELS if hasattr(model, "predict_proba") else VALUES))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_table_has_every_parameter(estimator):
    listed = {name for case in CASES if case.values[0] is estimator for name in case.values[1]}
    assert listed == set(estimator().get_params())


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_arrays_of_initial_weights_train(estimator):
    values = 0.1 * np.random.default_rng(0).standard_normal(
        trained(estimator, {"max_iter": 1}).network_.n_parameters
    )
    for kind in (values, values.astype(np.float32)):
        moved = trained(estimator, {"weight_init": kind}).network_.parameters - values
        assert 0 < np.abs(moved).max() < 10


# What must show in the weights, beside a training with the second options: a parameter that is taken but has
# no effect fails here.
CHANGES = [
    *[({"hidden_layer_sizes": (5,)}, {}), ({"layers": [Dense(4, "tanh")]}, {}), ({"activation": "tanh"}, {})],
    *[({"out_activation": "tanh"}, {}), ({"twist": 0.1}, {"out_activation": "tanh"})],
    *[({"loss": loss}, {}) for loss in ("cross_entropy", "hinge", "absolute_error", "huber")],
    *[({"targets": targets}, {"out_activation": "tanh"}) for targets in ((-0.5, 0.5), "asymptotes")],
    ({"center_hidden": True}, {}),
    *[({"normalize": None}, {}), ({"normalize": "zca"}, {}), ({"weight_init": "he"}, {})],
    *[({"solver": solver}, {}) for solver in _options.SOLVERS if solver not in ("auto", "sdlm")],
    *[({"learning_rate": name}, {}) for name in ("constant", "invscaling")],
    *[({"learning_rate": "adaptive"}, {"learning_rate": "constant", "tol": 10.0, "max_iter": 5})],
    *[
        ({"learning_rate_init": 1e-4}, {}),
        ({"momentum": 0.5}, {"learning_rate_init": 1e-3}),
        ({"batch_size": 3}, {}),
    ],
    *[({"sampling": name}, {}) for name in ("interleave", "emphasize", "sequential")],
    *[({"alpha": 0.1}, {}), ({"max_iter": 3}, {}), ({"tol": 10.0}, {"max_iter": 5, "n_iter_no_change": 1})],
    *[({"n_iter_no_change": 1}, {"tol": 10.0, "max_iter": 5}), ({"early_stopping": True}, {})],
    *[({"validation_fraction": 0.3}, {"early_stopping": True}), ({"dtype": "float64"}, {})],
    *[({"class_weight": "balanced"}, {}), ({"class_weight": {0: 2.0}}, {})],
    *[({"callbacks": lambda *_: True}, {}), ({"random_state": 1}, {})],
]
# These say how, or go with others; tests below and elsewhere are about them.
ELSEWHERE = {"engine", "n_threads", "warm_start", "verbose", "input_shape"}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_option_plays_its_part(estimator):
    names = set(estimator().get_params())
    choices = {"loss": ("cross_entropy", "hinge"), "sampling": ("interleave", "emphasize", "sequential")}
    if not hasattr(estimator, "predict_proba"):
        choices = {"loss": ("absolute_error", "huber"), "sampling": ("emphasize", "sequential")}
    changed = set()
    for options, others in CHANGES:
        (name, value), *_ = options.items()
        if name in names and (name not in choices or value in choices[name]):
            plain, other = (trained(estimator, one) for one in (others, {**others, **options}))
            assert not np.array_equal(plain.network_.parameters, other.network_.parameters), options
            changed.add(name)
    assert changed | ELSEWHERE >= names


def test_warm_start_and_input_shape_play_their_part():
    for estimator in ESTIMATORS:
        y = LABELS if "Classifier" in estimator.__name__ else VALUES
        cold, warm = (trained(estimator, {"warm_start": warm}) for warm in (False, True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert (cold.fit(X, y).t_, warm.fit(X, y).t_) == (96, 192)
    shaped = trained(ebp.NetworkClassifier, {"layers": [Conv1D(2, 3)], "input_shape": (1, 6)})
    assert shaped.network_.input_shape == (1, 6)
    shaped = trained(ebp.NetworkClassifier, {"layers": [Conv1D(2, 3)], "input_shape": (2, 3)})
    assert shaped.network_.input_shape == (2, 3)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose_prints_as_it_says(verbose, capfd):
    trained(ebp.MLPClassifier, {"verbose": verbose})
    out, error = capfd.readouterr()
    assert ("epoch 2/2  loss" in out + error) == (verbose == 2)
    assert ("2/2 [" in out + error) == (verbose == 1)
