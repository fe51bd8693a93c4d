"""LeNet's subsampling layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ._base import ACTIVATIONS, Shape, activated, choice, finite, integer, module, store
from .pool import Windows


@dataclass(frozen=True)
class Subsample2D(Windows):
    """Subsampling with a trained coefficient c and bias b a map: f(c · sum of the window + b).

    Windows of `size` x `size` pixels tile the image. A unit has size² + 1 connections, though a map has only
    two parameters; their gradients and curvatures are sums over its units.

    Parameters
    ----------
    size : int, default=2
        Side of a window; must divide height and width of the image.
    activation : {"scaled_tanh", "tanh", "logistic", "relu", "identity"}, default="scaled_tanh"
        The function f, see `Dense`.
    twist : float, default=0.0
        Slope of a linear term added to f.

    Examples
    --------
    >>> import ebp
    >>> layer = ebp.layers.Subsample2D(2)
    >>> layer.output_shape((6, 28, 28)), layer.n_parameters((6, 28, 28)), layer.n_connections((6, 28, 28))
    ((6, 14, 14), 12, 5880)
    """

    size: int = 2
    activation: str = "scaled_tanh"
    twist: float = 0.0

    def __init__(self, size: int = 2, activation: str = "scaled_tanh", *, twist: float = 0.0) -> None:
        store(
            self,
            size=integer("Subsample2D", "size", size),
            activation=choice("Subsample2D", "activation", activation, ACTIVATIONS),
            twist=finite("Subsample2D", "twist", twist),
        )

    def _n_connections(self, input_shape: Shape) -> int:
        return math.prod(self._output_shape(input_shape)) * (self.size**2 + 1)

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        maps, *sides = self._output_shape(input_shape)
        sums = module("WindowSum2D", bits, *self._grid(input_shape), 1.0)
        scale = module("MapScale", bits, maps, math.prod(sides), self.size**2)
        return activated([sums, scale], self.activation, self.twist, bits)

    def _label(self) -> str:
        return f"{super()._label()} {self.activation}"
