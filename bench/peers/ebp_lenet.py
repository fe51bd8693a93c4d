"""ebp's online training of the convolutional networks of lenet_tasks.py."""

import ebp
from common import Problem, Work
from ebp.layers import Conv2D, Dense, EuclideanRBF, MaxPool2D
from ebp.losses import MAP
from lenet_tasks import codes

from peers.ebp_engine import hold, sdlm, train_online


def _network(layers, problem, loss="squared_error"):
    return hold(ebp.Network(layers, problem.inputs.shape[1:], loss=loss, random_state=0), problem)


def build_sgd(problem: Problem, threads: int = 1) -> Work:
    """Task F."""
    layers = [
        *(Conv2D(6, 5, activation="tanh"), MaxPool2D(2)),
        *(Conv2D(16, 5, activation="tanh"), MaxPool2D(2)),
        *(Dense(units, "tanh") for units in (120, 84, 10)),
    ]
    return train_online(_network(layers, problem), problem, ebp.rules.SGD(problem.rate), threads)


def build_lenet5(problem: Problem, threads: int = 1) -> Work:
    """Task G."""
    net = _network(ebp.layers.lenet5("dense"), problem)
    return train_online(net, problem, ebp.rules.SGD(problem.rate), threads)


def build_lenet5_map(problem: Problem, threads: int = 1) -> Work:
    """Task H; the codes are those of the task instead of the digits' bitmaps."""
    net = _network([*ebp.layers.lenet5()[:-1], EuclideanRBF(codes())], problem, loss=MAP(curvature="exact"))
    return train_online(net, problem, sdlm(problem, problem.rate), threads)
