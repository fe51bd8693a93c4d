"""The oracle's rules: what one update makes of a gradient, by definition. No ebp import."""

import numpy as np
from reference_online import Trained


def murata(state, g, rate, *, first_rate, beta, alpha=2e-3, delta=0.01, smallest=0.0, largest=None):
    """(17)-(19); `rate` over `first_rate` is the schedule's factor."""
    eta, r = state.get("eta", first_rate), state.get("r", np.zeros_like(g))
    change, rates = rate / first_rate * eta * g, np.full_like(g, rate / first_rate * eta)
    r = (1 - delta) * r + delta * g
    eta = eta + alpha * eta * (beta * np.linalg.norm(r) - eta)
    state.update(eta=min(max(eta, smallest), first_rate if largest is None else largest), r=r)
    return change, rates


def adagrad(state, g, rate, *, initial=0.0, epsilon=1e-8):
    state["s"] = state.get("s", np.full_like(g, initial)) + g**2
    rates = rate / (np.sqrt(state["s"]) + epsilon)
    return rates * g, rates


def rmsprop(state, g, rate, *, rho=0.99, epsilon=1e-8):
    state["s"] = rho * state.get("s", np.zeros_like(g)) + (1 - rho) * g**2
    rates = rate / (np.sqrt(state["s"]) + epsilon)
    return rates * g, rates


def adam(state, g, rate, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = beta_1 * state.get("m", np.zeros_like(g)) + (1 - beta_1) * g
    s = state["s"] = beta_2 * state.get("s", np.zeros_like(g)) + (1 - beta_2) * g**2
    rates = rate / (1 - beta_1**t) / (np.sqrt(s / (1 - beta_2**t)) + epsilon)
    return rates * m, rates


def rprop(state, g, rate, *, increase=1.2, decrease=0.5, smallest=1e-5, largest=1000.0):
    u, last = state.get("u", np.ones_like(g)), state.get("last", np.zeros_like(g))
    agreement = np.sign(last) * np.sign(g)
    u = np.where(agreement > 0, np.minimum(u * increase, largest), u)
    u = np.where(agreement < 0, np.maximum(u * decrease, smallest), u)
    sign = np.where(agreement < 0, 0.0, np.sign(g))
    state.update(u=u, last=sign)
    return rate * u * sign, rate * u


def delta_bar_delta(state, g, rate, *, increase=0.1, decrease=0.1, theta=0.7, largest=100.0):
    u, f = state.get("u", np.ones_like(g)), state.get("f", np.zeros_like(g))
    u = np.where(f * g > 0, np.minimum(u + increase, largest), np.where(f * g < 0, (1 - decrease) * u, u))
    state.update(u=u, f=(1 - theta) * g + theta * f)
    return rate * u * g, rate * u


def literal(state, g, rate, *, factors):
    """Rates that are `factors` of the global one."""
    return rate * factors * g, rate * factors


def train_by(
    mlp, theta, X, T, method, /, *, rate, order=None, sizes=None, rates=None, momentum=0.0,
    momentum_form="heavy_ball", weight_decay=0.0, sample_weight=None, **options,
):  # fmt: skip
    """Updates by `method` after batches of the given sizes; `rates` has the global rate of each presentation.

    With the change c of the method: v <- momentum v - c and w <- w + v; Nesterov's w <- w + momentum v - c;
    or averaged, v <- momentum v - (1 - momentum) c.
    """
    order = np.arange(len(X)) if order is None else np.asarray(order)
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    sizes = np.ones(len(order), int) if sizes is None else sizes
    rates = np.full(len(order), rate) if rates is None else rates
    velocity, losses, state, start = np.zeros(mlp.n_parameters), [], {}, 0
    for size in sizes:
        rows = order[start : start + size]
        losses.extend(weight[rows] * mlp.losses(theta, X[rows], T[rows]))
        g = (weight[rows, None] * mlp.gradients(theta, X[rows], T[rows])).mean(axis=0)
        g = g + weight_decay * np.where(mlp.decays, theta, 0.0)
        change, effective = method(state, g, rates[start], **options)
        start += size
        velocity = momentum * velocity - (1 - momentum if momentum_form == "averaged" else 1) * change
        theta = theta + (momentum * velocity - change if momentum_form == "nesterov" else velocity)
    return Trained(theta, np.array(losses), velocity, effective)
