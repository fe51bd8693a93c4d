"""Bias and variance over the epochs, against decompositions written out by hand."""

import warnings

import ebp
import joblib
import numpy as np
import pandas as pd
import pytest
from ebp.evaluation import bias_variance
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from tables import blobs


def finish_epochs(estimator, predictions):
    """Calls the callbacks as `fit` does, with `predictions` one after the other."""
    for epoch, now in predictions:
        estimator.now_ = now
        for callback in estimator.callbacks:
            callback(estimator, epoch, {"loss": 0.0})
    return estimator


class Shrunken(ebp.MLPRegressor):
    """Predicts the mean of its targets, times 1/2 after the first epoch, 2/3 after the second, ..."""

    means = ()  # of every data set trained on

    def fit(self, X, y):
        Shrunken.means = (*Shrunken.means, y.mean(axis=0))
        factors = ((epoch, 1 - 1 / (epoch + 2)) for epoch in range(self.max_iter))
        return finish_epochs(self, ((epoch, factor * y.mean(axis=0)) for epoch, factor in factors))

    def predict(self, X):
        return np.broadcast_to(self.now_, (len(X), *np.shape(self.now_)))


class Restarted(Shrunken):
    """Begins again after two epochs, and ends after one more."""

    def fit(self, X, y):
        return finish_epochs(self, [(0, 100.0), (1, 100.0), (0, float(y[0]))])


class Diverged(Shrunken):
    """Ends before the first epoch does."""

    def fit(self, X, y):
        self.now_ = float(y[0])
        return self


class Table(ebp.MLPClassifier):
    """Gives the probabilities of a table: one entry a data set, the number of which is its first feature."""

    tables = ()

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        Table.count = Table.count + 1
        return finish_epochs(self, [(0, Table.tables[Table.count - 1])])

    def predict_proba(self, X):
        return np.asarray(self.now_)


@pytest.fixture(autouse=True)
def nothing_counted():
    Shrunken.means, Table.count = (), 0


def small(rng, n=30, outputs=()):
    return rng.normal(size=(n, 2)), rng.normal(1, 1, size=(n, *outputs))


@pytest.mark.parametrize("outputs", [(), (3,)], ids=["one output", "three outputs"])
@pytest.mark.parametrize("resample", ["bootstrap", "subsample"])
def test_the_closed_form_of_mean_predictors(rng, outputs, resample):
    X, y = small(rng, 30, outputs)
    X_test, y_test = small(rng, 11, outputs)
    found = bias_variance(
        Shrunken(max_iter=3),
        X,
        y,
        X_test=X_test,
        y_test=y_test,
        resample=resample,
        n_datasets=7,
        random_state=0,
    )
    means = np.array(Shrunken.means).reshape(7, -1)
    targets = y_test.reshape(11, -1)
    assert len(np.unique(means[:, 0])) == 7
    assert found.epochs.tolist() == [1, 2, 3]
    for epoch, factor in enumerate((1 / 2, 2 / 3, 3 / 4)):
        bias = np.mean((factor * means.mean(axis=0) - targets) ** 2)
        assert found.bias_squared[epoch] == pytest.approx(bias, rel=1e-12)
        assert found.variance[epoch] == pytest.approx(factor**2 * means.var(axis=0).mean(), rel=1e-12)
        errors = [np.mean((factor * mean - targets) ** 2) for mean in means]
        np.testing.assert_allclose(found.test_errors[:, epoch], errors, rtol=1e-12)
    np.testing.assert_allclose(found.total, found.test_errors.mean(axis=0), rtol=1e-12)
    assert found.best_epoch == 1 + np.argmin(found.total)
    assert found.noise is None
    assert found.zero_one is None


def test_sizes_of_data_sets_and_of_the_held_out_part(rng):
    X = np.arange(100.0)[:, np.newaxis]
    seen = []

    class Spy(Shrunken):
        def fit(self, X, y):
            seen.append(X[:, 0].astype(int))
            return super().fit(X, y)

        def predict(self, X):
            seen_tests.append(set(X[:, 0].astype(int)))
            return super().predict(X)

    for options, size, distinct in (
        ({}, 70, False),
        ({"test_size": 10, "train_size": 0.5}, 45, False),
        ({"resample": "subsample"}, 35, True),
        ({"resample": "subsample", "train_size": 70}, 70, True),
    ):
        seen.clear()
        seen_tests = []
        bias_variance(Spy(max_iter=1), X, X[:, 0], n_datasets=3, random_state=0, **options)
        tests = seen_tests[0]
        assert len(tests) == options.get("test_size", 30)
        assert all(one == tests for one in seen_tests)
        assert [len(rows) for rows in seen] == [size] * 3
        assert all((len(set(rows)) == size) == distinct and not set(rows) & tests for rows in seen)


def test_noise_and_bias_against_a_known_function(rng):
    X, y = small(rng)
    X_test, y_test = small(rng, 11)
    found = bias_variance(
        Shrunken(max_iter=1),
        X,
        y,
        X_test=X_test,
        y_test=y_test,
        true_function=lambda X: X[:, 0],
        n_datasets=4,
        random_state=0,
    )
    half = np.mean(Shrunken.means) / 2
    assert found.bias_squared[0] == pytest.approx(np.mean((half - X_test[:, 0]) ** 2), rel=1e-12)
    assert found.noise == pytest.approx(np.mean((y_test - X_test[:, 0]) ** 2), rel=1e-12)
    np.testing.assert_allclose(found.total, found.test_errors.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("kind", [Restarted, Diverged])
def test_trainings_that_end_early_keep_their_last_predictions(rng, kind):
    X, y = small(rng)
    found = bias_variance(kind(max_iter=4), X, y, n_datasets=3, random_state=0)
    assert found.test_errors.shape == (3, 4)
    assert (found.test_errors == found.test_errors[:, :1]).all()
    assert found.total.max() < 20  # none of the predictions before the restart


# Labels "a", "b", "c" of three held-out samples, predicted by three networks.
VOTES = np.array([["a", "c", "b"], ["a", "c", "c"], ["b", "b", "a"]])


def test_the_decomposition_of_labels_by_hand():
    """Main predictions a, c and (of three equal ones the first) a; the labels are a, b, c."""
    labels = np.array(["a", "b", "c"])
    Table.tables = [0.8 * (votes[:, np.newaxis] == labels) + 0.1 for votes in VOTES]
    X, y = np.zeros((9, 1)), np.tile(labels, 3)
    found = bias_variance(
        Table(max_iter=1), X, y, X_test=X[:3], y_test=labels, n_datasets=3, train_size=9, resample="subsample"
    )
    zero_one = found.zero_one
    assert zero_one.bias[0] == pytest.approx(2 / 3)
    assert zero_one.variance[0] == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    assert zero_one.unbiased_variance[0] == pytest.approx(1 / 9)
    assert zero_one.biased_variance[0] == pytest.approx((1 / 3 + 1 / 3) / 3)
    assert zero_one.total[0] == pytest.approx(5 / 9)
    brier = np.array([np.sum((table - np.eye(3)) ** 2, axis=1) for table in Table.tables])
    np.testing.assert_allclose(found.test_errors[:, 0], brier.mean(axis=1), rtol=1e-12)
    mean = np.mean(Table.tables, axis=0)
    assert found.bias_squared[0] == pytest.approx(((mean - np.eye(3)) ** 2).sum(axis=1).mean(), rel=1e-12)
    assert found.total[0] == pytest.approx(brier.mean(), rel=1e-12)


def decomposed_anew(model, X, y, X_test, y_test, rows):
    """Bias and variance by trainings of one epoch, two epochs, ... from the same start."""
    curves = []
    for chosen in rows:
        epochs = []

        def record(estimator, epoch, logs, epochs=epochs):
            epochs.append(estimator.predict(X_test))

        model.set_params(callbacks=record).fit(X[chosen], y[chosen])
        curves.append(epochs)
    values = np.array(curves)  # (n_datasets, n_epochs, n_test)
    mean = values.mean(axis=0)
    return ((mean - y_test) ** 2).mean(axis=1), values.var(axis=0).mean(axis=1)


def test_a_real_training_against_a_loop_of_ones_own(rng):
    """With all samples in every data set, which leaves one training; n_iter_no_change would have ended it."""
    X, y = load_diabetes(return_X_y=True)
    X_test, y_test = X[300:], y[300:]
    model = ebp.MLPRegressor((5,), max_iter=6, n_iter_no_change=6, random_state=0)
    bias, _ = decomposed_anew(model, X[:300], y[:300], X_test, y_test, [np.arange(300)])
    impatient = clone(model).set_params(callbacks=None, n_iter_no_change=1, tol=10.0)
    found = bias_variance(
        impatient,
        X[:300],
        y[:300],
        X_test=X_test,
        y_test=y_test,
        n_datasets=2,
        resample="subsample",
        train_size=300,
    )
    np.testing.assert_allclose(found.bias_squared, bias, rtol=1e-12)
    assert (found.variance < 1e-20 * bias).all()
    assert impatient.n_iter_no_change == 1
    assert impatient.callbacks is None
    assert not hasattr(impatient, "network_")


@pytest.mark.parametrize(("seed", "alike"), [(0, True), (None, False)])
def test_the_seed_of_the_estimator_decides_on_the_start(rng, seed, alike):
    X, _ = small(rng)
    y = X[:, 0]
    model = ebp.MLPRegressor((3,), max_iter=20, random_state=seed)
    found = bias_variance(
        model, X, y, n_datasets=3, resample="subsample", train_size=21, test_size=9, random_state=1
    )
    assert (found.variance < 1e-12).all() == alike


@pytest.mark.parametrize(
    "model",
    [
        ebp.MLPClassifier((4,), max_iter=3, random_state=0),
        ebp.NetworkClassifier([ebp.layers.Dense(4)], max_iter=3, random_state=0),
        ebp.MLPRegressor((4,), max_iter=3, early_stopping=True, random_state=0),
        ebp.NetworkRegressor([ebp.layers.Dense(4)], max_iter=3, solver="cg", random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_sum_is_the_mean_error_of_the_networks(model):
    X, y = blobs(120)
    found = bias_variance(model, X, y.astype(float), n_datasets=4, random_state=0)
    assert found.test_errors.shape == (4, 3)
    np.testing.assert_allclose(found.total, found.test_errors.mean(axis=0), rtol=1e-12)
    if found.zero_one is not None:
        parts = found.zero_one
        whole = parts.bias + parts.unbiased_variance - parts.biased_variance
        np.testing.assert_allclose(parts.total, whole, atol=1e-12)
        assert parts.total[-1] < 0.5


def test_two_classes_and_their_noise():
    """Brier scores of two classes are twice scikit-learn's; the function gives probabilities."""
    X, y = blobs(150, n_classes=2)
    names = np.array(["no", "yes"])[y]
    model = ebp.MLPClassifier((4,), max_iter=3, random_state=0)

    def fair(X):
        return np.full((len(X), 2), 0.5)

    found = bias_variance(
        model, pd.DataFrame(X), pd.Series(names), true_function=fair, n_datasets=5, random_state=0
    )
    assert found.noise == pytest.approx(0.5)
    parts = found.zero_one
    assert parts.unbiased_variance + parts.biased_variance == pytest.approx(parts.variance)
    again = bias_variance(model, X, y, true_function=fair, n_datasets=5, random_state=0)
    np.testing.assert_array_equal(found.total, again.total)


def test_classes_that_a_data_set_lacks(rng):
    y = np.repeat([0, 1, 2], [28, 28, 4])
    X = np.eye(3)[y] + 0.1 * rng.normal(size=(60, 3))
    model = ebp.MLPClassifier((3,), max_iter=40, random_state=0)
    found = bias_variance(model, X, y, n_datasets=6, train_size=6, random_state=0)
    np.testing.assert_allclose(found.total, found.test_errors.mean(axis=0), rtol=1e-12)
    assert found.zero_one.total[-1] < 0.3
    with pytest.raises(ValueError, match=r"^\[bias_variance\] data sets must have two classes"):
        bias_variance(model, X, y, n_datasets=2, train_size=1, random_state=0)


def test_neither_jobs_nor_backends_change_a_bit():
    X, y = blobs(200)
    model = ebp.MLPClassifier((30,), max_iter=3)
    results = [bias_variance(model, X, y, n_datasets=4, random_state=0)]
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend=backend):
            results.append(bias_variance(model, X, y, n_datasets=4, n_jobs=2, random_state=0))
    first = results[0]
    assert first.variance[-1] > 0
    for other in results[1:]:
        for name in ("bias_squared", "variance", "test_errors"):
            np.testing.assert_array_equal(getattr(other, name), getattr(first, name))
        np.testing.assert_array_equal(other.zero_one.total, first.zero_one.total)


def test_ctrl_c_ends_all_trainings(rng):
    X, y = small(rng)
    calls = []

    def interrupt(estimator, epoch, logs):
        calls.append(epoch)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bias_variance(ebp.MLPRegressor((3,), callbacks=interrupt), X, y, random_state=0)
    assert len(calls) == 1


def test_a_warning_of_a_callback_is_no_interrupt(rng):
    X, y = small(rng)

    class Talkative(Shrunken):
        def fit(self, X, y):
            warnings.warn("[Talkative] training was interrupted for lunch", UserWarning, stacklevel=1)
            return super().fit(X, y)

    with pytest.warns(UserWarning, match="lunch"):
        found = bias_variance(Talkative(max_iter=2), X, y, n_datasets=3, random_state=0)
    assert found.test_errors.shape == (3, 2)


def test_figure_1_on_a_noisy_sine(rng):
    """An accurate minimiser: the bias falls, the variance rises, and the sum is least in between."""
    X = rng.uniform(-3, 3, (1200, 1))
    y = np.sin(X[:, 0]) + rng.normal(0, 0.5, 1200)
    model = ebp.MLPRegressor((20,), solver="lbfgs", max_iter=60, random_state=0)
    found = bias_variance(
        model,
        X,
        y,
        resample="subsample",
        train_size=40,
        true_function=lambda X: np.sin(X[:, 0]),
        random_state=0,
    )
    assert found.noise == pytest.approx(0.25, rel=0.2)
    assert found.bias_squared[-1] < found.bias_squared[0] / 5
    assert found.variance[-1] > 1.5 * found.variance[found.best_epoch - 1]
    assert 1 < found.best_epoch < 40
    assert found.total[-1] > 1.3 * found.total.min()


def test_the_picture(rng, capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    X, y = small(rng)
    found = bias_variance(Shrunken(max_iter=4), X, y, n_datasets=3, random_state=0, verbose=1)
    assert "3/3" in capsys.readouterr().err
    assert found.plot() is found
    bias, variance, total, best = found.ax_.lines
    np.testing.assert_array_equal(bias.get_ydata(), found.bias_squared)
    np.testing.assert_array_equal(variance.get_ydata(), found.variance)
    np.testing.assert_array_equal(total.get_ydata(), found.total)
    assert best.get_xdata()[0] == found.best_epoch
    assert found.ax_.get_legend().texts[0].get_text() == "bias² and noise"
    plt.close(found.figure_)
