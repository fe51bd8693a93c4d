"""The table and the picture of an ablation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .plotting._figure import plain_ticks, require_matplotlib

if TYPE_CHECKING:
    from .tricks import Ablation, AblationRow, Interval

HEAD = ("trick", "section", "test error, %", "difference", "verdict", "presentations", "best rate")
LEFT = 2  # columns of text; the others are numbers
COLOURS = {"recipe": "black", "worse": "tab:red", "better": "tab:blue", "same": "tab:grey", "": "tab:grey"}


def markdown(result: Ablation) -> str:
    """Table and explanation."""
    rows = [HEAD, *(_cells(row, result) for row in result.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(_padded(cell, k, widths[k]) for k, cell in enumerate(row)) + " |" for row in rows
    ]
    rule = ["-" * width if k < LEFT else "-" * (width - 1) + ":" for k, width in enumerate(widths)]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:], "", *_notes(result)])


def _padded(cell: str, column: int, width: int) -> str:
    return cell.ljust(width) if column < LEFT else cell.rjust(width)


def _cells(row: AblationRow, result: Ablation) -> tuple[str, ...]:
    first = row is result.rows[0]
    other = "" if row.against == result.rows[0].name else "'"
    marks = ("*" if row.n_failed else "") + ("^" if row.at_edge else "")
    return (
        row.name,
        row.trick.section,
        _percent(row.error),
        "" if first else _percent(row.difference, sign=True) + other,
        "" if first else row.verdict,
        f"{row.presentations:,.0f}" if math.isfinite(row.presentations) else "not reached",
        f"{row.rate:.2g}{marks}",
    )


def _percent(value: Interval, sign: bool = False) -> str:
    mean = f"{100 * value.mean:+.2f}" if sign else f"{100 * value.mean:.2f}"
    return mean if math.isnan(value.half_width) else f"{mean} ± {100 * value.half_width:.2f}"


def _notes(result: Ablation) -> list[str]:
    network = "-".join(map(str, (result.n_features, *result.hidden_layer_sizes)))
    what = "wrong answers" if result.task == "classification" else "1 - R^2, at most 100"
    several = result.n_seeds > 1
    notes = [
        f"{result.task.capitalize()}, network {network}, {result.n_training:,} samples to train, "
        f"{result.n_validation:,} to choose the rate, {result.n_test:,} to test; {result.max_iter} epochs, "
        f"{result.max_iter * result.n_training:,} presentations in every row.",
        f"Error: {what}; mean of {result.n_seeds} seeds with Student's interval of 95 %."
        if several
        else f"Error: {what}; one seed, so no intervals.",
        "Difference: to the recipe, seed by seed.",
        f"Presentations: to a validation error of {100 * result.level:.2f} %, by the rate that needs the "
        "fewest.",
    ]
    others = sorted({row.against for row in result.rows[1:]} - {result.rows[0].name})
    if others:
        notes[2] = f"{notes[2][:-1]}; ': to the row {', '.join(others)!r}."
    if any(row.equal_differences for row in result.rows[1:]):
        notes.append(
            "± 0.00 and 'same': the difference is equal for all seeds, as counts of a few wrong answers may "
            "be, and decides nothing."
        )
    if any(row.n_failed for row in result.rows):
        notes.append("*: some seed diverged, or was no better than a constant answer.")
    if any(row.at_edge for row in result.rows):
        notes.append("^: the best rate is at the edge of those tried.")
    return notes


def plot(result: Ablation, axes: Any) -> Any:
    """Test errors and presentations, one line a trick."""
    plt = require_matplotlib("Ablation.plot")
    if axes is None:
        height = 1.6 + 0.28 * len(result.rows)
        _, axes = plt.subplots(1, 2, figsize=(11, height), layout="constrained", sharey=True)
    draw_errors(result.rows, axes[0])
    draw_presentations(result, axes[1])
    for ax in axes:
        ax.set_yticks(range(len(result.rows)), [row.name for row in result.rows])
        ax.set_ylim(len(result.rows) - 0.4, -0.6)
        ax.grid(axis="x", alpha=0.3)
    axes[1].tick_params(labelleft=False)
    return axes[0].figure


def _colour(row: AblationRow, rows: Sequence[AblationRow]) -> str:
    return COLOURS["recipe" if row is rows[0] else row.verdict]


def draw_errors(rows: Sequence[AblationRow], ax: Any) -> None:
    """Errors with intervals on a logarithmic scale, the recipe's as a band."""
    floor = 0.5 * min([100 * row.error.mean for row in rows if row.error.mean > 0], default=1.0)
    recipe = rows[0].error
    if not math.isnan(recipe.half_width):
        ax.axvspan(max(floor, 100 * recipe.low), 100 * recipe.high, color="black", alpha=0.08, lw=0)
    ax.axvline(max(floor, 100 * recipe.mean), color="black", lw=0.8, ls=":")
    for k, row in enumerate(rows):
        mean = max(floor, 100 * row.error.mean)
        half = 100 * np.nan_to_num(row.error.half_width)
        low, high = max(floor, mean - half), mean + half
        ax.errorbar(
            mean, k, xerr=[[mean - low], [high - mean]], fmt="o", ms=5, capsize=2, color=_colour(row, rows)
        )
    ax.set(xscale="log", xlabel="test error, %")
    ax.set_title("red: worse, blue: better, by the interval of the difference", fontsize="small")
    plain_ticks(ax.xaxis)


def draw_presentations(result: Ablation, ax: Any) -> None:
    """Presentations to the level, or an arrow where no rate gets there."""
    most = result.max_iter * result.n_training
    for k, row in enumerate(result.rows):
        reached = math.isfinite(row.presentations)
        colour = "black" if k == 0 else "tab:grey"
        if reached:
            ax.semilogx(max(row.presentations, 1), k, "o", ms=5, color=colour)
        else:
            ax.semilogx(most, k, ">", ms=6, color="tab:red", fillstyle="none")
    if math.isfinite(result.rows[0].presentations):
        ax.axvline(max(result.rows[0].presentations, 1), color="black", lw=0.8, ls=":")
    low, high = ax.get_xlim()
    ax.set(xscale="log", xlim=(min(low, most / 10), max(high, 1.3 * most)))
    ax.set_xlabel(f"presentations to a validation error of {100 * result.level:.2g} %")
    ax.set_title("open triangle: not reached", fontsize="small")
    plain_ticks(ax.xaxis)
