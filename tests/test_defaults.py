"""The comparison of defaults: what it measures, varies and reports, on tables inside scikit-learn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ebp
import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

SCRIPT = Path(__file__).parents[1] / "bench" / "defaults.py"


def run(*arguments):
    """The finished process of defaults.py."""
    command = [sys.executable, str(SCRIPT), "--quiet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=dict(os.environ))


@pytest.fixture
def contestants(bench):
    return bench("defaults_contestants")


def test_two_tables_are_compared(tmp_path):
    file, table = tmp_path / "found.json", tmp_path / "found.md"
    arguments = ["--data", "iris", "diabetes", "--seeds", 2, "--rates", 1e-3, 1e-2, "--cache-dir", tmp_path]
    arguments += ["--vary", "loss=cross_entropy", "max_iter=1,5", "--json", file, "--markdown", table]
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    names = {"ebp", "sklearn", "adam 0.001", "adam 0.01", "loss=cross_entropy", "max_iter=1", "max_iter=5"}
    for fits in result["found"].values():
        assert set(fits) == names
        assert all(len(found) == 2 for found in fits.values())
        assert fits["sklearn"][0]["score"] == fits["adam 0.001"][0]["score"]  # its default rate
        assert fits["ebp"][0]["score"] > fits["max_iter=1"][0]["score"]
    assert result["found"]["iris"]["ebp"][0]["score"] > 0.9
    assert 0 < result["found"]["iris"]["ebp"][0]["seconds"] < result["found"]["iris"]["sklearn"][0]["seconds"]
    assert result["found"]["diabetes"]["loss=cross_entropy"] == [None, None]  # a loss of classes
    assert "packages" in result["machine"]
    text = table.read_text()
    assert text.strip() in done.stdout
    assert "| ebp against, regression" in text
    assert "| max_iter=5" in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "flowers"], "flowers"),
        (["--peers", "nobody"], "nobody"),
        (["--seeds", "0"], "--seeds"),
        (["--rates", "-1"], "--rates"),
        (["--vary", "max_iter"], "NAME=VALUE"),
        (["--vary", "max_iterations=3"], "max_iterations"),
        (["--vary", "_rates.NOTHING=3"], "_rates.NOTHING"),
        (["--vary", "nowhere.NOTHING=3"], "nowhere.NOTHING"),
        (["--vary", "max_iter=3 4"], "3 4"),
    ],
)
def test_unknown_choices_are_named(arguments, named):
    done = run(*arguments)
    assert done.returncode == 2
    assert named in done.stderr


def test_values_are_written_as_in_python(contestants):
    texts = ["hidden_layer_sizes=50,(50,30)", "loss=hinge", "normalize=None,standard", "alpha=1e-3"]
    assert [person.settings for person in contestants.variations(texts)] == [
        {"hidden_layer_sizes": 50},
        {"hidden_layer_sizes": (50, 30)},
        {"loss": "hinge"},
        {"normalize": None},
        {"normalize": "standard"},
        {"alpha": 1e-3},
    ]


def test_a_constant_is_replaced_during_the_fit_only(bench, contestants, tmp_path):
    data = bench("suite").load("iris", tmp_path)
    parts = contestants.split(data, 0, False)
    before = ebp._rates.FINAL_FRACTION
    plain, constant, still = (
        contestants.measure(contestants.Contestant("", "ebp", settings), data.task, parts, 0)["score"]
        for settings in ({}, {"_rates.SDLM_FRACTION": 1e-6, "_rates.SDLM_LARGEST": 1e-9}, {})
    )
    assert plain == still > constant
    assert before == ebp._rates.FINAL_FRACTION


def test_the_competitor_gets_standardised_inputs_and_targets(bench, contestants, tmp_path):
    data = bench("suite").load("diabetes", tmp_path)
    X, X_test, y, y_test = parts = contestants.split(data, 3, False)
    person = contestants.Contestant("", "sklearn", {"max_iter": 10})
    found = contestants.measure(person, data.task, parts, 3)["score"]
    inputs, targets = StandardScaler().fit(X), StandardScaler().fit(y[:, None])
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model = MLPRegressor(max_iter=10, random_state=3).fit(
            inputs.transform(X), targets.transform(y[:, None])[:, 0]
        )
    predicted = targets.inverse_transform(model.predict(inputs.transform(X_test))[:, None])[:, 0]
    expected = 1 - np.sum((y_test - predicted) ** 2) / np.sum((y_test - y_test.mean()) ** 2)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_splits(bench, contestants):
    suite = bench("suite")
    X = np.arange(20.0).reshape(10, 2)
    data = suite.DataSet("small", suite.CLASSIFICATION, X, np.arange(10) % 2, n_train=4)
    random, shipped = contestants.split(data, 1, False), contestants.split(data, 1, True)
    assert [len(part) for part in random] == [7, 3, 7, 3]
    assert sorted(np.vstack(random[:2])[:, 0]) == sorted(X[:, 0])
    np.testing.assert_array_equal(shipped[0], X[:4])
    np.testing.assert_array_equal(shipped[3], data.y[4:])


@pytest.fixture
def result():
    """Two sets, two seeds, made up."""

    def fits(*scores):
        return [{"score": score, "seconds": 0.5, "warned": False} for score in scores]

    ebp_a, ebp_b = fits(0.9, 0.8), fits(0.5, 0.7)
    return {
        "tasks": {"a": "classification", "b": "classification"},
        "found": {
            "a": {"ebp": ebp_a, "adam 0.01": fits(0.8, 0.8), "adam 0.001": fits(1.0, 0.5)},
            "b": {"ebp": ebp_b, "adam 0.01": fits(0.6, 0.6), "adam 0.001": fits(0.7, 0.7)},
        },
    }


def test_the_best_rate_is_chosen_for_each_set(bench, result):
    report = bench("defaults_report")
    scores = report.Scores(result, "classification")
    assert scores.rates == ["0.01", "0.001"]
    np.testing.assert_allclose(scores.score[report.BEST], [[80, 80], [70, 70]])
    mean, half = scores.ahead("ebp", report.BEST)
    # means over the sets: 70 and 75 against 75 and 75, hence -5 and 0; Student's t is 12.706 for two values
    np.testing.assert_allclose([mean, half], [-2.5, 12.706 * 2.5], rtol=1e-4)
    summary = report.summary(scores, "classification", ["ebp", report.BEST])
    assert "-2.50 ± 31.77" in summary
    assert "1-0-1" in summary
    assert "1.00" in summary
