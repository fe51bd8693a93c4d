"""scikit-learn's MLPRegressor by L-BFGS, from the problem's start.

For several outputs its loss is the mean over them and its gradient that of their sum, ten times as long here;
the search bears with that.
"""

import warnings

import numpy as np
from common import Work
from second_order_oracle import BatchProblem
from second_order_tasks import LBFGS_ITERATIONS
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor


def build(problem: BatchProblem) -> Work:
    """`warm_start` lets `fit` begin from the problem's parameters."""
    model = MLPRegressor(
        hidden_layer_sizes=problem.layers[1:-1],
        activation="tanh",
        solver="lbfgs",
        alpha=0.0,
        max_iter=LBFGS_ITERATIONS,
        tol=0.0,
        warm_start=True,
    )

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the iterations are what is wanted
            model.fit(problem.inputs, problem.targets)

    def run():
        pairs = problem.matrices(problem.start)
        model.coefs_ = [weights.T.copy() for weights, _ in pairs]
        model.intercepts_ = [biases.copy() for _, biases in pairs]
        fit()

    def answer():
        pairs = zip(model.coefs_, model.intercepts_, strict=True)
        parameters = np.concatenate([part.ravel() for w, b in pairs for part in (w.T, b)])
        return [parameters, 2 * model.loss_, model.n_iter_]

    fit()  # makes what a warm start needs
    return Work(1, run, answer)
