"""Optional packages, with a message that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any


def require_extra(package: str, extra: str, owner: str) -> Any:
    """The module of an optional package.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra of this package that brings it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"[{owner}] {package} must be installed: pip install 'efficient-backprop[{extra}]'; got {error}"
        ) from error
