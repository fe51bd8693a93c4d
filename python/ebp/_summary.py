"""The table that `Network.summary` shows."""

from __future__ import annotations

from collections.abc import Sequence

from ebp.layers import Layer


def summary_table(
    layers: Sequence[Layer], input_shape: tuple[int, ...], output_shapes: Sequence[tuple[int, ...]]
) -> str:
    """`summary_rows` as a text."""
    rows = summary_rows(layers, input_shape, output_shapes)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def summary_rows(
    layers: Sequence[Layer], input_shape: tuple[int, ...], output_shapes: Sequence[tuple[int, ...]]
) -> list[tuple[str, ...]]:
    """Headings, a row a layer with the shape of its output, parameters and connections, and the totals."""
    rows: list[tuple[str, ...]] = [("layer", "outputs", "parameters", "connections")]
    total = [0, 0]
    shapes = [input_shape, *output_shapes]
    for number, (layer, below, above) in enumerate(zip(layers, shapes, output_shapes, strict=False)):
        counts = layer.n_parameters(below), layer.n_connections(below)
        total = [sum(pair) for pair in zip(total, counts, strict=True)]
        rows.append(
            (f"{number} {layer._label()}", " x ".join(f"{size:,}" for size in above), *_texts(counts))
        )
    return [*rows, ("total", "", *_texts(total))]


def _texts(counts: Sequence[int]) -> tuple[str, str]:
    return f"{counts[0]:,}", f"{counts[1]:,}"
