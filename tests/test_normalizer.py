"""Input transformation: statistics against NumPy and SciPy, streaming, weights, degenerate data, misuse."""

import numpy as np
import pytest
from ebp import InputNormalizer
from normalizer_data import METHODS, correlated, rank_deficient, same
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks


@parametrize_with_checks(
    [InputNormalizer(), *map(InputNormalizer, ("decorrelate", "zca", "minmax", "global", "center", "auto"))]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


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
    assert InputNormalizer("auto").fit(X[:, [0, 3]]).method_ == "standard"


def test_auto_threshold_is_half_of_the_overall_range_without_constant_columns():
    def method(range_of_two):
        X = np.zeros((2, 100))
        X[1, :61] = [1] * 20 + [range_of_two] * 40 + [0.1]
        return InputNormalizer("auto").fit(X).method_

    assert method(0.5) == "global"
    assert method(0.49) == "standard"


def test_auto_sees_no_picture_in_fewer_columns_than_64():
    X = np.random.default_rng(0).uniform(size=(50, 64)) ** np.linspace(1, 9, 64)
    assert InputNormalizer("auto").fit(X).method_ == "global"
    assert InputNormalizer("auto").fit(X[:, 1:]).method_ == "standard"


def test_auto_standardises_columns_of_about_equal_spread():
    rng = np.random.default_rng(0)
    X = (rng.uniform(size=(500, 70)) < np.linspace(0.2, 0.8, 70)).astype(float)
    assert InputNormalizer("auto").fit(X).method_ == "standard"
    assert InputNormalizer("auto").fit(255 * X).method_ == "standard"
    X[:, 0] = rng.uniform(size=500) < 0.02
    assert InputNormalizer("auto").fit(X).method_ == "global"


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
