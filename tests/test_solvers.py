"""Online solvers of the estimators: the rules they stand for, automatic rates, streams."""

from __future__ import annotations

import pickle
import warnings

import ebp
import numpy as np
import pytest
from ebp._options import BATCH_SOLVERS, ONLINE_SOLVERS
from ebp._rates import automatic_step
from reference_rules import adagrad, adam, murata, rmsprop
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from tables import blobs

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*training has not reached:sklearn.exceptions.ConvergenceWarning"
)

RULES = {
    "sdlm": ebp.rules.SDLM,
    "sgd": ebp.rules.SGD,
    "murata": ebp.rules.Murata,
    "adagrad": ebp.rules.AdaGrad,
    "rmsprop": ebp.rules.RMSProp,
    "adam": ebp.rules.Adam,
    "rprop": ebp.rules.Rprop,
}
# Without normalisation and shuffling, so that plain arrays can be trained on beside.
PLAIN = {
    "normalize": None,
    "sampling": "sequential",
    "learning_rate": "constant",
    "learning_rate_init": 0.01,
    "dtype": "float64",
    "random_state": 0,
}


def data(n=60):
    X, y = blobs(n, n_classes=2)
    return np.ascontiguousarray(X, np.float64), y


def targets(model, y):
    return np.where(y == model.classes_[1], 1.0, -1.0)[:, None]


def initial_network(X, y, **options):
    """The network of a model before its first update."""
    model = ebp.MLPClassifier((5,), **{**PLAIN, **options, "learning_rate_init": 1e-300, "max_iter": 1})
    return model.fit(X, y).network_.copy()


def test_every_online_solver_is_tested():
    assert set(RULES) == set(ONLINE_SOLVERS)


@pytest.mark.parametrize("center_hidden", [False, True])
@pytest.mark.parametrize("solver", ONLINE_SOLVERS)
def test_a_solver_trains_by_its_rule(solver, center_hidden):
    X, y = data()
    options = {"weight_decay": 0.01, "center_hidden": center_hidden}
    if solver not in ("adam", "rprop"):
        options["momentum"] = 0.5
    model = ebp.MLPClassifier(
        (5,), solver=solver, alpha=0.01, momentum=0.5, center_hidden=center_hidden, max_iter=3, **PLAIN
    ).fit(X, y)
    net, T = initial_network(X, y, solver="sgd"), targets(model, y)
    if solver == "murata":
        options["beta"] = 0.01 / np.linalg.norm(net.gradient(X, T))
    rule = RULES[solver](0.01, **options)
    for _ in range(3):
        net.train_online(X, T, rule)
    np.testing.assert_allclose(model.network_.parameters, net.parameters, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("solver", "oracle"), [("adagrad", adagrad), ("rmsprop", rmsprop), ("adam", adam), ("murata", murata)]
)
def test_a_solver_follows_the_definition_of_its_rule(solver, oracle):
    X, y = data(40)
    model = ebp.MLPClassifier((5,), solver=solver, max_iter=2, **PLAIN).fit(X, y)
    net, T, state = initial_network(X, y), targets(model, y), {}
    settings = {}
    if solver == "murata":
        settings = {"first_rate": 0.01, "beta": 0.01 / np.linalg.norm(net.gradient(X, T))}
    for row in [*range(len(X))] * 2:
        gradient = net.gradient(X[row : row + 1], T[row : row + 1])
        net.parameters[:] -= oracle(state, gradient, 0.01, **settings)[0]
    np.testing.assert_allclose(model.network_.parameters, net.parameters, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", [name for name in ONLINE_SOLVERS if name != "rprop"])
def test_nothing_needs_to_be_set(solver):
    X, y = load_iris(return_X_y=True)
    model = ebp.MLPClassifier((20,), solver=solver, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    assert (model.lambda_max_ is not None) == (solver in ("sgd", "murata"))
    regressor = ebp.MLPRegressor((20,), solver=solver, random_state=0).fit(X[:, :3], X[:, 3])
    assert regressor.score(X[:, :3], X[:, 3]) > 0.85


def test_rprop_learns_from_batches():
    X, y = load_iris(return_X_y=True)
    model = ebp.MLPClassifier((20,), solver="rprop", batch_size=len(X), max_iter=100, random_state=0)
    assert model.fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("solver", ONLINE_SOLVERS)
def test_a_stream_continues_the_same_rule(solver):
    X, y = data(200)
    parts = ebp.MLPClassifier((5,), solver=solver, **{**PLAIN, "learning_rate": "auto"})
    for part in np.split(np.arange(200), [100]):
        parts.partial_fit(X[part], y[part], classes=np.unique(y))
    net, T = initial_network(X, y), targets(parts, y)
    settings = {"beta": 0.01 / np.linalg.norm(net.gradient(X[:100], T[:100]))} if solver == "murata" else {}
    rule = RULES[solver](0.01, **settings)
    for part in (slice(100), slice(100, 200)):
        net.train_online(X[part], T[part], rule)
    np.testing.assert_allclose(parts.network_.parameters, net.parameters, rtol=1e-12, atol=1e-14)


def test_a_stream_takes_up_another_solver_with_a_new_rule():
    X, y = data(100)
    model = ebp.MLPClassifier((5,), solver="adam", random_state=0).partial_fit(X, y, classes=np.unique(y))
    first = model.eta_
    model.set_params(solver="adagrad").partial_fit(X, y)
    assert model.solver_ == "adagrad"
    assert model.eta_ == pytest.approx(automatic_step("adagrad", model.network_, None)) != first
    rule = model._rule
    model.partial_fit(X, y)
    assert model._rule is rule
    model.set_params(center_hidden=True).partial_fit(X, y)
    assert model._rule is not rule
    assert model._rule.center_hidden


def test_the_mean_gradient_of_murata_counts_weights_as_updates_do():
    X, y = data()
    model = ebp.MLPClassifier((5,), solver="murata", **PLAIN)
    weights = np.full(len(X), 2.5)  # three presentations of 5/6 each
    weighted = clone(model).partial_fit(X, y, classes=np.unique(y), sample_weight=weights)
    net, T = initial_network(X, y), targets(weighted, y)
    expected = 0.01 / (2.5 / 3 * np.linalg.norm(net.gradient(X, T)))
    assert weighted._rule.beta == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("solver", ["adam", "rmsprop", "adagrad", "rprop"])
def test_automatic_steps_fall_with_the_width_and_the_length_of_training(solver):
    def step(inputs, hidden, updates):
        net = ebp.Network([ebp.layers.Dense(hidden), ebp.layers.Dense(3)], inputs, random_state=0)
        return automatic_step(solver, net, updates)

    assert step(10, 999, 1000) == pytest.approx(step(999, 10, 1000))
    assert step(10, 1999, 1000) == pytest.approx(step(10, 999, 1000) / 2)
    assert step(1, 1, 1000) == step(1, 2, 1000)  # the bound
    assert step(10, 999, 3_200_000) == pytest.approx(step(10, 999, 100_000) / 2)
    assert step(10, 999, None) == step(10, 999, 1_000_000)


@pytest.mark.parametrize("solver", BATCH_SOLVERS)
def test_batch_solvers_refuse_parts_with_the_names_of_the_others(solver):
    with pytest.raises(AttributeError) as raised:
        ebp.MLPClassifier(solver=solver).partial_fit  # noqa: B018
    cause = str(raised.value.__cause__ or raised.value)
    assert all(repr(name) in cause for name in ONLINE_SOLVERS)


@pytest.mark.parametrize("solver", ONLINE_SOLVERS)
def test_copies_and_files_keep_solver_and_centring(solver, tmp_path):
    X, y = data()
    model = ebp.MLPClassifier((5,), solver=solver, center_hidden=True, max_iter=2, random_state=0).fit(X, y)
    model.save(tmp_path / "model.safetensors")
    for copy in (pickle.loads(pickle.dumps(model)), ebp.load(tmp_path / "model.safetensors")):
        assert (copy.solver, copy.solver_, copy.center_hidden) == (solver, solver, True)
        assert np.array_equal(copy.predict(X), model.predict(X))
        copy.partial_fit(X, y)


def test_an_automatic_rate_too_large_for_a_part_is_lowered_at_once():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    X[::60] *= 30  # single samples bend far more than their mean
    y = X[:, 0] + X[:, 1]
    model = ebp.MLPRegressor((), solver="sgd", random_state=0).partial_fit(X, y)
    assert model.loss_ < 10 * np.var(y)
    assert model.t_ == 300
    assert model._rule.learning_rate < 0.3 * 0.5 / model.lambda_max_
    given = clone(model).set_params(learning_rate_init=0.5 / model.lambda_max_).partial_fit(X, y)
    assert not given.loss_ < 1000 * model.loss_


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width", [10, 100])
@pytest.mark.parametrize("solver", [name for name in ONLINE_SOLVERS if name != "rprop"])
def test_streams_of_single_samples_begin_with_a_rate_that_holds(solver, width):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    y = X @ np.arange(5.0)
    model = ebp.MLPRegressor((width,), solver=solver, random_state=0)
    with warnings.catch_warnings():
        if solver in ("adam", "rmsprop", "adagrad"):  # whose first steps are of full length
            warnings.simplefilter("ignore", ConvergenceWarning)
        for row in range(300):
            model.partial_fit(X[row : row + 1], y[row : row + 1])
    assert model.score(X, y) > 0.85
    assert model.eta_ > 1e-4


def faulty_stream(model, fault, n=60):
    """A regression in chunks of 100 rows, the 15th of which has a fault."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100 * n, 5))
    y = np.sin(X[:, 0]) + X[:, 1] / 2
    wrong_X, wrong_y = X.copy(), y.copy()
    fault(wrong_X[1550:1551], wrong_y[1550:1551])
    for part in np.split(np.arange(100 * n), n):
        model.partial_fit(wrong_X[part], wrong_y[part])
    return model.score(X, y)


@pytest.mark.parametrize("value", [1e2, 1e4, 1e6])
def test_an_outlier_spoils_neither_weights_nor_rate(value):
    model = ebp.MLPRegressor((20,), random_state=0)

    def fault(x, y):
        y[:] = value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert faulty_stream(model, fault) > 0.9
    assert model.eta_ == 5e-3
    assert model._rule.learning_rate == 5e-3


def test_rows_that_cannot_be_learnt_cost_nothing_but_themselves():
    model = ebp.MLPRegressor((20,), random_state=0)

    def fault(x, y):
        x[:] = 1e25

    with pytest.warns(ConvergenceWarning, match="diverged at learning rate 0.005"):
        assert faulty_stream(model, fault, 30) > 0.9
    assert (model.t_, model.eta_) == (2900, 5e-3)


def test_murata_needs_no_finite_gradient_to_begin():
    X, y = data()
    model = ebp.MLPClassifier(
        (10,), normalize=None, solver="murata", activation="relu", out_activation="identity", dtype="float32"
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X * 1e25, y)
    assert np.isfinite(model.network_.parameters).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_automatic_rate_of_sgd_takes_weights(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    options = {"solver": "sgd", "dtype": dtype, "max_iter": 3, "random_state": 0}
    model = ebp.MLPClassifier((3,), **options).fit(X, X[:, 0] > 0, rng.uniform(0.5, 2.5, 300))
    assert model.lambda_max_ > 0


def test_weights_of_zero_are_no_samples():
    X, y = data()
    model = ebp.MLPClassifier((5,), random_state=0).partial_fit(X, y, classes=np.unique(y))
    before = model.network_.parameters.copy()
    model.partial_fit(X[:2], y[:2], sample_weight=[0.0, 0.0])
    assert np.array_equal(model.network_.parameters, before)
    assert model.t_ == len(X)
    with pytest.raises(ValueError, match=r"\[MLPClassifier\] some sample must have a positive weight"):
        clone(model).fit(X, y, sample_weight=np.zeros(len(X)))
