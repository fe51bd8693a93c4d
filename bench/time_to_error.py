"""Seconds of training until a test error is reached: 784-300-10 on all of MNIST, one core.

    EBP_DATA_DIR=DIR python bench/time_to_error.py --out error.png              # minutes
    EBP_DATA_DIR=DIR python bench/time_to_error.py --full --json error.json     # half an hour a seed

recipe     ebp by the paper: one update a sample by SDLM with one rate a unit, scaled tanh, squared error; the
           global rate 5e-4 falls linearly to 0 over the passes, mu is 0.02. Both engines; nothing is chosen.
defaults   ebp's classifier with nothing set but the hidden units and the passes; it scales the pixels itself.
relu       ebp with PyTorch's network and loss: one update a sample by SGD, for every rate of a grid, falling.
torch      PyTorch: mini-batch Adam, rectified linear units, cross-entropy, for every batch and rate of a
           grid, at a constant rate and at one that falls linearly to 0 over the passes.

All see the same scaled pixels, 60,000 to train and 10,000 to test. Of a grid, the best is chosen for each
error by the test error itself, which nobody could do beforehand: that favours "torch", whose grid is the
largest, and "relu". They take turns, one pass at a time ("defaults" a whole training), on one core with one
thread; seconds are those of training alone. Where the rate falls, the number of passes matters; each of
--passes is a training of its own.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import common
import machine
import report
from tqdm import tqdm

os.environ.update(common.ONE_THREAD)  # before a numeric library is loaded

import error_courses
from error_courses import Course, Step
from experiments.experiment import new_figure, save

LEVELS = (4.0, 3.0, 2.5, 2.0)
PASSES, BATCHES, RATES = (4,), (64, 256), (1e-3, 3e-3)
FULL_PASSES, FULL_BATCHES, FULL_RATES = (6, 20), (32, 64, 128, 256, 512), (3e-4, 1e-3, 3e-3)
RELU_RATES, FULL_RELU_RATES = (5e-3,), (2.5e-3, 5e-3, 1e-2)
PROGRAMS = ("recipe", "defaults", "relu", "torch")
GRIDS = ("relu", "torch")  # of which the best are shown


def contestants(options) -> dict[str, tuple[str, Course]]:
    """{name: (program, course)}."""
    found: dict[str, tuple[str, Course]] = {}
    for passes in options.passes:
        for name, (program, course) in _of(options, passes).items():
            if program in options.programs:
                found[f"{name}, {passes} passes"] = program, course
    return found


def _of(options, passes: int) -> dict[str, tuple[str, Course]]:
    """Everybody with so many passes; a constant rate needs only the longest training."""
    found = {
        f"ebp, recipe, {engine}": ("recipe", error_courses.recipe(passes, engine))
        for engine in ("streaming", "blocked")
    }
    found["ebp, defaults"] = "defaults", error_courses.defaults(passes)
    for rate in options.relu_rates:
        found[f"ebp, relu, rate {rate:g}"] = "relu", error_courses.rectified(passes, rate)
    for batch, rate, falls in product(options.batches, options.rates, (False, True)):
        if falls or passes == max(options.passes):
            name = f"Adam, batch {batch}, rate {rate:g}{' falling' if falls else ''}"
            found[name] = "torch", error_courses.adam(passes, batch, rate, falls)
    return found


def interleave(courses: dict[str, Iterable[Step]], bar) -> dict[str, list[Step]]:
    """All steps of all courses, which take turns."""
    running, found = {name: iter(course) for name, course in courses.items()}, {name: [] for name in courses}
    while running:
        for name in list(running):
            bar.set_postfix_str(name, refresh=False)
            step = next(running[name], None)
            if step is None:
                del running[name]
            else:
                found[name].append(step)
                bar.update()
    return found


def seconds_to(steps: list[dict], level: float) -> float | None:
    """Seconds of training until the error after a pass is at or below the level; None if it never is."""
    seconds = 0.0
    for step in steps:
        seconds += step["seconds"]
        if step["error"] <= level:
            return seconds
    return None


def measure(options) -> dict:
    """All courses, ready for JSON."""
    digits = error_courses.load(options.data_dir, options.digits)
    entries, by_seed = contestants(options), []
    with tqdm(total=_n_passes(entries) * len(options.seeds), unit="pass", disable=options.quiet) as bar:
        for seed in options.seeds:
            courses = {name: course(digits, seed) for name, (_, course) in entries.items()}
            by_seed.append(interleave(courses, bar))
    steps = [step for found in by_seed for course in found.values() for step in course]
    cpu, wall = sum(step.cpu_seconds for step in steps), sum(step.seconds for step in steps)
    return {
        "machine": machine.facts(),
        "settings": {
            "seeds": options.seeds,
            "passes": options.passes,
            "batches": options.batches,
            "rates": options.rates,
            "relu_rates": options.relu_rates,
            "cpus": options.cpus,
            "digits": len(digits.y),
        },
        "core_share": cpu / wall,
        "courses": {
            name: {"program": program, "seeds": [[asdict(step) for step in found[name]] for found in by_seed]}
            for name, (program, _) in entries.items()
        },
    }


def _n_passes(entries: Iterable[str]) -> int:
    return sum(int(name.split()[-2]) for name in entries)


def summarise(found: dict) -> None:
    """Add the seconds of each course to each level, median over the seeds, and the fastest by program."""
    for course in found["courses"].values():
        course["seconds"] = {}
        for level in LEVELS:
            reached = [seconds_to(steps, level) for steps in course["seeds"]]
            median = statistics.median(math.inf if one is None else one for one in reached)
            course["seconds"][f"{level:g}"] = None if math.isinf(median) else median
    found["fastest"] = {}
    for program in PROGRAMS:
        named = {n: c for n, c in found["courses"].items() if c["program"] == program}
        for level in (f"{level:g}" for level in LEVELS):
            times = {n: c["seconds"][level] for n, c in named.items() if c["seconds"][level] is not None}
            best = min(times, key=times.__getitem__, default=None)
            found["fastest"].setdefault(program, {})[level] = best


def ratio(found: dict, program: str, level: str) -> dict | None:
    """Seconds of PyTorch's fastest course over a program's, seed by seed; None if one never gets there."""
    names = [found["fastest"][one][level] for one in ("torch", program)]
    if None in names:
        return None
    times = [[seconds_to(steps, float(level)) for steps in found["courses"][n]["seeds"]] for n in names]
    pairs = [(a, b) for a, b in zip(*times, strict=True) if a is not None and b is not None]
    return report.ratio(*map(list, zip(*pairs, strict=True)))


# The report


def text(found: dict) -> str:
    """What was measured, in Markdown."""
    levels = [f"{level:g}" for level in LEVELS]
    rows = []
    for name in shown(found):
        seconds = found["courses"][name]["seconds"]
        cells = ["-" if seconds[level] is None else f"{seconds[level]:.1f}" for level in levels]
        rows.append([name, *cells, f"{_end(found, name):.2f}"])
    for program in PROGRAMS[:-1]:
        quotients = [ratio(found, program, level) for level in levels]
        if any(quotients):
            cells = ["-" if one is None else report.range_of(one) for one in quotients]
            rows.append([f"fastest PyTorch / fastest {program}", *cells, ""])
    head = ["seconds to a test error of", *(f"{level} %" for level in levels), "error at the end, %"]
    settings = found["settings"]
    n_adam = sum(course["program"] == "torch" for course in found["courses"].values())
    parts = [
        "# Time to a test error, MNIST, 784-300-10",
        machine.describe(found["machine"]),
        f"One core, one thread, {settings['digits']:,} digits to train, seeds {settings['seeds']}, medians. "
        f"Of {n_adam} trainings by PyTorch those are shown that are the fastest to some error or the best in "
        "the end; they are chosen by the test error.",
        report.table(head, rows),
    ]
    parts += report.disturbed(found["core_share"], "training")
    return "\n\n".join(parts) + "\n"


def shown(found: dict) -> list[str]:
    """Courses without a grid, and of a grid the fastest to each level and the best in the end."""
    best = set()
    for program in GRIDS:
        names = [name for name, course in found["courses"].items() if course["program"] == program]
        best |= {*found["fastest"][program].values(), min(names, key=lambda n: _end(found, n), default=None)}
    return [n for n, course in found["courses"].items() if course["program"] not in GRIDS or n in best]


def _end(found: dict, name: str) -> float:
    return statistics.median(steps[-1]["error"] for steps in found["courses"][name]["seeds"])


def draw(found: dict) -> Any:
    """Test errors of the first seed over seconds of training; what the table shows is bold."""
    figure = new_figure((8.5, 5.5), "Test error over seconds of training, MNIST, 784-300-10, one core")
    ax, bold = figure.subplots(), shown(found)
    colours = dict(zip(PROGRAMS, ("tab:blue", "tab:green", "tab:purple", "tab:red"), strict=True))
    styles = dict.fromkeys(colours, 0)
    for name, course in found["courses"].items():
        steps, program = course["seeds"][0], course["program"]
        seconds = [sum(step["seconds"] for step in steps[: k + 1]) for k in range(len(steps))]
        style: dict[str, Any] = {"lw": 0.6, "alpha": 0.35}
        if name in bold:
            dash = ("-", "--", "-.", ":")[styles[program] % 4]
            style = {"lw": 1.8, "label": name, "ls": dash, "marker": "o", "ms": 3, "zorder": 3}
            styles[program] += 1
        ax.plot(seconds, [step["error"] for step in steps], color=colours[program], **style)
    for level in LEVELS:
        ax.axhline(level, color="grey", lw=0.6, ls="--")
    ax.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel="test error [%]")
    ax.set_ylim(top=min(10, ax.get_ylim()[1]))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=7, handlelength=3.5)
    return figure


def parse(arguments=None) -> argparse.Namespace:
    parser = common.parser(__doc__)
    parser.add_argument("--data-dir", default=os.environ.get("EBP_DATA_DIR"), help="folder with mnist/")
    parser.add_argument("--full", action="store_true", help="the whole grid, and long trainings")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), metavar="NAME")
    parser.add_argument("--passes", nargs="+", type=int, metavar="N", help="of each training")
    parser.add_argument("--batches", nargs="+", type=int, metavar="N", help="PyTorch's grid")
    parser.add_argument("--rates", nargs="+", type=float, metavar="RATE", help="PyTorch's grid")
    parser.add_argument("--relu-rates", nargs="+", type=float, metavar="RATE", help="ebp's grid")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="N", help="(default: 0)")
    parser.add_argument("--digits", type=int, metavar="N", help="only the first N, for a trial")
    common.add_cpus(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="of the picture; default: a temporary one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    options.passes = options.passes or list(FULL_PASSES if options.full else PASSES)
    options.batches = options.batches or list(FULL_BATCHES if options.full else BATCHES)
    options.rates = options.rates or list(FULL_RATES if options.full else RATES)
    options.relu_rates = options.relu_rates or list(FULL_RELU_RATES if options.full else RELU_RATES)
    if min(*options.passes, *options.batches) < 1:
        parser.error(f"--passes and --batches must be at least 1; got {options.passes}, {options.batches}")
    return options


def main(arguments=None) -> int:
    options = parse(arguments)
    common.pin(options.cpus[0])
    found = measure(options)
    summarise(found)
    print(text(found))
    save(draw(found), options.out, "time_to_error")
    common.write_json(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
