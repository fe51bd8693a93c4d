"""SciPy's least_squares with residuals and Jacobian written out in NumPy, for two layers and one output."""

import numpy as np
from common import Work
from scipy.optimize import least_squares
from second_order_oracle import BatchProblem


def build(problem: BatchProblem) -> Work:
    """Its default method, trust region reflective, with its default tolerances."""
    inputs, targets = problem.inputs, problem.targets[:, 0]

    def residuals(parameters):
        (weights, biases), (above, bias) = problem.matrices(parameters)
        return np.tanh(inputs @ weights.T + biases) @ above[0] + bias - targets

    def jacobian(parameters):
        (weights, biases), (above, _) = problem.matrices(parameters)
        hidden = np.tanh(inputs @ weights.T + biases)
        slope = (1 - hidden * hidden) * above
        by_weight = (slope[:, :, None] * inputs[:, None, :]).reshape(len(inputs), -1)
        return np.hstack([by_weight, slope, hidden, np.ones((len(inputs), 1))])

    found = []

    def run():
        found[:] = [least_squares(residuals, problem.start, jacobian, method="trf", max_nfev=300)]

    def answer():
        return [found[0].x, 2 * found[0].cost / len(targets), found[0].njev]

    return Work(1, run, answer)
