"""A network as a chain of elementary steps, for those who write it in other languages.

Steps are made from the layers' descriptions and parameters alone, without the core, and say with NumPy what
they compute: that is what a writer has to say in its language.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ebp.layers import (
    AveragePool2D,
    Conv1D,
    Conv2D,
    Dense,
    EuclideanRBF,
    GaussianRBF,
    Layer,
    MaxPool2D,
    Subsample2D,
)

if TYPE_CHECKING:
    from ebp.network import Network

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Affine:
    """y = weights x + bias of the flat inputs; weights (outputs, inputs), bias (outputs,)."""

    weights: np.ndarray
    bias: np.ndarray

    @property
    def width(self) -> int:
        return len(self.bias)


@dataclass(frozen=True)
class Scale:
    """y = (x - shift) factor, element by element, of the flat inputs."""

    shift: np.ndarray
    factor: np.ndarray

    @property
    def width(self) -> int:
        return len(self.shift)


@dataclass(frozen=True)
class Convolution:
    """Kernels (maps, channels, height, width), 0 where maps are not connected, and bias (maps,).

    `frame` is (height, width) of what the kernels are moved over by `stride`: the image with `top` rows and
    `left` columns of zeros before it and as many as needed behind it, or, if it `wraps`, followed by itself.
    """

    kernels: np.ndarray
    bias: np.ndarray
    shape: tuple[int, int, int]  # channels, height and width of the image
    out_shape: tuple[int, int, int]
    stride: int
    top: int
    left: int
    frame: tuple[int, int]
    wraps: bool

    @property
    def width(self) -> int:
        return math.prod(self.out_shape)


@dataclass(frozen=True)
class Windows:
    """The sum times `factor`, or where that is 0, the largest, of size x size pixels that tile each map."""

    size: int
    factor: float
    shape: tuple[int, int, int]

    @property
    def width(self) -> int:
        maps, height, width = self.shape
        return maps * (height // self.size) * (width // self.size)


@dataclass(frozen=True)
class MapScale:
    """y = coefficient x + bias, one of each a map of (maps, units)."""

    coefficients: np.ndarray
    bias: np.ndarray
    units: int

    @property
    def width(self) -> int:
        return len(self.bias) * self.units


@dataclass(frozen=True)
class Activation:
    """f(x) + twist x, element by element."""

    function: str
    twist: float
    width: int


@dataclass(frozen=True)
class Bumps:
    """exp(-|x - centre|^2 / (2 width^2)); centres (units, inputs), widths (units,)."""

    centres: np.ndarray
    widths: np.ndarray

    @property
    def width(self) -> int:
        return len(self.widths)


@dataclass(frozen=True)
class Distances:
    """|x - code|^2; codes (units, inputs)."""

    codes: np.ndarray

    @property
    def width(self) -> int:
        return len(self.codes)


Step = Affine | Scale | Convolution | Windows | MapScale | Activation | Bumps | Distances


def steps(network: Network, function: str) -> list[Step]:
    """What the network computes from one sample's flat inputs, one step after the other."""
    parameters: dict[int, dict[str, np.ndarray]] = {}
    for name, where, sides in network.parameter_slices:
        number, part = name.split(".")
        parameters.setdefault(int(number), {})[part] = network.parameters[where].reshape(sides)
    found: list[Step] = []
    shape = network.input_shape
    for k, layer in enumerate(network.layers):
        found.extend(_steps(layer, shape, parameters.get(k, {}), network.dtype, function))
        shape = layer.output_shape(shape)
    return found


def _steps(
    layer: Layer, shape: Shape, parameters: dict[str, np.ndarray], dtype: np.dtype, owner: str
) -> Iterator[Step]:
    width = math.prod(layer.output_shape(shape))
    if isinstance(layer, Dense):
        weights = parameters["weights"]
        yield Affine(weights, parameters.get("bias", np.zeros(len(weights), dtype)))
    elif isinstance(layer, (Conv1D, Conv2D)):
        yield _convolution(layer, shape, parameters)
    elif isinstance(layer, Subsample2D):
        yield Windows(layer.size, 1.0, _image(shape))
        yield MapScale(parameters["coefficients"], parameters["bias"], width // len(parameters["bias"]))
    elif isinstance(layer, MaxPool2D):
        yield Windows(layer.size, 0.0, _image(shape))
    elif isinstance(layer, AveragePool2D):
        yield Windows(layer.size, 1 / layer.size**2, _image(shape))
    elif isinstance(layer, GaussianRBF):
        yield Bumps(parameters["centres"], parameters["widths"])
    elif isinstance(layer, EuclideanRBF):
        yield Distances(parameters.get("codes", np.array(layer.codes, dtype)))
    else:
        raise TypeError(f"[{owner}] layers must be those of ebp.layers; got {type(layer).__name__}")
    function, twist = getattr(layer, "activation", "identity"), getattr(layer, "twist", 0.0)
    if function != "identity" or twist:
        yield Activation(function, twist, width)


def _image(shape: Shape) -> tuple[int, int, int]:
    channels, height, width = shape if len(shape) == 3 else (shape[0], 1, shape[1])
    return channels, height, width


def _convolution(layer: Any, shape: Shape, parameters: dict[str, np.ndarray]) -> Convolution:
    channels, height, width = _image(shape)
    out_shape = _image(layer.output_shape(shape))
    connected = np.ones((layer.maps, channels), bool)
    if layer.connections is not None:
        connected = np.array(layer.connections)
    weights = parameters["weights"]
    kernels = np.zeros((layer.maps, channels, *weights.shape[1:]), weights.dtype)
    kernels[connected] = weights
    frame = tuple(
        (out - 1) * layer.stride + side for out, side in zip(out_shape[1:], kernels.shape[2:], strict=True)
    )
    beyond = [max(0, side - inner) for side, inner in zip(frame, (height, width), strict=True)]
    top, left = (beyond[0] // 2, beyond[1] // 2) if layer.padding == "same" else (0, 0)
    return Convolution(
        kernels,
        parameters.get("bias", np.zeros(layer.maps, weights.dtype)),
        (channels, height, width),
        out_shape,
        layer.stride,
        top,
        left,
        (frame[0], frame[1]),
        layer.padding == "wrap",
    )


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of classes, or of labels each for itself, from the outputs of a network.

    As `ebp._targets.probabilities` and `label_probabilities` say, in double precision; `low` and `high` are
    the targets.
    """

    loss: str
    low: float
    high: float
    n_outputs: int
    multilabel: bool

    @property
    def width(self) -> int:
        return 2 if self.n_outputs == 1 and not self.multilabel else self.n_outputs


@dataclass(frozen=True)
class Chain:
    """Everything between what a model is given and what it answers.

    `before` and `after` are in double precision, `steps` in that of the network.
    """

    n_inputs: int
    n_outputs: int
    dtype: np.dtype
    before: list[Step]
    steps: list[Step]
    after: list[Step | Probabilities]


def chain(model: Any, function: str) -> Chain:
    """That of a network; of an estimator from features to probabilities or values.

    `function` is named by errors: TypeError for other objects, NotFittedError for estimators without network.
    """
    from ebp._estimator import OnlineEstimator
    from ebp.network import Network

    if isinstance(model, Network):
        n_inputs, n_outputs = math.prod(model.input_shape), model.n_outputs
        return Chain(n_inputs, n_outputs, model.dtype, [], steps(model, function), [])
    if not isinstance(model, OnlineEstimator):
        raise TypeError(
            f"[{function}] model must be an ebp.Network or a fitted MLPClassifier, MLPRegressor, "
            f"NetworkClassifier or NetworkRegressor; got {model!r}"
        )
    check_is_fitted(model)
    network, transform = model.network_, model._transform()
    before: list[Step] = []
    n_inputs = math.prod(network.input_shape)
    if transform is not None:
        shift, factor = transform
        n_inputs = len(shift)
        before.append(Scale(shift, factor if factor.ndim == 1 else np.ones_like(shift)))
        if factor.ndim == 2:
            before.append(Affine(factor, np.zeros(len(factor))))
    after = [_answer(model)]
    n_outputs = after[0].width if isinstance(after[0], Probabilities) else network.n_outputs
    return Chain(n_inputs, n_outputs, network.dtype, before, steps(network, function), after)


def _answer(model: Any) -> Step | Probabilities:
    if hasattr(model, "classes_"):
        low, high = map(float, model._targets)
        return Probabilities(model._loss_name, low, high, model.network_.n_outputs, model.multilabel_)
    shift, factor = model._target_map()
    return Scale(-shift * factor, 1 / factor)  # y = output / factor + shift
