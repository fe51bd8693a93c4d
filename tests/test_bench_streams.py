"""The benchmark of streams teaches all sources the same, and says so where one differs."""

import json

import pytest
from bench_scripts import run


def test_all_sources_learn_the_same(tmp_path):
    pytest.importorskip("pyarrow")
    file = tmp_path / "streams.json"
    done = run("streams.py", "--check", "--tasks", "small", "--json", file)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())["small"]
    assert sorted(found["accuracies"]) == ["Arrays", "CSV", "Parquet", "cached", "mapped", "memory"]
    assert min(found["accuracies"].values()) > 0.9
    assert "samples/s" not in done.stdout


def test_another_source_is_refused():
    done = run("streams.py", "--check", "--sources", "tape")
    assert done.returncode == 2
    assert "sources mapped, Arrays, Parquet, CSV, cached; got {'tape'}" in done.stderr
