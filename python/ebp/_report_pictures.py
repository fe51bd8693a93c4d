"""Pictures for the page of `ebp.report`: SVG that takes the colour of the text around it."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._extras import require_extra
from ._report_html import Markup, tag
from .plotting._figure import plain_ticks

# Small enough that a telephone, which shows the whole width, leaves the letters legible.
WIDTH, HEIGHT = 4.7, 3.3
# Texts stay texts; no surface is drawn, so that dark pages shine through.
STYLE = {
    "font.size": 9.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "ebp",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}


def picture(
    key: str, description: str, draw: Callable[[Any], Any], *, width: float = WIDTH, height: float = HEIGHT
) -> Markup:
    """What `draw` draws into its axes, as a figure of the page.

    Parameters
    ----------
    key : str
        Letters that no other picture of the page has, for the names inside the SVG.
    description : str
        For those who do not see it.
    width, height : float
        In inches of 72 points.
    """
    style = require_extra("matplotlib.style", "plot", "report")
    from matplotlib.figure import Figure

    with style.context(["default", STYLE]), warnings.catch_warnings():
        # The page has the letters themselves, which the reader's fonts draw, not those that matplotlib knows.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
        # Not by pyplot, which would keep the figure and, in a notebook, show it.
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return tag("figure", _inline(buffer.getvalue(), key, description))


def _inline(svg: str, key: str, description: str) -> Markup:
    """The root element alone, with names of its own and black in the colour of the text."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    # Inside of tags only: a column may be called "colour=#000000".
    svg = re.sub(r"<[^>]+>", lambda found: _adapted(found[0], key), svg)
    label = tag("title", description)
    root, rest = svg.split(">", 1)
    return Markup(f'{root} role="img" fill="currentColor">{label}{rest}')


def _adapted(opening: str, key: str) -> str:
    """An opening tag with the names of its picture, and without black."""
    opening = re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', f"{key}-", opening)
    return opening.replace("#000000", "currentColor")


def draw_rates(ax: Any, names: Sequence[str], groups: Sequence[np.ndarray]) -> None:
    """Learning rates of every group of parameters: all of them, the middle half and the median."""
    for row, rates in enumerate(groups):
        low, first, median, third, high = np.quantile(rates, [0, 0.25, 0.5, 0.75, 1])
        ax.plot([low, high], [row, row], color="tab:blue", linewidth=1.2)
        ax.plot([first, third], [row, row], color="tab:blue", linewidth=6, solid_capstyle="butt", alpha=0.6)
        ax.plot(median, row, "o", color="black", markersize=4)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set(xscale="log", xlabel="learning rate")
    ax.grid(axis="x", alpha=0.3)
    low, high = ax.get_xlim()
    if high < 10 * low:  # one rate for all: a decade around it
        middle = np.sqrt(low * high)
        ax.set_xlim(middle / 3.2, middle * 3.2)
    plain_ticks(ax.xaxis)


def draw_predictions(ax: Any, true: np.ndarray, predicted: np.ndarray) -> None:
    """Predicted over true values, (n, outputs), with the line of perfect prediction."""
    for k in range(true.shape[1]):
        label = f"output {k}" if 1 < true.shape[1] <= 6 else None
        ax.plot(true[:, k], predicted[:, k], ".", markersize=4, alpha=0.6, label=label)
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    ax.plot(ends, ends, color="black", linewidth=0.8, linestyle="--")
    ax.set(xlabel="true value", ylabel="predicted value")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize="small")
