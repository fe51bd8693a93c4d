"""The benchmark's driver works, and its check tells right weights from wrong ones."""

import dataclasses
import importlib
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
def bench():
    """Imports a module of bench/ by its name, and forgets all of them in the end."""
    before = set(sys.modules)
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module
    sys.path.remove(str(BENCH))
    for name in set(sys.modules) - before:
        if BENCH in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]


def test_ebp_passes_the_check_on_every_task():
    done = run("online.py", "--check", "--peers", "")
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in done.stdout.splitlines()] == list("ABCDE")
    assert all("ebp-sdlm" in line for line in done.stdout.splitlines())


def test_ebp_passes_the_check_on_every_lenet():
    done = run("lenet.py", "--check", "--peers", "")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list("FGH")


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
def test_quick_run_of_the_lenets_compares_only_where_peers_compete(tmp_path):
    file, table = tmp_path / "lenet.json", tmp_path / "lenet.md"
    done = run("lenet.py", "--tasks", "FG", "--peers", "c", "--quick", "--json", file, "--markdown", table)
    assert done.returncode == 0, done.stderr
    tasks = json.loads(file.read_text())["tasks"]
    assert {task: set(found["rounds"]) for task, found in tasks.items()} == {"F": {"ebp", "c"}, "G": {"ebp"}}
    assert all(len(speeds) == 3 and min(speeds) > 0 for speeds in tasks["F"]["rounds"].values())
    assert tasks["F"]["ratios"]["ebp"]["c"]["median"] > 0
    assert max(tasks["F"]["differences"].values()) < 1e-4
    ratios, speeds = table.read_text().split("| samples/s")
    assert "| F" in ratios
    assert "| G" not in ratios
    assert "| G" in speeds


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


@pytest.mark.parametrize(
    ("tasks", "letter", "name"),
    [
        ("dense_tasks", "A", "ebp"),
        ("dense_tasks", "A", "sklearn"),
        ("dense_tasks", "A", "ebp-sdlm"),
        ("lenet_tasks", "F", "ebp"),
        ("lenet_tasks", "G", "ebp"),
        ("lenet_tasks", "H", "ebp"),
    ],
)
def test_check_refuses_a_rate_wrong_by_a_thousandth(bench, monkeypatch, tasks, letter, name):
    module, driver = bench(tasks), bench("driver")
    task = dataclasses.replace(module.TASKS[letter], check_rows=30)
    method, problem = task.peers[name].method, task.problem(task.check_rows)
    right = task.reference(problem, method)
    assert driver.check(task, {name: right}) == {name: 0}
    problem.rate *= 1.001
    with monkeypatch.context() as patch:
        patch.setattr(bench("dense_tasks"), "SDLM_RATE", 1.001 * bench("common").SDLM_RATE)
        wrong = task.reference(problem, method)
    with pytest.raises(driver.WrongAnswer, match=name):
        driver.check(task, {name: wrong})


def test_check_refuses_weights_that_are_not_finite(bench):
    driver, task = bench("driver"), bench("dense_tasks").TASKS["A"]
    broken = task.reference(task.problem(task.check_rows))
    broken[0][0, 0] = float("nan")
    with pytest.raises(driver.WrongAnswer, match="inf"):
        driver.check(task, {"ebp": broken})


def test_operations_of_the_lenet_leave_out_what_the_maximum_stops(bench):
    """Forward all connections; back only a quarter of those of the convolutions, and none into the image."""
    first, second, dense = 28 * 28 * 6 * 25, 10 * 10 * 16 * 150, 400 * 120 + 120 * 84 + 84 * 10
    task = bench("lenet_tasks").TASKS["F"]
    assert task.operations == 2 * (first + second + dense) + 2 * first // 4 + 4 * second // 4 + 4 * dense


@pytest.mark.parametrize("script", ["online.py", "lenet.py"])
@pytest.mark.parametrize("arguments", [["--tasks", "X"], ["--peers", "nobody"], ["--repeats", "0"]])
def test_unknown_choices_are_named(script, arguments):
    done = run(script, *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert arguments[1] in done.stderr
