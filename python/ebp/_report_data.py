"""The parts of the page of `ebp.report` that need data: predictions, spectrum and diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import (
    confusion_matrix,
    mean_absolute_error,
    multilabel_confusion_matrix,
    r2_score,
    root_mean_squared_error,
)

from . import _diagnosis_text
from . import _report_html as html
from ._diagnosis_text import number
from ._report_html import Markup, Section
from ._report_pictures import draw_predictions, picture
from .diagnosis import Diagnosis
from .plotting import SpectrumDisplay

MAX_CLASSES = 30  # of a confusion matrix that is shown whole
MOST_CONFUSED = 20
MAX_POINTS = 1000  # of a scatter plot
SHADE = 0.5  # of a full cell, light enough for its number to be read on any ground


def predictions(estimator: Any, X: Any, y: Any) -> Section:
    """How well the model predicts the data."""
    y = np.asarray(y.toarray() if issparse(y) else y)
    predicted = estimator.predict(X)
    if not hasattr(estimator, "classes_"):
        return _regression(y.reshape(len(y), -1), predicted.reshape(len(y), -1))
    if estimator.multilabel_:
        return _label_sets(estimator.classes_, y, predicted)
    return _classes(estimator.classes_, y.ravel(), predicted)


def _classes(classes: np.ndarray, y: np.ndarray, predicted: np.ndarray) -> Section:
    counts = confusion_matrix(y, predicted, labels=classes)
    names = [str(label) for label in classes.tolist()]
    right = int(np.trace(counts))
    parts = [html.tag("p", f"{right:,} of {len(y):,} samples right: accuracy {right / len(y):.4f}.")]
    if len(names) <= MAX_CLASSES:
        parts.append(_matrix(names, counts))
    else:
        parts.append(_most_confused(names, counts))
    ratios = [
        (name, f"{true:,}", _ratio(hits, found), _ratio(hits, true))
        for name, true, found, hits in zip(
            names, counts.sum(axis=1), counts.sum(axis=0), np.diag(counts), strict=True
        )
    ]
    parts.append(html.table(("class", "samples", "precision", "recall"), ratios))
    return html.section("confusion", "Confusion matrix", *parts)


def _matrix(names: Sequence[str], counts: np.ndarray) -> Markup:
    """Numbers of samples, a row a true class, shaded by their part of the row."""
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    rows = [
        (name, *(_cell(int(count), float(share), k == j) for j, (count, share) in enumerate(pairs)))
        for k, (name, pairs) in enumerate(
            zip(names, (zip(*rows, strict=True) for rows in zip(counts, shares, strict=True)), strict=True)
        )
    ]
    text = "Rows: true class. Columns: predicted class. Blue: right; red: wrong; the darker, the more."
    return html.join(html.tag("p", text), html.table(("", *names), rows, class_="matrix"))


def _cell(count: int, share: float, right: bool) -> Markup:
    colour = "31, 119, 180" if right else "214, 39, 40"
    # Few errors are what one looks for: their colour grows like the square root of their share.
    alpha = SHADE * (share if right else share**0.5)
    style = f"background: rgba({colour}, {alpha:.2f})" if count else None
    return html.tag("td", f"{count:,}", style=style)


def _most_confused(names: Sequence[str], counts: np.ndarray) -> Markup:
    errors = counts - np.diag(np.diag(counts))
    order = np.argsort(-errors, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = [divmod(int(place), len(names)) for place in order]
    rows = [(names[i], names[j], f"{errors[i, j]:,}") for i, j in pairs if errors[i, j]]
    text = f"The most frequent errors; the matrix is shown whole for up to {MAX_CLASSES} classes."
    head = ("true class", "predicted class", "samples")
    return html.join(html.tag("p", text), html.table(head, rows, left=(0, 1)))


def _label_sets(classes: np.ndarray, y: np.ndarray, predicted: np.ndarray) -> Section:
    tables = multilabel_confusion_matrix(y, predicted)
    rows = [
        (str(label), *(f"{count:,}" for count in (tp, fn, fp, tn)), _ratio(tp, tp + fp), _ratio(tp, tp + fn))
        for label, ((tn, fp), (fn, tp)) in zip(classes.tolist(), tables.tolist(), strict=True)
    ]
    head = ("label", "found", "missed", "false", "rightly absent", "precision", "recall")
    exact = float(np.mean((predicted == y).all(axis=1)))
    text = f"All labels right for {exact:.2%} of {len(y):,} samples."
    return html.section("confusion", "Confusion matrices", html.tag("p", text), html.table(head, rows))


def _ratio(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def _regression(y: np.ndarray, predicted: np.ndarray) -> Section:
    rows = []
    for k in range(y.shape[1]):
        true, found = y[:, k], predicted[:, k]
        varies = len(true) > 1 and true.min() < true.max()
        errors = root_mean_squared_error(true, found), mean_absolute_error(true, found), float(np.std(true))
        rows.append((str(k), f"{r2_score(true, found):.4f}" if varies else "-", *map(number, errors)))
    head = ("output", "R²", "root mean squared error", "mean absolute error", "standard deviation")
    # Evenly spread over the data, not drawn: the same page for the same data.
    some = np.linspace(0, len(y) - 1, min(len(y), MAX_POINTS)).round().astype(int)
    text = f"{len(y):,} samples" + (f", of which {len(some):,} are drawn." if len(some) < len(y) else ".")
    drawing = picture(
        "predictions",
        "Predicted over true values",
        lambda ax: draw_predictions(ax, y[some], predicted[some]),
    )
    return html.section("predictions", "Predictions", html.tag("p", text), html.table(head, rows), drawing)


def spectrum(eigenvalues: np.ndarray, n_parameters: int, n_samples: int) -> Section:
    """Eigenvalues of the Hessian, as a picture and as numbers."""
    display = SpectrumDisplay(eigenvalues=eigenvalues, n_parameters=n_parameters)
    known = [
        ("largest", display.lambda_max),
        ("smallest known" if len(eigenvalues) < n_parameters else "smallest", float(eigenvalues[0])),
        ("1 / largest, the best single rate of batch learning (39)", display.learning_rate),
        ("condition number, without zeros", display.condition_number),
    ]
    rows = [(name, number(value)) for name, value in known if value is not None]
    rows += [
        ("eigenvalues known", f"{len(eigenvalues):,} of {n_parameters:,}"),
        ("samples looked at", f"{n_samples:,}"),
    ]
    drawing = picture("spectrum", "Eigenvalues of the Hessian by rank", lambda ax: display.plot(ax))
    return html.section("spectrum", "Spectrum of the Hessian", drawing, html.table((), rows))


def diagnosis(found: Diagnosis) -> Section:
    """What `ebp.diagnose` prints, as tables."""
    values = found.to_dict()
    (head, *rows), notes = _diagnosis_text.input_rows(values)
    layer_head, *layer_rows = _diagnosis_text.layer_rows(values)
    recipe = [
        (
            f"{one['step']}, {one['section']}",
            html.tag("td", "ok" if one["ok"] else "to do", class_="left" if one["ok"] else "left asks"),
            html.tag("td", one["text"], class_="left long"),
        )
        for one in values["advice"]
    ]
    return html.section(
        "diagnosis",
        "Diagnosis",
        html.tag("p", _diagnosis_text.head(values)),
        html.tag("h3", "Recipe"),
        html.table(("step, section", "", "found"), recipe, left=(0, 1, 2)),
        html.tag("h3", "Inputs"),
        html.table(head, rows),
        [html.tag("p", note) for note in notes],
        html.tag("h3", "Hessian"),
        html.tag("p", _diagnosis_text.hessian_head(values)),
        html.table((), _diagnosis_text.hessian_rows(values), left=(0, 2)),
        html.tag("h3", "Layers"),
        html.table(layer_head, layer_rows),
    )
