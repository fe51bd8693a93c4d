"""Facts about the installation, for bug reports."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from ebp import _core


def show_versions() -> None:
    """Print the versions of ebp and of what it stands on, and how the core was built.

    Examples
    --------
    >>> import ebp
    >>> ebp.show_versions()  # doctest: +ELLIPSIS
    ebp            ...
    """
    facts = {"ebp": _core.version, "core": f"{_core.level}, {_core.compiler}, BLAS from {_core.blas}"}
    facts["levels"] = ", ".join(_core.supported_levels())
    facts["python"] = sys.version.split()[0]
    facts["platform"] = platform.platform()
    for package in ("numpy", "scipy", "scikit-learn", "tqdm", "safetensors"):
        facts[package] = metadata.version(package)
    for name, value in facts.items():
        print(f"{name:<14} {value}")
