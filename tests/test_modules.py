"""The five passes of every module against the oracle, and against differences of its forward pass alone."""

import ebp
import numpy as np
import pytest
from cases_grid import MODULES
from checks import assert_close, check_derivatives, check_module

EVERY_MODULE = pytest.mark.parametrize("case", MODULES, ids=str)


@pytest.mark.parametrize("n", [1, 3, 9])
@EVERY_MODULE
def test_passes_equal_the_oracle(case, n, rng):
    inputs = case.inputs(n, rng)
    check_module(case.core(64), case.oracle(), inputs, 1e-12)
    check_module(case.core(32), case.oracle(), [array.astype(np.float32) for array in inputs], 2e-5)


@EVERY_MODULE
def test_passes_agree_with_differences(case, rng):
    """Differences are formed in float64: in float32 they would prove nothing."""
    check_derivatives(case.core(64), case.inputs(2, rng))


def test_every_module_of_the_core_is_in_the_list():
    module = ebp._core.module
    names = {name for name, value in vars(module).items()
             if isinstance(value, type) and issubclass(value, module.Module64)}  # fmt: skip
    assert {f"{case.kind}64" for case in MODULES} == names - {"Module64"}


@EVERY_MODULE
def test_rows_do_not_see_each_other(case, rng):
    theta, _, X, *_ = case.inputs(3, rng)
    module = case.core(64)
    together = module.forward(theta, X)
    for row in range(3):
        np.testing.assert_allclose(module.forward(theta, X[row : row + 1])[0], together[row], rtol=1e-13)


@EVERY_MODULE
def test_parameter_derivatives_are_sums_over_rows(case, rng):
    """Nothing is left over from an earlier call, and no row is lost."""
    module = case.core(64)
    theta, dtheta, X, DX, GY, DGY, HY = case.inputs(5, rng)
    rows = [slice(row, row + 1) for row in range(5)]
    for _ in range(2):
        total = sum(module.backward(theta, X[r], GY[r])[1] for r in rows)
        assert_close(module.backward(theta, X, GY)[1], total, 1e-12)
        total = sum(module.backward_curvature(theta, X[r], HY[r])[1] for r in rows)
        assert_close(module.backward_curvature(theta, X, HY)[1], total, 1e-12)
        total = sum(module.backward_tangent(theta, dtheta, X[r], DX[r], GY[r], DGY[r])[1] for r in rows)
        assert_close(module.backward_tangent(theta, dtheta, X, DX, GY, DGY)[1], total, 1e-12)


@EVERY_MODULE
def test_inputs_stay_unchanged(case, rng):
    inputs = case.inputs(3, rng)
    before = [array.copy() for array in inputs]
    check_module(case.core(64), case.oracle(), inputs, 1e-12)
    for array, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, old)


@EVERY_MODULE
def test_nan_reaches_the_outputs_of_its_row_only(case, rng):
    theta, _, X, *_ = case.inputs(3, rng)
    X[1] = np.nan
    finite = np.isfinite(case.core(64).forward(theta, X))
    assert finite.all(axis=1).tolist() == [True, False, True]
    assert not finite[1].any()


@EVERY_MODULE
def test_wrong_sizes_are_refused(case):
    module, oracle = case.core(64), case.oracle()
    theta, X = np.ones(oracle.n_parameters), np.ones((2, oracle.n_in))
    assert module.forward(theta, X).shape == (2, oracle.n_out)
    with pytest.raises(ValueError, match="got"):
        module.forward(np.ones(oracle.n_parameters + 1), X)
    with pytest.raises(ValueError, match="got"):
        module.forward(theta, np.ones((2, oracle.n_in + 1)))


def test_equal_maxima_send_everything_to_the_first():
    module = ebp._core.MaxPool2D64(1, 2, 4, 2)
    none, X, G = np.zeros(0), np.array([[1.0, 5, 2, 2, 3, 4, 2, 0]]), np.array([[10.0, 20]])
    for part in (module.backward, module.backward_curvature):
        np.testing.assert_array_equal(part(none, X, G)[0], [[0, 10, 20, 0, 0, 0, 0, 0]])
    DX = np.arange(8.0)[None]
    np.testing.assert_array_equal(module.forward_tangent(none, none, X, DX), [[1, 2]])
