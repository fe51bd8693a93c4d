"""Ceilings of one core, the samples per second they allow on tasks A-H, and the share ebp reaches.

    python bench/limits.py --cpus 0 --json limits.json
    python bench/limits.py --cpus 0,1          # and what a second core adds

Measures fused multiply-adds on registers, side by side and in a chain, the products of matrices that a block
of 128 samples needs on 784-300 (SciPy's BLAS), and bandwidth for working sets of 16 KB to 64 MB. A round
measures everything once, one after the other, ebp too; shares are formed within it. See `ceilings.py` for the
ceilings of a task. Two CPUs of a virtual machine may be one core: with two, the report shows what both reach
at once, which bounds every ratio of two threads to one.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import common
import machine
import numpy as np
import report
from ceilings import TASKS, ceilings, contestants, shares
from tqdm import tqdm

SOURCE = Path(__file__).with_name("limits.c")
SETS_KB = [16, 32, 64, 128, 256, 512, 768, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
BLOCK = 128  # floats: a working set is a multiple of this, which the C loops rely on
CHAIN = 100  # multiply-adds of a step of limits_chain
ROWS, UNITS, INPUTS = 128, 300, 784  # of a block of samples and the first layer of task D
SECONDS, ROUNDS = 0.05, 5


class Loop:
    """`run(n)` does `work` n times; `rate()` measures work per second over some time."""

    def __init__(self, run: Callable[[int], object], work: float, seconds: float = SECONDS) -> None:
        self._run, self._work, self._times = run, work, 1
        self.seconds = self.cpu_seconds = 0.0  # in all
        while (elapsed := self._elapsed()) < seconds / 4:
            self._times *= 4
        self._times = max(1, round(self._times * seconds / elapsed))

    def _elapsed(self) -> float:
        start, start_cpu = time.perf_counter(), time.process_time()
        self._run(self._times)
        elapsed = time.perf_counter() - start
        self.seconds += elapsed
        self.cpu_seconds += time.process_time() - start_cpu
        return elapsed

    def rate(self) -> float:
        return self._times * self._work / self._elapsed()


def core_share(loops: Iterable[Loop]) -> float:
    """Share of a core that the loops had, each of them on one thread."""
    loops = list(loops)
    return sum(loop.cpu_seconds for loop in loops) / sum(loop.seconds for loop in loops)


class Limits:
    """The compiled loops of limits.c, and products of matrices, as measurements."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = common.compile_c(SOURCE, folder, common.GCC_FLAGS)
        self._fma, self._read, self._update = library.limits_fma, library.limits_read, library.limits_update
        self._chain = library.limits_chain
        self._fma.argtypes = self._chain.argtypes = [ctypes.c_long, ctypes.c_float, ctypes.c_void_p]
        self._fma.restype = ctypes.c_double
        self._read.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_void_p]
        self._update.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_float]
        self._chain.restype = self._read.restype = self._update.restype = None
        self._result = ctypes.c_float()

    def flops(self) -> Loop:
        """Floating point operations, a multiply-add counted as two."""
        into = ctypes.byref(self._result)
        return Loop(lambda n: self._fma(1000 * n, 0.5, into), self._fma(1000, 0.5, into))

    def chain(self) -> Loop:
        """Multiply-adds that wait for each other."""
        into = ctypes.byref(self._result)
        return Loop(lambda n: self._chain(10 * n, 0.5, into), 10 * CHAIN)

    def products(self) -> dict[str, Loop]:
        """Operations of the two products of a block: totals of a layer, and the update of its weights."""
        from scipy.linalg.blas import sgemm

        rng = np.random.default_rng(0)
        x, w, d = (common.aligned(rng.random(s)) for s in ((ROWS, INPUTS), (UNITS, INPUTS), (ROWS, UNITS)))
        work = 2.0 * ROWS * INPUTS * UNITS

        def repeat(product):
            return Loop(lambda n: [product() for _ in range(n)], work)

        # Fortran's order: the transposes are contiguous. The weights must not grow, and a factor 0 would end
        # the update at once.
        return {
            "forward": repeat(lambda: sgemm(1.0, w.T, x.T, trans_a=True, c=d.T, overwrite_c=True)),
            "update": repeat(lambda: sgemm(1e-30, x.T, d.T, beta=1.0, trans_b=True, c=w.T, overwrite_c=True)),
        }

    def bandwidth(self, n_bytes: float) -> tuple[Loop, Loop]:
        """(bytes read, bytes read and written) for a working set of about `n_bytes`."""
        count = max(1, round(n_bytes / 4 / BLOCK)) * BLOCK
        data = common.aligned(np.arange(count) % 7)
        address, into = data.ctypes.data, ctypes.byref(self._result)
        self._read(address, count, 1, into)
        if not np.isclose(self._result.value, data.sum(dtype=float), rtol=1e-4):
            raise RuntimeError(f"the read loop sums to {self._result.value}, not {data.sum(dtype=float)}")
        owner = [data]  # lives as long as the loops
        return (
            Loop(lambda n: self._read(owner[0].ctypes.data, count, n, into), 4 * count),
            Loop(lambda n: self._update(owner[0].ctypes.data, count, n, 0.0), 8 * count),
        )


# Two cores


def _busy(cpu: int, kind: str, ready, go, stop) -> None:
    """On another CPU, do what is measured whenever `go` is set, until told to stop."""
    common.pin(cpu)
    loop = compute_loops(Limits())[kind]
    ready.set()
    while not stop.is_set():
        if go.wait(SECONDS):
            loop.rate()


@contextmanager
def neighbour(cpu: int, kind: str) -> Iterator[Callable[[bool], None]]:
    """A process that does the same on `cpu`; gives the function that sets it to work or to rest."""
    spawn = multiprocessing.get_context("spawn")
    ready, go, stop = spawn.Event(), spawn.Event(), spawn.Event()
    process = spawn.Process(target=_busy, args=(cpu, kind, ready, go, stop))
    process.start()

    def work(busy: bool) -> None:
        go.set() if busy else go.clear()
        time.sleep(3 * SECONDS)  # until it has noticed and ended what it was at

    try:
        if not ready.wait(60):
            raise RuntimeError(f"no process on CPU {cpu}")
        yield work
    finally:
        stop.set()
        process.join()


def compute_loops(limits: Limits) -> dict[str, Loop]:
    """What counts operations."""
    products = {f"sgemm, {name}": loop for name, loop in limits.products().items()}
    return {"multiply-adds": limits.flops(), **products}


def two_cores(loops: dict[str, Loop], cpu: int) -> dict[str, dict]:
    """What two cores do at once, in units of what one does alone; 1 if both are one core."""
    found = {}
    for kind, loop in loops.items():
        rates: dict[bool, list[float]] = {False: [], True: []}
        with neighbour(cpu, kind) as work:
            for busy in [False, True] * ROUNDS:
                work(busy)
                rates[busy].append(loop.rate())
        found[kind] = report.ratio([2 * rate for rate in rates[True]], rates[False])
    return found


# The run


def measure(tasks: str, cpus: list[int], rounds: int = ROUNDS) -> dict:
    """All limits of this core, ready for JSON: operations, bytes and samples a second."""
    limits = Limits()
    loops: dict = {**compute_loops(limits), "chain": limits.chain()}
    for size in SETS_KB:
        loops["read", size], loops["update", size] = limits.bandwidth(1024 * size)
    for letter in tasks:
        task = TASKS[letter]
        loops["update", letter] = limits.bandwidth(4 * task.n_weights)[1]
        for name, work in contestants(task).items():
            work.run()
            loops[name, letter] = Loop(lambda n, run=work.run: [run() for _ in range(n)], work.amount)
    rates: dict = {key: [] for key in loops}
    for _ in tqdm(range(rounds), unit="round", leave=False):
        for key, loop in loops.items():
            rates[key].append(loop.rate())
    facts = machine.facts()
    found = {
        "machine": facts,
        "settings": {"cpus": cpus, "rounds": rounds},
        "core_share": core_share(loops.values()),
        "operations": {kind: report.spread(rates[kind]) for kind in compute_loops(limits)},
        "chain_seconds": report.spread([1 / rate for rate in rates["chain"]]),
        "bandwidth": {
            size: {kind: report.spread(rates[kind, size]) for kind in ("read", "update")} for size in SETS_KB
        },
        "tasks": {},
    }
    for letter in tasks:
        task, own = TASKS[letter], {key[0]: r for key, r in rates.items() if key[1:] == (letter,)}
        update = own.pop("update")
        limits_by_round = [
            ceilings(task, f, 1 / c, u)
            for f, c, u in zip(rates["multiply-adds"], rates["chain"], update, strict=True)
        ]
        found["tasks"][letter] = {
            "label": task.label,
            "weight_bytes": 4 * task.n_weights,
            "level": machine.level_of(4 * task.n_weights, facts["caches"]),
            "operations": task.operations,
            **shares(limits_by_round, own),
        }
    if len(cpus) > 1:
        found["two_cores"] = two_cores(compute_loops(limits), cpus[1])
    return found


def text(found: dict) -> str:
    """The limits as Markdown."""
    kinds = found["operations"]
    lines = ["# Limits of one core", "", machine.describe(found["machine"]), ""]
    lines += [f"Medians of {found['settings']['rounds']} rounds (lowest-highest). float32:", ""]
    giga = {kind: {k: v / 1e9 for k, v in spread.items()} for kind, spread in kinds.items()}
    lines += [f"- {kind}: {report.range_of(spread)} GFLOP/s" for kind, spread in giga.items()]
    lines += [f"- a multiply-add that waits for the last: {1e9 * found['chain_seconds']['median']:.2f} ns"]
    both = found.get("two_cores", {})
    lines += [f"- {kind}, two CPUs at once / one: {report.range_of(r)}" for kind, r in both.items()]
    rows = [
        [f"{size} KB", *(f"{rates[kind]['median'] / 1e9:.0f}" for kind in ("read", "update"))]
        for size, rates in found["bandwidth"].items()
    ]
    lines += ["", report.table(["working set", "read GB/s", "read+write GB/s"], rows), ""]
    lines += [
        "Highest samples/s, if nothing but this cost time, and the share of the lowest that ebp reaches:",
        "",
    ]
    rows = []
    for letter, task in found["tasks"].items():
        best = task["best"]
        limits = task["limits"][best["engine"]]
        rows.append(
            [
                f"{letter} {task['label']}",
                f"{task['weight_bytes'] / 1024:,.0f} KB, {task['level']}",
                f"{task['operations'] / 1e6:.3g}",
                *(f"{limits[kind]:,.0f}" for kind in ("arithmetic", "bandwidth", "latency")),
                best["binds"],
                f"{best['engine']} {task['speeds'][best['name']]['median']:,.0f}",
                report.range_of(best["share"]),
            ]
        )
    head = ["task", "weights", "MFLOP", "arithmetic", "bandwidth", "latency", "binds", "ebp", "share"]
    lines += [report.table(head, rows), "", *report.disturbed(found["core_share"], "what was measured")]
    return "\n".join(lines) + "\n"


def main(arguments=None) -> int:
    parser = common.parser(__doc__)
    common.add_cpus(parser)
    parser.add_argument("--tasks", default="".join(TASKS), help="letters of the tasks (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args(arguments)
    if unknown := [letter for letter in options.tasks if letter not in TASKS]:
        parser.error(f"--tasks takes letters of {''.join(TASKS)}; got {''.join(unknown)}")
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1; got {options.rounds}")
    os.environ.update(common.ONE_THREAD)
    common.pin(options.cpus[0])
    try:
        found = measure(options.tasks, options.cpus, options.rounds)
    except ImportError as reason:
        print(f"the limits need gcc: {reason}", file=sys.stderr)
        return 1
    print(text(found))
    common.write_json(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
