"""Optional packages, with a message that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any


def require_extra(package: str, extra: str, owner: str) -> Any:
    """A module of an optional package, such as "onnx" or "matplotlib.pyplot".

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra of this package that brings it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"[{owner}] {package.partition('.')[0]} must be installed: "
            f"pip install 'efficient-backprop[{extra}]'; got {error}"
        ) from error
