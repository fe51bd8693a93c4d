"""Input transformation: statistics against NumPy and SciPy, streaming, weights, degenerate data, misuse."""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from ebp import InputNormalizer
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

METHODS = ["center", "standard", "global", "decorrelate", "zca", "minmax"]


@parametrize_with_checks(
    [InputNormalizer(), *map(InputNormalizer, ("decorrelate", "zca", "minmax", "global", "center", "auto"))]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def correlated(n=300, n_features=6, seed=0):
    """Full-rank data with means, correlations and unequal scales."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_features, n_features)) + 2 * np.eye(n_features)
    return rng.normal(size=(n, n_features)) @ mixing * np.linspace(0.5, 3, n_features) + np.arange(n_features)


def rank_deficient(n=200, seed=0):
    """Five columns of rank two."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) + 1


def same(first, second, rtol=1e-9):
    """Equality of all that `transform` depends on, relative to the largest entry."""
    for name in ("mean_", "scale_", "components_"):
        a, b = getattr(first, name), getattr(second, name)
        if a is None:
            assert b is None
        else:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


def test_checker_can_fail():
    with pytest.raises(AssertionError):
        same(InputNormalizer().fit(correlated(seed=0)), InputNormalizer().fit(correlated(seed=1)))


# What each method promises.


def test_center():
    X = correlated()
    Z = InputNormalizer("center").fit_transform(X)
    np.testing.assert_allclose(Z, X - X.mean(axis=0), atol=1e-12)


def test_standard_divides_variances_by_n():
    X = correlated()
    Z = InputNormalizer().fit_transform(X)
    np.testing.assert_allclose(Z, (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.mean(Z**2, axis=0), 1)


def test_global_has_one_mean_and_one_scale():
    X = correlated()
    normalizer = InputNormalizer("global")
    Z = normalizer.fit_transform(X)
    np.testing.assert_allclose(Z, (X - X.mean()) / X.std(), atol=1e-12)
    assert normalizer.mean_.shape == normalizer.scale_.shape == (6,)


def test_minmax():
    Z = InputNormalizer("minmax").fit_transform(correlated())
    np.testing.assert_allclose(Z.min(axis=0), -1)
    np.testing.assert_allclose(Z.max(axis=0), 1)


@pytest.mark.parametrize("method", ["decorrelate", "zca"])
def test_rotations_give_the_identity_as_covariance(method):
    Z = InputNormalizer(method).fit_transform(correlated())
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(6), atol=1e-10)


def test_decorrelate_finds_the_directions_of_the_singular_value_decomposition():
    X = correlated()
    normalizer = InputNormalizer("decorrelate").fit(X)
    _, singular, directions = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(normalizer.scale_, singular / np.sqrt(len(X)), rtol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(normalizer.components_ * directions, axis=1)), 1, rtol=1e-10)


def test_zca_is_the_symmetric_root_of_the_inverse_covariance():
    X = correlated()
    _, factor = InputNormalizer("zca").fit(X)._affine()
    np.testing.assert_allclose(factor, factor.T, atol=1e-12)
    np.testing.assert_allclose(factor @ factor @ np.cov(X.T, bias=True), np.eye(6), atol=1e-10)


def test_signs_of_components_are_fixed():
    components = InputNormalizer("decorrelate").fit(correlated()).components_
    assert (components[np.arange(6), np.abs(components).argmax(axis=1)] > 0).all()


def test_ties_in_components_have_a_fixed_sign():
    # The entries are equal in size but for rounding, which differs from one scale and offset to the next.
    x = np.random.default_rng(0).normal(size=(50, 1))
    for scale in np.linspace(0.1, 3, 20):
        X = scale * x * [1, -1, 1, -1, -1] + [0.1, 0.7, 3, 5, 11]
        tied = InputNormalizer("decorrelate").fit(X).components_
        np.testing.assert_allclose(tied, np.sqrt(0.2) * np.array([[1, -1, 1, -1, -1]]))


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_affine_is_what_transform_does(method):
    X = correlated()
    normalizer = InputNormalizer(method).fit(X)
    shift, factor = normalizer._affine()
    assert shift.dtype == factor.dtype == np.float64
    expected = (X - shift) * factor if factor.ndim == 1 else (X - shift) @ factor.T
    np.testing.assert_allclose(normalizer.transform(X), expected, rtol=1e-12, atol=1e-12)


def test_statistics_are_reused_on_other_data():
    train, test = correlated(), correlated(seed=1) + 5
    Z = InputNormalizer().fit(train).transform(test)
    np.testing.assert_allclose(Z, (test - train.mean(axis=0)) / train.std(axis=0))


# "auto".


def test_auto_keeps_the_relative_scale_of_pixels():
    X = load_digits().data
    normalizer = InputNormalizer("auto").fit(X)
    assert normalizer.method_ == "global"
    same(normalizer, InputNormalizer("global").fit(X))


def test_auto_standardises_columns_of_different_units():
    X = correlated() * 10.0 ** np.arange(6)
    normalizer = InputNormalizer("auto").fit(X)
    assert normalizer.method_ == "standard"
    same(normalizer, InputNormalizer().fit(X))


def test_auto_threshold_is_half_of_the_overall_range_without_constant_columns():
    def method(range_of_two):
        X = np.zeros((2, 5))
        X[1] = [1, range_of_two, range_of_two, 0, 0]
        return InputNormalizer("auto").fit(X).method_

    assert method(0.5) == "global"
    assert method(0.49) == "standard"


def test_auto_decides_once():
    pixels, table = load_digits().data[:, :6] + np.arange(6), correlated() * 10.0 ** np.arange(6)
    normalizer = InputNormalizer("auto").partial_fit(table).partial_fit(pixels)
    assert normalizer.method_ == "standard"
    assert normalizer.fit(load_digits().data).method_ == "global"


def test_auto_of_rows_without_variation():
    assert InputNormalizer("auto").fit(np.ones((3, 2))).method_ == "standard"


# Streaming and weights.


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("method", METHODS)
def test_partial_fit_equals_fit(method, offset):
    X = correlated(500) + offset
    whole = InputNormalizer(method).fit(X)
    parts = InputNormalizer(method)
    for rows in np.split(X, [1, 2, 5, 100, 101, 350]):
        assert parts.partial_fit(rows) is parts
    same(whole, parts, rtol=1e-9)
    assert parts.n_samples_seen_ == whole.n_samples_seen_ == 500


@pytest.mark.parametrize("method", ["standard", "decorrelate"])
def test_many_chunks_agree_with_numpy_far_from_zero(method):
    # 20,000 rows are five chunks; subtracting sums of squares would lose 12 of 16 digits here.
    X = np.random.default_rng(0).normal(size=(20_000, 3)) * [1, 2, 3] + 1e6
    Z = InputNormalizer(method).fit_transform(X)
    np.testing.assert_allclose(np.cov(Z.T, bias=True).diagonal(), 1, rtol=1e-9)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_whole_weights_are_repetitions(method):
    X = correlated()
    weight = np.random.default_rng(1).integers(0, 4, size=len(X))
    repeated = InputNormalizer(method).fit(np.repeat(X, weight, axis=0))
    weighted = InputNormalizer(method).fit(X, sample_weight=weight)
    same(weighted, repeated)
    assert weighted.n_samples_seen_ == weight.sum()
    streamed = InputNormalizer(method)
    for part in (slice(0, 100), slice(100, 300)):
        streamed.partial_fit(X[part], sample_weight=weight[part])
    same(streamed, repeated)


def test_weighted_covariance_agrees_with_numpy():
    X = correlated()
    weight = np.random.default_rng(1).random(len(X))
    Z = InputNormalizer("zca").fit(X, sample_weight=weight).transform(X)
    np.testing.assert_allclose(np.cov(Z.T, aweights=weight, bias=True), np.eye(6), atol=1e-10)
    np.testing.assert_allclose(np.average(Z, axis=0, weights=weight), 0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_weight_zero_are_ignored(method):
    X = correlated()
    outlier = np.vstack([np.full((1, 6), 1e9), X, np.full((1, 6), -1e9)])
    weight = np.r_[0.0, np.ones(len(X)), 0.0]
    weighted = InputNormalizer(method).fit(outlier, sample_weight=weight)
    same(weighted, InputNormalizer(method).fit(X))
    weighted.partial_fit(outlier[:1], sample_weight=[0])
    same(weighted, InputNormalizer(method).fit(X))


def test_fit_forgets():
    normalizer = InputNormalizer().fit(correlated(seed=1)).fit(correlated())
    same(normalizer, InputNormalizer().fit(correlated()), rtol=0)


def test_partial_fit_leaves_the_statistics_after_an_error():
    normalizer = InputNormalizer("decorrelate").fit(correlated())
    before = clone(normalizer).fit(correlated())
    with pytest.raises(ValueError, match="overflow"):
        normalizer.partial_fit(np.vstack([correlated(3), np.full((1, 6), 1e200)]))
    same(normalizer, before, rtol=0)
    same(normalizer.partial_fit(correlated(seed=2)), before.partial_fit(correlated(seed=2)), rtol=0)


# Constant columns and missing rank.


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8, -1e-8, 1e300])
@pytest.mark.parametrize("method", ["center", "standard", "minmax", "zca"])
def test_constant_columns_give_zero(method, value):
    X = correlated(1000, 3)
    X[:, 1] = value
    normalizer = InputNormalizer(method).fit(X)
    Z = normalizer.transform(X)
    np.testing.assert_allclose(Z[:, 1], 0, atol=1e-15 * abs(value) + 1e-12)
    np.testing.assert_allclose(normalizer.inverse_transform(Z), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_constant_up_to_rounding_are_constant(dtype):
    X = correlated(100, 3).astype(dtype)
    X[:, 1] = 0.3
    X[::2, 1] = np.nextafter(dtype(0.3), dtype(1))
    assert InputNormalizer().fit(X).scale_[1] == 1
    assert InputNormalizer("minmax").fit(X).scale_[1] == 1
    assert len(InputNormalizer("decorrelate").fit(X[:, [1]] * np.ones(3, dtype)).scale_) == 1
    np.testing.assert_allclose(InputNormalizer("zca").fit_transform(X)[:, 1], 0, atol=1e-5)


def test_small_scales_and_small_relative_variation_are_not_constant():
    X = correlated(100, 3) * [1e-30, 1, 1]
    X[:, 1] = 1e5 + 0.1 * X[:, 1]
    np.testing.assert_allclose(InputNormalizer().fit_transform(X).std(axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize("method", ["decorrelate", "zca"])
def test_rounding_of_a_large_constant_column_is_not_a_direction(method):
    # The rounding of the constant column varies more than the other columns do.
    X = 1e-6 * correlated(100, 3)
    X[:, 1] = 1e12
    X[::2, 1] = np.nextafter(1e12, np.inf)
    normalizer = InputNormalizer(method).fit(X)
    assert normalizer.components_.shape == (2, 3)
    np.testing.assert_array_equal(normalizer.components_[:, 1], 0)


@pytest.mark.parametrize("method", METHODS)
def test_variances_that_underflow_give_finite_outputs(method):
    X = np.random.default_rng(0).normal(size=(100, 2)) * 1e-200
    normalizer = InputNormalizer(method).fit(X)
    assert np.isfinite(normalizer.transform(X)).all()
    assert np.isfinite(normalizer._affine()[1]).all()


def test_eps_zero_still_drops_rounding():
    assert len(InputNormalizer("decorrelate", eps=0).fit(rank_deficient()).scale_) == 2


def test_eps_moves_the_threshold():
    X = 1 + 1e-4 * correlated(100, 2)
    assert (InputNormalizer(eps=1e-8).fit(X).scale_ != 1).all()
    assert (InputNormalizer(eps=1e-2).fit(X).scale_ == 1).all()


def test_decorrelate_drops_directions_without_variance():
    X = rank_deficient()
    normalizer = InputNormalizer("decorrelate").fit(X)
    Z = normalizer.transform(X)
    assert Z.shape == (200, 2)
    assert normalizer.components_.shape == (2, 5)
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(2), atol=1e-10)
    np.testing.assert_allclose(normalizer.inverse_transform(Z), X)


def test_zca_projects_directions_without_variance_to_zero():
    X = rank_deficient()
    Z = InputNormalizer("zca").fit_transform(X)
    assert Z.shape == (200, 5)
    eigenvalues = np.linalg.eigvalsh(np.cov(Z.T, bias=True))
    np.testing.assert_allclose(eigenvalues, [0, 0, 0, 1, 1], atol=1e-10)


@pytest.mark.parametrize("eps", [0.0, 1e-8, 1e-3])
def test_eps_is_relative_to_the_largest_variance(eps):
    X = np.random.default_rng(0).normal(size=(100, 3)) * [1e3, 1, 1e-2]
    kept = len(InputNormalizer("decorrelate", eps=eps).fit(X).scale_)
    assert kept == {0.0: 3, 1e-8: 2, 1e-3: 1}[eps]


@pytest.mark.parametrize("method", METHODS)
def test_one_sample(method):
    Z = InputNormalizer(method).fit_transform([[3.0, 5.0]])
    if method == "global":
        np.testing.assert_allclose(Z, [[-1, 1]])
    else:
        assert not Z.any()
        assert Z.shape == (1, 1 if method == "decorrelate" else 2)


# n_components.


def test_n_components():
    X = correlated()
    variances = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    explained = np.cumsum(variances) / variances.sum()
    whole = InputNormalizer("decorrelate").fit(X).transform(X)
    for k in range(1, 7):
        Z = InputNormalizer("decorrelate", n_components=k).fit_transform(X)
        np.testing.assert_array_equal(Z.shape, (300, k))
        np.testing.assert_allclose(Z, whole[:, :k], atol=1e-10)
    for k in range(2, 6):
        for fraction in (explained[k - 1] - 1e-9, explained[k - 2] + 1e-9):
            assert len(InputNormalizer("decorrelate", n_components=fraction).fit(X).scale_) == k
    assert len(InputNormalizer("decorrelate", n_components=4).fit(rank_deficient()).scale_) == 2


def test_inverse_is_the_least_squares_reconstruction():
    X = correlated()
    normalizer = InputNormalizer("decorrelate", n_components=3).fit(X)
    reconstruction = normalizer.inverse_transform(normalizer.transform(X))
    centered = X - X.mean(axis=0)
    left, singular, right = np.linalg.svd(centered, full_matrices=False)
    best = (left[:, :3] * singular[:3]) @ right[:3] + X.mean(axis=0)
    np.testing.assert_allclose(reconstruction, best, atol=1e-10)


@pytest.mark.parametrize("value", [0, 7, -1, 0.0, 1.0, 1.5, True, "2", np.nan])
def test_bad_n_components(value):
    with pytest.raises(ValueError, match="n_components must be an int from 1 to n_features = 6"):
        InputNormalizer("decorrelate", n_components=value).fit(correlated())


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
        (np.r_[-1.0, np.ones(299)], "negative; got -1.0"),
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
