"""Summaries and tables of what a benchmark measured, from its result alone."""

from __future__ import annotations

import statistics

import machine


def spread(values: list[float]) -> dict:
    """Median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(result: dict) -> None:
    """Add medians, and the ratios own / peer of speeds formed round by round, to the result in place."""
    names = result["own"]
    for found in result["tasks"].values():
        rounds = found["rounds"]
        if result["unit"] == "ms":
            found["milliseconds"] = {n: spread([1e3 / v for v in values]) for n, values in rounds.items()}
        else:
            found["samples_per_second"] = {name: spread(values) for name, values in rounds.items()}
        found["ratios"] = {
            own: {
                peer: spread([a / b for a, b in zip(rounds[own], values, strict=True)])
                for peer, values in rounds.items()
                if peer not in names
            }
            for own in names
            if own in rounds
        }


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that is also readable as plain text."""
    widths = [max(len(row[c]) for row in [head, *rows]) for c in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, rule, *rows]
    )


def _measured(result: dict) -> list[str]:
    """Names that have figures for at least one task."""
    return list(dict.fromkeys(name for found in result["tasks"].values() for name in found["rounds"]))


def _descriptions(result: dict) -> str:
    """What each name did, on which tasks."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for task, found in result["tasks"].items():
        for name in found["rounds"]:
            tasks.setdefault((name, found["by"][name]), []).append(task)
    return "\n".join(f"- {name} ({', '.join(on)}): {what}" for (name, what), on in tasks.items())


def ratio_table(result: dict, own: str) -> str:
    """Task by peer: how many times as many samples per second `own` trains; empty where nobody competes."""
    peers = [name for name in _measured(result) if name not in result["own"]]
    rows = []
    for task, found in result["tasks"].items():
        ratios = found["ratios"].get(own)
        if not ratios:
            continue
        spreads = [ratios.get(peer) for peer in peers]
        cells = [f"{r['median']:.2f} ({r['min']:.2f}-{r['max']:.2f})" if r else "-" for r in spreads]
        rows.append([f"{task} {found['label']}", *cells])
    return table([f"{own} / peer", *peers], rows) if rows else ""


def speed_table(result: dict) -> str:
    """Task by peer: median samples per second."""
    names = _measured(result)
    rows = []
    for task, found in result["tasks"].items():
        speeds = [found["samples_per_second"].get(name) for name in names]
        rows.append([f"{task} {found['label']}", *(f"{s['median']:,.0f}" if s else "-" for s in speeds)])
    return table(["samples/s", *names], rows)


def _cell(spread: dict) -> str:
    return f"{spread['median']:.3g} ({spread['min']:.3g}-{spread['max']:.3g})"


def time_table(result: dict) -> str:
    """A line for each task and who did it; `own` names stand before how many times as fast they are."""
    rows = []
    for task, found in result["tasks"].items():
        for name, time in found["milliseconds"].items():
            ratios = {own: ratio[name] for own, ratio in found["ratios"].items() if name in ratio}
            figures = [f"{what} {value:.6g}" for what, value in found["figures"][name].items()]
            rows.append(
                [
                    f"{task} {found['label']}",
                    name,
                    _cell(time),
                    ", ".join(f"{own} {_cell(ratio)}" for own, ratio in ratios.items()) or "-",
                    ", ".join(figures) or "-",
                    f"{found['differences'][name]:.1e}",
                ]
            )
    return table(["task", "by", "ms", "ratio own / it", "answer", "difference"], rows)


def text(result: dict) -> str:
    """The whole report in Markdown."""
    settings = result["settings"]
    parts = [
        f"# {result['title']}",
        machine.describe(result["machine"]),
        f"One core, one thread. Ratio of speeds: median of {settings['repeats']} rounds (lowest-highest); a "
        "round times every peer once, one after the other. Compare ratios of one run only.",
    ]
    if result["unit"] == "ms":
        parts.append(time_table(result))
    elif result["tasks"]:
        parts += [table for own in result["own"] if (table := ratio_table(result, own))]
        parts.append(speed_table(result))
    if "learn_one" in result:
        found = result["learn_one"]
        call, beyond = found["nanoseconds"], found["beyond_the_step"]
        parts.append(
            f"`learn_one` from Python, {found['label']}: {call['median']:,.0f} ns a call "
            f"({call['min']:,.0f}-{call['max']:,.0f}, batches of {found['calls']:,} calls), "
            f"{beyond['median']:,.0f} ns ({beyond['min']:,.0f}-{beyond['max']:,.0f}) more than one step of "
            "`train_online` in the same round."
        )
    parts.append(_descriptions(result))
    parts += [f"{name} {reason}" for name, reason in result["dropped"].items()]
    if result["least_core_share"] < 0.97:
        parts.append(f"**Disturbed:** a peer once had only {result['least_core_share']:.0%} of the core.")
    return "\n\n".join(parts) + "\n"
