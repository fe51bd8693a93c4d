"""Runs of Python that the system gives no more than so much memory, for tests of data larger than it."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

# Files that are mapped do not count as data of the process: they can be read again at any time.
PRELUDE = """
import resource, sys
import ebp, numpy as np
{imports}
used = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")][0]
resource.setrlimit(resource.RLIMIT_DATA, (1024 * used + ({megabytes} << 20),) * 2)
"""


def run_limited(code: str, megabytes: int, imports: str = "") -> subprocess.CompletedProcess[str]:
    """Run `code` in a process that may take so much more memory than it has after its imports."""
    program = PRELUDE.format(imports=imports, megabytes=megabytes) + code
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=250)


def peak_of(work: Callable[[], Any]) -> int:
    """Bytes that Python and NumPy had allocated at most while `work` ran."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
