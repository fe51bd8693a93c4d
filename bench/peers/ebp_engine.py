"""ebp's online training, from Python as a user calls it."""

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


def train_online(net, problem, rule, threads=1, engine="auto"):
    """The training of a network that holds the problem's parameters."""

    def run():
        result = net.train_online(problem.inputs, problem.targets, rule, engine=engine, n_threads=threads)
        if result.status != "ok":
            raise RuntimeError(f"training ended with status {result.status!r}")

    return Work(len(problem.inputs), run, lambda: read(net, problem))


def sdlm(problem, rate, granularity="weight"):
    """Rates from the curvature at the start of a pass; measuring the curvature is part of the time."""
    samples = problem.hessian_samples
    return ebp.rules.SDLM(rate, mu=SDLM_MU, hessian_samples=samples, refresh="epoch", granularity=granularity)


def build_sgd(
    problem: Problem,
    threads: int = 1,
    engine: str = "auto",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> Work:
    """Constant rate."""
    rule = ebp.rules.SGD(problem.rate, momentum=momentum, weight_decay=weight_decay)
    return train_online(make_network(problem), problem, rule, threads, engine)


def build_sdlm(problem: Problem, granularity: str = "weight") -> Work:
    """A rate for every weight or unit."""
    return train_online(make_network(problem), problem, sdlm(problem, SDLM_RATE, granularity))


def build_learn_one(problem: Problem) -> Work:
    """One call from Python per sample; the rows are cut out beforehand, as a stream would bring them."""
    net, rule = make_network(problem), ebp.rules.SGD(problem.rate)
    samples = list(zip(problem.inputs, problem.targets, strict=True))

    def run():
        learn_one = net.learn_one
        for x, t in samples:
            learn_one(x, t, rule)

    return Work(len(samples), run, lambda: read(net, problem))
