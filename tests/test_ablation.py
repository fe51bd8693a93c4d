"""What `ebp.tricks.ablation` returns: rows, table, numbers, picture; and how it fails."""

import json
import sys
from dataclasses import replace

import ebp
import numpy as np
import pytest
from ebp._tricks_table import RECIPE, TRICKS
from ebp.tricks import AblationRow, Interval, ablation
from tables import IRIS

NAMES = ["batch learning", "sorted by target", "weights x 10"]


@pytest.fixture(scope="module")
def found():
    digits = [part[:600] for part in ebp.datasets.load_digits()]
    return ablation(*digits, tricks=NAMES, seeds=3, rates=(0.5, 1, 2), max_iter=4, hidden_layer_sizes=20)


def test_rows_of_an_ablation(found):
    assert [row.name for row in found] == [RECIPE, *NAMES]
    assert (found.task, found.recipe["normalize"]) == ("classification", "decorrelate")
    assert (found.n_training, found.n_validation, found.n_test) == (360, 90, 150)
    first, batch = found.rows[0], found["batch learning"]
    assert (batch.verdict, first.verdict) == ("worse", "same")
    assert batch.difference.mean > 0.05
    assert batch.presentations > 3 * first.presentations
    assert batch.difference.mean == pytest.approx(np.mean(batch.test_errors - first.test_errors))
    assert first.validation_errors[first.factor] == min(first.validation_errors.values())
    assert first.validation_curve[-1] == first.validation_errors[first.factor]
    assert found.level == pytest.approx(max(1.25 * first.validation_curve[-1], 1 / 90))
    assert first.rate / first.factor == pytest.approx(found["sorted by target"].rate / found[NAMES[1]].factor)
    with pytest.raises(KeyError, match="the rows are 'full recipe'"):
        found["momentum"]


def test_the_table(found):
    lines = str(found).splitlines()
    assert len({len(line) for line in lines[:6]}) == 1
    row = [cell.strip() for cell in lines[3].strip("|").split("|")]
    batch = found["batch learning"]
    assert row[:2] == ["batch learning", "4.1"]
    assert row[2] == f"{100 * batch.error.mean:.2f} ± {100 * batch.error.half_width:.2f}"
    assert row[4] == "worse"
    assert "4 epochs, 1,440 presentations in every row" in lines[7]


def test_the_numbers_as_json(found):
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    row = values["rows"][1]
    assert (row["name"], row["changes"]["solver"], row["verdict"]) == ("batch learning", "gd", "worse")
    assert row["difference"]["low"] == pytest.approx(found.rows[1].difference.low)
    assert len(row["test_errors"]) == 3
    assert values["n_seeds"] == 3


def test_the_picture(found):
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    figure = found.plot(axes)
    assert figure is axes[0].figure
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [row.name for row in found]
    means = [bars.lines[0].get_xdata()[0] for bars in axes[0].containers]
    assert means == pytest.approx([100 * row.error.mean for row in found])


def test_no_picture_without_matplotlib(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="efficient-backprop\\[plot\\]"):
        found.plot()


def test_processes_and_seeds_do_not_change_the_numbers():
    options = {"tricks": ["relu"], "rates": (1.0,), "max_iter": 2, "hidden_layer_sizes": 4}
    one = ablation(*IRIS, seeds=2, random_state=5, n_jobs=2, **options).to_dict()
    assert one == ablation(*IRIS, seeds=2, random_state=np.random.default_rng(5), **options).to_dict()
    assert one != ablation(*IRIS, seeds=[1, 2], **options).to_dict()


def test_rows_that_differ_in_two_things_have_another_reference():
    options = {"seeds": [0, 1], "rates": (1.0,), "max_iter": 2, "hidden_layer_sizes": 4}
    found = ablation(*IRIS, tricks=["not centred"], **options)
    assert [row.name for row in found] == [RECIPE, "not decorrelated", "not centred"]
    row, other = found["not centred"], found["not decorrelated"]
    assert (row.against, other.against) == ("not decorrelated", RECIPE)
    assert row.difference.mean == pytest.approx(np.mean(row.test_errors - other.test_errors))
    assert "': to the row 'not decorrelated'." in str(found)


def row_of(differences):
    """A row whose differences to the recipe are these."""
    errors = np.array(differences)
    interval = Interval.of(errors)
    return AblationRow(TRICKS[0], errors, interval, interval, RECIPE, errors, 1.0, 1.0, 1.0, {}, False, 0)


def test_differences_that_are_equal_but_for_rounding_decide_nothing(found):
    equal = np.array([7, 9, 4, 12, 6]) / 449 - np.array([5, 7, 2, 10, 4]) / 449
    assert 0 < equal.std() < 1e-15
    assert (row_of(equal).verdict, row_of(-equal).verdict) == ("same", "same")
    assert row_of([3 / 10_000, 3 / 10_000, 3 / 10_000, 4 / 10_000]).verdict == "worse"
    table = str(replace(found, rows=[found.rows[0], row_of(equal)]))
    assert "+0.45 ± 0.00 |    same" in table
    assert "± 0.00 and 'same': the difference is equal for all seeds" in table
    assert "± 0.00 and 'same'" not in str(found)


def test_a_row_that_fails_is_marked():
    options = {"seeds": [0, 1], "rates": (1e30,), "max_iter": 2, "hidden_layer_sizes": 4}
    found = ablation(*IRIS, tricks=[], **options)
    assert found.rows[0].n_failed == 2
    assert "*" in str(found).splitlines()[2]
    assert "*: some seed diverged" in str(found)


def test_values_and_a_test_part_of_their_own():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(350, 3)) * [1, 10, 0.1] + [0, 50, 1]
    y = np.sin(X[:, 0]) + 0.1 * X[:, 1]
    options = {"seeds": 1, "rates": (1.0,), "max_iter": 5, "hidden_layer_sizes": 4}
    found = ablation(X[:300], y[:300], test=(X[300:], y[300:]), tricks=["raw inputs"], **options)
    assert (found.task, found.n_training, found.n_test) == ("regression", 240, 50)
    assert found.rows[0].error.mean < found["raw inputs"].error.mean <= 1
    assert found.rows[1].verdict == ""


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"tricks": ["flying"]}, ValueError, "tricks must be one of 'batch learning', .*; got 'flying'"),
        ({"tricks": "relu"}, TypeError, "tricks must be a sequence of names; got the text 'relu'"),
        ({"seeds": 0}, ValueError, "seeds must be an integer >= 1 or a sequence of seeds; got 0"),
        ({"seeds": [0, -1]}, ValueError, "seeds must be an integer in .*; got -1"),
        ({"seeds": [0, 3, 3]}, ValueError, "seeds must differ from each other; got 3 more than once"),
        ({"seeds": np.array([2, 2])}, ValueError, "seeds must differ from each other; got .*2.* more than"),
        ({"rates": (1, 2, 1.0)}, ValueError, "rates must differ from each other; got 1 more than once"),
        ({"rates": ()}, TypeError, "rates must be a sequence of at least one number; got"),
        ({"rates": (1, 0)}, ValueError, "rates must be a number > 0; got 0"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1; got 0"),
        ({"hidden_layer_sizes": -3}, ValueError, "hidden_layer_sizes must be a positive integer"),
        ({"test_fraction": 1.0}, ValueError, "test_fraction must be a number in \\(0, 1\\); got 1.0"),
        ({"validation_fraction": 0}, ValueError, "validation_fraction must be a number in \\(0, 1\\); got 0"),
        ({"task": "ranking"}, ValueError, "task must be one of 'auto', .*; got 'ranking'"),
        ({"verbose": 5}, ValueError, "verbose must be one of 0, 1; got 5"),
        ({"verbose": "x"}, ValueError, "verbose must be one of 0, 1; got 'x'"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be None, an integer >= 1, or a negative one.*; got 0"),
        ({"n_jobs": "all"}, ValueError, "n_jobs must be None, an integer >= 1, .*; got 'all'"),
        ({"test": IRIS[0]}, TypeError, "test must be a pair \\(X, y\\); got ndarray"),
        ({"test": (IRIS[0][:, :3], IRIS[1])}, ValueError, "test must have the columns of X and y"),
    ],
)
def test_misuse(options, error, text):
    with pytest.raises(error, match=f"\\[ablation\\] {text}"):
        ablation(*IRIS, **options)


def test_raw_inputs_must_fit_into_the_networks_type():
    with pytest.raises(ValueError, match=r"\[ablation\] X must be at most 1e\+30, to be trained on raw; got"):
        ablation(IRIS[0] * 1e30, IRIS[1])


def test_too_few_samples():
    with pytest.raises(ValueError, match=r"\[ablation\] each part .* at least 2 samples; got 1 of 6"):
        ablation(IRIS[0][:6], IRIS[0][:6, 0], task="regression")
    for X, y in (IRIS[0][:2], IRIS[0][:2, 0]), (IRIS[0][49:52], IRIS[1][49:52]):
        with pytest.raises(ValueError, match=rf"at least 6 samples, two .* the 3 parts .*; got {len(y)}"):
            ablation(X, y)
    with pytest.raises(ValueError, match=r"at least 4 samples, two for each of the 2 parts .*; got 3"):
        ablation(IRIS[0][49:52], IRIS[1][49:52], test=IRIS)


def test_one_class_is_nothing_to_learn():
    with pytest.raises(ValueError, match=r"\[ablation\] y must be 1-D and have at least 2 classes; got"):
        ablation(IRIS[0], np.zeros(150, int), task="classification")
