"""ebp.optimize.fit: what is minimised, exact results, SciPy's minima, and what ends a fit."""

import os
import signal
import threading
import time

import ebp
import numpy as np
import pytest
import scipy.optimize
from checks import assert_close
from ebp.layers import Conv2D, Dense, GaussianRBF, Subsample2D
from ebp.optimize import fit
from reference import central_differences
from scipy.optimize import OptimizeResult

METHODS = ("lm", "gauss_newton", "newton", "cg", "bfgs", "lbfgs")


def small(dtype="float64", loss="squared_error", hidden=4, outputs=2, seed=0):
    layers = [Dense(hidden, "tanh"), Dense(outputs, "identity")]
    return ebp.Network(layers, 3, loss=loss, dtype=dtype, random_state=seed)


def samples(n=60, outputs=2, seed=0):
    """Targets of another network, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    teacher = small(outputs=outputs, seed=100)
    return X, teacher.forward(X) + 0.1 * rng.standard_normal((n, outputs))


def decayed(net):
    """Positions of the parameters that weight decay pulls."""
    where = np.zeros(net.n_parameters, bool)
    for name, part, _ in net.parameter_slices:
        where[part] = name.endswith((".weights", ".coefficients"))
    return where


def value_and_gradient(net, theta, X, T, **arguments):
    """E and its gradient at theta, by a fit that takes no step."""
    net.parameters[:] = theta
    result = fit(net, X, T, "lbfgs", max_iter=0, **arguments)
    assert (result.x == theta).all()
    assert result.nfev == 1
    return result.fun, result.jac


def shaped():
    return ebp.Network(
        [Conv2D(2, 3), Subsample2D(2), GaussianRBF(3), Dense(2, "identity")],
        (1, 6, 6),
        dtype="float64",
        random_state=0,
    )


@pytest.mark.parametrize("make", [small, shaped])
def test_the_value_is_the_mean_loss_with_weight_decay(make, rng):
    net = make()
    X, T = rng.standard_normal((7, net.n_inputs)), rng.standard_normal((7, 2))
    w = rng.uniform(0.5, 2, 7)
    theta = net.parameters.copy()
    penalty = 0.3 / 2 * np.sum(theta[decayed(net)] ** 2)
    value, gradient = value_and_gradient(net, theta, X, T, weight_decay=0.3, sample_weight=w)
    assert value == pytest.approx(np.average(net.losses(X, T), weights=w) + penalty, rel=1e-12)

    def value_at(t):
        return value_and_gradient(net, t, X, T, weight_decay=0.3, sample_weight=w)[0]

    assert_close(gradient, central_differences(value_at, theta), 1e-7)
    net.parameters[:] = theta
    for solver in ("cholesky", "cg"):
        least = fit(net, X, T, max_iter=0, weight_decay=0.3, sample_weight=w, options={"solver": solver})
        assert least.fun == pytest.approx(value, rel=1e-12)
        assert_close(least.jac, gradient, 1e-12)


def near_a_minimum(X, T, weight_decay):
    net = small()
    fit(net, X, T, "bfgs", tol=1e-10, weight_decay=weight_decay)
    net.parameters[:] += 1e-4 * np.sin(np.arange(net.n_parameters))
    return net


def check_step(step, matrix, gradient, solver):
    """`step` solves matrix step = -gradient, up to a residual if by conjugate gradient."""
    if solver == "cholesky":
        assert_close(step, np.linalg.solve(matrix, -gradient), 1e-5)
    assert np.linalg.norm(matrix @ step + gradient) < 0.05 * np.linalg.norm(gradient)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_newton_steps_use_the_hessian_with_weight_decay(solver, n_threads):
    X, T = samples()
    net = near_a_minimum(X, T, 0.01)
    theta = net.parameters.copy()

    def gradient_at(t):
        return value_and_gradient(net, t, X, T, weight_decay=0.01)[1]

    hessian = central_differences(gradient_at, theta)
    assert np.linalg.eigvalsh(hessian + hessian.T)[0] > 0
    net.parameters[:] = theta
    given = {"weight_decay": 0.01, "n_threads": n_threads, "options": {"solver": solver}}
    result = fit(net, X, T, "newton", max_iter=1, **given)
    check_step(result.x - theta, hessian, gradient_at(theta), solver)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_gauss_newton_steps_use_the_jacobian(solver, n_threads):
    X, T = samples()
    net = near_a_minimum(X, T, 0.001)
    theta, w = net.parameters.copy(), np.random.default_rng(5).uniform(0.9, 1.1, len(X))
    J = net.jacobian(X).reshape(-1, net.n_parameters) * np.sqrt(np.repeat(w, 2))[:, None]
    r = ((net.forward(X) - T) * np.sqrt(w)[:, None]).ravel()
    decay = np.where(decayed(net), 0.001 * w.sum(), 0.0)
    given = {"weight_decay": 0.001, "n_threads": n_threads, "options": {"solver": solver}}
    result = fit(net, X, T, "gauss_newton", max_iter=1, sample_weight=w, **given)
    check_step(result.x - theta, J.T @ J + np.diag(decay), J.T @ r + decay * theta, solver)


@pytest.mark.parametrize("method", ["newton", "gauss_newton"])
def test_one_step_solves_a_linear_network(method, rng):
    X, T = rng.standard_normal((40, 3)), rng.standard_normal((40, 2))
    net = ebp.Network([Dense(2, "identity")], 3, dtype="float64", random_state=0)
    result = fit(net, X, T, method)
    assert result.success, result.message
    assert result.nit == 1
    best, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(40)]), T, rcond=None)
    assert_close(net.parameters[:6].reshape(2, 3).T, best[:3], 1e-10)
    assert_close(net.parameters[6:], best[3], 1e-10)


def test_gauss_newton_takes_the_shortest_step_where_parameters_are_redundant(rng):
    X, T = rng.standard_normal((3, 3)), rng.standard_normal((3, 1))
    net = ebp.Network([Dense(1, "identity")], 3, dtype="float64", weight_init=np.zeros(4))
    assert fit(net, X, T, "gauss_newton").success
    best, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(3)]), T, rcond=None)
    assert_close(net.parameters, best[:, 0], 1e-9)


def test_levenberg_marquardt_finds_the_minimum_of_scipy():
    """The curve fitting task of a 5-10-1 network, with fewer samples."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((300, 5))
    layers = [Dense(10, "tanh"), Dense(1, "identity")]
    T = ebp.Network(layers, 5, dtype="float64", random_state=7).forward(X)
    T += 0.05 * rng.standard_normal(T.shape)
    net = ebp.Network(layers, 5, dtype="float64", random_state=8)

    def residuals(theta):
        net.parameters[:] = theta
        return (net.forward(X) - T).ravel()

    def jacobian(theta):
        net.parameters[:] = theta
        return net.jacobian(X)[:, 0]

    result = fit(net, X, T, tol=1e-10, max_iter=5000)
    assert result.success, result.message
    scipys = scipy.optimize.least_squares(residuals, result.x, jacobian)
    assert result.fun == pytest.approx(scipys.cost / 300, rel=1e-5)
    assert result.fun < 0.05**2 / 2
    net.parameters[:] = result.x + 1e-2 * np.sin(np.arange(71))
    products = fit(net, X, T, options={"solver": "cg"})
    assert products.fun == pytest.approx(result.fun, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("method", METHODS)
def test_all_methods_reach_a_minimum(method, dtype):
    X, T = samples()
    net = small(dtype, seed=1)
    before = net.loss(X, T)
    result = fit(net, X, T, method, weight_decay=1e-3, max_iter=5000)
    assert result.success, result.message
    assert net.loss(X, T) < 0.1 * before
    assert np.abs(result.jac).max() < (1e-4 if dtype == "float64" else 2e-2)
    assert (result.x == net.parameters).all()
    assert result.x.dtype == np.float64
    assert set(result) - {"hess_inv"} == {
        *("x", "fun", "jac", "nit", "nfev", "njev", "nhev", "success", "message", "stop", "status")
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_perfect_fit_in_single_precision_ends_well(method, rng):
    X = rng.standard_normal((50, 3)).astype(np.float32)
    teacher = ebp.Network([Dense(2, "identity")], 3, random_state=0)
    net = ebp.Network([Dense(2, "identity")], 3, random_state=1)
    result = fit(net, X, teacher.forward(X), method)
    assert result.success, result.message
    assert result.fun < 1e-10


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "huber"])
@pytest.mark.parametrize("method", ["newton", "cg", "bfgs", "lbfgs"])
def test_other_losses(method, loss):
    X, T = samples()
    T = np.eye(2)[T.argmax(axis=1)]
    net = small(loss=loss)
    result = fit(net, X, T, method, weight_decay=0.01, max_iter=3000)
    assert result.success, result.message
    assert np.abs(result.jac).max() < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_weights_count_like_repetitions(method):
    X, T = samples()
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    results = []
    for rows, weights in ((np.arange(len(X)), counts), (np.repeat(np.arange(len(X)), counts), None)):
        net = small()
        results.append(fit(net, X[rows], T[rows], method, max_iter=5, sample_weight=weights))
    assert results[0].fun == pytest.approx(results[1].fun, rel=1e-8)
    assert_close(results[0].x, results[1].x, 1e-6)


@pytest.mark.parametrize("solver", ["cholesky", "cg", None])
@pytest.mark.parametrize("method", METHODS)
def test_threads_change_rounding_only(method, solver):
    if solver and method in ("cg", "bfgs", "lbfgs"):
        pytest.skip("no linear systems")
    X, T = samples(1000)
    options = {"solver": solver} if solver else {}
    if method == "lm":
        options["damping"] = 1.0
    results = []
    for n_threads in (1, 2, 2):
        net = small()
        results.append(fit(net, X, T, method, max_iter=1, n_threads=n_threads, options=options))
    # one product more or less, where the residual is next to its tolerance, makes a difference too
    assert_close(results[1].x, results[0].x, 1e-2 if solver == "cg" else 1e-8)
    assert (results[1].x == results[2].x).all()


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
    assert net.loss(X, T) < before


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


def test_the_same_fit_twice_gives_the_same_bits():
    X, T = samples(1000)
    for method in METHODS:
        first, second = (fit(small("float32"), X, T, method, max_iter=4) for _ in range(2))
        assert (first.x == second.x).all()


def test_blocks_do_not_matter(rng):
    """More rows than one block, weights in one part only: the sums are those of the parts."""
    X, T = samples(3000)
    theta = small().parameters.copy()
    whole = value_and_gradient(small(), theta, X, T)
    parts = [value_and_gradient(small(), theta, X[k::7], T[k::7]) for k in range(7)]
    share = [len(X[k::7]) / len(X) for k in range(7)]
    assert whole[0] == pytest.approx(np.average([p[0] for p in parts], weights=share), rel=1e-12)
    assert_close(whole[1], np.average([p[1] for p in parts], axis=0, weights=share), 1e-11)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"method": "sgd"}, ValueError, "method must be one of 'lm', .*; got 'sgd'"),
        ({"net": 3}, TypeError, "net must be an ebp.Network; got 3"),
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
