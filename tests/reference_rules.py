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


class Centring:
    """Running means m of the inputs of the dense layers above the first, and what follows from them.

    A layer y = W x + b is trained as y = W (x - m) + c, so that b = c - W m.
    """

    def __init__(self, mlp, leak):
        self.mlp, self.leak = mlp, leak
        self.layers = [k for k, (_, dense, _) in enumerate(mlp.stack) if k > 0 and dense.bias]
        self.means = {k: np.zeros(mlp.stack[k][1].n_in) for k in self.layers}

    def _split(self, k, vector):
        where, dense, _ = self.mlp.stack[k]
        return dense.split(vector[where])

    def _joined(self, k, vector, weights, bias):
        where, dense, _ = self.mlp.stack[k]
        vector[where] = dense.join(weights, bias)

    def gradient(self, g):
        """With respect to (W, c), from that with respect to (W, b)."""
        g = g.copy()
        for k in self.layers:
            weights, bias = self._split(k, g)
            self._joined(k, g, weights - np.outer(bias, self.means[k]), bias)
        return g

    def curvatures(self, theta, X, T):
        """h^p (n, p) of (W, c): the diagonal second derivative of y times (x - m)^2, which is 1 for c."""
        h = self.mlp.curvatures(theta, X, T)
        states = self.mlp.states(theta, X)[0]
        for k in self.layers:
            for row in range(len(X)):
                _, at_sum = self._split(k, h[row])
                self._joined(k, h[row], np.outer(at_sum, (states[k][row] - self.means[k]) ** 2), at_sum)
        return h

    def step(self, change):
        """Change of (W, b) for one of (W, c)."""
        change = change.copy()
        for k in self.layers:
            weights, bias = self._split(k, change)
            self._joined(k, change, weights, bias - weights @ self.means[k])
        return change

    def follow(self, states, leak):
        for k in self.layers:
            self.means[k] = self.means[k] + leak * (states[k].mean(axis=0) - self.means[k])


def plain(state, g, rate):
    return rate * g, np.full_like(g, rate)


def sdlm(state, g, rate, *, theta, rows, mu, h, gamma, curvature):
    """(61) and (62) from the first h on; curvature(theta, rows) is that of the present samples."""
    h = state["h"] = (1 - gamma) * state.get("h", h) + gamma * curvature(theta, rows)
    return rate / (h + mu) * g, rate / (h + mu)


def train_by(
    mlp, theta, X, T, method, /, *, rate, order=None, sizes=None, rates=None, momentum=0.0,
    momentum_form="heavy_ball", weight_decay=0.0, sample_weight=None, centring=None, **options,
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
        if centring:
            g, states = centring.gradient(g), mlp.states(theta, X[rows])[0]
        g = g + weight_decay * np.where(mlp.decays, theta, 0.0)
        here = {"theta": theta, "rows": rows} if method is sdlm else {}
        change, effective = method(state, g, rates[start], **here, **options)
        start += size
        velocity = momentum * velocity - (1 - momentum if momentum_form == "averaged" else 1) * change
        step = momentum * velocity - change if momentum_form == "nesterov" else velocity
        theta = theta + (centring.step(step) if centring else step)
        if centring:
            centring.follow(states, 1 - (1 - centring.leak) ** size)
    return Trained(theta, np.array(losses), velocity, effective)
