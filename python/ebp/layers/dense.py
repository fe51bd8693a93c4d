"""Fully connected layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ._base import ACTIVATIONS, Layer, Shape, activated, choice, finite, integer, module, store


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer, x = f(W z + b). Sections 3 and 4.4.

    Inputs of any shape are taken as one row of numbers.

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
    >>> ebp.layers.Dense(10).n_parameters(84)
    850
    """

    units: int
    activation: str = "scaled_tanh"
    twist: float = 0.0
    bias: bool = True

    def __init__(
        self, units: int, activation: str = "scaled_tanh", *, twist: float = 0.0, bias: bool = True
    ) -> None:
        store(
            self,
            units=integer("Dense", "units", units),
            activation=choice("Dense", "activation", activation, ACTIVATIONS),
            twist=finite("Dense", "twist", twist),
            bias=bool(bias),
        )

    def _output_shape(self, input_shape: Shape) -> Shape:
        return (self.units,)

    def _n_connections(self, input_shape: Shape) -> int:
        return self.units * (math.prod(input_shape) + self.bias)

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        dense = module("Dense", bits, math.prod(input_shape), self.units, self.bias)
        return activated([dense], self.activation, self.twist, bits)

    def _label(self) -> str:
        return f"Dense {self.activation}"
