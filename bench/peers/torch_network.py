"""PyTorch networks that hold a problem's parameters, shared by the peers that build on PyTorch."""

import torch
from second_order_oracle import BatchProblem
from torch import nn


def prepare(problem: BatchProblem) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    """(network, inputs, targets); one thread, denormals flushed."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    inputs, targets = torch.tensor(problem.inputs), torch.tensor(problem.targets)
    modules: list[nn.Module] = []
    for weights, _ in problem.matrices(problem.start):
        modules += [nn.Linear(weights.shape[1], weights.shape[0], dtype=inputs.dtype), nn.Tanh()]
    net = nn.Sequential(*(modules[:-1] if problem.linear_output else modules))
    hold(net, problem)
    return net, inputs, targets


@torch.no_grad()
def hold(net: nn.Module, problem: BatchProblem) -> None:
    """Set the network to the problem's start; `parameters()` comes in the same order."""
    values = [value for pair in problem.matrices(problem.start) for value in pair]
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.copy_(torch.tensor(value))


def flat(tensors) -> torch.Tensor:
    """All elements in one vector, detached."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
