"""Runs a script of bench/."""

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"
# Two CPUs that tests may run on, or one.
CPUS = (
    [str(cpu) for cpu in sorted(os.sched_getaffinity(0))[:2]] if hasattr(os, "sched_getaffinity") else ["0"]
)
PNG = b"\x89PNG\r\n"


def run(script, *arguments, **environment):
    """The finished process of a benchmark script, its output as text."""
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
