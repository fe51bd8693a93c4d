"""Wrong modules on grids and wrong losses, which the checkers must catch."""

import numpy as np
import pytest
from cases_grid import ConvCase, inputs_of, loss_data
from checks import check_derivatives, check_loss, check_module
from reference_grid import Conv2D, EuclideanRBF, GaussianRBF, Loss, MapScale, MaxPool2D, WindowSum2D


def must_fail(check, *arguments):
    with pytest.raises(AssertionError, match="relative error"):
        check(*arguments)


CONV = ConvCase((2, 5, 6), (3, 3), 2, "same", [[0], [0, 1], [1]])


def wrong_pass(module, name, change):
    """`module` with the results of one pass changed."""
    right = getattr(module, name)

    def changed(*arguments):
        return change(right(*arguments))

    setattr(module, name, changed)
    return module


PAIRS = ["backward", "backward_curvature", "backward_tangent"]
FAULTS = {
    "doubled": lambda inputs, parameters: (2 * inputs, 2 * parameters),
    "negated": lambda inputs, parameters: (-inputs, -parameters),
    "inputs halved": lambda inputs, parameters: (inputs / 2, parameters),
    "parameters halved": lambda inputs, parameters: (inputs, parameters / 2),
}
TRAINED = [CONV.oracle, lambda: MapScale(3, 5), lambda: EuclideanRBF(5, 3), lambda: GaussianRBF(3, 4)]
BARE = [lambda: WindowSum2D(2, 4, 6, 2), lambda: MaxPool2D(2, 4, 6, 2)]  # without parameters
SUBJECTS = [
    *[(make, fault) for make in TRAINED for fault in FAULTS],
    *[(make, fault) for make in BARE for fault in FAULTS if fault != "parameters halved"],
]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("make", "fault"), SUBJECTS)
def test_checkers_catch_factors_and_signs(make, fault, name, rng):
    inputs = inputs_of(make(), 3, rng)
    wrong = wrong_pass(make(), name, lambda got: FAULTS[fault](*got))
    must_fail(check_module, wrong, make(), inputs, 1e-4)
    must_fail(check_derivatives, wrong, inputs)


@pytest.mark.parametrize("factor", [2.0, -1.0])
@pytest.mark.parametrize("make", [*TRAINED, *BARE])
def test_checkers_catch_a_wrong_forward_tangent(make, factor, rng):
    inputs = inputs_of(make(), 3, rng)
    wrong = wrong_pass(make(), "forward_tangent", lambda got: factor * got)
    must_fail(check_module, wrong, make(), inputs, 1e-4)
    must_fail(check_derivatives, wrong, inputs)


class Overwriting(Conv2D):
    """`=` for `+=`: of the connections of a parameter the last one counts."""

    def to_parameters(self, values):
        result = np.zeros((len(values), self.n_parameters))
        result[:, self.parameter] = values
        return result.sum(axis=0)


class LastRow(Conv2D):
    """`=` for `+=` over the rows of a batch."""

    def to_parameters(self, values):
        return super().to_parameters(values[-1:])


class Averaging(Conv2D):
    """The mean over the connections of a parameter where the sum belongs."""

    def to_parameters(self, values):
        return super().to_parameters(values) / np.bincount(self.parameter)


class SquareOfSum(Conv2D):
    """(sum)^2 for the sum of squares."""

    def backward_curvature(self, theta, X, HY):
        hx, _ = super().backward_curvature(theta, X, HY)
        per_row = [self.backward(theta, X[r : r + 1], np.sqrt(HY[r : r + 1]))[1] for r in range(len(X))]
        return hx, np.sum(np.square(per_row), axis=0)


class Unsquared(Conv2D):
    def backward_curvature(self, theta, X, HY):
        return self.backward(theta, X, HY)


class TangentOfBiasInput(Conv2D):
    """R{1} is 0, not 1."""

    def at_inputs(self, X, constant=1.0):
        return super().at_inputs(X, 1.0)


CONV_FAULTS = [Overwriting, LastRow, Averaging, SquareOfSum, Unsquared, TangentOfBiasInput]


@pytest.mark.parametrize("wrong", CONV_FAULTS)
def test_checkers_catch_a_wrong_convolution(wrong, rng):
    inputs = CONV.inputs(3, rng)
    must_fail(check_module, wrong(*CONV.arguments), CONV.oracle(), inputs, 1e-4)
    must_fail(check_derivatives, wrong(*CONV.arguments), inputs)


def test_check_module_catches_wrong_geometry(rng):
    """Shifted windows, flipped or transposed kernels, a wrong table: derivatives of another layer."""
    inputs = CONV.inputs(3, rng)
    shifted, flipped, transposed, rewired = (CONV.oracle() for _ in range(4))
    weights = np.arange(shifted.n_kernel_weights).reshape(-1, 3, 3)
    biases = np.arange(shifted.n_kernel_weights, shifted.n_parameters)
    flipped.parameter = np.append(weights[:, ::-1, ::-1], biases)[flipped.parameter]
    transposed.parameter = np.append(weights.swapaxes(1, 2), biases)[transposed.parameter]
    shifted.input = np.where(shifted.input < 60, (shifted.input + 1) % 60, 60)
    rewired.input = np.where(rewired.input < 60, (rewired.input + 30) % 60, 60)
    for wrong in (shifted, flipped, transposed, rewired):
        must_fail(check_module, wrong, CONV.oracle(), inputs, 1e-4)
        check_derivatives(wrong, inputs)


def test_check_module_catches_the_last_of_equal_maxima(rng):
    right, wrong = MaxPool2D(1, 2, 4, 2), MaxPool2D(1, 2, 4, 2)
    wrong.winners = lambda X: right.winners(X[:, ::-1])[:, ::-1, ::-1]
    inputs = inputs_of(right, 1, rng)
    check_module(wrong, right, inputs, 1e-12)
    inputs[2] = np.array([[1.0, 5, 2, 2, 3, 4, 2, 0]])
    must_fail(check_module, wrong, right, inputs, 1e-4)


@pytest.mark.parametrize("part", ["gradient", "curvature", "curvature_product"])
@pytest.mark.parametrize("name", ["huber", "map"])
def test_check_loss_catches_wrong_losses(name, part, rng):
    for factor in (2.0, -1.0):
        wrong = wrong_pass(Loss(name), part, lambda got, factor=factor: factor * got)
        must_fail(check_loss, wrong, *loss_data(name, rng))


def test_check_loss_catches_a_diagonal_for_the_whole_matrix(rng):
    wrong = Loss("map")
    wrong.curvature_product = lambda o, d, V: wrong.curvature(o, d) * V
    must_fail(check_loss, wrong, *loss_data("map", rng))
