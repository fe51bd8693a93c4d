"""The command: what it prints, what it writes, and how it fails."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import ebp
import numpy as np
import pytest
from commands import one_error, run, write_csv
from ebp import cli, model_file
from sklearn.datasets import load_iris


@pytest.fixture
def iris(tmp_path):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    tint = np.where(X[:, 3] > 1, "dark", "light")
    rows = [[*row, colour, name] for row, colour, name in zip(X.tolist(), tint, names, strict=True)]
    header = ["sepal length", "sepal width", "petal length", "petal width", "tint", "species"]
    return write_csv(tmp_path / "iris.csv", header, rows, ";")


@pytest.fixture
def waves(tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 600))
    y = 100 + 20 * np.sin(a) + 5 * b
    return write_csv(
        tmp_path / "waves.csv", ["a", "b", "y"], zip(a.tolist(), b.tolist(), y.tolist(), strict=True)
    )


def value(text, key):
    """What follows a key at the beginning of a line of the output."""
    (line,) = [line for line in text.splitlines() if line.startswith(key)]
    return line.removeprefix(key).strip()


# ---- train and predict ---------------------------------------------------------------------------------


def test_classification_of_a_table(capsys, tmp_path, iris):
    model = tmp_path / "iris.safetensors"
    code, out, err = run(capsys, "train", iris, "--target", "species", "--out", model, "--quiet")
    assert (code, err) == (0, "")
    assert value(out, "task").startswith("classification of 'species'")
    assert value(out, "inputs") == "6 from 5 columns"
    assert float(value(out, "held out").split()[1]) >= 0.9

    code, out, err = run(capsys, "predict", model, iris, "--proba")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 150
    names = ["setosa", "versicolor", "virginica"]
    assert list(rows[0]) == ["prediction", *(f"probability={name}" for name in names)]
    for row in rows:
        probabilities = [float(row[f"probability={name}"]) for name in names]
        assert sum(probabilities) == pytest.approx(1)
        assert names[int(np.argmax(probabilities))] == row["prediction"]
    expected = ["setosa"] * 50 + ["versicolor"] * 50 + ["virginica"] * 50
    assert np.mean([row["prediction"] == name for row, name in zip(rows, expected, strict=True)]) > 0.9


def test_regression_of_a_table(capsys, tmp_path, waves):
    model, predictions = tmp_path / "model", tmp_path / "predictions.csv"
    code, out, _ = run(capsys, "train", waves, "--target", "y", "--out", model, "--quiet")
    assert code == 0
    assert value(out, "task").startswith("regression of 'y'")
    assert float(value(out, "held out").split()[1].rstrip(",")) > 0.9
    assert run(capsys, "predict", model, waves, "--out", predictions) == (0, "", "")
    values = np.genfromtxt(predictions, delimiter=",", names=True)["prediction"]
    targets = np.genfromtxt(waves, delimiter=",", names=True)["y"]
    assert np.sqrt(np.mean((values - targets) ** 2)) < 5
    code, _, err = run(capsys, "predict", model, waves, "--proba")
    assert (code, err) == (2, f"ebp: error: {model} holds a regression, which has no probabilities\n")


def test_the_options_of_train_reach_the_estimator(capsys, tmp_path, iris):
    model = tmp_path / "model"
    options = ["--hidden", "7,3", "--epochs", "2", "--seed", "5", "--drop", "tint", "--test-fraction", "0"]
    code, out, _ = run(capsys, "train", iris, "--target", "species", "--out", model, "--quiet", *options)
    assert code == 0
    assert "held out" not in out
    assert value(out, "training").startswith("150 rows, 2 epochs")
    loaded = ebp.load(model)
    assert loaded.hidden_layer_sizes == (7, 3)
    assert (loaded.max_iter, loaded.random_state, loaded.n_features_in_) == (2, 5, 4)


def test_the_task_can_be_set(capsys, tmp_path, iris):
    model = tmp_path / "model"
    target = ["--target", "petal width", "--out", model, "--quiet", "--epochs", "2"]
    assert run(capsys, "train", iris, *target, "--task", "regression")[0] == 0
    assert isinstance(ebp.load(model), ebp.MLPRegressor)


def test_equal_seeds_give_equal_models(capsys, tmp_path, iris):
    predictions = []
    for name in ("one", "two"):
        model = tmp_path / name
        run(capsys, "train", iris, "--target", "species", "--out", model, "--epochs", "2", "--quiet")
        predictions.append(run(capsys, "predict", model, iris, "--proba")[1])
    assert predictions[0] == predictions[1]


def test_a_new_table_may_differ(capsys, tmp_path, iris):
    model = tmp_path / "model"
    run(capsys, "train", iris, "--target", "species", "--out", model, "--epochs", "2", "--quiet")
    header = ["tint", "petal width", "petal length", "note", "sepal width", "sepal length"]
    new = write_csv(tmp_path / "new.csv", header, [["green", 0.2, 1.4, "", 3.5, 5.1]])
    code, out, _ = run(capsys, "predict", model, new)
    assert (code, out.splitlines()[0], len(out.splitlines())) == (0, "prediction", 2)
    short = write_csv(tmp_path / "short.csv", ["tint", "sepal width"], [["dark", 1]])
    code, _, err = run(capsys, "predict", model, short)
    assert code == 2
    assert "lacks the columns 'sepal length', 'petal length', 'petal width'" in err


# ---- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "COMMAND"),
        (["fly"], "fly"),
        (["demo", "--epochs", "0"], "must be a whole number, at least 1; got '0'"),
        (["demo", "--epochs", "two"], "must be a whole number, at least 1; got 'two'"),
        (["demo", "--hidden", "3,,4"], "layer sizes from 1 to 1,000,000, separated by commas; got '3,,4'"),
        (["demo", "--hidden", "9,99999999999"], "layer sizes from 1 to 1,000,000, separated by commas; got"),
        (["demo", "--seed", "-1"], "whole number from 0 to 2**32 - 1; got '-1'"),
        (["demo", "--data", "faces"], "faces"),
        (["train", "t.csv", "--target", "y"], "--out"),
        (["train", "t.csv", "--target", "y", "--out", "m", "--test-fraction", "1"], "less than 1; got '1'"),
        (["train", "missing.csv", "--target", "y", "--out", "m"], "missing.csv: No such file or directory"),
        (["train", "t.csv", "--target", "y", "--out", "no/m"], "--out: there is no folder "),
        (["predict", "missing", "missing.csv"], "missing: No such file or directory"),
    ],
)
def test_errors_of_use(capsys, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    one_error(run(capsys, *arguments), text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a,b\n1,2\n3,4\n", "no column 'y'"),
        ("a,y\n1,x\n,z\n", "line 3 (row 2), column 'a': the value is missing"),
        ("a,y\n1,x\n2,\n", "line 3 (row 2), column 'y': the value is missing"),
        ("a,y\n1,x\n2,x\n3,x\n4,x\n", "classes must be at least 2; got 1"),
        ("a,y\n1,x\n", "1 rows are too few"),
        ("y\n1\n2\n", "no column to predict 'y' from"),
    ],
)
def test_errors_in_the_table(capsys, tmp_path, content, text):
    path = tmp_path / "t.csv"
    path.write_text(content)
    one_error(run(capsys, "train", path, "--target", "y", "--out", tmp_path / "m", "--quiet"), text)
    assert not (tmp_path / "m").exists()


def test_whole_quantities_are_no_classes(capsys, tmp_path):
    rng = np.random.default_rng(0)
    size, age = rng.integers(40, 200, 400), rng.integers(0, 80, 400)
    rows = zip(size.tolist(), age.tolist(), (2500 * size - 900 * age + 60_000).tolist(), strict=True)
    houses = write_csv(tmp_path / "houses.csv", ["size", "age", "price"], rows)
    code, out, _ = run(capsys, "train", houses, "--target", "price", "--out", tmp_path / "m", "--quiet")
    assert code == 0
    assert value(out, "task").startswith("regression of 'price' (found from the values")
    assert float(value(out, "held out").split()[1].rstrip(",")) > 0.9


@pytest.mark.parametrize("as_link", [False, True])
def test_training_never_replaces_its_data(capsys, tmp_path, monkeypatch, iris, as_link):
    monkeypatch.chdir(tmp_path)
    out = "./iris.csv"
    if as_link:
        out = "link"
        os.symlink(iris, out)
    before = iris.read_bytes()
    one_error(run(capsys, "train", iris, "--target", "species", "--out", out), "another file than the input")
    assert iris.read_bytes() == before


def test_predicting_never_replaces_its_files(capsys, tmp_path, iris):
    model = tmp_path / "model"
    run(capsys, "train", iris, "--target", "species", "--out", model, "--epochs", "1", "--quiet")
    for path in (model, iris):
        before = path.read_bytes()
        result = run(capsys, "predict", model, iris, "--out", path)
        one_error(result, f"--out must name another file than the input {path}")
        assert path.read_bytes() == before
    one_error(run(capsys, "predict", model, iris, "--out", tmp_path), f"got the folder {tmp_path}")
    one_error(run(capsys, "predict", model, iris, "--out", tmp_path / "no" / "p"), "there is no folder")
    assert run(capsys, "predict", model, iris, "--out", os.devnull)[0] == 0


@pytest.mark.parametrize(
    ("out", "text"),
    [(".", "got the folder"), ("", "got the folder"), (os.devnull, "--out must name a file; got")],
)
def test_a_model_needs_a_file(capsys, tmp_path, monkeypatch, iris, out, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "MLPClassifier", None)  # nothing is trained
    one_error(run(capsys, "train", iris, "--target", "species", "--out", out), text)
    assert os.listdir(tmp_path) == ["iris.csv"]


def test_a_model_that_cannot_be_written_is_named_as_the_user_named_it(tmp_path):
    with pytest.raises(OSError, match="directory") as caught:
        model_file.save(ebp.InputNormalizer(), tmp_path)
    assert caught.value.filename == str(tmp_path)
    assert "tmp'" not in str(caught.value)


def test_too_little_memory(capsys, tmp_path, monkeypatch, iris):
    def fit(*_):
        raise MemoryError

    monkeypatch.setattr(ebp.MLPClassifier, "fit", fit)
    options = ["--target", "species", "--out", tmp_path / "m", "--quiet"]
    one_error(run(capsys, "train", iris, *options), "the memory does not hold this table and this network")


def test_a_text_target_is_no_regression(capsys, tmp_path, iris):
    options = ["--target", "species", "--out", tmp_path / "m", "--task", "regression"]
    one_error(run(capsys, "train", iris, *options), "column 'species': 'setosa' is not a finite number")


def test_files_that_hold_no_table_model(capsys, tmp_path, iris):
    one_error(run(capsys, "predict", iris, iris), "[load] path must name a readable model file")
    model = tmp_path / "model"
    model_file.save(ebp.InputNormalizer(), model)
    one_error(run(capsys, "predict", model, iris), "was not written by `ebp train`")


def test_mnist_that_is_not_there(capsys, tmp_path):
    one_error(run(capsys, "demo", "--data", "mnist", "--data-dir", tmp_path), "mnist")


def test_a_warning_is_one_line(capsys):
    with cli._brief_warnings():
        warnings.simplefilter("always")
        warnings.warn("two\nlines", stacklevel=1)
    assert capsys.readouterr().err == "ebp: warning: two lines\n"


# ---- demo, info, version -------------------------------------------------------------------------------


def test_demo(capsys):
    code, out, err = run(capsys, "demo", "--epochs", "4", "--hidden", "40", "--seed", "1")
    assert code == 0
    assert "held-out error" in err  # the progress bar
    assert value(out, "network") == "64-40-10, 3,010 parameters, float32"
    assert float(value(out, "held-out error").split("%")[0]) < 10
    assert float(value(out, "speed").split()[0].replace(",", "")) > 100
    assert value(out, "  inputs").startswith("4.3  global: all columns minus 4.8")
    assert value(out, "  targets") == "4.5  -1 and +1 for output units of scaled_tanh"
    assert "layer 1 0.125, layer 2 0.158" in value(out, "  initial weights")
    for step in ("order", "sigmoid", "global rate", "rate per weight", "mean curvature"):
        assert value(out, f"  {step}")


def test_demo_can_be_quiet(capsys):
    code, _, err = run(capsys, "demo", "--epochs", "1", "--hidden", "5", "--quiet")
    assert (code, err) == (0, "")


def test_demo_on_mnist(capsys, data_dir):
    code, out, _ = run(
        capsys, "demo", "--data", "mnist", "--data-dir", data_dir, "--epochs", 2, "--hidden", 30, "--quiet"
    )
    assert code == 0
    assert value(out, "data") == "mnist: 60,000 training and 10,000 held-out samples"
    assert float(value(out, "held-out error").split("%")[0]) < 10


def test_info(capsys):
    code, out, _ = run(capsys, "info")
    assert code == 0
    assert ebp.__version__ in out


@pytest.mark.parametrize("program", [["-m", "ebp"], ["-c", "import sys, ebp.cli; sys.exit(ebp.cli.main())"]])
def test_version(program):
    done = subprocess.run([sys.executable, *program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ebp {ebp.__version__}\n"


def test_the_reader_of_the_output_goes_away(tmp_path, capsys, iris):
    model = tmp_path / "model"
    run(capsys, "train", iris, "--target", "species", "--out", model, "--epochs", "1", "--quiet")
    lines = iris.read_text().splitlines(keepends=True)
    iris.write_text(lines[0] + "".join(lines[1:]) * 100)
    command = [sys.executable, "-m", "ebp", "predict", str(model), str(iris), "--proba"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() == cli.EXIT_BROKEN_PIPE
    assert errors == b""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to one process")
def test_interrupted_training(tmp_path):
    rng = np.random.default_rng(0)
    rows = zip(rng.random(50_000).round(3).tolist(), rng.choice(["x", "z"], 50_000), strict=True)
    table, model = write_csv(tmp_path / "noise.csv", ["a", "y"], rows), tmp_path / "model"
    command = [sys.executable, "-m", "ebp", "train", str(table), "--target", "y", "--out", str(model)]
    with subprocess.Popen([*command, "--hidden", "300,300,300"], stderr=subprocess.PIPE) as process:
        while b"epoch" not in process.stderr.read1():  # until the progress bar is drawn
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(timeout=20) == cli.EXIT_INTERRUPTED
    assert not model.exists()


# ---- diagnose ------------------------------------------------------------------------------------------


def test_diagnosis_of_a_table(capsys, iris):
    code, out, err = run(capsys, "diagnose", iris, "--target", "species", "--hidden", 5)
    assert (code, err) == (0, "")
    assert out.startswith(
        "MLPClassifier, as fit would start it: classification, 150 samples, 6 columns, 3 classes"
    )
    assert "lambda_max" in out
    again = run(capsys, "diagnose", iris, "--target", "species", "--hidden", 5)[1]
    assert again == out


def test_diagnosis_of_a_regression_as_json(capsys, waves):
    code, out, err = run(capsys, "diagnose", waves, "--target", "y", "--json", "--seed", 1)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["task"], report["data"]["n_features"]) == ("regression", 2)
    assert report["hessian"]["eta_max"] == 2 * report["hessian"]["eta_opt"]


def test_diagnosis_of_a_constant_table(capsys, tmp_path):
    table = write_csv(tmp_path / "flat.csv", ["a", "y"], [[1, k % 2] for k in range(10)])
    code, _, err = run(capsys, "diagnose", table, "--target", "y")
    assert code == cli.EXIT_ERROR
    assert err.startswith("ebp: error: [diagnose] X must have a column that varies")
