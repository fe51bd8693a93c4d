"""The benchmark of scaling measures what it says, and fits what it measured."""

import json

import numpy as np
import pytest
from bench_scripts import PNG, run

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")


def points(parameters, cost):
    return [{"parameters": n, "nanoseconds": {"median": t}} for n, t in zip(parameters, cost, strict=True)]


def test_fit_finds_the_exponent_and_the_jump_beyond_the_cache(bench):
    parameters = [100, 1000, 2000, 4000, 8000]
    found = bench("scaling").fit(points(parameters, 3 * np.array(parameters) ** 1.25), cache=3999)
    assert found["beyond_cache"] == 4
    assert found["slope"] == pytest.approx(1.25)
    assert found["jump"] == pytest.approx(2**0.25)
    cliff = bench("scaling").fit(points(parameters, [9, 10, 20, 120, 240]), cache=3999)
    assert cliff["jump"] == pytest.approx(3)  # 120 / 4000 over 20 / 2000
    assert bench("scaling").fit(points(parameters, parameters), cache=31_999)["slope"] is None


@pytest.mark.parametrize("family", ["784-h-10", "n-n-n"])
def test_families_are_evenly_spread(bench, family):
    scaling = bench("scaling")
    counts = [scaling.count(widths) for widths in scaling.members(family, 1e6, 2)]
    wanted = np.geomspace(1000, 1e6, 7)
    for count in wanted[1:]:
        assert min(abs(np.log(np.array(counts) / count))) < 0.15
    assert counts == sorted(set(counts))


def test_rows_go_on_where_they_ended(bench):
    rows = bench("scaling").Rows(np.array([2, 0, 1]))
    taken = [rows.next(2), rows.next(5), rows.next(1)]
    np.testing.assert_array_equal(np.concatenate(taken), [2, 0, 1, 2, 0, 1, 2, 0])


def test_small_run_draws_all_pictures(tmp_path):
    file = tmp_path / "scaling.json"
    arguments = ["--largest", 1000, "--rows", 2048, "--rounds", 1, "--seconds", 0.001, "--quiet"]
    done = run("scaling.py", *arguments, "--out", tmp_path, "--json", file, "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert [one["rows"] for one in found["data"]] == [512, 2048]
    assert found["data"][1]["bytes"] == 2048 * 784 * 4
    assert found["threads"]["D"]["speed-up"]["1"]["median"] == 1
    assert {point["network"] for point in found["parameters"]["n-n-n"]["points"]} == {
        "7-7-7",
        "12-12-12",
        "22-22-22",
    }
    pictures = sorted(tmp_path.glob("*.png"))
    assert [picture.stem for picture in pictures] == ["scaling_data", "scaling_parameters", "scaling_threads"]
    assert all(picture.read_bytes().startswith(PNG) for picture in pictures)
    assert not list(tmp_path.glob("**/*.float32"))
