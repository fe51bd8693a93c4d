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


def far_value(X):
    return 1e12 + 1e3 * value(X)


def values(X):
    return np.stack([X[:, 0] * X[:, 1], X[:, 2], np.full(len(X), 3.0)], axis=1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", [labels, label_sets, value, far_value, values])
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
        for _ in range(300):
            yield inputs.copy(), y.copy()

    assert peak_of(lambda: model.score(Chunks(chunks))) < 1 << 20  # 7 MB in all


def test_a_single_value_has_no_r2(inputs):
    y = value(inputs)
    model = fitted(inputs, y)
    with pytest.warns(UndefinedMetricWarning, match=r"\[MLPRegressor.score\] R\^2 needs two samples; got 1"):
        assert math.isnan(model.score(Arrays(inputs[:1], y[:1])))
    weights = np.eye(1, N, 5)[0]  # of all samples one that counts
    expected = model.score(inputs, y, weights)
    assert [model.score(Arrays(inputs, y, weights, chunk_size=n)) for n in (1, 3, N)] == [expected] * 3


def test_images(rng):
    images = rng.normal(size=(300, 1, 6, 6))
    y = (images[:, 0, :3].mean(axis=(1, 2)) > 0).astype(int)
    layers = [ebp.layers.Conv2D(2, 3), ebp.layers.Dense(2, "identity")]
    model = ebp.NetworkClassifier(layers, max_iter=2, random_state=0).fit(images, y)
    assert model.score(Arrays(images, y, chunk_size=70)) == model.score(images, y)


def test_chunks_of_frames_and_of_many_classes_come_without_warnings(inputs):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(inputs, columns=["a", "b", "c"])
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"), dtype=object)[np.arange(N) % 26]
    model = fitted(frame, letters)
    pieces = [(frame[k : k + 30], letters[k : k + 30]) for k in range(0, N, 30)]
    assert model.score(Chunks(pieces)) == model.score(frame, letters)


def test_numbers_that_are_no_labels_are_refused_in_later_chunks_too(inputs):
    signs = (inputs[:, 0] > 0).astype(float)
    model, stream = fitted(inputs, signs.astype(int)), Chunks([(inputs, signs), (inputs, inputs[:, 0])])
    for method in (ebp.MLPClassifier((4,)).fit, model.score):
        with pytest.raises(ValueError, match="Unknown label type"):
            method(stream)


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
    once = Chunks(iter([(inputs, y)]))
    assert model.score(once) == model.score(stream)
    with pytest.raises(ValueError, match="an iterator that has been read: it is enough for one"):
        model.score(once)
    with pytest.raises(ValueError, match="4 features"):
        model.score(Arrays(np.zeros((5, 4)), y[:5]))
