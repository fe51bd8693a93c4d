"""The run of a benchmark: check every peer's answer, time all in interleaved rounds, report."""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import common
import machine
import report
import worker
from common import Task

# Largest difference from float64 in units of the largest change. Float32 rounding reaches a tenth of it; a
# rate wrong by 0.1 % exceeds it (tests/test_bench.py).
TOLERANCE = 1e-4
SECONDS, QUICK_SECONDS = 0.2, 0.03


class WrongAnswer(Exception):
    """A peer's trained weights are not those of online gradient descent."""


@dataclass(frozen=True)
class Benchmark:
    """What is compared with what: `own` is always measured, `selection` is what the command line names.

    `extra(contest, result, options)` measures what is no row of the table.
    """

    title: str
    description: str
    tasks: Mapping[str, Task]
    own: tuple[str, ...]
    selection: Mapping[str, list[str]]
    extra: Callable | None = None


class Contest:
    """Each peer in a process of its own; one that fails is dropped with a message and the rest go on."""

    def __init__(self, own: tuple[str, ...]):
        self.own, self.failed = own, False
        self._dropped: set[str] = set()
        self._processes: dict[str, concurrent.futures.ProcessPoolExecutor] = {}

    def __contains__(self, name: str) -> bool:
        return name not in self._dropped

    def _process(self, name: str) -> concurrent.futures.ProcessPoolExecutor:
        if name not in self._processes:
            spawn = multiprocessing.get_context("spawn")  # a fork would carry over what this process loaded
            self._processes[name] = concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn)
        return self._processes[name]

    def ask(self, name: str, function, *arguments):
        """Result of a function of `worker` in the peer's process; None if the peer had to be dropped."""
        try:
            return self._process(name).submit(function, *arguments).result()
        except ImportError as reason:
            print(f"{name} is skipped: {reason}", file=sys.stderr, flush=True)
            self.failed |= name in self.own
        except Exception as reason:
            print(f"{name} failed: {type(reason).__name__}: {reason}", file=sys.stderr, flush=True)
            self.failed = True
        self._dropped.add(name)
        self._processes.pop(name).shutdown()
        return None

    def ask_all(self, names, function, arguments) -> dict:
        """Answers by name, one peer after the other; `arguments(name)` gives the function's arguments."""
        answers = {n: self.ask(n, function, *arguments(n)) for n in names if n in self}
        return {n: answer for n, answer in answers.items() if n in self}

    def close(self) -> None:
        for process in self._processes.values():
            process.shutdown()


def check(contest: Contest, names: list[str], task: Task) -> dict:
    """Difference of each peer's trained weights from float64 descent; WrongAnswer if one is too large."""
    problem = task.problem(task.check_rows)
    start = common.initial_parameters(problem)
    found = contest.ask_all(names, worker.check, lambda name: (task, name))
    methods = {task.peers[name].method for name in found}
    expected = {method: task.reference(problem, method) for method in methods}
    differences = {
        name: common.relative_difference(parameters, expected[task.peers[name].method], start)
        for name, parameters in found.items()
    }
    wrong = {name: difference for name, difference in differences.items() if not difference <= TOLERANCE}
    if wrong:
        raise WrongAnswer(f"{task.label}: difference from float64 above {TOLERANCE:g} of the change: {wrong}")
    return differences


def measure(
    contest: Contest, names: list[str], task: Task, repeats: int, seconds: float
) -> tuple[dict, float]:
    """({name: samples per second of each round}, least share of the core any repeat had).

    A round times every peer once, so that a ratio within it compares runs close in time.
    """
    contest.ask_all(names, worker.prepare, lambda name: (task, name, seconds))
    rounds = [contest.ask_all(names, worker.measure, lambda name: ()) for _ in range(repeats)]
    kept = [name for name in names if all(name in answers for answers in rounds)]
    share = min((answers[name][1] for answers in rounds for name in kept), default=1.0)
    return {name: [answers[name][0] for answers in rounds] for name in kept}, share


def _run_task(contest: Contest, result: dict, options, letter: str, task: Task) -> None:
    """Check, and unless only that is asked for, time one task; the result takes what was found."""
    settings, names = result["settings"], [name for name in options.names if name in task.peers]
    found = {"label": task.label, "rate": task.rate, "check_rows": task.check_rows}
    found["differences"] = check(contest, names, task)
    print(f"{letter} differs from float64 descent, in units of the change: ", end="")
    print(", ".join(f"{n} {d:.1e}" for n, d in found["differences"].items()), flush=True)
    if not options.check:
        found["rounds"], share = measure(contest, names, task, settings["repeats"], settings["seconds"])
        result["least_core_share"] = min(result["least_core_share"], share)
    result["tasks"][letter] = found
    for name in names:
        result["peers"].setdefault(name, task.peers[name].description)


def run_tasks(contest: Contest, benchmark: Benchmark, options) -> dict:
    """Everything that was asked for."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    result = {
        "title": benchmark.title,
        "machine": {**machine.facts(), "core": contest.ask(benchmark.own[0], worker.core)},
        "settings": {"cpu": options.cpu, "repeats": options.repeats, "seconds": seconds},
        "own": list(benchmark.own),
        "peers": {},
        "tasks": {},
        "least_core_share": 1.0,
    }
    for letter in options.tasks:
        _run_task(contest, result, options, letter, benchmark.tasks[letter])
    if benchmark.extra:
        benchmark.extra(contest, result, options)
    return result


def parse(benchmark: Benchmark, arguments=None) -> argparse.Namespace:
    tasks, selection = benchmark.tasks, benchmark.selection
    parser = argparse.ArgumentParser(
        description=benchmark.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--tasks", default="".join(tasks), help="letters of the tasks (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(selection), help="comma-separated (default: %(default)s)")
    parser.add_argument(
        "--cpu", type=int, default=0, help="the CPU everything runs on (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, help="rounds (default: 7, with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter repeats, for a first look")
    parser.add_argument(
        "--check", action="store_true", help="only compare trained weights with float64 descent"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    options = parser.parse_args(arguments)
    options.peers = [name for name in options.peers.split(",") if name]
    if unknown := [task for task in options.tasks if task not in tasks]:
        parser.error(f"--tasks takes letters of {''.join(tasks)}; got {''.join(unknown)}")
    if unknown := [name for name in options.peers if name not in selection]:
        parser.error(f"--peers takes names of {','.join(selection)}; got {','.join(unknown)}")
    if options.repeats is None:
        options.repeats = 3 if options.quick else 7
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1; got {options.repeats}")
    options.names = [*benchmark.own, *(peer for selected in options.peers for peer in selection[selected])]
    return options


def main(benchmark: Benchmark, arguments=None) -> int:
    options = parse(benchmark, arguments)
    os.environ.update(common.ONE_THREAD)
    common.pin(options.cpu)
    contest = Contest(benchmark.own)
    try:
        result = run_tasks(contest, benchmark, options)
    except WrongAnswer as reason:
        print(reason, file=sys.stderr)
        return 1
    finally:
        contest.close()
    if not options.check:
        report.summarise(result)
        print("\n" + report.text(result))
        if options.markdown:
            options.markdown.write_text(report.text(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return int(contest.failed)
