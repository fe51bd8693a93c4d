"""The five passes of the convolution module against the oracle and against differences."""

import numpy as np
import pytest
from cases_grid import CASES, LENET_C3, SMALL_CASES, ConvCase, full
from checks import assert_close, check_derivatives, check_module


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_passes_equal_the_oracle(case, n, rng):
    inputs = case.inputs(n, rng)
    check_module(case.core(64), case.oracle(), inputs, 1e-11)
    check_module(case.core(32), case.oracle(), [array.astype(np.float32) for array in inputs], 1e-4)


@pytest.mark.parametrize("case", SMALL_CASES[::3], ids=str)
def test_passes_agree_with_differences(case, rng):
    check_derivatives(case.core(64), case.inputs(2, rng))


LENET = ConvCase((6, 14, 14), (5, 5), 1, "valid", LENET_C3)


@pytest.mark.parametrize("case", [LENET, CASES[4], CASES[8]], ids=str)
def test_parameter_derivatives_are_sums_over_rows(case, rng):
    """Nothing is left over from an earlier call, and no row is lost."""
    module = case.core(64)
    theta, dtheta, X, DX, GY, DGY, HY = case.inputs(5, rng)
    rows = [slice(row, row + 1) for row in range(5)]
    for _ in range(2):
        total = sum(module.backward(theta, X[r], GY[r])[1] for r in rows)
        assert_close(module.backward(theta, X, GY)[1], total, 1e-13)
        total = sum(module.backward_curvature(theta, X[r], HY[r])[1] for r in rows)
        assert_close(module.backward_curvature(theta, X, HY)[1], total, 1e-13)
        total = sum(module.backward_tangent(theta, dtheta, X[r], DX[r], GY[r], DGY[r])[1] for r in rows)
        assert_close(module.backward_tangent(theta, dtheta, X, DX, GY, DGY)[1], total, 1e-13)


@pytest.mark.parametrize("case", CASES[:9], ids=str)
def test_inputs_stay_unchanged(case, rng):
    inputs = case.inputs(3, rng)
    before = [array.copy() for array in inputs]
    check_module(case.core(64), case.oracle(), inputs, 1e-11)
    for array, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("case", CASES[:9], ids=str)
def test_nan_and_infinity_stay_in_their_row(case, rng):
    theta, _, X, *_ = case.inputs(4, rng)
    X[1], X[2] = np.nan, np.inf
    finite = np.isfinite(case.core(64).forward(theta, X)).all(axis=1)
    assert finite.tolist() == [True, False, False, True]


def test_wrong_sizes_are_refused():
    module = ConvCase((1, 5, 5), (3, 3), 1, "valid", full(1, 2)).core(64)  # 20 parameters, 25 inputs
    assert module.forward(np.zeros(20), np.zeros((2, 25))).shape == (2, 18)
    with pytest.raises(ValueError, match="got"):
        module.forward(np.zeros(19), np.zeros((2, 25)))
    with pytest.raises(ValueError, match="got"):
        module.forward(np.zeros(20), np.zeros((2, 24)))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (ConvCase((1, 5, 5), (6, 3), 1, "same", full(1, 1)), "kernel_size must fit into the image"),
        (ConvCase((1, 5, 5), (0, 3), 1, "same", full(1, 1)), "kernel_size must be at least 1"),
        (ConvCase((1, 5, 5), (3, 3), 0, "same", full(1, 1)), "stride must be at least 1"),
        (ConvCase((1, 5, 5), (3, 3), 1, "reflect", full(1, 1)), "padding must be one of valid, same, wrap"),
        (ConvCase((2, 5, 5), (3, 3), 1, "valid", [[0], []]), "every map must be connected"),
        (ConvCase((2, 5, 5), (3, 3), 1, "valid", [[0, 2]]), "input maps in ascending order"),
        (ConvCase((2, 5, 5), (3, 3), 1, "valid", [[1, 0]]), "input maps in ascending order"),
        (ConvCase((2, 5, 5), (3, 3), 1, "valid", [[1, 1]]), "input maps in ascending order"),
        (ConvCase((0, 5, 5), (3, 3), 1, "valid", [[0]]), "the input must have maps"),
        (ConvCase((1, 5, 5), (3, 3), 1, "valid", []), "maps must be at least 1"),
    ],
    ids=str,
)
def test_senseless_shapes_are_refused(case, message):
    for bits in (32, 64):
        with pytest.raises(ValueError, match=message):
            case.core(bits)
