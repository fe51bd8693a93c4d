"""The benchmark's driver works, and its check tells right weights from wrong ones."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the plain C peer needs gcc")


def run(script, *arguments):
    """The finished process of a benchmark script, its output as text."""
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def common():
    """The module bench/common.py."""
    spec = importlib.util.spec_from_file_location("bench_common", BENCH / "common.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_ebp_passes_the_check_on_every_task():
    done = run("online.py", "--check", "--peers", "")
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in done.stdout.splitlines()] == list("ABCDE")
    assert all("ebp-sdlm" in line for line in done.stdout.splitlines())


@needs_gcc
def test_quick_run_writes_ratios_and_machine_facts(tmp_path):
    file, table = tmp_path / "online.json", tmp_path / "online.md"
    done = run("online.py", "--tasks", "A", "--peers", "c", "--quick", "--json", file, "--markdown", table)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    task = result["tasks"]["A"]
    assert set(task["rounds"]) == {"ebp", "ebp-sdlm", "c"}
    assert all(len(speeds) == 3 and min(speeds) > 0 for speeds in task["rounds"].values())
    ratio = task["ratios"]["ebp"]["c"]
    assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
    assert max(task["differences"].values()) < 1e-4
    assert result["learn_one"]["nanoseconds"]["median"] > 0
    assert {"cpu", "caches", "isa", "compiler", "packages", "date"} <= set(result["machine"])
    assert "| ebp / peer" in table.read_text()


@needs_gcc
def test_limits_compile_and_count():
    done = subprocess.run(
        [sys.executable, "-c", "import limits; print(limits.Limits().bandwidth(16384)[0] > 0)"],
        capture_output=True,
        text=True,
        cwd=BENCH,
        timeout=60,
    )
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("method", ["sgd", "sgd, linear output", "sdlm"])
def test_check_refuses_a_rate_wrong_by_a_thousandth(common, method, monkeypatch):
    problem = common.make_problem("A", 300)
    start, right = common.initial_parameters(problem), common.reference_parameters(problem, method)
    problem.rate *= 1.001
    monkeypatch.setattr(common, "SDLM_RATE", common.SDLM_RATE * 1.001)
    wrong = common.reference_parameters(problem, method)
    assert common.relative_difference(right, right, start) == 0
    assert common.relative_difference(wrong, right, start) > 1e-4


def test_check_refuses_weights_that_are_not_finite(common):
    problem = common.make_problem("A", 10)
    start, right = common.initial_parameters(problem), common.reference_parameters(problem)
    broken = [p.copy() for p in right]
    broken[0][0, 0] = float("nan")
    assert common.relative_difference(broken, right, start) == float("inf")


@pytest.mark.parametrize("arguments", [["--tasks", "X"], ["--peers", "nobody"], ["--repeats", "0"]])
def test_unknown_choices_are_named(arguments):
    done = run("online.py", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert arguments[1] in done.stderr
