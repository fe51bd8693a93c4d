"""The command `ebp report`: which data reach the page, what it writes, and how it fails."""

import re
import sys

import ebp
import numpy as np
import pytest
from commands import one_error, run, write_csv
from ebp import model_file
from pages import Page, check_alone

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no report")


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """A table of two classes, whose names are HTML, in a folder that is made the current one."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kinds = np.where(np.arange(80) % 2, "<b>rose</b>", "aster & co")
    sizes = rng.normal(np.arange(80) % 2 * 3, 1)
    colours = np.where(rng.random(80) < 0.5, "red", "blue")
    rows = zip(sizes.round(4).tolist(), colours, rng.random(80).round(4).tolist(), kinds, strict=True)
    return write_csv(tmp_path / "flowers.csv", ["size", "colour", "height", "kind"], rows)


@pytest.fixture
def trained(capsys, flowers):
    """A model file of `ebp train`."""
    arguments = ["--target", "kind", "--hidden", 4, "--epochs", 5, "--test-fraction", 0, "--quiet"]
    assert run(capsys, "train", flowers, "--out", "flowers.safetensors", *arguments)[0] == 0
    return "flowers.safetensors"


def written(path="report.html"):
    with open(path, encoding="utf-8") as file:
        page = Page(file.read())
    check_alone(page)
    return page


def test_a_page_without_data(capsys, trained):
    assert run(capsys, "report", trained) == (0, "report      report.html\n", "")
    page = written()
    assert "left-out" in page.tables
    assert "confusion" not in page.tables
    assert page.texts[""].strip().startswith("flowers.safetensors")
    assert "size" in page.texts["weights"]
    assert "colour=red" in page.texts["weights"]


def test_a_page_with_the_table_of_the_training(capsys, trained, flowers):
    options = ["--data", flowers, "--output", "a.html", "--title", "<i>", "--date", "today"]
    assert run(capsys, "report", trained, *options) == (0, "report      a.html\n", "")
    page = written("a.html")
    assert page.texts[""].strip().startswith("<i><i>today")
    assert {row[0]: row[1] for row in page.tables[""][0]}["data"] == "flowers.csv, 80 rows"
    matrix = page.tables["confusion"][0]
    assert matrix[0] == ["", "<b>rose</b>", "aster & co"]
    assert sum(int(cell) for row in matrix[1:] for cell in row[1:]) == 80
    assert "diagnosis" in page.tables
    before = (flowers.parent / "a.html").read_bytes()
    assert run(capsys, "report", trained, *options)[0] == 0
    assert (flowers.parent / "a.html").read_bytes() == before


def test_a_model_saved_from_python_needs_the_target(capsys, flowers):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    y = np.where(X[:, 0] > 0, 7, 3)
    ebp.MLPClassifier((3,), max_iter=5, random_state=0).fit(X, y).save("m.safetensors")
    write_csv("d.csv", ["a", "b", "number", "y"], np.column_stack([X, np.arange(60), y]).tolist())
    one_error(
        run(capsys, "report", "m.safetensors", "--data", "d.csv"), "--target must name a column of d.csv"
    )
    wide = run(capsys, "report", "m.safetensors", "--data", "d.csv", "--target", "y")
    one_error(wide, "takes 2 inputs; d.csv gives 3 without 'y'; leave columns out with --drop")
    options = ["--data", "d.csv", "--target", "y", "--drop", "number"]
    assert run(capsys, "report", "m.safetensors", *options)[0] == 0
    assert written().tables["confusion"][0][0] == ["", "3", "7"]


@pytest.mark.parametrize(
    ("classes", "texts"),
    [
        ((3, 7), ("3.0", "7.0")),
        ((3, 7), ("3", "+7")),
        ((0.0, 1.0), ("0", "1")),
        ((0.0, 1.0), ("0.0", "1e0")),
    ],
)
def test_classes_that_are_numbers_are_read_as_numbers(capsys, tmp_path, monkeypatch, classes, texts):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).standard_normal((60, 2))
    above = (X[:, 0] > 0).astype(int)
    model = ebp.MLPClassifier((3,), max_iter=5, random_state=0).fit(X, np.array(classes)[above])
    model.save("m.safetensors")
    rows = [[*row, texts[k]] for row, k in zip(X.tolist(), above, strict=True)]
    write_csv("d.csv", ["a", "b", "y"], rows)
    assert run(capsys, "report", "m.safetensors", "--data", "d.csv", "--target", "y")[0] == 0
    matrix = written().tables["confusion"][0]
    assert matrix[0] == ["", *map(str, classes)]
    assert [sum(map(int, row[1:])) for row in matrix[1:]] == np.bincount(above).tolist()
    write_csv("d.csv", ["a", "b", "y"], [*rows, [0, 0, "2"]])
    result = run(capsys, "report", "m.safetensors", "--data", "d.csv", "--target", "y")
    one_error(result, f"the model's classes are {classes[0]}, {classes[1]}; got '2'")


def test_classes_that_are_texts_are_not_read_as_numbers(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).standard_normal((60, 1))
    y = np.where(X[:, 0] > 0, "01", "1")
    ebp.MLPClassifier((3,), max_iter=5, random_state=0).fit(X, y).save("m.safetensors")
    rows = [[*row, text] for row, text in zip(X.tolist(), y, strict=True)]
    write_csv("d.csv", ["a", "y"], rows)
    options = ["--data", "d.csv", "--target", "y"]
    assert run(capsys, "report", "m.safetensors", *options)[0] == 0
    assert [row[0] for row in written().tables["confusion"][0][1:]] == ["01", "1"]
    write_csv("d.csv", ["a", "y"], [*rows, [0.0, "1.0"]])
    one_error(run(capsys, "report", "m.safetensors", *options), "the model's classes are 01, 1; got '1.0'")


def test_the_columns_of_a_data_frame_are_found_by_their_names(capsys, flowers):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((60, 2)), columns=["a", "b"])
    y = table["a"] + table["b"] ** 3
    ebp.MLPRegressor((4,), max_iter=10, random_state=0).fit(table, y).save("m.safetensors")
    # Other order and one column more.
    columns = {"b": table["b"], "z": table["b"], "y": y, "a": table["a"]}
    pd.DataFrame(columns).to_csv("d.csv", index=False)
    assert run(capsys, "report", "m.safetensors", "--data", "d.csv", "--target", "y") == (
        0,
        "report      report.html\n",
        "",
    )
    score = float(written().tables["predictions"][0][1][1])
    expected = ebp.load("m.safetensors").score(table, y)
    assert score == pytest.approx(expected, abs=1e-4)
    write_csv("d.csv", ["a", "y"], [[1, 2], [3, 4]])
    one_error(
        run(capsys, "report", "m.safetensors", "--data", "d.csv", "--target", "y"), "lacks the columns 'b'"
    )


def test_unknown_classes_are_told_with_their_place(capsys, trained, flowers):
    text = flowers.read_text()
    flowers.write_text(text.replace("aster & co", "tulip", 1))
    result = run(capsys, "report", trained, "--data", flowers)
    one_error(
        result, "line 2 (row 1), column 'kind': the model's classes are <b>rose</b>, aster & co; got 'tulip'"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--output", "no/r.html"], "--output: there is no folder "),
        (["--output", "flowers.safetensors"], "--output must name another file than the input"),
        (["--output", "."], "--output must name a file"),
        (["--target", "kind"], "--target and --drop say how to read --data FILE.csv, which is missing"),
        (["--data", "none.csv"], "none.csv: No such file"),
        (["--data", "flowers.csv", "--drop", "size"], "--drop is not for flowers.safetensors"),
        (["--data", "flowers.csv", "--target", "kinds"], "has no column 'kinds'"),
        (["--seed", "x"], "must be a whole number"),
    ],
)
def test_errors_of_use(capsys, trained, options, text):
    one_error(run(capsys, "report", trained, *options), text)


def test_models_that_cannot_read_tables(capsys, flowers):
    net = ebp.Network([ebp.layers.Dense(1)], 2, random_state=0)
    net.save("net.safetensors")
    assert run(capsys, "report", "net.safetensors")[0] == 0
    assert "rates" not in written().tables
    one_error(run(capsys, "report", "net.safetensors", "--data", flowers), "--data needs an estimator")
    model_file.save(ebp.InputNormalizer().fit(np.eye(3)), "n.safetensors")
    one_error(
        run(capsys, "report", "n.safetensors"),
        "must hold an estimator or a network; it holds an InputNormalizer",
    )
    X = np.random.default_rng(0).standard_normal((50, 2))
    ebp.MLPRegressor((2,), max_iter=3, random_state=0).fit(X, X).save("two.safetensors")
    result = run(capsys, "report", "two.safetensors", "--data", flowers, "--target", "size")
    one_error(result, "two.safetensors predicts several values a row; use ebp.report in Python")
    one_error(run(capsys, "report", "flowers.csv"), "path must name a readable model file")


def test_without_matplotlib_the_error_names_the_extra(capsys, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    one_error(run(capsys, "report", trained), "pip install 'efficient-backprop[plot]'")


def test_the_help_tells_what_data_bring(capsys):
    with pytest.raises(SystemExit):
        run(capsys, "report", "--help")
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "table for confusion matrix or predictions, spectrum and diagnosis" in text
