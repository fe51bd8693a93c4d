"""Online training agrees with the oracle's per-sample loop, whatever the rule, order, weights and batch."""

import ebp
import numpy as np
import pytest
from cases import CASES, Case, case
from checks import assert_close, assert_parameters_close, check_training
from reference_online import online_eigenvalue, train_sdlm, train_sgd, transformed

UPDATES = 1000
SGD_OPTIONS = [
    {},
    {"momentum": 0.9},
    {"weight_decay": 1e-3},
    {"scale": "fan_in"},
    {"momentum": 0.5, "weight_decay": 1e-3, "scale": "fan_in"},
]
SDLM_OPTIONS = [
    {"refresh": refresh, "granularity": granularity, **more}
    for refresh in ("epoch", "running")
    for granularity in ("weight", "unit")
    for more in ({}, {"momentum": 0.8, "weight_decay": 1e-3})
]
# Every option on nets that differ in bias, twist, activation, loss and number of outputs.
VARIED = [case(name) for name in ("sigmoid-7-5-3", "unbiased-100-3-17", "binary-33-7-3")]


def order_of(one, n=UPDATES):
    """Presentations with repeats, in no order."""
    return np.random.default_rng(one.seed + 2).integers(0, one.n_samples, n)


def safe_rate(one, momentum=0.0):
    """Well below the stability limit of the widest layer: a chaotic path magnifies rounding without bound."""
    return 0.2 * (1 - momentum) / (1 + max(one.n_inputs, *(units for units, *_ in one.layers)))


def run_sgd(one, order, options, **keywords):
    """Trains ebp and the oracle alike and compares them."""
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    rate = safe_rate(one, options.get("momentum", 0.0))
    rule = ebp.rules.SGD(rate, **options)
    result = net.train_online(X, T, rule, order=order, **keywords)
    expected = train_sgd(mlp, one.parameters(), X, T, rate=rate, order=order, **options, **keywords)
    assert (result.status, result.n_samples) == ("ok", len(expected.losses))
    check_training(net, result.losses, expected, mlp)
    assert_close(rule.learning_rates, expected.rates, 1e-12, "rates")


def run_sdlm(one, order, options, **keywords):
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    options = {"hessian_samples": 20, **options}
    rate = 5e-3 * (1 - options.get("momentum", 0.0))
    rule = ebp.rules.SDLM(rate, **options)
    result = net.train_online(X, T, rule, order=order, **keywords)
    expected = train_sdlm(mlp, one.parameters(), X, T, rate=rate, order=order, **options, **keywords)
    assert (result.status, result.n_samples) == ("ok", len(expected.losses))
    check_training(net, result.losses, expected, mlp)
    assert_parameters_close(rule.curvature, expected.curvature, mlp, 1e-9, "h")
    assert_parameters_close(rule.learning_rates, expected.rates, mlp, 1e-9, "rates")


@pytest.mark.parametrize("one", CASES, ids=str)
def test_every_architecture_by_sgd(one):
    run_sgd(one, order_of(one), {})


@pytest.mark.parametrize("refresh", ["epoch", "running"])
@pytest.mark.parametrize("one", CASES, ids=str)
def test_every_architecture_by_sdlm(one, refresh):
    run_sdlm(one, order_of(one, UPDATES if refresh == "epoch" else 300), {"refresh": refresh})


@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_every_option_of_sgd(one, options):
    run_sgd(one, order_of(one), options)


@pytest.mark.parametrize("options", SDLM_OPTIONS, ids=str)
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_every_option_of_sdlm(one, options):
    run_sdlm(one, order_of(one, 400), options)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 100, 1000])
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_mini_batches(one, batch_size):
    """The mean gradient of a batch; 100 presentations leave an uneven last one."""
    order = order_of(one, 100)
    run_sgd(one, order, {"momentum": 0.5, "weight_decay": 1e-3}, batch_size=batch_size)
    run_sdlm(one, order, {"refresh": "running", "granularity": "unit"}, batch_size=batch_size)
    run_sdlm(one, order, {"refresh": "epoch", "momentum": 0.5}, batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_sample_weights(one, batch_size):
    weight = np.random.default_rng(0).uniform(0, 3, one.n_samples)
    weight[0] = 0.0
    keywords = {"sample_weight": weight, "batch_size": batch_size}
    run_sgd(one, order_of(one, 200), {"momentum": 0.5}, **keywords)
    run_sdlm(one, order_of(one, 200), {"refresh": "running"}, **keywords)
    run_sdlm(one, order_of(one, 200), {"refresh": "epoch", "granularity": "unit"}, **keywords)


WIDE = [  # a hidden layer beyond the first-level cache, several of whose updates are made together
    Case(
        "wide-9-70-61-3", 9, tuple((n, "scaled_tanh", 0.1, True) for n in (70, 61, 3)), "squared_error", 40, 5
    ),
    Case(
        "wide-5-130-33", 5, ((130, "tanh", 0.0, False), (33, "logistic", 0.0, False)), "squared_error", 40, 6
    ),
]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 61])
@pytest.mark.parametrize("one", WIDE, ids=str)
def test_wide_hidden_layers(one, n):
    order = order_of(one, n)
    weight = np.random.default_rng(0).uniform(0, 3, one.n_samples)
    run_sgd(one, order, {"scale": "fan_in"}, sample_weight=weight)
    run_sdlm(one, order, {"granularity": "unit", "hessian_samples": 5})


def test_wide_hidden_layers_learn_one_by_one_with_their_curvature():
    one = WIDE[0]
    (X, T), net, options = one.data(), one.network(), {"granularity": "unit", "gamma": 0.1}
    rule = ebp.rules.SDLM(1e-3, **options)
    for x, t in zip(X, T, strict=True):
        net.learn_one(x, t, rule)
    first = train_sdlm(
        one.oracle(), one.parameters(), X, T, order=[0], hessian_samples=1, **options
    ).curvature
    expected = train_sdlm(
        one.oracle(), one.parameters(), X, T, rate=1e-3, refresh="running", curvature=first, **options
    )
    assert_parameters_close(net.parameters, expected.theta, one.oracle(), 1e-9)
    assert_parameters_close(rule.curvature, expected.curvature, one.oracle(), 1e-9)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_wide_hidden_layers_shared_by_threads(n_threads):
    one = Case(
        "wide-6-260-255-2", 6, tuple((n, "tanh", 0.0, True) for n in (260, 255, 2)), "squared_error", 21, 7
    )
    (X, T), net = one.data(), one.network()
    net.train_online(X, T, ebp.rules.SGD(0.003), n_threads=n_threads)
    theta = train_sgd(one.oracle(), one.parameters(), X, T, rate=0.003).theta
    assert_parameters_close(net.parameters, theta, one.oracle(), 1e-10)
    single = one.network("float32")
    single.train_online(X, T, ebp.rules.SGD(0.003), n_threads=n_threads)
    assert_parameters_close(single.parameters, theta, one.oracle(), 1e-4)


def test_wide_hidden_layers_in_other_calls():
    one = WIDE[0]
    (X, T), net, rule = one.data(), one.network(), ebp.rules.SGD(0.01)
    net.train_online(X, T, rule, order=range(6))
    for row in (6, 7):
        net.learn_one(X[row], T[row], rule)
    net.train_online(X, T, rule, order=range(8, 17))
    net.train_online(X, T, rule, order=range(17, 30), batch_size=13)
    net.train_online(X, T, rule, order=range(30, 33))
    theta = one.parameters()
    for rows in (*([k] for k in range(17)), range(17, 30), [30], [31], [32]):
        order, size = list(rows), len(rows)
        theta = train_sgd(one.oracle(), theta, X, T, rate=0.01, order=order, batch_size=size).theta
    assert_parameters_close(net.parameters, theta, one.oracle(), 1e-9)


@pytest.mark.parametrize("one", VARIED, ids=str)
def test_no_order_means_each_sample_once(one):
    run_sgd(one, None, {})
    run_sdlm(one, None, {"hessian_samples": 5})


@pytest.mark.parametrize("hessian_samples", [0, 1, 500])
def test_where_the_running_curvature_starts(hessian_samples):
    one = case("sigmoid-7-5-3")
    run_sdlm(
        one, order_of(one, 100), {"refresh": "running", "gamma": 0.1, "hessian_samples": hessian_samples}
    )


def test_the_curvature_is_measured_again_for_each_call():
    one = case("sigmoid-7-5-3")
    net, mlp, (X, T), theta = one.network(), one.oracle(), one.data(), one.parameters()
    rule = ebp.rules.SDLM(5e-3, hessian_samples=20)
    velocity = None
    for epoch in range(3):
        order = order_of(one, 50 + epoch)
        result = net.train_online(X, T, rule, order=order)
        expected = train_sdlm(mlp, theta, X, T, rate=5e-3, hessian_samples=20, order=order, velocity=velocity)
        check_training(net, result.losses, expected, mlp)
        assert_parameters_close(rule.curvature, expected.curvature, mlp, 1e-9, "h")
        theta, velocity = expected.theta, expected.velocity


@pytest.mark.parametrize("one", [case("sigmoid-7-5-3"), case("unbiased-100-3-17")], ids=str)
@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_input_transform_equals_transforming_first(one, matrix, batch_size, rng):
    mlp, T = one.oracle(), one.data()[1]
    n_features = 4 if matrix else one.n_inputs
    raw = rng.standard_normal((one.n_samples, n_features))
    shift = rng.standard_normal(n_features)
    factor = rng.uniform(0.5, 1.5, n_features)
    if matrix:
        factor = rng.standard_normal((one.n_inputs, n_features)) / 2
    Z, order = transformed(raw, shift, factor), order_of(one, 200)
    for rule, train, options in [
        (ebp.rules.SGD(2e-4), train_sgd, {"rate": 2e-4}),
        (ebp.rules.SDLM(1e-3), train_sdlm, {"rate": 1e-3}),
        (ebp.rules.SDLM(1e-3, refresh="running"), train_sdlm, {"rate": 1e-3, "refresh": "running"}),
    ]:
        net = one.network()
        result = net.train_online(
            raw, T, rule, order=order, batch_size=batch_size, input_transform=(shift, factor)
        )
        expected = train(mlp, one.parameters(), Z, T, order=order, batch_size=batch_size, **options)
        check_training(net, result.losses, expected, mlp)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_float32_is_close_to_float64(one):
    (X, T), order = one.data(), order_of(one, 200)
    double, single = one.network(), one.network("float32")
    for net in (double, single):
        net.train_online(X, T, ebp.rules.SDLM(2e-3), order=order)
    assert_parameters_close(single.parameters, double.parameters, one.oracle(), 2e-3)


# --- properties of section 9.1 -----------------------------------------------------------------------------


def test_lms_curvature_is_the_second_moment():
    """h -> E[x_i^2], and 1 for the bias."""
    one = case("linear-33-1")
    net, (X, T) = one.network(), one.data()
    rule = ebp.rules.SDLM()
    net.train_online(X, T, rule)
    assert_close(rule.curvature, np.append((X**2).mean(axis=0), 1.0), 1e-12)


def test_infinite_mu_is_plain_descent():
    """mu -> infinity with epsilon / mu fixed."""
    one = case("sigmoid-7-5-3")
    (X, T), order = one.data(), order_of(one, 200)
    plain, damped = one.network(), one.network()
    plain.train_online(X, T, ebp.rules.SGD(0.02), order=order)
    damped.train_online(X, T, ebp.rules.SDLM(0.02e12, mu=1e12), order=order)
    assert_parameters_close(damped.parameters, plain.parameters, one.oracle(), 1e-10)


@pytest.mark.parametrize("granularity", ["weight", "unit"])
def test_running_without_leak_is_frozen(granularity):
    one = case("sigmoid-7-5-3")
    (X, T), order = one.data(), order_of(one, 200)
    frozen, running = one.network(), one.network()
    options = {"hessian_samples": 50, "granularity": granularity}
    frozen.train_online(X, T, ebp.rules.SDLM(5e-3, **options), order=order)
    running.train_online(X, T, ebp.rules.SDLM(5e-3, refresh="running", gamma=0.0, **options), order=order)
    assert_parameters_close(running.parameters, frozen.parameters, one.oracle(), 1e-12)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_online_eigenvalue_equals_the_oracle(one):
    """(64) step by step, with gamma falling."""
    mlp, theta, (X, T), order = one.oracle(), one.parameters(), one.data(), order_of(one, 50)
    psi = np.random.default_rng(1).standard_normal(mlp.n_parameters)
    gamma = 0.1 / np.sqrt(1 + np.arange(50))
    net, started = one.network(), psi.copy()
    norms = ebp._core.online_eigenvalue(net._core, X, T, order, started, gamma, alpha=1e-2)
    assert_close(norms, online_eigenvalue(mlp, theta, X, T, psi, order=order, gamma=gamma), 1e-9)
    np.testing.assert_array_equal(net.parameters, theta)
