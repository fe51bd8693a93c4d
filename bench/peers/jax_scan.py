"""JAX: the whole pass is one compiled lax.scan; the backward pass is written out."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from common import Problem, Work

UNROLL = 4
# XLA turns a dot into a library call, which costs more than the products of a net this narrow.
NARROW = 16


def _products(n_inputs):
    """(w, x) -> w x and (w, d) -> wᵀ d."""
    if n_inputs > NARROW:
        return jnp.dot, lambda w, d: jnp.dot(d, w)
    return lambda w, x: jnp.sum(w * x, axis=1), lambda w, d: jnp.sum(w * d[:, None], axis=0)


def _make_pass(n_inputs, rate):
    """Compiled (parameters, inputs, targets) -> parameters after one update per row."""
    forward, transposed = _products(n_inputs)

    def update(parameters, sample):
        x, target = sample
        levels = [x]
        for w, b in parameters:
            levels.append(jnp.tanh(forward(w, levels[-1]) + b))
        backward = levels[-1] - target
        new = []
        for (w, b), (below, above) in reversed(list(zip(parameters, pairwise(levels), strict=True))):
            delta = backward * (1 - above * above)
            backward = transposed(w, delta)  # unused for the first layer: the compiler removes it
            new.insert(0, (w - jnp.outer(rate * delta, below), b - rate * delta))
        return new, None

    def run(parameters, inputs, targets):
        return jax.lax.scan(update, parameters, (inputs, targets), unroll=UNROLL)[0]

    return jax.jit(run, donate_argnums=0)


def build(problem: Problem) -> Work:
    """Parameters live in donated buffers, so that a pass allocates nothing of their size."""
    one_pass = _make_pass(problem.layers[0], problem.rate)
    inputs, targets = jnp.array(problem.inputs), jnp.array(problem.targets)
    state = [(jnp.array(w), jnp.array(b)) for w, b in zip(problem.weights, problem.biases, strict=True)]

    def run():
        nonlocal state
        state = jax.block_until_ready(one_pass(state, inputs, targets))

    return Work(len(problem.inputs), run, lambda: [np.array(p) for pair in state for p in pair])
