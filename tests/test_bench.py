"""The benchmark's driver works, and its checks tell right answers from wrong ones."""

import dataclasses
import importlib.util
import json
import re
import shutil

import numpy as np
import pytest
from bench_scripts import CPUS, run

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the plain C peer needs gcc")


def test_ebp_passes_the_check_on_every_task():
    done = run("online.py", "--check", "--peers", "")
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in done.stdout.splitlines()] == list("ABCDE")
    own = ["ebp", "ebp-streaming", "ebp-blocked", "ebp-sdlm", "ebp-sdlm-unit", "ebp-momentum", "ebp-decay"]
    for line in done.stdout.splitlines():
        assert re.findall(r"(ebp\S*) [\d.e-]+", line) == own


def test_ebp_passes_the_check_on_every_lenet():
    done = run("lenet.py", "--check", "--peers", "")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list("FGH")


@needs_gcc
def test_quick_run_writes_ratios_and_machine_facts(tmp_path):
    file, table = tmp_path / "online.json", tmp_path / "online.md"
    arguments = ["--engines", "blocked", "--rules", "sdlm", "--json", file, "--markdown", table]
    done = run("online.py", "--tasks", "A", "--peers", "c", "--quick", *arguments)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    task = result["tasks"]["A"]
    assert set(task["rounds"]) == {"ebp", "ebp-blocked", "ebp-sdlm", "c"}
    assert all(len(speeds) == 3 and min(speeds) > 0 for speeds in task["rounds"].values())
    ratio = task["ratios"]["ebp"]["c"]
    assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
    assert max(task["differences"].values()) < 1e-4
    single = result["learn_one"]
    assert single["nanoseconds"]["median"] > single["beyond_the_step"]["median"] > 0
    assert {"cpu", "caches", "isa", "compiler", "packages", "date"} <= set(result["machine"])
    assert set(task["relative"]) == {"ebp-blocked", "ebp-sdlm"}
    assert "| ebp / peer" in table.read_text()
    assert re.search(
        r"A ebp / plain C +\| at least 1.3 \| [\d.]+ \([\d.]+-[\d.]+\) \| (not )?met", table.read_text()
    )
    assert re.search(r"A ebp / JAX +\| at least 4 +\| - +\| not measured", table.read_text())


@pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
def test_quick_run_with_two_threads_compares_them_with_one(tmp_path):
    file = tmp_path / "online.json"
    arguments = ["--engines", "streaming", "--rules", "", "--threads", "1,2", "--cpus", ",".join(CPUS)]
    done = run(
        "online.py", "--tasks", "B", "--peers", "", "--quick", "--repeats", 1, "--json", file, *arguments
    )
    assert done.returncode == 0, done.stderr
    task = json.loads(file.read_text())["tasks"]["B"]
    assert set(task["differences"]) == {"ebp", "ebp-2t", "ebp-streaming", "ebp-streaming-2t"}
    assert task["threads"]["ebp-streaming-2t"] == 2
    speeds = {name: rounds[0] for name, rounds in task["rounds"].items()}
    for name in ("ebp", "ebp-streaming"):
        found = task["speed-up"][f"{name}-2t"]["median"]
        assert found == pytest.approx(speeds[f"{name}-2t"] / speeds[name])


def test_required_ratios_are_formed_within_rounds(bench):
    required = bench("required")
    rounds = {"ebp": [4.0, 9.0, 2.0], "jax": [2.0, 1.0, 1.0], "c": [1.0, 3.0, 0.5]}
    at_least = required.Required("D", "the better", "ebp", ("jax", "c"), 2.0)
    assert at_least.obtained(rounds) == {"median": 2.0, "min": 2.0, "max": 3.0}
    assert at_least.met(at_least.obtained(rounds))
    assert not dataclasses.replace(at_least, bound=2.01).met(at_least.obtained(rounds))
    at_most = dataclasses.replace(at_least, kind="at most", bound=1.9)
    assert not at_most.met(at_most.obtained(rounds))
    assert dataclasses.replace(at_most, bound=2.0).met(at_most.obtained(rounds))
    assert dataclasses.replace(at_least, below=("jax", "torch-256")).obtained(rounds) is None


def test_required_names_are_contestants(bench):
    """With `--threads 1,2`, every name that a bound speaks of is one of the task."""
    for script in ("online", "lenet"):
        benchmark = bench(script).BENCHMARK
        for one in bench("required").REQUIRED:
            if one.task in benchmark.tasks:
                assert {one.above, *one.below} <= set(benchmark.task(one.task, [2]).peers)


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
def test_limits_name_what_binds_each_task(tmp_path):
    file = tmp_path / "limits.json"
    done = run("limits.py", "--tasks", "AF", "--rounds", 1, "--cpus", ",".join(CPUS), "--json", file)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert set(found["operations"]) == {"multiply-adds", "sgemm, forward", "sgemm, update"}
    assert set(found["tasks"]) == {"A", "F"}
    assert ("two_cores" in found) == (len(CPUS) > 1)
    assert all(ratio["min"] > 0 for ratio in found.get("two_cores", {}).values())
    assert set(found["tasks"]["A"]["speeds"]) == {"ebp-streaming", "ebp-blocked"}
    assert set(found["tasks"]["F"]["speeds"]) == {"ebp"}
    for task in found["tasks"].values():
        best = task["best"]
        limits = task["limits"][best["engine"]]
        assert limits[best["binds"]] == min(limits.values())
        speed = task["speeds"][best["name"]]["median"]
        assert best["share"]["median"] == pytest.approx(speed / limits[best["binds"]])
    assert "| A 16-16-2 " in done.stdout


def test_ceilings_count_by_hand(bench):
    """784-300-10 with 4 bytes a weight: 940,800 of the first layer, 12,000 above."""
    ceilings = bench("ceilings")
    task = ceilings.TASKS["D"]
    found = ceilings.ceilings(task, flops=1e12, chain=1e-9, update=2e11)
    assert task.operations == 4 * 784 * 300 + 6 * 300 * 10
    assert found["streaming"]["arithmetic"] == pytest.approx(1e12 / task.operations)
    assert found["streaming"]["bandwidth"] == pytest.approx(2e11 / (2 * 952_800))
    rows = (14 * 784 * 300 / (784 + 300)) ** 0.5
    assert found["blocked"]["bandwidth"] == pytest.approx(2e11 / (2 * 940_800 / rows + 2 * 12_000))
    assert found["blocked"]["latency"] == pytest.approx(1e9 / (2 * 23 + 1 + 2))


def test_shares_are_formed_within_rounds(bench):
    limits = [
        {"streaming": {"arithmetic": a, "bandwidth": 10.0}, "blocked": {"arithmetic": a, "bandwidth": 99.0}}
        for a in (20.0, 40.0, 40.0)
    ]
    speeds = {"ebp-streaming": [5.0, 9.0, 6.0], "ebp-blocked": [10.0, 30.0, 10.0]}
    best = bench("ceilings").shares(limits, speeds)["best"]
    assert (best["engine"], best["binds"]) == ("blocked", "arithmetic")
    assert best["share"] == {"median": 0.5, "min": 0.25, "max": 0.75}


@pytest.mark.parametrize(
    ("n_bytes", "level"), [(48 * 1024, "L1"), (48 * 1024 + 1, "L2"), (5 << 20, "memory")]
)
def test_cache_that_holds_the_weights(bench, n_bytes, level):
    caches = {"L1 data": "48K", "L1 instruction": "64K", "L2": "4M"}
    assert bench("machine").level_of(n_bytes, caches) == level


@pytest.mark.parametrize(
    ("tasks", "letter", "name"),
    [
        ("dense_tasks", "A", "ebp"),
        ("dense_tasks", "A", "sklearn"),
        ("dense_tasks", "A", "ebp-sdlm"),
        ("dense_tasks", "A", "ebp-sdlm-unit"),
        ("dense_tasks", "A", "ebp-momentum"),
        ("dense_tasks", "A", "ebp-decay"),
        ("dense_tasks", "D", "torch-256"),
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


@pytest.mark.parametrize("method", ["sdlm, one rate a unit", "momentum", "weight decay", "mini-batch"])
def test_each_method_is_told_from_plain_descent(bench, method):
    task = bench("dense_tasks").TASKS["B"]
    problem, difference = task.problem_to_check(), bench("common").relative_difference
    start = bench("common").initial_parameters(problem)
    plain, other = task.reference(problem), task.reference(problem, method)
    assert difference(other, plain, start) > 3 * task.tolerance


def test_pytorch_trains_mini_batches(bench):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    done = run("online.py", "--check", "--tasks", "D", "--peers", "torch", "--engines", "", "--rules", "")
    assert done.returncode == 0, done.stderr
    assert "torch-256" in done.stdout


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


@pytest.mark.parametrize("arguments", [["--threads", "2"], ["--engines", "fast"], ["--rules", "adam"]])
def test_unknown_variants_are_named(arguments):
    done = run("online.py", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert arguments[1] in done.stderr
