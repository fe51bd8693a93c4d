"""Instruction-set levels: the loader's choice, its refusals, and agreement between levels."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import ebp
import numpy as np
import pytest

# What each x86-64 level adds, as Linux names it.
FLAGS = {
    "v2": {"sse4_2", "ssse3", "popcnt", "cx16"},
    "v3": {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"},
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
LEVELS = tuple(FLAGS)
X86 = platform.machine() in ("x86_64", "AMD64")

pytestmark = [
    pytest.mark.skipif(not X86, reason=f"{platform.machine()} has one build only"),
    pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="/proc/cpuinfo is needed to know the CPU"),
]

# Prints the level and the results of a short training in float64 and float32.
SCRIPT = """
import json
import numpy as np
import ebp

rng = np.random.default_rng(0)
X, T = rng.standard_normal((100, 17)), rng.uniform(-1, 1, (100, 5))
results = {"level": ebp._core.level}
for dtype in ("float64", "float32"):
    net = ebp.Network([ebp.layers.Dense(33), ebp.layers.Dense(5)], 17, dtype=dtype, random_state=0)
    result = net.train_online(X, T, ebp.rules.SDLM(2e-3))
    results[dtype] = net.parameters.tolist() + result.losses.tolist() + net.forward(X).ravel().tolist()
print(json.dumps(results))
"""


def supported():
    """The levels of this CPU, lowest first, from the kernel and not from ebp."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next((line for line in lines if line.startswith("flags")), ":").split(":")[1].split())
    levels = []
    for level, needed in FLAGS.items():
        if not needed <= flags:
            break
        levels.append(level)
    return levels


def run(level, script=SCRIPT):
    """`script` in a new process, as a process can load one level only; None leaves the loader its choice."""
    environment = {name: value for name, value in os.environ.items() if name != "EBP_ISA"}
    if level is not None:
        environment["EBP_ISA"] = level
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def lowest():
    return json.loads(run("v2").stdout)


@pytest.mark.parametrize("level", LEVELS[1:])
def test_each_level_gives_the_results_of_the_lowest(level, lowest):
    if level not in supported():
        pytest.skip(f"this CPU has no {level}: {supported()}")
    got = json.loads(run(level).stdout)
    assert (lowest["level"], got["level"]) == ("v2", level)
    for dtype, tolerance in [("float64", 1e-11), ("float32", 2e-4)]:
        np.testing.assert_allclose(got[dtype], lowest[dtype], rtol=tolerance, atol=tolerance)


def test_the_best_level_is_chosen():
    assert json.loads(run(None).stdout)["level"] == supported()[-1]


def test_this_process_runs_what_was_asked_for():
    assert ebp._core.level == os.environ.get("EBP_ISA", supported()[-1])
    assert f"_core_{ebp._core.level}" in ebp._core.module.__file__


@pytest.mark.parametrize("name", ["v9", "V3", ""])
def test_an_unknown_level_is_refused(name):
    """Never a silent fallback: the message names what was asked for and what the CPU has."""
    done = run(name, "import ebp")
    assert done.returncode != 0
    assert "ImportError" in done.stderr
    assert name in done.stderr
    assert supported()[-1] in done.stderr.replace(name, "")


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_above_the_cpu_is_refused(level):
    if level in supported():
        pytest.skip(f"this CPU has {level}")
    done = run(level, "import ebp")
    assert "ImportError" in done.stderr
    assert level in done.stderr
    assert supported()[-1] in done.stderr.replace(level, "")
