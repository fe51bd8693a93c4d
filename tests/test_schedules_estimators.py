"""Schedules and growing batches as parameters of the estimators: what reaches the engine, and when."""

from __future__ import annotations

import pickle

import ebp
import numpy as np
import pytest
from ebp.sampling import Emphasize
from ebp.schedules import Constant, Exponential, GrowingBatch, InverseTime, Piecewise, Plateau
from sklearn.base import clone
from tables import blobs

# A few epochs on small tables need not reach much.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*training has not reached:sklearn.exceptions.ConvergenceWarning"
)

ESTIMATORS = [ebp.MLPClassifier, ebp.MLPRegressor]
SOLVERS = ["sdlm", "sgd"]
SCHEDULES = [
    InverseTime(40),
    InverseTime(2, unit="epoch"),
    Exponential(1, unit="epoch"),
    Piecewise([2], [1, 0.3], unit="epoch"),
]
# Without what differs between a fit and parts of it: orders, normalisation, the rates of the epochs.
PLAIN = {"sampling": "sequential", "normalize": None, "learning_rate_init": 0.01, "random_state": 0}


def parameters(model):
    return np.array(model.network_.parameters)


def same(one, other):
    return np.array_equal(parameters(one), parameters(other))


def rates_of(model, X, y):
    """Rates at the start of each epoch, relative to the initial one, and the fitted model."""
    rates = []
    model.set_params(callbacks=lambda model, epoch, logs: rates.append(logs["learning_rate"]))
    model.fit(X, y)
    return np.array(rates) / model.eta_


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_rate_comes_from_the_schedule(estimator, solver, schedule):
    X, y = blobs(120)
    model = estimator((5,), solver=solver, learning_rate=schedule, max_iter=5, random_state=0)
    expected = schedule.in_presentations(120)
    np.testing.assert_allclose(rates_of(model, X, y), expected.factors(120 * np.arange(5)))
    if solver == "sgd":
        np.testing.assert_allclose(model.learning_rates_, model.eta_ * expected.factors(599), rtol=1e-6)
    again = clone(model).set_params(callbacks=None).fit(X, y)
    assert same(model, again)
    constant = clone(again).set_params(learning_rate="constant").fit(X, y)
    assert not same(model, constant)
    in_presentations = clone(again).set_params(learning_rate=expected).fit(X, y)
    assert same(model, in_presentations)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_constant_schedule_is_the_constant_rate(solver):
    X, y = blobs(120)
    models = [
        ebp.MLPClassifier((5,), solver=solver, learning_rate=kind, random_state=0).fit(X, y)
        for kind in ("constant", Constant())
    ]
    assert same(*models)


def test_the_engine_sees_the_rate_of_every_presentation():
    """The running mean: a bias alone, at the rate 1 / t over two epochs."""
    X = np.zeros((50, 1))
    y = np.random.default_rng(0).normal(size=50)
    model = ebp.MLPRegressor((), solver="sgd", learning_rate=InverseTime(), max_iter=2, dtype="float64")
    model.set_params(**{**PLAIN, "learning_rate_init": 1.0}).fit(X, y)
    np.testing.assert_allclose(model.predict(X[:1]), y.mean(), rtol=1e-12)


# ---- the plateau --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["adaptive", Plateau(factor=0.5, patience=1, tol=1e-3)], ids=str)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_plateau_watches_the_validation_loss_where_there_is_one(kind, early_stopping):
    X, y = blobs(300)
    model = ebp.MLPClassifier(
        (5,),
        learning_rate=kind,
        tol=1e-3,
        n_iter_no_change=30,
        max_iter=30,
        early_stopping=early_stopping,
        random_state=0,
    )
    rates = rates_of(model, X, y)
    plateau = Plateau(tol=1e-3) if kind == "adaptive" else kind
    observed = model.validation_loss_curve_ if early_stopping else model.loss_curve_
    expected = [plateau.factor_after(observed[:epoch]) for epoch in range(30)]
    np.testing.assert_allclose(rates, expected)
    assert rates[-1] < 1
    other = [plateau.factor_after(model.loss_curve_[:epoch]) for epoch in range(30)]
    assert (expected != other) == early_stopping


# ---- growing batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_batches_of_constant_size(estimator, solver):
    X, y = blobs(120)
    models = [
        estimator((5,), solver=solver, batch_size=size, max_iter=4, random_state=0).fit(X, y)
        for size in (8, GrowingBatch(Constant(), first=8), 10)
    ]
    assert same(*models[:2])
    assert not same(*models[1:])


def test_batches_grow_over_the_epochs(monkeypatch):
    X, y = blobs(100)
    calls, train = [], ebp.Network.train_online

    def spy(network, X, T, rule, **options):
        calls.append(options["batch_size"].sizes(rule.n_presented, 100))
        return train(network, X, T, rule, **options)

    monkeypatch.setattr(ebp.Network, "train_online", spy)
    model = ebp.MLPClassifier((5,), batch_size=GrowingBatch(first=2), max_iter=4, random_state=0).fit(X, y)
    assert [sizes[0] for sizes in calls] == [2, 4, 6, 8]
    growing = GrowingBatch(InverseTime(100), first=2)
    for epoch, sizes in enumerate(calls):
        np.testing.assert_array_equal(sizes, growing.sizes(100 * epoch, 100))
    steps = GrowingBatch(Piecewise([2], [1, 0.5], unit="epoch"), first=4)
    other = clone(model).set_params(batch_size=steps).fit(X, y)
    assert [(sizes[0], sizes[-2]) for sizes in calls[4:]] == [(4, 4), (4, 4), (8, 8), (8, 8)]
    assert not same(model, other)


@pytest.mark.parametrize("first", [1, 16])
def test_an_automatic_rate_counts_the_updates_of_growing_batches(first):
    X, y = blobs(100)
    model = ebp.MLPClassifier((5,), max_iter=30, random_state=0)
    model.set_params(batch_size=GrowingBatch(first=first, largest=64)).fit(X, y)
    growing = GrowingBatch(InverseTime(100), first=first, largest=64)
    exact = sum(len(growing.sizes(100 * epoch, 100)) for epoch in range(30))

    class Data:
        n_presentations = 100

    assert model._updates(Data, 30) == pytest.approx(exact, rel=0.15)


# ---- going on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"learning_rate": InverseTime(30)}, {"batch_size": GrowingBatch()}])
@pytest.mark.parametrize("copied", [False, True])
def test_partial_fit_goes_on_counting(changes, copied):
    X, y = blobs(80)
    model = ebp.MLPRegressor((4,), solver="sgd", max_iter=3, **PLAIN)
    assert model.learning_rate == "auto"
    model.set_params(learning_rate="constant").set_params(**changes)
    y = np.asarray(y, float)
    whole = clone(model).fit(X, y)
    fitted = clone(model).set_params(max_iter=1).fit(X, y)
    stream = clone(model).partial_fit(X, y)
    for part in (fitted, stream):
        for _ in range(3 - part.t_ // 80):
            part = pickle.loads(pickle.dumps(part)) if copied else part
            part.partial_fit(X, y)
        np.testing.assert_array_equal(parameters(part), parameters(whole))
        assert part.t_ == 240


def test_a_schedule_goes_on_after_a_warm_start():
    X, y = blobs(80)
    model = ebp.MLPClassifier(
        (4,), learning_rate=InverseTime(80), warm_start=True, max_iter=2, random_state=0
    )
    np.testing.assert_allclose(rates_of(model, X, y), [1, 1 / 2])
    np.testing.assert_allclose(rates_of(model, X, y), [1 / 3, 1 / 4])
    np.testing.assert_allclose(rates_of(model.set_params(warm_start=False), X, y), [1, 1 / 2])


def test_a_restart_begins_the_schedule_anew(monkeypatch):
    monkeypatch.setattr("ebp._solvers.automatic_sdlm_rate", lambda network, n_updates: 2.0)
    X, y = blobs(80)
    log = []
    model = ebp.MLPClassifier((4,), learning_rate=InverseTime(80), max_iter=3, random_state=0)
    model.set_params(callbacks=lambda model, epoch, logs: log.append((epoch, logs["learning_rate"])))
    model.fit(X, y)
    assert model.eta_ < 2.0
    np.testing.assert_allclose([rate / model.eta_ for _, rate in log[-3:]], [1, 1 / 2, 1 / 3])


def test_another_schedule_between_parts_takes_effect():
    X, y = blobs(80)
    model = ebp.MLPClassifier((4,), solver="sgd", learning_rate=InverseTime(80), **PLAIN)
    model.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_allclose(model.learning_rates_, 0.01 * InverseTime(80).factors(79), rtol=1e-6)
    model.set_params(learning_rate=InverseTime(8)).partial_fit(X, y)
    np.testing.assert_allclose(model.learning_rates_, 0.01 * InverseTime(8).factors(159), rtol=1e-6)
    model.set_params(learning_rate="constant").partial_fit(X, y)
    np.testing.assert_allclose(model.learning_rates_, 0.01, rtol=1e-6)


# ---- parameters as objects ----------------------------------------------------------------------------

OBJECTS = [
    {"learning_rate": schedule, "batch_size": batch, "sampling": sampling}
    for schedule, batch, sampling in [
        (InverseTime(3, unit="epoch"), GrowingBatch(), Emphasize()),
        (Exponential(50, floor=0.1), GrowingBatch(Exponential(100), first=2, largest=9), Emphasize(0.5, 2.0)),
        (Piecewise([20, 50], [1, 2, 0.1]), GrowingBatch(Piecewise([9], [1, 0.5])), Emphasize(corrected=True)),
        (Plateau(factor=0.5, floor=0.01), 3, "emphasize"),
        (Constant(), GrowingBatch(Constant(), first=4), "shuffle"),
    ]
]


@pytest.mark.parametrize("objects", OBJECTS, ids=str)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_files_copies_and_pickles_keep_the_objects(estimator, objects, tmp_path):
    X, y = blobs(60)
    model = estimator((3,), max_iter=2, random_state=0, **objects).fit(X, y).partial_fit(X, y)
    model.save(tmp_path / "model.safetensors")
    copies = [ebp.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))]
    for other in copies:
        for name, value in objects.items():
            assert getattr(other, name) == value
            assert type(getattr(other, name)) is type(value)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        other.partial_fit(X, y)
        assert other.t_ == 240
    assert same(*copies)
    fresh = clone(model)
    assert {name: fresh.get_params()[name] for name in objects} == objects
    assert same(fresh.fit(X, y), estimator((3,), max_iter=2, random_state=0, **objects).fit(X, y))
