"""Images that `AffineDistorter` takes, their types and shapes, and what it refuses."""

import numpy as np
import pytest
from ebp.preprocessing import AffineDistorter


def pictures(n=7, height=9, width=12):
    return np.random.default_rng(0).uniform(0.1, 1, size=(n, height, width))


# Types and shapes.


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "?", "f2", "f4", "f8", ">f4", ">u2"])
def test_the_type_stays_and_whole_numbers_are_rounded(dtype, order):
    X = pictures(n=20)
    X = (X if np.dtype(dtype).kind in "fb" else np.rint(255 * X)).astype(dtype)
    if dtype == "?":
        X[:, ::2] = False
    distorted = AffineDistorter(random_state=1, order=order).distort(X)
    assert distorted.dtype == X.dtype
    exact = AffineDistorter(random_state=1, order=order).distort(X.astype(np.float64))
    if X.dtype.kind == "f":
        np.testing.assert_allclose(distorted.astype(float), exact, rtol=1e-3 if dtype == "f2" else 1e-5)
    else:
        assert np.abs(distorted - exact).max() <= 0.5 + 1e-4
        assert distorted.max() > distorted.min()


def test_bytes_are_rounded_not_wrapped():
    X = np.zeros((50, 12, 12), np.uint8)
    X[:, 4:8, 4:8] = 255
    distorted = AffineDistorter(order=3, random_state=0).distort(X)
    unrounded = AffineDistorter(order=3, random_state=0).distort(X.astype(np.float32))
    assert distorted.max() == 255
    np.testing.assert_array_equal(distorted, np.rint(unrounded))


@pytest.mark.parametrize("shape", [(9, 12), (1, 9, 12), (3, 9, 12)])
def test_flat_rows_are_images_of_input_shape(shape):
    n = 5
    X = np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)
    expected = AffineDistorter(random_state=2).distort(X, 2)
    assert expected.shape == (2 * n, *shape)
    distorter = AffineDistorter(random_state=2, input_shape=shape)
    np.testing.assert_array_equal(distorter.distort(X, 2), expected)
    flat = distorter.distort(X.reshape(n, -1), 2)
    assert flat.shape == (2 * n, np.prod(shape))
    np.testing.assert_array_equal(flat, expected.reshape(2 * n, -1))
    assert next(distorter.epochs(X.reshape(n, -1))).shape == (n, np.prod(shape))


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("shape", [(0, 5, 5), (3, 1, 1), (3, 1, 6), (3, 2, 1), (0, 2, 5, 5)])
def test_no_images_and_tiny_images(shape, order):
    distorted = AffineDistorter(translation=1, order=order).distort(np.ones(shape), 2)
    np.testing.assert_allclose(distorted, np.ones((2 * shape[0], *shape[1:])))


def test_inputs_of_any_layout_are_left_as_they_are():
    X = pictures(10)
    expected = AffineDistorter(random_state=0).distort(X)
    X.flags.writeable = False
    for same in (np.asfortranarray(X), np.repeat(X, 2, axis=2)[:, :, ::2], X.tolist()):
        np.testing.assert_array_equal(AffineDistorter(random_state=0).distort(same), expected)
    epochs = AffineDistorter(random_state=0).epochs(X)
    first = next(epochs)
    first[:] = 0
    assert (next(epochs) != 0).all()
    np.testing.assert_array_equal(X, pictures(10))


# Misuse.


@pytest.mark.parametrize("method", ["distort", "augment", "epochs"])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"translation": -1}, r"translation must be a finite number of at least 0; got -1"),
        ({"translation": np.nan}, r"translation must be .*; got nan"),
        ({"translation": np.inf}, r"translation must be .*; got inf"),
        ({"translation": "2"}, r"translation must be .*; got '2'"),
        ({"translation": True}, r"translation must be .*; got True"),
        ({"translation": 12.5}, r"translation must be at most the longer side, 12 pixels; got 12.5"),
        ({"scaling": -0.1}, r"scaling must be a number from 0 to 3 or a pair .*; got -0.1"),
        ({"scaling": 15}, r"scaling must be .*; got 15"),
        ({"scaling": np.inf}, r"scaling must be .*; got inf"),
        ({"scaling": (1.2, 0.8)}, r"scaling must be .* with 0.25 <= low <= high <= 4; got \(1.2, 0.8\)"),
        ({"scaling": (0.2, 1.0)}, r"scaling must be .*; got \(0.2, 1.0\)"),
        ({"scaling": (1.0, 4.1)}, r"scaling must be .*; got \(1.0, 4.1\)"),
        ({"scaling": (1.0,)}, r"scaling must be .*; got \(1.0,\)"),
        ({"scaling": (1.0, np.nan)}, r"scaling must be .*; got \(1.0, nan\)"),
        ({"scaling": None}, r"scaling must be .*; got None"),
        ({"squeezing": -0.1}, r"squeezing must be a number from 0 to 3; got -0.1"),
        ({"squeezing": np.nan}, r"squeezing must be .*; got nan"),
        ({"shearing": 10}, r"shearing must be a number from 0 to 3; got 10"),
        ({"shearing": -np.inf}, r"shearing must be .*; got -inf"),
        ({"rotation": 181}, r"rotation must be a number from 0 to 180; got 181"),
        ({"rotation": -1}, r"rotation must be .*; got -1"),
        ({"order": 6}, r"order must be an int from 0 to 5; got 6"),
        ({"order": -1}, r"order must be .*; got -1"),
        ({"order": 1.0}, r"order must be .*; got 1.0"),
        ({"order": True}, r"order must be .*; got True"),
        ({"fill": "edge"}, r"fill must be a finite number or 'border'; got 'edge'"),
        ({"fill": np.nan}, r"fill must be .*; got nan"),
        ({"fill": None}, r"fill must be .*; got None"),
        ({"n_jobs": 0}, r"n_jobs must be an int other than 0, or None; got 0"),
        ({"n_jobs": 1.5}, r"n_jobs must be .*; got 1.5"),
        ({"input_shape": 108}, r"input_shape must be \(height, width\) or .*; got 108"),
        ({"input_shape": (108,)}, r"input_shape must be .*; got \(108,\)"),
        ({"input_shape": (0, 12)}, r"input_shape must be .*; got \(0, 12\)"),
        ({"input_shape": (9.0, 12)}, r"input_shape must be .*; got \(9.0, 12\)"),
        (
            {"input_shape": (12, 10)},
            r"X must have shape \(n, 120\) or \(n, 12, 10\), as .*; got \(7, 9, 12\)",
        ),
        ({"random_state": -1}, r"seed must not be negative; got -1"),
    ],
)
def test_parameters_are_checked(method, parameters, message):
    arguments = (pictures(), np.arange(7)) if method == "augment" else (pictures(),)
    with pytest.raises(ValueError, match=rf"^\[AffineDistorter\.{method}\] (a )?{message}$"):
        getattr(AffineDistorter(**parameters), method)(*arguments)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (
            np.ones((4, 25)),
            ValueError,
            r"\(n, channels, .*; give input_shape for flat rows, .*; got \(4, 25\)",
        ),
        (np.ones(4), ValueError, r"X must have shape \(n, height, width\) or .*; got \(4,\)"),
        (np.float64(1), ValueError, r"X must have shape .*; got \(\)"),
        (np.ones((2, 3, 4, 5, 6)), ValueError, r"X must have shape .*; got \(2, 3, 4, 5, 6\)"),
        (np.ones((2, 0, 4)), ValueError, r"X must have images of at least one pixel; got shape \(2, 0, 4\)"),
        (np.ones((2, 0, 4, 4)), ValueError, r"X must have images of at least one pixel; got .*"),
        (np.full((2, 4, 4), np.nan), ValueError, r"X must be finite; got NaN or infinity"),
        (np.full((2, 4, 4), -np.inf, np.float32), ValueError, r"X must be finite; .*"),
        (np.full((2, 4, 4), -(2**60)), ValueError, r"X must hold whole numbers up to 2\*\*53, .*"),
        ([[[1, 2], [3]]], ValueError, r"X must be a rectangular array; got list"),
        (np.ones((2, 4, 4), complex), TypeError, r"X must be real numbers .*; got dtype complex128"),
        (np.ones((2, 4, 4), np.longdouble), TypeError, r"X must be real numbers of at most 64 bits; .*"),
        (np.full((2, 4, 4), "a"), TypeError, r"X must be real numbers .*"),
        ([object()], TypeError, r"X must be real numbers .*; got dtype object"),
    ],
)
def test_images_are_checked(images, error, message):
    with pytest.raises(error, match=rf"^\[AffineDistorter\.distort\] .*{message}$"):
        AffineDistorter().distort(images)


@pytest.mark.parametrize(
    ("dtype", "fill"), [(np.uint8, -1), (np.uint8, 256.0), (np.int16, 40_000), (np.float16, 1e6), (bool, 2)]
)
def test_fill_must_fit_the_type(dtype, fill):
    with pytest.raises(ValueError, match=r"fill must fit into the type of X, \w+; got"):
        AffineDistorter(fill=fill).distort(np.ones((2, 4, 4), dtype))


def test_labels_and_numbers_of_copies_are_checked():
    distorter, X = AffineDistorter(), pictures()
    for y in (np.arange(6), 3, []):
        with pytest.raises(
            ValueError, match=r"^\[AffineDistorter.augment\] y must have one entry for each of 7"
        ):
            distorter.augment(X, y)
    for n in (-1, 1.0, True, None, "2"):
        with pytest.raises(
            ValueError, match=r"^\[AffineDistorter.distort\] n_copies must be an int of at least 0"
        ):
            distorter.distort(X, n)
        with pytest.raises(ValueError, match=r"^\[AffineDistorter.augment\] n_copies must be an int"):
            distorter.augment(X, np.arange(7), n)
        if n is not None:
            with pytest.raises(ValueError, match=r"^\[AffineDistorter.epochs\] n_epochs must be an int"):
                distorter.epochs(X, n)


def test_random_state_of_another_type_is_refused():
    with pytest.raises(TypeError, match=r"^\[AffineDistorter.distort\] the random source must be"):
        AffineDistorter(random_state="seed").distort(pictures())
