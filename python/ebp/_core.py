"""The compiled core: the build made for the best instruction set that this processor has.

The core is compiled once per x86-64 level (``v2``, ``v3``, ``v4``) into a module of its own, and one of
them is loaded per process. The environment variable ``EBP_ISA`` names another one, for tests and comparisons.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from ebp._cpu import supported_levels

_KNOWN_LEVELS = ("v2", "v3", "v4", "native")


def _choose_level() -> str:
    supported = supported_levels()
    wanted = os.environ.get("EBP_ISA")
    if wanted is None:
        if not supported:
            raise ImportError("[ebp] the processor must have at least x86-64-v2 (SSE4.2); it does not")
        return supported[-1]
    if wanted not in _KNOWN_LEVELS:
        raise ImportError(f"[ebp] EBP_ISA must be one of {', '.join(supported)}; got {wanted!r}")
    if wanted not in supported:
        raise ImportError(
            f"[ebp] EBP_ISA must be one of {', '.join(supported)} on this processor; got {wanted!r}"
        )
    return wanted


def _install_blas(core: ModuleType) -> bool:
    """Hand SciPy's BLAS to the core; without it Eigen's own products serve."""
    from scipy.linalg import cython_blas

    entries = cython_blas.__pyx_capi__
    return bool(core.install_blas(*(entries[name] for name in ("sgemm", "dgemm", "ssyrk", "dsyrk"))))


module: ModuleType = importlib.import_module(f"ebp._core_{_choose_level()}")
level: str = module.level
version: str = module.version
compiler: str = module.compiler
blas = "SciPy" if _install_blas(module) else "Eigen"

Activation32 = module.Activation32
Activation64 = module.Activation64
Conv2D32 = module.Conv2D32
Conv2D64 = module.Conv2D64
Dense32 = module.Dense32
Dense64 = module.Dense64
EuclideanRBF32 = module.EuclideanRBF32
EuclideanRBF64 = module.EuclideanRBF64
GaussianRBF32 = module.GaussianRBF32
GaussianRBF64 = module.GaussianRBF64
HessianProduct32 = module.HessianProduct32
HessianProduct64 = module.HessianProduct64
Loss32 = module.Loss32
Loss64 = module.Loss64
MapScale32 = module.MapScale32
MapScale64 = module.MapScale64
MaxPool2D32 = module.MaxPool2D32
MaxPool2D64 = module.MaxPool2D64
Module32 = module.Module32
Module64 = module.Module64
Network32 = module.Network32
Network64 = module.Network64
Trainer32 = module.Trainer32
Trainer64 = module.Trainer64
WindowSum2D32 = module.WindowSum2D32
WindowSum2D64 = module.WindowSum2D64
AdaGradOptions = module.AdaGradOptions
AdamOptions = module.AdamOptions
DeltaBarDeltaOptions = module.DeltaBarDeltaOptions
MurataOptions = module.MurataOptions
RmsPropOptions = module.RmsPropOptions
RpropOptions = module.RpropOptions
RuleOptions = module.RuleOptions
SdlmOptions = module.SdlmOptions
SgdOptions = module.SgdOptions
fit_least_squares = module.fit_least_squares
fit_minimize = module.fit_minimize
fit_summed_squares = module.fit_summed_squares
install_blas = module.install_blas
hessian = module.hessian
hessian_diagonal = module.hessian_diagonal
least_squares = module.least_squares
loss_and_gradient = module.loss_and_gradient
minimize = module.minimize
online_eigenvalue = module.online_eigenvalue
