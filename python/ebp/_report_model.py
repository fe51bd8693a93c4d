"""The parts of the page of `ebp.report` that need the model alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _report_html as html
from ._diagnosis_text import number
from ._estimator import OnlineEstimator
from ._report_html import Markup, Section
from ._report_pictures import HEIGHT, draw_rates, picture
from ._summary import summary_rows
from .network import Network
from .plotting import TrainingCurveDisplay, WeightsDisplay
from .plotting.weights import first_weights

LETTER = 0.07  # inches of a letter
MAX_CLASSES = 30  # names at the head of the page
MAX_EPOCHS = 200  # rows of the table of losses


def facts(model: Any, details: Mapping[str, Any]) -> Markup:
    """What the model is, and what the caller adds."""
    estimator = model if isinstance(model, OnlineEstimator) else None
    net: Network = model if estimator is None else estimator.network_
    sizes = (net.n_inputs, *("x".join(map(str, shape)) for shape in net.output_shapes))
    rows = [(str(name), str(value)) for name, value in details.items()]
    rows.append(("model", type(model).__name__))
    if estimator is not None:
        rows.append(("settings that differ from the defaults", " ".join(repr(estimator).split())))
    rows += [
        ("network", f"{'-'.join(map(str, sizes))}, {net.n_parameters:,} parameters, {net.dtype}"),
        ("loss", str(net.loss_function)),
    ]
    if estimator is not None:
        rows += _training_facts(estimator)
    return html.table((), rows, left=(0, 1), class_="facts")


def _training_facts(estimator: Any) -> list[tuple[str, str]]:
    classes = getattr(estimator, "classes_", None)
    kind = "labels" if getattr(estimator, "multilabel_", False) else "classes"
    normalizer = estimator.normalizer_
    rows = [
        (kind, None if classes is None else f"{len(classes)}: {_listed(classes)}"),
        ("inputs normalised by", "nothing" if normalizer is None else normalizer.method_),
        ("solver", estimator.solver_),
        ("epochs", f"{estimator.n_iter_:,}"),
        ("samples presented", f"{estimator.t_:,}"),
        ("global learning rate at the start", _known(estimator.eta_)),
        ("largest eigenvalue before training", _known(estimator.lambda_max_)),
        ("loss of the last epoch", _known(estimator.loss_)),
        ("loss of the best epoch", _known(estimator.best_loss_)),
    ]
    return [(name, text) for name, text in rows if text is not None]


def _listed(classes: np.ndarray) -> str:
    """Names of the classes, of many the first ones."""
    names = [str(name) for name in classes[:MAX_CLASSES].tolist()]
    return ", ".join(names if len(classes) <= MAX_CLASSES else [*names, "..."])


def _known(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def curves(estimator: Any) -> Section:
    """Losses, as a picture and as numbers."""
    key, title = "curves", "Training curves"
    if not len(estimator.loss_curve_):
        return html.section(key, title, html.tag("p", "None: partial_fit keeps no curve."))
    shown: list[TrainingCurveDisplay] = []

    def draw(ax: Any) -> None:
        shown.append(TrainingCurveDisplay.from_estimator(estimator, ax=ax))

    drawing = picture(key, "Loss over the epochs", draw)
    display = shown[0]
    columns = {"training loss": display.losses}
    if display.validation_losses is not None and display.validation_scores is not None:
        columns["validation loss"] = display.validation_losses
        columns["validation score"] = display.validation_scores
    every = -(-len(display.ends) // MAX_EPOCHS)
    rows = [
        (str(end), *(f"{values[row]:.4g}" for values in columns.values()))
        for row, end in enumerate(display.ends.tolist())
        if end % every == 0 or row in (0, len(display.ends) - 1)
    ]
    numbers = html.tag("details", html.tag("summary", "Numbers"), html.table((display.unit, *columns), rows))
    return html.section(key, title, drawing, numbers)


def rates(estimator: Any) -> Section:
    """Effective learning rates of the weights and biases of every layer."""
    key, title = "rates", "Learning rates per layer"
    net, values = estimator.network_, estimator.learning_rates_
    if values is None:
        text = f"The solver {estimator.solver_!r} has no learning rates."
        return html.section(key, title, html.tag("p", text))
    groups = {name: values[where] for name, where, _ in net.parameter_slices}
    groups = {name: group[group > 0] for name, group in groups.items() if (group > 0).any()}
    if not groups:
        return html.section(key, title, html.tag("p", "All of them are zero."))
    height = max(HEIGHT / 2, 1.0 + 0.25 * len(groups))
    text = (
        "Of the last update. Line: from the smallest to the largest rate; bar: the middle half; dot: the "
        "median. Layers count from 0."
    )
    rows = [
        (name, f"{len(group):,}", *(f"{rate:.3g}" for rate in np.quantile(group, [0, 0.5, 1])))
        for name, group in groups.items()
    ]
    return html.section(
        key,
        title,
        html.tag("p", text),
        picture(
            key,
            "Learning rates of every layer",
            lambda ax: draw_rates(ax, list(groups), list(groups.values())),
            height=height,
        ),
        html.table(("parameters", "number", "smallest", "median", "largest"), rows),
    )


def layers(net: Network) -> Section:
    """The table of `Network.summary`."""
    head, *rows = summary_rows(net.layers, net.input_shape, net.output_shapes)
    return html.section("layers", "Layers", html.table(head, rows))


def weights(model: Any, feature_names: Any) -> Section:
    """Weights of the first layer as images, and how large those of every layer are."""
    key, title = "weights", "Weights"
    net = model.network_ if isinstance(model, OnlineEstimator) else model
    made = WeightsDisplay._of_estimator if net is not model else WeightsDisplay._of_network
    parts = []
    try:
        first_weights(net, "report")
    except ValueError:
        parts.append(html.tag("p", "The first layer has no weights that are images."))
    else:
        display = made("report", model, feature_names=feature_names)
        below = max(map(len, display._names_on_axis()), default=0)
        text = "Of the first layer: an image for every unit or kernel, or a row where inputs are no images."
        parts.append(html.tag("p", text))
        parts.append(
            picture(
                key,
                "Weights of the first layer",
                lambda ax: display.plot(ax, interpolation="none"),
                height=1.15 * HEIGHT + LETTER * below,
            )
        )
    rows = [
        (name, " x ".join(map(str, shape)), *map(number, _moments(net.parameters[where])))
        for name, where, shape in net.parameter_slices
    ]
    head = ("parameters", "shape", "mean", "standard deviation", "smallest", "largest")
    return html.section(key, title, *parts, html.table(head, rows))


def _moments(values: np.ndarray) -> tuple[float, ...]:
    values = values.astype(np.float64)
    return float(values.mean()), float(values.std()), float(values.min()), float(values.max())
