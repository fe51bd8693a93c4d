"""The seam to matplotlib, which is imported only when something is drawn."""

from __future__ import annotations

from typing import Any


def require_matplotlib(function: str) -> Any:
    """`matplotlib.pyplot`.

    Raises
    ------
    ImportError
        If matplotlib is not installed; names the extra that installs it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"[{function}] matplotlib must be installed: pip install 'efficient-backprop[plot]'; got {error}"
        ) from error
    return plt


def axes_and_figure(ax: Any, function: str) -> tuple[Any, Any]:
    """The axes to draw in, those of a new figure for None, and their figure."""
    plt = require_matplotlib(function)
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax, ax.figure
