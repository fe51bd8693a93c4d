"""Tasks F-H: convolutional networks on images of 32 x 32, and their oracle.

F  5x5 convolution to 6 maps, 2x2 maximum, 5x5 convolution to 16 maps (all connected), 2x2 maximum, 120-84-10;
   tanh everywhere, half squared error, constant rate.
G  LeNet-5 of LeCun, Bottou, Bengio and Haffner (1998): trained subsampling, a table of connections, scaled
   tanh; ten dense outputs, half squared error, constant rate.
H  The same with distances to ten codes as outputs, the loss "map" and SDLM: a rate for every weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import lenet_oracle as oracle
import numpy as np
from common import SDLM_MU, OnlineTask, Problem, aligned, initial_parameters
from peers import LENET, LENET5_DENSE, LENET5_MAP

IMAGE = (1, 32, 32)
# Input maps of LeNet-5's layer C3, table I of the paper of 1998.
C3 = [(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5), (0, 1, 2, 3), (1, 2, 3, 4),
      (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
      (0, 1, 2, 3, 4, 5)]  # fmt: skip


def codes() -> np.ndarray:
    """Ten codes of ±1 for task H; (10, 84)."""
    return np.random.default_rng(84).choice([-1.0, 1.0], (10, 84))


def _maximum_pooled() -> list:
    """Task F."""
    return [
        *(oracle.Conv(1, [(0,)] * 6), oracle.Tanh(), oracle.MaxPool()),
        *(oracle.Conv(6, [range(6)] * 16), oracle.Tanh(), oracle.MaxPool()),
        *(oracle.Dense(400, 120), oracle.Tanh(), oracle.Dense(120, 84), oracle.Tanh()),
        *(oracle.Dense(84, 10), oracle.Tanh()),
    ]


def _lenet5(*outputs) -> list:
    """LeNet-5 up to its 84 units, and what follows them."""
    trained = [
        *(oracle.Conv(1, [(0,)] * 6), oracle.Subsample(6), oracle.Conv(6, C3), oracle.Subsample(16)),
        *(oracle.Conv(16, [range(16)] * 120), oracle.Dense(120, 84), *outputs),
    ]
    return [layer for module in trained for layer in (module, oracle.Tanh(1.7159, 2 / 3))]


@dataclass(frozen=True, kw_only=True)
class LeNetTask(OnlineTask):
    """`layers` and `loss` are the oracle's."""

    layers: list = field(repr=False)
    loss: oracle.SquaredError | oracle.MapOfDistances
    compiled_rows: int = 500
    interpreted_rows: int = 200
    check_rows: int = 100

    @property
    def _trained(self) -> list:
        return [layer for layer in self.layers if layer.trains]

    @property
    def n_weights(self) -> int:
        return sum(math.prod(layer.weight_shape) for layer in self._trained)

    @property
    def operations(self) -> int:
        """Two a connection (forward, error below, update), none for the error below the first layer.

        Of four sums under a maximum one is trained, so that a quarter is enough on the way back.
        """
        dealt, total = oracle.deal_out(self.layers, initial_parameters(self.problem(1))), 0
        states = oracle.run(self.layers, dealt, np.zeros(IMAGE))
        for number, (layer, y) in enumerate(zip(self.layers, states[1:], strict=True)):
            if layer.trains:
                forward = 2 * y[0].size * math.prod(layer.weight_shape)
                backward = forward * (2 if number else 1)
                pooled = any(isinstance(above, oracle.MaxPool) for above in self.layers[number + 1 :][:2])
                total += forward + (backward // 4 if pooled else backward)
        return total

    def problem(self, rows: int) -> Problem:
        """Normal images, targets in ±0.9 (H: one of ten), weights uniform in ±1/sqrt(fan-in), biases 0."""
        rng = np.random.default_rng(1998)
        weights = [rng.uniform(-1, 1, layer.weight_shape) * layer.start_range() for layer in self._trained]
        images = rng.standard_normal((rows, *IMAGE))
        targets = rng.uniform(-0.9, 0.9, (rows, 10))
        if isinstance(self.loss, oracle.MapOfDistances):
            targets = np.eye(10)[targets.argmax(axis=1)]
        return Problem(
            rate=self.rate,
            inputs=aligned(images),
            targets=aligned(targets),
            weights=[aligned(w) for w in weights],
            biases=[aligned(np.zeros(layer.n_out)) for layer in self._trained],
        )

    def reference(self, problem: Problem, method: str = "sgd") -> list[np.ndarray]:
        """`method` is "sgd" or "sdlm" (frozen rates)."""
        start = [p.astype(float) for p in initial_parameters(problem)]
        images, targets = problem.inputs.astype(float), problem.targets.astype(float)
        rates: list = [problem.rate] * len(start)
        if method == "sdlm":
            first = slice(problem.hessian_samples)
            curvature = oracle.mean_curvature(self.layers, self.loss, start, images[first], targets[first])
            rates = [problem.rate / (h + SDLM_MU) for h in curvature]
        return oracle.train(self.layers, self.loss, start, images, targets, rates)


TASKS = {
    "F": LeNetTask(
        label="conv 6, max, conv 16, max, 120-84-10",
        layers=_maximum_pooled(),
        loss=oracle.SquaredError(),
        rate=0.001,
        peers=LENET,
    ),
    "G": LeNetTask(
        label="LeNet-5, dense output",
        layers=_lenet5(oracle.Dense(84, 10)),
        loss=oracle.SquaredError(),
        rate=0.001,
        peers=LENET5_DENSE,
    ),
    # At the authors' rate of 5e-4, training on noise amplifies rounding until float32 cannot be checked.
    "H": LeNetTask(
        label="LeNet-5, loss map, SDLM",
        layers=_lenet5(),
        loss=oracle.MapOfDistances(codes()),
        rate=5e-5,
        peers=LENET5_MAP,
    ),
}
