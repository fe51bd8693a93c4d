"""The estimators' batch solvers: gd, cg, bfgs, lbfgs, newton, gauss_newton, lm, and solver="auto"."""

import os
import pickle
import signal
import threading
import time
import warnings

import ebp
import numpy as np
import pytest
from ebp.layers import Dense
from sklearn.exceptions import ConvergenceWarning
from tables import blobs

SEARCHES = ("cg", "bfgs", "lbfgs", "newton", "gauss_newton", "lm")
BATCH = ("gd", *SEARCHES)
QUIET = pytest.mark.filterwarnings("ignore:.*ended before:sklearn.exceptions.ConvergenceWarning")


def curve(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    return X, np.sin(3 * X[:, 0]) + X[:, 1] + 0.05 * rng.standard_normal(n)


def regressor(solver, **options):
    return ebp.MLPRegressor((5,), **{"solver": solver, "random_state": 0, **options})


def classifier(solver, **options):
    return ebp.MLPClassifier((5,), **{"solver": solver, "random_state": 0, **options})


def initial_weights(model, X, y):
    """The weights that `fit` of a new estimator starts from."""
    model._rng = np.random.default_rng(np.random.RandomState(model.random_state).randint(2**31 - 1))
    model._prepare(X, y, None, warm=False)
    return model.network_.parameters.copy()


@QUIET
@pytest.mark.parametrize("solver", SEARCHES)
def test_regression(solver):
    X, y = curve()
    model = regressor(solver, max_iter=200).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.solver_ == solver
    assert model.n_iter_ == len(model.loss_curve_) <= 200
    assert model.loss_ == model.loss_curve_[-1]
    assert (np.diff(model.loss_curve_) <= 1e-6).all()
    assert model.t_ == len(X) * model.n_iter_
    assert model.learning_rates_ is None
    assert model.eta_ is None
    assert model.lambda_max_ is None


@QUIET
@pytest.mark.parametrize("solver", BATCH)
def test_classification(solver):
    X, y = blobs()
    model = classifier(solver, max_iter=100).fit(X, y)
    assert model.score(X, y) > 0.9


@QUIET
@pytest.mark.parametrize("solver", BATCH)
@pytest.mark.parametrize("make", [ebp.NetworkClassifier, ebp.NetworkRegressor])
def test_estimators_of_any_layers(make, solver):
    X, y = blobs()
    model = make([Dense(6)], solver=solver, max_iter=5, random_state=0).fit(X, y)
    assert model.n_iter_ == 5
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize("solver", ["cg", "bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_other_losses(solver, loss):
    X, y = blobs()
    model = classifier(solver, loss=loss, alpha=1e-3, max_iter=500).fit(X, y)
    assert model.score(X, y) > 0.9


@QUIET
def test_the_weights_are_those_of_fit():
    """The estimator adds normalisation and nothing else."""
    X, y = curve()
    model = regressor("lm", dtype="float64", alpha=0.01, max_iter=7).fit(X, y)
    shift, factor = model._transform()
    start = initial_weights(regressor("lm", dtype="float64"), X, y)
    net = ebp.Network(model.network_.layers, 2, dtype="float64", weight_init=start)
    T = model._code(y, None)
    result = ebp.optimize.fit(net, (X - shift) * factor, T, "lm", weight_decay=0.01, max_iter=7)
    np.testing.assert_allclose(net.parameters, model.network_.parameters, rtol=1e-9)
    assert model.loss_ == pytest.approx(net.loss((X - shift) * factor, T), rel=1e-9)
    assert model.loss_ < 0.999 * result.fun  # which has the penalty


@QUIET
@pytest.mark.parametrize("solver", BATCH)
def test_weight_decay_shrinks_the_weights(solver):
    X, y = curve()
    plain, pulled = (regressor(solver, alpha=alpha, max_iter=60).fit(X, y) for alpha in (0.0, 0.5))
    assert np.abs(pulled.coefs_[0]).sum() < 0.8 * np.abs(plain.coefs_[0]).sum()


@QUIET
@pytest.mark.parametrize("solver", BATCH)
def test_sample_weights_count_like_repetitions(solver):
    X, y = curve(60)
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    counts[:2] = 1
    options = {"dtype": "float64", "max_iter": 2}
    weighted = regressor(solver, **options).fit(X, y, sample_weight=counts)
    rows = np.repeat(np.arange(len(X)), counts)
    repeated = regressor(solver, **options).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-5, atol=1e-6)
    assert weighted.t_ == repeated.t_ == counts.sum() * 2


@QUIET
@pytest.mark.parametrize("solver", BATCH)
def test_early_stopping(solver):
    X, y = curve()
    seen = []
    model = regressor(solver, early_stopping=True, max_iter=30, n_iter_no_change=30)
    model.set_params(callbacks=lambda model, epoch, logs: seen.append(model.network_.parameters.copy()))
    model.fit(X, y)
    scores = np.array(model.validation_scores_)
    assert len(scores) == len(model.validation_loss_curve_) == model.n_iter_ == len(seen)
    matching = [k for k, weights in enumerate(seen) if np.array_equal(weights, model.network_.parameters)]
    assert scores[matching].max() == pytest.approx(scores.max(), abs=1e-4)
    assert model.t_ == model.n_iter_ * (len(X) - round(0.1 * len(X)))


@QUIET
@pytest.mark.parametrize("solver", BATCH)
def test_callbacks_see_logs_and_may_stop(solver):
    X, y = curve()
    logs = []

    def stop_at_third(model, epoch, log):
        assert np.isfinite(model.predict(X)).all()
        assert len(model.loss_curve_) == epoch + 1
        logs.append(log)
        return epoch == 2

    model = regressor(solver, callbacks=[stop_at_third, lambda *_: None]).fit(X, y)
    assert model.n_iter_ == len(logs) == 3
    assert [log["loss"] for log in logs] == model.loss_curve_
    rate = {"learning_rate"} if solver == "gd" else set()
    assert set(logs[0]) == {"loss", "seconds", "samples_per_second"} | rate


@pytest.mark.parametrize("solver", BATCH)
def test_what_a_callback_raises_passes(solver):
    def fail(model, epoch, logs):
        if epoch == 1:
            raise RuntimeError("mine")

    X, y = curve()
    model = regressor(solver, callbacks=fail)
    with pytest.raises(RuntimeError, match="mine"):
        model.fit(X, y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("solver", BATCH)
def test_a_real_interrupt_leaves_a_usable_estimator(solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10_000, 30)).astype(np.float32)
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    def start_timer(model, epoch, logs):
        if epoch == 0:
            threading.Timer(0.1, interrupt).start()

    options = {"max_iter": 100_000, "tol": 0.0, "n_iter_no_change": 100_000, "callbacks": start_timer}
    model = ebp.MLPRegressor((8,), solver=solver, random_state=0, **options)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(UserWarning, match="training was interrupted"):
            model.fit(X, y)
        delay = time.perf_counter() - sent[0]
    finally:
        signal.signal(signal.SIGINT, handler)
    assert delay < 0.5
    assert model.n_iter_ == len(model.loss_curve_) >= 1
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("solver", BATCH)
def test_iterations_that_do_not_suffice_are_warned_of(solver):
    X, y = curve()
    with pytest.warns(ConvergenceWarning, match=r"\[MLPRegressor\] the iterations ended before"):
        model = regressor(solver, max_iter=3).fit(X, y)
    assert model.n_iter_ == 3


@pytest.mark.parametrize("solver", SEARCHES)
def test_convergence_ends_fit_without_a_warning(solver):
    X, y = curve()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = regressor(solver, max_iter=2000, tol=1e-3).fit(X, y)
    assert model.n_iter_ < 2000


@QUIET
@pytest.mark.parametrize("solver", SEARCHES)
def test_warm_start_goes_on(solver):
    X, y = curve()
    model = regressor(solver, max_iter=3, warm_start=True, dtype="float64").fit(X, y)
    first = model.loss_
    model.fit(X, y)
    assert model.loss_ < first
    assert model.n_iter_ == 3


@QUIET
def test_a_change_of_solver_with_warm_start():
    X, y = curve()
    model = ebp.MLPRegressor((5,), warm_start=True, random_state=0).fit(X, y)
    assert model.solver_ == "sdlm"
    assert model.eta_ > 0
    online = model.loss_
    model.set_params(solver="lm").fit(X, y)
    assert model.loss_ < online
    assert model.eta_ is None
    model.set_params(solver="sdlm").partial_fit(X, y)
    assert model.eta_ > 0
    assert model.score(X, y) > 0.9


def test_gradient_descent_takes_one_step_an_epoch():
    """(10) with the rate 1 / lambda_max, done by hand."""
    X, y = curve()
    model = regressor("gd", dtype="float64", max_iter=1, tol=0.0)
    initial = initial_weights(regressor("gd", dtype="float64"), X, y)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert model.eta_ == 1 / model.lambda_max_
    assert np.allclose(model.learning_rates_, model.eta_)
    shift, factor = model._transform()
    net = ebp.Network(model.network_.layers, 2, dtype="float64", weight_init=initial)
    net.parameters[:] -= model.eta_ * net.gradient((X - shift) * factor, model._code(y, None))
    np.testing.assert_allclose(model.network_.parameters, net.parameters, rtol=1e-9, atol=1e-12)


def test_eta_is_the_rate_that_was_chosen():
    X, y = curve()
    assert (
        ebp.MLPRegressor((5,), solver="sgd", learning_rate_init=0.01, random_state=0).fit(X, y).eta_ == 0.01
    )
    model = regressor("sgd").fit(X, y)
    assert model.eta_ == pytest.approx(0.5 / model.lambda_max_)
    model = regressor("sdlm")
    assert model.partial_fit(X, y).eta_ > 0


@QUIET
@pytest.mark.parametrize(
    ("model", "data", "solver"),
    [
        (ebp.MLPRegressor((5,)), curve(300), "lm"),
        (ebp.NetworkRegressor([Dense(5)]), curve(300), "lm"),
        (ebp.MLPRegressor((5,)), curve(60), "sdlm"),
        (ebp.MLPRegressor((200,)), curve(300), "sdlm"),
        (ebp.MLPRegressor((5,), loss="huber"), curve(300), "sdlm"),
        (ebp.MLPClassifier((5,)), blobs(), "sdlm"),
    ],
)
def test_auto_chooses_by_the_problem(model, data, solver, capsys):
    model.set_params(solver="auto", verbose=2, max_iter=2, random_state=0).fit(*data)
    assert model.solver_ == solver
    assert model.solver == "auto"
    assert f"[{type(model).__name__}] solver {solver}\n" in capsys.readouterr().out


def test_auto_learns_streams_by_sdlm():
    X, y = curve(300)
    model = ebp.MLPRegressor((5,), solver="auto", random_state=0).partial_fit(X, y)
    assert model.solver_ == "sdlm"


@QUIET
@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_is_in_iterations(verbose, capsys):
    X, y = curve()
    regressor("lm", verbose=verbose, max_iter=2).fit(X, y)
    captured = capsys.readouterr()
    if verbose == 1:
        assert "2/2" in captured.err
        assert "iteration" in captured.err
    else:
        assert "iteration 2/2  loss " in captured.out


@QUIET
def test_pickles_and_model_files_keep_the_new_attributes(tmp_path):
    X, y = curve()
    for solver in ("lm", "gd"):
        model = regressor(solver, max_iter=3).fit(X, y)
        model.save(tmp_path / "model")
        for copy in (pickle.loads(pickle.dumps(model)), ebp.load(tmp_path / "model")):
            assert (copy.solver_, copy.eta_) == (model.solver_, model.eta_)
            assert (copy.predict(X) == model.predict(X)).all()


@pytest.mark.parametrize("solver", BATCH)
def test_streams_need_an_online_solver(solver):
    X, y = curve()
    model = regressor(solver)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as raised:
        model.partial_fit(X, y)
    assert "[MLPRegressor.partial_fit] solver must be one of 'auto', 'sdlm', " in str(raised.value.__cause__)
    assert not hasattr(model, "network_")
    with pytest.raises(AttributeError, match="partial_fit"):
        classifier(solver).partial_fit(*blobs(), classes=[0, 1, 2])
    assert hasattr(model.set_params(solver="sdlm"), "partial_fit")


@pytest.mark.parametrize("solver", ["lm", "gauss_newton"])
def test_sums_of_squares_need_the_squared_error(solver):
    for model, data in (
        (regressor(solver, loss="huber"), curve()),
        (classifier(solver, loss="hinge"), blobs()),
    ):
        with pytest.raises(ValueError, match=f"loss must be 'squared_error' with solver='{solver}'; got '"):
            model.fit(*data)
        assert not hasattr(model, "network_")


def test_matrices_that_do_not_fit():
    rng = np.random.default_rng(0)
    model = ebp.MLPRegressor((1000,), solver="bfgs")
    with pytest.raises(MemoryError, match=r"\[MLPRegressor\] .* 'lbfgs'|method='bfgs' must fit into"):
        model.fit(rng.standard_normal((4, 1000)), np.arange(4.0))
    assert not hasattr(model, "network_")


def test_an_unknown_solver():
    with pytest.raises(
        ValueError, match=r"\[MLPRegressor\] solver must be one of 'auto', 'sdlm', .*'lm'; got 'x'"
    ):
        regressor("x").fit(*curve())
