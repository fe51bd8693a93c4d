"""The loop over epochs: stopping, callbacks, interruption, rates, progress."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
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
    with pytest.warns(UserWarning, match="interrupted"):
        model = ebp.MLPClassifier((5,), callbacks=interrupt, random_state=0).fit(X, y)
    assert model.n_iter_ == 2
    assert model.predict(X).shape == y.shape


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
    monkeypatch.setattr("ebp._estimator.automatic_sdlm_rate", lambda network, n_updates: 0.3)
    X, y = IRIS
    epochs = []
    model = ebp.MLPClassifier(random_state=0, callbacks=lambda model, epoch, logs: epochs.append(epoch))
    model.fit(X, y)
    assert epochs.count(0) > 1
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_is_shown(verbose, capfd):
    ebp.MLPClassifier((3,), max_iter=2, verbose=verbose, random_state=0).fit(*IRIS)
    out, err = capfd.readouterr()
    assert ("epoch 2/2" in out) if verbose == 2 else ("loss=" in err and "2/2" in err)


def test_useless_training_warns():
    X, y = blobs()
    with pytest.warns(ConvergenceWarning, match="not below the loss before it"):
        ebp.MLPClassifier((5,), learning_rate_init=50.0, random_state=0).fit(X, y)
