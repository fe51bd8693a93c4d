"""The tables that `ebp.diagnose` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from . import _advice

WIDTH = 110

INPUT_ROWS = (
    ("largest |mean| / std", "largest_mean_over_std"),
    ("largest std / smallest std", "std_ratio"),
    ("largest eigenvalue of the covariance", "lambda_max_covariance"),
    ("condition number of the covariance", "condition_covariance"),
    ("largest eigenvalue with bias (29)", "lambda_max_with_bias"),
    ("condition number with bias (29)", "condition_with_bias"),
)
LAYER_COLUMNS = ("layer", "units", "std of total input", "saturated", "stuck units", "mean curvature")


def diagnosis_text(values: dict[str, Any]) -> str:
    """The whole report."""
    inputs, notes = input_rows(values)
    parts = [
        head(values),
        "\n".join([_table(inputs), *notes]),
        "\n".join([hessian_head(values), _table(hessian_rows(values), left=(0, 2))]),
        _table(layer_rows(values)),
        _recipe(values),
    ]
    return "\n\n".join(parts)


def head(values: dict[str, Any]) -> str:
    """What was looked at, in a line."""
    data = values["data"]
    numbers = [(data["n_classes"], "classes"), (data["n_labels"], "labels")]
    classes = "".join(f", {count} {noun}" for count, noun in numbers if count is not None)
    return (
        f"{values['estimator']}: {values['task']}, {data['n_samples']:,} samples, "
        f"{data['n_features']:,} columns{classes}"
    )


def input_rows(values: dict[str, Any]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Conditioning before and after normalisation, headings first, and what there is to remark."""
    inputs = values["inputs"]
    raw, normalised = inputs["raw"], inputs["normalised"]
    rows: list[tuple[str, ...]] = [("inputs", "raw", str(inputs["normalizer"] or "not normalised"))]
    rows += [(label, number(raw[key]), number(normalised[key])) for label, key in INPUT_ROWS]
    notes = []
    if inputs["n_constant"]:
        notes.append(f"{inputs['n_constant']} constant columns are left out")
    if normalised["n_zero_covariance"]:
        notes.append(f"{normalised['n_zero_covariance']} directions without variance are left out")
    if inputs["n_rows"] < values["data"]["n_samples"]:
        notes.append(f"measured on {inputs['n_rows']:,} samples")
    return rows, notes


def hessian_head(values: dict[str, Any]) -> str:
    """Which Hessian it is."""
    hessian = values["hessian"]
    return (
        f"Hessian of the mean loss: {hessian['n_parameters']:,} parameters, "
        f"{hessian['n_samples']:,} samples, {hessian['method']}"
    )


def hessian_rows(values: dict[str, Any]) -> list[tuple[str, ...]]:
    """Eigenvalues, rates and time constants, each with what it means."""
    hessian, n = values["hessian"], values["data"]["n_samples"]
    rows: list[tuple[str, ...]] = [("lambda_max", number(hessian["lambda_max"]), "")]
    if hessian["lambda_min"] is None:
        rows.append(
            (f"lambda_{hessian['n_eigenvalues']}", number(hessian["smallest_known"]), "no smaller ones known")
        )
    else:
        counts = f"{hessian['n_negative']} negative, {hessian['n_zero']} zero"
        if hessian["n_negative"]:
            counts += ": not near a minimum"
        rows.append(("lambda_min", number(hessian["lambda_min"]), counts))
        rows.append(("smallest positive", number(hessian["smallest_positive"]), ""))
    rows.append(("eta_opt = 1/lambda_max", number(hessian["eta_opt"]), "one rate for all weights (39)"))
    rows.append(("eta_max = 2/lambda_max", number(hessian["eta_max"]), "batch learning diverges beyond (38)"))
    constants = hessian["time_constants"] or {}
    names = {"eigenvalue_10": "tenth largest eigenvalue", "median": "median", "slowest": "slowest"}
    for key, label in names.items():
        if constants.get(key) is not None:
            epochs = constants[key]
            meaning = f"epochs of batch, {number(epochs / n)} of online learning"
            rows.append((f"time constant, {label}", number(epochs), meaning))
    return rows


def layer_rows(values: dict[str, Any]) -> list[tuple[str, ...]]:
    """The state of every layer, headings first."""
    rows: list[tuple[str, ...]] = [LAYER_COLUMNS]
    for one in values["layers"]:
        share = "-" if one["saturated"] is None else f"{one['saturated']:.1%}"
        stuck = "-" if one["n_stuck"] is None else str(one["n_stuck"])
        rows.append(
            (
                one["layer"],
                f"{one['n_units']:,}",
                number(one["total_input_std"]),
                share,
                stuck,
                number(one["mean_curvature"]),
            )
        )
    return rows


def _recipe(values: dict[str, Any]) -> str:
    lines = ["recipe (sections of LeCun, Bottou, Orr and Müller 1998; ! asks for something)"]
    for line in _advice.lines(values["advice"]):
        lines += textwrap.wrap(line, WIDTH, subsequent_indent=" " * 20, drop_whitespace=True) or [""]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three digits, "-" for None."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _table(rows: Sequence[tuple[str, ...]], left: tuple[int, ...] = (0,)) -> str:
    """Columns side by side, those in `left` aligned to the left."""
    return "\n".join(_aligned(rows, left))


def _aligned(rows: Sequence[tuple[str, ...]], left: tuple[int, ...]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
