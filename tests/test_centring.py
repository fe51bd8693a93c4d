"""Centring of hidden activations: the updates agree with the oracle's, outputs stay, and means vanish."""

import ebp
import numpy as np
import pytest
import reference_rules as oracle
from cases import CASES, case
from checks import check_training
from ebp.rules import SDLM, SGD, Adam
from test_adaptive_rules import METHODS, Growing, run
from test_online import order_of, safe_rate

DEEP = [case(name) for name in ("sigmoid-7-5-3", "logistic-17-33-5", "softmax-3-100-5", "deep-5-7-17-3-33")]
LEAK = 0.01


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("one", DEEP, ids=str)
def test_every_rule(one, make):
    run(one, make, {"center_hidden": True})


@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.5, "weight_decay": 1e-3, "momentum_form": "nesterov"}]
)
@pytest.mark.parametrize("batch_size", [None, Growing()], ids=["single", "growing"])
@pytest.mark.parametrize("one", CASES, ids=str)
def test_sgd(one, batch_size, options):
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    rate, order = safe_rate(one, options.get("momentum", 0.0)), order_of(one)
    sizes = None if batch_size is None else batch_size.sizes(0, len(order))
    rule = SGD(rate, center_hidden=True, **options)
    result = net.train_online(X, T, rule, order=order, batch_size=batch_size or 1)
    expected = oracle.train_by(
        mlp, one.parameters(), X, T, oracle.plain, rate=rate, order=order, sizes=sizes,
        centring=oracle.Centring(mlp, LEAK), **options,
    )  # fmt: skip
    check_training(net, result.losses, expected, mlp)


@pytest.mark.parametrize("granularity", ["weight", "unit"])
@pytest.mark.parametrize("refresh", ["epoch", "running"])
@pytest.mark.parametrize("one", DEEP, ids=str)
def test_sdlm(one, refresh, granularity):
    """h is that of the centred inputs; their means are measured before it."""
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    order = order_of(one, 300)
    options = {"refresh": refresh, "granularity": granularity, "hessian_samples": 20, "mu": 0.1}
    rule = SDLM(2e-3, center_hidden=True, **options)
    result = net.train_online(X, T, rule, order=order)

    centring, first = oracle.Centring(mlp, LEAK), order[:20]
    centring.follow(mlp.states(one.parameters(), X[first])[0], 1.0)

    def curvature(theta, rows):
        h = centring.curvatures(theta, X[rows], T[rows]).mean(axis=0)
        return mlp.mean_over_units(h) if granularity == "unit" else h

    h = curvature(one.parameters(), first)
    expected = oracle.train_by(
        mlp, one.parameters(), X, T, oracle.sdlm, rate=2e-3, order=order, centring=centring, mu=0.1, h=h,
        gamma=0.05 if refresh == "running" else 0.0, curvature=curvature,
    )  # fmt: skip
    check_training(net, result.losses, expected, mlp, 1e-9)


def test_without_a_rate_nothing_changes():
    """The means move, the function does not."""
    one = case("deep-5-7-17-3-33")
    net, (X, T) = one.network(), one.data()
    before = net.forward(X)
    net.train_online(X, T, SGD(0.0, center_hidden=True), order=order_of(one))
    np.testing.assert_allclose(net.forward(X), before, rtol=1e-9)


def test_one_sample_at_a_time_is_the_same():
    one = case("sigmoid-7-5-3")
    X, T = one.data()
    order = order_of(one, 60)
    whole, singles = one.network(), one.network()
    whole.train_online(X, T, SGD(0.01, center_hidden=True), order=order)
    rule = SGD(0.01, center_hidden=True)
    for row in order:
        singles.learn_one(X[row], T[row], rule)
    np.testing.assert_allclose(singles.parameters, whole.parameters, rtol=1e-11)


def test_convolutions_below_are_left_alone():
    """Only dense layers are centred; the one above maps is."""
    layers = [ebp.layers.Conv2D(2, 3), ebp.layers.Dense(3, "logistic"), ebp.layers.Dense(2)]
    rng = np.random.default_rng(0)
    X, T = rng.standard_normal((30, 1, 5, 5)), rng.choice([-1.0, 1.0], (30, 2))
    plain, centred = (ebp.Network(layers, (1, 5, 5), dtype="float64", random_state=0) for _ in range(2))
    plain.train_online(X, T, SGD(0.01))
    centred.train_online(X, T, SGD(0.01, center_hidden=True))
    assert not np.allclose(plain.parameters, centred.parameters, rtol=1e-6)
    assert np.isfinite(centred.parameters).all()


def test_logistic_units_learn_faster(rng):
    """Their mean of one half makes a large eigenvalue; without it, larger rates are possible."""
    X = rng.standard_normal((400, 8))
    T = np.tanh(X @ rng.standard_normal((8, 2)))
    losses = {}
    for center_hidden in (False, True):
        best = np.inf
        for rate in (0.1, 0.3, 1.0, 3.0):
            layers = [ebp.layers.Dense(30, "logistic"), ebp.layers.Dense(2, "identity")]
            net = ebp.Network(layers, 8, dtype="float64", random_state=0)
            rule, order = SGD(rate, center_hidden=center_hidden), np.tile(np.arange(400), 300)
            if net.train_online(X, T, rule, order=order, batch_size=400).status == "ok":
                best = min(best, net.loss(X, T))
        losses[center_hidden] = best
    assert losses[True] < 0.4 * losses[False]  # by a factor of about seven


def test_misuse():
    with pytest.raises(TypeError, match=r"center_hidden must be True or False; got 0\.5"):
        Adam(center_hidden=0.5)
