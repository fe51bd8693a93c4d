"""PyTorch without autograd: every step is an in-place call on tensors made beforehand."""

from functools import partial

import torch
from common import Problem, Work


def _calls_between(weights, biases, levels, deltas, rate):
    """The calls of a step that see neither input nor target, with their arguments bound once.

    Binding saves the interpreter's work on argument lists, a good part of a step this small.
    """
    derivative = torch.ops.aten.tanh_backward.grad_input
    up, down = [levels[0].tanh_], []
    for layer in range(1, len(weights)):
        y = levels[layer]
        up += [partial(torch.addmv, biases[layer], weights[layer], levels[layer - 1], out=y), y.tanh_]
    for layer in range(len(weights) - 1, -1, -1):
        delta = deltas[layer]
        down.append(partial(derivative, delta, levels[layer], grad_input=delta))
        if layer:
            down.append(partial(torch.mv, weights[layer].t(), delta, out=deltas[layer - 1]))
            down.append(partial(weights[layer].addr_, delta, levels[layer - 1], alpha=-rate))
        down.append(partial(biases[layer].add_, delta, alpha=-rate))
    return up, down


def build(problem: Problem) -> Work:
    """Error first, then W -= rate delta xᵀ as a rank-one update (addr_)."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    weights = [torch.tensor(w) for w in problem.weights]
    biases = [torch.tensor(b) for b in problem.biases]
    levels, deltas = ([torch.zeros_like(b) for b in biases] for _ in range(2))
    up, down = _calls_between(weights, biases, levels, deltas, problem.rate)
    samples = list(zip(torch.tensor(problem.inputs), torch.tensor(problem.targets), strict=True))

    @torch.no_grad()
    def run():
        addmv, subtract, first_update = torch.addmv, torch.sub, weights[0].addr_
        w, b, first_level, first_delta = weights[0], biases[0], levels[0], deltas[0]
        output, output_delta, step = levels[-1], deltas[-1], -problem.rate
        for x, target in samples:
            addmv(b, w, x, out=first_level)
            for call in up:
                call()
            subtract(output, target, out=output_delta)
            for call in down:
                call()
            first_update(first_delta, x, alpha=step)

    def parameters():
        return [p.numpy().copy() for pair in zip(weights, biases, strict=True) for p in pair]

    return Work(len(samples), run, parameters)
