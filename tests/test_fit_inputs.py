"""What users give to ebp.optimize.fit: callbacks, interruption, and arguments that are wrong."""

import os
import signal
import threading
import time

import ebp
import numpy as np
import pytest
from checks import assert_close
from ebp.layers import Dense, MaxPool2D
from ebp.optimize import fit
from fit_data import METHODS, samples, small
from scipy.optimize import OptimizeResult


@pytest.mark.parametrize("method", METHODS)
def test_callbacks_see_the_network_at_every_iteration(method):
    X, T = samples()
    net, seen = small(), []

    def watch(intermediate_result):
        assert isinstance(intermediate_result, OptimizeResult)
        assert (intermediate_result.x == net.parameters).all()
        assert intermediate_result.fun == pytest.approx(net.loss(X, T), rel=1e-12)
        assert_close(net.gradient(X, T), intermediate_result.jac, 1e-6)
        seen.append(intermediate_result.nit)
        return len(seen) == 3

    result = fit(net, X, T, method, callback=watch)
    assert seen == [1, 2, 3]
    assert (result.stop, result.success, result.nit) == ("callback", False, 3)

    def stop(x):
        assert (x == net.parameters).all()
        net.parameters[:] = np.nan  # of no effect
        raise StopIteration

    result = fit(net, X, T, method, callback=stop)
    assert result.nit == 1
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_a_callback_raises_passes_and_the_best_point_stays(method):
    X, T = samples()
    net, seen = small(), []

    def fail(intermediate_result):
        seen.append(intermediate_result.fun)
        if len(seen) == 2:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(net, X, T, method, callback=fail)
    assert net.loss(X, T) == pytest.approx(min(seen), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_ends_a_fit_at_once(method):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10_000, 50))
    T = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]
    net = ebp.Network([Dense(15), Dense(1, "identity")], 50, dtype="float64", random_state=0)
    before, sent = net.loss(X, T), []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.0, interrupt)
    # a test runner in the background inherits a handler that ignores the signal
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            fit(net, X, T, method, tol=0, max_iter=100_000, options={"step_tolerance": 0})
        delay = time.perf_counter() - sent[0]
    finally:
        signal.signal(signal.SIGINT, handler)
        timer.cancel()
    assert delay < 0.5
    assert net.loss(X, T) <= before


def test_other_threads_may_use_the_network():
    X, T = samples(2000)
    net, losses, done = small(), [], threading.Event()

    def read():
        while not done.is_set():
            losses.append(net.loss(X, T))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        fit(net, X, T, max_iter=200, callback=lambda x: None)
    finally:
        done.set()
        reader.join()
    assert len(losses) > 0
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"method": "sgd"}, ValueError, "method must be one of 'lm', .*; got 'sgd'"),
        ({"net": 3}, TypeError, "net must be an ebp.Network; got 3"),
        ({"net": ebp.Network([MaxPool2D(1)], (1, 1, 3))}, ValueError, "net must have parameters; got none"),
        (
            {"net": small(loss="huber")},
            ValueError,
            "method='lm' needs a network with loss='squared_error', use 'newton', .*; got loss='huber'",
        ),
        ({"callback": 3}, TypeError, "callback must be callable; got 3"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be a number >= 0; got -1"),
        ({"n_threads": 0}, ValueError, "n_threads must be an integer >= 1; got 0"),
        ({"tol": -1}, ValueError, "tol must be"),
        ({"tol": "a"}, ValueError, "tol must be"),
        ({"max_iter": 1.5}, ValueError, "max_iter must be"),
        ({"options": 3}, TypeError, "options must be None or a dict; got 3"),
        ({"options": {"c1": 0.1}}, ValueError, "options of method='lm' must be among .*; got 'c1'"),
        (
            {"options": {"solver": "qr"}},
            ValueError,
            "solver must be one of 'auto', 'cholesky', 'cg'; got 'qr'",
        ),
        ({"options": {"damping": 0}}, ValueError, "damping must be"),
        (
            {"method": "lbfgs", "options": {"solver": "cg"}},
            ValueError,
            "options of method='lbfgs' must be among .*; got 'solver'",
        ),
        ({"X": np.ones((0, 3)), "T": np.ones((0, 2))}, ValueError, "X must have at least one row; got 0"),
        ({"X": np.ones((4, 2))}, ValueError, r"X must have shape \(n, 3\); got \(4, 2\)"),
        ({"T": np.ones((4, 1))}, ValueError, r"T must have shape \(n, 2\); got \(4, 1\)"),
        ({"T": np.ones((4, 2))}, ValueError, "T must have as many rows as X, 60; got 4"),
        ({"sample_weight": np.zeros(60)}, ValueError, "some sample_weight must be positive; got zeros only"),
        ({"sample_weight": np.ones(3)}, ValueError, r"sample_weight must have shape \(60,\); got \(3,\)"),
        ({"sample_weight": -np.ones(60)}, ValueError, "sample_weight must be finite and not negative"),
        ({"X": np.full((60, 3), np.nan)}, ValueError, "the loss at the start must be finite; got nan"),
    ],
)
def test_fit_rejects(arguments, error, text):
    X, T = samples()
    net = small()
    given = {"net": net, "X": X, "T": T, **arguments}
    before = net.parameters.copy()
    with pytest.raises(error, match=r"\[fit\] .*" + text):
        fit(**given)
    assert (net.parameters == before).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_start_that_is_not_finite(method):
    X, T = samples()
    net = small()
    net.parameters[0] = np.inf
    with pytest.raises(ValueError, match=r"\[fit\] the loss at the start must be finite"):
        fit(net, X, T, method)


@pytest.mark.parametrize(
    ("method", "options"), [("bfgs", None), *((m, {"solver": "cholesky"}) for m in METHODS[:3])]
)
def test_matrices_that_do_not_fit(method, options):
    net = ebp.Network([Dense(1000), Dense(1, "identity")], 1000)
    with pytest.raises(MemoryError, match=r"\[fit\] .* must fit into .*'lbfgs'.*; got \d+ GiB"):
        fit(net, np.ones((1, 1000)), [[1.0]], method, options=options)
