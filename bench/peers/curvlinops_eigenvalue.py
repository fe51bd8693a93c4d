"""curvlinops: the Hessian as a linear operator for SciPy's Lanczos method."""

import numpy as np
from common import Work
from curvlinops import HessianLinearOperator
from scipy.sparse.linalg import eigsh
from second_order_oracle import BatchProblem
from torch import nn

from peers.torch_network import prepare


def build(problem: BatchProblem) -> Work:
    """The largest eigenvalue; the mean over outputs is undone when it is read."""
    net, inputs, targets = prepare(problem)
    start = np.random.default_rng(0).standard_normal(len(problem.start)).astype(np.float32)
    loss, parameters, found = nn.MSELoss(), list(net.parameters()), []

    def run():
        operator = HessianLinearOperator(
            net, loss, parameters, [(inputs, targets)], check_deterministic=False
        ).to_scipy()
        found[:] = [eigsh(operator, k=1, which="LA", tol=1e-4, v0=start, return_eigenvectors=False)]

    return Work(1, run, lambda: [found[0] * (problem.n_outputs / 2)])
