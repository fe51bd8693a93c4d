"""Ceilings of one core, and the samples per second they allow on tasks A-H.

    python bench/limits.py --cpu 0 --json limits.json

Measures fused multiply-adds on registers, and bandwidth for working sets of 16 KB to 64 MB. For each task the
smallest traffic of online training follows: the forward pass reads every weight once and the update reads and
writes it once ("two sweeps"), or, where the update of one sample is joined with the forward pass of the next,
one sweep reads and writes it. Latency, tanh and the inputs come on top, so the small tasks stay far below.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import common
import dense_tasks
import lenet_tasks
import machine
import numpy as np
from common import OnlineTask

TASKS = {**dense_tasks.TASKS, **lenet_tasks.TASKS}

SOURCE = Path(__file__).with_name("limits.c")
SETS_KB = [16, 32, 64, 128, 256, 512, 768, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
BLOCK = 128  # floats: a working set is a multiple of this, which the C loops rely on
SECONDS, REPEATS = 0.05, 7


def _rate(run: Callable[[int], object], work: float) -> float:
    """Median of `work` per second, where `run(n)` does the work n times."""
    times = 1
    while True:
        start = time.perf_counter()
        run(times)
        elapsed = time.perf_counter() - start
        if elapsed > SECONDS / 4:
            break
        times *= 4
    times = max(1, round(times * SECONDS / elapsed))
    rates = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run(times)
        rates.append(times * work / (time.perf_counter() - start))
    return statistics.median(rates)


class Limits:
    """The compiled loops of limits.c as measurements."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = common.compile_c(SOURCE, folder, common.GCC_FLAGS)
        self._fma, self._read, self._update = library.limits_fma, library.limits_read, library.limits_update
        self._fma.argtypes = [ctypes.c_long, ctypes.c_float, ctypes.c_void_p]
        self._fma.restype = ctypes.c_double
        self._read.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_void_p]
        self._update.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_float]
        self._read.restype = self._update.restype = None
        self._result = ctypes.c_float()

    def flops(self) -> float:
        """Floating point operations per second, a multiply-add counted as two."""
        into = ctypes.byref(self._result)
        return _rate(lambda n: self._fma(1000 * n, 0.5, into), self._fma(1000, 0.5, into))

    def bandwidth(self, n_bytes: float) -> tuple[float, float]:
        """(bytes read a second, bytes read and written a second) for a working set of about `n_bytes`."""
        count = max(1, round(n_bytes / 4 / BLOCK)) * BLOCK
        data = common.aligned(np.arange(count) % 7)
        address, into = data.ctypes.data, ctypes.byref(self._result)
        self._read(address, count, 1, into)
        if not np.isclose(self._result.value, data.sum(dtype=float), rtol=1e-4):
            raise RuntimeError(f"the read loop sums to {self._result.value}, not {data.sum(dtype=float)}")
        read = _rate(lambda n: self._read(address, count, n, into), 4 * count)
        return read, _rate(lambda n: self._update(address, count, n, 0.0), 8 * count)


def task_ceilings(task: OnlineTask, flops: float, read: float, update: float) -> dict:
    """Samples per second that arithmetic and memory traffic allow."""
    n_bytes = 4 * task.n_weights
    arithmetic = flops / task.operations
    two_sweeps = 1 / (n_bytes / read + 2 * n_bytes / update)
    one_sweep = update / (2 * n_bytes)
    return {
        "label": task.label,
        "weight_bytes": n_bytes,
        "operations": task.operations,
        "arithmetic": arithmetic,
        "two_sweeps": min(two_sweeps, arithmetic),
        "one_sweep": min(one_sweep, arithmetic),
    }


def measure() -> dict:
    """All limits of this core, ready for JSON; bandwidths in bytes and rates in operations a second."""
    limits = Limits()
    flops = limits.flops()
    found = {"machine": machine.facts(), "flops": flops, "bandwidth": {}, "tasks": {}}
    for size in SETS_KB:
        read, update = limits.bandwidth(1024 * size)
        found["bandwidth"][size] = {"read": read, "read_write": update}
    for letter, task in TASKS.items():
        found["tasks"][letter] = task_ceilings(task, flops, *limits.bandwidth(4 * task.n_weights))
    return found


def text(found: dict) -> str:
    """The limits as Markdown."""
    lines = ["# Limits of one core", "", machine.describe(found["machine"]), ""]
    lines += [f"Fused multiply-adds: {found['flops'] / 1e9:.0f} GFLOP/s (float32)", ""]
    lines += ["| working set | read GB/s | read+write GB/s |", "| - | - | - |"]
    for size, rates in found["bandwidth"].items():
        lines.append(f"| {size} KB | {rates['read'] / 1e9:.0f} | {rates['read_write'] / 1e9:.0f} |")
    lines += ["", "Highest samples/s, if nothing but this cost time:", ""]
    lines += ["| task | weights | MFLOP | arithmetic | two sweeps | one sweep |"]
    lines += ["| - | - | - | - | - | - |"]
    for task, row in found["tasks"].items():
        cells = [f"{row['weight_bytes'] / 1024:,.0f} KB", f"{row['operations'] / 1e6:.3g}"]
        cells += [f"{row[kind]:,.0f}" for kind in ("arithmetic", "two_sweeps", "one_sweep")]
        lines.append(f"| {task} {row['label']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--cpu", type=int, default=0, help="the CPU to measure (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args(arguments)
    common.pin(options.cpu)
    try:
        found = measure()
    except ImportError as reason:
        print(f"the limits need gcc: {reason}", file=sys.stderr)
        return 1
    print(text(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
