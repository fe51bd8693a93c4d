"""Distorted images: against bilinear interpolation in NumPy, distributions, determinism, labels."""

import joblib
import numpy as np
import pytest
from ebp import MLPClassifier, preprocessing
from ebp.preprocessing import AffineDistorter
from scipy import ndimage, stats
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

STILL = {"translation": 0.0, "scaling": 0.0, "squeezing": 0.0, "shearing": 0.0, "rotation": 0.0}
ALL = {"translation": 2.0, "scaling": 0.3, "squeezing": 0.2, "shearing": 0.3, "rotation": 20.0}


def pictures(n=7, height=9, width=12, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, size=(n, height, width))


class Drawn(np.random.Generator):
    """A generator whose uniform numbers in [-1, 1] are known: translation down and right, scaling, squeezing,
    shearing, rotation."""

    def __init__(self, *units):
        super().__init__(np.random.PCG64(0))
        self.units = units

    def uniform(self, low, high, size):
        assert (low, high, size[1]) == (-1, 1, 6)
        return np.broadcast_to(self.units, size).copy()


def forward_maps(distorter, n, seed):
    """The matrices and shifts of the docstring, one factor after the other."""
    maps = []
    for down, right, size, squeeze, slant, turn in np.random.default_rng(seed).uniform(-1, 1, size=(n, 6)):
        s = (1 + distorter.scaling) ** size
        q = (1 + distorter.squeezing) ** squeeze
        angle = np.deg2rad(distorter.rotation * turn)
        scale = np.diag([s * q, s / q])
        shear = np.array([[1, 0], [-distorter.shearing * slant, 1]])
        rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        maps.append((rotate @ shear @ scale, distorter.translation * np.array([down, right])))
    return maps


def bilinear(image, matrix, shift, fill):
    """Distort one image, one pixel at a time; beyond the image there are pixels of value `fill`."""
    height, width = image.shape
    centre = np.array([(height - 1) / 2, (width - 1) / 2])

    def pixel(i, j):
        return image[i, j] if 0 <= i < height and 0 <= j < width else fill

    result = np.empty_like(image)
    for i, j in np.ndindex(image.shape):
        u, v = np.linalg.solve(matrix, [i, j] - centre - shift) + centre
        a, b = int(np.floor(u)), int(np.floor(v))
        du, dv = u - a, v - b
        upper = (1 - dv) * pixel(a, b) + dv * pixel(a, b + 1)
        lower = (1 - dv) * pixel(a + 1, b) + dv * pixel(a + 1, b + 1)
        result[i, j] = (1 - du) * upper + du * lower
    return result


def shifted(image, down, right, fill):
    """A whole shift by `np.roll`, with what came round replaced."""
    moved = np.roll(image, (down, right), axis=(-2, -1))
    rows, columns = np.indices(image.shape[-2:])
    rows, columns = rows - down, columns - right
    outside = (rows < 0) | (rows >= image.shape[-2]) | (columns < 0) | (columns >= image.shape[-1])
    return np.where(outside, fill, moved)


# What the distortion is.


@pytest.mark.parametrize("only", [*ALL, "all"])
def test_equals_bilinear_interpolation(only):
    ranges = ALL if only == "all" else {**STILL, only: ALL[only]}
    distorter = AffineDistorter(**ranges, fill=0.25, random_state=3)
    X = pictures()
    expected = [
        bilinear(x, *m, fill=0.25) for x, m in zip(X, forward_maps(distorter, len(X), seed=3), strict=True)
    ]
    np.testing.assert_allclose(distorter.distort(X), expected, atol=1e-12)


def test_the_oracle_can_fail():
    distorter = AffineDistorter(**ALL, fill=0.25, random_state=3)
    X = pictures()
    other = [
        bilinear(x, *m, fill=0.25) for x, m in zip(X, forward_maps(distorter, len(X), seed=4), strict=True)
    ]
    assert np.abs(distorter.distort(X) - other).max() > 0.1


@pytest.mark.parametrize("order", range(6))
def test_zero_ranges_change_nothing(order):
    X = pictures()
    distorted = AffineDistorter(**STILL, order=order).distort(X)
    if order < 2:
        np.testing.assert_array_equal(distorted, X)
    else:
        np.testing.assert_allclose(distorted, X, atol=1e-6)


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, -2), (3, 3), (-1, 2)])
def test_whole_translations_move_pixels(down, right, order):
    X = pictures()
    units = Drawn(down / 4, right / 4, 1, 1, 1, 1)
    distorted = AffineDistorter(
        **{**STILL, "translation": 4}, fill=0.5, order=order, random_state=units
    ).distort(X)
    expected = np.array([shifted(x, down, right, 0.5) for x in X])
    # Splines of a higher order ring at the edge of the image, but not where it meets its own kind.
    tolerance = 1e-12 if order < 2 else 1e-4
    np.testing.assert_allclose(distorted, expected, atol=tolerance)


def test_a_quarter_turn_is_counterclockwise():
    X = pictures(height=8, width=8)
    units = Drawn(0, 0, 0, 0, 0, 1)
    distorted = AffineDistorter(**{**STILL, "rotation": 90}, random_state=units).distort(X)
    np.testing.assert_allclose(distorted, np.rot90(X, axes=(1, 2)), atol=1e-12)


def test_shearing_moves_the_top_right_and_the_bottom_left():
    X = np.zeros((1, 9, 9))
    X[0, :, 4] = 1
    units = Drawn(0, 0, 0, 0, 1, 0)
    sheared = AffineDistorter(**{**STILL, "shearing": 0.5}, random_state=units).distort(X)[0]
    columns = (sheared * np.arange(9)).sum(axis=1) / sheared.sum(axis=1)
    np.testing.assert_allclose(columns, 4 - 0.5 * (np.arange(9) - 4))


def spread(image):
    """Standard deviations of a picture, seen as a density, along rows and columns."""
    i, j = np.indices(image.shape)
    centre = (i * image).sum() / image.sum(), (j * image).sum() / image.sum()
    return np.sqrt([((x - c) ** 2 * image).sum() / image.sum() for x, c in zip((i, j), centre, strict=True)])


@pytest.mark.parametrize(
    ("ranges", "units", "height", "width"),
    [
        ({"scaling": 0.5}, Drawn(0, 0, 1, 0, 0, 0), 1.5, 1.5),
        ({"scaling": 0.5}, Drawn(0, 0, -1, 0, 0, 0), 1 / 1.5, 1 / 1.5),
        ({"scaling": (0.8, 1.25)}, Drawn(0, 0, 0, 0, 0, 0), 1, 1),
        ({"scaling": (0.5, 1.4)}, Drawn(0, 0, -1, 0, 0, 0), 0.5, 0.5),
        ({"scaling": (0.5, 1.4)}, Drawn(0, 0, 1, 0, 0, 0), 1.4, 1.4),
        ({"scaling": [1.3, 1.3]}, None, 1.3, 1.3),
        ({"squeezing": 0.5}, Drawn(0, 0, 0, 1, 0, 0), 1.5, 1 / 1.5),
        ({"squeezing": 0.5}, Drawn(0, 0, 0, -1, 0, 0), 1 / 1.5, 1.5),
    ],
)
def test_scaling_and_squeezing_change_height_and_width(ranges, units, height, width):
    i, j = np.indices((61, 61)) - 30
    blob = np.exp(-(i**2 + j**2) / (2 * 6**2))
    distorted = AffineDistorter(**{**STILL, **ranges}, order=3, fill=0, random_state=units).distort(
        blob[None]
    )[0]
    np.testing.assert_allclose(spread(distorted) / spread(blob), [height, width], rtol=0.01)


def test_order_is_that_of_the_splines():
    i, j = np.indices((31, 31)) - 15
    units = Drawn(0.5, -0.5, 0, 0, 0, 0)

    def error(order):
        """Largest deviation of a blob moved by half a pixel from the blob that is there."""
        blob, moved = (np.exp(-((i - t) ** 2 + (j + t) ** 2) / 8) for t in (0, 0.5))
        distorter = AffineDistorter(**{**STILL, "translation": 1}, order=order, random_state=units)
        return np.abs(distorter.distort(blob[None])[0] - moved).max()

    assert error(0) > 0.1 > error(1) > 0.02 > error(3) > 1e-3 > error(5)
    whole = np.random.default_rng(0).integers(0, 3, size=(9, 8, 8)).astype(float)
    assert np.unique(AffineDistorter(order=0, random_state=0).distort(whole)).tolist() == [0, 1, 2]


# What is drawn.


def drawn_parameters(distorter, n=20_000):
    """Columns: shift down, shift right, log size, log squeeze, slant; taken apart again for rotation 0."""
    matrices, shifts = distorter._draw(n, np.random.default_rng(1998))
    assert (matrices[:, 0, 1] == 0).all()
    high, wide = matrices[:, 0, 0], matrices[:, 1, 1]
    slant = -matrices[:, 1, 0] / high
    return np.column_stack([shifts, np.log(high * wide) / 2, np.log(high / wide) / 2, slant])


def test_parameters_are_uniform_and_independent():
    drawn = drawn_parameters(AffineDistorter(translation=3, scaling=(0.5, 1.2), squeezing=0.3, shearing=0.4))
    lows = [-3, -3, np.log(0.5), -np.log(1.3), -0.4]
    highs = [3, 3, np.log(1.2), np.log(1.3), 0.4]
    for column, low, high in zip(drawn.T, lows, highs, strict=True):
        assert stats.kstest(column, stats.uniform(low, high - low).cdf).pvalue > 1e-3
    correlation = np.corrcoef(drawn.T)
    assert np.abs(correlation - np.eye(5)).max() < 0.03


def test_angles_are_uniform():
    matrices, _ = AffineDistorter(**{**STILL, "rotation": 30})._draw(20_000, np.random.default_rng(1998))
    angle = np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert stats.kstest(angle, stats.uniform(-30, 60).cdf).pvalue > 1e-3


def test_one_range_does_not_change_what_the_others_draw():
    first = drawn_parameters(AffineDistorter(), n=10)
    second = drawn_parameters(AffineDistorter(scaling=0, translation=4), n=10)
    np.testing.assert_allclose(second[:, 3:], first[:, 3:], atol=1e-12)
    np.testing.assert_allclose(second[:, :2], 2 * first[:, :2], atol=1e-12)


def test_every_image_and_every_copy_is_distorted_in_its_own_way():
    X = np.repeat(pictures(1), 5, axis=0)
    distorted = AffineDistorter(random_state=0).distort(X, 3)
    assert len(np.unique(distorted, axis=0)) == 15


def test_channels_share_their_distortion():
    X = pictures(12).reshape(4, 3, 9, 12)
    distorted = AffineDistorter(**ALL, random_state=5).distort(X)
    assert distorted.shape == X.shape
    for channel in range(3):
        alone = AffineDistorter(**ALL, random_state=5).distort(X[:, channel])
        np.testing.assert_array_equal(distorted[:, channel], alone)


# The value outside the image.


@pytest.mark.parametrize("background", [0.0, 0.7, -1.5])
def test_the_border_is_the_background_dark_or_light(background):
    levels = background + np.arange(6.0).reshape(2, 3)  # of each image and channel
    X = np.tile(levels[:, :, None, None], (1, 1, 8, 8))
    X[:, :, 1:-1, 1:-1] += pictures(1, 6, 6)
    X[:, :, 0, 3] += 5.0  # Strokes that reach the border do not change its median.
    X[:, :, 5, 0] -= 5.0
    units = Drawn(1, 1, 0, 0, 0, 0)
    distorted = AffineDistorter(**{**STILL, "translation": 3}, random_state=units).distort(X)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(distorted[index], shifted(X[index], 3, 3, levels[index]))


def test_values_stay_within_the_range_of_image_and_fill():
    X = np.zeros((50, 12, 12))
    X[:, 4:8, 4:8] = 1
    raw = ndimage.shift(X[0], 0.4, order=3)
    assert raw.max() > 1.01
    assert raw.min() < -0.01
    distorted = AffineDistorter(order=3, random_state=0).distort(X)
    assert (distorted.min(), distorted.max()) == (0, 1)
    assert AffineDistorter(order=3, fill=2, random_state=0).distort(X).max() == 2


# Determinism.


def test_an_int_seeds_each_call_anew_and_a_generator_goes_on():
    X = pictures()
    seeded = AffineDistorter(random_state=7)
    np.testing.assert_array_equal(seeded.distort(X), seeded.distort(X))
    generator = np.random.default_rng(7)
    continued = AffineDistorter(random_state=generator)
    np.testing.assert_array_equal(continued.distort(X), seeded.distort(X))
    assert (continued.distort(X) != seeded.distort(X)).any()
    assert (AffineDistorter(random_state=8).distort(X) != seeded.distort(X)).any()
    fresh = AffineDistorter()
    assert (fresh.distort(X) != fresh.distort(X)).any()


def test_epochs_are_the_copies_of_distort():
    X = pictures()
    distorter = AffineDistorter(random_state=0)
    epochs = list(distorter.epochs(X, 3))
    assert len(epochs) == 3
    np.testing.assert_array_equal(np.concatenate(epochs), distorter.distort(X, n_copies=3))


def test_epochs_without_a_number_do_not_end_and_ignore_later_parameters():
    X = pictures()
    distorter = AffineDistorter(random_state=0)
    epochs = distorter.epochs(X)
    first = next(epochs)
    distorter.set_params(translation=-1)
    later = [next(epochs) for _ in range(20)]
    assert len(np.unique([first, *later], axis=0)) == 21
    distorter.set_params(translation=2.0)
    np.testing.assert_array_equal(later[-1], distorter.distort(X, 21)[-len(X) :])


def test_results_do_not_depend_on_the_threads():
    X = pictures(3 * preprocessing._BLOCK + 5, 5, 4)
    expected = AffineDistorter(random_state=0).distort(X, 2)
    assert (expected[: len(X)] != X).any(axis=(1, 2)).all()
    for n_jobs in (1, 2, 5, -1):
        np.testing.assert_array_equal(AffineDistorter(random_state=0, n_jobs=n_jobs).distort(X, 2), expected)
    with joblib.parallel_config(n_jobs=2):
        np.testing.assert_array_equal(AffineDistorter(random_state=0).distort(X, 2), expected)


def test_results_do_not_depend_on_the_images_that_follow():
    X = pictures(preprocessing._BLOCK + 3, 5, 4)
    whole = AffineDistorter(random_state=0).distort(X)
    np.testing.assert_array_equal(AffineDistorter(random_state=0).distort(X[:6]), whole[:6])


# Labels.


def test_augment_gives_originals_then_copies_with_their_labels():
    X = pictures()
    y = np.array(list("abcdefg"))
    distorter = AffineDistorter(random_state=0)
    X_more, y_more = distorter.augment(X, y, n_copies=2)
    np.testing.assert_array_equal(X_more[:7], X)
    np.testing.assert_array_equal(X_more[7:], distorter.distort(X, 2))
    assert "".join(y_more) == "abcdefg" * 3
    assert len(distorter.augment(X, y)[0]) == len(distorter.augment(X, y)[1]) == 70


def test_augment_repeats_targets_of_any_shape():
    X = pictures().reshape(7, -1)
    T = np.arange(14, dtype=np.float32).reshape(7, 2)
    X_more, T_more = AffineDistorter(input_shape=(9, 12)).augment(X, T, n_copies=1)
    assert X_more.shape == (14, 108)
    assert T_more.dtype == np.float32
    np.testing.assert_array_equal(T_more, np.concatenate([T, T]))
    X_same, y_same = AffineDistorter(input_shape=(9, 12)).augment(X, list(range(7)), n_copies=0)
    np.testing.assert_array_equal(X_same, X)
    assert y_same.tolist() == list(range(7))


# The scikit-learn side.


def test_parameters_as_in_scikit_learn():
    distorter = AffineDistorter(**ALL, order=3, fill=0.5, input_shape=(9, 12), n_jobs=2, random_state=4)
    twin = clone(distorter)
    assert twin.get_params() == distorter.get_params()
    np.testing.assert_array_equal(twin.distort(pictures()), distorter.distort(pictures()))
    assert set(twin.set_params(**STILL).get_params()) == set(AffineDistorter().get_params())
    np.testing.assert_allclose(twin.distort(pictures()), pictures(), atol=1e-6)


def test_it_is_no_step_of_a_pipeline():
    pipeline = make_pipeline(AffineDistorter(input_shape=(9, 12)), MLPClassifier())
    with pytest.raises(TypeError, match="should be transformers"):
        pipeline.fit(pictures().reshape(7, -1), np.arange(7) % 2)
