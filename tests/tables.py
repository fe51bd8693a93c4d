"""Small tables that several tests of the estimators learn."""

from __future__ import annotations

import re

from sklearn.datasets import load_breast_cancer, load_iris, make_classification

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)


def blobs(n=300, n_classes=3, seed=0):
    """Classes that a small network separates almost, six features."""
    return make_classification(
        n, 6, n_informative=5, n_redundant=0, n_classes=n_classes, class_sep=2.0, random_state=seed
    )


def label(value):
    """A short name for a test of this value, the same in every process."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(value))[:40]
