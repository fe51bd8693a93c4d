"""Presentation orders: permutations, neighbours of different classes, even spread."""

import numpy as np
import pytest
from ebp.sampling import interleave, shuffle

COUNTS = [
    [1],
    [1, 1],
    [4, 4],
    [5, 4],
    [5, 2, 2],
    [5, 4, 1],
    [3, 1, 1],
    [50, 25, 25],
    [51, 25, 25],
    [7, 6, 5, 4, 3, 2, 1],
    [100] * 10,
    [500, *[10] * 50],
    [501, *[10] * 50],
    [500, *[10] * 100],
    [1000, 999, 1],
    [1] * 40,
]


def labels(counts, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def n_equal_neighbours(sequence):
    return int(np.count_nonzero(sequence[1:] == sequence[:-1]))


def unevenness(sequence):
    """Largest distance, over classes and prefixes, between the count of a class and its fair share."""
    n = len(sequence)
    one_hot = sequence[:, None] == np.unique(sequence)
    fair = np.arange(1, n + 1)[:, None] * one_hot.mean(axis=0)
    return np.abs(np.cumsum(one_hot, axis=0) - fair).max()


def is_permutation(order, n):
    return order.dtype == np.intp and np.array_equal(np.sort(order), np.arange(n))


def test_checkers_can_fail():
    blocks = np.repeat([0, 1], 50)
    assert n_equal_neighbours(blocks) == 98
    assert unevenness(blocks) == 25
    assert not is_permutation(np.array([0, 0, 1]), 3)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_shuffle_is_a_permutation(n):
    assert is_permutation(shuffle(n, 0), n)


def test_shuffle_is_uniform():
    rng = np.random.default_rng(0)
    first = np.bincount([shuffle(4, rng)[0] for _ in range(4000)], minlength=4)
    # Standard deviation of each count: sqrt(4000 * 0.25 * 0.75) = 27.
    assert np.abs(first - 1000).max() < 5 * 27


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_interleave_separates_classes_evenly(counts, seed):
    y = labels(counts, seed)
    order = interleave(y, seed)
    assert is_permutation(order, len(y))
    assert n_equal_neighbours(y[order]) == 0
    # Moving a class by one cycle of the others is the price for exact separation.
    assert unevenness(y[order]) <= 2.5


def test_interleave_separates_random_counts():
    rng = np.random.default_rng(1)
    for _ in range(500):
        others = rng.integers(1, 30, size=rng.integers(1, 7))
        # From the largest of the others up to the most that can be separated.
        majority = rng.integers(others.max(), others.sum() + 2)
        y = labels([majority, *others], rng)
        assert n_equal_neighbours(y[interleave(y, rng)]) == 0


def test_interleave_of_balanced_classes_is_cyclic():
    y = labels([30] * 10)
    presented = y[interleave(y, 3)].reshape(30, 10)
    assert (presented == presented[0]).all()
    assert sorted(presented[0]) == list(range(10))


def test_interleave_spreads_an_excess_class():
    y = np.array([0] * 90 + [1] * 10)
    presented = y[interleave(y, 0)]
    assert n_equal_neighbours(presented) == 99 - 20
    runs = np.diff(np.flatnonzero(presented == 1)) - 1
    assert runs.min() >= 8
    assert runs.max() <= 9


def test_interleave_is_random_within_class():
    y = np.repeat([0, 1], 500)
    first, second = interleave(y, 1), interleave(y, 2)
    assert not np.array_equal(first, second)
    members = first[y[first] == 0]
    assert np.mean(members == np.arange(500)) < 0.05


@pytest.mark.parametrize("order_of", [lambda rng: shuffle(50, rng), lambda rng: interleave([0, 1] * 25, rng)])
def test_random_sources(order_of):
    assert np.array_equal(order_of(7), order_of(7))
    assert np.array_equal(order_of(7), order_of(np.random.default_rng(7)))
    assert not np.array_equal(order_of(7), order_of(8))
    assert is_permutation(order_of(None), 50)
    rng = np.random.default_rng(0)
    assert not np.array_equal(order_of(rng), order_of(rng))


@pytest.mark.parametrize(
    "y",
    [
        ["b", "a", "b", "a", "c"],
        np.array(["b", "a", "b", "a", "c"], dtype=object),
        [1.0, -1.0, 1.0, -1.0, 1.0],
        [True, False, True, False, True],
        np.array([9, 1, 9, 1, 200], dtype=np.uint8),
    ],
)
def test_interleave_takes_any_labels(y):
    before = np.array(y)
    order = interleave(y, 0)
    assert n_equal_neighbours(np.asarray(y)[order]) == 0
    assert np.array_equal(before, y)


def test_interleave_of_no_samples():
    assert is_permutation(interleave(np.empty(0, dtype=int), 0), 0)


@pytest.mark.parametrize(
    ("y", "text"),
    [
        ([0.5, 1.0], "continuous values; got 0.5"),
        ([0.0, np.nan], "continuous values; got nan"),
        ([0.0, np.inf], "continuous values; got inf"),
        ([1j, 2j], "continuous values"),
        ([[0], [1]], r"1-D; got shape \(2, 1\)"),
        (3, r"1-D; got shape \(\)"),
    ],
)
def test_interleave_rejects_what_is_not_a_class(y, text):
    with pytest.raises(ValueError, match=text):
        interleave(y, 0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: shuffle(-1, 0), ValueError),
        (lambda: shuffle(2.0, 0), TypeError),
        (lambda: shuffle(True, 0), TypeError),
        (lambda: shuffle(3, -1), ValueError),
        (lambda: shuffle(3, "seed"), TypeError),
        (lambda: interleave([0, 1], 0.5), TypeError),
        (lambda: interleave(np.array([0, "a"], dtype=object), 0), TypeError),
    ],
)
def test_misuse(call, error):
    with pytest.raises(error):
        call()
