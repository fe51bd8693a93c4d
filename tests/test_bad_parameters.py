"""Wrong values of the estimators' parameters: each is named before any work is done."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
from ebp import _options
from ebp.layers import ACTIVATIONS
from tables import blobs

BAD_PARAMETERS = [
    ("hidden_layer_sizes", 0, "hidden_layer_sizes must be a positive integer or a sequence of them; got 0"),
    ("hidden_layer_sizes", (5, -1), "hidden_layer_sizes must be a positive integer or a sequence of them"),
    ("hidden_layer_sizes", "100", "hidden_layer_sizes must be a positive integer or a sequence of them"),
    (
        "hidden_layer_sizes",
        2.5,
        "hidden_layer_sizes must be a positive integer or a sequence of them; got 2.5",
    ),
    ("activation", "sigmoid", "activation must be one of .*'scaled_tanh'.*; got 'sigmoid'"),
    ("out_activation", "softmax", "out_activation must be one of 'auto', .*; got 'softmax'"),
    ("loss", "log", "loss must be one of 'auto', 'squared_error'.*; got 'log'"),
    (
        "targets",
        "zero",
        r"targets must be 'auto', 'asymptotes' or a pair \(low, high\) with low < high; got 'zero'",
    ),
    (
        "targets",
        (1, -1),
        r"targets must be 'auto', 'asymptotes' or a pair \(low, high\) with low < high; got \(1, -1\)",
    ),
    ("targets", (0, np.inf), "targets must be 'auto', 'asymptotes' or a pair"),
    ("normalize", "l2", "normalize must be one of 'auto', .* or an InputNormalizer; got 'l2'"),
    ("normalize", 3, "normalize must be one of 'auto', .* or an InputNormalizer; got 3"),
    ("weight_init", "zeros", "weight_init must be one of 'lecun', .* or an array of all .*; got 'zeros'"),
    ("weight_init", [0.0, 1.0], r"weight_init must be one of .* or an array of .*; got \[0.0, 1.0\]"),
    ("weight_init", None, "weight_init must be one of .*; got None"),
    ("weight_init", np.zeros(3), "weight_init"),
    ("twist", -0.1, "twist must be a number >= 0; got -0.1"),
    ("twist", np.nan, "twist must be a number >= 0; got nan"),
    ("center_hidden", 1, "center_hidden must be True or False; got 1"),
    ("solver", "LM", "solver must be one of 'auto', 'sdlm', 'sgd', 'murata', .*; got 'LM'"),
    ("solver", None, "solver must be one of 'auto', 'sdlm', 'sgd', 'murata', .*; got None"),
    (
        "learning_rate",
        0.1,
        "must be one of 'auto', 'constant', 'invscaling', 'adaptive' or an ebp.*; got 0.1",
    ),
    (
        "learning_rate",
        ebp.schedules.InverseTime,
        "learning_rate must be one of .* or an ebp.schedules object",
    ),
    ("learning_rate", ebp.schedules.GrowingBatch(), "learning_rate must be one of .*; got GrowingBatch"),
    ("learning_rate_init", 0, "learning_rate_init must be a number > 0 or 'auto'; got 0"),
    ("learning_rate_init", np.inf, "learning_rate_init must be a number > 0 or 'auto'; got inf"),
    ("learning_rate_init", "fast", "learning_rate_init must be a number > 0 or 'auto'; got 'fast'"),
    ("momentum", 1.0, r"momentum must be a number in \[0, 1\); got 1.0"),
    ("batch_size", 0, "batch_size must be an integer >= 1 or an ebp.schedules.GrowingBatch; got 0"),
    ("batch_size", 2.0, "batch_size must be an integer >= 1 or .*; got 2.0"),
    ("batch_size", ebp.schedules.InverseTime(), "batch_size must be .*GrowingBatch; got InverseTime"),
    ("sampling", "sort", "sampling must be one of 'auto', .* or an ebp.sampling.Emphasize; got 'sort'"),
    ("sampling", ebp.sampling.Emphasize, "sampling must be one of .*'emphasize'.*Emphasize; got <class"),
    ("alpha", -1e-3, "alpha must be a number >= 0; got -0.001"),
    ("max_iter", 0, "max_iter must be an integer >= 1; got 0"),
    ("max_iter", True, "max_iter must be an integer >= 1; got True"),
    ("tol", -1, "tol must be a number >= 0; got -1"),
    ("n_iter_no_change", 0, "n_iter_no_change must be an integer >= 1; got 0"),
    ("early_stopping", "yes", "early_stopping must be True or False; got 'yes'"),
    ("validation_fraction", 1.0, r"validation_fraction must be a number in \(0, 1\); got 1.0"),
    ("dtype", "float16", "dtype must be one of 'float32', 'float64'; got 'float16'"),
    ("dtype", None, "dtype must be one of 'float32', 'float64'; got None"),
    ("engine", "warp", "engine must be one of 'auto', 'streaming', 'blocked'; got 'warp'"),
    ("n_threads", 0, "n_threads must be an integer >= 1; got 0"),
    ("warm_start", 1, "warm_start must be True or False; got 1"),
    ("callbacks", 5, "callbacks must be None, a callable or a list of callables; got 5"),
    ("callbacks", [print, 5], "callbacks must be None, a callable or a list of callables"),
    ("verbose", 3, "verbose must be one of 0, 1, 2; got 3"),
    ("layers", "lenet5", "layers must be a sequence of ebp.layers objects; got 'lenet5'"),
    ("layers", [20], r"layers must be a sequence of ebp.layers objects; got \[20\]"),
    ("input_shape", (0, 6), r"input_shape must hold sizes of at least 1; got \(0, 6\)"),
    ("input_shape", "image", "input_shape must hold integers; got 'image'"),
    ("input_shape", (7,), r"input_shape must have as many values as a sample of X, 6 .*; got \(7,\)"),
    ("class_weight", "even", "class_weight must be None, 'balanced' or a dict; got 'even'"),
    ("class_weight", [1.0, 2.0], r"class_weight must be None, 'balanced' or a dict; got \[1.0, 2.0\]"),
    ("class_weight", {5: 1.0}, r"keys of class_weight must be classes, \[0 1\]; got \[5\]"),
    ("class_weight", {0: -1.0}, "class_weight must have values >= 0; got {0: -1.0}"),
]
ESTIMATORS = [ebp.MLPClassifier, ebp.MLPRegressor, ebp.NetworkClassifier, ebp.NetworkRegressor]
CASES = [(cls, *row) for row in BAD_PARAMETERS for cls in ESTIMATORS if row[0] in cls().get_params()]


@pytest.mark.parametrize(("estimator", "name", "value", "message"), CASES)
def test_bad_parameters(estimator, name, value, message):
    X, y = blobs(60, n_classes=2)
    model = estimator(**{name: value})
    with pytest.raises((ValueError, TypeError), match=message) as error:
        model.fit(X, y)
    assert str(error.value).startswith("[")
    assert not hasattr(model, "network_")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_has_a_bad_value(estimator):
    checked = {name for cls, name, _, _ in CASES if cls is estimator} | {"random_state"}
    assert set(estimator().get_params()) == checked


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("activation", ACTIVATIONS),
        ("out_activation", ("auto", *ACTIVATIONS)),
        ("targets", _options.TARGETS),
        ("normalize", _options.NORMALIZERS),
        ("weight_init", _options.WEIGHT_INITS),
        ("solver", _options.SOLVERS),
        ("learning_rate", _options.LEARNING_RATES),
        ("engine", _options.ENGINES),
        ("dtype", ("float32", "float64")),
    ],
)
def test_a_name_that_is_none_is_answered_by_all_that_are(estimator, name, names):
    if name not in estimator().get_params():
        assert name == "activation"  # the layers of a list have their own
        return
    with pytest.raises(ValueError, match=rf"{name} must be .*; got 'nonsense'$") as error:
        estimator(**{name: "nonsense"}).fit(*blobs(60, n_classes=2))
    assert [good for good in names if repr(good) not in str(error.value)] == []


@pytest.mark.parametrize("estimator", [ebp.MLPClassifier, ebp.MLPRegressor])
@pytest.mark.parametrize("names", [_options.SOLVERS, _options.WEIGHT_INITS, _options.TARGETS, ACTIVATIONS])
def test_docstrings_name_what_is_accepted(estimator, names):
    assert [good for good in names if f'"{good}"' not in estimator.__doc__] == []


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bad_random_state(estimator):
    with pytest.raises(ValueError, match="'seed' cannot be used to seed"):
        estimator(random_state="seed").fit(*blobs(60, n_classes=2))
    with pytest.raises(ValueError, match=r"Seed must be between 0 and 2\*\*32 - 1"):
        estimator(random_state=-1).fit(*blobs(60, n_classes=2))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_cross_entropies_have_their_own_outputs(loss):
    with pytest.raises(
        ValueError, match=f"out_activation must be 'auto' or 'identity' with loss='{loss}'.*; got 'tanh'"
    ):
        ebp.MLPClassifier(loss=loss, out_activation="tanh").fit(*blobs(60, n_classes=2))
    with pytest.raises(
        ValueError, match=rf"targets must be 'auto' or \(0, 1\) with loss='{loss}'; got \(-1, 1\)"
    ):
        ebp.MLPClassifier(loss=loss, targets=(-1, 1)).fit(*blobs(60, n_classes=2))
