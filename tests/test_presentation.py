"""Presentations: the order depends on seed and contents, never on how the data are written down."""

from __future__ import annotations

import ebp
import numpy as np
from ebp._presentation import mean_at_least_one, presentations, row_keys
from tables import blobs


def test_integer_weights_equal_repeated_rows():
    X, y = blobs(60)
    weights = np.arange(60) % 4
    order = np.random.default_rng(0).permutation(weights.sum())
    repeated = ebp.MLPClassifier((5,), random_state=0).fit(
        X.repeat(weights, axis=0)[order], y.repeat(weights)[order]
    )
    weighted = ebp.MLPClassifier((5,), random_state=0).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(repeated.network_.parameters, weighted.network_.parameters)


def test_order_of_rows_does_not_matter_when_shuffled():
    X, y = blobs(60)
    order = np.random.default_rng(0).permutation(60)
    one = ebp.MLPClassifier((5,), random_state=0).fit(X, y)
    other = ebp.MLPClassifier((5,), random_state=0).fit(X[order], y[order])
    np.testing.assert_array_equal(one.network_.parameters, other.network_.parameters)


def test_presentations_of_weights():
    rows, share = presentations(np.array([0.0, 0.5, 1.0, 2.5]), 4)
    np.testing.assert_array_equal(rows, [1, 2, 3, 3, 3])
    np.testing.assert_allclose(share[1:], [0.5, 1, 2.5 / 3])
    rows, share = presentations(np.full(4, 1e6), 4)
    np.testing.assert_array_equal(rows, [0, 1, 2, 3])
    assert share is None


def test_small_weights_are_scaled_to_mean_one(rng):
    weights = rng.exponential(size=100) / 1000
    weights[:10] = 0
    scaled = mean_at_least_one(weights)
    np.testing.assert_allclose(scaled[10:].mean(), 1)
    np.testing.assert_allclose(scaled * weights[10:].mean(), weights)
    order = rng.permutation(100)
    np.testing.assert_array_equal(mean_at_least_one(weights[order]), scaled[order])
    np.testing.assert_array_equal(mean_at_least_one(np.full(7, 0.1)), np.ones(7))
    large = np.array([0.0, 0.5, 1.5, 7.0])
    assert mean_at_least_one(large) is large


def test_row_keys_depend_on_contents_only(rng):
    X = rng.integers(0, 17, size=(20_000, 9)).astype(np.float32)
    X[0] = -0.0
    T = np.zeros((20_000, 1), np.float32)
    keys = row_keys(X, T)
    order = rng.permutation(len(X))
    np.testing.assert_array_equal(row_keys(X[order], T), keys[order])
    np.testing.assert_array_equal(row_keys(np.zeros((1, 9)), T[:1]), keys[:1])
    assert len(np.unique(keys)) == len(np.unique(X, axis=0))
