"""Summaries and tables of what `online.py` measured."""

from __future__ import annotations

import statistics

import machine
from peers import OWN, PEERS


def _spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(result: dict) -> None:
    """Add medians, and the ratios own / peer formed round by round, to the result in place."""
    for found in result["tasks"].values():
        rounds = found["rounds"]
        found["samples_per_second"] = {name: _spread(values) for name, values in rounds.items()}
        found["ratios"] = {
            own: {
                peer: _spread([a / b for a, b in zip(rounds[own], values, strict=True)])
                for peer, values in rounds.items()
                if peer not in OWN
            }
            for own in OWN
            if own in rounds
        }


def _table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that is also readable as plain text."""
    widths = [max(len(row[c]) for row in [head, *rows]) for c in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, rule, *rows]
    )


def _measured(result: dict) -> list[str]:
    """Names that have figures for at least one task, in the order of the peers' list."""
    return [name for name in PEERS if any(name in found["rounds"] for found in result["tasks"].values())]


def _label(task: str, found: dict) -> str:
    return f"{task} {'-'.join(map(str, found['layers']))}"


def ratio_table(result: dict, own: str) -> str:
    """Task by peer: how many times as many samples per second `own` trains."""
    peers = [name for name in _measured(result) if name not in OWN]
    rows = []
    for task, found in result["tasks"].items():
        cells = []
        for peer in peers:
            ratio = found["ratios"].get(own, {}).get(peer)
            cells.append(f"{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})" if ratio else "-")
        rows.append([_label(task, found), *cells])
    return _table([f"{own} / peer", *peers], rows)


def speed_table(result: dict) -> str:
    """Task by peer: median samples per second."""
    names = _measured(result)
    rows = []
    for task, found in result["tasks"].items():
        speeds = [found["samples_per_second"].get(name) for name in names]
        rows.append([_label(task, found), *(f"{s['median']:,.0f}" if s else "-" for s in speeds)])
    return _table(["samples/s", *names], rows)


def text(result: dict) -> str:
    """The whole report in Markdown."""
    settings = result["settings"]
    parts = [
        "# Online training, one update per sample",
        machine.describe(result["machine"]),
        f"One core, one thread, float32. Ratio: median of {settings['repeats']} rounds (lowest-highest); a "
        "round times every peer once, one after the other. Compare ratios of one run only.",
    ]
    if result["tasks"]:
        parts += [ratio_table(result, own) for own in OWN if own in _measured(result)]
        parts.append(speed_table(result))
    if "learn_one" in result:
        found = result["learn_one"]["nanoseconds"]
        parts.append(
            f"`learn_one` from Python, 16-16-2: {found['median']:,.0f} ns a call "
            f"({found['min']:,.0f}-{found['max']:,.0f}, batches of {result['learn_one']['calls']:,} calls)."
        )
    parts.append("\n".join(f"- {name}: {PEERS[name].description}" for name in _measured(result)))
    if result["least_core_share"] < 0.97:
        parts.append(f"**Disturbed:** a peer once had only {result['least_core_share']:.0%} of the core.")
    return "\n\n".join(parts) + "\n"
