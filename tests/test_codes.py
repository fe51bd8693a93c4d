"""Output codes of the digits: shape, values, distances, glyphs that can be told apart."""

import numpy as np
import pytest
from ebp._codes import SHAPE, digit_codes

MIN_DISTANCE = 20  # the number that the module promises


def hamming(codes):
    """Number of different pixels of each pair, by counting one pair at a time."""
    n = len(codes)
    return np.array([[sum(codes[i] != codes[j]) for j in range(n)] for i in range(n)])


def closest_pair(codes):
    distances = hamming(codes)
    return distances[np.triu_indices(len(codes), 1)].min()


def test_shape_and_values():
    codes = digit_codes()
    assert codes.shape == (10, SHAPE[0] * SHAPE[1]) == (10, 84)
    assert codes.dtype == np.float64
    assert np.unique(codes).tolist() == [-1, 1]


def test_each_call_returns_its_own_array():
    digit_codes()[:] = 0
    assert (digit_codes() != 0).all()


def test_pixels_are_row_by_row_and_ink_is_positive():
    zero, one, seven = (digit_codes()[d].reshape(SHAPE) for d in (0, 1, 7))
    assert (zero[0] == [-1, -1, 1, 1, 1, -1, -1]).all()
    assert (zero[4] == [1, 1, -1, -1, -1, 1, 1]).all()
    assert (one[-1] == 1).all()
    assert (seven[0] == 1).all()
    assert (seven[-1] == [-1, 1, 1, -1, -1, -1, -1]).all()


def test_any_two_codes_differ_in_many_pixels():
    assert closest_pair(digit_codes()) >= MIN_DISTANCE


def test_the_distance_check_can_fail():
    codes = digit_codes()
    codes[3] = codes[8]
    codes[3, : MIN_DISTANCE - 1] *= -1
    assert closest_pair(codes) == MIN_DISTANCE - 1


def test_digits_of_similar_shape_are_closer_than_others():
    distances = hamming(digit_codes())
    assert distances[6, 8] < distances[6, 1]
    assert distances[5, 9] < distances[0, 1]


@pytest.mark.parametrize("digit", range(10))
def test_glyphs_fill_their_frame_with_one_connected_drawing(digit):
    ink = digit_codes()[digit].reshape(SHAPE) > 0
    assert 0.3 < ink.mean() < 0.7
    assert ink.any(axis=1).all(), "a row without ink"
    assert ink.any(axis=0).all(), "a column without ink"
    assert n_connected(ink) == 1


@pytest.mark.parametrize(
    ("digit", "holes"), [(0, 1), (1, 0), (2, 0), (3, 0), (4, 1), (5, 0), (6, 1), (7, 0), (8, 2), (9, 1)]
)
def test_glyphs_have_the_holes_of_their_digit(digit, holes):
    ink = np.pad(digit_codes()[digit].reshape(SHAPE) > 0, 1)
    assert n_connected(~ink, diagonal=False) == 1 + holes


def n_connected(mask, diagonal=True):
    """Number of connected parts of the true pixels, by flooding."""
    left = set(zip(*np.nonzero(mask), strict=True))
    parts = 0
    while left:
        parts += 1
        front = [left.pop()]
        while front:
            row, column = front.pop()
            near = {
                (row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if diagonal or i == 0 or j == 0
            } & left
            left -= near
            front.extend(near)
    return parts
