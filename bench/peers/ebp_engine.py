"""ebp's streaming engine, from Python as a user calls it."""

import ebp
from common import SDLM_MU, SDLM_RATE, Problem, Training


def make_network(problem):
    """A network of the task's shape that holds the problem's initial parameters."""
    layers = [ebp.layers.Dense(units, "tanh") for units in problem.layers[1:]]
    net = ebp.Network(layers, problem.layers[0], loss="squared_error", dtype="float32", random_state=0)
    start = {}
    for number, (w, b) in enumerate(zip(problem.weights, problem.biases, strict=True)):
        start.update({f"{number}.weights": w, f"{number}.bias": b})
    for name, place, shape in net.parameter_slices:
        net.parameters[place] = start[name].reshape(shape).ravel()
    return net


def _parameters(net):
    return [net.parameters[place].reshape(shape).copy() for _, place, shape in net.parameter_slices]


def _training(problem, rule):
    net = make_network(problem)

    def run():
        result = net.train_online(problem.inputs, problem.targets, rule)
        if result.status != "ok":
            raise RuntimeError(f"training ended with status {result.status!r}")

    return Training(len(problem.inputs), run, lambda: _parameters(net))


def build_sgd(problem: Problem) -> Training:
    """Constant rate, no momentum."""
    return _training(problem, ebp.rules.SGD(problem.rate))


def build_sdlm(problem: Problem) -> Training:
    """One rate per weight, from the curvature at the start of a pass; the curvature is part of the time."""
    rule = ebp.rules.SDLM(SDLM_RATE, mu=SDLM_MU, hessian_samples=problem.hessian_samples, refresh="epoch")
    return _training(problem, rule)


def build_learn_one(problem: Problem) -> Training:
    """One call from Python per sample; the rows are cut out beforehand, as a stream would bring them."""
    net, rule = make_network(problem), ebp.rules.SGD(problem.rate)
    samples = list(zip(problem.inputs, problem.targets, strict=True))

    def run():
        learn_one = net.learn_one
        for x, t in samples:
            learn_one(x, t, rule)

    return Training(len(samples), run, lambda: _parameters(net))
