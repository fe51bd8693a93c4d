"""Convolutional layers: shared weights over images, and over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._base import ACTIVATIONS, Layer, Shape, activated, choice, finite, image_shape, integer, module, store

PADDINGS = ("valid", "same", "wrap")

Table = tuple[tuple[bool, ...], ...]


class _Conv(Layer):
    """What both kinds share; `_image` makes an image of the input, `_kernel` is (height, width)."""

    maps: int
    kernel_size: Any
    stride: int
    padding: str
    connections: Table | None
    activation: str
    twist: float
    bias: bool

    def _store(
        self,
        maps: int,
        stride: int,
        padding: str,
        connections: Any,
        activation: str,
        twist: float,
        bias: bool,
    ) -> None:
        owner = type(self).__name__
        store(
            self,
            maps=integer(owner, "maps", maps),
            stride=integer(owner, "stride", stride),
            padding=choice(owner, "padding", padding, PADDINGS),
            connections=_table(owner, connections),
            activation=choice(owner, "activation", activation, ACTIVATIONS),
            twist=finite(owner, "twist", twist),
            bias=bool(bias),
        )

    @property
    def _kernel(self) -> tuple[int, int]:
        raise NotImplementedError

    def _image(self, input_shape: Shape) -> tuple[int, int, int]:
        raise NotImplementedError

    def _sources(self, channels: int) -> list[list[int]]:
        """Input maps of every map."""
        if self.connections is None:
            return [list(range(channels))] * self.maps
        return [[k for k, connected in enumerate(row) if connected] for row in self.connections]

    def _module(self, input_shape: Shape, bits: int) -> Any:
        owner = type(self).__name__
        channels, height, width = self._image(input_shape)
        if self._kernel[0] > height or self._kernel[1] > width:
            raise ValueError(
                f"[{owner}] kernel_size must fit into the image; got {self.kernel_size} for an input of "
                f"shape {input_shape}"
            )
        if self.connections is not None:
            shape = len(self.connections), len(self.connections[0])
            if shape != (self.maps, channels):
                raise ValueError(
                    f"[{owner}] connections must have shape (maps, input maps), ({self.maps}, {channels}) "
                    f"for an input of shape {input_shape}; got {shape}"
                )
        return module(
            "Conv2D",
            bits,
            channels,
            height,
            width,
            self.maps,
            *self._kernel,
            self.stride,
            self.padding,
            self._sources(channels),
            self.bias,
        )

    def _sides(self, input_shape: Shape) -> tuple[int, int]:
        """Height and width of the output maps."""
        _, *sides = self._image(input_shape)
        self._module(input_shape, 32)  # checks
        height, width = (
            (side - kernel) // self.stride + 1 if self.padding == "valid" else -(-side // self.stride)
            for side, kernel in zip(sides, self._kernel, strict=True)
        )
        return height, width

    def _n_connections(self, input_shape: Shape) -> int:
        conv = self._module(input_shape, 32)
        return conv.n_outputs // self.maps * conv.n_parameters

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        return activated([self._module(input_shape, bits)], self.activation, self.twist, bits)

    def _label(self) -> str:
        kernel = "x".join(str(side) for side in self._kernel)
        details = [type(self).__name__, kernel]
        if self.stride > 1:
            details.append(f"stride {self.stride}")
        if self.padding != "valid":
            details.append(self.padding)
        if self.connections is not None:
            details.append("table")
        return " ".join([*details, self.activation])


@dataclass(frozen=True)
class Conv2D(_Conv):
    """Convolution of images: the units of a map share one set of weights, moved over the input.

    y[o, r, c] = f(b[o] + Σ K[o, i, a, b] x[i, stride·r + a, stride·c + b]) over the input maps i that map o
    is connected to and the taps (a, b) of the kernel. The gradient of a shared weight is the sum over its
    connections, and so is its curvature.

    Parameters
    ----------
    maps : int
        Feature maps of the output.
    kernel_size : int or (height, width)
        Receptive field of a unit; no larger than the image.
    stride : int, default=1
        Pixels from one receptive field to the next, down and across.
    padding : {"valid", "same", "wrap"}, default="valid"
        "valid": only receptive fields that lie wholly in the image. "same": zeros around it, so that the
        output has the input's sides divided by the stride, rounded up. "wrap": as many outputs, on an image
        that continues at its opposite edge (toric); receptive fields begin at every stride-th pixel.
    connections : array-like of bool of shape (maps, input maps), default=None
        Which input maps each map sees; None means all. A unit's fan-in counts only those.
    activation : {"scaled_tanh", "tanh", "logistic", "relu", "identity"}, default="scaled_tanh"
        The function f, see `Dense`.
    twist : float, default=0.0
        Slope of a linear term added to f.
    bias : bool, default=True
        Whether every map has a bias, shared by its units.

    Raises
    ------
    ValueError, TypeError
        For sizes below 1, unknown names or a table that is no table. An input that does not fit, such as one
        without channels or smaller than the kernel, is refused when the network is built.

    Examples
    --------
    >>> import ebp
    >>> layer = ebp.layers.Conv2D(6, 5)
    >>> layer.output_shape((1, 32, 32)), layer.n_parameters((1, 32, 32)), layer.n_connections((1, 32, 32))
    ((6, 28, 28), 156, 122304)
    """

    maps: int
    kernel_size: tuple[int, int]
    stride: int = 1
    padding: str = "valid"
    connections: Table | None = None
    activation: str = "scaled_tanh"
    twist: float = 0.0
    bias: bool = True

    def __init__(
        self,
        maps: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int = 1,
        padding: str = "valid",
        connections: Any = None,
        activation: str = "scaled_tanh",
        twist: float = 0.0,
        bias: bool = True,
    ) -> None:
        sides = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(sides) != 2:
            raise ValueError(f"[Conv2D] kernel_size must be one or two integers; got {kernel_size!r}")
        height, width = (integer("Conv2D", "kernel_size", side) for side in sides)
        store(self, kernel_size=(height, width))
        self._store(maps, stride, padding, connections, activation, twist, bias)

    @property
    def _kernel(self) -> tuple[int, int]:
        return self.kernel_size

    def _image(self, input_shape: Shape) -> tuple[int, int, int]:
        return image_shape("Conv2D", input_shape)

    def _output_shape(self, input_shape: Shape) -> Shape:
        return (self.maps, *self._sides(input_shape))


@dataclass(frozen=True)
class Conv1D(_Conv):
    """Convolution over time or along a line: a layer of a time-delay network.

    Inputs have the shape (channels, length), outputs (maps, length of the output). The parameters and errors
    are those of `Conv2D`, with an image of height 1; the weights have the shape (pairs of connected maps, 1,
    kernel_size).

    Parameters
    ----------
    maps : int
        Feature maps of the output.
    kernel_size : int
        Steps of time that a unit sees.
    stride : int, default=1
    padding : {"valid", "same", "wrap"}, default="valid"
    connections : array-like of bool of shape (maps, input maps), default=None
    activation : str, default="scaled_tanh"
    twist : float, default=0.0
    bias : bool, default=True

    Examples
    --------
    >>> import ebp
    >>> ebp.layers.Conv1D(8, 3).output_shape((16, 15))
    (8, 13)
    """

    maps: int
    kernel_size: int
    stride: int = 1
    padding: str = "valid"
    connections: Table | None = None
    activation: str = "scaled_tanh"
    twist: float = 0.0
    bias: bool = True

    def __init__(
        self,
        maps: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: str = "valid",
        connections: Any = None,
        activation: str = "scaled_tanh",
        twist: float = 0.0,
        bias: bool = True,
    ) -> None:
        store(self, kernel_size=integer("Conv1D", "kernel_size", kernel_size))
        self._store(maps, stride, padding, connections, activation, twist, bias)

    @property
    def _kernel(self) -> tuple[int, int]:
        return 1, self.kernel_size

    def _image(self, input_shape: Shape) -> tuple[int, int, int]:
        if len(input_shape) != 2:
            advice = f"; one channel is (1, {input_shape[0]})" if len(input_shape) == 1 else ""
            raise ValueError(
                f"[Conv1D] the input must have the shape (channels, length); got {input_shape}{advice}"
            )
        return input_shape[0], 1, input_shape[1]

    def _output_shape(self, input_shape: Shape) -> Shape:
        return self.maps, self._sides(input_shape)[1]


def _table(owner: str, connections: Any) -> Table | None:
    """The connection table as nested tuples."""
    if connections is None:
        return None
    rule = f"[{owner}] connections must be a table of booleans, (maps, input maps)"
    try:
        table = np.asarray(connections)
    except ValueError as error:
        raise ValueError(f"{rule}; got rows of different lengths") from error
    if table.ndim != 2 or not table.size:
        raise ValueError(f"{rule}; got an array of shape {table.shape}")
    if table.dtype != bool and not np.isin(table, (0, 1)).all():
        raise ValueError(f"{rule}; got other values, of {table.dtype}")
    lonely = np.flatnonzero(~table.astype(bool).any(axis=1))
    if lonely.size:
        raise ValueError(
            f"[{owner}] connections must give every map some input map; got none for map {lonely[0]}"
        )
    return tuple(tuple(bool(cell) for cell in row) for row in table)
