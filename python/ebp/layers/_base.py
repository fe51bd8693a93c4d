"""What all layers have in common: their contract, and the checks of their arguments."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from ebp import _core
from ebp._arrays import checked_shape

ACTIVATIONS = ("identity", "scaled_tanh", "tanh", "logistic", "relu")

Shape = tuple[int, ...]


class Layer:
    """A layer of a network: a description, without parameters of its own.

    The shape of one sample's inputs, such as (channels, height, width), decides on the rest; it is an
    argument of every method, so that one layer object may serve in several networks.
    """

    def output_shape(self, input_shape: int | Sequence[int]) -> Shape:
        """Shape of one sample's outputs for inputs of this shape.

        Raises
        ------
        ValueError
            If the layer cannot take such inputs.
        """
        return self._output_shape(checked_shape(input_shape))

    def n_parameters(self, input_shape: int | Sequence[int]) -> int:
        """Weights, biases and whatever else the layer trains."""
        return sum(module.n_parameters for module in self._modules(checked_shape(input_shape), 32))

    def n_connections(self, input_shape: int | Sequence[int]) -> int:
        """Links into the units of the layer; shared weights count each time.

        A bias's input of 1 counts, and so do the zeros around an image that padding="same" adds.
        """
        return self._n_connections(checked_shape(input_shape))

    def _output_shape(self, input_shape: Shape) -> Shape:
        raise NotImplementedError

    def _n_connections(self, input_shape: Shape) -> int:
        raise NotImplementedError

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        """The core's modules, in 32 or 64 bits, that the layer consists of."""
        raise NotImplementedError

    def _label(self) -> str:
        """Name and main settings, for tables."""
        return type(self).__name__


def module(kind: str, bits: int, *arguments: Any) -> Any:
    """A module of the core."""
    return getattr(_core, f"{kind}{bits}")(*arguments)


def activated(modules: list[Any], activation: str, twist: float, bits: int) -> list[Any]:
    """The modules with the activation at their end, unless it changes nothing."""
    if activation == "identity" and twist == 0:
        return modules
    return [*modules, module("Activation", bits, modules[-1].n_outputs, activation, twist)]


def image_shape(owner: str, shape: Shape) -> tuple[int, int, int]:
    """`shape` as (channels, height, width)."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    advice = f" without channels; one channel is (1, {shape[0]}, {shape[1]})" if len(shape) == 2 else ""
    raise ValueError(
        f"[{owner}] the input must have the shape (channels, height, width); got {shape}{advice}"
    )


def integer(owner: str, name: str, value: Any) -> int:
    """A positive integer."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"[{owner}] {name} must be an integer; got {value!r}")
    if value < 1:
        raise ValueError(f"[{owner}] {name} must be at least 1; got {value}")
    return int(value)


def choice(owner: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """One of the names."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"[{owner}] {name} must be one of {', '.join(choices)}; got {value!r}")
    return value


def finite(owner: str, name: str, value: Any) -> float:
    """A finite number."""
    if not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
        raise ValueError(f"[{owner}] {name} must be a finite number; got {value!r}")
    return float(value)


def store(layer: Any, **values: Any) -> None:
    """Set fields of a frozen dataclass under construction."""
    for name, value in values.items():
        object.__setattr__(layer, name, value)
