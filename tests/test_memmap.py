"""Inputs on disk: `numpy.memmap` trains as the same array in memory does, and is never copied."""

from __future__ import annotations

import sys

import ebp
import numpy as np
import pytest
from ebp import _blocks, _feed
from ebp._inputs import on_disk
from limited import peak_of, run_limited

LAYOUTS = ["float32", "float64", "uint8", "fortran", "shifted"]


def table(n=600, n_features=10, seed=0):
    X = np.random.default_rng(seed).uniform(0, 200, (n, n_features))
    return X, np.where(X[:, 0] + X[:, 1] > 200, "up", "down")


def arrays(kind, folder, X):
    """The array in memory and on disk."""
    if kind == "shifted":  # a mean that float32 cannot hold beside the differences
        X = (1e6 + X / 1e3).astype(np.float32)
    elif kind == "fortran":
        X = np.asfortranarray(X, np.float32)
    else:
        X = X.astype(kind)
    np.save(folder / "X.npy", X)
    return X, np.load(folder / "X.npy", mmap_mode="r")


def test_what_is_on_disk(tmp_path):
    X, mapped = arrays("float32", tmp_path, table()[0])
    assert on_disk(mapped)
    assert on_disk(mapped[3:])
    assert on_disk(np.asarray(mapped).reshape(-1, 5))
    assert not on_disk(mapped + 1)
    assert not on_disk(mapped[[0, 1]])
    assert not on_disk(X)


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("estimator", [ebp.MLPClassifier, ebp.MLPRegressor])
def test_the_bits_are_those_of_the_array_in_memory(kind, estimator, tmp_path):
    X, y = table()
    y = y if estimator is ebp.MLPClassifier else 1.0 * (y == "up")
    X, mapped = arrays(kind, tmp_path, X)
    options = {"max_iter": 3, "solver": "sdlm", "early_stopping": True, "random_state": 0}
    models = [estimator((4,), **options).fit(rows, y) for rows in (X, mapped)]
    parts = [estimator((4,), random_state=0) for _ in range(2)]
    first = {"classes": ["down", "up"]} if estimator is ebp.MLPClassifier else {}
    for start in range(0, 600, 200):
        for model, rows in zip(parts, (X, mapped), strict=True):
            model.partial_fit(rows[start : start + 200], y[start : start + 200], **first)
    for model, other in (models, parts):
        np.testing.assert_array_equal(model.network_.parameters, other.network_.parameters)
        np.testing.assert_array_equal(model.predict(mapped), other.predict(X))


def test_images_on_disk(tmp_path):
    X, mapped = arrays("uint8", tmp_path, np.random.default_rng(0).uniform(0, 255, (200, 1, 8, 8)))
    y = X[:, 0, :4].mean(axis=(1, 2)) > X[:, 0, 4:].mean(axis=(1, 2))
    models = [
        ebp.NetworkClassifier([ebp.layers.Conv2D(2, 3)], max_iter=2, random_state=0).fit(rows, y)
        for rows in (X, mapped)
    ]
    np.testing.assert_array_equal(models[0].network_.parameters, models[1].network_.parameters)


@pytest.mark.filterwarnings("ignore:.*the iterations ended")
@pytest.mark.parametrize("solver", ["lm", "gd"])
def test_batch_solvers_read_them_whole(solver, tmp_path):
    X, mapped = arrays("uint8", tmp_path, table()[0])
    models = [ebp.MLPRegressor((2,), solver=solver, max_iter=50, random_state=0) for _ in range(2)]
    for model, rows in zip(models, (X, mapped), strict=True):
        model.fit(rows, X[:, 0] - X[:, 1].astype(float))
    np.testing.assert_array_equal(models[0].network_.parameters, models[1].network_.parameters)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value, tmp_path):
    X, y = table()
    X[-1, -1] = value
    _, mapped = arrays("float64", tmp_path, X)
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        ebp.MLPClassifier().fit(mapped, y)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_memory_stays_far_below_the_array(kind, tmp_path, monkeypatch):
    """96 MB as float32, of which a third is allowed."""
    n, n_features = 24_000, 1000
    X, y = table(n, n_features)
    _, mapped = arrays(kind, tmp_path, X)
    del X
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(_feed, "TURN_BYTES", 1 << 20)
    model = ebp.MLPClassifier((60,), max_iter=1, early_stopping=True, random_state=0)
    for work in (
        lambda: model.fit(mapped, y),
        lambda: ebp.MLPClassifier((60,), random_state=0).partial_fit(mapped, y, classes=["down", "up"]),
        lambda: model.predict(mapped),
        lambda: ebp.InputNormalizer().fit(mapped),
    ):
        assert peak_of(work) < n * n_features * 4 / 3


FIT = """
X = np.memmap({path!r}, np.float32, "r", shape=(65_536, 1000))
y = np.arange(65_536) % 2
with np.errstate(all="raise"):
    model = ebp.MLPClassifier((2,), max_iter=1, random_state=0).fit({X}, y)
print(model.n_iter_)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
@pytest.mark.filterwarnings("ignore")
def test_a_file_of_256_mb_is_learnt_within_64(tmp_path):
    path = tmp_path / "X.bin"
    X = np.memmap(path, np.float32, "w+", shape=(65_536, 1000))
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 4096):
        X[start : start + 4096] = rng.random((4096, 1000), np.float32)
    X[1::2, 0] += 1
    X.flush()
    run = run_limited(FIT.format(path=str(path), X="X"), 64)
    assert run.stdout == "1\n", run.stderr
    copied = run_limited(FIT.format(path=str(path), X="X + 0"), 64)
    assert "MemoryError" in copied.stderr  # the limit is one
