"""The benchmark's driver works, and its checks tell right answers from wrong ones."""

import dataclasses
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the plain C peer needs gcc")


def run(script, *arguments, **environment):
    """The finished process of a benchmark script, its output as text."""
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)


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
    single = result["learn_one"]
    assert single["nanoseconds"]["median"] > single["beyond_the_step"]["median"] > 0
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


def test_ebp_passes_the_check_on_every_second_order_task():
    done = run("second_order.py", "--check", "--peers", "")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "a",
        "b",
        "c1",
        "c2",
        "c3",
        "d0",
        "d1",
        "d2",
        "e",
    ]


@pytest.mark.parametrize(
    ("peer", "library", "tasks"),
    [
        ("jax", "jax", "a"),
        ("torch", "torch", "ace"),
        ("backpack", "backpack", "b"),
        ("curvlinops", "curvlinops", "c"),
        ("scipy", "scipy", "d"),
        ("torch-lm", "torch_levenberg_marquardt", "d"),
        ("sklearn", "sklearn", "e"),
    ],
)
def test_second_order_peers_pass_the_check(peer, library, tasks):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = run("second_order.py", "--check", "--tasks", tasks, "--peers", peer)
    assert done.returncode == 0, done.stderr
    for task in tasks:
        assert any(f" {peer} " in line for line in done.stdout.splitlines() if line.startswith(task))


def test_quick_run_of_second_order_writes_times_and_errors(tmp_path):
    file, table = tmp_path / "found.json", tmp_path / "found.md"
    arguments = ["--tasks", "d", "--peers", "scipy", "--quick", "--json", file, "--markdown", table]
    done = run("second_order.py", *arguments)
    assert done.returncode == 0, done.stderr
    tasks = json.loads(file.read_text())["tasks"]
    assert list(tasks) == ["d0", "d1", "d2"]
    for task in tasks.values():
        time, ratio = task["milliseconds"]["ebp"], task["ratios"]["ebp"]["scipy"]
        assert 0 < time["min"] <= time["median"] <= time["max"]
        assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
        assert all(0 < task["figures"][name]["MSE"] < 0.005 for name in ("ebp", "scipy"))
    assert "| scipy |" in table.read_text()


def test_an_absent_peer_is_reported_and_the_rest_goes_on(tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('jax is not here')\n")
    file = tmp_path / "found.json"
    arguments = ["--check", "--tasks", "a", "--peers", "jax", "--json", file]
    done = run("second_order.py", *arguments, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    assert result["dropped"] == {"jax": "is skipped: jax is not here"}
    assert set(result["tasks"]["a"]["differences"]) == {"ebp"}


@pytest.fixture
def small_problem(bench):
    """3-4-2 with five samples."""
    rng = np.random.default_rng(3)
    return bench("second_order_oracle").BatchProblem(
        layers=(3, 4, 2),
        linear_output=False,
        inputs=rng.standard_normal((5, 3)),
        targets=rng.uniform(-0.9, 0.9, (5, 2)),
        start=rng.standard_normal(26),
        direction=rng.standard_normal(26),
    )


@pytest.mark.parametrize("linear_output", [False, True])
def test_second_order_oracle_agrees_with_differences(bench, small_problem, linear_output):
    oracle, problem = bench("second_order_oracle"), small_problem
    problem.linear_output = linear_output
    steps = 1e-6 * np.eye(26)

    def slope(function):
        pairs = [(function(problem.start + s), function(problem.start - s)) for s in steps]
        return np.array([(after - before) / 2e-6 for after, before in pairs])

    half_sum = slope(lambda parameters: oracle.mean_square(problem, parameters))  # two outputs: 2 / 2
    np.testing.assert_allclose(oracle.gradient(problem, problem.start), half_sum, atol=1e-9)
    diagonal = (slope(lambda parameters: oracle.forward(problem, parameters)[-1]) ** 2).sum(axis=(1, 2)) / 5
    np.testing.assert_allclose(oracle.gauss_newton_diagonal(problem), diagonal, atol=1e-8)
    hessian = oracle.hessian(problem)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-9)
    np.testing.assert_allclose(hessian @ problem.direction, oracle.product(problem), atol=1e-8)
    largest = np.linalg.eigvalsh(hessian)[-1]
    np.testing.assert_allclose(oracle.largest_eigenvalue(problem), [largest], rtol=1e-6)


@pytest.mark.parametrize(("key", "name"), [("a", "jax"), ("b", "backpack")])
def test_check_refuses_the_scale_of_another_loss(bench, key, name):
    driver, task = bench("driver"), bench("second_order_tasks").TASKS[key]
    right = task.expected(task.problem())
    assert driver.check(task, {name: [right]}) == {name: 0}
    with pytest.raises(driver.WrongAnswer, match=name):
        driver.check(task, {name: [right * (2 / task.layers[-1])]})
    with pytest.raises(driver.WrongAnswer, match="inf"):
        driver.check(task, {name: [right[:-1]]})


def test_check_refuses_a_fit_that_is_stuck_or_misreported(bench):
    driver, tasks, oracle = (bench(name) for name in ("driver", "second_order_tasks", "second_order_oracle"))
    task = tasks.TASKS["d0"]
    start = task.problem().start
    error = oracle.mean_square(task.problem(), start)
    with pytest.raises(driver.WrongAnswer, match="scipy ends at"):
        driver.check(task, {"scipy": [start, error, 0]})
    lenient = dataclasses.replace(task, highest=2 * error)
    assert driver.check(lenient, {"scipy": [start, error, 0]}) == {"scipy": 0}
    with pytest.raises(driver.WrongAnswer, match="scipy"):
        driver.check(lenient, {"scipy": [start, 1.001 * error, 0]})


@pytest.mark.parametrize("script", ["online.py", "lenet.py", "second_order.py"])
@pytest.mark.parametrize("arguments", [["--tasks", "X"], ["--peers", "nobody"], ["--repeats", "0"]])
def test_unknown_choices_are_named(script, arguments):
    done = run(script, *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert arguments[1] in done.stderr
