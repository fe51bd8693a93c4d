"""`fit` and `partial_fit` on streams: what they learn, in how much memory, and what they refuse."""

from __future__ import annotations

import warnings
from functools import partial

import ebp
import numpy as np
import pytest
from ebp import _blocks, _feed, _survey
from ebp.layers import Conv2D
from ebp.sampling import Emphasize
from ebp.schedules import GrowingBatch, InverseTime
from ebp.streams import CSV, Arrays, Chunks, Parquet
from limited import peak_of
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning


def table(n=2000, seed=0, width=4):
    X = np.random.default_rng(seed).normal(size=(n, width)) * np.arange(1, width + 1)
    return X, np.array(["low", "middle", "high"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 1)]


def classifier(**options):
    return ebp.MLPClassifier((6,), **{"max_iter": 8, "random_state": 0, **options})


def in_pieces(X, *rest):
    return Arrays(X, *rest, chunk_size=90, buffer_size=400)


@pytest.fixture
def small_blocks(monkeypatch):
    """Turns and blocks of 200 rows of four numbers in float32."""
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 200 * 4 * 4)
    monkeypatch.setattr(_feed, "TURN_BYTES", 200 * 4 * 4)


@pytest.mark.parametrize(
    "options",
    [
        *({"solver": solver} for solver in ("auto", "sgd", "murata", "adagrad", "rmsprop", "adam")),
        {"solver": "rprop", "batch_size": 100, "max_iter": 30},
        {"loss": "cross_entropy", "dtype": "float64"},
        *({"normalize": method} for method in ("global", "decorrelate", None)),
        *(
            {"sampling": sampling}
            for sampling in ("interleave", "emphasize", Emphasize(cap=2.0), "sequential")
        ),
        {"batch_size": GrowingBatch(largest=5), "learning_rate": InverseTime(5, unit="epoch")},
        {"early_stopping": True, "class_weight": "balanced"},
        {"engine": "blocked", "momentum": 0.2, "solver": "sgd"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_streams_are_learnt_as_well_as_arrays(options, dtype, small_blocks):
    X, y = table()
    X = X.astype(dtype)
    model = classifier(**options).fit(in_pieces(X, y))
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert model.n_features_in_ == 4
    assert len(model.loss_curve_) == model.n_iter_
    new, labels = table(seed=1)
    whole = classifier(**options).fit(X, y)
    assert model.t_ / model.n_iter_ == pytest.approx(whole.t_ / whole.n_iter_, rel=0.03)
    assert model.score(new, labels) > max(0.8, whole.score(new, labels) - 0.1)


def test_the_same_seed_gives_the_same_bits_whatever_the_thread_does():
    X, y = table()
    first, second = (classifier().fit(in_pieces(X, y)).network_.parameters for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (classifier(random_state=1).fit(in_pieces(X, y)).network_.parameters != first).any()
    parts = [classifier().partial_fit(in_pieces(X, y), classes=np.unique(y)) for _ in range(2)]
    np.testing.assert_array_equal(parts[0].network_.parameters, parts[1].network_.parameters)
    generators = [classifier(random_state=np.random.default_rng(0)) for _ in range(2)]
    results = [model.fit(in_pieces(X, y)).network_.parameters for model in generators]
    np.testing.assert_array_equal(*results)


def test_in_the_given_order_the_bits_are_those_of_arrays(small_blocks):
    """With "sequential", a given rate and one rate for all weights nothing depends on the division."""
    X, y = table()
    options = {"sampling": "sequential", "solver": "sgd", "learning_rate_init": 0.02, "normalize": "center"}
    streamed = classifier(**options).fit(in_pieces(X, y))
    whole = classifier(**options).fit(X, y)
    np.testing.assert_allclose(streamed.normalizer_.mean_, whole.normalizer_.mean_, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(streamed.network_.parameters, whole.network_.parameters)
    np.testing.assert_allclose(streamed.loss_curve_, whole.loss_curve_, rtol=1e-6)


def presented(monkeypatch):
    """The last column of the rows of each turn, in the order of their presentation."""
    seen, take = [], _feed.Feed._take

    def note(self):
        order = take(self)
        seen.append(self._X[order, 3])
        return order

    monkeypatch.setattr(_feed.Feed, "_take", note)
    return seen


def test_every_sample_is_presented_once_an_epoch(small_blocks, monkeypatch):
    X, y = table()
    X[:, 3] = np.arange(2000)
    seen = presented(monkeypatch)
    classifier(normalize=None, max_iter=2, solver="adam").fit(in_pieces(X, y))
    assert [len(part) for part in seen] == 20 * [200]
    for epoch in (seen[:10], seen[10:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(2000))
        assert all(np.ptp(part) > 1000 for part in epoch)  # mixed from all over the data
    assert (np.concatenate(seen[:10]) != np.concatenate(seen[10:])).any()
    assert np.std(np.diff(np.concatenate(seen))) > 500


def test_data_sorted_by_class_are_interleaved(small_blocks):
    X, y = table(6000)
    order = np.argsort(y)
    stream = Arrays(X[order], y[order], chunk_size=50, buffer_size=400)
    model = classifier().fit(stream)
    assert model.score(X, y) > 0.9
    assert classifier(sampling="sequential").fit(stream).score(X, y) < model.score(X, y)


def test_a_network_starts_from_the_statistics_of_all_samples():
    X, y = table()
    X[1000:] += 5
    weights = np.random.default_rng(1).integers(0, 3, 2000)
    normalizer = ebp.InputNormalizer("standard").fit(X, sample_weight=weights)
    model = classifier(max_iter=1).fit(in_pieces(X, y, weights))
    np.testing.assert_allclose(model.normalizer_.mean_, normalizer.mean_, rtol=1e-12)
    np.testing.assert_allclose(model.normalizer_.scale_, normalizer.scale_, rtol=1e-12)


def test_weights_count_as_in_other_fits(small_blocks):
    X, y = table()
    weights = np.where(y == "middle", 0.0, 0.1)
    model = classifier().fit(in_pieces(X, y, weights))
    kept = np.count_nonzero(weights)
    assert model.t_ == 8 * kept  # brought to a mean of 1, not a half or two presentations
    assert set(model.predict(X)) == {"low", "high"}
    tripled = classifier(max_iter=1).fit(in_pieces(X, y, np.full(2000, 3.0)))
    assert tripled.t_ == 6000
    rare = np.flatnonzero((y != "high") | (np.arange(2000) % 20 == 0))
    balanced = classifier(class_weight="balanced", max_iter=20).fit(in_pieces(X[rare], y[rare]))
    plain = classifier(max_iter=20).fit(in_pieces(X[rare], y[rare]))
    recall = [np.mean(model.predict(X[y == "high"]) == "high") for model in (balanced, plain)]
    assert recall[0] > recall[1]


@pytest.mark.parametrize("limit", [50, 10_000])
def test_held_out_samples_are_never_trained_on(limit, small_blocks, monkeypatch):
    X, y = table()
    X[:, 3] = np.arange(2000)
    monkeypatch.setattr(_survey, "VALIDATED", limit)
    turns = presented(monkeypatch)
    measured = []
    forward = ebp.Network.forward
    monkeypatch.setattr(ebp.Network, "forward", lambda net, Z: measured.append(Z[:, 3]) or forward(net, Z))
    model = classifier(normalize=None, early_stopping=True, max_iter=3, tol=0, validation_fraction=0.2)
    model.fit(in_pieces(X, y))
    held, seen = set(measured[0].tolist()), set(np.concatenate(turns).tolist())
    assert len(held) == limit if limit == 50 else 340 < len(held) < 460
    assert not held & seen
    assert held | seen == set(range(2000))
    assert len(model.validation_scores_) == model.n_iter_ == 3


def test_regressors_of_one_and_several_outputs(small_blocks):
    X, _ = table()
    for y in (X[:, 0] - X[:, 1], np.column_stack([X[:, 0], X[:, 1] * 100 + 7])):
        model = ebp.MLPRegressor((6,), random_state=0).fit(in_pieces(X, y))
        assert model.solver_ == "sdlm"
        assert model.predict(X).shape == y.shape
        assert model.score(X, y) > 0.98


def test_indicator_matrices_and_images(small_blocks):
    X, _ = table(width=16)
    labels = np.column_stack([X[:, 0] > 0, X[:, 1] > 1]).astype(int)
    for y in (labels, sparse.csr_array(labels)):
        model = classifier(sampling="interleave", early_stopping=True).fit(in_pieces(X, y))
        assert model.multilabel_
        assert np.mean(model.predict(X) == labels) > 0.95
    with pytest.raises(ValueError, match="class_weight must be None for an indicator matrix"):
        classifier(class_weight={0: 1.0}).fit(in_pieces(X, labels))
    images = Arrays(X.reshape(-1, 1, 4, 4), labels[:, 0], chunk_size=90)
    model = ebp.NetworkClassifier([Conv2D(3, 3)], random_state=0).fit(images)
    assert model.score(X.reshape(-1, 1, 4, 4), labels[:, 0]) > 0.9


@pytest.mark.parametrize("convert", [sparse.csr_array, np.asarray])
def test_chunks_of_sparse_rows_and_of_a_generator(convert):
    X, y = table()
    X = X * (np.random.default_rng(1).random(X.shape) < 0.5)
    y = np.where(X[:, 0] > 0, "a", "b")

    def chunks():
        for start in range(0, 2000, 150):
            yield convert(X[start : start + 150]), y[start : start + 150]

    model = classifier().fit(Chunks(chunks))
    parts = classifier().partial_fit(Chunks(chunks()), classes=np.unique(y))
    assert parts.t_ == 2000
    assert min(model.score(X, y), parts.score(X, y)) > 0.9
    with pytest.raises(ValueError, match=r"\[Chunks\] source must be a list or a function to be read more"):
        classifier().fit(Chunks(chunks()))


def test_partial_fit_goes_on_with_stream_after_stream(small_blocks):
    X, y = table()
    model = classifier().partial_fit(in_pieces(X, y), classes=np.unique(y))
    before = model.score(X, y)
    for _ in range(5):
        model.partial_fit(in_pieces(X, y, np.ones(2000)))
    assert model.t_ == 12_000
    assert model.score(X, y) > max(before, 0.9)
    model.partial_fit(X[:10], y[:10])
    assert model.t_ == 12_010


def test_warm_starts_go_on_from_the_weights():
    X, y = table()
    model = classifier(max_iter=2, warm_start=True).fit(in_pieces(X, y))
    mean, loss = model.normalizer_.mean_, model.loss_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(in_pieces(X[:1000], y[:1000]))
    assert model.normalizer_.mean_ is mean
    assert model.loss_ < loss
    with pytest.raises(ValueError, match="every label must be one of the classes"):
        model.fit(in_pieces(X, np.where(y == "low", "new", y)))


def test_names_of_columns(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.csv
    import pyarrow.parquet

    X, y = table()
    names = ["a", "b", "c", "d"]
    rows = pa.table({**dict(zip(names, X.T, strict=True)), "y": y})
    pyarrow.parquet.write_table(rows, tmp_path / "t.parquet", row_group_size=300)
    pyarrow.csv.write_csv(rows, tmp_path / "t.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for stream in (Parquet(tmp_path / "t.parquet", "y"), CSV(tmp_path / "t.csv", "y")):
            model = classifier().fit(stream)
            assert model.feature_names_in_.tolist() == names
            assert model.score(stream) == model.score(rows.select(names).to_pandas(), y) > 0.9
            model.partial_fit(stream)
            parts = classifier().partial_fit(stream, classes=np.unique(y)).partial_fit(stream)
            assert parts.feature_names_in_.tolist() == names
    other = Parquet(tmp_path / "t.parquet", "y", features=["b", "a", "c", "d"])
    with pytest.raises(ValueError, match=r"the features of a stream must be those of fit, \['a', 'b'"):
        model.partial_fit(other)
    with pytest.raises(ValueError, match=r"the features of a stream must be those of fit, \['a', 'b'"):
        model.score(other)


@pytest.mark.parametrize("solver", ["lbfgs", "gd"])
def test_batch_solvers_refuse_streams(solver):
    with pytest.raises(ValueError, match=r"\[MLPClassifier\] solver must be one of 'auto', 'sdlm'.*stream"):
        classifier(solver=solver).fit(in_pieces(*table()))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda X, y: (in_pieces(X, y), y), r"\[MLPClassifier.fit\] y must be None where X is a stream"),
        (lambda X, y: (in_pieces(X, y), None, y), "sample_weight must be None where X is a stream"),
        (lambda X, y: (in_pieces(X, np.zeros(2000, int)),), "number of classes must be at least 2; got 1"),
        (lambda X, y: (in_pieces(X, y, np.zeros(2000)),), "a stream must have samples of positive weight"),
        (lambda X, y: (in_pieces(X, y, -np.ones(2000)),), "sample_weight must be >= 0"),
        (lambda X, y: (Chunks([]),), "a stream must have samples of positive weight"),
        (lambda X, y: (in_pieces(np.where(X > 9, np.nan, X), y),), "Input X contains NaN"),
        (lambda X, y: (in_pieces(X, X[:, 0]),), "Unknown label type"),
        (lambda X, y: (Chunks([(X, y), (X[:, :3], y)]),), "X has 3 features"),
        (lambda X, y: (Chunks([(X, y), (X[:5], y)]),), "inconsistent numbers of samples"),
    ],
)
def test_misuse_leaves_the_estimator_as_it_was(make, text):
    X, y = table()
    model = classifier(max_iter=2).fit(X, y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=text):
        model.fit(*make(X, y))
    assert {k: v for k, v in vars(model).items() if before[k] is not v} == {}
    with pytest.raises(ValueError, match="y to be passed, but the target y is None"):
        model.fit(X)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda X, y: in_pieces(X, np.where(X[:, 0] > 0, "new", y)),
            "every label must be one of the classes",
        ),
        (lambda X, y: in_pieces(np.where(X > 9, np.nan, X), y), "Input X contains NaN"),
        (lambda X, y: Chunks([(X, y), (X[:, :3], y)]), "X has 3 features"),
        (lambda X, y: in_pieces(X, y, -np.ones(2000)), "sample_weight must be >= 0"),
    ],
)
def test_a_first_partial_fit_that_fails_leaves_nothing_behind(make, text):
    X, y = table()
    for model, classes in ((classifier(), {"classes": np.unique(y)}), (ebp.MLPRegressor(), {})):
        if not classes and "label" in text:
            continue
        before = dict(vars(model))
        with pytest.raises(ValueError, match=text):
            model.partial_fit(make(X, y if classes else X[:, 0]), **classes)
        assert vars(model) == before
    model = classifier().partial_fit(X, y, classes=np.unique(y))
    assert model.n_features_in_ == 4


def test_what_is_learnt_before_an_error_stays(small_blocks):
    X, y = table()
    model = classifier(sampling="sequential")
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.partial_fit(
            in_pieces(np.where(np.arange(2000)[:, None] < 1900, X, np.nan), y), classes=np.unique(y)
        )
    assert model.t_ == 1800
    assert model.n_features_in_ == 4


def test_a_buffer_larger_than_the_stream_takes_no_more_room_than_that():
    X, y = table()
    for solver in ("sdlm", "adam"):
        stream = Chunks([(X, y)] * 3, buffer_size=10**12)
        model = classifier(solver=solver, max_iter=2, tol=0)
        assert peak_of(lambda model=model, stream=stream: model.fit(stream)) < 100 << 20
        assert model.t_ == 12_000
        model = classifier(solver=solver)
        learn = partial(model.partial_fit, stream, classes=np.unique(y))
        assert peak_of(learn) < 100 << 20
        assert model.t_ == 6000


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_streams_are_not_predicted(method):
    X, y = table()
    model = classifier(max_iter=2).fit(X, y)
    text = r"\[MLPClassifier.predict\] X must be an array; got a stream: iterate over its chunks"
    with pytest.raises(TypeError, match=text):
        getattr(model, method)(in_pieces(X, y))


def test_an_error_in_a_later_pass_ends_the_fit():
    X, y = table()
    passes = []

    def chunks():
        passes.append(1)
        yield X, y
        if len(passes) == 3:
            yield np.full((1, 4), np.inf), y[:1]

    model = classifier()
    with pytest.raises(ValueError, match="Input X contains infinity"):
        model.fit(Chunks(chunks))
    assert model.n_iter_ == 1


@pytest.mark.parametrize(("n", "text"), [(1999, "got fewer than before"), (2001, "got more than before")])
def test_every_pass_must_have_as_many_samples(n, text):
    X, y = table(3000)
    sizes = iter([2000, 2000, n])

    def chunks():
        size = next(sizes)
        yield X[:size], y[:size]

    with pytest.raises(ValueError, match=f"as many samples in every pass; {text}"):
        classifier(tol=0).fit(Chunks(chunks))


def test_auto_normalisation_is_decided_by_all_samples():
    """Pictures whose rim is empty at first: more than a chunk is needed to see that all pixels are used."""
    X = np.random.default_rng(0).uniform(0, 255, (2000, 64)).astype(np.float32)
    X[:500, 30:] *= 0.01
    X[:, :10] *= np.where(np.arange(2000) % 50 == 0, 1, 0)[:, np.newaxis]
    y = X[:, 20] > 128
    whole = classifier(max_iter=2).fit(X, y)
    streamed = classifier(max_iter=2).fit(in_pieces(X, y))
    first = ebp.InputNormalizer("auto").fit(X[:90])
    assert streamed.normalizer_.method_ == whole.normalizer_.method_ == "global" != first.method_
    np.testing.assert_allclose(streamed.normalizer_.scale_, whole.normalizer_.scale_, rtol=1e-12)
