"""The command `ebp tricks`: what it prints, what it writes, and how it fails."""

import json
import sys

import numpy as np
import pytest
from commands import one_error, run, write_csv

SHORT = ["--seeds", 1, "--epochs", 1, "--hidden", 3, "--quiet"]


@pytest.fixture
def moons(tmp_path):
    """Two classes of 60 rows each; a third column that tells nothing."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 120)
    upper = np.arange(120) % 2
    a, b = np.cos(angle) + upper, np.where(upper, 0.5 - np.sin(angle), np.sin(angle))
    rows = zip(a.tolist(), b.tolist(), rng.random(120), np.where(upper, "up", "down"), strict=True)
    return write_csv(tmp_path / "moons.csv", ["a", "b", "noise", "moon"], rows)


def test_the_tricks_of_a_table(capsys, moons):
    code, out, err = run(capsys, "tricks", moons, "--target", "moon", "--drop", "noise", *SHORT)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("| trick ")
    assert lines[2].startswith("| full recipe ")
    assert any(line.startswith("| sorted by target ") for line in lines)
    assert "Classification, network 2-3, 72 samples to train, 18 to choose the rate, 30 to test" in out


def test_the_tricks_of_a_regression_as_json_and_picture(capsys, moons, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")
    import matplotlib

    matplotlib.use("Agg")
    picture = tmp_path / "tricks.png"
    options = ["--target", "b", "--drop", "moon", "--json", "--plot", picture]
    code, out, err = run(capsys, "tricks", moons, *options, *SHORT)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["task"], found["max_iter"], found["n_seeds"]) == ("regression", 1, 1)
    assert found["hidden_layer_sizes"] == [3]
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_a_bar_shows_the_progress(capsys, moons):
    code, _, err = run(capsys, "tricks", moons, "--target", "moon", *SHORT[:-1])
    assert code == 0
    assert "100%" in err


def test_of_a_large_table_some_rows_are_drawn(capsys, moons):
    code, out, err = run(capsys, "tricks", moons, "--target", "moon", "--max-rows", 80, *SHORT)
    assert (code, err) == (0, "ebp: 80 of the 120 rows, drawn at random; see --max-rows\n")
    assert "48 samples to train, 12 to choose the rate, 20 to test" in out


def test_too_few_rows_to_divide(capsys, moons):
    code, out, err = run(capsys, "tricks", moons, "--target", "moon", "--max-rows", 2, *SHORT)
    assert (code, out) == (2, "")
    assert err.splitlines()[1].startswith("ebp: error: [ablation] X and y must have at least 6 samples")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--seeds", "0"], "must be a whole number, at least 1; got '0'"),
        (["--epochs", "x"], "must be a whole number, at least 1; got 'x'"),
        (["--max-rows", "0"], "must be a whole number, at least 1; got '0'"),
        (["--plot", "no/p.png"], "--plot: there is no folder "),
        (["--plot", "moons.csv"], "--plot must name another file than the input"),
        (["--plot", "tricks.text"], "--plot must end in one of "),
        (["--drop", "nothing"], "nothing"),
        (["--task", "regression"], "'down' is not a finite number"),
    ],
)
def test_errors_of_use(capsys, moons, tmp_path, monkeypatch, options, text):
    monkeypatch.chdir(tmp_path)
    one_error(run(capsys, "tricks", "moons.csv", "--target", "moon", *SHORT, *options), text)


def test_no_picture_without_matplotlib(capsys, moons, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    result = run(capsys, "tricks", moons, "--target", "moon", "--plot", tmp_path / "p.png", *SHORT)
    one_error(result, "matplotlib must be installed: pip install 'efficient-backprop[plot]'")
