"""The oracle on grids against differences and plain sums; the checkers: test_checks_grid.py."""

import numpy as np
import pytest
from cases_grid import CASES, LENET_C3, MODULES, SMALL_CASES, inputs_of, loss_data
from checks import assert_close, check_derivatives, check_loss
from reference import Dense, central_differences, relative_error
from reference_grid import (
    AveragePool2D,
    Conv2D,
    Loss,
    MapScale,
    MaxPool2D,
    WindowSum2D,
    window_positions,
)


def test_the_cases_cover_what_they_should():
    assert {len(case.sources) for case in CASES} >= {1, 2, 3, 6, 16, 17}
    assert {case.image[0] for case in CASES} >= {1, 2, 6, 16, 17}
    assert {case.table for case in CASES} == {"full", "partial", "one_to_one", "lenet_c3"}
    combinations = {(case.kernel, case.stride, case.padding) for case in CASES}
    for kernel in [(1, 1), (2, 3), (3, 3), (5, 5)]:
        for stride in (1, 2, 3):
            assert {(kernel, stride, padding) for padding in ("valid", "same", "wrap")} <= combinations
    assert len(SMALL_CASES) > 20


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_convolution_against_differences(case, rng):
    check_derivatives(case.oracle(), case.inputs(2, rng))


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("case", MODULES, ids=str)
def test_other_modules_against_differences(case, n, rng):
    check_derivatives(case.oracle(), case.inputs(n, rng))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((5, 3, 1, "valid"), [[0, 1, 2], [1, 2, 3], [2, 3, 4]]),
        ((6, 3, 2, "valid"), [[0, 1, 2], [2, 3, 4]]),
        ((5, 3, 2, "same"), [[-1, 0, 1], [1, 2, 3], [3, 4, -1]]),
        ((4, 3, 2, "same"), [[0, 1, 2], [2, 3, -1]]),
        ((4, 2, 1, "same"), [[0, 1], [1, 2], [2, 3], [3, -1]]),
        ((3, 1, 2, "same"), [[0], [2]]),
        ((5, 2, 3, "same"), [[0, 1], [3, 4]]),
        ((5, 3, 2, "wrap"), [[0, 1, 2], [2, 3, 4], [4, 0, 1]]),
        ((3, 3, 1, "wrap"), [[0, 1, 2], [1, 2, 0], [2, 0, 1]]),
    ],
)
def test_places_of_windows(arguments, expected):
    np.testing.assert_array_equal(window_positions(*arguments), expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution_is_the_sum_of_its_windows(case, rng):
    """The formula once more, window by window over a padded copy of the image."""
    oracle = case.oracle()
    theta, _, X, *_ = case.inputs(1, rng)
    (maps, height, width), (kh, kw), s = case.image, case.kernel, case.stride
    kernels = iter(theta[: oracle.n_kernel_weights].reshape(-1, kh, kw))
    rows, columns = oracle.out_shape[1:]
    before = [0, 0]
    if case.padding == "same":
        sides = ((rows, kh, height), (columns, kw, width))
        before = [max((outputs - 1) * s + k - size, 0) // 2 for outputs, k, size in sides]
    margins = [(0, 0), (before[0], kh + s), (before[1], kw + s)]
    mode = "wrap" if case.padding == "wrap" else "constant"
    padded = np.pad(X.reshape(maps, height, width), margins, mode=mode)
    expected = np.zeros(oracle.out_shape)
    for o, row in enumerate(case.sources):
        expected[o] += theta[oracle.n_kernel_weights + o] if case.bias else 0.0
        for i in row:
            kernel = next(kernels)
            for r, c in np.ndindex(rows, columns):
                expected[o, r, c] += (kernel * padded[i, s * r : s * r + kh, s * c : s * c + kw]).sum()
    assert_close(oracle.forward(theta, X)[0], expected.ravel(), 1e-13)


@pytest.mark.parametrize(
    ("module", "n_parameters", "n_connections"),
    [
        (Conv2D(1, 32, 32, 6, 5, 5), 156, 122_304),
        (Conv2D(6, 14, 14, 16, 5, 5, sources=LENET_C3), 1_516, 151_600),
        (Conv2D(16, 5, 5, 120, 5, 5), 48_120, 48_120),
        (Conv2D(1, 32, 32, 2, 5, 5), 52, 40_768),
        (Conv2D(2, 14, 14, 4, 5, 5), 204, 20_400),
        (Conv2D(1, 16, 16, 2, 3, 3, 2, "wrap"), 20, 2 * 64 * 10),
        (Conv2D(2, 8, 8, 4, 3, 3, 2, "wrap"), 76, 4 * 16 * 19),
    ],
)
def test_sizes_are_those_of_the_publications(module, n_parameters, n_connections):
    """LeNet-5's C1, C3 and C5; C1 and C3 of the paper's network of 64,638 connections; the toric network."""
    assert (module.n_parameters, module.n_connections) == (n_parameters, n_connections)


def test_windows_must_tile_the_image():
    for make in (WindowSum2D, AveragePool2D, MaxPool2D):
        with pytest.raises(ValueError, match="do not tile"):
            make(1, 5, 4, 2)
        with pytest.raises(ValueError, match="do not tile"):
            make(1, 4, 5, 2)


def test_windows_by_hand():
    X = np.array([[1.0, 5, 2, 2, 3, 4, 2, 0]])  # one map of 2 x 4
    GY = np.array([[10.0, 20]])
    np.testing.assert_array_equal(WindowSum2D(1, 2, 4, 2).forward(None, X), [[13, 6]])
    np.testing.assert_array_equal(AveragePool2D(1, 2, 4, 2).forward(None, X), [[3.25, 1.5]])
    hx, _ = AveragePool2D(1, 2, 4, 2).backward_curvature(None, X, GY)
    np.testing.assert_array_equal(hx, np.array([[10, 10, 20, 20, 10, 10, 20, 20]]) / 16)
    pool = MaxPool2D(1, 2, 4, 2)
    np.testing.assert_array_equal(pool.forward(None, X), [[5, 2]])
    for part in (pool.backward, pool.backward_curvature):  # of the three 2 in the second window the first
        np.testing.assert_array_equal(part(None, X, GY)[0], [[0, 10, 20, 0, 0, 0, 0, 0]])


def test_subsampling_squares_the_sum_of_the_window(rng):
    """h_c = sum hy S^2 and hx = c^2 hy for each input of the window."""
    X, HY = rng.standard_normal((2, 32)), rng.uniform(0.1, 1, (2, 8))
    theta = np.array([0.5, -2.0, 0.1, 0.2])
    sums = WindowSum2D(2, 4, 4, 2)
    S = sums.forward(None, X)
    hs, htheta = MapScale(2, 4).backward_curvature(theta, S, HY)
    per_unit = HY * S**2
    expected = [per_unit[:, :4].sum(), per_unit[:, 4:].sum(), HY[:, :4].sum(), HY[:, 4:].sum()]
    assert_close(htheta, expected, 1e-14)
    hx, _ = sums.backward_curvature(None, X, hs)
    block = np.ones((2, 2))
    expected = [np.kron(c**2 * h.reshape(2, 2), block) for h2 in HY.reshape(2, 2, 4) for c, h in
                zip((0.5, -2.0), h2, strict=True)]  # fmt: skip
    assert_close(hx, np.reshape(expected, (2, 32)), 1e-14)


# --- shared weights and the exact diagonal -----------------------------------------------------------------

SHARED = [case for case in SMALL_CASES if case.oracle().out_shape[1:] != (1, 1)]


def exact_diagonal(jacobian):
    """diag(J'J) summed over rows, from J (n, k, p)."""
    return np.einsum("nkp,nkp->p", jacobian, jacobian)


@pytest.mark.parametrize("case", SHARED[::4], ids=str)
def test_curvature_of_shared_weights_is_the_sum_over_connections(case, rng):
    """Before a dense layer the recursion gives each connection its exact diagonal J'J; their sum over the
    connections of a parameter is h, while the exact value of the parameter itself has the cross terms too."""
    conv = case.oracle()
    theta, _, X, *_ = case.inputs(1, rng)
    dense = Dense(conv.n_out, 3)
    above = rng.standard_normal(dense.n_parameters)
    hy, _ = dense.backward_curvature(above, conv.forward(theta, X), np.ones((1, 3)))
    _, h = conv.backward_curvature(theta, X, hy)

    outputs = dense.forward(above, conv.forward(theta, X))
    unshared = theta[conv.parameter]
    rows = dense.forward(above, conv.unshared_forward(unshared, X))
    np.testing.assert_array_equal(rows, outputs)
    per_connection = exact_diagonal(
        central_differences(lambda w: dense.forward(above, conv.unshared_forward(w, X)), unshared)
    )
    assert_close(h, np.bincount(conv.parameter, per_connection, conv.n_parameters), 1e-7)

    exact = exact_diagonal(central_differences(lambda t: dense.forward(above, conv.forward(t, X)), theta))
    assert relative_error(h, exact) > 0.1


def test_curvature_is_exact_where_nothing_is_shared(rng):
    """A kernel as large as the image is a dense layer."""
    conv, dense = Conv2D(2, 3, 3, 4, 3, 3), Dense(4, 3)
    theta, _, X, *_ = inputs_of(conv, 2, rng)
    above = rng.standard_normal(dense.n_parameters)
    hy, _ = dense.backward_curvature(above, conv.forward(theta, X), np.ones((2, 3)))
    exact = exact_diagonal(central_differences(lambda t: dense.forward(above, conv.forward(t, X)), theta))
    assert_close(conv.backward_curvature(theta, X, hy)[1], exact, 1e-7)


# --- the losses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [0.3, 1.0])
def test_huber_against_differences(delta, rng):
    outputs, targets, V = loss_data("huber", rng)
    check_loss(Loss("huber", delta=delta), outputs, targets, V)
    far = np.abs(outputs - targets) > delta
    assert far.any()
    np.testing.assert_array_equal(Loss("huber", delta=delta).curvature(outputs, targets), ~far)


@pytest.mark.parametrize("j", [0.5, 1.0, 10.0])
def test_map_against_differences(j, rng):
    outputs, targets, V = loss_data("map", rng)
    loss = Loss("map", j=j)
    check_loss(loss, outputs, targets, V)
    p = loss.posteriors(outputs)
    rubbish = np.exp(-j - loss.log_sum(outputs))
    np.testing.assert_allclose(p.sum(axis=1) + rubbish, 1.0, rtol=1e-13)
    assert_close(loss.curvature(outputs, targets), p * (1 - p), 1e-13)


def test_map_by_hand_and_without_overflow():
    y, targets = np.array([[1.0, 2.0], [1e4, 1e5]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    value = Loss("map", j=3.0).value(y, targets)
    assert value == pytest.approx([1 + np.log(np.exp(-3) + np.exp(-1) + np.exp(-2)), 1e5 - 3])
    np.testing.assert_allclose(Loss("map", j=3.0).gradient(y, targets)[1], [0.0, 1.0])


@pytest.mark.parametrize("name", ["absolute_error", "hinge"])
def test_losses_of_straight_lines(name, rng):
    outputs, targets, V = loss_data(name, rng)
    loss = Loss(name)
    differences = central_differences(lambda o: loss.value(o, targets), outputs)
    assert_close(loss.gradient(outputs, targets), np.einsum("nnk->nk", differences), 1e-7)
    assert not loss.hessian(outputs, targets).any()
    assert not loss.curvature_product(outputs, targets, V).any()
    slope = central_differences(lambda o: loss.gradient(o, targets), outputs)
    assert not slope.any()


def test_losses_by_hand():
    o, d = np.array([[0.5, -3.0]]), np.array([[1.0, 1.0]])
    assert Loss("absolute_error").value(o, d) == pytest.approx([4.5])
    assert Loss("huber").value(o, d) == pytest.approx([0.125 + 3.5])
    assert Loss("huber", delta=2.0).value(o, d) == pytest.approx([0.125 + 6.0])
    assert Loss("hinge").value(o, d) == pytest.approx([0.5 + 4.0])
    assert Loss("hinge").value(np.array([[2.0, -3.0]]), np.array([[1.0, -1.0]])) == pytest.approx([0.0])
