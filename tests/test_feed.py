"""Rows that a thread makes ready while others are trained on: how many at a time, and how the thread ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import ebp
import numpy as np
import pytest
from ebp import _feed
from ebp._blocks import Ahead
from ebp.schedules import GrowingBatch, InverseTime
from ebp.streams import Chunks
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning


def table(n=1500, width=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, width)) * (rng.random((n, width)) < 0.2)
    return X, X[:, :3].sum(axis=1) > 0


# ---- rows in memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"solver": "adam"}, 162),
        ({"solver": "adam", "batch_size": 100}, 261),
        ({"solver": "sdlm"}, 500),
        ({"solver": "sgd", "engine": "streaming"}, 162),
        ({"solver": "sgd", "engine": "blocked"}, 161 + 192),
        ({"solver": "sgd", "engine": "blocked", "n_threads": 2}, 161 + 384),
        ({"solver": "sgd", "engine": "blocked", "batch_size": 2}, 163),
    ],
    ids=str,
)
def test_the_ring_holds_no_more_wide_rows_than_the_core_looks_at(options, rows, monkeypatch):
    """Turns of ten rows, and 400,000 weights, so that the core passes 160 between two callbacks."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((700, 2000), density=0.01, format="csr", rng=rng, dtype=np.float32)
    y = np.arange(700) % 2
    monkeypatch.setattr(_feed, "TURN_BYTES", 10 * 2000 * 4)
    sizes, init = [], _feed.Feed.__init__

    def note(self, *args):
        init(self, *args)
        sizes.append(len(self._X))

    monkeypatch.setattr(_feed.Feed, "__init__", note)
    options = {"max_iter": 1, "random_state": 0, "learning_rate_init": 1e-6, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model, dense = (ebp.MLPClassifier((200,), **options).fit(one, y) for one in (X, X.toarray()))
    assert rows < sizes[-1] <= rows + 30
    np.testing.assert_array_equal(model.network_.parameters, dense.network_.parameters)


def test_the_ring_holds_no_more_rows_than_there_are():
    network = ebp.Network([ebp.layers.Dense(1)], 2)
    options = ebp.MLPClassifier()
    for rule in (ebp.rules.SDLM(), ebp.rules.Adam(0.1)):
        assert _feed.reach_of(network, rule, options, 1, 70).rows == 70
        assert _feed.reach_of(network, rule, options, 10**9, 70).rows == 70


@pytest.mark.parametrize("batch_size", [7, 1000, GrowingBatch(InverseTime(200), largest=90)], ids=str)
@pytest.mark.parametrize("most", [1, 400])
def test_no_batch_is_divided_where_a_long_epoch_is_several_calls(batch_size, most, monkeypatch):
    X, y = table()
    options = {"solver": "sgd", "batch_size": batch_size, "learning_rate_init": 0.05, "max_iter": 2, "tol": 0}
    models = [ebp.MLPClassifier((5,), random_state=0, **options) for _ in range(2)]
    monkeypatch.setattr(_feed, "TURN_BYTES", 70 * 12 * 4)
    monkeypatch.setattr(_feed, "MOST_PRESENTATIONS", most)
    calls, train = [], _feed.Feed.train
    monkeypatch.setattr(_feed.Feed, "train", lambda self, n, *rest: calls.append(n) or train(self, n, *rest))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model, rows in zip(models, (X, sparse.csr_array(X)), strict=True):
            model.fit(rows, y)
    assert len(calls) > 2
    np.testing.assert_array_equal(models[0].network_.parameters, models[1].network_.parameters)


# ---- the thread ---------------------------------------------------------------------------------------


def test_items_are_made_one_ahead():
    made = []

    def items():
        for k in range(4):
            made.append(k)
            yield k

    with Ahead(items()) as found:
        for k in found:
            time.sleep(0.02)
            assert made == list(range(min(4, k + 2)))
        assert list(found) == []


def test_errors_of_the_thread_are_raised_by_who_takes_the_items():
    def items():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"), Ahead(items()) as found:
        for _ in found:
            pass
    assert list(found) == []


def test_the_end_waits_for_the_item_that_is_being_made_and_the_thread_closes_the_source():
    threads, ended = [], []

    def items():
        threads.append(threading.get_ident())
        try:
            yield 1
            time.sleep(0.1)
            ended.append(True)
            yield 2
            raise AssertionError("nobody has asked for more")
        finally:
            threads.append(threading.get_ident())

    with Ahead(items()) as found:
        assert next(found) == 1
    assert ended
    assert len(set(threads)) == 1 != len(threads)
    assert threads[0] != threading.get_ident()


def blocking(X, y, quiet, gate):
    """A stream whose source, after `quiet` passes, is interrupted by Ctrl-C and then waits."""
    passes = []

    def chunks():
        passes.append(1)
        yield X[:1000], y[:1000]
        if len(passes) > quiet:
            os.kill(os.getpid(), signal.SIGINT)
            gate.wait(60)
        yield X[1000:], y[1000:]

    return Chunks(chunks)


@pytest.fixture
def gate():
    """What the source waits for; opened in the end, so that its thread ends."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_an_interrupt_does_not_wait_for_the_source(gate):
    X, y = table()
    model = ebp.MLPClassifier((5,), tol=0, random_state=0)
    started = time.perf_counter()
    with pytest.warns(UserWarning, match="training was interrupted"):
        model.fit(blocking(X, y, 3, gate))
    assert time.perf_counter() - started < 10
    assert model.n_iter_ == 2
    assert model.score(X, y) > 0.6


def test_an_interrupted_first_partial_fit_leaves_nothing_behind(gate):
    X, y = table()
    model = ebp.MLPClassifier((5,), random_state=0)
    before, started = dict(vars(model)), time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(blocking(X, y, 0, gate), classes=[False, True])
    assert time.perf_counter() - started < 10
    assert vars(model) == before


ENDLESS = """
import os, signal, threading, ebp, numpy as np
def chunks():
    yield np.eye(200, dtype=np.float32), np.arange(200) % 2
    if threading.current_thread() is not threading.main_thread():
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()
try:
    ebp.MLPClassifier((2,), random_state=0).partial_fit(ebp.streams.Chunks(chunks), classes=[0, 1])
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_source_that_never_answers_does_not_keep_the_program_from_ending():
    run = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "interrupted\n"), run.stderr
