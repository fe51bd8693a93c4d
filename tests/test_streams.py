"""Streams of samples: chunks in their order, parts in another one, and the buffer that mixes them."""

from __future__ import annotations

import gc
import itertools
from pathlib import Path

import ebp
import numpy as np
import pandas as pd
import pytest
from ebp.streams import Arrays, Chunks, ShuffleBuffer, cache
from ebp.streams._shuffle import regrouped
from scipy import sparse


def numbers(n, size, width=2):
    """Chunks (X, y) of the rows 0, ..., n - 1."""
    for i in range(0, n, size):
        rows = np.arange(i, min(n, i + size))
        yield np.repeat(rows[:, np.newaxis], width, axis=1), rows


def together(chunks):
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


@pytest.mark.parametrize(
    ("n", "chunk", "size"), [(1000, 30, 100), (1000, 300, 100), (50, 7, 100), (97, 97, 1), (50, 7, 10**12)]
)
def test_the_buffer_gives_every_sample_once_and_keeps_them_whole(n, chunk, size):
    mixed = list(ShuffleBuffer(size, 0).mix(numbers(n, chunk)))
    X, y = together(mixed)
    np.testing.assert_array_equal(np.sort(y), np.arange(n))
    np.testing.assert_array_equal(X, np.repeat(y[:, np.newaxis], 2, axis=1))
    assert max(len(part[1]) for part in mixed) <= max(1, (size + 1) // 2)
    again = together(ShuffleBuffer(size, 0).mix(numbers(n, chunk)))[1]
    np.testing.assert_array_equal(again, y)
    if n > 1 and size > 1:
        assert (together(ShuffleBuffer(size, 1).mix(numbers(n, chunk)))[1] != y).any()


def test_the_buffer_mixes_over_its_length():
    """Samples that were neighbours end up far apart, and none comes before it can."""
    n, size = 20_000, 1000
    y = together(ShuffleBuffer(size, 0).mix(numbers(n, 50)))[1]
    place = np.argsort(y)
    assert np.median(np.abs(np.diff(place))) > size / 4
    assert (np.arange(n) - place < size).all()
    assert abs(np.corrcoef(y[:-1] % 50, y[1:] % 50)[0, 1]) < 0.05


@pytest.mark.parametrize(("size", "most"), [(40, 20), (40, 7), (700, 300), (10**12, 100)])
def test_rows_in_use_stay_as_they_are_while_the_next_turn_is_made(size, most):
    """As a thread makes it: one turn ahead."""
    turns = ShuffleBuffer(size, 0)._turns(numbers(1000, 10), most)
    store, chosen = next(turns)
    seen = []
    while True:
        before = [rows[chosen].copy() for rows in store]
        following = next(turns, None)
        for rows, copy in zip(store, before, strict=True):
            np.testing.assert_array_equal(rows[chosen], copy)
        seen.append(before[1])
        if following is None:
            break
        store, chosen = following
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(1000))


def test_a_buffer_grows_with_the_stream_up_to_its_size():
    for n, size, most in ((1000, 10**12, 3000), (1000, 100, 150), (5, 100, 20)):
        slots, seen = [], []
        for store, chosen in ShuffleBuffer(size, 0)._turns(numbers(n, 10), 50):
            slots.append(len(store[0]))
            seen.append(store[1][chosen].copy())
        assert min(n, size) <= max(slots) <= most
        np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(n))


def test_types_grow_with_the_chunks():
    chunks = [(np.array([1, 2], np.int8), np.array(["a", "b"])), (np.array([0.5]), np.array(["long"]))]
    values, names = together(ShuffleBuffer(10, 0).mix(chunks))
    assert sorted(values) == [0.5, 1, 2]
    assert sorted(names) == ["a", "b", "long"]


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_regrouped(size):
    chunks = list(regrouped(numbers(100, 30), size))
    assert [len(chunk[1]) for chunk in chunks[:-1]] == [size] * ((100 - 1) // size)
    np.testing.assert_array_equal(together(chunks)[1], np.arange(100))


@pytest.mark.parametrize("size", [0, -1, 2.5, None, True])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match=r"\[ShuffleBuffer\] size must be an integer >= 1; got"):
        ShuffleBuffer(size)


@pytest.mark.parametrize(
    "convert", [np.asarray, list, sparse.csr_array, sparse.coo_array, pd.DataFrame], ids=lambda c: c.__name__
)
def test_arrays_come_in_pieces(convert):
    X, y = together(numbers(100, 100))
    stream = Arrays(convert(X), y, np.arange(100), chunk_size=30)
    assert stream.n_samples == 100
    for _ in range(2):
        chunks = list(stream)
        assert [len(y) for _, y, _ in chunks] == [30, 30, 30, 10]
        parts = [part.toarray() if sparse.issparse(part) else np.asarray(part) for part, _, _ in chunks]
        np.testing.assert_array_equal(np.vstack(parts), X)
        np.testing.assert_array_equal(np.concatenate([weights for _, _, weights in chunks]), np.arange(100))


def test_the_parts_come_in_another_order_in_every_pass():
    stream = Arrays(*together(numbers(100, 100)), chunk_size=10)
    orders = []
    for seed in (0, 1, 0):
        found = list(stream._numbered(np.random.default_rng(seed)))
        orders.append([number for (number, _), _ in found])
        for (number, place), (_, y, weights) in found:
            assert (place, weights) == (0, None)
            np.testing.assert_array_equal(y, np.arange(10 * number, 10 * number + 10))
    assert sorted(orders[0]) == list(range(10))
    assert orders[0] == orders[2] != orders[1]


def test_parts_with_several_chunks_are_read_in_turn():
    class Files(ebp.streams.Stream):
        def _parts(self):
            return list(range(20))

        def _read(self, part):
            for k in range(5):
                yield np.full((2, 1), part), np.full(2, k), None

    found = list(Files(None)._numbered(np.random.default_rng(0)))
    assert len({numbers for numbers, _ in found}) == 100
    parts = [part for (part, _), _ in found]
    assert len(set(parts[:20])) > 3  # not one file after the other
    for part in range(20):
        assert [k for (i, k), _ in found if i == part] == list(range(5))
    assert [numbers for numbers, _ in Files(None)._numbered(None)] == list(
        itertools.product(range(20), range(5))
    )


def test_chunks_of_a_function_and_of_an_iterator():
    again = Chunks(lambda: numbers(100, 30))
    assert len(list(again)) == len(list(again)) == 4
    listed = Chunks([(np.zeros((2, 3)), [0, 1]), (np.zeros((0, 3)), []), (np.ones((1, 3)), [1], [2.0])])
    assert [weights for _, _, weights in listed] == [None, [2.0]]
    once = Chunks(numbers(100, 30))
    assert len(list(once)) == 4
    with pytest.raises(ValueError, match=r"\[Chunks\] source must be a list or a function to be read more"):
        next(iter(once))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Arrays([[1]], [1, 2]), ValueError, r"\[Arrays\] X, y and sample_weight .* got 1, 2"),
        (lambda: Arrays(np.zeros((0, 2)), []), ValueError, r"\[Arrays\] .* at least one; got 0, 0"),
        (lambda: Arrays([[1]], [1], chunk_size=0), ValueError, r"\[Arrays\] chunk_size must be an integer"),
        (lambda: Arrays([[1]], [1], buffer_size=0), ValueError, r"\[Arrays\] buffer_size must be an integer"),
        (lambda: Chunks(3), TypeError, r"\[Chunks\] source must be an iterable of chunks .* got int"),
        (lambda: Chunks("ab"), TypeError, "got str"),
        (lambda: list(Chunks([1])), TypeError, r"\[Chunks\] every chunk must be \(X, y\).* got int"),
        (lambda: list(Chunks([(1,)])), TypeError, "got tuple of 1"),
    ],
)
def test_what_is_no_stream(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_prequential_takes_streams():
    X = np.random.default_rng(0).normal(size=(1000, 3))
    stream = Arrays(X, X[:, 0] > 0, chunk_size=100)
    model = ebp.MLPClassifier((3,), random_state=0)
    result = ebp.evaluation.prequential(model, stream, classes=[False, True])
    assert result.scores[-300:].mean() > 0.9


# ---- copies on disk -----------------------------------------------------------------------------------


def test_a_copy_holds_what_the_stream_gives(tmp_path):
    X, y = together(numbers(100, 100))
    stream = cache(Arrays(X, y, np.arange(100), chunk_size=30, buffer_size=50), tmp_path / "new" / "folder")
    assert (stream.n_samples, stream.buffer_size) == (100, 50)
    for found, expected in ((stream.X, X), (stream.y, y), (stream.sample_weight, np.arange(100))):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    assert isinstance(np.load(tmp_path / "new" / "folder" / "X.npy", mmap_mode="r"), np.memmap)
    assert stream.feature_names is None


def test_a_copy_takes_the_largest_type_of_the_chunks():
    chunks = [
        (np.zeros((70_000, 2), np.int8), np.full(70_000, "a")),
        (np.full((2, 2), 0.5, np.float32), np.array(["longer", "b"], object)),
        (np.ones((1, 2), np.int8), ["c"]),
    ]
    stream = cache(ebp.streams.Chunks(chunks))
    assert stream.X.dtype == np.float32
    np.testing.assert_array_equal(stream.X, np.vstack([X for X, _ in chunks]))
    np.testing.assert_array_equal(stream.y, np.concatenate([y for _, y in chunks]).astype(str))


def test_a_copy_keeps_the_names_of_features():
    X, y = together(numbers(100, 100))
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    model = ebp.MLPRegressor((2,), max_iter=2, tol=0, random_state=0)
    model.fit(cache(Arrays(frame, y)))
    assert model.feature_names_in_.tolist() == frame.columns.tolist()


def test_training_on_a_copy_is_that_on_the_arrays():
    X, y = together(numbers(300, 300))
    models = [ebp.MLPRegressor((2,), max_iter=3, tol=0, random_state=0) for _ in range(2)]
    for model, stream in zip(models, (Arrays(X, y), cache(Arrays(X, y))), strict=True):
        model.fit(stream)
    np.testing.assert_array_equal(models[0].network_.parameters, models[1].network_.parameters)


def test_a_temporary_copy_goes_with_its_stream():
    stream = cache(Arrays(*together(numbers(10, 10))))
    folder = Path(stream.folder)
    assert (folder / "X.npy").exists()
    del stream
    gc.collect()
    assert not folder.exists()


def some(n, columns=2):
    return np.ones((n, columns)), np.arange(n)


@pytest.mark.parametrize(
    ("chunks", "error", "text"),
    [
        ([], ValueError, "stream must have samples; got none"),
        ([(sparse.csr_array(np.eye(3)), [0, 1, 2])], TypeError, "X must be dense; got a sparse matrix"),
        ([(np.array([["a"]]), [0])], TypeError, "X must be of numbers; got an array of <U1"),
        ([some(2), some(2, 3)], ValueError, r"all chunks must have rows of the same shape; got \(3,\) after"),
        ([some(2), (*some(2), [1, 1])], ValueError, "all chunks or none must have sample_weight"),
    ],
)
def test_what_cannot_be_copied(chunks, error, text):
    with pytest.raises(error, match=rf"\[cache\] {text}"):
        cache(ebp.streams.Chunks(chunks))


def test_arrays_are_no_stream_to_be_copied():
    with pytest.raises(TypeError, match=r"\[cache\] stream must be one of ebp.streams; got ndarray"):
        cache(np.zeros((3, 2)))


def test_a_copy_overwrites_nothing(tmp_path):
    (tmp_path / "X.npy").write_text("mine")
    with pytest.raises(ValueError, match=r"\[cache\] folder must be empty, or not there yet; got '/"):
        cache(Arrays(*some(3)), tmp_path)
    assert (tmp_path / "X.npy").read_text() == "mine"
