"""What `bias_variance` refuses, and in which words."""

import ebp
import numpy as np
import pytest
from ebp.evaluation import bias_variance
from sklearn.linear_model import LinearRegression


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        (
            TypeError,
            {"estimator": LinearRegression()},
            "must be an MLP or Network classifier or regressor of ebp",
        ),
        (ValueError, {"resample": "jackknife"}, "resample must be one of 'bootstrap', 'subsample'"),
        (ValueError, {"n_datasets": 1}, "n_datasets must be an integer >= 2; got 1"),
        (ValueError, {"test_size": 29}, "test_size must be an integer in [1, 28]; got 29"),
        (ValueError, {"test_size": 0.01}, "test_size must stand for 1 to 28 of 30 samples; got 0.01, 0"),
        (ValueError, {"test_size": 1.5}, "test_size must be a number in (0, 1]; got 1.5"),
        (ValueError, {"train_size": 22}, "train_size must be an integer in [1, 21]; got 22"),
        (ValueError, {"X_test": np.zeros((3, 2))}, "X_test and y_test must be given together"),
        (ValueError, {"y": np.zeros(5)}, "X and y must have the same number of samples"),
        (TypeError, {"true_function": 3}, "true_function must be callable; got 3"),
        (ValueError, {"true_function": lambda X: X}, "must give values of shape (9, 1); got (9, 2)"),
        (ValueError, {"n_jobs": 0}, "n_jobs must be None, an integer >= 1, or a negative one, -1 for all"),
        (
            ValueError,
            {"X": np.zeros((3, 2)), "y": np.zeros(3)},
            "X and y must have enough samples, at least 4; got 3: too few samples",
        ),
        (
            ValueError,
            {"X_test": np.zeros((0, 2)), "y_test": np.zeros(0)},
            "X_test and y_test must have enough samples, at least 1; got 0: too few",
        ),
        (ValueError, {"verbose": 2}, "verbose must be one of 0, 1; got 2"),
    ],
)
def test_misuse(rng, error, options, message):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    given = {"estimator": ebp.MLPRegressor((3,), max_iter=1), "X": X, "y": y, **options}
    with pytest.raises(error, match=r"^\[bias_variance\] ") as caught:
        bias_variance(given.pop("estimator"), given.pop("X"), given.pop("y"), **given)
    assert message in str(caught.value)
