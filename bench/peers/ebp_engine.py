"""ebp's streaming engine, from Python as a user calls it."""

import ebp
from common import SDLM_MU, SDLM_RATE, Problem, Work, initial_parameters


def hold(net, problem):
    """The network with the problem's initial parameters."""
    for (_, place, _), value in zip(net.parameter_slices, initial_parameters(problem), strict=True):
        net.parameters[place] = value.ravel()
    return net


def make_network(problem):
    """A fully connected network that holds the problem's initial parameters."""
    layers = [ebp.layers.Dense(units, "tanh") for units in problem.layers[1:]]
    return hold(ebp.Network(layers, problem.layers[0], loss="squared_error", random_state=0), problem)


def read(net, problem):
    """A copy of the parameters, shaped as the problem's."""
    shapes = [p.shape for p in initial_parameters(problem)]
    return [
        net.parameters[place].reshape(shape).copy()
        for (_, place, _), shape in zip(net.parameter_slices, shapes, strict=True)
    ]


def train_online(net, problem, rule):
    """The training of a network that holds the problem's parameters."""

    def run():
        result = net.train_online(problem.inputs, problem.targets, rule)
        if result.status != "ok":
            raise RuntimeError(f"training ended with status {result.status!r}")

    return Work(len(problem.inputs), run, lambda: read(net, problem))


def sdlm(problem, rate):
    """One rate per weight, from the curvature at the start of a pass; the curvature is part of the time."""
    return ebp.rules.SDLM(rate, mu=SDLM_MU, hessian_samples=problem.hessian_samples, refresh="epoch")


def build_sgd(problem: Problem) -> Work:
    """Constant rate, no momentum."""
    return train_online(make_network(problem), problem, ebp.rules.SGD(problem.rate))


def build_sdlm(problem: Problem) -> Work:
    """A rate for every weight."""
    return train_online(make_network(problem), problem, sdlm(problem, SDLM_RATE))


def build_learn_one(problem: Problem) -> Work:
    """One call from Python per sample; the rows are cut out beforehand, as a stream would bring them."""
    net, rule = make_network(problem), ebp.rules.SGD(problem.rate)
    samples = list(zip(problem.inputs, problem.targets, strict=True))

    def run():
        learn_one = net.learn_one
        for x, t in samples:
            learn_one(x, t, rule)

    return Work(len(samples), run, lambda: read(net, problem))
