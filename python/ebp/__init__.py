"""Efficient BackProp (LeCun, Bottou, Orr, Müller 1998): very fast online training of neural networks."""

from ebp import (
    curvature,
    datasets,
    distributed,
    evaluation,
    exchange,
    layers,
    losses,
    optimize,
    plotting,
    preprocessing,
    rules,
    sampling,
    schedules,
    streams,
    tricks,
)
from ebp._core import version as __version__
from ebp._many import train_many
from ebp._show_versions import show_versions
from ebp.classifier import MLPClassifier, NetworkClassifier
from ebp.diagnosis import diagnose
from ebp.gradient_check import check_gradients
from ebp.model_file import load
from ebp.model_report import report
from ebp.network import Network, OnlineResult
from ebp.normalizer import InputNormalizer
from ebp.regressor import MLPRegressor, NetworkRegressor

__all__ = [
    "InputNormalizer",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "NetworkClassifier",
    "NetworkRegressor",
    "OnlineResult",
    "__version__",
    "check_gradients",
    "curvature",
    "datasets",
    "diagnose",
    "distributed",
    "evaluation",
    "exchange",
    "layers",
    "load",
    "losses",
    "optimize",
    "plotting",
    "preprocessing",
    "report",
    "rules",
    "sampling",
    "schedules",
    "show_versions",
    "streams",
    "train_many",
    "tricks",
]
