"""Data for the tests of the input transformation, and what they compare."""

import numpy as np

METHODS = ["center", "standard", "global", "decorrelate", "zca", "minmax"]


def correlated(n=300, n_features=6, seed=0):
    """Full-rank data with means, correlations and unequal scales."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_features, n_features)) + 2 * np.eye(n_features)
    return rng.normal(size=(n, n_features)) @ mixing * np.linspace(0.5, 3, n_features) + np.arange(n_features)


def rank_deficient(n=200, seed=0):
    """Five columns of rank two."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) + 1


def same(first, second, rtol=1e-9):
    """Equality of all that `transform` depends on, relative to the largest entry."""
    for name in ("mean_", "scale_", "components_"):
        a, b = getattr(first, name), getattr(second, name)
        if a is None:
            assert b is None
        else:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())
