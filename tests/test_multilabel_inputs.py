"""What multilabel training takes: every layout of an indicator matrix; and what it refuses."""

from __future__ import annotations

import warnings

import ebp
import numpy as np
import pandas as pd
import pytest
from ebp.layers import Dense, EuclideanRBF
from multilabel_data import LOSSES, fitted, parameters, table
from scipy import sparse


@pytest.mark.parametrize(
    "kind",
    [
        *(sparse.csr_matrix, sparse.csc_array, sparse.coo_array, sparse.lil_matrix, sparse.dok_matrix),
        *(list, np.ndarray.tolist, pd.DataFrame, np.asfortranarray),
        *(lambda Y: Y.astype(bool), lambda Y: Y.astype(float), lambda Y: Y.astype(object)),
        *(lambda Y: sparse.csr_matrix(Y, dtype=bool), lambda Y: sparse.csc_array(Y, dtype=float)),
    ],
)
def test_every_kind_of_matrix_gives_the_same_bits(kind):
    X, Y = table(60)
    model = fitted(X, kind(Y))
    np.testing.assert_array_equal(parameters(model), parameters(fitted(X, Y)))
    assert model.predict(X).dtype == int
    if kind is not list and getattr(kind(Y), "dtype", None) is not np.dtype(object):
        assert model.score(X, kind(Y)) == model.score(X, Y)


def test_labels_that_every_sample_has_or_none():
    X, Y = table()
    Y[:, 0], Y[:, 1] = 0, 1
    for loss in LOSSES:
        model = fitted(X, Y, loss=loss, max_iter=10)
        np.testing.assert_array_equal(model.predict(X)[:, :2], Y[:, :2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ebp.MLPClassifier((3,), random_state=0).fit(X, np.ones_like(Y))
    np.testing.assert_array_equal(model.predict(X), np.ones_like(Y))


def test_a_single_column_is_one_label_a_sample():
    X, Y = table(100)
    column = Y[:, :1]
    for kind in (column, sparse.csr_matrix(column)):
        with pytest.warns(UserWarning, match="A column-vector y was passed"):
            model = ebp.MLPClassifier((6,), max_iter=3, random_state=0).fit(X, kind)
        assert not model.multilabel_
        np.testing.assert_array_equal(parameters(model), parameters(fitted(X, Y[:, 0])))


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda Y: 2 * Y, "got 2 in"),
        (lambda Y: Y - 0.5, r"got -?0\.5 in"),
        (lambda Y: 2 * Y - 1, "got -1 in"),
        (lambda Y: Y + np.eye(*Y.shape, dtype=int), "got 2 in"),
        (lambda Y: Y.astype(str), "got '[01]' in"),
        (lambda Y: np.where(Y, "yes", None), "got '?(None|yes)'? in"),
    ],
)
def test_other_values_are_refused(change, got):
    X, Y = table(40)
    message = r"\[MLPClassifier\] y must be one label a sample, .*indicator matrix of 0 and 1, .*; " + got
    with pytest.raises(ValueError, match=message):
        ebp.MLPClassifier().fit(X, change(Y))


def test_missing_values_are_refused():
    X, Y = table(40)
    with pytest.raises(ValueError, match="NaN"):
        ebp.MLPClassifier().fit(X, np.where(Y, np.nan, 0.0))


@pytest.mark.parametrize("loss", ["cross_entropy", "map", ebp.losses.MAP(), "absolute_error"])
def test_losses_of_classes_are_refused(loss):
    X, Y = table(40)
    with pytest.raises(ValueError, match=r"loss must be one of 'auto', 'squared_error', .*'hinge'.*; got"):
        ebp.NetworkClassifier([Dense(4)], loss=loss).fit(X, Y)
    with pytest.raises(ValueError, match=r"loss must be one of 'auto', 'squared_error', .*'hinge'.*; got"):
        ebp.MLPClassifier(loss=loss).fit(X, Y)


@pytest.mark.parametrize("loss", ["auto", "map"])
def test_distances_to_codes_are_refused(loss):
    X, Y = table(40)
    layers = [Dense(3), EuclideanRBF([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])]
    with pytest.raises(ValueError, match=r"one output a label .* got an EuclideanRBF"):
        ebp.NetworkClassifier(layers, loss=loss).fit(X, Y)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0}])
def test_class_weights_are_refused(class_weight):
    X, Y = table(40)
    model = ebp.MLPClassifier(class_weight=class_weight)
    with pytest.raises(ValueError, match=r"class_weight must be None for an indicator matrix.*; got"):
        model.fit(X, Y)
    assert not hasattr(model, "network_")
