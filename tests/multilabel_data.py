"""Tables with several labels a sample, and small networks that learn them."""

from __future__ import annotations

import functools
import warnings

import ebp
import numpy as np
from sklearn.datasets import load_digits, make_multilabel_classification

LOSSES = {"squared_error": "scaled_tanh", "binary_cross_entropy": "identity", "hinge": "identity"}
TARGETS = {"squared_error": (-1, 1), "binary_cross_entropy": (0, 1), "hinge": (-1, 1)}


def table(n=300):
    """Standardised counts and four labels that depend on them."""
    X, Y = _counts(n)
    return (X - X.mean(axis=0)) / X.std(axis=0), Y.copy()


@functools.cache
def _counts(n):
    return make_multilabel_classification(n, 8, n_classes=4, n_labels=2, random_state=0)


def digit_labels():
    """Images of digits with four labels: odd, above four, prime, with a closed loop."""
    X, y = load_digits(return_X_y=True)
    return X, np.column_stack([y % 2, y > 4, np.isin(y, [2, 3, 5, 7]), np.isin(y, [0, 6, 8, 9])]).astype(int)


def fitted(X, Y, **options):
    """A small network; what an odd table makes it warn of is not what is tested."""
    options = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return ebp.MLPClassifier(**options).fit(X, Y)


def parameters(model):
    return model.network_.parameters
