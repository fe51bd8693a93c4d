"""The benchmark of fits over dask partitions ends at the same parameters with any number of workers."""

import json

import pytest
from bench_scripts import PNG, run


def test_a_small_fit_is_measured_and_drawn(tmp_path):
    pytest.importorskip("distributed")
    pytest.importorskip("matplotlib")
    file, picture = tmp_path / "cluster.json", tmp_path / "cluster.png"
    small = ("--workers", "1,3", "--samples", 800, "--partitions", 3, "--repeats", 1)
    done = run("cluster.py", *small, "--methods", "lbfgs", "--json", file, "--out", picture, "--quiet")
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert list(found["methods"]) == ["lbfgs"]
    seconds = found["methods"]["lbfgs"]["seconds"]
    assert {workers: len(values) for workers, values in seconds.items()} == {"1": 1, "3": 1}
    assert min(min(values) for values in seconds.values()) > 0
    rows = [line.split("|")[1:3] for line in done.stdout.splitlines() if line.startswith("| ")]
    milliseconds = {workers.strip(): ms.strip() for workers, ms in rows}
    assert milliseconds["2"] == "-"
    assert float(milliseconds["1"]) > 0
    assert float(milliseconds["3"]) > 0
    assert picture.read_bytes().startswith(PNG)


def test_another_method_is_refused():
    done = run("cluster.py", "--methods", "lm,adam")
    assert done.returncode == 2
    assert "methods lm, lbfgs; got adam" in done.stderr
