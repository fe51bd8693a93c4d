"""Layers that a network is built of, and ready-made lists of them."""

from ._base import ACTIVATIONS, Layer
from .conv import Conv1D, Conv2D
from .dense import Dense
from .pool import AveragePool2D, MaxPool2D
from .rbf import EuclideanRBF, GaussianRBF
from .ready_made import figure24, lenet1, lenet5, netmask
from .subsample import Subsample2D

__all__ = [
    "ACTIVATIONS",
    "AveragePool2D",
    "Conv1D",
    "Conv2D",
    "Dense",
    "EuclideanRBF",
    "GaussianRBF",
    "Layer",
    "MaxPool2D",
    "Subsample2D",
    "figure24",
    "lenet1",
    "lenet5",
    "netmask",
]
