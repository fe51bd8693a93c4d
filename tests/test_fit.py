"""ebp.optimize.fit: what is minimised, exact results, SciPy's minima, weights, threads."""

import ebp
import numpy as np
import pytest
import scipy.optimize
from checks import assert_close
from ebp.layers import Dense
from ebp.optimize import fit
from fit_data import METHODS, curve_fitting, decayed, samples, shaped, small
from reference import central_differences


def value_and_gradient(net, theta, X, T, **arguments):
    """E and its gradient at theta, by a fit that takes no step."""
    net.parameters[:] = theta
    result = fit(net, X, T, "lbfgs", max_iter=0, **arguments)
    assert (result.x == theta).all()
    assert result.nfev == 1
    return result.fun, result.jac


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


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_levenberg_marquardt_finds_the_minimum_of_scipy(seed):
    net, X, T = curve_fitting(seed, 400)
    start = net.parameters.copy()

    def residuals(theta):
        net.parameters[:] = theta
        return net.forward(X)[:, 0] - T

    def jacobian(theta):
        net.parameters[:] = theta
        return net.jacobian(X)[:, 0]

    scipys = scipy.optimize.least_squares(residuals, start, jacobian)
    net.parameters[:] = start
    result = fit(net, X, T)
    assert result.success, result.message
    # both regions of trust grow and shrink alike, so that both searches go the same way
    assert result.fun == pytest.approx(scipys.cost / 400, rel=1e-5)
    net.parameters[:] = result.x + 1e-3 * np.sin(np.arange(71))
    for options in ({"solver": "cg"}, {"damping": 0.1}):
        assert fit(net, X, T, options=options).fun == pytest.approx(result.fun, rel=1e-3)


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


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("shrink", "unit"), [(1e-8, 1.0), (1.0, 1e9), (1e-9, 1e6)])
def test_the_scale_of_the_start_and_of_the_targets_does_not_end_the_search(method, shrink, unit):
    """A linear network far from its solution: no stop is a convergence before it is there."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (100, 2))
    T = unit * (np.sin(3 * X[:, :1]) * X[:, 1:] + 2)
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, dtype="float64", random_state=0)
    net.parameters[:] *= shrink
    result = ebp.optimize.fit(net, X, T, method)
    design = np.hstack([X, np.ones((100, 1))])
    least = 0.5 * np.linalg.lstsq(design, T, rcond=None)[1][0] / 100
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-6)


def test_undamped_steps_that_run_off_are_no_convergence():
    """Beside parameters of 10^12 any step is small; that alone is no sign of a minimum."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 2))
    T = np.sin(3 * X[:, :1]) * X[:, 1:]
    for seed in range(20):
        layers = [ebp.layers.Dense(5), ebp.layers.Dense(1, "identity")]
        net = ebp.Network(layers, 2, dtype="float64", random_state=seed)
        result = ebp.optimize.fit(net, X, T, "gauss_newton", weight_decay=1e-2, max_iter=200)
        assert not result.success or np.abs(result.jac).max() < 1e-3, seed
