"""The seam to matplotlib, which is imported only when something is drawn."""

from __future__ import annotations

from typing import Any

from ebp._extras import require_extra


def require_matplotlib(function: str) -> Any:
    """`matplotlib.pyplot`; ImportError, with the name of the extra that brings it, where there is none."""
    return require_extra("matplotlib.pyplot", "plot", function)


def axes_and_figure(ax: Any, function: str) -> tuple[Any, Any]:
    """The axes to draw in, those of a new figure for None, and their figure."""
    plt = require_matplotlib(function)
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax, ax.figure


def plain_ticks(axis: Any) -> None:
    """Labels such as 0.5 and 20,000 on a logarithmic axis: as many as there is room for."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 150 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())
