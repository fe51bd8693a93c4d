"""ebp's curvature and batch optimisation, from Python as a user calls them."""

import ebp
import numpy as np
from common import Work
from second_order_oracle import BatchProblem
from second_order_tasks import LBFGS_ITERATIONS


def _network(problem: BatchProblem) -> ebp.Network:
    """Holds the problem's start; the order of the parameters is the same."""
    widths = problem.layers[1:]
    activations = ["tanh"] * (len(widths) - 1) + ["identity" if problem.linear_output else "tanh"]
    layers = [ebp.layers.Dense(units, a) for units, a in zip(widths, activations, strict=True)]
    dtype = problem.inputs.dtype.name
    return ebp.Network(
        layers, problem.layers[0], loss="squared_error", weight_init=problem.start, dtype=dtype
    )


def _work(compute) -> Work:
    """Work that calls `compute` for an array."""
    found = []

    def run():
        found[:] = [compute()]

    return Work(1, run, lambda: [np.atleast_1d(found[0])])


def build_hessian(problem: BatchProblem) -> Work:
    """(p, p)"""
    net = _network(problem)
    return _work(lambda: ebp.curvature.hessian(net, problem.inputs, problem.targets, method="exact"))


def build_diagonal(problem: BatchProblem) -> Work:
    """Of the whole Gauss-Newton matrix, not of its backward recursion."""
    net = _network(problem)
    return _work(
        lambda: ebp.curvature.hessian_diagonal(net, problem.inputs, problem.targets, method="gauss_newton")
    )


def _eigenvalue(problem: BatchProblem, method: str) -> Work:
    net = _network(problem)

    def compute():
        found = ebp.curvature.principal_eigenvalue(
            net, problem.inputs, problem.targets, method=method, tol=1e-4
        )
        return found.eigenvalue

    return _work(compute)


def build_lanczos(problem: BatchProblem) -> Work:
    return _eigenvalue(problem, "lanczos")


def build_power(problem: BatchProblem) -> Work:
    return _eigenvalue(problem, "power")


def build_product(problem: BatchProblem) -> Work:
    """From the parameters."""
    net, arguments = _network(problem), (problem.inputs, problem.targets, problem.direction)
    return _work(lambda: ebp.curvature.hessian_vector_product(net, *arguments))


def build_product_kept(problem: BatchProblem) -> Work:
    """The operator keeps the network's states."""
    operator = ebp.curvature.hessian_operator(_network(problem), problem.inputs, problem.targets)
    return _work(lambda: operator @ problem.direction)


def _fit(problem: BatchProblem, **settings) -> Work:
    """A fit from the problem's start; the mean over outputs is taken when the loss is read."""
    net, found = _network(problem), []

    def run():
        net.parameters[:] = problem.start
        found[:] = [ebp.optimize.fit(net, problem.inputs, problem.targets, **settings)]

    def answer():
        return [net.parameters.copy(), 2 * found[0].fun / problem.n_outputs, found[0].nit]

    return Work(1, run, answer)


def build_levenberg_marquardt(problem: BatchProblem) -> Work:
    """Its default tolerances, 1e-8 as SciPy's."""
    return _fit(problem, method="lm")


def build_lbfgs(problem: BatchProblem) -> Work:
    """No tolerance ends it early."""
    return _fit(problem, method="lbfgs", tol=0, max_iter=LBFGS_ITERATIONS)
