"""Bias and variance of indicator matrices: every label by itself."""

import ebp
import multilabel_data
import numpy as np
import pandas as pd
import pytest
from ebp.evaluation import bias_variance
from scipy import sparse
from sklearn.metrics import brier_score_loss, hamming_loss
from test_bias_variance import Table, finish_epochs


class Labels(Table):
    """Gives the probabilities of labels of a table, one entry a data set."""

    def predict_proba(self, X):
        return np.asarray(self.now_)

    def fit(self, X, Y):
        Table.count += 1
        return finish_epochs(self, [(0, Table.tables[Table.count - 1])])


def test_the_decomposition_of_an_indicator_matrix_by_hand():
    """Two held-out samples, three labels: Brier scores of each label, and Hamming losses."""
    Y_test = np.array([[1, 0, 0], [1, 1, 0]])
    Table.tables = [
        np.array([[0.9, 0.2, 0.6], [0.3, 0.6, 0.1]]),
        np.array([[0.8, 0.7, 0.7], [0.2, 0.9, 0.1]]),
        np.array([[0.7, 0.1, 0.2], [0.8, 0.4, 0.1]]),
    ]
    X, Y = np.zeros((9, 1)), np.tile([[0, 1, 0], [1, 0, 0], [0, 0, 0]], (3, 1))
    for convert in (np.asarray, sparse.csr_matrix):
        Table.count = 0
        found = bias_variance(
            Labels(max_iter=1), X, convert(Y), X_test=X[:2], y_test=convert(Y_test), n_datasets=3
        )
        mean = np.mean(Table.tables, axis=0)
        scores = [[brier_score_loss(Y_test[:, k], one[:, k]) for k in (0, 1)] for one in Table.tables]
        squares = [np.mean(one[:, 2] ** 2) for one in Table.tables]  # a label that no sample has
        brier = (np.sum(scores, axis=1) + squares) / 3
        np.testing.assert_allclose(found.test_errors[:, 0], brier, rtol=1e-12)
        assert found.bias_squared[0] == pytest.approx(np.mean((mean - Y_test) ** 2), rel=1e-12)
        assert found.variance[0] == pytest.approx(np.var(Table.tables, axis=0).mean(), rel=1e-12)
        # main predictions [1, 0, 1], [0, 1, 0]: two of six are wrong
        assert found.zero_one.bias[0] == pytest.approx(2 / 6)
        losses = [hamming_loss(Y_test, one > 0.5) for one in Table.tables]
        assert found.zero_one.total[0] == pytest.approx(np.mean(losses), rel=1e-12)
        assert found.zero_one.variance[0] == pytest.approx((0 + 1 + 1 + 1 + 1 + 0) / 18)
        assert found.zero_one.biased_variance[0] == pytest.approx(2 / 18)


def test_a_classifier_of_several_labels():
    X, Y = multilabel_data.table(200)
    model = ebp.MLPClassifier((5,), max_iter=3, random_state=0)
    found = bias_variance(model, X, Y, n_datasets=4, random_state=0)
    np.testing.assert_allclose(found.total, found.test_errors.mean(axis=0), rtol=1e-12)
    assert found.total[-1] < 0.2  # a quarter by answers of 1/2
    again = bias_variance(
        model,
        X,
        pd.DataFrame(Y),
        true_function=lambda X: np.full((len(X), 4), 0.5),
        n_datasets=4,
        random_state=0,
    )
    assert again.noise == pytest.approx(0.25)
    np.testing.assert_array_equal(again.zero_one.total, found.zero_one.total)


@pytest.mark.parametrize(
    ("y", "y_test", "text"),
    [
        (
            np.eye(6, 3),
            np.eye(2, 4),
            r"\[bias_variance\] y and y_test must have the same number of labels; got 3 and 4",
        ),
        (np.eye(6, 3), np.array([0, 1]), r"same number of labels; got 3 and 1"),
        (2 * np.eye(6, 3), np.eye(2, 3), r"\[MLPClassifier\] y must be one label a sample, .*; got \[?2.0"),
    ],
)
def test_indicator_matrices_that_are_none(y, y_test, text):
    with pytest.raises(ValueError, match=text):
        bias_variance(ebp.MLPClassifier(), np.zeros((6, 1)), y, X_test=np.zeros((2, 1)), y_test=y_test)
