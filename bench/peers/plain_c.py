"""Plain C, compiled for this very CPU when the benchmark starts; see plain_c.c."""

import ctypes
import tempfile
from pathlib import Path

from common import Problem, Work, compile_c, initial_parameters

SOURCE = Path(__file__).with_suffix(".c")
FLOATS = ctypes.POINTER(ctypes.c_float)


def _pointer(array):
    return array.ctypes.data_as(FLOATS)


def build(problem: Problem) -> Work:
    """Trains the problem's own arrays in place."""
    with tempfile.TemporaryDirectory() as folder:  # a loaded library outlives its file
        online_pass = compile_c(SOURCE, folder).online_pass
    online_pass.restype = None
    depth, rows = len(problem.weights), len(problem.inputs)
    arguments = (
        ctypes.c_int(depth),
        (ctypes.c_int * (depth + 1))(*problem.layers),
        (FLOATS * depth)(*map(_pointer, problem.weights)),
        (FLOATS * depth)(*map(_pointer, problem.biases)),
        _pointer(problem.inputs),
        _pointer(problem.targets),
        ctypes.c_long(rows),
        ctypes.c_float(problem.rate),
    )
    return Work(rows, lambda: online_pass(*arguments), lambda: initial_parameters(problem))
