"""Single samples: predict_one and learn_one, of networks and of estimators."""

import threading
import warnings

import ebp
import numpy as np
import pytest
from cases import CASES
from ebp.layers import Conv2D, Dense
from ebp.schedules import InverseTime
from single_data import IMAGES, INDICATORS, LABELS, RNG, VALUES, X, assert_same_state, is_fast, pair
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator

# ---- networks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_one_gives_the_rows_of_forward(one, dtype):
    net, rows = one.network(dtype), one.data()[0].astype(dtype)
    expected = net.forward(rows)
    for x, y in zip(rows, expected, strict=True):
        outputs = net.predict_one(x)
        assert (outputs.shape, outputs.dtype) == (y.shape, y.dtype)
        np.testing.assert_array_equal(outputs, y)


def test_predict_one_takes_any_numbers_and_axes():
    net = ebp.Network([Conv2D(2, 3), Dense(3)], (1, 6, 6), random_state=0)
    x = RNG.integers(-3, 3, (1, 6, 6))
    expected = net.forward(x[np.newaxis])[0]
    for value in (
        x,
        x.ravel(),
        x.tolist(),
        x.astype(np.float32),
        x[:, ::1],
        x.astype(float)[..., ::-1][..., ::-1],
    ):
        np.testing.assert_array_equal(net.predict_one(value), expected)


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (np.zeros(35), ValueError, r"\[predict_one\] x must have 36 values; got \(35,\)"),
        (
            np.zeros((6, 6, 2)),
            ValueError,
            r"\[predict_one\] x must have the shape \(1, 6, 6\) or be flat; got",
        ),
        (["a"] * 36, TypeError, r"\[predict_one\] x must be real numbers; got"),
        (np.zeros(36, complex), TypeError, r"\[predict_one\] x must be real numbers; got"),
        (None, TypeError, r"\[predict_one\] x must be real numbers; got None"),
    ],
)
def test_misuse_of_predict_one(x, error, text):
    net = ebp.Network([Conv2D(2, 3), Dense(3)], (1, 6, 6), random_state=0)
    with pytest.raises(error, match=text):
        net.predict_one(x)


def test_arrays_that_only_look_plain_are_converted():
    """Neither the byte order nor a gap between the values may be overlooked."""
    net = ebp.Network([Dense(3)], 5, random_state=0)
    x = RNG.normal(size=5).astype(np.float32)
    expected = net.predict_one(x)
    for value in (
        x.astype(">f4"),
        np.repeat(x, 3)[::3],
        x.astype(np.float64),
        np.asfortranarray(x[:, np.newaxis]),
    ):
        np.testing.assert_array_equal(net.predict_one(value), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_core_learns_up_to_the_largest_loss(dtype):
    """The limit is compared in double precision: the caller comes to the same verdict."""
    net, rule, x, t = (
        ebp.Network([Dense(3)], 5, dtype=dtype, random_state=0),
        ebp.rules.SGD(0.01),
        X[0],
        [1, 0, 0],
    )
    before, trainer = net.parameters.copy(), rule._bind(net)
    loss = trainer.learn_one(x, t, 0.0)
    for limit in (loss / 2, np.nextafter(loss, 0)):
        assert trainer.learn_one(x, t, limit) == loss
        np.testing.assert_array_equal(net.parameters, before)
    assert trainer.learn_one(x, t, loss) == loss
    assert (net.parameters != before).any()


@pytest.mark.parametrize("units", [8, 300])  # with and without the GIL
def test_threads_read_while_one_learns(units):
    """Readers see the weights before or after an update, never in between."""
    net = ebp.Network([Dense(units), Dense(1, "identity")], 50, random_state=0)
    x, t, rule = RNG.normal(size=50).astype(np.float32), [1.0], ebp.rules.SGD(1e-3)
    twin, states = net.copy(), set()
    expected, wrong = [float(twin.predict_one(x)[0])], []
    twin_rule = ebp.rules.SGD(1e-3)
    for _ in range(300):
        twin.learn_one(x, t, twin_rule)
        expected.append(float(twin.predict_one(x)[0]))
    states.update(expected)
    done = threading.Event()

    def read():
        while not done.is_set():
            found = float(net.predict_one(x)[0])
            if found not in states:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for _ in range(300):
        net.learn_one(x, t, rule)
    done.set()
    for thread in readers:
        thread.join()
    assert not wrong
    assert float(net.predict_one(x)[0]) == expected[-1]


def test_a_callback_may_predict_one():
    net, found = ebp.Network([Dense(3)], 5, random_state=0), []
    net.train_online(
        X, np.zeros((400, 3)), ebp.rules.SGD(1e-3), callback=lambda *_: found.append(net.predict_one(X[0]))
    )
    np.testing.assert_array_equal(found[-1], net.predict_one(X[0]))


# ---- estimators: the same as with rows ---------------------------------------------------------------------

CLASSIFIERS = {
    "sdlm": {},
    "sgd": {"solver": "sgd", "momentum": 0.5, "learning_rate_init": 0.01},
    "automatic sgd": {"solver": "sgd"},
    "adam": {"solver": "adam", "alpha": 1e-3},
    "entropy": {"loss": "cross_entropy"},
    "raw": {"normalize": None, "learning_rate_init": 1e-3},
    "rotated": {"normalize": "decorrelate"},
    "double": {"dtype": "float64"},
    "falling": {"learning_rate": "invscaling"},
    "schedule": {"learning_rate": InverseTime(50)},
    "centred": {"center_hidden": True},
    "interleaved": {"sampling": "interleave"},
    "emphasized": {"sampling": "emphasize"},
    "weighted": {"class_weight": {"a": 2.5}},
    "frozen": {"normalize": FrozenEstimator(ebp.InputNormalizer().fit(X))},
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_learns_one_as_partial_fit_does(name):
    model = ebp.MLPClassifier((6,), max_iter=2, random_state=0, **CLASSIFIERS[name])
    one, other = pair(model, X[:200], LABELS[:200])
    for x, label in zip(X[200:], LABELS[200:], strict=True):
        loss = one.learn_one(x, label)
        other.partial_fit([x], [label])
        assert loss == other.loss_
        assert_same_state(one, other)
    assert is_fast(one) == (name != "weighted")
    one.partial_fit(X[:50], LABELS[:50])
    other.partial_fit(X[:50], LABELS[:50])
    if name != "emphasized":  # which draws from the generator even for a single sample
        assert_same_state(one, other)
        np.testing.assert_array_equal(one.learning_rates_, other.learning_rates_)


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 5}, {"n_threads": 2}, {"normalize": "zca", "dtype": "float64"}, {"engine": "blocked"}],
)
def test_other_engines_differ_by_rounding(options):
    one, other = pair(ebp.MLPClassifier((6,), max_iter=2, random_state=0, **options), X[:200], LABELS[:200])
    for x, label in zip(X[200:], LABELS[200:], strict=True):
        one.learn_one(x, label)
        other.partial_fit([x], [label])
    assert is_fast(one)
    assert_same_state(one, other, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
@pytest.mark.parametrize("Y", [VALUES, VALUES[:, 0], VALUES[:, :1]], ids=["two", "flat", "one column"])
def test_a_regressor_learns_one_as_partial_fit_does(solver, Y):
    one, other = pair(ebp.MLPRegressor((6,), solver=solver, max_iter=2, random_state=0), X[:200], Y[:200])
    for x, y in zip(X[200:], Y[200:], strict=True):
        assert one.learn_one(x, y) == other.partial_fit([x], [y]).loss_
        assert_same_state(one, other)
        np.testing.assert_array_equal(one.predict_one(x), other.predict([x])[0])
    assert is_fast(one)


def test_indicators_and_images():
    for estimator, data, rows in [
        (ebp.MLPClassifier((6,), max_iter=2, random_state=0), X, INDICATORS),
        (ebp.NetworkClassifier([Conv2D(2, 3), Dense(4)], max_iter=2, random_state=0), IMAGES, LABELS),
        (ebp.NetworkRegressor([Conv2D(2, 3)], max_iter=2, random_state=0), IMAGES, VALUES),
    ]:
        one, other = pair(estimator, data[:200], rows[:200])
        for x, y in zip(data[200:300], rows[200:300], strict=True):
            assert one.learn_one(x, y) == other.partial_fit([x], [y]).loss_
            np.testing.assert_array_equal(one.predict_one(x), other.predict([x])[0])
            np.testing.assert_array_equal(one.predict_one(x.ravel()), one.predict_one(x))
        assert is_fast(one)
        assert_same_state(one, other)


def test_a_stream_learns_its_normalisation_first():
    classes = ["a", "b", "c"]
    rows, labels = np.tile(X, (3, 1)), np.tile(LABELS, 3)
    one, other = (
        ebp.MLPClassifier((4,), random_state=0).partial_fit(X[:1], LABELS[:1], classes) for _ in range(2)
    )
    for x, label in zip(rows[1:1100], labels[1:1100], strict=True):
        one.learn_one(x, label)
        other.partial_fit([x], [label])
        assert is_fast(one) == (one.t_ > 1000)
    assert_same_state(one, other)


def test_after_a_large_first_part_the_curvature_runs_on():
    """As Network.learn_one does with the same rule: the first part's curvature is not thrown away."""
    model = ebp.MLPClassifier((6,), normalize=None, random_state=0)
    model.partial_fit(np.tile(X, (3, 1)), np.tile(LABELS, 3), classes=["a", "b", "c"])
    for x, label in zip(X[:3], LABELS[:3], strict=True):
        network, curvature = model.network_, model._rule.curvature.copy()
        twin = ebp.Network(network.layers, 5, weight_init=network.parameters.copy())
        h = twin._curvature_diagonal([x], [np.where(model.classes_ == label, 1, -1)])
        model.learn_one(x, label)
        np.testing.assert_allclose(model._rule.curvature, 0.95 * curvature + 0.05 * h, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, bool])
def test_every_type_of_x_is_taken_as_a_list_is(dtype):
    data = X.clip(0, 6).astype(dtype)
    one, other = pair(ebp.MLPClassifier((6,), max_iter=2, random_state=0), data[:200], LABELS[:200])
    for x, label in zip(data[200:250], LABELS[200:250], strict=True):
        assert one.learn_one(x, label) == other.partial_fit([x], [label]).loss_
        assert one.predict_one(x.tolist()) == other.predict([x])[0]
        np.testing.assert_array_equal(one.predict_proba_one(x), other.predict_proba([x])[0])
    assert_same_state(one, other)


@pytest.mark.parametrize(
    "classes",
    [["x", "y", "zz"], [3, 5, 9], [0.0, 1.0, 4.0]],
    ids=lambda c: type(c[0]).__name__,
)
def test_labels_of_every_kind(classes):
    labels = np.array(classes)[X[:, :3].argmax(axis=1)]
    model = ebp.MLPClassifier((6,), max_iter=20, random_state=0).fit(X, labels)
    model.learn_one(X[0], labels[0])
    for label in (labels[1], labels[1].item()):
        before = model.t_
        model.learn_one(X[1], label)
        assert model.t_ == before + 1
        assert is_fast(model)
    found = [model.predict_one(x) for x in X]
    np.testing.assert_array_equal(found, model.predict(X))
    assert type(found[0]) is type(model.predict(X)[0])


def test_two_classes_by_truth():
    truth = X[:, 0] > 3
    one, other = pair(ebp.MLPClassifier((6,), max_iter=2, random_state=0), X[:200], truth[:200])
    for x, label in zip(X[200:], truth[200:].tolist(), strict=True):
        assert one.learn_one(x, label) == other.partial_fit([x], [label]).loss_
        assert one.predict_one(x) == other.predict([x])[0]
    assert is_fast(one)


# ---- estimators: a rate that is too large ------------------------------------------------------------------


def test_a_rate_that_raises_the_loss_is_lowered_as_by_partial_fit():
    """Outliers, at which one update overshoots: the fast way notices, and goes on as partial_fit does."""
    rng = np.random.default_rng(3)
    data, y = rng.normal(size=(1500, 8)), rng.normal(size=1500)
    data[::7] *= 40
    options = {"solver": "sgd", "normalize": None, "activation": "relu", "max_iter": 1, "random_state": 0}
    lowered = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one, other = pair(ebp.MLPRegressor((5,), **options), data[1::7], y[1::7])
        for x, value in zip(data, y, strict=True):
            fast, rule = is_fast(one), one._rule
            loss = one.learn_one(x, value)
            before = other.n_iter_
            other.partial_fit([x], [value])
            assert np.isnan(loss) == (other.n_iter_ == before)
            assert_same_state(one, other)
            assert one._rate == other._rate
            lowered.append(fast and one._rule is not rule)
    assert any(lowered)


def test_losses_that_jump_stay_fast():
    """A loss of ten times the last one is looked at, not sent through partial_fit."""
    one, other = pair(ebp.MLPClassifier((6,), max_iter=20, random_state=0), X, LABELS)
    for row in range(2):
        one.learn_one(X[row], LABELS[row])
        other.partial_fit([X[row]], [LABELS[row]])
    losses, learner = [one.loss_], vars(one)["_learner"]
    for x, label in zip(X, LABELS, strict=True):
        losses.append(one.learn_one(x, label))
        other.partial_fit([x], [label])
        assert vars(one)["_learner"] is learner
    assert (np.array(losses[1:]) > 10 * np.array(losses[:-1])).any()
    assert_same_state(one, other)
