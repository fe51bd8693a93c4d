"""`score` on streams: what it is on the same samples in arrays."""

from __future__ import annotations

import math

import ebp
import numpy as np
import pytest
from ebp.streams import Arrays, Chunks
from limited import peak_of
from scipy import sparse
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning

N = 700


@pytest.fixture
def inputs(rng):
    return rng.normal(size=(N, 3))


def fitted(X, y):
    kind = ebp.MLPRegressor if np.asarray(y).dtype.kind == "f" else ebp.MLPClassifier
    return kind((4,), max_iter=3, random_state=0).fit(X, y)


def labels(X):
    return np.where(X[:, 0] > 0.3, "high", "low")


def label_sets(X):
    return (X[:, :2] > 0).astype(int)


def value(X):
    return 1e6 + np.tanh(X[:, 0]) + X[:, 1]


def values(X):
    return np.stack([X[:, 0] * X[:, 1], X[:, 2], np.full(len(X), 3.0)], axis=1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", [labels, label_sets, value, values])
def test_a_stream_has_the_score_of_its_arrays(inputs, rng, target, weighted):
    y = target(inputs)
    weights = rng.integers(0, 3, size=N).astype(float) if weighted else None
    if weighted:
        weights[90:180] = 0  # a chunk that does not count
    model = fitted(inputs, y)
    expected = model.score(inputs, y, sample_weight=weights)
    assert expected < 1  # not what any model would have
    score = model.score(Arrays(inputs, y, weights, chunk_size=90))
    assert isinstance(score, float)
    assert score == pytest.approx(expected, rel=1e-9)


def test_constant_values_count_as_with_arrays(inputs):
    y = np.stack([np.full(N, 3.0), inputs[:, 0]], axis=1)
    model = fitted(inputs, y)
    y[:, 0] = 4.0  # constant, and never predicted: 0 of it
    expected = model.score(inputs, y)
    assert expected < 0.5
    assert model.score(Arrays(inputs, y, chunk_size=90)) == pytest.approx(expected, rel=1e-9)


def test_sparse_chunks_of_a_generator_are_scored_once(inputs):
    y = labels(inputs)
    model = fitted(inputs, y)
    pieces = ((sparse.csr_array(inputs[k : k + 50]), y[k : k + 50]) for k in range(0, N, 50))
    assert model.score(Chunks(pieces)) == model.score(inputs, y)


def test_scoring_takes_the_memory_of_a_chunk(inputs):
    y = value(inputs)
    model = fitted(inputs, y)

    def chunks():
        for _ in range(2000):
            yield inputs.copy(), y.copy()

    assert peak_of(lambda: model.score(Chunks(chunks))) < 2 << 20  # 45 MB in all


def test_a_single_value_has_no_r2(inputs):
    y = value(inputs)
    model = fitted(inputs, y)
    with pytest.warns(UndefinedMetricWarning, match="two samples"):
        assert math.isnan(model.score(Arrays(inputs[:1], y[:1])))


def test_misuse_is_named(inputs):
    y = labels(inputs)
    stream = Arrays(inputs, y)
    with pytest.raises(NotFittedError):
        ebp.MLPClassifier().score(stream)
    model = fitted(inputs, y)
    with pytest.raises(ValueError, match=r"\[MLPClassifier.score\] y must be given, unless X is a stream"):
        model.score(inputs)
    with pytest.raises(ValueError, match=r"\[MLPClassifier.score\] y must be None where X is a stream"):
        model.score(stream, y)
    with pytest.raises(ValueError, match=r"\.score\] sample_weight must be None where X is a stream"):
        model.score(stream, sample_weight=np.ones(N))
    with pytest.raises(ValueError, match=r"X must have samples of positive weight; got none"):
        model.score(Arrays(inputs, y, np.zeros(N)))
    with pytest.raises(ValueError, match=r"X must have samples of positive weight; got none"):
        model.score(Chunks([]))
    with pytest.raises(ValueError, match="4 features"):
        model.score(Arrays(np.zeros((5, 4)), y[:5]))
