"""The benchmark of the time to an error trains what it says, and chooses alike for all."""

import json

import numpy as np
import pytest
from bench_scripts import PNG, run


@pytest.fixture
def digits(bench):
    """Two hundred random pictures of ten classes that a network can tell apart."""
    rng = np.random.default_rng(5)
    centres, y = rng.standard_normal((10, 784)), np.arange(200) % 10
    X = (centres[y] + 0.3 * rng.standard_normal((200, 784))).astype(np.float32)
    raw = (X - X.min()) / (X.max() - X.min())
    return bench("error_courses").Digits(raw, X, y, raw, X, y)


def test_courses_of_ebp_learn(bench, digits):
    courses = bench("error_courses")
    for course in (courses.recipe(3, "blocked"), courses.defaults(3), courses.rectified(3, 0.002)):
        steps = list(course(digits, 0))
        assert len(steps) == 3
        assert steps[-1].error < 5  # per cent; a guess errs on 90
        assert all(step.seconds > 0 for step in steps)


def test_engines_follow_the_same_course(bench, digits):
    """Their updates are the same but for rounding."""
    courses = bench("error_courses")
    errors = [[step.error for step in courses.recipe(2, e)(digits, 1)] for e in ("streaming", "blocked")]
    np.testing.assert_allclose(*errors, atol=1)


@pytest.mark.parametrize("falls", [False, True])
def test_adam_learns(bench, digits, falls):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    steps = list(bench("error_courses").adam(3, 16, 1e-3, falls)(digits, 0))
    assert len(steps) == 3
    assert steps[-1].error < 5
    assert np.float32(1e-40) * np.float32(1) > 0  # denormals are numbers again


def test_the_rate_falls_linearly_to_zero(bench):
    factors = bench("error_courses").falling(2, 500).factors([0, 250, 500, 999])
    np.testing.assert_allclose(factors, [1, 0.75, 0.5, 0.01], rtol=1e-12)


def course(program, *seconds_and_errors):
    steps = [{"seconds": s, "error": e} for s, e in seconds_and_errors]
    return {"program": program, "seeds": [steps]}


def test_the_fastest_of_each_program_is_found(bench):
    script = bench("time_to_error")
    found = {
        "courses": {
            "ours": course("recipe", (2, 3.5), (2, 2.5), (2, 2.0)),
            "quick": course("torch", (1, 3.9), (1, 2.8), (1, 2.9)),
            "good": course("torch", (4, 4.0), (4, 1.9), (4, 1.8)),
        }
    }
    script.summarise(found)
    assert found["courses"]["quick"]["seconds"] == {"4": 1, "3": 2, "2.5": None, "2": None}
    assert found["fastest"]["torch"] == {"4": "quick", "3": "quick", "2.5": "good", "2": "good"}
    assert found["fastest"]["relu"] == dict.fromkeys(("4", "3", "2.5", "2"))
    assert script.ratio(found, "recipe", "4")["median"] == 0.5
    assert script.ratio(found, "recipe", "2")["median"] == pytest.approx(8 / 6)
    assert script.ratio(found, "relu", "2") is None
    assert set(script.shown(found)) == {"ours", "quick", "good"}


def test_small_run_writes_the_table_and_the_picture(data_dir, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")
    file, picture = tmp_path / "error.json", tmp_path / "error.png"
    arguments = ["--digits", 600, "--passes", 2, "--batches", 32, "--rates", 1e-3, "--quiet"]
    arguments += ["--data-dir", data_dir, "--out", picture, "--json", file]
    done = run("time_to_error.py", *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert [one["program"] for one in found["courses"].values()] == [
        *("recipe", "recipe", "defaults", "relu", "torch", "torch")
    ]
    assert all(len(one["seeds"][0]) == 2 for one in found["courses"].values())
    assert found["settings"]["digits"] == 600
    assert "| Adam, batch 32, rate 0.001" in done.stdout
    assert picture.read_bytes().startswith(PNG)
