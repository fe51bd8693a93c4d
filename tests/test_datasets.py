"""Readers of the data sets: file formats written here byte by byte, real data where EBP_DATA_DIR names it."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from ebp import datasets
from sklearn.datasets import load_digits as sklearn_digits

DATA_DIR = os.environ.get("EBP_DATA_DIR")
needs_data = pytest.mark.skipif(
    not DATA_DIR, reason="EBP_DATA_DIR does not name the folder with the real data"
)

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def idx_bytes(values):
    code = IDX_CODES[values.dtype.str[1:]]
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, code, values.ndim, *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def sn_bytes(values, junk=b""):
    header = struct.pack(">5I", 0x1E3D4C52, 2, *values.shape, 1)
    return header + (values * 16).astype(np.int8).tobytes() + junk


@pytest.fixture
def digits480(tmp_path):
    """A folder like that of the authors' digits, its pixels and its labels."""
    rng = np.random.default_rng(0)
    pixels = rng.choice([-1, 1], size=(480, 256))
    labels = np.arange(480) % 10
    folder = tmp_path / "digits480"
    folder.mkdir()
    (folder / "dig.pat").write_bytes(sn_bytes(pixels, junk=b"junk" * 8))
    (folder / "dig.des").write_bytes(sn_bytes(np.where(labels[:, None] == np.arange(10), 1, -1)))
    return tmp_path, pixels, labels


@pytest.fixture
def mnist(tmp_path):
    """A folder like that of MNIST with a few small images, one half of it packed."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    parts = {}
    for part, n in (("train", 7), ("t10k", 3)):
        images = rng.integers(0, 256, size=(n, 4, 5), dtype=np.uint8)
        labels = rng.integers(0, 10, size=n, dtype=np.uint8)
        parts[part] = images, labels
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images), mtime=0))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return tmp_path, parts


# IDX.


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 3, 4), (2, 1, 2, 3)], ids=str)
@pytest.mark.parametrize("code", IDX_CODES)
def test_idx_round_trip(tmp_path, code, shape, packed):
    values = (np.random.default_rng(0).normal(size=shape) * 50).astype(code)
    data = idx_bytes(np.asarray(values))
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    read = datasets.load_idx(path)
    np.testing.assert_array_equal(read, values)
    assert read.dtype == np.dtype(code)
    assert read.dtype.isnative
    assert read.shape == shape
    assert read.flags.c_contiguous
    assert read.flags.writeable
    np.testing.assert_array_equal(datasets.load_idx(str(path)), values)


GOOD = idx_bytes(np.arange(12, dtype=np.int16).reshape(3, 4))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "an empty file"),
        (b"\0\0\x08", "00 00 08"),
        (b"\1" + GOOD[1:], "two zero bytes and a type"),
        (b"\0\0\x0a" + GOOD[3:], "two zero bytes and a type"),
        (GOOD[:7], "header of 12 bytes; got 7: it is truncated"),
        (GOOD[:-1], r"36 bytes for shape \(3, 4\); got 35: it is truncated"),
        (GOOD[:12], "got 12: it is truncated"),
        (GOOD + b"\0", "got 37: it is too long"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "truncated"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\1", "255 dimensions"),
        (gzip.compress(GOOD, mtime=0)[:-12], "truncated or damaged"),
        (gzip.compress(GOOD, mtime=0)[:5], "truncated or damaged"),
        (gzip.compress(GOOD, mtime=0)[:12] + b"\xff" * 20, "truncated or damaged"),
        (gzip.compress(GOOD[:-1], mtime=0), "got 35: it is truncated"),
    ],
)
def test_damaged_idx_names_the_file(tmp_path, data, text):
    path = tmp_path / "damaged.idx"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=text) as error:
        datasets.load_idx(path)
    assert str(path) in str(error.value)


def test_idx_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.load_idx(tmp_path / "nowhere")


# MNIST.


def test_mnist_format(mnist, monkeypatch):
    folder, parts = mnist
    X_train, y_train, X_test, y_test = datasets.load_mnist(folder)
    for (images, labels), X, y in (
        (parts["train"], X_train, y_train),
        (parts["t10k"], X_test, y_test),
    ):
        np.testing.assert_allclose(X, images.reshape(len(images), 20) / 255, rtol=1e-7)
        np.testing.assert_array_equal(y, labels)
        assert X.dtype == np.float32
        assert X.flags.c_contiguous
        assert y.dtype == np.int64
    monkeypatch.setenv("EBP_DATA_DIR", str(folder))
    np.testing.assert_array_equal(datasets.load_mnist()[0], X_train)


def test_mnist_checks_images_and_labels(mnist):
    folder, parts = mnist
    path = folder / "mnist" / "train-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(parts["train"][1][1:]))
    with pytest.raises(ValueError, match=r"one label; got \(7, 4, 5\) and \(6,\)"):
        datasets.load_mnist(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="train-labels-idx1-ubyte"):
        datasets.load_mnist(folder)
    (folder / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(GOOD, mtime=0))
    path.write_bytes(idx_bytes(parts["train"][1]))
    with pytest.raises(ValueError, match=r"must be \(n, rows, columns\) bytes; got int16 \(3, 4\)"):
        datasets.load_mnist(folder)


@needs_data
def test_mnist_files_are_the_published_ones():
    for name, md5 in MNIST_MD5.items():
        packed = Path(DATA_DIR, "mnist", name + ".gz")
        data = (
            gzip.decompress(packed.read_bytes()) if packed.exists() else packed.with_suffix("").read_bytes()
        )
        assert hashlib.md5(data, usedforsecurity=False).hexdigest() == md5


@needs_data
def test_mnist():
    X_train, y_train, X_test, y_test = datasets.load_mnist()
    assert X_train.shape == (60000, 784)
    assert X_test.shape == (10000, 784)
    assert (X_train.min(), X_train.max()) == (0, 1)
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert y_test[:5].tolist() == [7, 2, 1, 0, 4]
    # Published mean and standard deviation of the training pixels.
    assert X_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert X_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)


# The authors' 480 digits.


def test_digits480_format(digits480, monkeypatch):
    folder, pixels, labels = digits480
    X_train, y_train, X_test, y_test = datasets.load_digits480(folder)
    np.testing.assert_array_equal(np.vstack([X_train, X_test]), pixels)
    np.testing.assert_array_equal(np.r_[y_train, y_test], labels)
    assert X_train.shape == (320, 256)
    assert X_train.dtype == X_test.dtype == np.float32
    assert y_train.dtype == np.int64
    monkeypatch.setenv("EBP_DATA_DIR", str(folder))
    np.testing.assert_array_equal(datasets.load_digits480()[0], X_train)


@pytest.mark.parametrize("name", ["dig.pat", "dig.des"])
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda data: b"", "an empty file"),
        (lambda data: data[:19], "must begin with 1e3d4c52 00000002 000001e0"),
        (lambda data: b"\0" + data[1:], "got 003d4c52 00000002"),
        (lambda data: data[:2000], "got 2000: it is truncated"),
    ],
)
def test_damaged_digits480_names_the_file(digits480, name, damage, text):
    path = digits480[0] / "digits480" / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=text) as error:
        datasets.load_digits480(digits480[0])
    assert str(path) in str(error.value)


@needs_data
def test_digits480():
    X_train, y_train, X_test, y_test = datasets.load_digits480()
    assert X_train.shape == (320, 256)
    assert X_test.shape == (160, 256)
    assert set(np.unique(X_train)) == set(np.unique(X_test)) == {-1, 1}
    np.testing.assert_array_equal(np.r_[y_train, y_test], np.arange(480) % 10)
    # Facts known of the training part: mean pixel and number of constant pixels.
    assert X_train.mean(dtype=np.float64) == pytest.approx(-0.678, abs=5e-4)
    assert np.count_nonzero(np.ptp(X_train, axis=0) == 0) == 4


# Missing folders.


@pytest.mark.parametrize(
    ("load", "name"), [(datasets.load_mnist, "mnist"), (datasets.load_digits480, "digits480")]
)
def test_missing_folder_says_what_to_do(load, name, tmp_path, monkeypatch):
    advice = f"pass data_dir or set EBP_DATA_DIR to the folder that holds {name}/"
    monkeypatch.delenv("EBP_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=advice):
        load()
    with pytest.raises(FileNotFoundError, match=advice) as error:
        load(tmp_path)
    assert str(tmp_path) in str(error.value)
    monkeypatch.setenv("EBP_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load()
    (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError):
        load(tmp_path)


# Embedded and generated data.


def test_digits():
    X, y = datasets.load_digits()
    expected = sklearn_digits()
    np.testing.assert_array_equal(X, expected.data)
    np.testing.assert_array_equal(y, expected.target)
    assert X.shape == (1797, 64)
    assert X.dtype == np.float32
    assert X.flags.c_contiguous
    assert y.dtype == np.int64


def test_two_gaussians_has_the_eigenvalues_of_the_paper():
    X, y = datasets.two_gaussians(200_000, random_state=0)
    # 0.8 + std² along the line of the means, std² across; the scatter of 400,000 samples is below 1e-3.
    np.testing.assert_allclose(np.linalg.eigvalsh(X.T @ X / len(X)), [0.0361, 0.8361], atol=2e-3)
    for label, mean in ((-1, [-0.4, -0.8]), (1, [0.4, 0.8])):
        np.testing.assert_allclose(X[y == label].mean(axis=0), mean, atol=3e-3)
        np.testing.assert_allclose(X[y == label].std(axis=0), 0.19, atol=2e-3)
    bias_free = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(bias_free, np.array([0.4, 0.8]) / 0.8361, atol=3e-3)


def test_two_gaussians_alternates_and_repeats():
    X, y = datasets.two_gaussians(random_state=3)
    assert X.shape == (100, 2)
    assert y.tolist() == [-1, 1] * 50
    np.testing.assert_array_equal(X, datasets.two_gaussians(random_state=np.random.default_rng(3))[0])
    assert not np.array_equal(X, datasets.two_gaussians(random_state=4)[0])
    assert not np.array_equal(datasets.two_gaussians()[0], datasets.two_gaussians()[0])


def test_two_gaussians_takes_other_means():
    X, y = datasets.two_gaussians(3, std=0, means=[[1, 2, 3], [4, 5, 6]], random_state=0)
    np.testing.assert_array_equal(X[y == -1], [[1, 2, 3]] * 3)
    np.testing.assert_array_equal(X[y == 1], [[4, 5, 6]] * 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n_per_class": 0}, "n_per_class must be a positive int; got 0"),
        ({"n_per_class": 2.5}, "n_per_class"),
        ({"n_per_class": True}, "n_per_class"),
        ({"std": -1}, "std must be finite and not negative; got -1"),
        ({"std": np.nan}, "std"),
        ({"means": [0, 1]}, "means must be"),
        ({"means": [[0], [1], [2]]}, "means must be"),
        ({"means": [[], []]}, "means must be"),
        ({"means": [[0], [np.inf]]}, "means must be"),
        ({"random_state": -1}, "seed must not be negative; got -1"),
    ],
)
def test_two_gaussians_misuse(arguments, text):
    with pytest.raises(ValueError, match=text):
        datasets.two_gaussians(**arguments)


def test_two_spirals_are_those_of_lang_and_witbrock():
    """Their generator: for i in 0..96, angle i π/16 and radius 6.5 (104 - i)/104, and the opposite point."""
    X, y = datasets.two_spirals()
    assert X.shape == (194, 2)
    assert X.dtype == y.dtype == np.float64
    assert y.tolist() == [-1, 1] * 97
    angle, radius = np.pi / 16 * np.arange(97), 6.5 * (104 - np.arange(97)) / 104
    expected = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    np.testing.assert_allclose(X[y == 1], expected, atol=1e-13)
    np.testing.assert_array_equal(X[y == -1], -X[y == 1])


def test_two_spirals_takes_turns_and_any_number_of_points():
    X, y = datasets.two_spirals(1001, turns=1.25)
    spiral = X[y == 1]
    angle = np.unwrap(np.arctan2(spiral[:, 0], spiral[:, 1]))
    assert angle[-1] - angle[0] == pytest.approx(2.5 * np.pi)
    radius = np.linalg.norm(spiral, axis=1)
    np.testing.assert_allclose(np.diff(radius), -0.006, atol=1e-12)
    # Half a turn takes 400 points and 2.4 of the 6 units of radius.
    assert radius[0] - radius[400] == pytest.approx(3 / 1.25)
    np.testing.assert_allclose(spiral[400] / radius[400], -spiral[0] / radius[0], atol=1e-12)
    np.testing.assert_array_equal(datasets.two_spirals(1)[0], [[0, -6.5], [0, 6.5]])


def test_two_spirals_noise():
    clean = datasets.two_spirals(50_000)[0]
    X, y = datasets.two_spirals(50_000, noise=0.3, random_state=5)
    error = X - clean
    np.testing.assert_allclose(error.std(axis=0), 0.3, atol=5e-3)
    np.testing.assert_allclose(error.mean(axis=0), 0, atol=5e-3)
    assert abs(np.corrcoef(error[y == -1].ravel(), error[y == 1].ravel())[0, 1]) < 0.02
    again = datasets.two_spirals(50_000, noise=0.3, random_state=np.random.default_rng(5))[0]
    np.testing.assert_array_equal(X, again)
    assert not np.array_equal(X, datasets.two_spirals(50_000, noise=0.3)[0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n_per_class": 0}, r"\[two_spirals\] n_per_class must be a positive int; got 0"),
        ({"n_per_class": 2.5}, "n_per_class"),
        ({"n_per_class": True}, "n_per_class"),
        ({"turns": 0}, "turns must be finite and positive; got 0"),
        ({"turns": np.inf}, "turns"),
        ({"noise": -1}, "noise must be finite and not negative; got -1"),
        ({"noise": np.nan}, "noise"),
        ({"random_state": -1}, "seed must not be negative; got -1"),
    ],
)
def test_two_spirals_misuse(arguments, text):
    with pytest.raises(ValueError, match=text):
        datasets.two_spirals(**arguments)
