"""Facts about the machine and the software, printed with every number."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

PACKAGES = (
    *("efficient-backprop", "numpy", "scipy", "jax", "jaxlib", "torch", "scikit-learn", "numba"),
    *("backpack-for-pytorch", "curvlinops-for-pytorch", "torch-levenberg-marquardt"),
)

# The CPU flags that tell one x86-64 level from the level below.
LEVELS = {
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"},
    "x86-64-v2": {"sse4_2", "ssse3", "popcnt", "cx16"},
}


def _cpu() -> tuple[str, set[str]]:
    """Model name and flags of the first CPU."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields = dict(
        (part.strip() for part in line.split(":", 1))
        for line in text.split("\n\n")[0].splitlines()
        if ":" in line
    )
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return name, set(fields.get("flags", "").split())


def _caches() -> dict[str, str]:
    """Size of each cache as CPU 0 sees it, such as {"L1 data": "48K"}."""
    caches = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / part).read_text().strip() for part in ("level", "type", "size"))
        caches[f"L{level}" + ("" if kind == "Unified" else f" {kind.lower()}")] = size
    return caches


def n_bytes(size: str) -> int:
    """Of a size such as "48K"."""
    return int(size[:-1]) * {"K": 2**10, "M": 2**20}[size[-1]]


def level_of(weights: int, caches: dict[str, str]) -> str:
    """The first cache, such as "L2", that holds so many bytes; "memory" if none does."""
    for name, size in sorted(caches.items()):
        if "instruction" not in name and weights <= n_bytes(size):
            return name.split()[0]
    return "memory"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _compiler() -> str | None:
    gcc = shutil.which("gcc")
    if gcc is None:
        return None
    return subprocess.run([gcc, "--version"], capture_output=True, text=True).stdout.split("\n")[0]


def facts() -> dict:
    """CPU, caches, instruction set, compiler, versions and date, ready for JSON."""
    name, flags = _cpu()
    level = next((level for level, needed in LEVELS.items() if needed <= flags), platform.machine())
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": name,
        "cpus": os.cpu_count(),
        "caches": _caches(),
        "isa": level,
        "compiler": _compiler(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {package: found for package in PACKAGES if (found := _version(package))},
    }


def describe(found: dict) -> str:
    """The facts in a few Markdown lines."""
    caches = ", ".join(f"{name} {size}" for name, size in found["caches"].items())
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    core = [f"- ebp's core: {found['core']}"] if found.get("core") else []
    return "\n".join(
        [
            f"- {found['cpu']}, {found['cpus']} CPUs, {found['isa']}; {caches}",
            *core,
            f"- {found['system']}; {found['compiler'] or 'no gcc'}; Python {found['python']}",
            f"- {packages}",
            f"- {found['date']}",
        ]
    )
