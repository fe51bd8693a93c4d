"""PyTorch on task F as its tutorials write it: nn.Sequential, a loss module, autograd, optim.SGD."""

import torch
from common import Problem, Work, initial_parameters
from torch import nn


def _network():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh()),
        *(nn.Linear(84, 10), nn.Tanh()),
    )


def build(problem: Problem) -> Work:
    """MSELoss sums the squares without the half, so the rate is halved."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.backends.mkldnn.enabled = False  # its preparations cost more than they save for one image
    net, start = _network(), initial_parameters(problem)
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), start, strict=True):
            parameter.copy_(torch.tensor(value).reshape(parameter.shape))
    loss = nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(net.parameters(), lr=problem.rate / 2)
    inputs, targets = torch.tensor(problem.inputs), torch.tensor(problem.targets)

    def run():
        for i in range(len(inputs)):
            optimizer.zero_grad()
            loss(net(inputs[i : i + 1]), targets[i : i + 1]).backward()
            optimizer.step()

    def parameters():
        pairs = zip(net.parameters(), start, strict=True)
        return [p.detach().numpy().reshape(s.shape).copy() for p, s in pairs]

    return Work(len(inputs), run, parameters)
