"""Compiles the C headers of models, all in one translation unit, and runs them over rows."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGES = {"c": (("gcc", "cc"), ["-std=c99"]), "c++": (("g++", "c++"), [])}


def compiler_of(language="c"):
    names, options = LANGUAGES[language]
    found = [path for name in names if (path := shutil.which(name))]
    if not found:
        pytest.skip(f"there is no compiler of {language}")
    return [found[0], *options]


def real_of(model):
    return getattr(model, "network_", model).dtype


def compile_headers(folder, models, language="c"):
    """{name: function over rows} of {name: model}; each header is included twice."""
    lines, functions = [], []
    for number, (name, model) in enumerate(models.items()):
        model.export_c(folder / f"{number}.h", name=name)
        lines += 2 * [f'#include "{number}.h"']
        real = {"float32": "float", "float64": "double"}[str(real_of(model))]
        functions.append(
            f"int inputs_{number} = {name}_INPUTS, outputs_{number} = {name}_OUTPUTS;\n"
            f"void run_{number}(int n_rows, const {real} *row, {real} *answer) {{\n"
            f"  for (; n_rows > 0; n_rows--, row += {name}_INPUTS, answer += {name}_OUTPUTS)\n"
            f"    {name}(row, answer);\n}}\n"
        )
    source = folder / ("models.c" if language == "c" else "models.cpp")
    if language == "c++":
        functions = ['extern "C" {\n', *functions, "}\n"]
    source.write_text("\n".join([*lines, *functions]))
    library = folder / f"{'_'.join(models)}.so"
    subprocess.run(
        [*compiler_of(language), *STRICT, "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True
    )
    loaded = ctypes.CDLL(str(library))
    return {name: _runner(loaded, i, real_of(model)) for i, (name, model) in enumerate(models.items())}


def _runner(loaded, number, dtype):
    n_inputs, n_outputs = (
        ctypes.c_int.in_dll(loaded, f"{side}_{number}").value for side in ("inputs", "outputs")
    )

    def run(X):
        rows = np.ascontiguousarray(X.reshape(len(X), -1), dtype)
        assert rows.shape[1] == n_inputs
        out = np.zeros((len(X), n_outputs), dtype)
        pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (rows, out))
        getattr(loaded, f"run_{number}")(len(X), *pointers)
        return out

    return run
