"""The activations: five passes, the paper's constants, and accuracy in units in the last place."""

import ebp
import numpy as np
import pytest
from checks import check_derivatives, check_module, curvature_by_second_differences, module_inputs
from reference import ACTIVATIONS, Activation, activation_bend, relative_error
from scipy.special import expit

NONE = np.empty(0)
MODULES = {np.float32: ebp._core.Activation32, np.float64: ebp._core.Activation64}
AMPLITUDE, SLOPE = 1.7159, 2.0 / 3.0


def values(name, x, twist=0.0, dtype=np.float64):
    """f(x) for a one-dimensional x."""
    module = MODULES[dtype](len(x), name, twist)
    return module.forward(NONE.astype(dtype), np.asarray(x, dtype)[None])[0]


def slopes(name, x, twist=0.0):
    """f'(x)"""
    x = np.asarray(x, float)
    return MODULES[np.float64](len(x), name, twist).backward(NONE, x[None], np.ones((1, len(x))))[0][0]


def bends(name, x):
    """f''(x)"""
    x = np.asarray(x, float)
    one, zero = np.ones((1, len(x))), np.zeros((1, len(x)))
    module = MODULES[np.float64](len(x), name, 0.0)
    return module.backward_tangent(NONE, NONE, x[None], one, one, zero)[0][0]


def activation_inputs(width, n, rng):
    inputs = module_inputs(Activation(width, "tanh"), n, width, width, rng)
    inputs[2] *= 2.0
    inputs[2][np.abs(inputs[2]) < 1e-3] = 0.5  # differences stay off the kink of relu
    return inputs


@pytest.mark.parametrize("twist", [0.0, 0.1])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_passes_equal_the_oracle(name, twist, rng):
    for n, width in [(1, 1), (3, 7), (7, 33), (5, 100)]:
        inputs = activation_inputs(width, n, rng)
        oracle = Activation(width, name, twist)
        check_module(MODULES[np.float64](width, name, twist), oracle, inputs, 1e-12)
        single = [array.astype(np.float32) for array in inputs]
        check_module(MODULES[np.float32](width, name, twist), oracle, single, 1e-5)


@pytest.mark.parametrize("twist", [0.0, 0.1])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_passes_agree_with_differences(name, twist, rng):
    check_derivatives(MODULES[np.float64](7, name, twist), activation_inputs(7, 5, rng))


def test_curvature_is_the_gauss_newton_form(rng):
    """Second differences agree at zero residual; with a residual they contain f'' and must disagree."""
    module = MODULES[np.float64](7, "scaled_tanh", 0.1)
    _, _, X, _, _, _, HY = activation_inputs(7, 5, rng)
    got, _ = module.backward_curvature(NONE, X, HY)
    assert relative_error(got, curvature_by_second_differences(module, NONE, X, HY, 0.0)) < 1e-6
    away = curvature_by_second_differences(module, NONE, X, HY, 0.5)
    assert relative_error(got, away) > 0.05
    assert relative_error(got + 0.5 * HY * activation_bend("scaled_tanh", X), away) < 1e-6


def test_the_recommended_sigmoid_has_the_constants_of_section_4_4():
    assert values("scaled_tanh", [1.0, -1.0]) == pytest.approx([0.9999973, -0.9999973], abs=5e-8)
    assert slopes("scaled_tanh", [0.0, 1.0]) == pytest.approx([1.14393, 0.75541], abs=5e-6)
    grid = np.linspace(0.9, 1.1, 200_001)
    bend = np.abs(bends("scaled_tanh", grid))
    assert grid[bend.argmax()] == pytest.approx(0.98772, abs=1e-5)
    assert bend.max() == pytest.approx(0.58707, abs=5e-6)
    assert bends("scaled_tanh", [1.0]) == pytest.approx([-0.58699], abs=5e-6)


def test_the_output_of_unit_variance_sums_has_variance_three_quarters():
    """E f(x)^2 = 0.7504, E f' = 0.8524, E f'^2 = 0.8040 for x ~ N(0, 1), by Gauss-Hermite quadrature."""
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    f, slope = values("scaled_tanh", x), slopes("scaled_tanh", x)
    assert [weight @ f**2, weight @ slope, weight @ slope**2] == pytest.approx(
        [0.7504, 0.8524, 0.8040], abs=5e-5
    )


def wide_range():
    """Both signs of magnitudes from 1e-30 to 1e3, with a dense middle."""
    positive = np.concatenate(
        [np.geomspace(1e-30, 1e3, 40_001), np.linspace(0, 25, 40_001), [1e-8, 20.0, 1000.0]]
    )
    return np.concatenate([-positive[::-1], positive])


def ulps(got, exact, dtype):
    """Distance in units in the last place of the exact value rounded to dtype."""
    unit = np.spacing(np.abs(exact).astype(dtype)).astype(np.longdouble)
    return np.abs(got.astype(np.longdouble) - exact) / unit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["tanh", "scaled_tanh"])
def test_tanh_is_accurate_to_4_ulp(name, dtype):
    x = wide_range().astype(dtype)
    if name == "tanh":
        exact = np.tanh(x.astype(np.longdouble))
    else:  # the slope's rounding is part of the definition: S x is formed in dtype
        inner = (dtype(SLOPE) * x).astype(np.longdouble)
        exact = np.longdouble(dtype(AMPLITUDE)) * np.tanh(inner)
    error = ulps(values(name, x, dtype=dtype), exact, dtype)
    assert error.max() <= 4, f"{error.max()} ulp at x = {x[error.argmax()]!r}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logistic_is_accurate_to_4_ulp(dtype):
    """Both tails keep their relative precision; where the result leaves the normal range, it is as small."""
    x = wide_range().astype(dtype)
    got, exact = values("logistic", x, dtype=dtype), expit(x.astype(np.longdouble))
    normal = exact > 2 * np.finfo(dtype).tiny
    error = ulps(got[normal], exact[normal], dtype)
    assert error.max() <= 4, f"{error.max()} ulp at x = {x[normal][error.argmax()]!r}"
    assert np.all(got[~normal] <= 2 * np.finfo(dtype).tiny)
    assert np.all(got >= 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "at_minus_infinity", "at_infinity"),
    [
        ("identity", -np.inf, np.inf),
        ("scaled_tanh", -AMPLITUDE, AMPLITUDE),
        ("tanh", -1.0, 1.0),
        ("logistic", 0.0, 1.0),
        ("relu", 0.0, np.inf),
    ],
)
def test_infinity_and_nan(name, at_minus_infinity, at_infinity, dtype):
    got = values(name, [-np.inf, np.inf, np.nan, 0.5], dtype=dtype)
    tiny = 2 * float(np.finfo(dtype).tiny)
    assert got[:2] == pytest.approx([at_minus_infinity, at_infinity], rel=1e-6, abs=tiny)
    assert np.isnan(got[2])
    assert np.isfinite(got[3])


@pytest.mark.parametrize("name", ["scaled_tanh", "tanh", "logistic"])
def test_slopes_vanish_far_out(name):
    assert slopes(name, [-1000.0, 1000.0, -np.inf, np.inf]) == pytest.approx(np.zeros(4), abs=1e-300)


def test_symmetry():
    x = np.linspace(0, 30, 1001)
    for name in ("tanh", "scaled_tanh"):
        np.testing.assert_array_equal(values(name, -x), -values(name, x))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"scaled_tanh.*logistic.*relu.*got softplus"):
        MODULES[np.float64](3, "softplus", 0.0)
