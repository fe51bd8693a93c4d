"""The losses with their first and second derivatives; "map" has a file of its own."""

import ebp
import numpy as np
import pytest
from checks import assert_close, check_loss
from reference import LOSSES, Loss, central_differences
from reference_grid import Loss as GridLoss

SHAPES = [(name, n, k) for name in LOSSES for n, k in [(1, 3), (7, 5), (33, 17), (7, 1)]]


@pytest.fixture
def draw(rng):
    def data(n, k):
        outputs, V = rng.standard_normal((2, n, k))
        return 2 * outputs, rng.uniform(0.1, 1.0, (n, k)), V

    return data


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize(
    ("name", "n", "k"), [shape for shape in SHAPES if shape[::2] != ("cross_entropy", 1)]
)
def test_every_derivative_equals_the_oracle(name, n, k, dtype, tolerance, draw):
    outputs, targets, V = (array.astype(dtype) for array in draw(n, k))
    got = (ebp._core.Loss64 if dtype is np.float64 else ebp._core.Loss32)(name)
    oracle, exact = Loss(name), [a.astype(float) for a in (outputs, targets, V)]
    assert_close(got.value(outputs, targets), oracle.value(*exact[:2]), tolerance, "value")
    assert_close(got.gradient(outputs, targets), oracle.gradient(*exact[:2]), tolerance, "gradient")
    assert_close(got.curvature(outputs, targets), oracle.curvature(*exact[:2]), tolerance, "curvature")
    assert_close(
        got.curvature_product(outputs, targets, V), oracle.curvature_product(*exact), tolerance, "product"
    )


@pytest.mark.parametrize("name", LOSSES)
def test_every_derivative_agrees_with_differences(name, draw):
    check_loss(ebp._core.Loss64(name), *draw(7, 5))


def test_squared_error_is_half_the_sum_and_its_seed_is_one():
    """Trap T1: with the factor one half the seed of (54) is 1, for any number of outputs."""
    loss = ebp._core.Loss64("squared_error")
    outputs, targets = np.array([[1.0, 2.0, -1.0]]), np.array([[0.0, 4.0, -1.0]])
    assert loss.value(outputs, targets).tolist() == [2.5]
    assert loss.gradient(outputs, targets).tolist() == [[1.0, -2.0, 0.0]]
    assert loss.curvature(outputs, targets).tolist() == [[1.0, 1.0, 1.0]]


def test_softmax_of_one_output_is_constant():
    loss = ebp._core.Loss64("cross_entropy")
    outputs, targets = np.array([[3.0]]), np.array([[1.0]])
    for result in (loss.value, loss.gradient, loss.curvature):
        assert result(outputs, targets).ravel().tolist() == [0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropies_do_not_overflow(dtype):
    kind = "64" if dtype is np.float64 else "32"
    softmax, binary = (getattr(ebp._core, f"Loss{kind}")(name) for name in LOSSES[1:])
    outputs = np.array([[1000.0, -1000.0, 0.0]], dtype)
    assert softmax.value(outputs, np.array([[1, 0, 0]], dtype)) == pytest.approx([0.0])
    assert softmax.value(outputs, np.array([[0, 1, 0]], dtype)) == pytest.approx([2000.0])
    assert softmax.gradient(outputs, np.array([[0, 1, 0]], dtype)) == pytest.approx(np.array([[1.0, -1, 0]]))
    assert binary.value(outputs, np.array([[1, 0, 1]], dtype)) == pytest.approx([np.log(2)])
    assert binary.value(outputs, np.array([[0, 1, 1]], dtype)) == pytest.approx([2000 + np.log(2)])
    assert binary.gradient(outputs, np.array([[0, 1, 0]], dtype)) == pytest.approx(np.array([[1.0, -1, 0.5]]))
    for loss in (softmax, binary):
        assert np.isfinite(loss.curvature(outputs, np.array([[1, 0, 0]], dtype))).all()


@pytest.mark.parametrize("name", LOSSES)
def test_nan_passes_through(name):
    loss = ebp._core.Loss64(name)
    outputs, targets = np.array([[0.5, np.nan], [0.5, 0.5]]), np.array([[1.0, 0.5], [1.0, 0.5]])
    assert np.isnan(loss.value(outputs, targets)).tolist() == [True, False]
    assert np.isnan(loss.value(targets, outputs)).tolist() == [True, False]
    assert np.isnan(loss.gradient(outputs, targets)).any(axis=1).tolist() == [True, False]


CORNERS = [
    ("absolute_error", {}),
    ("hinge", {}),
    ("huber", {}),
    ("huber", {"delta": 0.25}),
    ("huber", {"delta": 2.5}),
]
EVERY_CORNER = pytest.mark.parametrize(("name", "options"), CORNERS, ids=str)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@EVERY_CORNER
def test_losses_with_corners_equal_the_oracle(name, options, dtype, tolerance, draw):
    outputs, _, V = (array.astype(dtype) for array in draw(33, 5))
    targets = np.where(V > 0, 1, -1).astype(dtype)
    got = (ebp._core.Loss64 if dtype is np.float64 else ebp._core.Loss32)(name, **options)
    oracle, exact = GridLoss(name, **options), [a.astype(float) for a in (outputs, targets, V)]
    assert_close(got.value(outputs, targets), oracle.value(*exact[:2]), tolerance, "value")
    assert_close(got.gradient(outputs, targets), oracle.gradient(*exact[:2]), tolerance, "gradient")
    curvature = oracle.curvature(*exact[:2])
    np.testing.assert_array_equal(got.curvature(outputs, targets), curvature)
    np.testing.assert_allclose(got.curvature_product(outputs, targets, V), curvature * V)
    assert (curvature.any() and not curvature.all()) == (name == "huber")


@EVERY_CORNER
def test_losses_with_corners_agree_with_differences(name, options, draw):
    """Away from the corners, where straight pieces have no curvature."""
    outputs, _, V = draw(7, 5)
    targets, loss = np.where(V > 0, 1.0, -1.0), ebp._core.Loss64(name, **options)
    if name == "huber":
        check_loss(loss, outputs, targets, V)
        return
    slopes = central_differences(lambda o: loss.value(o, targets), outputs)
    assert_close(loss.gradient(outputs, targets), np.einsum("nnk->nk", slopes), 1e-7)
    assert not central_differences(lambda o: loss.gradient(o, targets), outputs).any()


def test_slopes_in_the_corners():
    """Where there are two, the flat one or 0 between them; the curvature of huber there is the square's."""
    ones = np.ones((1, 1))
    assert ebp._core.Loss64("absolute_error").gradient(ones, ones).tolist() == [[0.0]]
    assert ebp._core.Loss64("hinge").gradient(ones, ones).tolist() == [[0.0]]
    huber = ebp._core.Loss64("huber", delta=2.0)
    assert huber.gradient(3 * ones, ones).tolist() == [[2.0]]
    assert huber.curvature(3 * ones, ones).tolist() == [[1.0]]


def test_losses_without_those_settings_ignore_them():
    o, t = np.array([[0.5, -3.0]]), np.array([[1.0, 1.0]])
    for name in ("squared_error", "absolute_error", "hinge"):
        assert ebp._core.Loss64(name, delta=0.1, j=5.0).value(o, t) == ebp._core.Loss64(name).value(o, t)


@pytest.mark.parametrize("name", ["absolute_error", "huber", "hinge"])
def test_losses_with_corners_let_nan_through(name):
    loss = ebp._core.Loss64(name)
    outputs, targets = np.array([[0.5, np.nan], [0.5, 0.5]]), np.array([[1.0, -1.0], [1.0, -1.0]])
    for o, t in ((outputs, targets), (targets, outputs)):
        assert np.isnan(loss.value(o, t)).tolist() == [True, False]
        assert np.isnan(loss.gradient(o, t)).any(axis=1).tolist() == [True, False]


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"binary_cross_entropy, absolute_error, huber, hinge, map; got hinge2"
    ):
        ebp._core.Loss64("hinge2")
