"""Online training under rough treatment: what goes wrong in the middle must not spoil the network."""

import ebp
import numpy as np
import pytest

X = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32)
T = np.tanh(X[:, :1])


def network(hidden=5):
    return ebp.Network([ebp.layers.Dense(hidden), ebp.layers.Dense(1)], 3, random_state=0)


def test_the_order_may_be_changed_by_the_callback():
    order = np.arange(len(X))

    def spoil(done, loss):
        order[:] = 2**40

    result = network(3000).train_online(X, T, ebp.rules.SGD(1e-3), order=order, callback=spoil)
    assert result.n_samples == len(X)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_first_sample_leaves_no_trace_in_the_curvature(bad):
    net, rule = network(), ebp.rules.SDLM()
    before = net.parameters.copy()
    net.learn_one([bad, 1, 1], [1], rule)
    np.testing.assert_array_equal(net.parameters, before)
    assert np.isfinite(net.learn_one(X[0], T[0], rule))
    fresh, other = network(), ebp.rules.SDLM()
    fresh.learn_one(X[0], T[0], other)
    np.testing.assert_array_equal(net.parameters, fresh.parameters)


@pytest.mark.parametrize("rate", [1e38, 1e39, 1e300])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_learn_one_keeps_weights_finite_at_any_rate(rate, momentum):
    net, rule = network(), ebp.rules.SGD(rate, momentum=momentum)
    for x, t in zip(X[:20], T[:20], strict=True):
        net.learn_one(x, t, rule)
        assert np.isfinite(net.parameters).all()


def test_stopping_never_leaves_weights_that_are_not_finite():
    net = network(30_000)
    targets = T.copy()
    targets[100] = 1e10
    result = net.train_online(X, targets, ebp.rules.SGD(1e35), callback=lambda done, loss: True)
    assert result.status in ("stopped", "diverged")
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("batch_size", [10**9, 2**62, 2**63 - 1])
def test_a_huge_batch_is_all_of_the_data(batch_size):
    one, other = network(), network()
    one.train_online(X, T, ebp.rules.SGD(0.1), batch_size=batch_size)
    other.train_online(X, T, ebp.rules.SGD(0.1), batch_size=len(X))
    np.testing.assert_array_equal(one.parameters, other.parameters)


def test_setting_the_rate_keeps_the_running_curvature():
    nets, rules = (
        [network(), network()],
        [ebp.rules.SDLM(refresh="running", granularity="unit") for _ in "ab"],
    )
    for net, rule in zip(nets, rules, strict=True):
        net.train_online(X[:500], T[:500], rule)
    rules[0].learning_rate = 1.0
    rules[0].learning_rate = 5e-4
    for net, rule in zip(nets, rules, strict=True):
        net.train_online(X[500:], T[500:], rule)
    np.testing.assert_array_equal(rules[0].curvature, rules[1].curvature)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_callback_may_set_the_rate(batch_size):
    """Two halves at their own rates equal one training whose callback changes the rate in between."""
    net, rule, seen = network(9000), ebp.rules.SGD(1e-4), []

    def slow_down(done, loss):
        seen.append((done, float(rule.learning_rates[0])))
        rule.learning_rate = 1e-5

    net.train_online(X, T, rule, callback=slow_down, batch_size=batch_size)
    assert len(seen) > 1
    split = seen[0][0]
    other, halves = network(9000), ebp.rules.SGD(1e-4)
    other.train_online(X[:split], T[:split], halves, batch_size=batch_size)
    halves.learning_rate = 1e-5
    other.train_online(X[split:], T[split:], halves, batch_size=batch_size)
    np.testing.assert_array_equal(net.parameters, other.parameters)
    assert seen[1][1] == pytest.approx(1e-5)


def test_settings_of_a_rule_are_fixed_but_the_rate():
    rule = ebp.rules.SDLM()
    with pytest.raises(AttributeError, match=r"\[SDLM\] mu is fixed"):
        rule.mu = 0.1
    rule.learning_rate = 0.1
    assert rule.learning_rate == 0.1


@pytest.mark.parametrize(
    "value", [["1", "2", "3"], [None, 1, 2], [1j, 2, 3], np.array(["2020-01-01"] * 3, "M8[D]")]
)
def test_learn_one_takes_numbers_only(value):
    with pytest.raises(TypeError, match=r"\[learn_one\] x must be real numbers; got"):
        network().learn_one(value, [1], ebp.rules.SGD(0.1))


def test_copies_hold_whatever_the_parameters_are():
    net = network()
    net.parameters[0] = np.nan
    np.testing.assert_array_equal(net.copy().parameters, net.parameters)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"batch_size": 2.5},
            TypeError,
            "batch_size must be an integer or an ebp.schedules.GrowingBatch; got 2.5",
        ),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"input_transform": (1,)}, ValueError, r"input_transform must be \(shift, factor\)"),
        ({"callback": 3}, TypeError, "callback must be callable; got 3"),
        ({"sample_weight": np.full(5000, -1.0)}, ValueError, "sample_weight must be finite and not negative"),
    ],
)
def test_misuse_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        network().train_online(X, T, ebp.rules.SGD(0.1), **arguments)


@pytest.mark.parametrize("entry", ["backward", "backward_curvature"])
def test_modules_check_their_parameters(entry):
    module = ebp._core.Dense32(10, 10)
    rows = np.zeros((1, 10), np.float32)
    with pytest.raises(ValueError, match="theta must have 110 values"):
        getattr(module, entry)(np.zeros(1, np.float32), rows, rows)


def test_denormal_numbers_are_zero_within_training_and_nowhere_else():
    x, seen = np.full((3, 1), 1e-20, np.float32), []
    net = ebp.Network([ebp.layers.Dense(1, "identity", bias=False)], 1, weight_init=np.zeros(1))
    rule = ebp.rules.SGD(0.5)  # an update of 5e-41

    def look(done, loss):
        seen.append(np.float32(1e-40) * np.float32(1))

    net.train_online(x, x, rule, callback=look)
    net.train_online(x, x, rule, callback=look, batch_size=3)
    net.learn_one(x[0], x[0], rule)
    assert net.parameters[0] == 0
    assert seen == [np.float32(1e-40)] * 2
    assert np.float32(1e-40) * np.float32(1) > 0
