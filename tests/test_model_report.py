"""The page about a model: its parts, its numbers, its pictures, and what comes from outside."""

import base64
import re
import sys
import warnings
from io import BytesIO
from pathlib import Path

import ebp
import numpy as np
import pytest
from ebp import model_report
from ebp.layers import Dense, Subsample2D
from pages import Page, check_alone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import confusion_matrix, r2_score

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: no report")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

EVIL = '<script>alert("&")</script>'


@pytest.fixture(scope="module")
def digits():
    X, y = ebp.datasets.load_digits()
    return X[:500], y[:500], X[500:700], y[500:700]


@pytest.fixture(scope="module")
def model(digits):
    return ebp.MLPClassifier((6,), max_iter=8, early_stopping=True, random_state=0).fit(*digits[:2])


@pytest.fixture(scope="module")
def report(model, digits):
    return ebp.report(model, *digits[2:])


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html)


def sections(page):
    return [attributes["id"] for tag, attributes in page.elements if tag == "section"]


def rows(table):
    """Cells by the first one of their row."""
    return {row[0]: row[1:] for row in table}


def paths(html, section):
    """Vertices (n, 2) of every line of a section's pictures, by its number of points."""
    part = html.split(f'<section id="{section}">')[1].split("</section>")[0]
    found = [re.findall(r"[ML] (\S+) (\S+)", d) for d in re.findall(r'<path d="([^"]+)"', part)]
    return [np.array(points, dtype=float) for points in found]


# ---- the page ----------------------------------------------------------------------------------------------


def test_the_page_has_its_parts_and_stands_alone(page):
    check_alone(page)
    expected = ["curves", "rates", "confusion", "spectrum", "diagnosis", "weights", "layers"]
    assert sections(page) == expected
    assert page.attributes("href") == [f"#{key}" for key in expected]
    assert "ebp " + ebp.__version__ in page.text
    assert page.elements[0] == ("html", {"lang": "en"})
    metas = [attributes for tag, attributes in page.elements if tag == "meta"]
    assert {"charset": "utf-8"} in metas
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas


def test_the_same_model_and_data_give_the_same_page(report, model, digits):
    assert ebp.report(model, *digits[2:]).html == report.html


def test_without_data_the_page_tells_how_to_give_them(model):
    page = Page(ebp.report(model).html)
    check_alone(page)
    assert sections(page) == ["curves", "rates", "weights", "layers", "left-out"]
    assert "ebp report MODEL --data FILE.csv" in page.texts["left-out"]
    assert "confusion matrix" in page.texts["left-out"]


def test_title_date_and_details_are_on_the_page_if_given(model, page):
    head = rows(Page(ebp.report(model, date="29 November", details={"file": "a.b"}).html).tables[""][0])
    assert head["file"] == ["a.b"]
    assert head["model"] == ["MLPClassifier"]
    titled = Page(ebp.report(model, title="Digits", date="29 November").html)
    assert titled.texts[""].strip().startswith("DigitsDigits29 Novembermodel")
    assert page.texts[""].strip().startswith("MLPClassifierMLPClassifiermodel")


def test_it_is_written_to_a_file_and_shown_in_notebooks(report, model, tmp_path):
    path = tmp_path / "report.html"
    written = ebp.report(model, path=path)
    assert path.read_text(encoding="utf-8") == written.html
    assert repr(report).startswith("Report('MLPClassifier', ")
    frame = Page(report._repr_html_())
    assert [tag for tag, _ in frame.elements] == ["iframe"]
    assert frame.elements[0][1]["srcdoc"] == report.html


def test_a_missing_folder_is_found_before_the_work(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model_report.of_model, "curves", None)
    message = r"^\[report\] path must name a file in a folder that exists; got '.*none.r.html'"
    with pytest.raises(FileNotFoundError, match=message):
        ebp.report(model, path=tmp_path / "none" / "r.html")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    ebp.report(model, path="r.html")
    assert Path("r.html").exists()


def test_drawing_leaves_matplotlib_as_it_was(model):
    plt.close("all")
    before = dict(plt.rcParams)
    ebp.report(model)
    assert not plt.get_fignums()
    assert dict(plt.rcParams) == before


# ---- numbers -----------------------------------------------------------------------------------------------


def test_the_head_tells_the_model(model, page):
    head = rows(page.tables[""][0])
    assert head["model"] == ["MLPClassifier"]
    assert head["network"] == [f"64-6-10, {64 * 6 + 6 + 6 * 10 + 10:,} parameters, float32"]
    assert head["classes"] == ["10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"]
    assert head["epochs"] == [str(model.n_iter_)]
    assert head["samples presented"] == [f"{model.t_:,}"]
    assert head["loss of the last epoch"] == [f"{model.loss_:.4g}"]


def test_the_losses_are_those_of_the_model(model, page):
    (table,) = page.tables["curves"]
    assert table[0] == ["epoch", "training loss", "validation loss", "validation score"]
    curves = model.loss_curve_, model.validation_loss_curve_, model.validation_scores_
    expected = [
        [str(k), *(f"{x:.4g}" for x in values)] for k, values in enumerate(zip(*curves, strict=True), 1)
    ]
    assert table[1:] == expected


def test_the_rates_are_those_of_the_layers(model, page):
    table = rows(page.tables["rates"][0])
    for name, where, _ in model.network_.parameter_slices:
        rates = model.learning_rates_[where]
        numbers = [float(text) for text in table[name][1:]]
        np.testing.assert_allclose(numbers, [rates.min(), np.median(rates), rates.max()], rtol=6e-3)


def test_the_confusion_matrix_is_that_of_the_predictions(model, page, digits):
    matrix, classes = page.tables["confusion"]
    X, y = digits[2:]
    expected = confusion_matrix(y, model.predict(X))
    assert matrix[0] == ["", *map(str, range(10))]
    assert [[int(cell) for cell in row[1:]] for row in matrix[1:]] == expected.tolist()
    right = int(np.trace(expected))
    assert f"{right} of 200 samples right: accuracy {model.score(X, y):.4f}" in page.texts["confusion"]
    recall = [float(row[3]) for row in classes[1:]]
    np.testing.assert_allclose(recall, np.diag(expected) / expected.sum(axis=1), atol=6e-4)


def test_spectrum_and_diagnosis_are_those_of_diagnose(model, page, digits):
    found = ebp.diagnose(*digits[2:], estimator=model)
    table = rows(page.tables["spectrum"][0])
    assert float(table["largest"][0]) == pytest.approx(found["hessian"]["lambda_max"], rel=5e-3)
    assert table["samples looked at"] == ["200"]
    np.testing.assert_allclose(
        found.eigenvalues[[0, -1]], [found["hessian"]["smallest_known"], found["hessian"]["lambda_max"]]
    )
    recipe, inputs, hessian, layers = page.tables["diagnosis"]
    steps = [f"{one['step']}, {one['section']}" for one in found["advice"]]
    assert [row[0] for row in recipe[1:]] == steps
    assert [row[1] == "ok" for row in recipe[1:]] == [one["ok"] for one in found["advice"]]
    assert [row[2] for row in recipe[1:]] == [one["text"] for one in found["advice"]]
    printed = " ".join(str(found).split())
    for row in [*inputs, *hessian, *layers]:
        assert " ".join(" ".join(row).split()) in printed


def test_layers_and_weights_are_those_of_the_network(model, page):
    net = model.network_
    summary = [" ".join(line.split()) for line in net.summary().splitlines()]
    assert [" ".join(" ".join(row).split()) for row in page.tables["layers"][0]] == summary
    table = rows(page.tables["weights"][0])
    for name, where, shape in net.parameter_slices:
        values = net.parameters[where].astype(float)
        assert table[name][0] == " x ".join(map(str, shape))
        numbers = [float(text) for text in table[name][1:]]
        np.testing.assert_allclose(
            numbers, [values.mean(), values.std(), values.min(), values.max()], rtol=6e-3
        )


# ---- pictures ----------------------------------------------------------------------------------------------


def test_the_drawn_curve_is_the_loss(report, model):
    n = len(model.loss_curve_)
    lines = [points for points in paths(report.html, "curves") if len(points) == n]
    assert len(lines) == 3
    display = ebp.plotting.TrainingCurveDisplay.from_estimator(model)
    scale = {"log": np.log, "linear": np.array}[display.ax_.get_yscale()]
    plt.close("all")
    height = scale(model.loss_curve_), scale(model.validation_loss_curve_), model.validation_scores_
    for points, values in zip(lines, height, strict=True):
        # Affine in the epoch and, downwards, in the value.
        assert np.corrcoef(points[:, 0], np.arange(n))[0, 1] == pytest.approx(1)
        assert np.corrcoef(points[:, 1], values)[0, 1] == pytest.approx(-1)


def test_the_drawn_weights_are_those_of_the_first_layer(report, model):
    image = report.html.split('<section id="weights">')[1].split("base64,")[1].split('"')[0]
    pixels = plt.imread(BytesIO(base64.b64decode(image)))
    display = ebp.plotting.WeightsDisplay.from_estimator(model)
    expected = display.image_.to_rgba(display.image_.get_array())
    plt.close("all")
    np.testing.assert_allclose(pixels, expected, atol=1 / 255)
    assert (pixels[..., 3] == 0).any()  # between the images the page shows through


def test_the_drawn_spectrum_has_every_eigenvalue(report):
    part = report.html.split('<section id="spectrum">')[1].split("</section>")[0]
    assert part.count("<use ") >= 20
    assert "<title>Eigenvalues of the Hessian by rank</title>" in part


def test_pictures_take_the_colour_of_the_text(report):
    assert "#000000" not in report.html
    assert "currentColor" in report.html
    assert "fill: #ffffff" not in report.html


# ---- texts from outside ------------------------------------------------------------------------------------


def test_what_comes_from_outside_stays_text():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((80, 2)), columns=[EVIL, "$\\frac$"])
    y = np.where(table[EVIL] > 0, EVIL, "a & b")
    model = ebp.MLPClassifier((3,), max_iter=5, random_state=0).fit(table, y)
    report = ebp.report(model, table, y, title=EVIL, date=EVIL, details={EVIL: EVIL})
    assert "<script" not in report.html
    page = Page(report.html)
    check_alone(page)
    head = rows(page.tables[""][0])
    assert head[EVIL] == [EVIL]
    assert head["classes"] == [f"2: {EVIL}, a & b"]
    assert page.tables["confusion"][0][0] == ["", EVIL, "a & b"]
    assert page.texts["weights"].count(EVIL) == 1  # below its column in the picture
    assert "$\\frac$" in page.texts["weights"]
    assert page.texts[""].count(EVIL) >= 4


# ---- other models and data ---------------------------------------------------------------------------------


def test_many_classes_have_their_most_frequent_errors(rng):
    X = rng.standard_normal((120, 3))
    y = np.arange(120) % 40
    model = ebp.MLPClassifier((3,), max_iter=5, random_state=0).fit(X, y)
    errors, classes = Page(ebp.report(model, X, y).html).tables["confusion"]
    expected = confusion_matrix(y, model.predict(X))
    assert errors[0] == ["true class", "predicted class", "samples"]
    assert 2 <= len(errors) <= 21
    for true, predicted, count in errors[1:]:
        assert expected[int(true), int(predicted)] == int(count)
        assert true != predicted
    assert len(classes) == 41
    head = rows(Page(ebp.report(model).html).tables[""][0])
    assert head["classes"][0].startswith("40: 0, 1, 2, ")
    assert head["classes"][0].endswith(", 29, ...")


def test_a_regression_has_predictions(rng):
    X = rng.standard_normal((1500, 3))
    Y = np.column_stack([X[:, 0] + X[:, 1] ** 2, X[:, 2]])
    model = ebp.MLPRegressor((6,), max_iter=3, random_state=0).fit(X, Y)
    page = Page(ebp.report(model, X, Y).html)
    check_alone(page)
    assert "predictions" in sections(page)
    table = rows(page.tables["predictions"][0])
    for k in range(2):
        assert float(table[str(k)][0]) == pytest.approx(r2_score(Y[:, k], model.predict(X)[:, k]), abs=1e-4)
    assert "1,500 samples, of which 1,000 are drawn." in page.texts["predictions"]


def test_sets_of_labels_have_a_row_each(rng):
    X = rng.standard_normal((200, 3))
    Y = np.column_stack([X[:, 0] > 0, X[:, 1] > 1, np.zeros(200)]).astype(int)
    model = ebp.MLPClassifier((6,), max_iter=5, random_state=0).fit(X, Y)
    page = Page(ebp.report(model, X, Y).html)
    found = model.predict(X)
    for label, row in enumerate(page.tables["confusion"][0][1:]):
        true, guess = Y[:, label] == 1, found[:, label] == 1
        counts = [(true & guess).sum(), (true & ~guess).sum(), (~true & guess).sum(), (~true & ~guess).sum()]
        assert [int(text) for text in row[1:5]] == counts
    assert rows(page.tables[""][0])["labels"] == ["3: 0, 1, 2"]


def test_streams_and_batch_solvers_say_what_they_lack(digits):
    X, y = ebp.datasets.two_gaussians(random_state=0)
    streamed = Page(ebp.report(ebp.MLPRegressor((3,), random_state=0).partial_fit(X, y)).html)
    assert "partial_fit keeps no curve" in streamed.texts["curves"]
    batch = ebp.MLPRegressor((2,), solver="lm", max_iter=300, random_state=0).fit(X, y)
    page = Page(ebp.report(batch).html)
    assert "'lm' has no learning rates" in page.texts["rates"]
    assert page.tables["curves"][0][0][0] == "iteration"


def test_long_trainings_have_some_of_their_epochs():
    X, y = ebp.datasets.two_gaussians(random_state=0)
    model = ebp.MLPRegressor((2,), solver="gd", max_iter=450, tol=0, n_iter_no_change=450, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    table = Page(ebp.report(model).html).tables["curves"][0]
    assert [row[0] for row in table[1:4]] == ["1", "3", "6"]
    assert table[-1] == ["450", f"{model.loss_curve_[-1]:.4g}"]
    assert len(table) < 203


def test_convolutions_show_their_kernels(digits):
    X, y, X_test, y_test = digits
    layers = [ebp.layers.Conv2D(4, 3), Dense(8)]
    model = ebp.NetworkClassifier(layers, input_shape=(1, 8, 8), max_iter=3, random_state=0).fit(X, y)
    report = ebp.report(model, X_test.reshape(-1, 1, 8, 8), y_test)
    page = Page(report.html)
    check_alone(page)
    table = rows(page.tables["weights"][0])
    assert table["0.weights"][0] == "4 x 3 x 3"
    assert f"accuracy {model.score(X_test, y_test):.4f}" in page.texts["confusion"]
    assert 'width="7" height="7"' in report.html  # four kernels of 3 x 3 with a gap between them


def test_a_network_alone():
    X, T = ebp.datasets.two_gaussians(random_state=0)
    net = ebp.Network([Dense(1, "identity")], 2, random_state=0)
    page = Page(ebp.report(net, X, T).html)
    check_alone(page)
    assert sections(page) == ["spectrum", "weights", "layers"]
    inputs = np.column_stack([X, np.ones(len(X))])
    expected = np.linalg.eigvalsh(inputs.T @ inputs / len(X))
    assert float(rows(page.tables["spectrum"][0])["largest"][0]) == pytest.approx(expected[-1], rel=5e-3)
    pooled = ebp.Network([Subsample2D(2), Dense(1)], (1, 4, 4), random_state=0)
    page = Page(ebp.report(pooled).html)
    assert sections(page) == ["weights", "layers", "left-out"]
    assert "no weights that are images" in page.texts["weights"]


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("X",), {}, "X and y must be given together; got X alone"),
        ((), {"y": [1]}, "X and y must be given together; got y alone"),
        ((), {"max_samples": 1}, "max_samples must be an integer >= 2; got 1"),
        ((), {"feature_names": ["a"]}, "feature_names must be as many as the inputs, 64; got 1"),
    ],
)
def test_wrong_arguments(model, arguments, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ebp.report(model, *arguments, **options)


def test_wrong_models():
    with pytest.raises(TypeError, match=r"^\[report\] model must be .*; got str"):
        ebp.report("model")
    with pytest.raises(ValueError, match="not fitted"):
        ebp.report(ebp.MLPRegressor())


def test_without_matplotlib_the_error_names_the_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"^\[report\] matplotlib must be .*efficient-backprop\[plot\]"):
        ebp.report(model)
