"""Prequential evaluation: predictions before learning, means of their scores, and targets that move."""

import itertools

import ebp
import multilabel_data
import numpy as np
import pandas as pd
import pytest
from ebp.evaluation import PrequentialResult, prequential
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.metrics import accuracy_score
from tables import blobs


class Last(BaseEstimator):
    """Predicts the target learnt last, and writes down what it is asked to do."""

    def fit(self, X, y):
        raise AssertionError("a stream is learnt by partial_fit")

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.calls_ = [*getattr(self, "calls_", []), ("learn", len(X), sample_weight)]
        self.classes_ = classes if classes is not None else getattr(self, "classes_", None)
        self.last_ = y[-1]
        return self

    def predict(self, X):
        self.calls_.append(("predict", len(X), None))
        return np.array([self.last_] * len(X))


class LastLabel(ClassifierMixin, Last):
    def predict_proba(self, X):
        return np.tile(np.where(self.classes_ == self.last_, 0.8, 0.2), (len(X), 1))


class LastValue(RegressorMixin, Last):
    pass


X = np.arange(12.0).reshape(6, 2)
LABELS = np.array(["a", "a", "b", "b", "b", "a"])
VALUES = np.array([1.0, 3.0, 4.0, 4.0, 0.0, 2.0])


def test_every_sample_is_predicted_before_it_is_learnt():
    model = LastLabel()
    result = prequential(model, (X, LABELS))
    assert model.calls_ == [("learn", 1, None)] + 5 * [("predict", 1, None), ("learn", 1, None)]
    assert result.predictions.tolist() == ["a", "a", "b", "b", "b"]
    assert result.targets.tolist() == ["a", "b", "b", "b", "a"]
    assert result.scores.tolist() == [1, 0, 1, 1, 0]
    assert (result.n_first, result.metric, result.mean) == (1, "accuracy", 0.6)
    assert model.classes_.tolist() == ["a", "b"]
    assert repr(result) == "PrequentialResult(accuracy 0.6 over 5 samples)"


def test_squared_errors_of_chunks():
    result = prequential(LastValue(), (X, VALUES), chunk_size=2)
    assert result.scores.tolist() == [1, 1, 16, 4]  # 3, then 4, against the next two
    assert (result.n_first, result.chunk_sizes.tolist()) == (2, [2, 2])
    assert result.chunk_scores.tolist() == [1, 10]
    assert result.running_mean.tolist() == [1, 1, 6, 5.5]


def test_what_has_learnt_already_predicts_the_first_chunk():
    model = LastValue().partial_fit(X[:1], VALUES[:1])
    result = prequential(model, (X[1:], VALUES[1:]), chunk_size=2, metric="absolute_error")
    assert result.n_first == 0
    assert result.scores.tolist() == [2, 3, 0, 4, 2]
    assert result.chunk_sizes.tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    "stream",
    [
        lambda: (X, VALUES),
        lambda: (X.tolist(), VALUES.tolist()),
        lambda: (pd.DataFrame(X), pd.Series(VALUES)),
        lambda: zip(X, VALUES, strict=True),
        lambda: [[x.tolist(), y] for x, y in zip(X, VALUES, strict=True)],
        lambda: tuple((X[i : i + 1], VALUES[i : i + 1]) for i in range(6)),
        lambda: iter([(X[:1], VALUES[:1]), (X[:0], VALUES[:0]), *zip(X[1:], VALUES[1:], strict=True)]),
    ],
    ids=["arrays", "lists", "tables", "samples", "lists of samples", "chunks", "with an empty chunk"],
)
def test_forms_of_streams(stream):
    assert prequential(LastValue(), stream()).scores.tolist() == [4, 1, 0, 16, 4]


def test_samples_of_several_outputs_and_axes():
    Y = np.array([[0.0, 0.0], [1.0, 3.0], [1.0, 1.0]])
    for inputs in (X[:3], X[:3].reshape(3, 1, 2, 1)):
        stream = (inputs, Y) if inputs.ndim > 2 else zip(inputs, Y, strict=True)
        assert prequential(LastValue(), stream).scores.tolist() == [5, 2]  # means of 1, 9 and of 0, 4
    images = zip(X[:3].reshape(3, 2, 1), LABELS[:3], strict=True)
    assert prequential(LastLabel(), images, classes=["a", "b"]).scores.tolist() == [1, 0]


def test_weights_are_learnt_and_weigh_the_means():
    model = LastValue()
    weights = np.array([5.0, 1.0, 3.0, 0.0, 1.0, 2.0])
    result = prequential(model, (X, VALUES, weights), chunk_size=2)
    assert [call[2].tolist() for call in model.calls_ if call[0] == "learn"] == [[5, 1], [3, 0], [1, 2]]
    assert result.sample_weight.tolist() == [3, 0, 1, 2]
    assert result.scores.tolist() == [1, 1, 16, 4]
    assert result.mean == pytest.approx((3 * 1 + 16 + 2 * 4) / 6)
    assert result.chunk_scores.tolist() == pytest.approx([1, 8])
    assert np.isnan(prequential(LastValue(), (X, VALUES, 0 * weights)).windowed(2)).all()


def test_chunks_without_weights_among_others_count_one_a_sample():
    stream = [(X[:2], VALUES[:2]), (X[2:4], VALUES[2:4]), (X[4], VALUES[4], 7.0), (X[5], VALUES[5])]
    result = prequential(LastValue(), iter(stream))
    assert result.sample_weight.tolist() == [1, 1, 7, 1]


def test_metrics_of_ones_own():
    def log_loss(y, probabilities):
        return -np.log(probabilities[np.arange(len(y)), (y == "b").astype(int)])

    result = prequential(
        LastLabel(), (X, LABELS), chunk_size=2, metric=log_loss, response_method="predict_proba"
    )
    assert result.metric == "log_loss"
    assert result.predictions.shape == (4, 2)
    np.testing.assert_allclose(result.scores, -np.log([0.2, 0.2, 0.8, 0.2]))


def test_endless_streams_and_what_is_kept():
    stream = ((np.array([t, 1.0]), float(t % 2)) for t in itertools.count())
    result = prequential(LastValue(), itertools.islice(stream, 101), keep_predictions=False)
    assert result.predictions is None
    assert result.targets is None
    assert result.scores.tolist() == [1.0] * 100


def test_ctrl_c_leaves_what_was_scored():
    def stream():
        yield from zip(X[:4], VALUES[:4], strict=True)
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=r"^\[prequential\] .*interrupted after 3 samples"):
        result = prequential(LastValue(), stream())
    assert result.scores.tolist() == [4, 1, 0]
    assert result.predictions.tolist() == [1, 3, 4]


@pytest.mark.parametrize("window", [1, 2, 3, 7, 40, 100])
def test_means_against_loops(rng, window):
    scores, weights = rng.normal(size=40), rng.uniform(0.1, 2, size=40)
    result = PrequentialResult(scores, np.full(8, 5), 1, "score", weights)
    windowed, faded, running = [], [], []
    for t in range(40):
        part = slice(max(0, t + 1 - window), t + 1)
        windowed.append(np.average(scores[part], weights=weights[part]))
        running.append(np.average(scores[: t + 1], weights=weights[: t + 1]))
        fading = weights[: t + 1] * 0.9 ** np.arange(t, -1, -1)
        faded.append(np.average(scores[: t + 1], weights=fading))
    np.testing.assert_allclose(result.windowed(window), windowed, rtol=1e-12)
    np.testing.assert_allclose(result.running_mean, running, rtol=1e-12)
    np.testing.assert_allclose(result.faded(0.9), faded, rtol=1e-12)
    np.testing.assert_allclose(result.faded(1.0), running, rtol=1e-12)
    assert result.mean == pytest.approx(running[-1], rel=1e-12)


def test_a_window_forgets_what_it_has_left():
    scores = np.array([1e300, np.nan, np.inf, 1.0, 2.0, 4.0])
    result = PrequentialResult(scores, np.ones(6, int), 1, "score")
    assert result.windowed(2).tolist()[-2:] == [1.5, 3.0]


@pytest.mark.parametrize("chunk_size", [None, 7])
def test_the_same_as_a_loop_of_ones_own(chunk_size):
    X, y = blobs(60)
    for make in (lambda: ebp.MLPClassifier((5,), random_state=0), lambda: SGDClassifier(random_state=0)):
        model, other, size = make(), make(), chunk_size or 1
        result = prequential(model, (X, y), chunk_size=chunk_size)
        expected = []
        other.partial_fit(X[:size], y[:size], classes=np.unique(y))
        for start in range(size, len(y), size):
            expected.extend(other.predict(X[start : start + size]))
            other.partial_fit(X[start : start + size], y[start : start + size])
        assert result.predictions.tolist() == expected
        for found, wanted in zip(
            model.coef_ if hasattr(model, "coef_") else model.coefs_,
            other.coef_ if hasattr(other, "coef_") else other.coefs_,
            strict=True,
        ):
            np.testing.assert_array_equal(found, wanted)


# Of six samples; the second has no label, and no sample has the third.
SETS = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, np.ndarray.tolist])
def test_indicator_matrices(convert):
    """A sample scores 1 if all its labels are right; the columns are the classes, whatever they hold."""
    model = LastLabel()
    result = prequential(model, (X, convert(SETS)))
    assert model.classes_.tolist() == [0, 1, 2]
    assert result.metric == "accuracy"
    assert result.scores.tolist() == [0, 0, 1, 0, 0]
    np.testing.assert_array_equal(result.predictions, SETS[:-1])
    hamming = prequential(LastLabel(), (X, convert(SETS)), metric="absolute_error")
    assert hamming.scores == pytest.approx([2 / 3, 1 / 3, 0, 2 / 3, 1 / 3])


def test_a_classifier_of_several_labels():
    X, Y = multilabel_data.table()
    result = prequential(ebp.MLPClassifier((8,), random_state=0), (X, Y), chunk_size=10)
    assert result.predictions.shape == (290, 4)
    assert result.mean == pytest.approx(accuracy_score(result.targets, result.predictions))
    commonest = np.unique(Y, axis=0, return_counts=True)[1].max() / len(Y)
    assert result.chunk_scores[-10:].mean() > commonest + 0.1
    chunks = ((X[i : i + 10], sparse.csr_matrix(Y[i : i + 10])) for i in range(0, 300, 10))
    other = prequential(ebp.MLPClassifier((8,), random_state=0), chunks, classes=np.arange(4))
    np.testing.assert_array_equal(other.scores, result.scores)


def test_images_of_a_network_classifier():
    images, digits = ebp.datasets.load_digits()
    images = images[:200].reshape(-1, 1, 8, 8)
    model = ebp.NetworkClassifier([ebp.layers.Conv2D(4, 3)], random_state=0)
    result = prequential(model, (images, digits[:200]), chunk_size=20)
    assert result.chunk_scores[-3:].mean() > 0.6


def test_the_picture(rng):
    plt = pytest.importorskip("matplotlib.pyplot")
    result = PrequentialResult(rng.random(100), np.ones(100, int), 3, "squared_error")
    shown = result.plot(window=10, color="red")
    assert shown is result
    recent, running = result.ax_.lines
    assert recent.get_xdata()[[0, -1]].tolist() == [4, 103]
    np.testing.assert_array_equal(recent.get_ydata(), result.windowed(10))
    np.testing.assert_array_equal(running.get_ydata(), result.running_mean)
    assert result.ax_.get_ylabel() == "squared error, before learning"
    plt.close(result.figure_)


def test_the_bar_counts_samples(capsys):
    prequential(LastValue(), (X, VALUES), verbose=1)
    assert "6/6" in capsys.readouterr().err


# ---- targets that move ------------------------------------------------------------------------------


def switched(n=3000):
    """A linear target whose sign changes in the middle."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    y = X[:, 0] + 0.1 * rng.standard_normal(n)
    y[n // 2 :] *= -1
    return X, y


def test_partial_fit_follows_a_switch_and_an_annealed_rate_does_not():
    X, y = switched()
    fixed = LinearRegression().fit(X[:500], y[:500])
    models = {
        "constant": ebp.MLPRegressor((), random_state=0),
        "annealed": ebp.MLPRegressor((), learning_rate=ebp.schedules.InverseTime(50), random_state=0),
    }
    late = {
        name: prequential(model, (X, y), chunk_size=20).scores[-500:].mean() for name, model in models.items()
    }
    batch = np.mean((fixed.predict(X[-500:]) - y[-500:]) ** 2)
    assert batch > 3  # (2 x)² with x of variance 1
    assert late["constant"] < 0.02  # the noise has variance 0.01
    assert 0.1 < late["annealed"] < batch


def test_muratas_rate_rises_again_after_a_switch():
    X, y = switched()
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, random_state=0)
    rule = ebp.rules.Murata(0.05, beta=0.05, alpha=1.0, largest=0.05)
    rates = []
    for rows in np.arange(len(y)).reshape(-1, 50):
        net.train_online(X, y, rule, order=rows)
        rates.append(rule.learning_rates[0])
    before, after = rates[len(rates) // 2 - 1], max(rates[len(rates) // 2 :])
    assert before < 0.01
    assert 3 * before < after <= np.float32(0.05)
    np.testing.assert_allclose(net.parameters, [-1, 0, 0], atol=0.05)


# ---- misuse -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        (
            TypeError,
            {"estimator": LinearRegression()},
            "estimator must have partial_fit; got LinearRegression",
        ),
        (TypeError, {"estimator": ebp.MLPRegressor(solver="lm")}, "must be one of 'auto', 'sdlm'"),
        (TypeError, {"response_method": "predict_proba", "metric": max}, "estimator must have predict_proba"),
        (TypeError, {"stream": 3}, "stream must be an iterable of (x, y), (X, y) or (X, y, sample_weight)"),
        (TypeError, {"stream": [X[0]]}, "every item of stream must be (x, y), (X, y) or"),
        (TypeError, {"stream": [(X, VALUES, None, None)]}, "got tuple of 4"),
        (ValueError, {"stream": (X, VALUES[:3])}, "same number of samples; got shapes (6, 2), (3,)"),
        (ValueError, {"stream": [(X, VALUES, [1.0])]}, "got shapes (6, 2), (6,), (1,)"),
        (ValueError, {"stream": (X, VALUES, -VALUES)}, "sample_weight must hold one finite number >= 0"),
        (ValueError, {"stream": (X, VALUES), "chunk_size": 6}, "must have a chunk that is predicted"),
        (ValueError, {"stream": iter([])}, "got 0 samples"),
        (ValueError, {"chunk_size": 0}, "chunk_size must be an integer >= 1; got 0"),
        (
            ValueError,
            {"stream": iter([]), "chunk_size": 3},
            "chunk_size must be None unless stream is a tuple",
        ),
        (
            ValueError,
            {"estimator": LastLabel(), "metric": "rmse"},
            "metric must be one of 'accuracy', 'squared_error', 'absolute_error'",
        ),
        (
            ValueError,
            {"metric": "accuracy"},
            "metric of a regressor must be one of 'squared_error', 'absolute_error' or a callable; got 'acc",
        ),
        (
            TypeError,
            {"estimator": ebp.MLPClassifier},
            "estimator must be an object, MLPClassifier(...); got the class MLPClassifier",
        ),
        *(
            (
                TypeError,
                {"estimator": ebp.MLPClassifier(), "stream": stream, "chunk_size": 10},
                f"stream must be an iterable of (x, y), (X, y) or (X, y, sample_weight), or {rest}",
            )
            for stream, rest in (
                (5, "a tuple of arrays (X, y); got int"),
                ("abc", "a tuple of arrays (X, y); got str"),
                ({"X": X, "y": VALUES}, "a tuple of arrays (X, y); got dict"),
                (X, "a tuple of arrays (X, y); got ndarray"),
            )
        ),
        (
            ValueError,
            {"estimator": "flat label", "stream": (X, np.eye(6)[:, :1])},
            "predictions must have the shape of y, (1, 1); got (1,)",
        ),
        (
            ValueError,
            {"metric": lambda y, p: 0.0, "chunk_size": 2},
            "metric must give one number for each of 2",
        ),
        (ValueError, {"response_method": "guess", "metric": max}, "response_method must be one of 'predict'"),
        (
            ValueError,
            {"response_method": "decision_function"},
            "metric must be a callable with response_method",
        ),
        (
            ValueError,
            {"estimator": LastLabel(), "stream": iter([])},
            "classes must be given for a classifier",
        ),
        (ValueError, {"verbose": 2}, "verbose must be one of 0, 1; got 2"),
        (ValueError, {"stream": (X, X[:, :1]), "estimator": "flat"}, "shape of y, (1, 1); got (1,)"),
    ],
)
def test_misuse(error, options, message):
    class Flat(LastValue):
        def predict(self, X):
            return super().predict(X).ravel()

    class FlatLabel(LastLabel, Flat):
        pass

    given = {"estimator": LastValue(), "stream": (X, VALUES), **options}
    flat = {"flat": Flat(), "flat label": FlatLabel()}
    if isinstance(given["estimator"], str):
        given["estimator"] = flat[given["estimator"]]
    with pytest.raises(error, match=r"^\[prequential\] ") as caught:
        prequential(given.pop("estimator"), given.pop("stream"), **given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("method", "value"), [("windowed", 0), ("windowed", 1.5), ("faded", 0), ("faded", 1.1)]
)
def test_wrong_means(method, value):
    result = PrequentialResult(np.ones(3), np.ones(3, int), 1, "score")
    with pytest.raises(ValueError, match=rf"^\[PrequentialResult\.{method}\] .*; got {value}"):
        getattr(result, method)(value)
