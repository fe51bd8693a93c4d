"""Input transformation: data types, memory layouts, memory and misuse."""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from ebp import InputNormalizer
from normalizer_data import METHODS, correlated, same
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

# Inverse, data types, layouts, memory.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_inverse_transform(method, dtype):
    X = correlated().astype(dtype)
    normalizer = InputNormalizer(method).fit(X)
    back = normalizer.inverse_transform(normalizer.transform(X))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, X, rtol=0, atol=100 * np.finfo(dtype).eps * np.abs(X).max())


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.uint8, np.float64), (bool, np.float64)],
)
@pytest.mark.parametrize("method", METHODS)
def test_data_types(method, dtype, expected):
    X = (load_digits().data[:, 10:16] > 7) if dtype is bool else load_digits().data[:, 10:16].astype(dtype)
    normalizer = InputNormalizer(method).fit(X)
    Z = normalizer.transform(X)
    assert Z.dtype == expected
    assert Z.flags.c_contiguous
    oracle = clone(normalizer).fit_transform(X.astype(np.float64))
    np.testing.assert_allclose(Z, oracle, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_memory_layouts(method, tmp_path):
    X = correlated().astype(np.float32)
    expected = InputNormalizer(method).fit(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    X.tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", dtype=np.float32, mode="r", shape=X.shape)
    strided = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    for layout in (np.asfortranarray(X), read_only, mapped, strided, X.astype(">f4")):
        normalizer = InputNormalizer(method).fit(layout)
        same(normalizer, expected)
        np.testing.assert_allclose(normalizer.transform(layout), expected.transform(X), atol=1e-5)
    same(InputNormalizer(method).fit(X.tolist()), expected)
    np.testing.assert_array_equal(X, correlated().astype(np.float32))


def peak_bytes(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("method", METHODS)
def test_fit_does_not_copy_the_data(method, dtype):
    n = 40_000_000 // (100 * np.dtype(dtype).itemsize)
    X = np.random.default_rng(0).integers(0, 255, size=(n, 100), dtype=np.uint8).astype(dtype)
    normalizer = InputNormalizer(method)
    limit = X.nbytes / 2
    assert peak_bytes(lambda: normalizer.fit(X)) < limit
    assert peak_bytes(lambda: normalizer.fit(X, sample_weight=np.arange(n) % 3)) < limit
    assert peak_bytes(lambda: normalizer.transform(X[:1000])) < limit
    # The measurement sees the copy that must not be there.
    assert peak_bytes(lambda: X.astype(np.float64)) > limit


def test_pickle_and_clone():
    normalizer = InputNormalizer("decorrelate", n_components=2).fit(correlated())
    again = pickle.loads(pickle.dumps(normalizer))
    same(again, normalizer, rtol=0)
    same(again.partial_fit(correlated(seed=1)), normalizer.partial_fit(correlated(seed=1)), rtol=0)
    assert clone(normalizer).get_params() == {"method": "decorrelate", "eps": 1e-8, "n_components": 2}


def test_feature_names():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(correlated(), columns=list("abcdef"))
    assert InputNormalizer().fit(frame).get_feature_names_out().tolist() == list("abcdef")
    rotated = (
        InputNormalizer("decorrelate", n_components=2).set_output(transform="pandas").fit_transform(frame)
    )
    assert rotated.columns.tolist() == ["inputnormalizer0", "inputnormalizer1"]


# Misuse.


@pytest.mark.parametrize("entry", ["fit", "partial_fit", "transform", "inverse_transform"])
@pytest.mark.parametrize(
    ("X", "text"),
    [
        ([[1.0, np.nan]], "NaN"),
        ([[1.0, np.inf]], "infinity"),
        ([1.0, 2.0], "1D array"),
        (np.zeros((2, 2, 2)), "dim 3"),
        (np.empty((0, 2)), r"0 sample\(s\)"),
        (np.empty((2, 0)), r"0 feature\(s\)"),
        ([["a", "b"]], "numeric|convert"),
        ([[1j, 2j]], "[Cc]omplex"),
    ],
)
def test_bad_input(entry, X, text):
    normalizer = InputNormalizer().fit([[0.0, 0.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match=text):
        getattr(normalizer, entry)(X)


@pytest.mark.parametrize("entry", ["fit", "partial_fit", "transform", "inverse_transform"])
def test_bad_types(entry):
    normalizer = InputNormalizer().fit([[0.0, 0.0], [1.0, 2.0]])
    if entry == "inverse_transform":
        with pytest.raises(TypeError, match=r"[Ss]parse"):
            getattr(normalizer, entry)(scipy.sparse.csr_array(np.eye(2)))
    with pytest.raises((TypeError, ValueError)):
        getattr(normalizer, entry)(np.array([[1, None], [{}, 2]], dtype=object))


@pytest.mark.parametrize("entry", ["partial_fit", "transform", "inverse_transform"])
def test_wrong_number_of_columns(entry):
    normalizer = InputNormalizer().fit(correlated())
    with pytest.raises(ValueError, match=r"6 (features|columns)"):
        getattr(normalizer, entry)(correlated(n_features=5))


@pytest.mark.parametrize("method", ["whiten", "", None, 3, ["standard"]])
def test_unknown_method_lists_the_known_ones(method):
    with pytest.raises(ValueError, match="auto, center, standard, global, decorrelate, zca, minmax; got"):
        InputNormalizer(method).fit(correlated())


@pytest.mark.parametrize("eps", [-1e-9, 1, np.nan, "0", None, True])
def test_bad_eps(eps):
    with pytest.raises(ValueError, match=r"\[InputNormalizer.fit\] eps must be a number in \[0, 1\); got"):
        InputNormalizer(eps=eps).fit(correlated())


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (np.ones(299), r"shape \(300,\); got \(299,\)"),
        (np.ones((300, 1)), r"shape \(300,\); got \(300, 1\)"),
        (np.r_[-1.0, np.ones(299)], ">= 0; got -1.0"),
        (np.zeros(300), "all zero"),
        (np.full(300, np.nan), "NaN"),
        (np.full(300, np.inf), "infinity"),
    ],
)
def test_bad_weights(weight, text):
    with pytest.raises(ValueError, match=text):
        InputNormalizer().fit(correlated(), sample_weight=weight)


def test_method_must_not_change_between_partial_fits():
    normalizer = InputNormalizer().partial_fit(correlated())
    with pytest.raises(ValueError, match="method must stay 'standard'; got 'zca'"):
        normalizer.set_params(method="zca").partial_fit(correlated())
    same(normalizer.fit(correlated()), InputNormalizer("zca").fit(correlated()), rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_overflow_is_an_error(method):
    with pytest.raises(ValueError, match="overflow"):
        InputNormalizer(method).fit([[1e200, 0.0], [-1e200, 1.0]])


@pytest.mark.parametrize("entry", ["transform", "inverse_transform", "get_feature_names_out"])
def test_not_fitted(entry):
    with pytest.raises(NotFittedError):
        getattr(InputNormalizer(), entry)(correlated())
    with pytest.raises(NotFittedError):
        InputNormalizer()._affine()
