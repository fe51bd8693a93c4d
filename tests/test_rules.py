"""The rules' constructors, constants and effective rates."""

import copy
import pickle

import ebp
import numpy as np
import pytest
from cases import case
from checks import assert_close, assert_parameters_close
from ebp.rules import SDLM, SGD


def test_defaults_are_the_authors_constants():
    """LeNet-5, 1998: 5e-4 at first, mu 0.02, h on 500 samples; the authors' simulator: gamma 0.05."""
    rule = SDLM()
    assert (rule.learning_rate, rule.mu, rule.hessian_samples) == (5e-4, 0.02, 500)
    assert (rule.refresh, rule.gamma, rule.granularity) == ("epoch", 0.05, "weight")
    assert (rule.momentum, rule.weight_decay) == (0.0, 0.0)
    plain = SGD(0.1)
    assert (plain.learning_rate, plain.momentum, plain.weight_decay, plain.scale) == (0.1, 0.0, 0.0, "none")


def test_options_are_keyword_only():
    with pytest.raises(TypeError):
        SGD(0.1, 0.9)
    with pytest.raises(TypeError):
        SDLM(0.1, 0.02)
    with pytest.raises(TypeError):
        SGD()


@pytest.mark.parametrize(
    ("make", "keywords", "text"),
    [
        (SGD, {"learning_rate": -0.1}, "learning_rate"),
        (SGD, {"learning_rate": np.nan}, "learning_rate"),
        (SGD, {"learning_rate": np.inf}, "learning_rate"),
        (SGD, {"learning_rate": "fast"}, "learning_rate"),
        (SGD, {"learning_rate": None}, "learning_rate"),
        (SGD, {"momentum": 1.0}, "momentum"),
        (SGD, {"momentum": -0.1}, "momentum"),
        (SGD, {"weight_decay": -1e-3}, "weight_decay"),
        (SGD, {"weight_decay": np.nan}, "weight_decay"),
        (SGD, {"scale": "fan_out"}, "scale.*none.*fan_in.*got '?fan_out"),
        (SDLM, {"learning_rate": -0.1}, "learning_rate"),
        (SDLM, {"mu": 0.0}, "mu"),
        (SDLM, {"mu": -0.1}, "mu"),
        (SDLM, {"mu": np.nan}, "mu"),
        (SDLM, {"hessian_samples": -1}, "hessian_samples"),
        (SDLM, {"hessian_samples": 2.5}, "hessian_samples"),
        (SDLM, {"refresh": "daily"}, "refresh.*epoch.*running.*got '?daily"),
        (SDLM, {"gamma": -0.1}, "gamma"),
        (SDLM, {"gamma": 1.1}, "gamma"),
        (SDLM, {"granularity": "layer"}, "granularity.*weight.*unit.*got '?layer"),
        (SDLM, {"momentum": 1.5}, "momentum"),
        (SDLM, {"weight_decay": -1.0}, "weight_decay"),
    ],
    ids=str,
)
def test_misuse(make, keywords, text):
    with pytest.raises((ValueError, TypeError), match=text):
        make(**{"learning_rate": 0.1, **keywords})


@pytest.mark.parametrize("rule", [SGD(0.1), SDLM()])
@pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf, "slow", None])
def test_misuse_of_the_learning_rate_s_setter(rule, rate):
    before = rule.learning_rate
    with pytest.raises((ValueError, TypeError), match="learning_rate"):
        rule.learning_rate = rate
    assert rule.learning_rate == before


@pytest.mark.parametrize("rule", [SGD(0.1), SDLM()])
def test_nothing_is_known_before_training(rule):
    assert rule.learning_rates is None
    assert getattr(rule, "curvature", None) is None


def test_effective_rates_of_sgd():
    one = case("deep-5-7-17-3-33")
    net, mlp = one.network(), one.oracle()
    plain, scaled = SGD(0.01), SGD(0.01, scale="fan_in")
    net.train_online(*one.data(), plain)
    assert_close(plain.learning_rates, np.full(mlp.n_parameters, 0.01), 1e-15)
    net.train_online(*one.data(), scaled)
    assert_close(scaled.learning_rates, 0.01 / np.sqrt(mlp.fan_in), 1e-12)


@pytest.mark.parametrize("granularity", ["weight", "unit"])
def test_effective_rates_of_sdlm(granularity):
    """(61): epsilon / (h + mu); the largest possible rate is epsilon / mu, trap T9."""
    one = case("sigmoid-7-5-3")
    net, mlp, (X, T) = one.network(), one.oracle(), one.data()
    h = mlp.curvature_diagonal(one.parameters(), X, T)
    if granularity == "unit":
        h = mlp.mean_over_units(h)
    rule = SDLM(granularity=granularity)
    net.train_online(X, T, rule)
    assert_parameters_close(rule.curvature, h, mlp, 1e-12)
    assert_parameters_close(rule.learning_rates, 5e-4 / (h + 0.02), mlp, 1e-12)
    assert np.all(rule.learning_rates <= 5e-4 / 0.02)
    assert np.all(rule.curvature >= 0)


def test_rates_follow_a_new_learning_rate():
    one = case("sigmoid-7-5-3")
    net, rule = one.network(), SDLM()
    net.train_online(*one.data(), rule)
    h = rule.curvature.copy()
    rule.learning_rate = 1e-3
    assert_close(rule.learning_rates, 1e-3 / (h + 0.02), 1e-12)


def test_results_cannot_be_used_to_change_the_rule():
    one = case("sigmoid-7-5-3")
    net, rule = one.network(), SDLM()
    net.train_online(*one.data(), rule)
    before = rule.curvature.copy()
    copied = rule.curvature
    copied = copied.copy() if not copied.flags.writeable else copied
    copied[:] = 0
    np.testing.assert_array_equal(rule.curvature, before)


EXAMPLES = [SGD(0.1), SGD(0.25, momentum=0.9, scale="fan_in"), SDLM(), SDLM(1e-3, refresh="running", mu=0.5)]


@pytest.mark.parametrize("rule", EXAMPLES, ids=repr)
def test_repr_is_what_makes_the_rule(rule):
    again = eval(repr(rule), {"SGD": SGD, "SDLM": SDLM, "ebp": ebp})
    assert (type(again), repr(again)) == (type(rule), repr(rule))
    assert str(rule.learning_rate) in repr(rule)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
@pytest.mark.parametrize("rule", EXAMPLES, ids=repr)
def test_copies_keep_the_options_and_serve_another_network(rule, duplicate):
    one = case("sigmoid-7-5-3")
    other = duplicate(rule)
    assert repr(other) == repr(rule)
    assert one.network().train_online(*one.data(), other).status == "ok"
