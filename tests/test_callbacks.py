"""scikit-learn's callbacks hear of every epoch, see the training data, and may end the training."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import warnings
from contextlib import redirect_stdout

import ebp
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

callback = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")


def table(n=300, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 4))
    return X, X[:, 0] > 0


class Recorder:
    """Notes what it is told; asks for the end after so many epochs."""

    def __init__(self, last=None):
        self.events = []
        self.fitted = []
        self.data = []
        self.last = last

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(("end", context.task_name, context.task_id))
        self.fitted.append(fitted_estimator)
        self.data.append((X, y, metadata))
        return context.parent is not None and context.task_id + 1 == self.last


def epochs(n, unit="epoch"):
    return [(kind, unit, i) for i in range(n) for kind in ("begin", "end")]


def complete(events):
    return [("setup", "fit"), ("begin", "fit", 0), *events, ("end", "fit", 0), ("teardown", "fit")]


def test_every_epoch_is_a_task():
    X, y = table()
    recorder = Recorder()
    model = ebp.MLPClassifier((3,), max_iter=3, tol=0, random_state=0).set_callbacks(recorder).fit(X, y)
    assert recorder.events == complete(epochs(3))
    assert [X is data[0] and y is data[1] and data[2] is None for data in recorder.data] == 4 * [True]
    plain = ebp.MLPClassifier((3,), max_iter=3, tol=0, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.network_.parameters, plain.network_.parameters)


def test_a_copy_of_the_estimator_stays_as_it_was():
    X, y = table()
    recorder = Recorder()
    model = ebp.MLPRegressor((3,), max_iter=3, tol=0, solver="sdlm", random_state=0)
    model.set_callbacks(recorder).fit(X, 1.0 * y, sample_weight=np.ones(len(y)))
    scores = [fitted.score(X, y) for fitted in recorder.fitted]
    assert scores[0] < scores[1] < scores[2] == scores[3] == model.score(X, y)
    assert all(fitted.n_iter_ == i + 1 for i, fitted in enumerate(recorder.fitted[:3]))
    assert list(recorder.data[0][2]) == ["sample_weight"]


def test_the_curves_of_copies_stay_as_they_were():
    X, y = table()
    recorder = Recorder()
    model = ebp.MLPClassifier((3,), max_iter=3, tol=0, early_stopping=True, random_state=0)
    model.set_callbacks(recorder).fit(X, y)
    for name in ("loss_curve_", "validation_loss_curve_", "validation_scores_"):
        curves = [getattr(fitted, name) for fitted in recorder.fitted]
        assert [len(curve) for curve in curves] == [1, 2, 3, 3]
        assert all(curve == curves[-1][: len(curve)] for curve in curves)
        assert curves[-1] == getattr(model, name)


def test_iterations_of_batch_solvers():
    X, _ = table()
    recorder = Recorder()
    model = ebp.MLPRegressor((3,), solver="lm", max_iter=50, random_state=0)
    model.set_callbacks(recorder).fit(X, X[:, 0])
    assert model.n_iter_ < 50
    begun = ("begin", "iteration", model.n_iter_), ("end", "iteration", model.n_iter_)
    assert recorder.events in (
        complete(epochs(model.n_iter_, "iteration")),
        complete([*epochs(model.n_iter_, "iteration"), *begun]),
    )


@pytest.mark.parametrize("solver", ["sdlm", "lm"])
def test_one_that_returns_true_ends_the_training(solver):
    X, _ = table()
    model = ebp.MLPRegressor((3,), solver=solver, max_iter=20, tol=0, random_state=0)
    model.set_callbacks(Recorder(last=2)).fit(X, X[:, 0])
    assert model.n_iter_ == 2


def test_restarts_go_on_counting_and_interrupted_epochs_end():
    X, y = table()
    recorder = Recorder()
    model = ebp.MLPClassifier((3,), solver="sgd", max_iter=2, tol=0, random_state=0)
    too_large = lambda *args: (1000.0, True)  # noqa: E731
    model._start_rate = too_large
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_callbacks(recorder).fit(X, y)
    assert model.eta_ < 1000
    begun = [event for event in recorder.events if event[:2] == ("begin", "epoch")]
    assert [event[2] for event in begun] == list(range(len(begun)))
    assert len(begun) > 2
    assert len(begun) == len([event for event in recorder.events if event[:2] == ("end", "epoch")])


def test_an_error_ends_in_the_teardown():
    recorder = Recorder()
    model = ebp.MLPClassifier().set_callbacks(recorder)
    with pytest.raises(ValueError, match="NaN"):
        model.fit([[np.nan], [0.0]], [0, 1])
    assert recorder.events == [("setup", "fit"), ("begin", "fit", 0), ("teardown", "fit")]
    assert not hasattr(model, "network_")
    model.fit(*table())
    assert recorder.events[-1] == ("teardown", "fit")


def test_scores_after_every_epoch():
    X, y = table()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = ebp.MLPClassifier((3,), max_iter=3, tol=0, random_state=0).set_callbacks(monitor).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == [0, 1, 2]
    assert rows[-1]["accuracy"] == model.score(X, y)


def test_progress_bars_alone_and_inside_others():
    pytest.importorskip("rich")
    X, y = table()
    shown = io.StringIO()
    model = ebp.MLPClassifier((3,), max_iter=2, random_state=0)
    with redirect_stdout(shown), warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(model).set_callbacks(callback.ProgressBar()).fit(X, y)
        pipeline = make_pipeline(ebp.InputNormalizer(), clone(model))
        pipeline.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
        search = GridSearchCV(clone(model), {"hidden_layer_sizes": [(2,), (3,)]}, cv=2)
        search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    text = shown.getvalue()
    for name in ("MLPClassifier - fit", "InputNormalizer - fit", "Pipeline - fit", "GridSearchCV - fit"):
        assert name in text


def test_clones_keep_them_and_copies_can_be_pickled():
    X, y = table()
    model = ebp.MLPClassifier((3,), max_iter=2, random_state=0).set_callbacks(Recorder())
    assert clone(model)._skl_callbacks == model._skl_callbacks
    model.fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    model.set_callbacks()
    assert not hasattr(model, "_skl_callbacks")


def test_a_model_file_leaves_them_out(tmp_path):
    X, y = table()
    model = ebp.MLPClassifier((3,), max_iter=2, random_state=0).set_callbacks(Recorder()).fit(X, y)
    model.save(tmp_path / "model.ebp")
    np.testing.assert_array_equal(ebp.load(tmp_path / "model.ebp").predict(X), model.predict(X))


def test_warnings_name_the_line_that_called_fit():
    X, y = table()
    with pytest.warns(ConvergenceWarning) as caught:
        ebp.MLPClassifier((3,), solver="sgd", learning_rate_init=1e6, random_state=0).fit(X, y)
    assert caught[0].filename == __file__


WITHOUT = """
import sys
import sklearn.pipeline, sklearn.model_selection, sklearn.preprocessing, sklearn.frozen, sklearn.cluster
import sklearn.calibration, sklearn.datasets
sys.modules["sklearn.callback"] = None
import ebp
model = ebp.MLPClassifier((2,), max_iter=2, random_state=0).fit([[0.0], [1.0]], [0, 1])
print(hasattr(model, "set_callbacks"), model.n_iter_)
"""


def test_scikit_learn_without_callbacks():
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT], capture_output=True, text=True)
    assert run.stdout == "False 2\n", run.stderr
