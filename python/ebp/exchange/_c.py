"""A network or an estimator as one C99 header without dependencies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ._c_functions import FUNCTIONS, NEEDS
from ._c_names import checked_name, commented
from ._steps import (
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

PER_LINE = 8  # numbers of an array
SIZES = {"float": 4, "double": 8}  # bytes, on all machines whose arithmetic is that of IEEE 754


def export_c(model: Any, path: str | os.PathLike[str], *, name: str = "predict") -> None:
    """Write a network or a fitted estimator as a C header that computes its answers.

    The header defines one function that a program may call after ``#include``, from any number of threads::

        static void predict(const float *x, float *out);

    and the numbers of its inputs and outputs, ``predict_INPUTS`` and ``predict_OUTPUTS``. It needs a C99 (or
    C++) compiler and the C library's mathematics (``-lm``), nothing else, and allocates nothing: what layers
    compute is in arrays on the stack, whose bytes the first comment of the header counts.

    Parameters
    ----------
    model : Network, MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor
        Of a network, ``out`` are its outputs. Of an estimator, ``x`` are the features as `predict` takes
        them, and ``out`` are the values that a regressor predicts, or a classifier's `predict_proba`, in the
        order of `classes_`, which a comment names; characters other than letters, digits and a few signs
        are given there by their code points, as ``<U+00E9>``.
    path : str or path-like
        The file to write, such as ``model.h``.
    name : str, default="predict"
        Name of the function, and part of every other name in the header, so that one program may include
        headers of different names.

    Raises
    ------
    TypeError
        For other objects.
    ValueError
        If `name` is no C identifier, or one that C, C++, the C library or such headers use themselves, or if
        parameters are not finite.
    NotFittedError
        For an estimator that is not fitted.

    Notes
    -----
    Arithmetic is in the type of the network, ``float`` or ``double``, which is also that of ``x`` and
    ``out``; what comes before and after the network in an estimator is computed in ``double``. Answers differ
    from those of `ebp` by rounding.

    The arrays on the stack are two as large as the largest of the network's inputs and layers; of an
    estimator also two of ``double`` as large as the features, if it normalises them, and two of ``double`` as
    large as its answers.

    Examples
    --------
    >>> import pathlib, tempfile, ebp
    >>> net = ebp.Network([ebp.layers.Dense(2)], 3, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     header = pathlib.Path(folder, "model.h")
    ...     net.export_c(header)
    ...     header.read_text().splitlines()[-1]
    '#endif'
    """
    header = _Header(chain(model, "export_c"), checked_name(name))
    Path(path).write_text(header.text(_comment(model)), encoding="ascii")


def _comment(model: Any) -> str:
    if not hasattr(model, "network_"):
        return "the outputs of a network"
    if not hasattr(model, "classes_"):
        return "the predicted values"
    return f"probabilities of {', '.join(commented(label) for label in model.classes_.tolist())}"


class _Header:
    """Collects functions, arrays and statements of one header."""

    def __init__(self, chain: Chain, name: str) -> None:
        self._chain, self._name = chain, name
        self._real = "float" if chain.dtype == np.float32 else "double"
        self._functions: dict[tuple[str, str], None] = {}  # (name, type), in order
        self._arrays: list[str] = []
        self._stack = 0  # bytes of the arrays that the function declares

    def text(self, comment: str) -> str:
        # in the name's own case: macros in capitals would be the same of "model" and "Model"
        chain, real, guard = self._chain, self._real, f"ebp_header_of_{self._name}"
        signature = f"static void {self._name}(const {real} *x, {real} *out)"
        body = self._body()
        functions = [self._function(*key) for key in self._functions]
        return "\n".join(
            [
                f"/* Written by ebp. {signature}:",
                f"   out ({chain.n_outputs}) = {comment}, from x ({chain.n_inputs}).",
                f"   Its arrays on the stack have {self._stack} bytes. */",
                f"#ifndef {guard}",
                f"#define {guard}",
                "",
                "#include <math.h>",
                "",
                f"#define {self._name}_INPUTS {chain.n_inputs}",
                f"#define {self._name}_OUTPUTS {chain.n_outputs}",
                "",
                *self._arrays,
                "",
                *functions,
                f"{signature} {{",
                *(f"  {line}" for line in body),
                "}",
                "",
                "#endif",
                "",
            ]
        )

    def _body(self) -> list[str]:
        """The statements of the function; every step goes from one of two arrays to the other."""
        declared, lines = ["int i;"], []
        source, width = "x", self._chain.n_inputs
        for stage, real in (("before", "double"), ("steps", self._real), ("after", "double")):
            steps = getattr(self._chain, stage)
            if not steps:
                continue
            y, other = f"{stage}_a", f"{stage}_b"
            largest = max(width, *(step.width for step in steps))
            declared.append(f"{real} {y}[{largest}], {other}[{largest}];")
            self._stack += 2 * largest * SIZES[real]
            lines.append(f"for (i = 0; i < {width}; i++) {y}[i] = ({real}){source}[i];")
            for step in steps:
                source, y, other = y, other, y
                lines.extend(self._lines(step, real, source, y))
            source, width = y, steps[-1].width
        lines.append(f"for (i = 0; i < {width}; i++) out[i] = ({self._real}){source}[i];")
        return declared + lines

    def _lines(self, step: Step | Probabilities, real: str, x: str, y: str) -> list[str]:
        """What computes a step's y from x."""
        if isinstance(step, Probabilities):
            return self._probabilities(step, x, y)
        name, arguments = _call(step)
        shown = ", ".join(self._argument(argument, real) for argument in arguments)
        return [f"{self._use(name, real)}({shown}, {x}, {y});"]

    def _argument(self, value: Any, real: str) -> str:
        if isinstance(value, np.ndarray):
            return self._array(value, real)
        if isinstance(value, float):
            return _number(value, real)
        return self._use(value, real) if isinstance(value, str) else str(int(value))

    def _probabilities(self, step: Probabilities, x: str, y: str) -> list[str]:
        each = f"for (i = 0; i < {step.n_outputs}; i++) {y}[i] ="
        share = f"10 * (({x}[i] - {step.low!r}) / {step.high - step.low!r})"
        logistic, softplus = "logistic", "log_softplus"
        if step.loss == "binary_cross_entropy":
            if step.n_outputs == 1 and not step.multilabel:
                use = self._use(logistic, "double")
                return [f"{y}[0] = {use}(-{x}[0]);", f"{y}[1] = {use}({x}[0]);"]
            if step.multilabel:
                return [f"{each} {self._use(logistic, 'double')}({x}[i]);"]
            scores = [f"{each} ({x}[i] < 0 ? {x}[i] : 0) - log1p(exp(-fabs({x}[i])));"]
        elif step.loss == "cross_entropy":
            scores = [f"{each} {x}[i];"]
        elif step.loss == "map":
            scores = [f"{each} -{x}[i];"]
        else:
            use = self._use(softplus, "double")
            if step.multilabel:
                sure = self._use(logistic, "double")
                return [f"{each} {sure}({use}({share}) - {use}(10 - {share}));"]
            scores = [f"{each} {use}({share});"]
            if step.n_outputs == 1:
                other = share.replace("[i]", "[0]")
                scores = [f"{y}[0] = {use}(10 - {other});", f"{y}[1] = {use}({other});"]
        return [*scores, f"{self._use('softmax', 'double')}({step.width}, {y});"]

    def _use(self, name: str, real: str) -> str:
        """The name of a function for numbers of this type, which the header then holds."""
        for needed in (*NEEDS.get(name, []), name):
            self._functions.setdefault((needed, real))
        prefix, suffix = self._around(real)
        return f"{prefix}{name}{suffix}"

    def _around(self, real: str) -> tuple[str, str]:
        """What encloses the names of functions and arrays.

        The header's name comes last: what is before it has no "_of_", so that no two headers share a name,
        as those of "model" and "model_double" could if theirs began with the header's.
        """
        return ("ebp_" if real == self._real else f"ebp_{real}_"), f"_of_{self._name}"

    def _function(self, name: str, real: str) -> str:
        prefix, suffix = self._around(real)
        return FUNCTIONS[name].format(p=prefix, s=suffix, real=real, f="f" if real == "float" else "")

    def _array(self, values: np.ndarray, real: str) -> str:
        if not np.isfinite(values).all():
            raise ValueError("[export_c] parameters must be finite; got NaN or infinity")
        name = f"ebp_{len(self._arrays)}_of_{self._name}"
        numbers = [_number(value, real) for value in values.ravel()]
        rows = [", ".join(numbers[k : k + PER_LINE]) for k in range(0, len(numbers), PER_LINE)]
        self._arrays.append(
            f"static const {real} {name}[{len(numbers)}] = {{\n  " + ",\n  ".join(rows) + "};"
        )
        return name


def _number(value: Any, real: str) -> str:
    """The shortest text that stands for the same number."""
    if real == "float":
        return np.format_float_scientific(np.float32(value), trim="0") + "f"
    return np.format_float_scientific(np.float64(value), trim="0")


def _call(step: Step) -> tuple[str, list[Any]]:
    """The C function of a step, and its arguments before x and y; texts are names of functions."""
    if isinstance(step, Affine):
        n_out, n_in = step.weights.shape
        return "affine", [n_in, n_out, step.weights, step.bias]
    if isinstance(step, Scale):
        return "scale", [step.width, step.shift, step.factor]
    if isinstance(step, Convolution):
        maps, _, *kernel = step.kernels.shape
        place = [step.stride, step.top, step.left, step.wraps, *step.out_shape[1:]]
        return "convolution", [*step.shape, maps, *kernel, *place, step.kernels, step.bias]
    if isinstance(step, Windows):
        return "windows", [*step.shape, step.size, step.factor]
    if isinstance(step, MapScale):
        return "map_scale", [len(step.bias), step.units, step.coefficients, step.bias]
    if isinstance(step, Bumps):
        n_out, n_in = step.centres.shape
        return "bumps", [n_in, n_out, step.centres, step.widths]
    if isinstance(step, Distances):
        n_out, n_in = step.codes.shape
        return "distances", [n_in, n_out, step.codes]
    return "activate", [step.width, step.function, float(step.twist)]
