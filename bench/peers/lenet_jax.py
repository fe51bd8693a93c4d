"""JAX on task F: the whole pass is one compiled lax.scan, its gradients by jax.grad.

Convolution is one product over gathered patches (im2col), four times as fast as XLA's own for one image.
`build_grad` leaves the gradients to JAX; `build` states those of convolution and maximum, and takes tanh
after the maximum, which is the same function. Other ways that were slower: patches in other orders, maxima
by `reduce_window` or slices, unrolling by 1, 4 or 8.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from common import Problem, Work, initial_parameters

UNROLL = 2
KERNEL = 5


def _patches(maps):
    """(maps * 25, places): what lies under each tap of the kernel at each place."""
    count, height, _ = maps.shape
    side = height - KERNEL + 1
    taps = [maps[:, a : a + side, b : b + side] for a in range(KERNEL) for b in range(KERNEL)]
    return jnp.stack(taps, axis=1).reshape(count * KERNEL**2, side * side)


def _convolve(maps, kernels):
    """Valid convolution; kernels (maps out, maps in * 25)."""
    side = maps.shape[1] - KERNEL + 1
    return (kernels @ _patches(maps)).reshape(-1, side, side)


def _pool(maps):
    """2 x 2 maximum."""
    count, side, _ = maps.shape
    return maps.reshape(count, side // 2, 2, side // 2, 2).max(axis=(2, 4))


def _convolve_forward(maps, kernels):
    patches, side = _patches(maps), maps.shape[1] - KERNEL + 1
    return (kernels @ patches).reshape(-1, side, side), (patches, kernels)


def _convolve_backward(kept, error):
    """The error below is a convolution of the error in a frame of zeros with the kernels turned around."""
    patches, kernels = kept
    out = len(error)
    turned = kernels.reshape(out, -1, KERNEL**2)[:, :, ::-1].transpose(1, 0, 2).reshape(-1, out * KERNEL**2)
    edge = (KERNEL - 1, KERNEL - 1)
    return _convolve(jnp.pad(error, ((0, 0), edge, edge)), turned), error.reshape(out, -1) @ patches.T


def _pool_forward(maps):
    largest = _pool(maps)
    return largest, (maps, largest)


def _pool_backward(kept, error):
    maps, largest = kept

    def spread(pooled):
        return jnp.repeat(jnp.repeat(pooled, 2, axis=1), 2, axis=2)

    return (jnp.where(maps == spread(largest), spread(error), 0),)


_convolve_by_hand = jax.custom_vjp(_convolve)
_convolve_by_hand.defvjp(_convolve_forward, _convolve_backward)
_pool_by_hand = jax.custom_vjp(_pool)
_pool_by_hand.defvjp(_pool_forward, _pool_backward)


def _loss_by_hand(parameters, image, target):
    state = image
    for w, b in parameters[:2]:
        state = jnp.tanh(_pool_by_hand(_convolve_by_hand(state, w) + b[:, None, None]))
    return _dense_loss(parameters[2:], state.reshape(-1), target)


def _loss_by_jax(parameters, image, target):
    state = image
    for w, b in parameters[:2]:
        state = _pool(jnp.tanh(_convolve(state, w) + b[:, None, None]))
    return _dense_loss(parameters[2:], state.reshape(-1), target)


def _dense_loss(parameters, state, target):
    """Half squared error of one image, from the last maps on."""
    for w, b in parameters:
        state = jnp.tanh(w @ state + b)
    return 0.5 * jnp.sum((state - target) ** 2)


def _make_pass(loss, rate):
    """Compiled (parameters, images, targets) -> parameters after one update per image."""

    def update(parameters, sample):
        gradient = jax.grad(loss)(parameters, *sample)
        return jax.tree.map(lambda p, g: p - rate * g, parameters, gradient), None

    def run(parameters, images, targets):
        return jax.lax.scan(update, parameters, (images, targets), unroll=UNROLL)[0]

    return jax.jit(run, donate_argnums=0)


def _build(problem: Problem, loss) -> Work:
    """Parameters live in donated buffers, so that a pass allocates nothing of their size."""
    one_pass, start = _make_pass(loss, problem.rate), initial_parameters(problem)
    images, targets = jnp.array(problem.inputs), jnp.array(problem.targets)
    pairs = zip(problem.weights, problem.biases, strict=True)
    state = [(jnp.array(w.reshape(len(b), -1)), jnp.array(b)) for w, b in pairs]

    def run():
        nonlocal state
        state = jax.block_until_ready(one_pass(state, images, targets))

    def parameters():
        flat = [p for pair in state for p in pair]
        return [np.array(p).reshape(s.shape) for p, s in zip(flat, start, strict=True)]

    return Work(len(problem.inputs), run, parameters)


build = partial(_build, loss=_loss_by_hand)
build_grad = partial(_build, loss=_loss_by_jax)
