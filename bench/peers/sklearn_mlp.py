"""scikit-learn's MLPRegressor with batches of one; its output layer is linear, a little less work."""

import warnings

from common import Problem, Work
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor


def build(problem: Problem) -> Work:
    """`warm_start` lets `fit` go on from the problem's parameters."""
    model = MLPRegressor(
        hidden_layer_sizes=problem.layers[1:-1],
        activation="tanh",
        solver="sgd",
        alpha=0.0,
        batch_size=1,
        learning_rate="constant",
        learning_rate_init=problem.rate,
        momentum=0.0,
        nesterovs_momentum=False,
        max_iter=1,
        shuffle=False,
        warm_start=True,
    )

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # one pass is all that is wanted
            model.fit(problem.inputs, problem.targets)

    run()  # makes the arrays, which then take the problem's values
    for found, wanted in zip(model.coefs_, problem.weights, strict=True):
        found[...] = wanted.T
    for found, wanted in zip(model.intercepts_, problem.biases, strict=True):
        found[...] = wanted

    def parameters():
        pairs = zip(model.coefs_, model.intercepts_, strict=True)
        return [p for w, b in pairs for p in (w.T.copy(), b.copy())]

    return Work(len(problem.inputs), run, parameters)
