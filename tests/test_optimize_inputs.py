"""What users give to `ebp.optimize`: callbacks, exceptions, and arguments that are wrong."""

import os
import signal
import threading

import ebp
import numpy as np
import pytest
from scipy.optimize import OptimizeResult

least_squares, minimize = ebp.optimize.least_squares, ebp.optimize.minimize


def rosenbrock(x):
    a, b = 1 - x[0], x[1] - x[0] ** 2
    return a**2 + 100 * b**2, np.array([-2 * a - 400 * x[0] * b, 200 * b])


def residuals(x):
    return np.array([1 - x[0], 10 * (x[1] - x[0] ** 2)])


def jacobian(x):
    return np.array([[-1, 0], [-20 * x[0], 10]])


START = [-1.2, 1.0]
SEARCHES = {
    "minimize": lambda **kw: minimize(rosenbrock, START, **kw),
    "least_squares": lambda **kw: least_squares(residuals, START, jacobian, **kw),
}


class OwnError(Exception):
    pass


def fail(*_):
    raise OwnError("mine")


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_callbacks(search):
    seen = []
    full = search(callback=seen.append)
    assert len(seen) == full.nit
    assert (seen[-1] == full.x).all()

    def with_result(intermediate_result):
        assert isinstance(intermediate_result, OptimizeResult)
        seen.append(intermediate_result)

    seen.clear()
    search(callback=with_result)
    assert [result.nit for result in seen] == list(range(1, full.nit + 1))
    assert seen[-1].fun == (full.cost if "cost" in full else full.fun)
    assert seen[-1].jac.shape == (2,)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_callbacks_stop(search):
    count = []

    def third(x):
        count.append(x)
        return np.bool_(len(count) == 3)

    result = search(callback=third)
    assert (result.stop, result.success, result.nit) == ("callback", False, 3)

    def stop(x):
        raise StopIteration

    assert search(callback=stop).nit == 1


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_what_a_callback_raises_is_passed_on(search):
    with pytest.raises(OwnError, match="mine"):
        search(callback=fail)


def test_what_the_functions_raise_is_passed_on():
    calls = []

    def later(x):
        calls.append(x)
        return fail() if len(calls) > 4 else rosenbrock(x)

    with pytest.raises(OwnError):
        minimize(later, START)
    for extra in ({"hess": fail}, {"hessp": fail}):
        with pytest.raises(OwnError):
            minimize(rosenbrock, START, method="newton", **extra)
    with pytest.raises(OwnError):
        least_squares(fail, START, jacobian)
    with pytest.raises(OwnError):
        least_squares(residuals, START, fail)


def test_functions_may_keep_and_change_their_arguments():
    def spoils(x):
        result = rosenbrock(x)
        x[:] = np.nan
        return result

    assert np.allclose(minimize(spoils, START, callback=lambda x: x.fill(0)).x, 1)


def test_ctrl_c_stops_a_search():
    def endless(x):
        return float(x[0]), np.ones(1)

    def search_for_ever():
        while True:
            minimize(endless, [0.0], max_iter=10**6)

    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        search_for_ever()
    timer.join()


def test_a_gradient_of_its_own_function():
    result = minimize(lambda x: rosenbrock(x)[0], START, jac=lambda x: rosenbrock(x)[1])
    assert np.allclose(result.x, 1)
    assert minimize(lambda x: (x**2, 2 * x), 3.0).x.shape == (1,)  # as x of shape (1,), value of size 1


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"method": "bgfs"}, ValueError, "method must be one of 'newton', 'cg', 'bfgs', 'lbfgs'; got 'bgfs'"),
        ({"method": "newton"}, ValueError, "needs hess or hessp; got neither"),
        ({"x0": [np.nan, 1]}, ValueError, "x0 must be finite; got"),
        ({"x0": [[1.0, 2.0]]}, ValueError, r"x0 must have shape \(n,\) with n >= 1; got \(1, 2\)"),
        ({"x0": ["a"]}, TypeError, "x0 must be real numbers"),
        ({"x0": [1j, 2]}, TypeError, "x0 must be real numbers"),
        ({"fun": 3}, TypeError, "fun must be callable; got 3"),
        ({"jac": None}, TypeError, "jac must be True, .* or a callable; got None"),
        ({"hess": 3}, TypeError, "hess must be callable; got 3"),
        ({"callback": 3}, TypeError, "callback must be callable; got 3"),
        ({"tol": -1}, ValueError, "tol must be"),
        ({"max_iter": 1.5}, ValueError, "max_iter must be"),
        ({"options": 3}, TypeError, "options must be None or a dict; got 3"),
        ({"options": {"beta": "x"}}, ValueError, "method='bfgs' must be among 'c1', .*; got 'beta'"),
        (
            {"options": {"beta": "x"}, "method": "cg"},
            ValueError,
            "beta must be one of 'polak_ribiere', 'fletcher_reeves'; got 'x'",
        ),
        ({"options": {"c2": 1}}, ValueError, "c2 must be"),
        ({"options": {"memory": 0}, "method": "lbfgs"}, ValueError, "memory must be"),
        ({"options": {"initial_scaling": 2}}, ValueError, "initial_scaling must be True or False; got 2"),
        (
            {"fun": lambda x: 1.0},
            TypeError,
            r"must return the pair \(value, gradient\) if jac=True; got float",
        ),
        ({"fun": lambda x: (1, [1])}, ValueError, r"the gradient must have shape \(2,\); got \(1,\)"),
        ({"fun": lambda x: (x, x)}, ValueError, r"the value of fun must be a number; got shape \(2,\)"),
        ({"fun": lambda x: (np.nan, x)}, ValueError, "the value at x0 must be finite; got nan"),
        ({"fun": lambda x: (1, x * np.inf)}, ValueError, r"the gradient at x0 must be finite; got \["),
        (
            {"method": "newton", "hess": lambda x: x},
            ValueError,
            r"hess\(x\) must have shape \(2, 2\); got \(2,\)",
        ),
        ({"x0": np.zeros(10**7)}, MemoryError, "method='bfgs' must fit into .* GiB"),
    ],
)
def test_minimize_rejects(arguments, error, text):
    with pytest.raises(error, match=r"\[minimize\] .*" + text):
        minimize(**{"fun": rosenbrock, "x0": START, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"method": "trf"}, ValueError, "method must be one of 'lm', 'gauss_newton'; got 'trf'"),
        ({"x0": []}, ValueError, r"x0 must have shape \(n,\)"),
        ({"jac": True}, TypeError, "jac must be callable; got True"),
        ({"options": {"solver": "lu"}}, ValueError, "solver must be one of 'auto', 'qr', 'cholesky', 'cg'"),
        ({"options": {"damping": 0}}, ValueError, "damping must be"),
        (
            {"options": {"damping": 1}, "method": "gauss_newton"},
            ValueError,
            "must be among .*; got 'damping'",
        ),
        ({"fun": lambda x: 3.0}, ValueError, r"the residuals must have shape \(m,\) with m >= 1; got \(\)"),
        ({"fun": lambda x: x * np.nan}, ValueError, "the residuals at x0 must be finite"),
        ({"jac": lambda x: np.ones((2, 3))}, ValueError, r"jac\(x\) must have shape \(2, 2\); got \(2, 3\)"),
        ({"jac": lambda x: np.full((2, 2), np.nan)}, ValueError, "the Jacobian at x0 must be finite"),
    ],
)
def test_least_squares_rejects(arguments, error, text):
    with pytest.raises(error, match=r"\[least_squares\] .*" + text):
        least_squares(**{"fun": residuals, "x0": START, "jac": jacobian, **arguments})
