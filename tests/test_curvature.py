"""Second derivatives: matrices, products and diagonals against differences, Jacobians and the recursion."""

import ebp
import numpy as np
import pytest
from cases import CASES, case
from cases_shaped import CASES as SHAPED_CASES
from cases_shaped import case as shaped_case
from checks import assert_close, assert_parameters_close
from checks_curvature import check_matrix, check_products, close, gauss_newton
from ebp.losses import loss_name, loss_options

curvature = ebp.curvature
ALL = [*CASES, *SHAPED_CASES]
EVERY_CASE = pytest.mark.parametrize("one", ALL, ids=str)
METHODS = ("exact", "gauss_newton", "finite_difference")


def loss_of(net):
    loss = net.loss_function
    return ebp._core.Loss64(loss_name(loss), **loss_options(loss))


@EVERY_CASE
def test_exact_hessian_equals_differences_of_gradients(one):
    net, (X, T) = one.network(), one.data()
    differences = curvature.hessian(net, X, T, "finite_difference")
    np.testing.assert_array_equal(differences, differences.T)
    H = curvature.hessian(net, X, T)
    np.testing.assert_allclose(H, differences, rtol=1e-6, atol=1e-8 * max(1, np.abs(H).max()))


@EVERY_CASE
def test_gauss_newton_equals_the_jacobians(one):
    net, (X, T) = one.network(), one.data()
    outputs, loss = net.forward(X), loss_of(net)
    expected = gauss_newton(net.jacobian(X), lambda v: loss.curvature_product(outputs, T, v))
    G = curvature.hessian(net, X, T, "gauss_newton")
    if not expected.any():
        np.testing.assert_array_equal(G, 0)
        return
    check_matrix(G, expected, net, 1e-11)
    assert np.linalg.eigvalsh(G)[0] > -1e-12 * np.abs(G).max()


@EVERY_CASE
@pytest.mark.parametrize("method", METHODS)
def test_products_are_those_of_the_matrix(one, method, rng):
    net, (X, T) = one.network(), one.data()
    H = curvature.hessian(net, X, T, method)
    tolerance = 1e-6 if method == "finite_difference" else 1e-12
    check_products(lambda v: curvature.hessian_vector_product(net, X, T, v, method), H, rng, tolerance)
    operator = curvature.hessian_operator(net, X, T, method)
    check_products(lambda v: operator @ v, H, rng, tolerance)
    V = rng.standard_normal((net.n_parameters, 3))
    close(operator @ V, H @ V, tolerance, "operator, matrix")
    close(operator.T @ V[:, 0], H @ V[:, 0], tolerance, "operator, transposed")


@EVERY_CASE
def test_diagonals_are_those_of_the_matrices(one):
    net, (X, T) = one.network(), one.data()
    for method in ("exact", "gauss_newton"):
        diagonal = np.diag(curvature.hessian(net, X, T, method))
        close(curvature.hessian_diagonal(net, X, T, method), diagonal, 1e-12, method)


@EVERY_CASE
def test_backpropagated_diagonal_equals_its_recursion(one):
    net, oracle, (X, T) = one.network(), one.oracle(), one.data()
    h = curvature.hessian_diagonal(net, X, T)
    expected = oracle.curvature_diagonal(one.parameters(), X, T)
    if expected.any():
        for name, where, _ in oracle.slices:
            close(h[where], expected[where], 1e-11, name)
    else:
        np.testing.assert_array_equal(h, 0)


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("activation", ["identity", "scaled_tanh", "tanh", "logistic", "relu"])
def test_backpropagated_diagonal_is_exact_where_it_claims_to_be(activation, loss, rng):
    """Gauss-Newton's in the last two weight layers; the Hessian's own in a layer of identities."""
    X, T = rng.standard_normal((20, 6)), rng.uniform(0, 1, (20, 3))
    options = {"loss": loss, "dtype": "float64", "random_state": 0}
    for layers in ([], [5], [7, 5]):
        net = ebp.Network([ebp.layers.Dense(units, activation) for units in [*layers, 3]], 6, **options)
        h, g = (curvature.hessian_diagonal(net, X, T, method) for method in ("backprop", "gauss_newton"))
        first = net.parameter_slices[2][1].start if len(layers) == 2 else 0
        assert_close(h[first:], g[first:], 1e-12)
        if len(layers) == 2 and activation != "relu":
            assert not np.allclose(h[:first], g[:first], rtol=1e-3)
        if not layers and activation == "identity":
            assert_close(h, curvature.hessian_diagonal(net, X, T, "exact"), 1e-12)


SEVERAL = [case("sigmoid-7-5-3"), case("softmax-5-17-7"), *map(shaped_case, ("lenet", "map-trained"))]


@pytest.mark.parametrize("one", [*SEVERAL, shaped_case("gaussian-hidden")], ids=str)
def test_many_rows_are_the_mean_of_their_parts(one):
    """More rows than one block has, in unequal parts."""
    net, (X, T) = one.network(), one.data(777)
    parts = np.split(np.arange(777), [1, 100, 520])

    def mean_of_parts(function):
        return sum(len(rows) / 777 * function(X[rows], T[rows]) for rows in parts)

    v = np.random.default_rng(0).standard_normal(net.n_parameters)
    for method in ("exact", "gauss_newton"):
        for function in (
            lambda x, t, m=method: curvature.hessian(net, x, t, m),
            lambda x, t, m=method: curvature.hessian_vector_product(net, x, t, v, m),
            lambda x, t, m=method: curvature.hessian_diagonal(net, x, t, m),
        ):
            assert_close(function(X, T), mean_of_parts(function), 1e-11)
    assert_close(
        curvature.hessian_diagonal(net, X, T),
        mean_of_parts(lambda x, t: curvature.hessian_diagonal(net, x, t)),
        1e-11,
    )


@pytest.mark.parametrize("one", [case("deep-5-7-17-3-33"), shaped_case("max-pool")], ids=str)
def test_threads_change_rounding_only(one):
    net, (X, T) = one.network(), one.data(601)
    v = np.random.default_rng(0).standard_normal(net.n_parameters)
    for function in (
        lambda n: curvature.hessian(net, X, T, n_threads=n),
        lambda n: curvature.hessian(net, X, T, "gauss_newton", n_threads=n),
        lambda n: curvature.hessian(net, X[:9], T[:9], "finite_difference", n_threads=n),
        lambda n: curvature.hessian_diagonal(net, X, T, n_threads=n),
        lambda n: curvature.hessian_diagonal(net, X, T, "gauss_newton", n_threads=n),
        lambda n: curvature.hessian_diagonal(net, X, T, "exact", n_threads=n),
        lambda n: curvature.hessian_vector_product(net, X, T, v, n_threads=n),
        lambda n: curvature.hessian_vector_product(net, X, T, v, "gauss_newton", n_threads=n),
    ):
        one_thread = function(1)
        for n in (2, 3, 1000):
            several = function(n)
            np.testing.assert_allclose(several, one_thread, rtol=1e-8, atol=1e-10 * np.abs(one_thread).max())
            np.testing.assert_array_equal(several, function(n))


@pytest.mark.parametrize("one", [case("sigmoid-7-5-3"), shaped_case("lenet")], ids=str)
def test_integer_weights_are_repetitions(one, rng):
    net, (X, T) = one.network(), one.data()
    weights = rng.integers(0, 4, len(X))
    again = np.repeat(np.arange(len(X)), weights)
    v = rng.standard_normal(net.n_parameters)
    for method in METHODS:
        tolerance = 1e-7 if method == "finite_difference" else 1e-11
        assert_close(
            curvature.hessian(net, X, T, method, sample_weight=weights),
            curvature.hessian(net, X[again], T[again], method),
            tolerance,
        )
        assert_close(
            curvature.hessian_vector_product(net, X, T, v, method, sample_weight=weights),
            curvature.hessian_vector_product(net, X[again], T[again], v, method),
            tolerance,
        )
    for method in ("backprop", "gauss_newton", "exact"):
        assert_parameters_close(
            curvature.hessian_diagonal(net, X, T, method, sample_weight=weights),
            curvature.hessian_diagonal(net, X[again], T[again], method),
            one.oracle(),
            1e-11,
        )


@EVERY_CASE
def test_single_precision(one):
    """Everything that is computed in float32 is near what it is in float64."""
    single, double, (X, T) = one.network("float32"), one.network(), one.data()
    double.parameters[:] = single.parameters
    x, t = X.astype(np.float32), T.astype(np.float32)
    v = np.random.default_rng(0).standard_normal(single.n_parameters)
    for function in (
        lambda net, x, t: curvature.hessian(net, x, t),
        lambda net, x, t: curvature.hessian(net, x, t, "gauss_newton"),
        lambda net, x, t: curvature.hessian_diagonal(net, x, t, "exact"),
        lambda net, x, t: curvature.hessian_diagonal(net, x, t, "gauss_newton"),
        lambda net, x, t: curvature.hessian_vector_product(net, x, t, v),
    ):
        got, expected = function(single, x, t), function(double, x.astype(float), t.astype(float))
        assert got.dtype == np.float32
        close(got, expected, 1e-4, str(one))


def test_an_operator_stays_where_it_was_made(rng):
    net, (X, T) = case("sigmoid-7-5-3").network(), case("sigmoid-7-5-3").data()
    v = rng.standard_normal(net.n_parameters)
    for method in METHODS:
        operator = curvature.hessian_operator(net, X, T, method)
        before = operator @ v
        kept = net.parameters.copy()
        net.parameters[:] *= 2
        np.testing.assert_array_equal(operator @ v, before)
        net.parameters[:] = kept


def test_nothing_is_changed(rng):
    net, (X, T) = case("sigmoid-7-5-3").network(), case("sigmoid-7-5-3").data()
    theta, x, t = net.parameters.copy(), X.copy(), T.copy()
    for method in METHODS:
        curvature.hessian(net, X, T, method)
        curvature.spectrum(net, X, T, method, k=3)
    for method in ("power", "lanczos", "online"):
        curvature.principal_eigenvalue(net, X, T, method, n_presentations=10)
    for now, before in ((net.parameters, theta), (X, x), (T, t)):
        np.testing.assert_array_equal(now, before)


def test_the_checks_can_fail(rng):
    """Another matrix, one wrong element, a lost symmetry, a wrong order of the parameters."""
    net, (X, T) = case("sigmoid-7-5-3").network(), case("sigmoid-7-5-3").data()
    H, G = curvature.hessian(net, X, T), curvature.hessian(net, X, T, "gauss_newton")
    check_matrix(H, H, net, 1e-12)
    with pytest.raises(AssertionError):
        check_matrix(H, G, net, 1e-3)
    for i, j in ((3, 3), (0, 57)):
        wrong = H.copy()
        wrong[i, j] += 1e-6 * np.abs(H[i, j])
        wrong[j, i] = wrong[i, j]
        with pytest.raises(AssertionError):
            check_matrix(wrong, H, net, 1e-9)
    wrong = H.copy()
    wrong[0, 1] *= 1 + 1e-15
    wrong[0, 1] = np.nextafter(wrong[0, 1], np.inf)
    with pytest.raises(AssertionError, match="symmetric"):
        check_matrix(wrong, H, net, 1e-12)
    order = rng.permutation(len(H))
    with pytest.raises(AssertionError):
        check_matrix(H[np.ix_(order, order)], H, net, 1e-3)
    for broken in (lambda v: G @ v, lambda v: H @ v + 1e-6, lambda v: 1.001 * (H @ v), np.zeros_like):
        with pytest.raises(AssertionError):
            check_products(broken, H, rng, 1e-9)
    loss, outputs = loss_of(net), net.forward(X)
    expected = gauss_newton(net.jacobian(X), lambda v: 2 * loss.curvature_product(outputs, T, v))
    with pytest.raises(AssertionError):
        check_matrix(G, expected, net, 1e-9)
