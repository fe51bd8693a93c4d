"""The estimators' parameters below them: `Network`, layers, rules and optimisers take the same values.

Every row names a parameter of the estimators, the call that does its work on a network, good values and bad
ones with the message that answers them.
"""

from __future__ import annotations

import warnings

import ebp
import numpy as np
import pytest
from ebp import _options, rules
from ebp.layers import ACTIVATIONS, Dense
from ebp.schedules import Constant, Exponential, GrowingBatch, InverseTime, Piecewise
from sklearn.exceptions import ConvergenceWarning
from tables import label

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 4))
CLASSES = RNG.integers(3, size=24)
T = np.eye(3)[CLASSES]
SEARCHES = _options.SEARCHES


def network(*, activation="scaled_tanh", twist=0.0, **options):
    layers = [Dense(3, activation, twist=twist), Dense(3, "identity")]
    return ebp.Network(layers, 4, **{"random_state": 0, **options})


def train(rule, net=None, **options):
    """The network after a pass by the rule."""
    net = network() if net is None else net
    before = net.parameters.copy()
    assert net.train_online(X, T, rule, **options).status == "ok"
    assert not np.array_equal(net.parameters, before)
    return net


def search(method="lbfgs", **options):
    net = network()
    before = net.loss(X, T)
    result = ebp.optimize.fit(net, X, T, method, **{"max_iter": 5, **options})
    assert result.nit == 0 or net.loss(X, T) < before
    return net


def by_solver(name):
    """Online solvers are rules of the same name, "gd" is a rule with all samples in one update."""
    if name in SEARCHES:
        return search(name)
    classes = {rule.lower(): getattr(rules, rule) for rule in rules.__all__}
    if name == "gd":
        return train(rules.SGD(0.1), batch_size=len(X))
    if name == "murata":
        return train(rules.Murata(0.001, beta=0.1))
    return train(classes[name](0.001))


def in_order(name):
    if isinstance(name, ebp.sampling.Emphasize):
        order = name.sampler(24).order(np.random.default_rng(0))
    elif name == "sequential":
        order = None
    else:
        order = {"shuffle": ebp.sampling.shuffle, "interleave": ebp.sampling.interleave}[name](
            24 if name == "shuffle" else CLASSES, np.random.default_rng(0)
        )
    return train(rules.SGD(0.01), order=order)


def normalised(method):
    Z = ebp.InputNormalizer(method).fit_transform(X)
    assert np.abs(Z.mean()) < (0.5 if method == "minmax" else 1e-9)
    return train(rules.SGD(0.01), ebp.Network([Dense(3)], Z.shape[1], random_state=0))


def stopped(callback):
    net = network()
    net.train_online(X, T, rules.SGD(0.01), callback=callback)
    return net


def names(values):
    return ".*".join(values)


ROWS = [
    ("activation", lambda v: network(activation=v), ACTIVATIONS, [("softplus", names(ACTIVATIONS))]),
    ("twist", lambda v: network(twist=v), [0, 0.1, 1.0], [(np.nan, "finite"), ("a", "number")]),
    ("loss", lambda v: network(loss=v), ebp.losses.LOSSES, [("log", names(ebp.losses.LOSSES))]),
    ("loss", lambda v: network(loss=v), [ebp.losses.Huber(0.5), ebp.losses.MAP(2.0)], [(3, "squared_error")]),
    (
        "weight_init",
        lambda v: network(weight_init=v),
        [*_options.WEIGHT_INITS, np.arange(27.0) / 10, list(np.arange(27.0) / 10)],
        [("zeros", names(_options.WEIGHT_INITS)), (np.zeros(3), "27 numbers"), (None, "lecun")],
    ),
    ("dtype", lambda v: network(dtype=v), ["float32", np.float64], [("float16", "float32, float64")]),
    (
        "random_state",
        lambda v: network(random_state=v),
        [None, 0, np.random.default_rng(0), np.random.RandomState(0)],
        [("seed", "None, an integer, a Generator or a RandomState"), (-1, "not be negative")],
    ),
    (
        "center_hidden",
        lambda v: train(rules.SGD(0.01, center_hidden=v)),
        [False, True, np.True_],
        [(1, "True or False")],
    ),
    ("solver", by_solver, [name for name in _options.SOLVERS if name != "auto"], []),
    ("solver", search, SEARCHES, [("LM", "'lm', .*'bfgs', 'lbfgs'")]),
    (
        "learning_rate",
        lambda v: train(rules.SGD(0.01, schedule=v)),
        [None, Constant(), InverseTime(10), Exponential(0.9), Piecewise([10], [1.0, 0.1])],
        [("constant", "schedules object"), (0.1, "schedules object")],
    ),
    ("learning_rate_init", lambda v: train(rules.SGD(v)), [1e-3, np.float32(0.01)], [("auto", "a number")]),
    ("learning_rate_init", lambda v: train(rules.SDLM(v)), [1e-3], [(-1, r"in \[0, inf\)")]),
    ("momentum", lambda v: train(rules.SGD(0.01, momentum=v)), [0, 0.9], [(1.0, r"in \[0, 1\)")]),
    ("momentum", lambda v: train(rules.SDLM(0.01, momentum=v)), [0, 0.9], [("0.5", "a number")]),
    ("alpha", lambda v: train(rules.SGD(0.01, weight_decay=v)), [0, 0.1], [(-0.1, r"in \[0, inf\)")]),
    ("alpha", lambda v: search(weight_decay=v), [0, 0.1], [(-0.1, ">= 0")]),
    (
        "batch_size",
        lambda v: train(rules.SGD(0.01), batch_size=v),
        [1, 5, np.int64(24), 100, GrowingBatch(InverseTime(10), largest=10)],
        [(0, "at least 1"), (2.0, "an integer or an ebp.schedules.GrowingBatch")],
    ),
    (
        "engine",
        lambda v: train(rules.SGD(0.01), engine=v),
        _options.ENGINES,
        [("x", names(_options.ENGINES))],
    ),
    ("n_threads", lambda v: train(rules.SGD(0.01), n_threads=v), [1, 2], [(0, "an integer >= 1")]),
    ("callbacks", stopped, [None, lambda *_: False], [(5, "callable")]),
    ("sampling", in_order, ["shuffle", "interleave", "sequential", ebp.sampling.Emphasize()], []),
    (
        "normalize",
        normalised,
        [name for name in _options.NORMALIZERS if name != "auto"] + ["auto"],
        [("l2", names(_options.NORMALIZERS))],
    ),
    ("max_iter", lambda v: search(max_iter=v), [0, 1, np.int64(3)], [(-1, ">= 0"), (2.0, "an integer")]),
    ("tol", lambda v: search(tol=v), [0, 1e-4, 10], [(-1, ">= 0"), ("a", "a number")]),
]
GOOD = [
    pytest.param(call, value, id=f"{name}-{label(value)}") for name, call, good, _ in ROWS for value in good
]
BAD = [pytest.param(call, *bad, id=f"{name}-{label(bad[0])}") for name, call, _, bads in ROWS for bad in bads]
# What only estimators have: stopping, classes, the coding of targets, and how they are built and shown.
ONLY_ESTIMATORS = {"out_activation", "targets", "class_weight", "early_stopping", "validation_fraction"}
ONLY_ESTIMATORS |= {"n_iter_no_change", "warm_start", "verbose", "hidden_layer_sizes"}


@pytest.mark.parametrize(("call", "value"), GOOD)
def test_good_values_work_below_the_estimators(call, value):
    net = call(value)
    assert np.isfinite(net.parameters).all()
    assert np.isfinite(net.loss(np.ones((2, net.n_inputs)), np.eye(2, 3)))


@pytest.mark.parametrize(("call", "value", "rule"), BAD)
def test_bad_values_are_answered_below_the_estimators(call, value, rule):
    with pytest.raises((ValueError, TypeError), match=rf"^\[\w+(\.\w+)?\] .*{rule}.*; got "):
        call(value)


def test_every_parameter_has_its_counterpart():
    listed = {name for name, *_ in ROWS}
    assert listed | ONLY_ESTIMATORS == set(ebp.MLPClassifier().get_params())
    assert not listed & ONLY_ESTIMATORS


@pytest.mark.parametrize(("solver", "rule"), [("sgd", rules.SGD), ("sdlm", rules.SDLM)])
def test_an_epoch_of_an_estimator_is_a_pass_of_the_rule(solver, rule):
    options = {"normalize": None, "sampling": "sequential", "learning_rate": "constant", "targets": (0, 1)}
    options |= {"learning_rate_init": 0.01, "max_iter": 1, "out_activation": "identity"}
    model = ebp.MLPClassifier((3,), solver=solver, weight_init=network().parameters, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, CLASSES)
    np.testing.assert_array_equal(model.network_.parameters, train(rule(0.01)).parameters)
