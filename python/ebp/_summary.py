"""The table that `Network.summary` shows."""

from __future__ import annotations

from collections.abc import Sequence

from ebp.layers import Dense


def summary_table(n_inputs: int, layers: Sequence[Dense]) -> str:
    """One line a layer with its outputs, parameters and connections, and a line of totals."""
    rows = [("layer", "outputs", "parameters", "connections")]
    width, parameters, connections = n_inputs, 0, 0
    for number, layer in enumerate(layers):
        name = f"{number} {type(layer).__name__} {layer.activation}"
        of_layer = layer.n_parameters(width), layer.n_connections(width)
        rows.append((name, f"{layer.units:,}", f"{of_layer[0]:,}", f"{of_layer[1]:,}"))
        parameters, connections, width = parameters + of_layer[0], connections + of_layer[1], layer.units
    rows.append(("total", "", f"{parameters:,}", f"{connections:,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )
