"""numba: scalar loops over rows of weights, compiled with fastmath; backward and update are one sweep."""

import numpy as np
from common import Problem, Work, aligned, initial_parameters
from numba import njit

ONE = np.float32(1)
compiled = njit(fastmath=True, error_model="numpy")


@compiled
def ascend(w, b, x, y):
    """y = tanh(w x + b)."""
    for j in range(len(b)):
        total = b[j]
        for i in range(len(x)):
            total += w[j, i] * x[i]
        y[j] = np.tanh(total)


@compiled
def descend(w, b, x, dy, dx, rate):
    """dx = (wᵀ dy) tanh'(x) with the old w; then w -= rate dy xᵀ."""
    dx[:] = 0
    for j in range(len(b)):
        d, step = dy[j], rate * dy[j]
        b[j] -= step
        for i in range(len(x)):
            dx[i] += w[j, i] * d
            w[j, i] -= step * x[i]
    for i in range(len(x)):
        dx[i] *= ONE - x[i] * x[i]


@compiled
def update(w, b, x, dy, rate):
    """w -= rate dy xᵀ: the first layer."""
    for j in range(len(b)):
        step = rate * dy[j]
        b[j] -= step
        for i in range(len(x)):
            w[j, i] -= step * x[i]


@compiled
def output_error(y, target, dy):
    for j in range(len(y)):
        dy[j] = (y[j] - target[j]) * (ONE - y[j] * y[j])


# One function per depth: numba pays for indexing a tuple of arrays, which shows on narrow nets.


@compiled
def pass_of_two(inputs, targets, w, b, y, d, rate):
    w1, w2 = w
    b1, b2 = b
    y1, y2 = y
    d1, d2 = d
    for s in range(len(inputs)):
        x = inputs[s]
        ascend(w1, b1, x, y1)
        ascend(w2, b2, y1, y2)
        output_error(y2, targets[s], d2)
        descend(w2, b2, y1, d2, d1, rate)
        update(w1, b1, x, d1, rate)


@compiled
def pass_of_three(inputs, targets, w, b, y, d, rate):
    w1, w2, w3 = w
    b1, b2, b3 = b
    y1, y2, y3 = y
    d1, d2, d3 = d
    for s in range(len(inputs)):
        x = inputs[s]
        ascend(w1, b1, x, y1)
        ascend(w2, b2, y1, y2)
        ascend(w3, b3, y2, y3)
        output_error(y3, targets[s], d3)
        descend(w3, b3, y2, d3, d2, rate)
        descend(w2, b2, y1, d2, d1, rate)
        update(w1, b1, x, d1, rate)


def build(problem: Problem) -> Work:
    """Trains the problem's own arrays in place."""
    one_pass = {2: pass_of_two, 3: pass_of_three}[len(problem.weights)]
    weights, biases = tuple(problem.weights), tuple(problem.biases)
    levels, deltas = (tuple(aligned(b) for b in biases) for _ in range(2))
    rate = np.float32(problem.rate)

    def run():
        one_pass(problem.inputs, problem.targets, weights, biases, levels, deltas, rate)

    return Work(len(problem.inputs), run, lambda: initial_parameters(problem))
