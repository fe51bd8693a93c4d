"""The two ways to say what a network consists of: sizes of hidden layers, or any list of layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import _options
from ._arrays import checked_shape, fits_shape
from ._feed_forward import output_shapes
from .layers import ACTIVATIONS, Dense, EuclideanRBF, GaussianRBF, Layer


class Perceptron:
    """Hidden dense layers by their sizes."""

    hidden_layer_sizes: Any
    activation: str
    twist: float

    def _check_layers(self) -> None:
        owner = type(self).__name__
        _options.layer_sizes(owner, self.hidden_layer_sizes)
        _options.check_choice(owner, "activation", self.activation, ACTIVATIONS)

    def _shape(self) -> dict[str, Any]:
        return {
            "hidden_layer_sizes": _options.layer_sizes(type(self).__name__, self.hidden_layer_sizes),
            "activation": str(self.activation),
        }

    @property
    def _gives_distances(self) -> bool:
        return False

    def _rows(self, X: Any, reset: bool) -> Any:
        return X

    def _input_shape(self, n_inputs: int) -> tuple[int, ...]:
        return (n_inputs,)

    def _given_output(self, n_outputs: Sequence[int]) -> Layer | None:
        return None

    def _layers_below(self) -> list[Layer]:
        sizes = _options.layer_sizes(type(self).__name__, self.hidden_layer_sizes)
        return [Dense(size, self.activation, twist=self.twist) for size in sizes]


class LayerList:
    """Any layers, over samples of any shape.

    The last layer is the output layer if it has as many outputs as the targets need, or gives distances to
    codes; otherwise a dense output layer is put on top.
    """

    layers: Any
    input_shape: Any
    out_activation: str
    n_outputs_: int
    _sample_shape: tuple[int, ...]  # of the data that the estimator was fitted to

    def _check_layers(self) -> None:
        owner = type(self).__name__
        layers = self.layers
        if (
            isinstance(layers, str)
            or not isinstance(layers, Sequence)
            or not all(isinstance(layer, Layer) for layer in layers)
        ):
            raise ValueError(f"[{owner}] layers must be a sequence of ebp.layers objects; got {layers!r}")
        if self.input_shape is not None:
            checked_shape(self.input_shape)

    @property
    def _gives_distances(self) -> bool:
        return isinstance(self._last, EuclideanRBF)

    @property
    def _last(self) -> Layer | None:
        return self.layers[-1] if self.layers else None

    def _shape(self) -> dict[str, Any]:
        return {"layers": list(self.layers), "input_shape": self.input_shape}

    def _rows(self, X: Any, reset: bool) -> Any:
        """`X` flattened to rows, its other axes being the shape of a sample."""
        if isinstance(X, (list, tuple)):
            try:
                X = np.asarray(X)
            except ValueError:  # ragged: left to the validation of the data, which says so
                return X
        shape = tuple(getattr(X, "shape", ()))
        if reset:
            self._sample_shape = self._shape_of(shape[1:])
        if len(shape) <= 2:
            return X
        if not fits_shape(shape[1:], math.prod(self._sample_shape), self._sample_shape):
            raise ValueError(
                f"[{type(self).__name__}] samples must have the shape {self._sample_shape}, as in fit or "
                f"input_shape; got {shape[1:]}"
            )
        return np.asarray(X).reshape(shape[0], math.prod(shape[1:]))

    def _shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a sample in data of this shape, or as `input_shape` says."""
        owner = type(self).__name__
        first = next(iter(self.layers), None)
        takes_rows = first is None or isinstance(first, (Dense, GaussianRBF, EuclideanRBF))
        if self.input_shape is None:
            if len(shape) == 1 and not takes_rows:
                raise ValueError(
                    f"[{owner}] input_shape must be given for flat rows, since {type(first).__name__} takes "
                    f"samples with channels; got None for rows of {shape[0]} values"
                )
            return shape
        given = checked_shape(self.input_shape)
        if shape and math.prod(given) != math.prod(shape):
            raise ValueError(
                f"[{owner}] input_shape must have as many values as a sample of X, {math.prod(shape)} in the "
                f"shape {shape}; got {given}"
            )
        return given

    def _input_shape(self, n_inputs: int) -> tuple[int, ...]:
        if math.prod(self._sample_shape) == n_inputs:
            return self._sample_shape
        if len(self._sample_shape) > 1:
            raise ValueError(
                f"[{type(self).__name__}] normalize must keep the number of inputs of samples of shape "
                f"{self._sample_shape}; got a transformation to {n_inputs}"
            )
        return (n_inputs,)

    def _given_output(self, n_outputs: Sequence[int]) -> Layer | None:
        last = self._last
        if last is None:
            return None
        outputs = getattr(last, "units", None)
        if outputs is None:  # depends on the shape of the samples
            outputs = math.prod(output_shapes(tuple(self.layers), self._sample_shape)[-1])
        if isinstance(last, EuclideanRBF) and outputs not in n_outputs:
            raise ValueError(
                f"[{type(self).__name__}] the codes of the last layer must be one for each class or "
                f"value, {max(n_outputs)}; got {outputs}"
            )
        if outputs not in n_outputs:
            return None
        if self.out_activation == "auto":
            return last
        if not hasattr(last, "activation"):
            raise ValueError(
                f"[{type(self).__name__}] out_activation must be 'auto' where the output layer, "
                f"{type(last).__name__}, has none; got {self.out_activation!r}"
            )
        return replace(last, activation=self.out_activation)  # type: ignore[type-var]

    def _layers_below(self) -> list[Layer]:
        layers = list(self.layers)
        return layers if self._given_output([self.n_outputs_]) is None else layers[:-1]
