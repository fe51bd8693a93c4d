"""Threads that share the work of single updates."""

from __future__ import annotations

import os
import signal
import threading
import time

import ebp
import numpy as np
import pytest
from ebp.layers import Conv2D, Dense, MaxPool2D, Subsample2D
from ebp.rules import SDLM, SGD, Adam, Murata
from test_blocked import RULES, network, samples

PER_WEIGHT = {
    "sdlm": lambda: SDLM(1e-3),
    "running": lambda: SDLM(1e-3, refresh="running"),
    "unit, running": lambda: SDLM(1e-3, refresh="running", granularity="unit", momentum=0.5),
    "adam": lambda: Adam(1e-3),
    "murata": lambda: Murata(0.01, beta=0.1),
    "nesterov": lambda: SGD(0.005, momentum=0.8, momentum_form="nesterov", weight_decay=0.01),
    "centred": lambda: SDLM(1e-3, center_hidden=True),
}


def trained(make_rule, net, X, T, slower=10, **options):
    """Weights and losses; the rates are lowered where training would magnify roundings."""
    copy, rule = net.copy(), make_rule()
    rule.learning_rate = rule.learning_rate / slower
    results = [copy.train_online(X, T, rule, **options) for _ in range(2)]
    return copy.parameters, np.concatenate([result.losses for result in results])


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("rule", [*RULES.values(), *PER_WEIGHT.values()], ids=[*RULES, *PER_WEIGHT])
def test_threads_change_rounding_only(rule, n_threads):
    X, T = samples(100, 300)
    net = network(300, (220, 300))  # both large enough to be shared
    alone, shared = (trained(rule, net, X, T, engine="streaming", n_threads=k) for k in (1, n_threads))
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-11)
    again = trained(rule, net, X, T, engine="streaming", n_threads=n_threads)
    for one, other in zip(shared, again, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_threads_share_blocks(rule, n_threads):
    X, T = samples(150, 300)
    net = network(300, (220, 300))
    alone, shared = (trained(rule, net, X, T, engine="blocked", n_threads=k) for k in (1, n_threads))
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-11)


def test_one_layer_has_equal_bits_for_any_number_of_threads():
    X, T = samples(200, 300, dtype="float32")
    net = network(300, (250,), dtype="float32")
    found = [trained(PER_WEIGHT["sdlm"], net, X, T, n_threads=k)[0] for k in (1, 2, 4)]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize("engine", ["streaming", "blocked"])
@pytest.mark.parametrize(("inputs", "units"), [(70_000, (1,)), (40_000, (2, 3)), (9, (8192,))])
def test_more_threads_than_work(engine, inputs, units):
    X, T = samples(20, inputs)
    net = network(inputs, units)
    alone, shared = (
        trained(RULES["decay and momentum"], net, X, T, engine=engine, n_threads=k) for k in (1, 7)
    )
    np.testing.assert_allclose(shared[0], alone[0], rtol=1e-9, atol=1e-12)


TABLE = np.tile(np.array([[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]], bool), (14, 1))
IMAGES = {  # of layers large enough to be shared
    "pooled": [Conv2D(6, 5), MaxPool2D(2), Conv2D(16, 3), MaxPool2D(2), Dense(170), Dense(3)],
    "plain": [Conv2D(20, 5, stride=2), Conv2D(5, 3, padding="same"), Dense(3)],
    "table": [Conv2D(5, 5), Subsample2D(2), Conv2D(42, 3, connections=TABLE), Dense(3)],
    "wide windows": [Conv2D(5, 5), MaxPool2D(3), Conv2D(45, 3), MaxPool2D(2), Dense(3)],
    "narrow rows": [Conv2D(64, 25), Conv2D(64, 1), MaxPool2D(2), Dense(3)],
}


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("layers", IMAGES.values(), ids=IMAGES)
def test_images(layers, n_threads):
    rng = np.random.default_rng(0)
    X, T = rng.standard_normal((40, 1, 28, 28)), rng.standard_normal((40, 3))
    net = ebp.Network(layers, (1, 28, 28), dtype="float64", random_state=0)
    for rule in (RULES["plain"], PER_WEIGHT["sdlm"], PER_WEIGHT["running"]):
        alone, shared = (trained(rule, net, X, T, 100, n_threads=k) for k in (1, n_threads))
        assert not np.array_equal(alone[0], net.parameters)
        for one, other in zip(alone, shared, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-11)
        again = trained(rule, net, X, T, 100, n_threads=n_threads)
        assert np.array_equal(again[0], shared[0])


def test_callbacks_single_samples_and_divergence():
    X, T = samples(3000, 300)
    net, rule, calls = network(300, (230,)), SGD(0.005), []
    result = net.train_online(X, T, rule, n_threads=2, callback=lambda done, loss: calls.append(done))
    assert (result.status, calls[-1]) == ("ok", 3000)
    net.learn_one(X[0], T[0], rule)
    X[100] = np.nan
    assert net.train_online(X, T, rule, n_threads=2).status == "diverged"
    assert np.isfinite(net.parameters).all()


def test_an_interrupt_ends_the_training_and_its_threads():
    X, T = samples(2000, 300, dtype="float32")
    net = network(300, (300,), dtype="float32")
    before = threading.active_count()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            net.train_online(X, T, SGD(1e-4), n_threads=2, order=np.tile(np.arange(2000), 500))
    finally:
        signal.signal(signal.SIGINT, handler)
        timer.join()
    assert np.isfinite(net.parameters).all()
    assert threading.active_count() == before


def test_python_threads_train_networks_of_their_own():
    X, T = samples(300, 300)
    expected, found = trained(RULES["plain"], network(300, (230,)), X, T, n_threads=2)[0], []

    def train():
        found.append(trained(RULES["plain"], network(300, (230,)), X, T, n_threads=2)[0])

    threads = [threading.Thread(target=train) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, expected) for one in found)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True])
def test_bad_numbers_of_threads(value):
    X, T = samples(3, 2)
    with pytest.raises(ValueError, match=r"^\[train_online\] n_threads must be an integer >= 1; got"):
        network(2).train_online(X, T, SGD(0.1), n_threads=value)
    with pytest.raises(ValueError, match=r"^\[MLPRegressor\] n_threads must be an integer >= 1; got"):
        ebp.MLPRegressor(n_threads=value).fit(X, T[:, 0])


def test_estimators_hand_threads_on():
    X, y = ebp.datasets.load_digits()
    models = [ebp.MLPClassifier((200,), n_threads=k, max_iter=2, random_state=0).fit(X, y) for k in (1, 2)]
    assert np.array_equal(models[0].predict(X), models[1].predict(X))


def test_idle_threads_give_the_processor_back():
    X, T = samples(200, 300)
    net, pauses = network(300, (230,)), []

    def callback(done, loss):
        start = time.process_time()
        time.sleep(0.2)
        pauses.append(time.process_time() - start)

    net.train_online(X, T, SGD(0.01), n_threads=3, callback=callback)
    assert min(pauses) < 0.1
