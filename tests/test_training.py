"""The loop over epochs: stopping, callbacks, interruption, rates, progress."""

from __future__ import annotations

import os
import signal
import threading
import time

import ebp
import numpy as np
import pytest
from ebp._rates import automatic_sdlm_rate
from ebp._training import InterruptedTraining
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from tables import CANCER, IRIS, blobs


def test_early_stopping_keeps_the_best_network():
    X, y = CANCER
    model = ebp.MLPClassifier((30,), early_stopping=True, max_iter=40, random_state=0).fit(X, y)
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_
    held_out = model.t_ / model.n_iter_
    assert held_out == len(X) - round(0.1 * len(X))
    assert model.score(X, y) > 0.95


def test_early_stopping_restores_weights():
    X, y = CANCER
    seen = []
    model = ebp.MLPClassifier(
        (5,), early_stopping=True, learning_rate_init=0.02, max_iter=15, n_iter_no_change=15, random_state=0
    )
    model.set_params(callbacks=lambda model, epoch, logs: seen.append(model.network_.parameters.copy()))
    model.fit(X, y)
    scores = np.array(model.validation_scores_)
    matching = [k for k, weights in enumerate(seen) if np.array_equal(weights, model.network_.parameters)]
    assert scores[matching].max() == scores.max()


def test_stops_when_the_loss_no_longer_improves():
    X, y = blobs()
    model = ebp.MLPClassifier((5,), tol=10.0, n_iter_no_change=3, random_state=0).fit(X, y)
    assert model.n_iter_ == 4


def test_callbacks_see_logs_and_may_stop():
    X, y = blobs()
    logs = []

    def stop_at_third(model, epoch, log):
        assert model.predict(X).shape == y.shape
        logs.append(log)
        return epoch == 2

    model = ebp.MLPClassifier((5,), callbacks=[stop_at_third, lambda *_: None], random_state=0).fit(X, y)
    assert model.n_iter_ == len(logs) == 3
    assert [log["loss"] for log in logs] == model.loss_curve_
    assert set(logs[0]) == {"loss", "learning_rate", "seconds", "samples_per_second"}
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)


def test_ctrl_c_leaves_a_usable_estimator():
    def interrupt(model, epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    X, y = blobs()
    with pytest.warns(InterruptedTraining, match=r"\[MLPClassifier\] training was interrupted"):
        model = ebp.MLPClassifier((5,), callbacks=interrupt, random_state=0).fit(X, y)
    assert model.n_iter_ == 2
    assert model.predict(X).shape == y.shape


def test_a_real_interrupt_ends_fit_at_once():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 100)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    def start_timer(model, epoch, logs):
        if epoch == 0:
            threading.Timer(0.1, interrupt).start()

    model = ebp.MLPClassifier((100,), max_iter=10_000, tol=0.0, n_iter_no_change=10_000, random_state=0)
    # a test runner in the background inherits a handler that ignores the signal
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(InterruptedTraining, match="training was interrupted"):
            model.set_params(callbacks=start_timer).fit(X, y)
        delay = time.perf_counter() - sent[0]
    finally:
        signal.signal(signal.SIGINT, handler)
    assert delay < 0.5
    assert len(model.loss_curve_) == model.n_iter_ >= 1
    assert model.score(X, y) > 0.9
    model.set_params(callbacks=None).partial_fit(X[:100], y[:100])


@pytest.mark.parametrize("answer", [True, np.True_, 1, "stop"])
def test_any_true_answer_of_a_callback_stops(answer):
    model = ebp.MLPClassifier((5,), callbacks=lambda *_: answer, random_state=0).fit(*blobs())
    assert model.n_iter_ == 1


@pytest.mark.parametrize("answer", [False, None, 0, np.False_])
def test_other_answers_of_a_callback_do_not(answer):
    model = ebp.MLPClassifier((5,), callbacks=lambda *_: answer, max_iter=3, random_state=0).fit(*blobs())
    assert model.n_iter_ == 3


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("auto", [1, 0.05 + 0.95 * 2 / 3, 0.05 + 0.95 / 3, 0.05]),
        ("constant", [1, 1, 1, 1]),
        ("invscaling", [1, 2**-0.5, 3**-0.5, 0.5]),
        ("adaptive", [1, 1, 1, 0.2]),
    ],
)
def test_course_of_the_learning_rate(kind, expected):
    rates = []
    model = ebp.MLPClassifier(
        (5,), learning_rate=kind, learning_rate_init=1e-3, max_iter=4, tol=10.0, random_state=0
    )
    model.set_params(callbacks=lambda model, epoch, logs: rates.append(logs["learning_rate"]))
    model.fit(*blobs())
    np.testing.assert_allclose(np.array(rates) / 1e-3, expected)


def test_effective_rates_and_eigenvalue():
    X, y = blobs()
    sgd = ebp.MLPClassifier((5,), solver="sgd", random_state=0).fit(X, y)
    assert sgd.lambda_max_ > 0
    np.testing.assert_allclose(sgd.learning_rates_, 0.05 * 0.5 / sgd.lambda_max_, rtol=1e-6)
    sdlm = ebp.MLPClassifier((5,), random_state=0).fit(X, y)
    assert sdlm.lambda_max_ is None
    assert sdlm.learning_rates_.shape == (sdlm.network_.n_parameters,)
    assert sdlm.learning_rates_.std() > 0


def test_automatic_rate_restarts_when_too_large(monkeypatch):
    monkeypatch.setattr("ebp._solvers.automatic_sdlm_rate", lambda network, n_updates: 0.3)
    X, y = IRIS
    epochs = []
    model = ebp.MLPClassifier(random_state=0, callbacks=lambda model, epoch, logs: epochs.append(epoch))
    model.fit(X, y)
    assert epochs.count(0) > 1
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("options", [{"batch_size": 300}, {"batch_size": 10**6}, {"max_iter": 1}])
def test_slow_training_is_no_reason_for_a_smaller_rate(options):
    X, y = load_digits(return_X_y=True)
    rows = slice(0, 15 if "max_iter" in options else 300)
    epochs = []
    model = ebp.MLPClassifier(
        (20,), random_state=0, callbacks=lambda model, epoch, logs: epochs.append(epoch)
    )
    with pytest.warns(ConvergenceWarning, match="not reached the loss of constant outputs.* more epochs"):
        model.set_params(**options).fit(X[rows], y[rows])
    assert epochs.count(0) == 1
    assert model.learning_rates_.max() > 1e-4


def test_targets_that_inputs_do_not_tell_are_no_reason_for_a_smaller_rate():
    rng = np.random.default_rng(0)
    epochs = []
    model = ebp.MLPRegressor((5,), random_state=0, callbacks=lambda model, epoch, logs: epochs.append(epoch))
    model.fit(np.zeros((1000, 2)), rng.normal(size=1000))
    assert epochs.count(0) == 1


def test_an_automatic_rate_counts_started_updates():
    net = ebp.Network([ebp.layers.Dense(100), ebp.layers.Dense(10)], 64, random_state=0)
    assert automatic_sdlm_rate(net, 0) == automatic_sdlm_rate(net, 1) == automatic_sdlm_rate(net, 100_000)
    assert automatic_sdlm_rate(net, None) == automatic_sdlm_rate(net, 1_000_000) < automatic_sdlm_rate(net, 0)


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_is_shown(verbose, capfd):
    ebp.MLPClassifier((3,), max_iter=2, verbose=verbose, random_state=0).fit(*IRIS)
    out, err = capfd.readouterr()
    assert ("epoch 2/2" in out) if verbose == 2 else ("loss=" in err and "2/2" in err)


def test_useless_training_warns():
    X, y = blobs()
    with pytest.warns(ConvergenceWarning, match="not below the loss before it"):
        ebp.MLPClassifier((5,), learning_rate_init=50.0, random_state=0).fit(X, y)
