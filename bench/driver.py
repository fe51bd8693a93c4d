"""The run of a benchmark: check every peer's answer, time all in interleaved rounds, report."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import common
import machine
import report
import required
import worker
from common import Task, WrongAnswer

SECONDS, QUICK_SECONDS = 0.2, 0.03


@dataclass(frozen=True)
class Benchmark:
    """What is compared with what: `own` is always measured, `selection` is what the command line names.

    `variants` are further contestants of our own, by the option that names them and by its values. Those in
    `threaded` can be timed with more threads too; their names then end in the number.
    A task's key begins with the letter that selects it; a letter may select several. `unit` is "samples/s"
    or, for tasks that are done as a whole, "ms". `difference` words what the check of the answers measures.
    `extra(contest, result, options)` measures what is no row of the table.
    """

    title: str
    description: str
    tasks: Mapping[str, Task]
    own: tuple[str, ...]
    selection: Mapping[str, list[str]]
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    threaded: tuple[str, ...] = ()
    unit: str = "samples/s"
    difference: str = "float64 descent, in units of the change"
    extra: Callable | None = None

    @property
    def letters(self) -> str:
        return "".join(dict.fromkeys(key[0] for key in self.tasks))

    def names(self, chosen: list[str], threads: list[int]) -> list[str]:
        """The chosen contestants, each followed by itself with more threads."""
        return [
            threaded_name(name, n)
            for name in chosen
            for n in [1, *(threads if name in self.threaded else [])]
        ]

    def task(self, key: str, threads: list[int]) -> Task:
        """A task whose peers come with more threads too."""
        task = self.tasks[key]
        more = {
            threaded_name(name, n): peer.on(n)
            for name, peer in task.peers.items()
            for n in (threads if name in self.threaded else [])
        }
        return dataclasses.replace(task, peers={**task.peers, **more})


def threaded_name(name: str, threads: int) -> str:
    """Of a contestant with so many threads, such as "ebp-2t"."""
    return name if threads == 1 else f"{name}-{threads}t"


class Contest:
    """Each peer in a process of its own; one that fails is dropped with a message and the rest go on.

    Only the one that is asked runs. The others are stopped, for some leave threads behind that wait for work
    in a loop and take the processor from whoever is being timed.
    """

    def __init__(self, own: Sequence[str], cpus: list[int]):
        self.own, self.cpus, self.failed = own, cpus, False
        self.dropped: dict[str, str] = {}  # name: reason
        self._processes: dict[str, concurrent.futures.ProcessPoolExecutor] = {}
        self._pids: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name not in self.dropped

    def _process(self, name: str) -> concurrent.futures.ProcessPoolExecutor:
        if name not in self._processes:
            spawn = multiprocessing.get_context("spawn")  # a fork would carry over what this process loaded
            self._processes[name] = concurrent.futures.ProcessPoolExecutor(
                1, mp_context=spawn, initializer=worker.end_with_parent
            )
            self._pids[name] = self._processes[name].submit(os.getpid).result()
        return self._processes[name]

    def _let_run(self, *names: str) -> None:
        """Stop the processes of all others."""
        for name, pid in self._pids.items():
            with contextlib.suppress(ProcessLookupError):  # it has crashed
                os.kill(pid, signal.SIGCONT if name in names else signal.SIGSTOP)

    def _end(self, *names: str) -> None:
        self._let_run(*names)
        for name in names:
            self._pids.pop(name, None)
            self._processes.pop(name).shutdown()

    def ask(self, name: str, function, *arguments):
        """Result of a function of `worker` in the peer's process; None if the peer had to be dropped."""
        try:
            process = self._process(name)
            self._let_run(name)
            return process.submit(function, *arguments).result()
        except ImportError as reason:
            self.dropped[name] = f"is skipped: {reason}"
            self.failed |= name in self.own
        except Exception as reason:
            self.dropped[name] = f"failed: {type(reason).__name__}: {reason}"
            self.failed = True
        print(f"{name} {self.dropped[name]}", file=sys.stderr, flush=True)
        self._end(name)
        return None

    def ask_all(self, names, function, arguments) -> dict:
        """Answers by name, one peer after the other; `arguments(name)` gives the function's arguments."""
        answers = {n: self.ask(n, function, *arguments(n)) for n in names if n in self}
        return {n: answer for n, answer in answers.items() if n in self}

    def close(self) -> None:
        self._end(*self._processes)


def check(task: Task, answers: Mapping) -> dict[str, float]:
    """Difference of each peer's answer from the right one; WrongAnswer if one is too large."""
    differences = task.differences(answers)
    wrong = {name: difference for name, difference in differences.items() if not difference <= task.tolerance}
    if wrong:
        raise WrongAnswer(f"{task.label}: difference from the right answer above {task.tolerance:g}: {wrong}")
    return differences


def answers(contest: Contest, names: list[str], task: Task) -> dict:
    """What each peer computes on the problem that is checked."""
    return contest.ask_all(names, worker.answer, lambda name: (task, name, contest.cpus))


def measure(
    contest: Contest, names: list[str], task: Task, repeats: int, seconds: float
) -> tuple[dict, float]:
    """({name: amount done per second in each round}, least share of the core any repeat had).

    A round times every peer once, so that a ratio within it compares runs close in time.
    """
    contest.ask_all(names, worker.prepare, lambda name: (task, name, contest.cpus, seconds))
    rounds = [contest.ask_all(names, worker.measure, lambda name: ()) for _ in range(repeats)]
    kept = [name for name in names if all(name in answers for answers in rounds)]
    share = min((answers[name][1] for answers in rounds for name in kept), default=1.0)
    return {name: [answers[name][0] for answers in rounds] for name in kept}, share


def _run_task(contest: Contest, result: dict, options, key: str, benchmark: Benchmark) -> None:
    """Check, and unless only that is asked for, time one task; the result takes what was found."""
    task, settings = benchmark.task(key, options.threads), result["settings"]
    names = [name for name in options.names if name in task.peers]
    computed = answers(contest, names, task)
    found = {"label": task.label, **task.facts(), "differences": check(task, computed)}
    found["figures"] = {name: task.figures(answer) for name, answer in computed.items()}
    found["by"] = {name: task.peers[name].description for name in computed}
    found["threads"] = {name: task.peers[name].threads for name in computed}
    print(f"{key} differs from {benchmark.difference}: ", end="")
    print(", ".join(f"{n} {d:.1e}" for n, d in found["differences"].items()), flush=True)
    if not options.check:
        found["rounds"], share = measure(contest, names, task, settings["repeats"], settings["seconds"])
        result["least_core_share"] = min(result["least_core_share"], share)
    result["tasks"][key] = found


def run_tasks(contest: Contest, benchmark: Benchmark, options) -> dict:
    """Everything that was asked for."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    result = {
        "title": benchmark.title,
        "unit": benchmark.unit,
        "machine": {**machine.facts(), "core": contest.ask(benchmark.own[0], worker.core)},
        "settings": {"cpus": options.cpus, "repeats": options.repeats, "seconds": seconds},
        "own": contest.own,
        "leading": benchmark.names(list(benchmark.own), options.threads),
        "tasks": {},
        "least_core_share": 1.0,
    }
    for letter in options.tasks:
        for key in benchmark.tasks:
            if key[0] == letter:
                _run_task(contest, result, options, key, benchmark)
    if benchmark.extra:
        benchmark.extra(contest, result, options)
    result["dropped"] = contest.dropped
    return result


def parse(benchmark: Benchmark, arguments=None) -> argparse.Namespace:
    letters, selection = benchmark.letters, benchmark.selection
    parser = common.parser(benchmark.description)
    parser.add_argument("--tasks", default=letters, help="letters of the tasks (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(selection), help="comma-separated (default: %(default)s)")
    for option, names in benchmark.variants.items():
        what = f"further {option} of ebp (default: %(default)s)"
        parser.add_argument(f"--{option}", default=",".join(names), help=what)
    if benchmark.threaded:
        what = "numbers of threads, such as 1,2; one thread is always timed"
        parser.add_argument("--threads", type=common.integers, default=[1], metavar="N,...", help=what)
    common.add_cpus(parser)
    parser.add_argument("--repeats", type=int, help="rounds (default: 7, with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter repeats, for a first look")
    parser.add_argument("--check", action="store_true", help="only compare the answers with the right ones")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    options = parser.parse_args(arguments)
    if unknown := [letter for letter in options.tasks if letter not in letters]:
        parser.error(f"--tasks takes letters of {letters}; got {''.join(unknown)}")
    own = list(benchmark.own)
    for option, names in benchmark.variants.items():
        own += [names[name] for name in _chosen(parser, option, getattr(options, option), names)]
    others = _chosen(parser, "peers", options.peers, selection)
    options.threads = sorted({*getattr(options, "threads", [])} - {1})
    if options.threads and not 1 < options.threads[0] <= options.threads[-1] <= len(options.cpus):
        parser.error(
            f"--threads takes numbers from 1 to that of --cpus; got {options.threads}, {options.cpus}"
        )
    if options.repeats is None:
        options.repeats = 3 if options.quick else 7
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1; got {options.repeats}")
    options.own = benchmark.names(own, options.threads)
    peers = [peer for selected in others for peer in selection[selected]]
    options.names = [*options.own, *benchmark.names(peers, options.threads)]
    return options


def _chosen(parser: argparse.ArgumentParser, option: str, given: str, known: Mapping) -> list[str]:
    """The names that a comma-separated option gives."""
    names = [name for name in given.split(",") if name]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--{option} takes names of {','.join(known)}; got {','.join(unknown)}")
    return names


def main(benchmark: Benchmark, arguments=None) -> int:
    options = parse(benchmark, arguments)
    os.environ.update(common.ONE_THREAD)
    common.pin(options.cpus[0])
    contest = Contest(options.own, options.cpus)
    try:
        result = run_tasks(contest, benchmark, options)
    except WrongAnswer as reason:
        print(reason, file=sys.stderr)
        return 1
    finally:
        contest.close()
    if not options.check:
        report.summarise(result)
        text = report.text(result) + required.text([result])
        print("\n" + text)
        if options.markdown:
            options.markdown.write_text(text)
    common.write_json(options.json, result)
    return int(contest.failed)
