"""Radial units: Gaussian bumps around centres, and squared distances to codes. Sections 4.8 and 7.4."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._base import Layer, Shape, integer, module, store


@dataclass(frozen=True)
class GaussianRBF(Layer):
    """Local units, φ = exp(−‖x − ν‖² / (2σ²)), with a centre ν and a width σ each. Section 4.8.

    Centres and widths are trained like weights. They start from k-means clusters of the layer's inputs, if
    `Network.initialize_rbf` is called with data, as the estimators do; otherwise from random centres of unit
    variance and the width that suits them. Local units learn fast, but many are needed where there are many
    inputs: they suit problems of few dimensions and the upper layers of a network.

    Parameters
    ----------
    units : int
        Outputs of the layer.

    Notes
    -----
    Too large a rate carries widths past 0; such a unit may answer to one sample or none, and learn no more.
    The curvatures of centres and widths grow with the square of the outgoing weights: where SDLM freezes
    them, train by calls of an epoch or so.

    Examples
    --------
    >>> import ebp
    >>> ebp.layers.GaussianRBF(20).n_parameters(2)
    60
    """

    units: int

    def __init__(self, units: int) -> None:
        store(self, units=integer("GaussianRBF", "units", units))

    def _output_shape(self, input_shape: Shape) -> Shape:
        return (self.units,)

    def _n_connections(self, input_shape: Shape) -> int:
        return self.units * math.prod(input_shape)

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        return [module("GaussianRBF", bits, math.prod(input_shape), self.units)]


@dataclass(frozen=True)
class EuclideanRBF(Layer):
    """Squared distances of the inputs to codes, y = Σ (x − w)², the output layer of LeNet-5.

    The class is that of the smallest output; the loss "map" is made for it.

    Parameters
    ----------
    codes : array-like of shape (units, inputs)
        Target vectors w of the inputs, one a unit, within the range of the layer below (±1 for scaled_tanh).
    trainable : bool, default=False
        Whether the codes are trained, starting from those given. The loss must then keep them from
        collapsing onto each other, as "map" does.

    Raises
    ------
    ValueError
        If the codes are no matrix of finite numbers.

    Examples
    --------
    >>> import ebp
    >>> layer = ebp.layers.EuclideanRBF([[1, 1, -1], [-1, 1, 1]])
    >>> ebp.Network([layer], 3).forward([[1, 1, -1]])
    array([[0., 8.]], dtype=float32)
    """

    codes: tuple[tuple[float, ...], ...]
    trainable: bool = False

    def __init__(self, codes: Any, *, trainable: bool = False) -> None:
        rule = "[EuclideanRBF] codes must be a matrix of finite numbers, one row a unit"
        try:
            matrix = np.asarray(codes)
            matrix = matrix.astype(np.float64, casting="same_kind")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{rule}; got {type(codes).__name__}") from error
        if matrix.ndim != 2 or not matrix.size:
            raise ValueError(f"{rule}; got shape {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise ValueError(f"{rule}; got NaN or infinity")
        store(self, codes=tuple(map(tuple, matrix.tolist())), trainable=bool(trainable))

    @property
    def units(self) -> int:
        """Outputs of the layer."""
        return len(self.codes)

    def _output_shape(self, input_shape: Shape) -> Shape:
        width = math.prod(input_shape)
        if width != len(self.codes[0]):
            raise ValueError(
                f"[EuclideanRBF] codes must have as many columns as there are inputs, {width} of shape "
                f"{input_shape}; got {len(self.codes[0])}"
            )
        return (self.units,)

    def _n_connections(self, input_shape: Shape) -> int:
        return self.units * math.prod(input_shape)

    def _modules(self, input_shape: Shape, bits: int) -> list[Any]:
        if self.trainable:
            return [module("EuclideanRBF", bits, math.prod(input_shape), self.units)]
        return [module("EuclideanRBF", bits, np.array(self.codes, np.float32 if bits == 32 else np.float64))]

    def __repr__(self) -> str:
        return f"EuclideanRBF({self.units} codes of {len(self.codes[0])}, trainable={self.trainable})"
