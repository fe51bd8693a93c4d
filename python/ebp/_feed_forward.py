"""What a network is and computes: layers over one flat parameter vector, their passes and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from ebp import _core, _initialization
from ebp._arrays import as_rows, checked_axes, checked_mean_weights, checked_shape
from ebp.layers import Layer
from ebp.losses import Loss, checked_loss, loss_name, loss_options

_DTYPES = ("float32", "float64")


class FeedForward:
    """The part of `Network` that does not change it; the parameters are documented there."""

    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: int | tuple[int, ...],
        *,
        loss: Loss = "squared_error",
        weight_init: str | Any = "lecun",
        dtype: Any = "float32",
        random_state: Any = None,
    ) -> None:
        if isinstance(layers, Layer) or not isinstance(layers, Iterable):
            raise TypeError(f"[Network] layers must be a sequence of ebp.layers objects; got {layers!r}")
        self._layers = tuple(layers)
        for layer in self._layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"[Network] layers must be ebp.layers objects; got {layer!r}")
        if not self._layers:
            raise ValueError("[Network] layers must not be empty; got none")
        self._loss = checked_loss("Network", loss)
        try:
            self._dtype = np.dtype(dtype)
        except TypeError:
            self._dtype = np.dtype(object)
        if self._dtype.name not in _DTYPES:
            raise ValueError(f"[Network] dtype must be one of {', '.join(_DTYPES)}; got {dtype!r}")
        self._input_shape = checked_shape(input_shape)
        self._is_shaped = len(self._input_shape) > 1
        self._output_shapes = output_shapes(self._layers, self._input_shape)
        single = self._dtype == np.float32
        make: Any = _core.Network32 if single else _core.Network64
        self._trainer_class: Any = _core.Trainer32 if single else _core.Trainer64
        make_loss: Any = _core.Loss32 if single else _core.Loss64
        shapes = (self._input_shape, *self._output_shapes)
        modules = [
            layer._modules(shape, 32 if single else 64)
            for layer, shape in zip(self._layers, shapes, strict=False)
        ]
        self._core: Any = make(
            prod(self._input_shape), modules, make_loss(loss_name(loss), **loss_options(loss))
        )
        self.parameters[:] = _initialization.initial_parameters(
            weight_init, self._core.parameter_blocks(), self._layers, self._dtype, random_state
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, from the inputs up."""
        return self._layers

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self._input_shape

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of one sample's outputs of each layer."""
        return self._output_shapes

    @property
    def n_inputs(self) -> int:
        """Values of one sample."""
        return prod(self._input_shape)

    @property
    def n_outputs(self) -> int:
        """Outputs of the last layer."""
        return prod(self._output_shapes[-1])

    @property
    def loss_function(self) -> Loss:
        """The loss, as it was given."""
        return self._loss

    @property
    def dtype(self) -> np.dtype:
        """Type of the parameters."""
        return self._dtype

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return int(self._core.n_parameters)

    @property
    def parameters(self) -> np.ndarray:
        """All parameters θ, shape (n_parameters,): a writable view, not a copy."""
        return self._core.parameters

    @property
    def parameter_slices(self) -> list[tuple[str, slice, tuple[int, ...]]]:
        """(name, slice, shape) of every array in θ, in its order.

        Weights of dense layers have the shape (outputs, inputs), those of convolutions (pairs of connected
        maps, height, width), output map by output map in the order of the connection table.
        """
        return [
            (name, slice(start, start + prod(shape)), tuple(shape))
            for name, start, shape, *_ in self._core.parameter_blocks()
        ]

    def forward(self, X: Any) -> np.ndarray:
        """Outputs of the network, (2)-(3).

        Parameters
        ----------
        X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
            An array of the network's dtype that is C-contiguous is used without a copy.

        Returns
        -------
        ndarray of shape (n, n_outputs)
        """
        return self._core.forward(self._inputs(X, "forward"))

    def predict_one(self, x: Any) -> np.ndarray:
        """Outputs of the network for one sample, the same bits as those of `forward`.

        Parameters
        ----------
        x : array-like of shape (n_inputs,) or input_shape
            A C-contiguous array of the network's dtype is used without a copy.

        Returns
        -------
        ndarray of shape (n_outputs,)

        Raises
        ------
        ValueError, TypeError
            For another number of values, other axes, or no numbers.

        Examples
        --------
        >>> import numpy as np, ebp
        >>> net = ebp.Network([ebp.layers.Dense(3)], 2, random_state=0)
        >>> bool((net.predict_one([0.5, -1.0]) == net.forward([[0.5, -1.0]])[0]).all())
        True
        """
        if self._is_shaped:
            checked_axes(x, self._input_shape, "predict_one", "x")
        outputs: np.ndarray = self._core.predict_one(x)
        return outputs

    def activations(self, X: Any) -> list[np.ndarray]:
        """Outputs of every layer, a list of arrays of shape (n, \\*shape of the layer's output)."""
        rows = self._core.activations(self._inputs(X, "activations"))
        return [row.reshape(-1, *shape) for row, shape in zip(rows, self._output_shapes, strict=True)]

    def losses(self, X: Any, T: Any) -> np.ndarray:
        """Loss of every sample.

        Parameters
        ----------
        X : array-like of shape (n, n_inputs)
        T : array-like of shape (n, n_outputs), or (n,) for one output
            Targets.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self._core.losses(self._inputs(X, "losses"), self._targets(T, "losses"))

    def loss(self, X: Any, T: Any, sample_weight: Any = None) -> float:
        """Mean of `losses` over the samples, weighted if `sample_weight` (n,) is given."""
        losses = self.losses(X, T).astype(np.float64)
        if not len(losses):
            raise ValueError("[loss] X must have at least one row; got 0")
        if sample_weight is None:
            return float(losses.mean())
        weights = checked_mean_weights(sample_weight, len(losses), np.dtype(np.float64), "loss")
        return float(np.average(losses, weights=weights))

    def gradient(self, X: Any, T: Any) -> np.ndarray:
        """Gradient of the mean loss, (4)-(6), shape (n_parameters,), in the layout of `parameters`."""
        return self._mean(self._core.gradient, X, T, "gradient")

    def _curvature_diagonal(self, X: Any, T: Any) -> np.ndarray:
        """Mean over samples of the diagonal second derivatives (54)-(56), shape (n_parameters,)."""
        return self._mean(self._core.curvature, X, T, "curvature")

    def jacobian(self, X: Any) -> np.ndarray:
        """Derivatives of the outputs with respect to θ, shape (n, n_outputs, n_parameters). Section 7.2."""
        return self._core.jacobian(self._inputs(X, "jacobian"))

    def _inputs(self, X: Any, function: str) -> np.ndarray:
        return as_rows(X, self.n_inputs, self._dtype, function, "X", self._input_shape)

    def _targets(self, T: Any, function: str) -> np.ndarray:
        return as_rows(T, self.n_outputs, self._dtype, function, "T")

    def _mean(self, summed: Callable[..., np.ndarray], X: Any, T: Any, function: str) -> np.ndarray:
        rows = self._inputs(X, function)
        if not len(rows):
            raise ValueError(f"[{function}] X must have at least one row; got 0")
        sums = summed(rows, self._targets(T, function))
        sums /= len(rows)
        return sums


def output_shapes(layers: tuple[Layer, ...], shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Shape of every layer's output; ValueError with all shapes up to the layer that does not fit."""
    shapes: list[tuple[int, ...]] = []
    course = f"input {shape}"
    for number, layer in enumerate(layers):
        course += f" -> {number} {type(layer).__name__}"
        try:
            shape = layer.output_shape(shape)
        except ValueError as error:
            raise ValueError(f"{error}; layer {number} of the network {course}") from None
        course += f" {shape}"
        shapes.append(shape)
    return tuple(shapes)
