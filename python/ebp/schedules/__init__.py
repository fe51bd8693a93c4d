"""Schedules: the course of the learning rate and of the size of mini-batches over the training. Section 4.1.

The weights of a network that learns one sample after the other never come to rest: on a quadratic loss of
curvature λ, gradients of variance s² keep them moving about the minimum with variance η s² / (λ (2 − η λ)).
The noise goes away if the rate η falls, or if more and more samples share an update; dividing the rate by k
and multiplying the batch by k have the same effect.

A rate schedule gives factors of the initial rate, which may be found automatically: after t presentations
the rate is ``learning_rate_init * factor(t)``. Presentations are counted, not updates, so that mini-batches
of any size see the same course. Lengths of time are in presentations, or with ``unit="epoch"`` in passes
through the training data; estimators turn these into presentations themselves, and `in_presentations` does
so for `Network.train_online`.
"""

from ._base import Schedule
from .growing_batch import GrowingBatch
from .plateau import Plateau
from .rates import Constant, Exponential, InverseTime, Piecewise

__all__ = ["Constant", "Exponential", "GrowingBatch", "InverseTime", "Piecewise", "Plateau", "Schedule"]
