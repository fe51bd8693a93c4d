"""The rules that adapt their rates, the forms of momentum, and rates and batches that change: a thousand
updates agree with the oracle's."""

import copy
import functools

import ebp
import numpy as np
import pytest
import reference_rules as oracle
from cases import CASES, case
from checks import assert_parameters_close, check_training
from ebp.rules import SDLM, SGD, AdaGrad, Adam, DeltaBarDelta, Murata, RMSProp, Rprop
from test_online import VARIED, order_of, safe_rate

# Rule, the oracle's method, and how its rate relates to that of SGD.
METHODS = {
    Murata: (oracle.murata, 1.0, {"beta": 0.02, "alpha": 0.5, "delta": 0.1}),
    AdaGrad: (oracle.adagrad, 0.1, {"epsilon": 1e-3}),
    RMSProp: (oracle.rmsprop, 0.03, {"epsilon": 1e-3}),
    Adam: (oracle.adam, 0.03, {"epsilon": 1e-3}),
    Rprop: (oracle.rprop, 0.01, {"largest": 3.0}),
    DeltaBarDelta: (oracle.delta_bar_delta, 0.3, {"largest": 3.0}),
}
MORE = {
    Murata: [{"smallest": 0.02, "largest": 0.05}, {"momentum": 0.5, "weight_decay": 1e-3}],
    AdaGrad: [{"initial": 0.5}, {"momentum": 0.8, "weight_decay": 1e-3, "momentum_form": "nesterov"}],
    RMSProp: [{"rho": 0.9}, {"momentum": 0.8, "weight_decay": 1e-3}],
    Adam: [{"beta_1": 0.5, "beta_2": 0.9}, {"weight_decay": 1e-3}, {"beta_1": 0.0}],
    Rprop: [{"increase": 1.1, "decrease": 0.7, "smallest": 0.5}, {"weight_decay": 1e-2, "momentum": 0.3}],
    DeltaBarDelta: [
        {"increase": 0.05, "decrease": 0.3, "theta": 0.2},
        {"momentum": 0.8, "weight_decay": 1e-3, "momentum_form": "averaged"},
    ],
}


class Steps:
    """A schedule that changes its factor at every presentation."""

    def factors(self, t):
        return 1 / (1 + np.asarray(t) / 300) + 0.1 * np.sin(t)


class Growing:
    """Batches of one sample, then of more and more; the last one ends where the presentations do."""

    def sizes(self, t, n):
        sizes, left, k = [], n, t
        while left:
            sizes.append(min(1 + k // 100, left))
            left -= sizes[-1]
            k += sizes[-1]
        return np.array(sizes)


def run(one, make, options, order=None, schedule=None, **keywords):
    """Trains ebp and the oracle alike and compares them."""
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    method, share, defaults = METHODS[make]
    options = {**defaults, **options}
    rate = share * safe_rate(one, options.get("momentum", 0.0))
    for bound in ("smallest", "largest"):  # Murata's are rates
        if make is Murata and bound in options:
            options[bound] *= 20 * rate
    rule = make(rate, schedule=schedule, **options)
    order = order_of(one) if order is None else order
    rates = None if schedule is None else rate * schedule.factors(np.arange(len(order)))
    batches = keywords.pop("batch_size", None)
    sizes = None if batches is None else batches.sizes(0, len(order))
    more = {} if batches is None else {"batch_size": batches}
    result = net.train_online(X, T, rule, order=order, **more, **keywords)
    first = {"first_rate": rate} if make is Murata else {}
    if options.pop("center_hidden", False):
        first["centring"] = oracle.Centring(mlp, 0.01)
    expected = oracle.train_by(mlp, one.parameters(), X, T, method, rate=rate, order=order, sizes=sizes,
                               rates=rates, **options, **first, **keywords)  # fmt: skip
    assert (result.status, result.n_samples) == ("ok", len(order))
    check_training(net, result.losses, expected, mlp)
    assert rule.n_presented == len(order)
    return rule, expected, mlp


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("one", CASES, ids=str)
def test_every_architecture(one, make):
    run(one, make, {})


@pytest.mark.parametrize(
    ("make", "options"), [(make, options) for make in MORE for options in MORE[make]], ids=str
)
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_every_option(one, make, options):
    rule, expected, mlp = run(one, make, options)
    if make is not Murata:  # whose rate is that of the next update by then
        assert_parameters_close(rule.learning_rates, expected.rates, mlp, 1e-8, "rates")


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_rates_and_batches_that_change(one, make):
    run(one, make, {}, schedule=Steps(), batch_size=Growing())


@pytest.mark.parametrize("make", METHODS)
def test_sample_weights(make):
    one = case("sigmoid-7-5-3")
    run(one, make, {}, sample_weight=np.random.default_rng(1).uniform(0, 2, one.n_samples))


@pytest.mark.parametrize("form", ["nesterov", "averaged"])
@pytest.mark.parametrize("one", VARIED, ids=str)
def test_forms_of_momentum(one, form):
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    rate = safe_rate(one, 0.8)
    result = net.train_online(X, T, SGD(rate, momentum=0.8, momentum_form=form), order=order_of(one))
    method = functools.partial(oracle.literal, factors=np.ones(mlp.n_parameters))
    expected = oracle.train_by(mlp, one.parameters(), X, T, method, rate=rate, order=order_of(one),
                               momentum=0.8, momentum_form=form)  # fmt: skip
    check_training(net, result.losses, expected, mlp)


def test_averaged_momentum_keeps_the_length_of_the_steps():
    """On a constant gradient the heavy ball's step tends to rate / (1 - momentum), the other's to rate."""
    steps = {}
    for form in ("heavy_ball", "nesterov", "averaged"):
        net = ebp.Network([ebp.layers.Dense(1, "identity")], 1, loss="hinge", dtype="float64", random_state=0)
        rule = SGD(1e-5, momentum=0.9, momentum_form=form)
        net.train_online(np.zeros((300, 1)), np.ones((300, 1)), rule)
        before = net.parameters.copy()
        net.train_online(np.zeros((1, 1)), np.ones((1, 1)), rule)
        steps[form] = net.parameters[1] - before[1]
    np.testing.assert_allclose(list(steps.values()), [1e-4, 1e-4, 1e-5], rtol=1e-8)


@pytest.mark.parametrize("one", VARIED, ids=str)
def test_the_literal_scale(one):
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    factors = np.sqrt(mlp.fan_in * mlp.shares)
    rate = safe_rate(one) / factors.max()
    rule = SGD(rate, scale="literal")
    result = net.train_online(X, T, rule, order=order_of(one))
    method = functools.partial(oracle.literal, factors=factors)
    expected = oracle.train_by(mlp, one.parameters(), X, T, method, rate=rate, order=order_of(one))
    check_training(net, result.losses, expected, mlp)
    assert_parameters_close(rule.learning_rates, expected.rates, mlp, 1e-12, "rates")


@pytest.mark.parametrize("make", [SGD, SDLM, *METHODS])
def test_one_sample_at_a_time_and_calls_of_any_length_are_the_same(make):
    one = case("sigmoid-7-5-3")
    X, T = one.data()
    options = METHODS[make][2] if make in METHODS else {}
    if make is SDLM:
        options = {"refresh": "running", "hessian_samples": 1}
    order = order_of(one, 60)
    whole, singles, parts = one.network(), one.network(), one.network()
    rules = [make(1e-3, schedule=Steps(), **options) for _ in range(3)]
    whole.train_online(X, T, rules[0], order=order)
    for row in order:
        singles.learn_one(X[row], T[row], rules[1])
    for start in range(0, 60, 7):
        parts.train_online(X, T, rules[2], order=order[start : start + 7])
    for other in (singles, parts):
        np.testing.assert_allclose(other.parameters, whole.parameters, rtol=1e-12)
    assert [rule.n_presented for rule in rules] == [60, 60, 60]


@pytest.mark.parametrize("make", METHODS)
def test_single_precision_stays_close(make):
    one = case("sigmoid-7-5-3")
    X, T = one.data()
    ends = []
    for dtype in ("float32", "float64"):
        net = one.network(dtype)
        net.train_online(X, T, make(1e-3, **METHODS[make][2]), order=order_of(one, 300))
        ends.append(net.parameters.astype(float))
    np.testing.assert_allclose(*ends, atol=2e-3)


def test_murata_anneals_like_one_over_t(rng):
    """eta -> 1 / (lambda t), the optimal annealing, so that the bias ends near the mean of the targets."""
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 1, dtype="float64", random_state=0)
    net.parameters[:] = [0.0, 5.0]
    rule = Murata(0.5, beta=1.0, alpha=2.0, delta=0.5)
    n = 20_000
    T = rng.standard_normal((n, 1)) * 0.01
    net.train_online(np.zeros((n, 1)), T, rule)
    # The input is 0 and the bias's curvature 1.
    assert abs(net.parameters[1] - T.mean()) < 0.005
    assert 0 < rule.learning_rates[1] < 0.05


def test_a_minimum_that_moves_is_followed_by_murata(rng):
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 1, dtype="float64", random_state=0)
    rule = Murata(0.5, beta=0.5, alpha=0.5, delta=0.05)
    noise = 0.02 * rng.standard_normal((2000, 1))
    net.train_online(np.zeros((2000, 1)), noise, rule)
    quiet = rule.learning_rates[1]
    net.train_online(np.zeros((20, 1)), np.full((20, 1), 3.0), rule)
    assert rule.learning_rates[1] > 3 * quiet
    net.train_online(np.zeros((500, 1)), np.full((500, 1), 3.0), rule)
    assert abs(net.parameters[1] - 3) < 0.1


@pytest.mark.parametrize("make", METHODS)
def test_divergence_restarts_the_rule(make):
    one = case("sigmoid-7-5-3")
    X, T = one.data()
    net, rule = one.network(), make(1e-3, **METHODS[make][2])
    net.train_online(X, T, rule)
    before = net.parameters.copy()
    bad = X.copy()
    bad[3] = np.inf
    assert net.train_online(bad, T, rule).status == "diverged"
    fresh, fresh_rule = one.network(), make(1e-3, **METHODS[make][2])
    fresh.parameters[:] = net.parameters[:]
    for network, by in ((net, rule), (fresh, fresh_rule)):
        network.train_online(X, T, by)
    np.testing.assert_array_equal(net.parameters, fresh.parameters)
    assert np.isfinite(before).all()


@pytest.mark.parametrize("make", METHODS)
def test_copies_keep_the_settings_and_the_count(make):
    rule = make(1e-3, **METHODS[make][2], schedule=None)
    one = case("sigmoid-7-5-3")
    one.network().train_online(*one.data(), rule)
    twin = copy.deepcopy(rule)
    assert repr(twin) == repr(rule)
    assert (twin.n_presented, twin.learning_rates) == (rule.n_presented, None)


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (Murata, {"beta": 0.0}, r"beta must be in \(0, inf\)"),
        (Murata, {"beta": 1.0, "learning_rate": 0.0}, r"learning_rate must be in \(0, inf\)"),
        (Murata, {"beta": 1.0, "delta": 1.5}, r"delta must be in \(0, 1\]"),
        (Murata, {"beta": 1.0, "smallest": 2.0, "largest": 1.0}, r"largest must be in \[2, inf\)"),
        (AdaGrad, {"epsilon": 0.0}, r"epsilon must be in \(0, inf\)"),
        (RMSProp, {"rho": 1.0}, r"rho must be in \[0, 1\)"),
        (Adam, {"beta_2": -0.1}, r"beta_2 must be in \[0, 1\)"),
        (Rprop, {"increase": 0.9}, r"increase must be in \[1, inf\)"),
        (Rprop, {"decrease": 0.0}, r"decrease must be in \(0, 1\]"),
        (DeltaBarDelta, {"largest": 0.5}, r"largest must be in \[1, inf\)"),
        (DeltaBarDelta, {"theta": "big"}, "theta must be a number; got 'big'"),
        (SGD, {"momentum_form": "ball"}, "momentum_form must be one of heavy_ball, nesterov, averaged"),
        (SGD, {"schedule": 0.5}, "schedule must be an ebp.schedules object with factors"),
    ],
    ids=str,
)
def test_misuse(make, options, text):
    with pytest.raises((ValueError, TypeError), match=text):
        make(**{"learning_rate": 0.1, **options})


@pytest.mark.parametrize("sizes", [[3, 0, 2], [2, 2], [4, 4], [-1, 6]])
def test_sizes_of_batches_must_add_up(sizes):
    one = case("sigmoid-7-5-3")
    X, T = one.data()

    class Wrong:
        def sizes(self, t, n):
            return sizes

    with pytest.raises(ValueError, match=r"sizes of batches must .*add up to the presentations"):
        one.network().train_online(X, T, SGD(0.1), order=range(5), batch_size=Wrong())
