"""The display of first-layer weights: which numbers stand where, and how it fails."""

import sys

import ebp
import numpy as np
import pytest
from ebp.layers import Conv1D, Conv2D, Dense, GaussianRBF, Subsample2D

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: nothing can be drawn")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
pd = pytest.importorskip("pandas")

from ebp.plotting import WeightsDisplay  # noqa: E402


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def digits():
    X, y = ebp.datasets.load_digits()
    return X[:300], y[:300]


def network(layers, shape):
    return ebp.Network(layers, shape, dtype="float64", random_state=0)


def test_every_unit_has_its_place_in_the_mosaic():
    net = network([Dense(5), Dense(2)], 64)
    fig, ax = plt.subplots()
    display = WeightsDisplay.from_network(net, ax=ax)
    assert (display.ax_, display.figure_) == (ax, fig)
    weights = net.parameters[: 5 * 64].reshape(5, 8, 8)
    np.testing.assert_array_equal(display.images, weights)
    drawn = np.ma.filled(display.image_.get_array(), np.nan)
    assert drawn.shape == (17, 26)  # two rows of three images with a gap of one pixel
    for unit, (row, column) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        part = drawn[9 * row : 9 * row + 8, 9 * column : 9 * column + 8]
        np.testing.assert_array_equal(part, weights[unit])
    assert np.isnan(drawn[8]).all()
    assert np.isnan(drawn[:, 8]).all()
    assert np.isnan(drawn[9:, 18:]).all()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "3"]


@pytest.mark.parametrize(
    ("layers", "shape", "options", "expected"),
    [
        ([Dense(3)], 63, {}, (3, 1, 63)),  # no square
        ([Dense(3)], 49, {}, (3, 1, 49)),  # a square below 8 x 8
        ([Dense(3)], 784, {}, (3, 28, 28)),
        ([Dense(3)], 12, {"image_shape": (3, 4)}, (3, 3, 4)),
        ([Dense(3)], 12, {"image_shape": (2, 3, 2)}, (6, 3, 2)),
        ([Dense(3)], (2, 4, 5), {}, (6, 4, 5)),
        ([GaussianRBF(3), Dense(1)], 2, {}, (3, 1, 2)),
        ([Conv2D(4, (3, 5)), Dense(1)], (2, 8, 8), {}, (8, 3, 5)),
        ([Conv1D(4, 3), Dense(1)], (2, 8), {}, (8, 1, 3)),
    ],
)
def test_shapes(layers, shape, options, expected):
    net = network(layers, shape)
    display = WeightsDisplay.from_network(net, **options)
    assert display.images.shape == expected
    np.testing.assert_array_equal(display.images.ravel(), net.parameters[: display.images.size])


def test_channels_of_a_unit_stand_in_one_row():
    display = WeightsDisplay.from_network(network([Dense(10)], (3, 8, 8)))
    assert display.n_channels == 3
    columns = (display.image_.get_array().shape[1] + 1) // 9
    assert columns % 3 == 0


def test_the_colours_are_symmetric_and_an_outlier_does_not_set_them():
    weights = np.linspace(-1, 0.5, 200)
    display = WeightsDisplay(images=weights.reshape(2, 10, 10)).plot()
    assert display.image_.get_clim() == (-1, 1)
    weights[0] = -40.0
    display = WeightsDisplay(images=weights.reshape(2, 10, 10)).plot()
    low, high = display.image_.get_clim()
    assert (low, high) == (-high, pytest.approx(1.5 * np.quantile(np.abs(weights), 0.99)))
    assert high < 2
    display.plot(vmin=-40, vmax=40)
    assert display.image_.get_clim() == (-40, 40)
    flat = WeightsDisplay(images=np.zeros((1, 2, 2))).plot()
    assert flat.image_.get_clim() == (-1, 1)


@pytest.mark.parametrize("norm", ["symlog", matplotlib.colors.CenteredNorm(halfrange=0.5)])
def test_a_norm_has_limits_of_its_own(norm):
    display = WeightsDisplay(images=np.linspace(-1, 0.5, 200).reshape(2, 10, 10))
    display.plot(norm=norm)
    limits = (-1, 0.5) if norm == "symlog" else (-0.5, 0.5)
    assert display.image_.get_clim() == limits
    display.plot(norm="symlog", vmin=-2, vmax=2)
    assert display.image_.get_clim() == (-2, 2)
    display.plot(norm=None)
    assert display.image_.get_clim() == (-1, 1)


def test_only_the_first_of_many_are_drawn():
    display = WeightsDisplay.from_network(network([Dense(30)], 64), max_images=6)
    assert display.images.shape == (30, 8, 8)
    assert display.ax_.get_title() == "the first 6 of 30"


@pytest.mark.parametrize("method", ["standard", "global", "decorrelate", "zca"])
def test_weights_of_an_estimator_are_those_of_columns(digits, method):
    X, y = digits
    model = ebp.MLPClassifier((7,), normalize=method, max_iter=2, random_state=0).fit(X, y)
    display = WeightsDisplay.from_estimator(model)
    assert display.images.shape == (7, 8, 8)
    if method in ("standard", "global"):
        np.testing.assert_array_equal(display.images.reshape(7, 64), model.coefs_[0].T)
        assert display.kind == "weight"
        return
    # How the total inputs change when a column moves by one standard deviation, through the normaliser.
    spread = X.std(axis=0)
    moved = model.normalizer_.transform(X[:1] + np.diag(spread)) - model.normalizer_.transform(X[:1])
    np.testing.assert_allclose(display.images.reshape(7, 64).T, moved @ model.coefs_[0], atol=1e-4)
    assert display.kind == "weight of a standardised input"


def test_columns_with_names_are_a_matrix():
    rng = np.random.default_rng(0)
    names = [f"pixel {k}" for k in range(63)] + ["$x_{$"]
    table = pd.DataFrame(rng.standard_normal((50, 64)), columns=names)
    model = ebp.MLPRegressor((3,), max_iter=2, random_state=0).fit(table, table["pixel 0"] ** 2)
    display = WeightsDisplay.from_estimator(model)
    assert display.images.shape == (3, 1, 64)
    assert WeightsDisplay.from_estimator(model, image_shape=(8, 8)).images.shape == (3, 8, 8)
    few = table[names[-3:]]
    model = ebp.MLPRegressor((3,), max_iter=2, random_state=0).fit(few, few["pixel 61"] ** 2)
    display = WeightsDisplay.from_estimator(model)
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == names[-3:]
    display.figure_.canvas.draw()  # "$x_{$" is no formula, which would raise


def test_long_names_are_shortened_where_they_are_drawn():
    names = ["x" * 40, "a" * 30 + "b" * 270, "c"]
    display = WeightsDisplay.from_network(network([Dense(1)], 3), feature_names=(name for name in names))
    assert display.feature_names == names
    drawn = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert drawn == [names[0], "a" * 20 + "…" + "b" * 19, "c"]


def radial(method, columns, names=None):
    """An estimator whose first layer has centres; the columns depend on each other."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3)) @ rng.standard_normal((3, columns))
    table = X if names is None else pd.DataFrame(X, columns=names)
    layers = [GaussianRBF(4), Dense(1, "identity")]
    return ebp.NetworkRegressor(layers, normalize=method, max_iter=2, random_state=0).fit(table, X[:, 0])


def test_centres_have_the_names_of_columns_only_where_they_lie_in_columns():
    names = ["a", "b", "c"]
    for method in ("standard", "zca"):
        display = WeightsDisplay.from_estimator(radial(method, 3, names))
        assert display.feature_names == names
        assert display.images.shape == (4, 1, 3)
    for columns in (3, 5):  # 5 columns of 3 components
        model = radial("decorrelate", columns, list("abcde"[:columns]))
        display = WeightsDisplay.from_estimator(model)
        assert display.feature_names is None
        net = model.network_
        np.testing.assert_array_equal(display.images.reshape(4, 3), net.parameters[:12].reshape(4, 3))
        assert WeightsDisplay.from_estimator(model, feature_names="vwxyz"[:columns]).feature_names is None
    with pytest.raises(ValueError, match="feature_names must be as many as the inputs, 5; got 3"):
        WeightsDisplay.from_estimator(model, feature_names="abc")


def test_centres_in_components_are_no_image(digits):
    X, y = digits
    X = X + np.random.default_rng(0).normal(size=X.shape)  # so that there are 64 components
    layers = [GaussianRBF(4), Dense(10)]
    for method, shape in (("decorrelate", (4, 1, 64)), ("standard", (4, 8, 8))):
        model = ebp.NetworkClassifier(layers, normalize=method, max_iter=2, random_state=0).fit(X, y)
        assert WeightsDisplay.from_estimator(model).images.shape == shape


@pytest.mark.parametrize(
    ("layers", "shape", "options", "message"),
    [
        ([Subsample2D(2), Dense(1)], (1, 4, 4), {}, "dense, convolutional or radial, .*; got Subsample2D"),
        ([Dense(1)], 12, {"image_shape": (5, 2)}, r"with 12 values in all; got \(5, 2\)"),
        ([Dense(1)], 12, {"image_shape": 12}, "with 12 values in all; got 12"),
        ([Conv2D(2, 3)], (1, 8, 8), {"image_shape": (3, 3)}, "must be None for a convolution"),
        ([Dense(1)], 12, {"max_images": 0}, "max_images must be an integer >= 1; got 0"),
    ],
)
def test_wrong_arguments(layers, shape, options, message):
    with pytest.raises(ValueError, match=r"^\[WeightsDisplay\.\w+\] .*" + message):
        WeightsDisplay.from_network(network(layers, shape), **options)


def test_wrong_objects():
    with pytest.raises(TypeError, match=r"\[WeightsDisplay.from_network\] net must be an ebp.Network"):
        WeightsDisplay.from_network("net")
    with pytest.raises(TypeError, match=r"\[WeightsDisplay.from_estimator\] estimator must be .* ebp"):
        WeightsDisplay.from_estimator("model")
    with pytest.raises(ValueError, match="not fitted"):
        WeightsDisplay.from_estimator(ebp.MLPRegressor())


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r"^\[WeightsDisplay.from_network\] matplotlib must be .*efficient-backprop\[plot\]"
    with pytest.raises(ImportError, match=message):
        WeightsDisplay.from_network(network([Dense(1)], 4))
