"""The oracle against differences, and every checker against wrong derivatives that it must catch."""

import numpy as np
import pytest
import reference
from cases import CASES, case
from checks import (
    assert_close,
    assert_parameters_close,
    check_derivatives,
    check_gradient,
    check_jacobian,
    check_loss,
    check_module,
    curvature_by_second_differences,
    module_inputs,
)
from reference import MLP, Activation, Dense, Loss, relative_error

SHAPES = [(1, 1, 1), (1, 3, 5), (7, 5, 3), (3, 7, 7)]


def activation_inputs(module, rng, n=5):
    theta, dtheta, X, *rest = module_inputs(module, n, module.n_in, module.n_in, rng)
    X[np.abs(X) < 1e-3] = 0.5  # differences stay off the kink of relu
    return [theta, dtheta, X, *rest]


# --- the oracle is right -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("n", "n_in", "n_out"), SHAPES)
def test_dense_against_differences(n, n_in, n_out, bias, rng):
    module = Dense(n_in, n_out, bias)
    check_derivatives(module, module_inputs(module, n, n_in, n_out, rng))


@pytest.mark.parametrize("twist", [0.0, 0.1])
@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activation_against_differences(name, twist, rng):
    module = Activation(7, name, twist)
    check_derivatives(module, activation_inputs(module, rng))


LOSS_SHAPES = [("squared_error", 1), ("binary_cross_entropy", 1), *[(name, 5) for name in reference.LOSSES]]


@pytest.mark.parametrize(("name", "k"), LOSS_SHAPES)
def test_loss_against_differences(name, k, rng):
    outputs, V = rng.standard_normal((2, 7, k))
    check_loss(Loss(name), outputs, rng.uniform(0.1, 1.0, (7, k)), V)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_network_against_differences(one):
    mlp, theta, (X, T) = one.oracle(), one.parameters(), one.data(7)
    check_gradient(lambda t: mlp.loss(t, X, T), mlp.gradient(theta, X, T), theta, mlp)
    check_jacobian(lambda t: mlp.forward(t, X), mlp.jacobian(theta, X), theta)


def test_curvature_of_a_module_is_the_gauss_newton_form(rng):
    """At y = y0 the second differences have no gradient term; away from it they show f''."""
    module = Activation(5, "scaled_tanh", 0.1)
    theta, _, X, _, _, _, HY = activation_inputs(module, rng)
    gauss_newton, _ = module.backward_curvature(theta, X, HY)
    assert_close(curvature_by_second_differences(module, theta, X, HY, 0.0), gauss_newton, 1e-6)
    residual = 0.5
    full = gauss_newton + HY * residual * reference.activation_bend("scaled_tanh", X)
    seen = curvature_by_second_differences(module, theta, X, HY, residual)
    assert_close(seen, full, 1e-6)
    assert relative_error(seen, gauss_newton) > 0.05


@pytest.mark.parametrize("name", ["linear-33-1", "sigmoid-7-5-3", "chain-1-1-1", "unbiased-100-3-17"])
def test_recursion_is_exact_in_the_last_two_layers(name):
    """For squared error the recursion equals diag(J'J) there."""
    one = case(name)
    mlp, theta, (X, T) = one.oracle(), one.parameters(), one.data()
    exact = (mlp.jacobian(theta, X) ** 2).sum(axis=1).mean(axis=0)
    assert_parameters_close(mlp.curvature_diagonal(theta, X, T), exact, mlp, 1e-12)


def test_recursion_drops_cross_terms_below(rng):
    """With three weight layers the first one differs from the exact diagonal: no test may demand equality."""
    one = case("deep-5-7-17-3-33")
    mlp, theta, (X, T) = one.oracle(), one.parameters(), one.data(20)
    exact = (mlp.jacobian(theta, X) ** 2).sum(axis=1).mean(axis=0)
    first = mlp.slices[0][1]
    assert relative_error(mlp.curvature_diagonal(theta, X, T)[first], exact[first]) > 0.01


def test_linear_curvature_is_the_second_moment_of_the_inputs():
    one = case("linear-33-1")
    mlp, theta, (X, T) = one.oracle(), one.parameters(), one.data()
    assert_close(mlp.curvature_diagonal(theta, X, T), np.append((X**2).mean(axis=0), 1.0), 1e-14)


# --- the checkers can fail ---------------------------------------------------------------------------------


class DoubledDense(Dense):
    def backward(self, theta, X, GY):
        gx, gtheta = super().backward(theta, X, GY)
        return 2 * gx, gtheta


class OverwritingDense(Dense):
    """`=` for `+=`: the parameter gradient of the last row only."""

    def backward(self, theta, X, GY):
        return super().backward(theta, X, GY)[0], super().backward(theta, X[-1:], GY[-1:])[1]


class OverwritingCurvatureDense(Dense):
    def backward_curvature(self, theta, X, HY):
        return super().backward_curvature(theta, X, HY)[0], super().backward_curvature(
            theta, X[-1:], HY[-1:]
        )[1]


class NegatedDense(Dense):
    def forward_tangent(self, theta, dtheta, X, DX):
        return super().forward_tangent(theta, -dtheta, X, DX)


class UnsquaredDense(Dense):
    """The input and the weight enter the curvature unsquared."""

    def backward_curvature(self, theta, X, HY):
        return self.backward(theta, X, HY)


class BiasedTangentDense(Dense):
    """R{1} is 0, not 1: the bias's gradient wrongly gains the output gradient."""

    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        dgx, dgtheta = super().backward_tangent(theta, dtheta, X, DX, GY, DGY)
        dgtheta[-self.n_out :] += GY.sum(axis=0)
        return dgx, dgtheta


class TransposedDense(Dense):
    """Reads W column by column: invisible to differences of its own forward, seen by the oracle."""

    def split(self, theta):
        weights, bias = super().split(theta)
        return weights.ravel().reshape(self.n_in, self.n_out).T, bias


class LostSlope(Activation):
    def backward(self, theta, X, GY):
        return GY, np.zeros(0)


class LostTwist(Activation):
    def slope(self, X):
        return reference.activation_slope(self.name, X, 0.0)


class BentCurvature(Activation):
    """f'' where f'^2 belongs."""

    def backward_curvature(self, theta, X, HY):
        return reference.activation_bend(self.name, X) * HY, np.zeros(0)


class UnsquaredSlope(Activation):
    def backward_curvature(self, theta, X, HY):
        return self.slope(X) * HY, np.zeros(0)


class LostTwistInCurvature(Activation):
    def backward_curvature(self, theta, X, HY):
        return reference.activation_slope(self.name, X, 0.0) ** 2 * HY, np.zeros(0)


class LostBend(Activation):
    def backward_tangent(self, theta, dtheta, X, DX, GY, DGY):
        return self.slope(X) * DGY, np.zeros(0)


DENSE_FAULTS = [
    DoubledDense, OverwritingDense, OverwritingCurvatureDense, NegatedDense, UnsquaredDense,
    BiasedTangentDense,
]  # fmt: skip
ACTIVATION_FAULTS = [LostSlope, LostTwist, BentCurvature, UnsquaredSlope, LostTwistInCurvature, LostBend]


@pytest.mark.parametrize("wrong", [*DENSE_FAULTS, TransposedDense])
def test_check_module_catches_a_wrong_dense(wrong, rng):
    inputs = module_inputs(Dense(5, 3), 7, 5, 3, rng)
    with pytest.raises(AssertionError, match="relative error"):
        check_module(wrong(5, 3), Dense(5, 3), inputs, 1e-5)


@pytest.mark.parametrize("wrong", DENSE_FAULTS)
def test_check_derivatives_catches_a_wrong_dense(wrong, rng):
    with pytest.raises(AssertionError, match="relative error"):
        check_derivatives(wrong(5, 3), module_inputs(Dense(5, 3), 7, 5, 3, rng))


@pytest.mark.parametrize("wrong", ACTIVATION_FAULTS)
def test_both_checkers_catch_a_wrong_activation(wrong, rng):
    right, module = Activation(7, "scaled_tanh", 0.1), wrong(7, "scaled_tanh", 0.1)
    inputs = activation_inputs(right, rng)
    with pytest.raises(AssertionError, match="relative error"):
        check_module(module, right, inputs, 1e-5)
    with pytest.raises(AssertionError, match="relative error"):
        check_derivatives(module, inputs)


def test_check_gradient_catches_wrong_gradients():
    one = case("square-7-7-7")
    mlp, theta, (X, T) = one.oracle(), one.parameters(), one.data()
    untwisted = MLP(7, [(units, f, 0.0, bias) for units, f, _, bias in one.layers])
    right = mlp.gradient(theta, X, T)
    check_gradient(lambda t: mlp.loss(t, X, T), right, theta, mlp)
    for wrong in (
        2 * right,
        -right,
        right * len(X),
        mlp.gradients(theta, X, T)[-1],
        untwisted.gradient(theta, X, T),
        np.where(mlp.is_bias, 0.0, right),
    ):
        with pytest.raises(AssertionError, match="relative error"):
            check_gradient(lambda t: mlp.loss(t, X, T), wrong, theta, mlp)


def test_check_jacobian_catches_a_wrong_jacobian():
    one = case("sigmoid-7-5-3")
    mlp, theta, (X, _) = one.oracle(), one.parameters(), one.data()
    right = mlp.jacobian(theta, X)
    for wrong in (2 * right, -right, right[:, ::-1]):
        with pytest.raises(AssertionError, match="relative error"):
            check_jacobian(lambda t: mlp.forward(t, X), wrong, theta)


@pytest.mark.parametrize("part", ["gradient", "curvature", "curvature_product"])
@pytest.mark.parametrize("name", reference.LOSSES)
def test_check_loss_catches_wrong_losses(name, part, rng):
    outputs, V = rng.standard_normal((2, 7, 5))
    targets = rng.uniform(0.1, 1.0, (7, 5))
    wrong = Loss(name)
    right = getattr(wrong, part)
    for factor in (2.0, -1.0):
        setattr(wrong, part, lambda *a, factor=factor: factor * right(*a))
        with pytest.raises(AssertionError, match="relative error"):
            check_loss(wrong, outputs, targets, V)


def test_assert_close_catches_shape_zero_nan_and_small_blocks():
    with pytest.raises(AssertionError, match="shape"):
        assert_close(np.ones(3), np.ones((3, 1)), 1.0)
    with pytest.raises(AssertionError, match="proves nothing"):
        assert_close(np.zeros(3), np.zeros(3), 1.0)
    with pytest.raises(AssertionError, match=r"relative error inf.*\(1,\)"):
        assert_close(np.array([1.0, np.nan]), np.ones(2), 1.0)
    mlp = MLP(1, [(1, "identity", 0.0, True)])
    with pytest.raises(AssertionError, match=r"0\.bias"):
        assert_parameters_close(np.array([1.0, 2e-12]), np.array([1.0, 1e-12]), mlp, 1e-3)
