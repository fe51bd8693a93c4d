"""What the tools of analysis look at: networks in double precision, and data as estimators see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._estimator import OnlineEstimator
from ._inputs import normalized
from .network import Network


def double_copy(network: Network, function: str) -> Network:
    """An independent copy of a network in float64, with the methods that its class overrides.

    Raises
    ------
    TypeError
        If `network` is no Network.
    """
    if not isinstance(network, Network):
        raise TypeError(f"[{function}] net must be an ebp.Network; got {type(network).__name__}")
    double = network._in_double()
    for name, value in vars(network).items():
        vars(double).setdefault(name, value)
    double.__class__ = type(network)
    return double


def checked_estimator(estimator: Any, function: str) -> OnlineEstimator:
    """`estimator` if it is one of ebp's, which alone have a network."""
    if not isinstance(estimator, OnlineEstimator):
        raise TypeError(
            f"[{function}] estimator must be an MLP or Network classifier or regressor of ebp; "
            f"got {type(estimator).__name__}"
        )
    return estimator


def network_data(estimator: Any, X: Any, y: Any, function: str) -> tuple[Network, np.ndarray, np.ndarray]:
    """A fitted estimator's network in float64, the inputs as it sees them, and the coded targets.

    Sample and class weights play no part.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        For other estimators, unfitted ones, and data that do not suit the fitted one.
    """
    checked_estimator(estimator, function)
    check_is_fitted(estimator)
    X, y = estimator._validate(X, y, reset=False)
    double = np.dtype(np.float64)
    Z = normalized(X, estimator._transform(), double, function)
    T = estimator._code(y, estimator._labels(y)).astype(double)
    return double_copy(estimator.network_, function), Z, T
