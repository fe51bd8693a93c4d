"""Summaries and tables of what a benchmark measured, from its result alone."""

from __future__ import annotations

import statistics

import machine


def spread(values: list[float]) -> dict:
    """Median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(above: list[float], below: list[float]) -> dict:
    """Of what was measured round by round."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def summarise(result: dict) -> None:
    """Add medians, and ratios of speeds formed round by round, to the result in place.

    "ratios" are own / peer, "relative" is own / our first, "speed-up" is more threads / one.
    """
    names = result["own"]
    for found in result["tasks"].values():
        rounds = found["rounds"]
        if result["unit"] == "ms":
            found["milliseconds"] = {n: spread([1e3 / v for v in values]) for n, values in rounds.items()}
        else:
            found["samples_per_second"] = {name: spread(values) for name, values in rounds.items()}
        found["ratios"] = {
            own: {peer: ratio(rounds[own], values) for peer, values in rounds.items() if peer not in names}
            for own in names
            if own in rounds
        }
        first = rounds.get(names[0])
        found["relative"] = {n: ratio(rounds[n], first) for n in names[1:] if first and n in rounds}
        found["speed-up"] = {
            name: ratio(values, rounds[alone])
            for name, values in rounds.items()
            if (alone := name.removesuffix(f"-{found['threads'][name]}t")) != name and alone in rounds
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
    """Task by peer: how many times as many samples per second `own` trains, with as many threads."""

    ratios = {}
    for task, found in result["tasks"].items():
        threads, row = found["threads"], found["ratios"].get(own, {})
        ratios[task] = {peer: values for peer, values in row.items() if threads[peer] == threads[own]}
    return _spreads(result, f"{own} / peer", ratios)


def _kind_table(result: dict, head: str, kind: str) -> str:
    """Ratios that were summarised under the name `kind`."""
    return _spreads(result, head, {task: found[kind] for task, found in result["tasks"].items()})


def _spreads(result: dict, head: str, found: dict) -> str:
    """Medians and ranges by task and name; empty where there are none."""
    names = [name for name in _measured(result) if any(name in row for row in found.values())]
    rows = []
    for task, row in found.items():
        if row:
            cells = [range_of(row[name]) if name in row else "-" for name in names]
            rows.append([f"{task} {result['tasks'][task]['label']}", *cells])
    return table([head, *names], rows) if rows else ""


def range_of(values: dict) -> str:
    """A ratio with its range."""
    return f"{values['median']:.2f} ({values['min']:.2f}-{values['max']:.2f})"


def speed_table(result: dict) -> str:
    """Task by peer: median samples per second."""
    names = _measured(result)
    rows = []
    for task, found in result["tasks"].items():
        speeds = [found["samples_per_second"].get(name) for name in names]
        rows.append([f"{task} {found['label']}", *(f"{s['median']:,.0f}" if s else "-" for s in speeds)])
    return table(["samples/s", *names], rows)


def _cell(values: dict) -> str:
    return f"{values['median']:.3g} ({values['min']:.3g}-{values['max']:.3g})"


def time_table(result: dict) -> str:
    """A line for each task and who did it; `own` names stand before how many times as fast they are."""
    rows = []
    for task, found in result["tasks"].items():
        for name, time in found["milliseconds"].items():
            ratios = {own: peers[name] for own, peers in found["ratios"].items() if name in peers}
            figures = [f"{what} {value:.6g}" for what, value in found["figures"][name].items()]
            rows.append(
                [
                    f"{task} {found['label']}",
                    name,
                    _cell(time),
                    ", ".join(f"{own} {_cell(values)}" for own, values in ratios.items()) or "-",
                    ", ".join(figures) or "-",
                    f"{found['differences'][name]:.1e}",
                ]
            )
    return table(["task", "by", "ms", "ratio own / it", "answer", "difference"], rows)


def disturbed(share: float, who: str) -> list[str]:
    """A line that says so where somebody had less than his share of the processor; else none."""
    return [f"**Disturbed:** {who} had only {share:.0%} of the processor."] if share < 0.97 else []


def text(result: dict) -> str:
    """The whole report in Markdown."""
    settings = result["settings"]
    parts = [
        f"# {result['title']}",
        machine.describe(result["machine"]),
        f"One thread and one core, unless a name ends in more (-2t). Ratio of speeds: median of "
        f"{settings['repeats']} rounds (lowest-highest); a round times every peer once, one after the other. "
        "Compare ratios of one run only.",
    ]
    if result["unit"] == "ms":
        parts.append(time_table(result))
    elif result["tasks"]:
        parts += [table for own in result["leading"] if (table := ratio_table(result, own))]
        more = ("own / " + result["own"][0], "relative"), ("threads / one thread", "speed-up")
        parts += [table for head, kind in more if (table := _kind_table(result, head, kind))]
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
    parts += disturbed(result["least_core_share"], "a peer once")
    return "\n\n".join(parts) + "\n"
