"""Online training of networks of any layers agrees with the oracle's per-sample loop."""

import ebp
import numpy as np
import pytest
from cases_shaped import CASES, case
from checks import assert_close, assert_parameters_close, check_training
from reference_online import train_sdlm, train_sgd

UPDATES = 200
EVERY_CASE = pytest.mark.parametrize("one", CASES, ids=str)
VARIED = [case(name) for name in ("lenet", "map-trained", "gaussian-hidden")]
SGD_OPTIONS = [{}, {"momentum": 0.9}, {"weight_decay": 1e-2}, {"scale": "fan_in"}]
SDLM_OPTIONS = [
    {"refresh": refresh, "granularity": granularity, **more}
    for refresh in ("epoch", "running")
    for granularity in ("weight", "unit")
    for more in ({}, {"momentum": 0.8, "weight_decay": 1e-2})
]


def order_of(one, n=UPDATES):
    """Presentations with repeats, in no order."""
    return np.random.default_rng(one.seed + 2).integers(0, one.n_samples, n)


def run(one, rule, train, rate, options, n=UPDATES, **keywords):
    """Trains ebp and the oracle alike and compares them; returns the rule and what the oracle left."""
    net, oracle, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    order = order_of(one, n)
    rule = rule(rate, **options)
    result = net.train_online(X, T, rule, order=order, **keywords)
    expected = train(oracle, theta, X, T, rate=rate, order=order, **options, **keywords)
    assert (result.status, result.n_samples) == ("ok", n)
    moved = np.abs(expected.theta - theta).max() / np.abs(theta).max()
    assert moved > 1e-3, f"hardly anything was learnt, {moved:.1e} of the weights"
    check_training(net, result.losses, expected, oracle)
    return rule, expected, oracle


def run_sgd(one, options, **keywords):
    # Well below the stability limit: a chaotic path magnifies rounding without bound.
    rate = 2e-3 * (1 - options.get("momentum", 0.0)) * (5 if options.get("scale") == "fan_in" else 1)
    rule, expected, oracle = run(one, ebp.rules.SGD, train_sgd, rate, options, **keywords)
    assert_parameters_close(rule.learning_rates, expected.rates, oracle, 1e-12, "rates")


def run_sdlm(one, options, **keywords):
    options = {"hessian_samples": 20, "mu": 0.1, **options}
    rate = 2e-3 * (1 - options.get("momentum", 0.0))
    rule, expected, oracle = run(one, ebp.rules.SDLM, train_sdlm, rate, options, **keywords)
    if expected.curvature.any():
        assert_parameters_close(rule.curvature, expected.curvature, oracle, 1e-9, "h")
    else:
        assert not rule.curvature.any()
    assert_parameters_close(rule.learning_rates, expected.rates, oracle, 1e-9, "rates")


@EVERY_CASE
def test_every_network_by_sgd(one):
    run_sgd(one, {"momentum": 0.5, "weight_decay": 1e-3, "scale": "fan_in"})


@pytest.mark.parametrize("options", [{"refresh": "epoch", "granularity": "unit", "momentum": 0.5},
                                     {"refresh": "running", "weight_decay": 1e-3}], ids=str)  # fmt: skip
@EVERY_CASE
def test_every_network_by_sdlm(one, options):
    run_sdlm(one, options)


@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_every_option_of_sgd(one, options):
    run_sgd(one, options)


@pytest.mark.parametrize("options", SDLM_OPTIONS, ids=str)
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_every_option_of_sdlm(one, options):
    run_sdlm(one, options)


@pytest.mark.parametrize("one", VARIED, ids=str)
def test_mini_batches_with_weights(one):
    """The mean of weighted gradients; 100 presentations leave an uneven last batch."""
    weight = np.random.default_rng(0).uniform(0, 3, one.n_samples)
    weight[0] = 0.0
    for batch_size in (1, 7):
        keywords = {"n": 100, "batch_size": batch_size, "sample_weight": weight}
        run_sgd(one, {"weight_decay": 1e-3}, **keywords)
        run_sdlm(one, {"refresh": "running", "granularity": "unit"}, **keywords)
        run_sdlm(one, {"refresh": "epoch"}, **keywords)


@EVERY_CASE
def test_learning_sample_by_sample_is_the_running_rule(one):
    """learn_one starts from the first sample's h and follows (62)."""
    net, oracle, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    rule = ebp.rules.SDLM(2e-3, mu=0.1, refresh="running")
    losses = [net.learn_one(x, t, rule) for x, t in zip(X, T, strict=True)]
    h = oracle.curvatures(theta, X[:1], T[:1])[0]
    expected = train_sdlm(oracle, theta, X, T, rate=2e-3, mu=0.1, refresh="running", curvature=h)
    check_training(net, losses, expected, oracle)


@EVERY_CASE
def test_float32_is_close_to_float64(one):
    (X, T), order = one.data(), order_of(one, 100)
    double, single = one.network(), one.network("float32")
    for net in (double, single):
        net.train_online(X, T, ebp.rules.SDLM(1e-3, mu=0.1), order=order)
    assert single.parameters.dtype == np.float32
    assert_close(single.parameters, double.parameters, 1e-3, "trained weights")


@EVERY_CASE
def test_training_from_the_same_state_gives_the_same_bits(one):
    (X, T), order = one.data(), order_of(one, 50)
    first, second = one.network(), one.network()
    for net in (first, second):
        net.train_online(X, T, ebp.rules.SDLM(1e-3, refresh="running"), order=order)
    np.testing.assert_array_equal(first.parameters, second.parameters)


@pytest.mark.parametrize("engine_rule", [{"refresh": "epoch"}, {"refresh": "running"}], ids=str)
def test_rates_below_distances_follow_the_constant(engine_rule):
    """With the constant curvature 2 and nothing but biases below the distances, h is 2 whatever is learnt."""
    layers = [ebp.layers.Dense(3, "identity"), ebp.layers.EuclideanRBF([[1, 1, -1], [-1, 1, 1]])]
    net = ebp.Network(layers, 2, loss=ebp.losses.MAP(curvature="constant"), dtype="float64", random_state=0)
    rule = ebp.rules.SDLM(1e-2, **engine_rule)
    X, T = np.random.default_rng(0).standard_normal((40, 2)), np.eye(2)[np.arange(40) % 2]
    net.train_online(X, T, rule)
    biases = net.parameter_slices[1][1]
    np.testing.assert_allclose(rule.curvature[biases], 2.0, rtol=1e-12)
    np.testing.assert_allclose(rule.learning_rates[biases], 1e-2 / 2.02, rtol=1e-12)
