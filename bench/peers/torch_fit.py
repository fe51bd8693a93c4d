"""PyTorch: its own L-BFGS, and Levenberg-Marquardt of torch-levenberg-marquardt."""

import numpy as np
import torch
from common import Work
from second_order_oracle import BatchProblem
from second_order_tasks import LBFGS_ITERATIONS

from peers.torch_network import flat, hold, prepare

# As SciPy's default: the end is where a step gains less than this of the loss, here three times in a row.
GAIN, PATIENCE, MOST_STEPS = 1e-8, 3, 300


def build_lbfgs(problem: BatchProblem) -> Work:
    """A strong Wolfe line search; no tolerance ends it early."""
    net, inputs, targets = prepare(problem)
    loss, state = torch.nn.MSELoss(), {}

    def run():
        hold(net, problem)
        optimizer = torch.optim.LBFGS(
            net.parameters(),
            lr=1,
            max_iter=LBFGS_ITERATIONS,
            max_eval=100 * LBFGS_ITERATIONS,
            history_size=10,
            line_search_fn="strong_wolfe",
            tolerance_grad=0,
            tolerance_change=0,
        )

        def closure():
            optimizer.zero_grad()
            value = loss(net(inputs), targets)
            value.backward()
            return value

        optimizer.step(closure)
        state.update(next(iter(optimizer.state.values())))

    def answer():
        claimed = float(loss(net(inputs), targets).detach())
        return [flat(net.parameters()).numpy(), claimed, state["n_iter"]]

    return Work(1, run, answer)


def build_levenberg_marquardt(problem: BatchProblem) -> Work:
    """Steps by Cholesky, the fastest of its three ways to solve."""
    from torch_levenberg_marquardt.loss import MSELoss
    from torch_levenberg_marquardt.training import LevenbergMarquardtModule

    net, inputs, targets = prepare(problem)
    loss, steps = torch.nn.MSELoss(), []

    def run():
        hold(net, problem)
        module = LevenbergMarquardtModule(
            net, MSELoss(), learning_rate=1.0, attempts_per_step=10, solve_method="cholesky"
        )
        best, stalled, stop = np.inf, 0, False
        steps[:] = [0]
        while steps[0] < MOST_STEPS and stalled < PATIENCE and not stop:
            _, value, stop, _ = module.training_step(inputs, targets)
            stalled = stalled + 1 if best - float(value) < GAIN * float(value) else 0
            best = min(best, float(value))
            steps[0] += 1

    def answer():
        claimed = float(loss(net(inputs), targets).detach())
        return [flat(net.parameters()).numpy(), claimed, steps[0]]

    return Work(1, run, answer)
