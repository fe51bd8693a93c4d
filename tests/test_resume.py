"""Training that is interrupted, saved and loaded goes on with the same bits; rules are part of it."""

import copy
import pickle

import ebp
import numpy as np
import pytest
from ebp.rules import SDLM, SGD, AdaGrad, Adam, DeltaBarDelta, Murata, RMSProp, Rprop

RULES = [
    SGD(0.02),
    SGD(0.02, momentum=0.9),
    SGD(0.02, momentum=0.9, momentum_form="nesterov", weight_decay=1e-3),
    SGD(0.02, momentum=0.9, momentum_form="averaged", scale="fan_in"),
    SGD(0.02, momentum=0.5, center_hidden=True),
    SGD(0.02, schedule=ebp.schedules.InverseTime(50)),
    SDLM(1e-3, momentum=0.3),
    SDLM(1e-3, refresh="running", gamma=0.1),
    SDLM(1e-3, refresh="running", granularity="unit", momentum=0.3),
    Murata(0.02, beta=1.0),
    AdaGrad(0.02),
    RMSProp(1e-3, momentum=0.5),
    Adam(1e-3),
    Rprop(1e-3),
    DeltaBarDelta(1e-3),
]


def fresh(rule):
    return copy.deepcopy(rule)


@pytest.fixture(params=["float32", "float64"])
def network(request):
    layers = [ebp.layers.Dense(6, "tanh"), ebp.layers.Dense(5), ebp.layers.Dense(2, "identity")]
    return ebp.Network(layers, 4, dtype=request.param, random_state=3)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(60, 4))
    return X, np.sin(X[:, :2])


def through_file(obj, path):
    obj.save(path)
    return ebp.load(path)


WAYS = {
    "file": through_file,
    "pickle": lambda obj, _: pickle.loads(pickle.dumps(obj)),
    "deepcopy": lambda obj, _: copy.deepcopy(obj),
    "copy": lambda obj, _: copy.copy(obj),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_network_and_its_rule_train_on(network, data, tmp_path, rule, way):
    X, T = data
    rule, whole = fresh(rule), fresh(rule)
    uninterrupted = network.copy()
    for _ in range(3):
        uninterrupted.train_online(X, T, whole)
    network.train_online(X, T, rule)
    for _ in range(2):
        network, rule = through_file(network, tmp_path / "net"), WAYS[way](rule, tmp_path / "rule")
        network.train_online(X, T, rule)
    np.testing.assert_array_equal(network.parameters, uninterrupted.parameters)
    np.testing.assert_array_equal(rule.learning_rates, whole.learning_rates)
    assert rule.n_presented == whole.n_presented == 180


@pytest.mark.parametrize(
    "rule", [SGD(0.02, momentum=0.9), SDLM(1e-3, refresh="running"), Adam(1e-3)], ids=repr
)
def test_single_presentations_go_on(network, data, tmp_path, rule):
    X, T = data[0].astype(network.dtype), data[1].astype(network.dtype)
    rule, whole = fresh(rule), fresh(rule)
    uninterrupted = network.copy()
    for x, t in zip(X[:20], T[:20], strict=True):
        uninterrupted.learn_one(x, t, whole)
    for x, t in zip(X[:10], T[:10], strict=True):
        network.learn_one(x, t, rule)
    rule = through_file(rule, tmp_path / "rule")
    for x, t in zip(X[10:20], T[10:20], strict=True):
        network.learn_one(x, t, rule)
    np.testing.assert_array_equal(network.parameters, uninterrupted.parameters)


def test_what_is_remembered_matters(network, data, tmp_path):
    """The same as above with a rule that has forgotten: it ends elsewhere."""
    X, T = data
    rule, other = SGD(0.02, momentum=0.9), network.copy()
    network.train_online(X, T, rule)
    other.parameters[:] = network.parameters
    network.train_online(X, T, rule)
    other.train_online(X, T, SGD(0.02, momentum=0.9))
    assert np.abs(network.parameters - other.parameters).max() > 1e-3


def test_a_rule_that_was_never_used(tmp_path, network, data):
    rule = through_file(SGD(0.02, momentum=0.5), tmp_path / "rule")
    other = network.copy()
    network.train_online(*data, rule)
    other.train_online(*data, SGD(0.02, momentum=0.5))
    np.testing.assert_array_equal(network.parameters, other.parameters)


def test_a_rule_resumes_on_its_own_kind_of_network_only(network, data, tmp_path):
    X, T = data
    rule = SGD(0.02, momentum=0.9)
    network.train_online(X, T, rule)
    rule = through_file(rule, tmp_path / "rule")
    smaller = ebp.Network([ebp.layers.Dense(2)], 4, dtype=network.dtype, random_state=0)
    before = smaller.parameters.copy()
    with pytest.raises(ValueError, match="the state must be that of this rule and network"):
        smaller.train_online(X, T, rule)
    np.testing.assert_array_equal(smaller.parameters, before)
    network.train_online(X, T, rule)  # it still remembers


def test_a_rule_resumes_in_its_own_precision_only(network, data):
    rule = SGD(0.02, momentum=0.9)
    network.train_online(*data, rule)
    other = ebp.Network(
        network.layers, 4, dtype="float32" if network.dtype == np.float64 else "float64", random_state=3
    )
    with pytest.raises(
        ValueError, match=r"\[resume\] the state must be .*; got float.. for a network of float"
    ):
        other.train_online(*data, copy.deepcopy(rule))


@pytest.mark.parametrize("way", WAYS)
def test_the_rate_may_change_in_between(network, data, tmp_path, way):
    X, T = data
    rule = SGD(0.02, momentum=0.9)
    network.train_online(X, T, rule)
    resumed, other = WAYS[way](rule, tmp_path / "rule"), network.copy()
    for each, net in ((rule, network), (resumed, other)):
        each.learning_rate = 1e-3
        net.train_online(X, T, each)
    assert resumed.learning_rate == resumed.learning_rates.max() == rule.learning_rates.max() == 1e-3
    np.testing.assert_array_equal(network.parameters, other.parameters)


def test_a_changed_copy_leaves_the_original(network, data):
    rule = SGD(0.02)
    network.train_online(*data, rule)
    first = copy.deepcopy(rule)
    second = copy.copy(first)
    second.learning_rate = 0.5
    network.train_online(*data, first)
    assert first.learning_rates.max() == network.dtype.type(0.02)


def test_many_networks_start_from_the_rule_s_settings(network, data):
    X, T = data
    rule = SGD(0.02, momentum=0.9)
    network.train_online(X, T, rule)
    one, other = network.copy(), network.copy()
    ebp.train_many([one], X, T, rule)
    other.train_online(X, T, SGD(0.02, momentum=0.9))
    np.testing.assert_array_equal(one.parameters, other.parameters)


SOLVERS = ("sgd", "sdlm", "murata", "adagrad", "rmsprop", "adam", "rprop")


@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy"])
@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("solver", SOLVERS)
def test_an_estimator_s_stream_goes_on(rng, tmp_path, solver, momentum, way):
    X = rng.normal(size=(90, 3))
    y = X @ [1.0, -2.0, 0.5]
    model = ebp.MLPRegressor(
        (5,), solver=solver, momentum=momentum, sampling="shuffle", learning_rate_init=1e-3, random_state=4
    )
    whole = ebp.MLPRegressor(**model.get_params())
    for start in range(0, 90, 30):
        rows = slice(start, start + 30)
        whole.partial_fit(X[rows], y[rows])
        if start:
            model = WAYS[way](model, tmp_path / "model")
        model.partial_fit(X[rows], y[rows])
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))
    np.testing.assert_array_equal(model.network_.parameters, whole.network_.parameters)


@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy"])
def test_an_estimator_s_rate_goes_on(rng, tmp_path, way):
    X = rng.normal(size=(90, 3))
    y = X @ [1.0, -2.0, 0.5]
    model = ebp.MLPRegressor((5,), solver="sgd", learning_rate="invscaling", random_state=4)
    whole = ebp.MLPRegressor(**model.get_params())
    for k in range(4):
        whole.partial_fit(X, y)
        if k:
            model = WAYS[way](model, tmp_path / "model")
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.network_.parameters, whole.network_.parameters)
    resumed = WAYS[way](model, tmp_path / "model")
    for each in (model, resumed):
        each.set_params(learning_rate_init=1e-9).partial_fit(X, y)
    np.testing.assert_array_equal(model.network_.parameters, resumed.network_.parameters)
    assert np.abs(resumed.network_.parameters - whole.network_.parameters).max() < 1e-6


def test_a_save_from_a_callback_is_a_checkpoint(rng, tmp_path):
    X = rng.normal(size=(90, 3))
    y = (X[:, 0] > 0).astype(int)
    copies = []

    def keep(model, epoch, logs):
        model.save(tmp_path / "model")
        copies.append(copy.deepcopy(model))

    model = ebp.MLPClassifier((5,), max_iter=3, tol=0, callbacks=keep, random_state=4).fit(X, y)
    copies[-1].save(tmp_path / "copy")
    for name in ("model", "copy"):
        np.testing.assert_array_equal(ebp.load(tmp_path / name).predict(X), model.predict(X))


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_a_warm_start_goes_on(rng, tmp_path, way):
    X = rng.normal(size=(90, 3))
    y = (X[:, 0] > 0).astype(int)
    model = ebp.MLPClassifier((5,), max_iter=2, warm_start=True, random_state=4)
    whole = ebp.MLPClassifier(**model.get_params()).fit(X, y).fit(X, y)
    model = WAYS[way](model.fit(X, y), tmp_path / "model").fit(X, y)
    np.testing.assert_array_equal(model.network_.parameters, whole.network_.parameters)
