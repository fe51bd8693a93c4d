"""Data of the tests of single samples, and estimators that are ready for them."""

import warnings

import ebp
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (400, 5))
LABELS = np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
VALUES = X @ RNG.normal(size=(5, 2)) + 7
INDICATORS = (X[:, :3] > 3).astype(int)
IMAGES = RNG.normal(size=(300, 1, 6, 6))


def pair(estimator, *data):
    """Two estimators in the same state, however little they may have learnt."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data), clone(estimator).fit(*data)


def assert_same_state(one, other, **tolerance):
    if tolerance:
        np.testing.assert_allclose(one.network_.parameters, other.network_.parameters, **tolerance)
    else:
        np.testing.assert_array_equal(one.network_.parameters, other.network_.parameters)
        assert (one.loss_, one.best_loss_) == (other.loss_, other.best_loss_)
    assert (one.t_, one.n_iter_) == (other.t_, other.n_iter_)


def is_fast(estimator):
    """Whether the last call of learn_one did without partial_fit."""
    return vars(estimator).get("_learner") is not None


def fast_model(**options):
    model = ebp.MLPClassifier((6,), max_iter=2, random_state=0, **options).fit(X, LABELS)
    for row in range(2):  # the first call makes a rule
        model.learn_one(X[row], LABELS[row])
    model.predict_one(X[0])
    assert is_fast(model)
    return model
