"""Pooling layers: one number for each window of an image, without parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ._base import Layer, Shape, image_shape, integer, module, store


class Windows(Layer):
    """Layers over windows of `size` x `size` pixels that tile every map."""

    size: int

    def _grid(self, input_shape: Shape) -> tuple[int, int, int, int]:
        """Maps, height and width of the input, and the size of the windows: what the core's modules take."""
        owner = type(self).__name__
        maps, height, width = image_shape(owner, input_shape)
        if height % self.size or width % self.size:
            raise ValueError(
                f"[{owner}] size must divide height and width of the image, so that windows tile it; got "
                f"{self.size} for an input of shape {input_shape}"
            )
        return maps, height, width, self.size

    def _output_shape(self, input_shape: Shape) -> Shape:
        maps, height, width, size = self._grid(input_shape)
        return maps, height // size, width // size

    def _n_connections(self, input_shape: Shape) -> int:
        return math.prod(input_shape)

    def _label(self) -> str:
        return f"{type(self).__name__} {self.size}x{self.size}"


@dataclass(frozen=True)
class _Pool(Windows):
    """Windows without parameters."""

    size: int = 2

    def __init__(self, size: int = 2) -> None:
        store(self, size=integer(type(self).__name__, "size", size))


class MaxPool2D(_Pool):
    """The largest value of each window of `size` x `size` pixels; windows tile the image.

    Parameters
    ----------
    size : int, default=2
        Side of a window; must divide height and width of the image.

    Examples
    --------
    >>> import ebp
    >>> ebp.layers.MaxPool2D(2).output_shape((6, 28, 28))
    (6, 14, 14)
    """

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        return [module("MaxPool2D", bits, *self._grid(input_shape))]


class AveragePool2D(_Pool):
    """The mean of each window of `size` x `size` pixels; see `MaxPool2D`, whose parameters it has.

    Examples
    --------
    >>> import ebp
    >>> ebp.layers.AveragePool2D(2).output_shape((6, 28, 28))
    (6, 14, 14)
    """

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        return [module("WindowSum2D", bits, *self._grid(input_shape), 1 / self.size**2)]
