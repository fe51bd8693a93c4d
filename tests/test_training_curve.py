"""The display of losses: its numbers, its lines, its axes, and how it fails."""

import sys

import ebp
import numpy as np
import pytest
from ebp.layers import Dense

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: nothing can be drawn")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

from ebp.plotting import TrainingCurveDisplay  # noqa: E402


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def blobs():
    X, y = ebp.datasets.two_gaussians(random_state=0)
    return X, np.where(y > 0, "right", "left")


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_the_line_is_the_loss_curve(blobs):
    model = ebp.MLPClassifier((4,), max_iter=6, tol=0, random_state=0).fit(*blobs)
    fig, ax = plt.subplots()
    display = TrainingCurveDisplay.from_estimator(model, ax=ax, color="black")
    assert (display.ax_, display.figure_) == (ax, fig)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([np.arange(1, 7), model.loss_curve_]))
    assert line.get_color() == "black"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "mean loss")
    assert ax.get_legend() is None
    assert display.best is None
    assert display.score_ax_ is None


def test_validation_has_lines_and_an_axis_of_its_own(blobs):
    model = ebp.MLPClassifier((4,), max_iter=6, early_stopping=True, random_state=0).fit(*blobs)
    display = TrainingCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.lines_["training loss"].get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(display.lines_["validation loss"].get_ydata(), model.validation_loss_curve_)
    scores = display.lines_["validation score"]
    assert scores.axes is display.score_ax_ is not display.ax_
    np.testing.assert_array_equal(scores.get_ydata(), model.validation_scores_)
    best = f"best score {max(model.validation_scores_):.4g} at epoch {display.best + 1}"
    assert texts(display.ax_.get_legend()) == ["training loss", "validation loss", "validation score", best]
    display.plot(scores=False)
    assert display.score_ax_ is None
    assert set(display.lines_) == {"training loss", "validation loss"}


def test_of_equal_scores_the_smallest_loss_is_best():
    display = TrainingCurveDisplay.from_losses(
        [3.0, 2.0, 1.0], validation_losses=[3.0, 1.0, 2.0], validation_scores=[0.5, 0.9, 0.9]
    )
    assert display.best == 1


@pytest.mark.parametrize(
    ("scores", "validation_losses", "best"),
    [
        ([np.nan, 0.5, 0.9], [3.0, 2.0, 1.0], 2),
        ([np.inf, 0.9, 0.9], [3.0, 2.0, 1.0], 2),
        ([0.1, 0.9, 0.9], [3.0, np.nan, 1.0], 2),
        ([0.1, np.nan, 0.9], [np.nan, np.nan, np.nan], 2),
        ([np.nan, -np.inf, np.nan], [3.0, 2.0, 1.0], None),
    ],
)
def test_the_best_score_is_finite(scores, validation_losses, best):
    display = TrainingCurveDisplay.from_losses(
        [3.0, 2.0, 1.0], validation_losses=validation_losses, validation_scores=scores
    )
    assert display.best == best
    lines = [name for name in display.lines_ if name.startswith("best score")]
    assert lines == ([] if best is None else [f"best score {scores[best]:.4g} at epoch {best + 1}"])


def test_batch_solvers_count_iterations():
    X, y = ebp.datasets.two_gaussians(random_state=0)
    model = ebp.MLPRegressor((2,), solver="lm", max_iter=300, random_state=0).fit(X, y)
    assert TrainingCurveDisplay.from_estimator(model).ax_.get_xlabel() == "iteration"


def test_losses_of_samples_are_averaged_by_windows():
    X, T = ebp.datasets.two_gaussians(random_state=0)
    net = ebp.Network([Dense(1)], 2, random_state=0)
    losses = net.train_online(X, T, ebp.rules.SGD(0.01)).losses
    display = TrainingCurveDisplay.from_losses(losses, window=30, unit="presentation")
    assert display.ends.tolist() == [30, 60, 90, 100]
    expected = [losses[:30].mean(), losses[30:60].mean(), losses[60:90].mean(), losses[90:].mean()]
    np.testing.assert_allclose(display.losses, expected, rtol=1e-6)
    np.testing.assert_allclose(display.ax_.lines[0].get_xdata(), display.ends)


@pytest.mark.parametrize(
    ("losses", "asked", "scale"),
    [
        ([2.0, 1.0], "auto", "linear"),
        ([20.0, 1.0], "auto", "log"),
        ([20.0, 0.0], "auto", "linear"),
        ([20.0, 1.0], "linear", "linear"),
        ([20.0, np.nan, 1.0], "auto", "log"),
    ],
)
def test_the_axis_of_the_losses(losses, asked, scale):
    display = TrainingCurveDisplay.from_losses(losses, yscale=asked)
    assert display.ax_.get_yscale() == scale


def test_logarithmic_labels_are_plain_numbers():
    display = TrainingCurveDisplay.from_losses([2.0, 0.3, 0.04])
    display.figure_.canvas.draw()
    low, high = display.ax_.get_ylim()
    labels = dict(zip(display.ax_.get_yticks(), display.ax_.get_yticklabels(), strict=True))
    assert {text.get_text() for value, text in labels.items() if low <= value <= high} >= {"0.1", "1"}


@pytest.mark.parametrize(
    ("losses", "options", "message"),
    [
        ([], {}, "losses must be a 1-D array of at least one number"),
        ([[1.0]], {}, "losses must be a 1-D array"),
        (["high"], {}, "losses must be a 1-D array"),
        ([np.nan, np.inf], {}, "some loss must be finite"),
        ([1.0, 2.0], {"window": 0}, "window must be an integer >= 1; got 0"),
        ([1.0, 2.0], {"yscale": "cubic"}, "yscale must be one of 'auto', 'log', 'linear'; got 'cubic'"),
        ([1.0, 2.0], {"validation_losses": [1.0]}, "validation_losses must have as many values as losses, 2"),
        ([1.0, 2.0], {"validation_losses": [1.0, 2.0], "window": 2}, "got 2 values and window=2"),
    ],
)
def test_wrong_losses(losses, options, message):
    with pytest.raises(ValueError, match=r"^\[TrainingCurveDisplay\.") as caught:
        TrainingCurveDisplay.from_losses(losses, **options)
    assert message in str(caught.value)


def test_estimators_without_a_curve(blobs):
    from sklearn.linear_model import LogisticRegression

    X, y = blobs
    with pytest.raises(TypeError, match=r"\[TrainingCurveDisplay.from_estimator\] estimator must be .* ebp"):
        TrainingCurveDisplay.from_estimator(LogisticRegression().fit(X, y))
    with pytest.raises(ValueError, match="not fitted"):
        TrainingCurveDisplay.from_estimator(ebp.MLPClassifier())
    streamed = ebp.MLPClassifier((3,), random_state=0).partial_fit(X, y, classes=["left", "right"])
    with pytest.raises(ValueError, match=r"loss_curve_, which fit leaves and partial_fit does not"):
        TrainingCurveDisplay.from_estimator(streamed)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r"^\[TrainingCurveDisplay.from_losses\] matplotlib must be .*efficient-backprop\[plot\]"
    with pytest.raises(ImportError, match=message):
        TrainingCurveDisplay.from_losses([1.0])
