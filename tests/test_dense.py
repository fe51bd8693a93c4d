"""The five passes of the dense module against the oracle and against differences."""

import ebp
import numpy as np
import pytest
from checks import assert_close, check_derivatives, check_module, module_inputs
from reference import Dense

SHAPES = [(1, 1, 1), (1, 5, 3), (7, 3, 5), (3, 17, 33), (17, 33, 1), (33, 1, 17), (5, 100, 7), (300, 7, 7)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("n", "n_in", "n_out"), SHAPES)
def test_passes_equal_the_oracle(n, n_in, n_out, bias, rng):
    oracle = Dense(n_in, n_out, bias)
    inputs = module_inputs(oracle, n, n_in, n_out, rng)
    check_module(ebp._core.Dense64(n_in, n_out, bias), oracle, inputs, 1e-12)
    single = [array.astype(np.float32) for array in inputs]
    check_module(ebp._core.Dense32(n_in, n_out, bias), oracle, single, 1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("n", "n_in", "n_out"), SHAPES[:4])
def test_passes_agree_with_differences(n, n_in, n_out, bias, rng):
    module = ebp._core.Dense64(n_in, n_out, bias)
    check_derivatives(module, module_inputs(Dense(n_in, n_out, bias), n, n_in, n_out, rng))


def test_parameter_derivatives_are_sums_over_rows(rng):
    """Nothing is left over from an earlier call, and no row is lost."""
    module = ebp._core.Dense64(5, 3, True)
    theta, dtheta, X, DX, GY, DGY, HY = module_inputs(Dense(5, 3), 7, 5, 3, rng)
    rows = [slice(row, row + 1) for row in range(7)]
    for _ in range(2):
        total = sum(module.backward(theta, X[r], GY[r])[1] for r in rows)
        assert_close(module.backward(theta, X, GY)[1], total, 1e-14)
        total = sum(module.backward_curvature(theta, X[r], HY[r])[1] for r in rows)
        assert_close(module.backward_curvature(theta, X, HY)[1], total, 1e-14)
        total = sum(module.backward_tangent(theta, dtheta, X[r], DX[r], GY[r], DGY[r])[1] for r in rows)
        assert_close(module.backward_tangent(theta, dtheta, X, DX, GY, DGY)[1], total, 1e-14)


def test_inputs_stay_unchanged(rng):
    module = ebp._core.Dense64(5, 3, True)
    inputs = module_inputs(Dense(5, 3), 7, 5, 3, rng)
    before = [array.copy() for array in inputs]
    check_module(module, Dense(5, 3), inputs, 1e-12)
    for array, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_nan_and_infinity_reach_the_outputs_of_their_row_only(rng):
    module = ebp._core.Dense64(5, 3, True)
    theta, _, X, *_ = module_inputs(Dense(5, 3), 4, 5, 3, rng)
    X[1, 2], X[2, 0] = np.nan, np.inf
    finite = np.isfinite(module.forward(theta, X)).all(axis=1)
    assert finite.tolist() == [True, False, False, True]


def test_wrong_sizes_are_refused(rng):
    module = ebp._core.Dense64(5, 3, True)
    with pytest.raises(ValueError, match="got"):
        module.forward(np.zeros(17), np.zeros((2, 5)))
    with pytest.raises(ValueError, match="got"):
        module.forward(np.zeros(18), np.zeros((2, 4)))
