"""Many networks trained at once: what each would learn alone, whatever the others do."""

import os
import signal
import threading

import ebp
import numpy as np
import pytest
from ebp._online import OnlineTraining
from ebp.layers import Conv2D, Dense
from ebp.rules import SDLM, SGD, Adam, Murata
from ebp.schedules import GrowingBatch, InverseTime

RULES = {
    "plain": lambda: SGD(0.01),
    "momentum": lambda: SGD(0.01, momentum=0.8, weight_decay=1e-3, schedule=InverseTime(50)),
    "sdlm": lambda: SDLM(2e-3),
    "running": lambda: SDLM(2e-3, refresh="running", hessian_samples=5),
    "murata": lambda: Murata(0.01, beta=0.1),
    "adam": lambda: Adam(1e-3),
}
N = 60


def data(seed=0, n=N):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4))
    return X, np.tanh(X[:, :2] + 0.1 * rng.standard_normal((n, 2)))


def networks(dtype="float32", count=5):
    """Of different sizes, and one of images."""
    found = [
        ebp.Network([Dense(3 + k), Dense(2, "identity")], 4, dtype=dtype, random_state=k)
        for k in range(count)
    ]
    found[1] = ebp.Network([Conv2D(2, (1, 3)), Dense(2, "identity")], (1, 1, 4), dtype=dtype, random_state=1)
    return found


def assert_same(found, expected, nets, others):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.losses, other.losses)
        assert (one.n_samples, one.status) == (other.n_samples, other.status)
    for net, other in zip(nets, others, strict=True):
        np.testing.assert_array_equal(net.parameters, other.parameters)


# --- equal bits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("batch_size", [1, 7, GrowingBatch(InverseTime(5))], ids=["1", "7", "growing"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_network_learns_what_it_would_alone(dtype, rule, batch_size, n_threads):
    """In two calls, so that the state that rules keep counts too."""
    (X, T), orders = data(), np.random.default_rng(1).integers(0, N, (2, 5, 100))
    nets, others = networks(dtype), networks(dtype)
    rules, singles = ([RULES[rule]() for _ in nets] for _ in range(2))
    for per_network in orders:
        found = ebp.train_many(
            nets, X, T, rules, orders=list(per_network), batch_size=batch_size, n_threads=n_threads
        )
        expected = [
            net.train_online(X, T, one, order=order, batch_size=batch_size)
            for net, one, order in zip(others, singles, per_network, strict=True)
        ]
        assert_same(found, expected, nets, others)
    assert [one.n_presented for one in rules] == [200] * len(nets)


def test_a_list_holds_a_value_for_each_network():
    sets = [data(seed, N + seed) for seed in range(5)]
    rng = np.random.default_rng(2)
    weights = [None, *(rng.uniform(0, 2, N + k) for k in range(1, 5))]
    transforms = [None, (np.ones(4), np.full(4, 0.5)), (np.zeros(4), rng.standard_normal((4, 4))), None, None]
    orders = [rng.integers(0, N, 50), None, range(20), [3, 1, 2], np.array([], int)]
    sizes = [1, 2, GrowingBatch(InverseTime(5)), 100, 3]
    nets, others = networks(), networks()
    found = ebp.train_many(
        nets,
        tuple(X for X, _ in sets),
        [T for _, T in sets],
        [RULES["sdlm"]() for _ in nets],
        orders=orders,
        sample_weight=weights,
        input_transform=transforms,
        batch_size=sizes,
    )
    expected = [
        net.train_online(
            *sets[k],
            RULES["sdlm"](),
            order=orders[k],
            sample_weight=weights[k],
            input_transform=transforms[k],
            batch_size=sizes[k],
        )
        for k, net in enumerate(others)
    ]
    assert_same(found, expected, nets, others)


def test_anything_else_serves_all():
    X, T = data()
    order, weight, transform = np.arange(N)[::-1], np.linspace(0, 1, N), (np.ones(4), np.full(4, 2.0))
    options = {"sample_weight": weight, "input_transform": transform, "engine": "blocked"}
    nets, others = ([ebp.Network([Dense(3), Dense(2)], 4, random_state=k) for k in range(3)] for _ in "ab")
    found = ebp.train_many(nets, X, T, SGD(0.01), orders=order, **options)
    expected = [net.train_online(X, T, SGD(0.01), order=order, **options) for net in others]
    assert_same(found, expected, nets, others)


def test_networks_may_differ_in_their_type():
    X, T = data()
    nets, others = ([*networks("float32", 2), *networks("float64", 3)] for _ in "ab")
    found = ebp.train_many(nets, X, T, SGD(0.01), sample_weight=np.full(N, 0.3))
    expected = [net.train_online(X, T, SGD(0.01), sample_weight=np.full(N, 0.3)) for net in others]
    assert_same(found, expected, nets, others)


def test_a_single_rule_is_a_pattern():
    """Its copies start anew, and it stays free for another network."""
    X, T = data()
    nets, others = networks(), networks()
    pattern = RULES["momentum"]()
    found = [ebp.train_many(nets, X, T, pattern) for _ in range(2)]
    expected = [[net.train_online(X, T, RULES["momentum"]()) for net in others] for _ in range(2)]
    assert_same(found[1], expected[1], nets, others)
    assert pattern.learning_rates is None
    assert pattern.n_presented == 0


def test_divergence_of_one_stops_no_other():
    X, T = data()
    rates = [0.01, 0.02, 1e30, 0.03, 0.04]
    nets, others = networks(), networks()
    found = ebp.train_many(nets, X, T, [SGD(rate) for rate in rates])
    expected = [net.train_online(X, T, SGD(rate)) for net, rate in zip(others, rates, strict=True)]
    assert [one.status for one in found] == ["ok", "ok", "diverged", "ok", "ok"]
    assert_same(found, expected, nets, others)
    assert np.isfinite(nets[2].parameters).all()


def test_no_networks():
    assert ebp.train_many([], *data(), SGD(0.1)) == []


# --- how it is done ----------------------------------------------------------------------------------------


def watched(monkeypatch, watch):
    """Let `watch(training, n_done)` see every progress that a training reports."""
    run = OnlineTraining.run

    def watched_run(training, n_threads=1, callback=None):
        assert n_threads == 1

        def both(n_done, mean_loss):
            watch(training, n_done)
            return callback(n_done, mean_loss)

        return run(training, n_threads, both)

    monkeypatch.setattr(OnlineTraining, "run", watched_run)


def test_trainings_overlap(monkeypatch):
    """Each first report waits until the other training reports too: one after the other, none would come."""
    meeting, threads = threading.Barrier(2), {}

    def meet(training, n_done):
        if training.rule not in threads:
            threads[training.rule] = threading.get_native_id()
            meeting.wait(60)

    watched(monkeypatch, meet)
    X, T = data()
    ebp.train_many(networks(count=2), X, T, SGD(0.01), n_threads=2)
    assert len(set(threads.values())) == 2
    assert threading.get_native_id() not in threads.values()


@pytest.mark.parametrize(("n_threads", "most"), [(1, 1), (3, 3)])
def test_no_more_threads_than_asked_for(monkeypatch, n_threads, most):
    threads = set()
    watched(monkeypatch, lambda training, n_done: threads.add(threading.get_native_id()))
    X, T = data()
    ebp.train_many(networks(count=20), X, T, SGD(0.01), n_threads=n_threads)
    assert 1 <= len(threads) <= most
    assert (threading.get_native_id() in threads) == (n_threads == 1)


def test_all_processors_by_default(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    meeting, met = threading.Barrier(3), set()

    def meet(training, n_done):
        if training.rule not in met:
            met.add(training.rule)
            meeting.wait(60)

    watched(monkeypatch, meet)
    X, T = data()
    ebp.train_many(networks(count=3), X, T, SGD(0.01))
    assert len(met) == 3


def test_arrays_in_common_are_converted_once(monkeypatch):
    arrays = []
    watched(monkeypatch, lambda one, n_done: arrays.append((one.X, one.T, one.order, one.weights)))
    X, T = data()
    nets = [ebp.Network([Dense(2)], 4, random_state=k) for k in range(6)]
    weight, order = np.ones(N), np.arange(N)
    ebp.train_many(nets, [X] * 6, T, SGD(0.01), orders=[order] * 6, sample_weight=weight, n_threads=1)
    assert len(arrays) == 6
    for position in range(4):
        assert len({id(found[position]) for found in arrays}) == 1
    assert arrays[0][0].dtype == np.float32


def test_the_bar_counts_presentations(capsys):
    """To the last, though one training diverges."""
    X, T = data()
    ebp.train_many(networks(), X, T, [SGD(rate) for rate in (0.01, 1e30, 0.01, 0.01, 0.01)], verbose=1)
    assert f"{5 * N}/{5 * N}" in capsys.readouterr().err.replace(".00", "")
    ebp.train_many(networks(), X, T, SGD(0.01))
    assert capsys.readouterr().err == ""


# --- interruption ------------------------------------------------------------------------------------------


LONG = np.tile(np.arange(N), 100_000)  # seconds for each network


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 10])
def test_an_interrupt_stops_all(monkeypatch, n_threads, batch_size):
    X, T = data()
    nets, rules = networks(count=4), [SGD(1e-3, momentum=0.5) for _ in range(4)]
    started, timer = set(), threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))

    def start_timer(training, n_done):
        if training.rule not in started:
            started.add(training.rule)
            if len(started) == n_threads:
                timer.start()

    watched(monkeypatch, start_timer)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        ebp.train_many(nets, X, T, rules, orders=LONG, batch_size=batch_size, n_threads=n_threads)
    timer.join()
    monkeypatch.undo()
    assert threading.active_count() == before
    assert started == set(rules[:n_threads])
    for net, rule in zip(nets, rules, strict=True):
        assert rule.n_presented < len(LONG)
        assert np.isfinite(net.parameters).all()
        assert net.train_online(X, T, rule).status == "ok"


def test_an_error_on_the_way_stops_all(monkeypatch):
    begun = threading.Event()

    def fail(training, n_done):
        if training.rule is rules[1]:
            assert begun.wait(60)
            raise MemoryError("no room")
        begun.set()

    watched(monkeypatch, fail)
    X, T = data()
    rules = [SGD(0.01) for _ in range(4)]
    with pytest.raises(MemoryError, match="no room"):
        ebp.train_many(networks(count=4), X, T, rules, orders=LONG, n_threads=2)
    assert 0 < rules[0].n_presented < len(LONG)
    assert [rule.n_presented for rule in rules[1:]] == [0, 0, 0]


# --- misuse ------------------------------------------------------------------------------------------------

GOOD, BAD = np.arange(N), np.array([0, N])
LAST = "; network 4 of 0 to 4$"


class WrongSizes:
    def sizes(self, t, n):
        return np.full(3, n)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"X": [np.ones((N, 4))] * 4 + [np.ones((N, 5))]}, r"X must have shape \(n, 4\); got .*, 5\)" + LAST),
        ({"T": [np.ones((N, 2))] * 4 + [np.ones((N - 1, 2))]}, "T must have the 60 rows of X; got 59" + LAST),
        ({"T": np.ones((N, 3))}, r"T must have shape \(n, 2\); got \(60, 3\); network 0 of 0 to 4$"),
        ({"X": [np.ones((N, 4))] * 4}, "a list as X must hold one value for each of the 5 networks; got 4$"),
        ({"orders": [0, 1, 2]}, "a list as orders must hold one value for each of the 5 networks; got 3$"),
        ({"orders": [GOOD] * 4 + [BAD]}, "order must hold indices of rows of X, 0 to 59; got 60" + LAST),
        ({"orders": [GOOD] * 4 + [-GOOD]}, "order must hold indices of rows of X, 0 to 59; got -1" + LAST),
        ({"orders": GOOD / 2}, "order must be a 1-D array of integers; got float64"),
        ({"rules": [SGD(0.1)] * 2 + [SGD(0.1) for _ in "abc"]}, "rules must be different objects; got the "
         "same one at 0 and 1$"),
        ({"rules": [SGD(0.1) for _ in "abcd"]}, "a list as rules must hold one value for each of the 5"),
        ({"rules": [*(SGD(0.1) for _ in "abcd"), 0.1]}, "rule must be an ebp.rules object; got 0.1" + LAST),
        ({"rules": 0.1}, "rules must be one ebp.rules object or a list of them; got 0.1$"),
        ({"engine": "warp"}, "engine must be one of auto, streaming, blocked; got 'warp'"),
        ({"engine": "blocked"}, "engine 'blocked' needs a dense first layer.*; network 1 of 0 to 4$"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"batch_size": [1, 1, 1, 1, 2.5]}, "batch_size must be an integer or .*; got 2.5" + LAST),
        ({"batch_size": WrongSizes()}, "the sizes of batches must .* add up to 60 presentations; got"),
        ({"sample_weight": -np.ones(N)}, "sample_weight must be finite and not negative"),
        ({"sample_weight": [None] * 4 + [np.ones(3)]}, r"sample_weight must have shape \(60,\); .*" + LAST),
        ({"input_transform": (1,)}, r"input_transform must be \(shift, factor\); got"),
        ({"input_transform": (np.ones(4), np.ones(5))}, r"a factor \(4,\) or \(4, n_features\); got"),
        ({"input_transform": (np.ones(4), np.ones((5, 4)))}, r"got \(4,\) and \(5, 4\)"),
        ({"n_threads": 0}, "n_threads must be an integer >= 1 or None; got 0$"),
        ({"verbose": 2}, "verbose must be one of 0, 1; got 2$"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_misuse_is_found_before_anything_is_trained(changes, text):
    X, T = data()
    nets = networks()
    before = [net.parameters.copy() for net in nets]
    arguments = {"X": X, "T": T, "rules": SGD(0.1)} | changes
    with pytest.raises((ValueError, TypeError), match=r"^\[train_(many|online)\] .*" + text):
        ebp.train_many(nets, **arguments)
    for net, parameters in zip(nets, before, strict=True):
        np.testing.assert_array_equal(net.parameters, parameters)


def test_networks_are_different_networks():
    X, T = data()
    nets = networks()
    with pytest.raises(ValueError, match=r"^\[train_many\] networks must be different .* at 1 and 5$"):
        ebp.train_many([*nets, nets[1]], X, T, SGD(0.1))
    for wrong in (nets[0], 3, None):
        with pytest.raises(TypeError, match=r"^\[train_many\] networks must be a sequence of ebp.Network"):
            ebp.train_many(wrong, X, T, SGD(0.1))
    with pytest.raises(TypeError, match=r"^\[train_many\] networks must be ebp.Network objects; got None"):
        ebp.train_many([nets[0], None], X, T, SGD(0.1))


def test_a_rule_of_another_network_is_refused():
    X, T = data()
    nets, rules = networks(), [SGD(0.1) for _ in range(5)]
    ebp.train_many(nets, X, T, rules)
    with pytest.raises(ValueError, match=r"a rule belongs to the first network .*; network 0 of 0 to 4$"):
        ebp.train_many(nets[::-1], X, T, rules)
