"""Samples per second of pure online training: ebp and its competitors, in one run on one core.

    python bench/online.py --tasks ABCDE --peers jax,torch,sklearn,c,numba --cpu 0 --json out.json

Tasks: A 16-16-2, B 64-32-10, C 784-30-10, D 784-300-10, E 784-500-300-10; tanh, half squared error, float32,
constant rate, no momentum, samples in order, weights updated after every one. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import sys
from pathlib import Path

import common
import machine
import report
import worker
from common import TASKS
from peers import OWN, PEERS, SELECTION

CHECK_ROWS = 300
# Largest difference from float64 in units of the largest change. Float32 rounding reaches a tenth of it; a
# rate wrong by 0.1 % exceeds it (tests/test_bench.py).
TOLERANCE = 1e-4
SECONDS, QUICK_SECONDS = 0.2, 0.03
LEARN_ONE_TASK = "A"


class WrongAnswer(Exception):
    """A peer's trained weights are not those of online gradient descent."""


class Contest:
    """Each peer in a process of its own; one that fails is dropped with a message and the rest go on."""

    def __init__(self, names: list[str]):
        spawn = multiprocessing.get_context("spawn")  # a fork would carry over what this process loaded
        self.processes = {n: concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) for n in names}
        self.failed = False

    def __contains__(self, name: str) -> bool:
        return name in self.processes

    def ask(self, name: str, function, *arguments):
        """Result of a function of `worker` in the peer's process; None if the peer had to be dropped."""
        try:
            return self.processes[name].submit(function, *arguments).result()
        except ImportError as reason:
            print(f"{name} is skipped: {reason}", file=sys.stderr, flush=True)
            self.failed |= name in OWN
        except Exception as reason:
            print(f"{name} failed: {type(reason).__name__}: {reason}", file=sys.stderr, flush=True)
            self.failed = True
        self.processes.pop(name).shutdown()
        return None

    def ask_all(self, names, function, arguments) -> dict:
        """Answers by name, one peer after the other; `arguments(name)` gives the function's arguments."""
        answers = {n: self.ask(n, function, *arguments(n)) for n in names if n in self}
        return {n: answer for n, answer in answers.items() if n in self}

    def close(self) -> None:
        for process in self.processes.values():
            process.shutdown()


def check(contest: Contest, names: list[str], task: str) -> dict:
    """Difference of each peer's trained weights from float64 descent; WrongAnswer if one is too large."""
    problem = common.make_problem(task, CHECK_ROWS)
    start = common.initial_parameters(problem)
    found = contest.ask_all(names, worker.check, lambda name: (name, task, CHECK_ROWS))
    expected = {m: common.reference_parameters(problem, m) for m in {PEERS[name].method for name in found}}
    differences = {
        n: common.relative_difference(p, expected[PEERS[n].method], start) for n, p in found.items()
    }
    wrong = {name: difference for name, difference in differences.items() if not difference <= TOLERANCE}
    if wrong:
        raise WrongAnswer(f"task {task}: difference from float64 above {TOLERANCE:g} of the change: {wrong}")
    return differences


def measure(
    contest: Contest, names: list[str], task: str, repeats: int, seconds: float
) -> tuple[dict, float]:
    """({name: samples per second of each round}, least share of the core any repeat had).

    A round times every peer once, so that a ratio within it compares runs close in time.
    """
    contest.ask_all(names, worker.prepare, lambda name: (name, task, seconds))
    rounds = [contest.ask_all(names, worker.measure, lambda name: ()) for _ in range(repeats)]
    kept = [name for name in names if all(name in answers for answers in rounds)]
    share = min((answers[name][1] for answers in rounds for name in kept), default=1.0)
    return {name: [answers[name][0] for answers in rounds] for name in kept}, share


def run_tasks(contest: Contest, names: list[str], options) -> dict:
    """Check, and unless only that is asked for, time every task and `learn_one`."""
    repeats, seconds = options.repeats, QUICK_SECONDS if options.quick else SECONDS
    result = {
        "machine": {**machine.facts(), "core": contest.ask("ebp", worker.core)},
        "settings": {"cpu": options.cpu, "repeats": repeats, "seconds": seconds, "check_rows": CHECK_ROWS},
        "tasks": {},
        "least_core_share": 1.0,
    }
    for task in options.tasks:
        found = {"layers": TASKS[task].layers, "rate": TASKS[task].rate}
        found["differences"] = check(contest, names, task)
        result["tasks"][task] = found
        print(f"{task} differs from float64 descent, in units of the change: ", end="")
        print(", ".join(f"{n} {d:.1e}" for n, d in found["differences"].items()), flush=True)
        if not options.check:
            found["rounds"], share = measure(contest, names, task, repeats, seconds)
            result["least_core_share"] = min(result["least_core_share"], share)
    difference = check(contest, ["learn_one"], LEARN_ONE_TASK)
    if not options.check and difference:
        rounds, share = measure(contest, ["learn_one"], LEARN_ONE_TASK, repeats, seconds)
        result["learn_one"] = learn_one_row(rounds.get("learn_one", []))
        result["least_core_share"] = min(result["least_core_share"], share)
    return result


def learn_one_row(speeds: list[float]) -> dict:
    """Nanoseconds a call from calls per second."""
    times = sorted(1e9 / speed for speed in speeds)
    return {
        "layers": TASKS[LEARN_ONE_TASK].layers,
        "calls": TASKS[LEARN_ONE_TASK].compiled_rows,
        "nanoseconds": {"median": times[len(times) // 2], "min": times[0], "max": times[-1]},
    }


def parse(arguments=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--tasks", default="ABCDE", help="letters of the tasks (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(SELECTION), help="comma-separated (default: %(default)s)")
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
    if unknown := [task for task in options.tasks if task not in TASKS]:
        parser.error(f"--tasks takes letters of {''.join(TASKS)}; got {''.join(unknown)}")
    if unknown := [name for name in options.peers if name not in SELECTION]:
        parser.error(f"--peers takes names of {','.join(SELECTION)}; got {','.join(unknown)}")
    if options.repeats is None:
        options.repeats = 3 if options.quick else 7
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1; got {options.repeats}")
    return options


def main(arguments=None) -> int:
    options = parse(arguments)
    os.environ.update(common.ONE_THREAD)
    common.pin(options.cpu)
    names = [*OWN, *(peer for selected in options.peers for peer in SELECTION[selected])]
    contest = Contest([*names, "learn_one"])
    try:
        result = run_tasks(contest, names, options)
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


if __name__ == "__main__":
    sys.exit(main())
