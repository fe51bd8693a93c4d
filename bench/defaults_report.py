"""Tables of the comparison of defaults, from its result alone. Scores are accuracy or R^2 times 100."""

from __future__ import annotations

import math
from collections.abc import Sequence

import machine
import numpy as np
from ebp.tricks import Interval
from report import table
from suite import CLASSIFICATION, REGRESSION

SCORES = {CLASSIFICATION: "accuracy", REGRESSION: "R^2"}
BEST = "adam, best rate"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95 % confidence interval (Student); NaN for a single value.

    Examples
    --------
    >>> mean, half = interval([1.0, 2.0, 3.0])
    >>> round(mean, 3), round(half, 3)
    (2.0, 2.484)
    """
    found = Interval.of(values)
    return found.mean, found.half_width


class Scores:
    """The measurements of one task: `score[name]` and `seconds[name]` are (sets, seeds); scores times 100.

    `adam, best rate` is Adam at the rate that does best on the test parts of a set, on average over its
    splits: the hardest choice to compete with. `rates` tells which one for every set.
    """

    def __init__(self, result: dict, task: str) -> None:
        self.sets = [name for name, kind in result["tasks"].items() if kind == task]
        self.score: dict[str, np.ndarray] = {}
        self.seconds: dict[str, np.ndarray] = {}
        self.warned: dict[str, int] = {}
        self.rates: list[str] = []
        found = [result["found"][name] for name in self.sets]
        for name in found[0] if found else []:
            runs = [fits[name] for fits in found]
            if not all(run for fits in runs for run in fits):
                continue  # a variation that is not for this task
            self.score[name] = 100 * np.array([[run["score"] for run in fits] for fits in runs])
            self.seconds[name] = np.array([[run["seconds"] for run in fits] for fits in runs])
            self.warned[name] = sum(run["warned"] for fits in runs for run in fits)
        self._add_best(sorted((n for n in self.score if n.startswith("adam ")), key=lambda n: float(n[5:])))

    def _add_best(self, grid: list[str]) -> None:
        if not grid:
            return
        best = np.array([self.score[name].mean(axis=1) for name in grid]).argmax(axis=0)
        self.rates = [grid[k].removeprefix("adam ") for k in best]
        for values in (self.score, self.seconds):
            values[BEST] = np.array([values[grid[k]][i] for i, k in enumerate(best)])

    def ahead(self, name: str, other: str) -> tuple[float, float]:
        """Mean over sets of how far `name` is ahead of `other`, and the interval's half width over seeds."""
        return interval((self.score[name] - self.score[other]).mean(axis=0))


def comparison(scores: Scores, task: str, peers: list[str]) -> str:
    """Sets by contestants: mean scores over the seeds, and the CPU seconds of the fits."""
    head = [task, *(f"{name}, {SCORES[task]}" for name in peers), *(f"{name}, s" for name in peers)]
    rows = []
    for i, data in enumerate(scores.sets):
        cells = [f"{scores.score[name][i].mean():.2f}" for name in peers]
        if BEST in peers:
            cells[peers.index(BEST)] += f" ({scores.rates[i]})"
        rows.append([data, *cells, *(f"{scores.seconds[name][i].mean():.3f}" for name in peers)])
    means = [f"**{scores.score[name].mean():.2f}**" for name in peers]
    sums = [f"**{scores.seconds[name].mean(axis=1).sum():.2f}**" for name in peers]
    return table(head, [*rows, ["**mean, sum**", *means, *sums]])


def summary(scores: Scores, task: str, peers: list[str]) -> str:
    """How far ebp is ahead of each peer, on how many sets, and the share of its time."""
    rows = []
    for peer in peers[1:]:
        gaps = (scores.score["ebp"] - scores.score[peer]).mean(axis=1)
        wins, losses = int((gaps > 0).sum()), int((gaps < 0).sum())
        share = f"{scores.seconds['ebp'].sum() / scores.seconds[peer].sum():.2f}"
        rows.append(
            [peer, _signed(scores.ahead("ebp", peer)), f"{wins}-{len(gaps) - wins - losses}-{losses}", share]
        )
    head = [f"ebp against, {task}", f"{SCORES[task]}, ahead by", "sets won-even-lost", "time ebp / it"]
    return table(head, rows)


def variations(scores: dict[str, Scores], names: list[str]) -> str:
    """What each variation of ebp changes, in each task."""
    head = ["ebp with"]
    for task in scores:
        head += [SCORES[task], "difference", "sets better-worse", "time", "warnings"]
    rows = []
    for name in ["ebp", *names]:
        row = ["nothing set" if name == "ebp" else name.replace("|", "\\|")]
        for found in scores.values():
            row += _variation(found, name)
        rows.append(row)
    return table(head, rows)


def _variation(found: Scores, name: str) -> list[str]:
    if name not in found.score:
        return ["-"] * 5
    gaps = (found.score[name] - found.score["ebp"]).mean(axis=1)
    share = found.seconds[name].sum() / found.seconds["ebp"].sum()
    return [
        f"{found.score[name].mean():.2f}",
        _signed(found.ahead(name, "ebp")),
        f"{(gaps > 0).sum()}-{(gaps < 0).sum()}",
        f"{share:.2f}",
        str(found.warned[name]),
    ]


def _signed(found: tuple[float, float]) -> str:
    mean, half = found
    return f"{mean:+.2f}" + ("" if math.isnan(half) else f" ± {half:.2f}")


def text(result: dict) -> str:
    """The whole report in Markdown."""
    settings = result["settings"]
    tasks = {task: Scores(result, task) for task in SCORES if task in result["tasks"].values()}
    parts = [
        "# Defaults",
        machine.describe(result["machine"]),
        f"Means over {settings['seeds']} splits of each set; scores times 100; CPU seconds of `fit` on one "
        "thread, the contestants one after the other on each split. sklearn and adam are scikit-learn's MLP "
        "with standardised inputs and, in regression, targets; adam has the best rate on the test parts of "
        f"{', '.join(f'{rate:g}' for rate in settings['rates'])}. ± is the 95 % interval of the mean "
        "difference over the splits.",
    ]
    for task, scores in tasks.items():
        peers = ["ebp", *(name for name in ("sklearn", "sklearn-raw", BEST) if name in scores.score)]
        parts += [comparison(scores, task, peers)]
        parts += [summary(scores, task, peers)] if len(peers) > 1 else []
    if settings["vary"]:
        parts.append(variations(tasks, list(settings["vary"])))
    return "\n\n".join(parts) + "\n"
