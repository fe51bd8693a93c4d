"""A network or an estimator as an ONNX model."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ebp._extras import require_extra

from ._steps import (
    Activation,
    Affine,
    Bumps,
    Chain,
    Convolution,
    Distances,
    MapScale,
    Probabilities,
    Scale,
    Step,
    Windows,
    chain,
)

OPSET = 17  # no newer operator is needed, so that older runtimes can read the file


def to_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a network or a fitted estimator to an ONNX file.

    Parameters
    ----------
    model : Network, MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor
        A network becomes a model with the input ``x`` (n, \\*input_shape) and the output ``outputs``
        (n, n_outputs), both of its dtype. An estimator has the input ``x`` (n, n_features), of float32, and
        the outputs ``label`` (n,) and ``probabilities`` (n, n_classes), as `predict` and `predict_proba` give
        them, or, of a regressor, ``values`` (n, n_outputs).
    path : str or path-like
        The file to write, such as ``model.onnx``.

    Raises
    ------
    ImportError
        Without the package onnx; ``pip install "efficient-backprop[onnx]"`` brings it.
    TypeError
        For other objects, or labels that ONNX has no type for.
    NotFittedError
        For an estimator that is not fitted.

    Notes
    -----
    The file is checked by onnx; its operators are those of opset 17. What comes before and after the network
    in an estimator is computed in double precision, as `ebp` does. Convolutions and pooling are computed in
    single precision, since onnxruntime has them in no other.

    Examples
    --------
    >>> import ebp
    >>> net = ebp.Network([ebp.layers.Dense(2)], 3, random_state=0)
    >>> net.to_onnx("model.onnx")  # doctest: +SKIP
    """
    steps = chain(model, "to_onnx")
    onnx = require_extra("onnx", "onnx", "to_onnx")
    graph = _Graph(onnx)
    graph.write(steps, model)
    proto = onnx.helper.make_model(
        graph.finished(),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name="ebp",
        ir_version=8,
    )
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, os.fspath(path))


class _Graph:
    """Nodes and arrays under construction; values are known by their names."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._count = 0

    def finished(self) -> Any:
        return self._onnx.helper.make_graph(
            self._nodes, "ebp", self._inputs, self._outputs, initializer=self._arrays
        )

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The name of an operator's result."""
        self._count += 1
        name = f"{operator.lower()}_{self._count}"
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def array(self, values: Any, dtype: Any) -> str:
        self._count += 1
        name = f"array_{self._count}"
        self._arrays.append(self._onnx.numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def cast(self, x: str, dtype: Any) -> str:
        return self.node("Cast", x, to=self._type(dtype))

    def _type(self, dtype: Any) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _value(self, name: str, dtype: Any, shape: list[Any]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._type(dtype), ["n", *shape])

    def output(self, x: str, name: str, dtype: Any, *shape: int) -> None:
        self._nodes.append(self._onnx.helper.make_node("Identity", [x], [name]))
        self._outputs.append(self._value(name, dtype, list(shape)))

    def write(self, chain: Chain, model: Any) -> None:
        estimator = hasattr(model, "network_")
        shape = [chain.n_inputs] if estimator else list(model.input_shape)
        dtype = np.float32 if estimator else chain.dtype
        self._inputs.append(self._value("x", dtype, shape))
        x = self.node("Flatten", "x") if len(shape) > 1 else "x"
        if chain.before:
            x = self.cast(x, np.float64)
            for step in chain.before:
                x = _step(self, step, x, np.float64)
        if estimator:
            x = self.cast(x, chain.dtype)
        for step in chain.steps:
            x = _step(self, step, x, chain.dtype)
        if not estimator:
            return self.output(x, "outputs", chain.dtype, chain.n_outputs)
        answer = chain.after[0]
        x = self.cast(x, np.float64)
        if not isinstance(answer, Probabilities):
            x = _step(self, answer, x, np.float64)
            return self.output(self.cast(x, np.float32), "values", np.float32, chain.n_outputs)
        found = _probabilities(self, answer, x)
        self._label(found, answer, model.classes_)
        return self.output(self.cast(found, np.float32), "probabilities", np.float32, chain.n_outputs)

    def _label(self, probabilities: str, answer: Probabilities, classes: np.ndarray) -> None:
        if answer.multilabel:
            half = self.array(0.5, np.float64)
            ones = self.cast(self.node("Greater", probabilities, half), np.int64)
            return self.output(ones, "label", np.int64, len(classes))
        labels = _labels(classes)
        best = self.node("ArgMax", probabilities, axis=1, keepdims=0)
        return self.output(self.node("Gather", self.array(labels, labels.dtype), best), "label", labels.dtype)


def _labels(classes: np.ndarray) -> np.ndarray:
    """Classes in a type of ONNX."""
    if classes.dtype.kind in "US" or all(isinstance(label, str) for label in classes.tolist()):
        return classes.astype(object)
    if classes.dtype.kind in "bf":
        return classes
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64)
    raise TypeError(f"[to_onnx] classes must be numbers, texts or booleans; got {classes.dtype}")


def _step(graph: _Graph, step: Step, x: str, dtype: Any) -> str:
    """Nodes of one step; all values between steps are flat, (n, width)."""

    def array(values: Any) -> str:
        return graph.array(values, dtype)

    def image(x: str, shape: tuple[int, ...]) -> str:
        return graph.node("Reshape", x, graph.array([-1, *shape], np.int64))

    if isinstance(step, Affine):
        return graph.node("Gemm", x, array(step.weights), array(step.bias), transB=1)
    if isinstance(step, Scale):
        return graph.node("Mul", graph.node("Sub", x, array(step.shift)), array(step.factor))
    if isinstance(step, (Convolution, Windows)) and dtype == np.float64:
        return graph.cast(_step(graph, step, graph.cast(x, np.float32), np.float32), np.float64)
    if isinstance(step, Convolution):
        return graph.node("Flatten", _convolution(graph, step, image(x, step.shape), array))
    if isinstance(step, Windows):
        sides = {"kernel_shape": [step.size] * 2, "strides": [step.size] * 2}
        operator = "AveragePool" if step.factor else "MaxPool"
        y = graph.node("Flatten", graph.node(operator, image(x, step.shape), **sides))
        return graph.node("Mul", y, array(step.factor * step.size**2)) if step.factor else y
    if isinstance(step, MapScale):
        maps = image(x, (len(step.bias), step.units))
        scaled = graph.node("Mul", maps, array(step.coefficients[:, np.newaxis]))
        return graph.node("Flatten", graph.node("Add", scaled, array(step.bias[:, np.newaxis])))
    if isinstance(step, Bumps):
        with np.errstate(divide="ignore"):
            factor = np.where(step.widths**2 > 0, -0.5 / step.widths**2, -np.inf)
        return graph.node("Exp", graph.node("Mul", _distances(graph, step.centres, x, dtype), array(factor)))
    if isinstance(step, Distances):
        return _distances(graph, step.codes, x, dtype)
    y = _activated(graph, step, x, array)
    return graph.node("Add", y, graph.node("Mul", x, array(step.twist))) if step.twist else y


def _distances(graph: _Graph, places: np.ndarray, x: str, dtype: Any) -> str:
    """Squared distances (n, units) of the rows to places (units, inputs)."""
    one = graph.array([1], np.int64)
    difference = graph.node("Sub", graph.node("Unsqueeze", x, one), graph.array(places, dtype))
    axis = graph.array([2], np.int64)
    return graph.node("ReduceSum", graph.node("Mul", difference, difference), axis, keepdims=0)


def _convolution(graph: _Graph, step: Convolution, x: str, array: Any) -> str:
    pads = [0, 0, 0, 0]
    for axis, (frame, side, before) in enumerate(
        zip(step.frame, step.shape[1:], (step.top, step.left), strict=True)
    ):
        beyond = max(0, frame - side)
        if step.wraps and beyond:
            ends = (graph.array([k], np.int64) for k in (0, beyond, 2 + axis))
            x = graph.node("Concat", x, graph.node("Slice", x, *ends), axis=2 + axis)
        elif beyond:
            pads[axis], pads[2 + axis] = before, beyond - before
    return graph.node("Conv", x, array(step.kernels), array(step.bias), strides=[step.stride] * 2, pads=pads)


def _activated(graph: _Graph, step: Activation, x: str, array: Any) -> str:
    if step.function == "identity":
        return x
    if step.function == "scaled_tanh":
        return graph.node("Mul", graph.node("Tanh", graph.node("Mul", x, array(2 / 3))), array(1.7159))
    return graph.node({"tanh": "Tanh", "logistic": "Sigmoid", "relu": "Relu"}[step.function], x)


def _probabilities(graph: _Graph, step: Probabilities, x: str) -> str:
    """As `ebp._targets.probabilities` and `label_probabilities` say, in double precision."""

    def number(value: float) -> str:
        return graph.array(value, np.float64)

    def softplus(z: str) -> str:  # z for large z, without overflow
        tail = graph.node(
            "Log", graph.node("Add", graph.node("Exp", graph.node("Neg", graph.node("Abs", z))), number(1))
        )
        return graph.node("Add", graph.node("Relu", z), tail)

    def log_softplus(z: str) -> str:
        bounded = graph.node("Max", z, number(-30))
        return graph.node(
            "Where", graph.node("Less", z, number(-30)), z, graph.node("Log", softplus(bounded))
        )

    def from_ten(z: str) -> str:
        return graph.node("Sub", number(10), z)

    binary = step.n_outputs == 1 and not step.multilabel
    if step.loss == "binary_cross_entropy":
        if binary:
            x = graph.node("Concat", graph.node("Neg", x), x, axis=1)
        if binary or step.multilabel:
            return graph.node("Sigmoid", x)
        scores = graph.node("Neg", softplus(graph.node("Neg", x)))
    elif step.loss == "cross_entropy":
        scores = x
    elif step.loss == "map":
        scores = graph.node("Neg", x)
    else:
        z = graph.node("Mul", graph.node("Sub", x, number(step.low)), number(10 / (step.high - step.low)))
        if step.multilabel:
            return graph.node("Sigmoid", graph.node("Sub", log_softplus(z), log_softplus(from_ten(z))))
        scores = log_softplus(graph.node("Concat", from_ten(z), z, axis=1) if binary else z)
    return graph.node("Softmax", scores, axis=1)
