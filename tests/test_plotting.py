"""The displays: what they compute, what they draw, and how they fail."""

import subprocess
import sys

import ebp
import numpy as np
import pytest
from ebp.layers import Dense

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: nothing can be drawn")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

from ebp.plotting import LossSurfaceDisplay, SpectrumDisplay  # noqa: E402


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def gaussians():
    return ebp.datasets.two_gaussians(random_state=0)


def linear(theta=(2.0, -1.0, 0.5)):
    """Two inputs, one linear output: the network of figures 9 to 12."""
    return ebp.Network([Dense(1, "identity")], 2, weight_init=list(theta), dtype="float64")


def second_moments(X):
    """(29), with the bias's input of 1."""
    rows = np.column_stack([X, np.ones(len(X))])
    return rows.T @ rows / len(rows)


def descent(net, X, T, rate, n_steps):
    """Parameters along batch gradient descent, (10)."""
    net = net.copy()
    points = [net.parameters.copy()]
    for _ in range(n_steps):
        net.parameters[:] -= rate * net.gradient(X, T)
        points.append(net.parameters.copy())
    return points


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


# ---- matplotlib as an option -------------------------------------------------------------------------------


def test_importing_the_package_leaves_matplotlib_alone():
    code = "import sys, ebp; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "draw",
    [
        lambda X, T: SpectrumDisplay.from_network(linear(), X, T),
        lambda X, T: SpectrumDisplay.from_eigenvalues([1.0]),
        lambda X, T: SpectrumDisplay(eigenvalues=np.ones(2), n_parameters=2).plot(),
        lambda X, T: LossSurfaceDisplay.from_network(linear(), X, T, directions=(0, 1)),
    ],
    ids=["spectrum", "eigenvalues", "plot", "surface"],
)
def test_without_matplotlib_the_error_names_the_extra(draw, gaussians, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(
        ImportError, match=r"^\[(Spectrum|LossSurface)Display\.\w+\] .*efficient-backprop\[plot\]"
    ):
        draw(*gaussians)


# ---- spectrum ----------------------------------------------------------------------------------------------


def test_the_spectrum_of_a_linear_unit_is_that_of_its_inputs(gaussians):
    X, T = gaussians
    net = ebp.Network([Dense(1, "identity")], 2, random_state=0)  # float32; the analysis is in float64
    display = SpectrumDisplay.from_network(net, X, T)
    expected = np.linalg.eigvalsh(second_moments(X))
    np.testing.assert_allclose(display.eigenvalues, expected, rtol=1e-10)
    assert display.lambda_max == pytest.approx(expected[-1])
    assert display.learning_rate == pytest.approx(1 / expected[-1])
    assert display.condition_number == pytest.approx(expected[-1] / expected[0])


def test_sorted_draws_every_magnitude_and_marks_the_largest(gaussians):
    fig, ax = plt.subplots()
    display = SpectrumDisplay.from_eigenvalues([-2.0, 8.0, 0.5, 0.0], ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is fig
    assert ax.get_yscale() == "log"
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["positive"].get_xydata(), [[1, 8.0], [3, 0.5]])
    np.testing.assert_array_equal(lines["negative"].get_xydata(), [[2, 2.0]])
    legend = " ".join(texts(ax.get_legend()))
    assert "= 8" in legend
    assert "= 0.125" in legend
    assert "condition number 16" in legend
    assert "1 zero, not drawn" in legend


def test_the_histogram_counts_every_eigenvalue_once(rng):
    values = np.concatenate([10 ** rng.uniform(-4, 2, 500), -(10 ** rng.uniform(-3, 0, 100)), np.zeros(7)])
    display = SpectrumDisplay.from_eigenvalues(values, kind="histogram")
    counts = [sum(bar.get_height() for bar in container.patches) for container in display.ax_.containers]
    assert counts == [500, 100]
    assert texts(display.ax_.get_legend())[:2] == ["positive", "negative"]
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")
    assert display.n_zero == 7


def test_a_histogram_of_equal_eigenvalues():
    display = SpectrumDisplay.from_eigenvalues([2.0, 2.0, 2.0], kind="histogram")
    assert sum(patch.get_height() for patch in display.ax_.patches) == 3


def test_no_positive_eigenvalue_gives_no_rate():
    display = SpectrumDisplay.from_eigenvalues([-3.0, -1.0])
    assert display.learning_rate is None
    assert display.condition_number == pytest.approx(3)
    display = SpectrumDisplay.from_eigenvalues([0.0, 0.0], kind="histogram")
    assert display.condition_number is None


def test_the_largest_alone_have_no_condition_number(gaussians):
    X, T = gaussians
    net = ebp.Network([Dense(3), Dense(1)], 2, random_state=0)
    every = SpectrumDisplay.from_network(net, X, T)
    some = SpectrumDisplay.from_network(net, X, T, k=4)
    np.testing.assert_allclose(some.eigenvalues, every.eigenvalues[-4:], rtol=1e-8)
    assert some.condition_number is None
    assert "the 4 largest of 13" in texts(some.ax_.get_legend())
    assert every.condition_number > 1


def test_the_method_reaches_the_curvature(gaussians):
    X, T = gaussians
    net = ebp.Network([Dense(3), Dense(1)], 2, random_state=0)
    exact = SpectrumDisplay.from_network(net, X, T).eigenvalues
    gauss_newton = SpectrumDisplay.from_network(net, X, T, method="gauss_newton").eigenvalues
    assert exact[0] < -1e-3
    assert gauss_newton[0] > -1e-12


def test_an_estimator_s_spectrum_is_of_normalised_inputs_and_coded_targets():
    X, y = ebp.datasets.two_gaussians(random_state=0)
    X = X * 100 + 1000
    labels = np.where(y > 0, "right", "left")
    model = ebp.MLPClassifier((3,), max_iter=2, random_state=0).fit(X, labels)
    display = SpectrumDisplay.from_estimator(model, X, labels)
    Z, T = model.normalizer_.transform(X), np.where(labels == "right", 1.0, -1.0)
    expected = ebp.curvature.spectrum(model.network_._in_double(), Z, T)
    np.testing.assert_allclose(display.eigenvalues, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([], {}, "1-D array of real numbers"),
        ([[1.0, 2.0]], {}, "1-D array of real numbers"),
        ([1j], {}, "1-D array of real numbers"),
        ([1.0, np.nan], {}, "finite"),
        ([1.0, 2.0], {"n_parameters": 1}, "at least the number of eigenvalues, 2; got 1"),
        ([1.0, 2.0], {"kind": "pie"}, "kind must be one of sorted, histogram; got 'pie'"),
    ],
)
def test_wrong_eigenvalues(values, options, message):
    with pytest.raises(ValueError, match=r"^\[SpectrumDisplay\.") as caught:
        SpectrumDisplay.from_eigenvalues(values, **options)
    assert message in str(caught.value)


def test_wrong_objects(gaussians):
    from sklearn.linear_model import LinearRegression

    X, y = gaussians
    with pytest.raises(TypeError, match=r"\[SpectrumDisplay.from_network\] net must be an ebp.Network"):
        SpectrumDisplay.from_network("net", X, y)
    with pytest.raises(TypeError, match=r"\[LossSurfaceDisplay.from_estimator\] estimator must be .* of ebp"):
        LossSurfaceDisplay.from_estimator(LinearRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="not fitted"):
        SpectrumDisplay.from_estimator(ebp.MLPRegressor(), X, y)


# ---- loss surface ------------------------------------------------------------------------------------------


def test_the_surface_is_the_loss_and_the_network_stays(gaussians):
    X, T = gaussians
    net = linear()
    before = net.parameters.copy()
    display = LossSurfaceDisplay.from_network(
        net, X, T, directions=(1, 0), extent=(-1, 2, -3, 3), resolution=7
    )
    np.testing.assert_array_equal(net.parameters, before)
    assert (display.x[[0, -1]].tolist(), display.y[[0, -1]].tolist()) == ([-1, 2], [-3, 3])
    assert display.losses.shape == (7, 7)
    for row, column in [(0, 0), (2, 5), (6, 3)]:
        theta = [display.y[row], display.x[column], 0.5]  # the bias stays
        assert display.losses[row, column] == pytest.approx(linear(theta).loss(X, T), rel=1e-12)
    assert (display.xlabel, display.ylabel) == ("0.weights[0, 1]", "0.weights[0, 0]")
    assert display.ax_.get_xlabel() == display.xlabel


def test_trajectories_lie_at_their_weights(gaussians):
    X, T = gaussians
    net = linear()
    paths = {"slow": descent(net, X, T, 0.5, 5), "fast": descent(net, X, T, 1.5, 3)}
    display = LossSurfaceDisplay.from_network(net, X, T, directions=(0, 1), trajectories=paths, resolution=5)
    for name, path in paths.items():
        np.testing.assert_allclose(display.lines_[name].get_xydata(), np.array(path)[:, :2], atol=1e-12)
        inside = (display.lines_[name].get_xydata() - [display.x[0], display.y[0]]) > 0
        assert inside.all()
    assert texts(display.ax_.get_legend()) == ["slow", "fast"]


def test_principal_directions_hold_a_plane_of_trajectories(rng):
    """Points of a plane through the parameters come back from their coordinates."""
    X, T = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    net = ebp.Network([Dense(4), Dense(2)], 3, dtype="float64", random_state=0)
    u, v = rng.standard_normal((2, net.n_parameters))
    steps = rng.standard_normal((10, 2))
    path = net.parameters + steps @ [5 * u, v]
    display = LossSurfaceDisplay.from_network(net, X, T, trajectories={"walk": path}, resolution=4)
    flat = display.trajectories["walk"]
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    np.testing.assert_allclose(distances, np.linalg.norm(path[:, None] - path[None], axis=-1), atol=1e-9)
    assert np.var(flat[:, 0]) > np.var(flat[:, 1])
    shares = [int(label.split("(")[1].rstrip("%)")) for label in (display.xlabel, display.ylabel)]
    assert shares[0] > shares[1]
    assert sum(shares) in (99, 100, 101)


def test_the_principal_plane_holds_the_loss_along_a_trajectory(rng):
    """On the plane, the surface is the loss of the very points that were visited."""
    X, T = rng.standard_normal((20, 2)), rng.standard_normal((20, 1))
    net = ebp.Network([Dense(2), Dense(1)], 2, dtype="float64", random_state=0)
    path = net.parameters + rng.standard_normal((6, 2)) @ rng.standard_normal((2, net.n_parameters))
    first = LossSurfaceDisplay.from_network(net, X, T, trajectories={"a": path}, resolution=2)
    for point, (a, b) in zip(path, first.trajectories["a"], strict=True):
        visited = net.copy()
        visited.parameters[:] = point
        extent = (a, a + 1, b, b + 1)
        corner = LossSurfaceDisplay.from_network(
            net, X, T, trajectories={"a": path}, extent=extent, resolution=2
        )
        assert corner.losses[0, 0] == pytest.approx(visited.loss(X, T), rel=1e-9)


def test_given_directions_need_not_be_orthogonal(gaussians, rng):
    X, T = gaussians
    net = linear()
    u, v = np.array([1.0, 0, 0]), np.array([3.0, 1.0, 1.0])
    path = net.parameters + np.array([0 * u, 2 * u - v, 0.5 * u + 0.25 * v])
    display = LossSurfaceDisplay.from_network(
        net, X, T, directions=(u, v), trajectories={"a": path}, extent=(0, 1, 0, 1), resolution=2
    )
    np.testing.assert_allclose(display.trajectories["a"], [[0, 0], [2, -1], [0.5, 0.25]], atol=1e-12)
    assert display.losses[0, 1] == pytest.approx(linear(net.parameters + u).loss(X, T))
    assert display.losses[1, 0] == pytest.approx(linear(net.parameters + v).loss(X, T))


def test_an_estimator_with_a_trajectory_from_a_callback():
    X, y = ebp.datasets.two_gaussians(random_state=0)
    steps = []
    model = ebp.MLPRegressor(
        (2,),
        max_iter=4,
        callbacks=lambda model, epoch, logs: steps.append(model.network_.parameters.copy()),
        random_state=0,
    ).fit(X, y)
    display = LossSurfaceDisplay.from_estimator(model, X, y, trajectories={"sdlm": steps}, resolution=5)
    assert display.trajectories["sdlm"].shape == (4, 2)
    np.testing.assert_allclose(display.trajectories["sdlm"][-1], 0, atol=1e-6)  # where the plane begins


def test_contours_are_denser_near_the_minimum(gaussians):
    X, T = gaussians
    display = LossSurfaceDisplay.from_network(
        linear(), X, T, directions=(0, 1), extent=(-1, 2, -1, 2), levels=9
    )
    levels = display.contours_.levels
    assert len(levels) == 9
    assert levels[0] == pytest.approx(display.losses.min())
    assert levels[-1] == pytest.approx(display.losses.max())
    np.testing.assert_allclose(np.diff(np.log(levels[1:] - levels[0]), 2), 0, atol=1e-6)


def test_infinite_losses_stay_blank():
    x = np.array([0.0, 1.0, 2.0])
    losses = np.array([[1.0, 2.0, np.inf], [2.0, 3.0, np.nan], [4.0, 5.0, 6.0]])
    display = LossSurfaceDisplay(x=x, y=x, losses=losses, trajectories={}, xlabel="a", ylabel="b").plot()
    assert display.contours_.levels[-1] == 6
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "directions must be given for 3 parameters without trajectories; got None"),
        ({"directions": (0, 3)}, "two different parameters from 0 to 2; got (0, 3)"),
        ({"directions": (1, 1)}, "two different parameters"),
        ({"directions": 1}, "directions must be None, (i, j) or (u, v); got 1"),
        ({"directions": ([1, 0], [0, 1])}, "two finite vectors of 3 values; got [(2,), (2,)]"),
        ({"directions": ([1, 0, 0], [2, 0, 0])}, "linearly independent"),
        ({"directions": (0, 1), "extent": (1, 0, 0, 1)}, "x_min < x_max"),
        ({"directions": (0, 1), "resolution": 1}, "resolution must be an integer >= 2; got 1"),
        ({"directions": (0, 1), "levels": 1}, "levels must be an integer >= 2; got 1"),
        ({"trajectories": {"a": [[1, 2]]}}, "trajectory 'a' must have shape (n_steps, 3); got (1, 2)"),
        (
            {"trajectories": {"a": [[1, 2, 3], [1, 2, np.inf]]}},
            "'a' must be finite; got NaN or infinity from step 1",
        ),
        ({"trajectories": {"a": [[2, -1, 0.5], [3, -1, 0.5]]}}, "lie on one line"),
    ],
)
def test_wrong_surfaces(gaussians, options, message):
    with pytest.raises(ValueError, match=r"^\[LossSurfaceDisplay\.") as caught:
        LossSurfaceDisplay.from_network(linear(), *gaussians, **options)
    assert message in str(caught.value)


def test_trajectories_without_names(gaussians):
    with pytest.raises(TypeError, match="dict of names and arrays; got list"):
        LossSurfaceDisplay.from_network(linear(), *gaussians, trajectories=[[1, 2, 3]])


def test_a_constant_surface_has_no_contours(gaussians):
    display = LossSurfaceDisplay(
        x=np.arange(2.0), y=np.arange(2.0), losses=np.ones((2, 2)), trajectories={}, xlabel="", ylabel=""
    )
    with pytest.raises(ValueError, match="losses must vary"):
        display.plot()
