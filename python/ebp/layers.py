"""Layers that a network is built of."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

__all__ = ["ACTIVATIONS", "Dense"]

ACTIVATIONS = ("identity", "scaled_tanh", "tanh", "logistic", "relu")


@dataclass(frozen=True)
class Dense:
    """Fully connected layer, x = f(W z + b). Sections 3 and 4.4.

    Parameters
    ----------
    units : int
        Outputs of the layer.
    activation : {"scaled_tanh", "tanh", "logistic", "relu", "identity"}, default="scaled_tanh"
        The function f. The default is the recommended sigmoid 1.7159 tanh(2y/3): it is symmetric, maps ±1
        to ±1 and is bent most there, so that normalised inputs give normalised outputs.
    twist : float, default=0.0
        Adds `twist` times y to f, a slope that keeps learning from stalling where the sigmoid is flat.
    bias : bool, default=True
        Whether every unit has a weight whose input is always 1.

    Raises
    ------
    ValueError, TypeError
        For fewer than one unit, an unknown activation or a twist that is not finite.

    Examples
    --------
    >>> import ebp
    >>> ebp.layers.Dense(10)
    Dense(units=10, activation='scaled_tanh', twist=0.0, bias=True)
    """

    units: int
    activation: str = "scaled_tanh"
    twist: float = 0.0
    bias: bool = True

    def __init__(
        self, units: int, activation: str = "scaled_tanh", *, twist: float = 0.0, bias: bool = True
    ) -> None:
        if not isinstance(units, numbers.Integral) or isinstance(units, bool):
            raise TypeError(f"[Dense] units must be an integer; got {units!r}")
        if units < 1:
            raise ValueError(f"[Dense] units must be at least 1; got {units}")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"[Dense] activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}"
            )
        if not isinstance(twist, numbers.Real) or not abs(float(twist)) < float("inf"):
            raise ValueError(f"[Dense] twist must be a finite number; got {twist!r}")
        object.__setattr__(self, "units", int(units))
        object.__setattr__(self, "activation", str(activation))
        object.__setattr__(self, "twist", float(twist))
        object.__setattr__(self, "bias", bool(bias))

    def n_parameters(self, n_inputs: int) -> int:
        """Weights and biases on top of `n_inputs` inputs."""
        return self.units * (n_inputs + self.bias)

    def n_connections(self, n_inputs: int) -> int:
        """Products that one forward pass takes, the bias's input of 1 counted."""
        return self.n_parameters(n_inputs)
