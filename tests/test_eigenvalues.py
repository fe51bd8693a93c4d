"""Eigenvalues of the Hessian and the learning rates they allow. Sections 5, 7.5, 8 and 9.2."""

import ebp
import numpy as np
import pytest
from cases import CASES, case
from cases_shaped import case as shaped_case
from sklearn.exceptions import ConvergenceWarning

curvature = ebp.curvature
# Those whose matrices all eigenvalues are found of in no time.
SMALL = [one for one in CASES if one.oracle().n_parameters < 300]
SMALL += [shaped_case("lenet"), shaped_case("map-trained")]


def netmask(data_dir, *, epochs=0):
    """NetMASK on the 320 centred training digits, at its start or after some training."""
    X, y, *_ = ebp.datasets.load_digits480(data_dir)
    X = X - X.mean(axis=0)
    T = 2 * np.eye(10)[y] - 1
    net = ebp.Network(ebp.layers.netmask(), (1, 16, 16), weight_init="sn", dtype="float64", random_state=0)
    rule = ebp.rules.SGD(0.1, scale="fan_in")
    for _ in range(epochs):
        net.train_online(X, T, rule)
    return net, X, T


@pytest.mark.parametrize("method", ["power", "lanczos"])
@pytest.mark.parametrize("one", SMALL, ids=str)
def test_the_largest_eigenvalue_of_the_matrix(one, method):
    net, (X, T) = one.network(), one.data()
    for hessian in ("exact", "gauss_newton"):
        values, vectors = np.linalg.eigh(curvature.hessian(net, X, T, hessian))
        tol = 1e-3 if method == "power" else 1e-6
        found = curvature.principal_eigenvalue(net, X, T, method, hessian=hessian, tol=tol, max_iter=20_000)
        assert found.eigenvalue == pytest.approx(values[-1], rel=tol)
        assert found.learning_rate == pytest.approx(1 / values[-1], rel=tol)
        assert found.history[-1] == found.eigenvalue
        assert np.linalg.norm(found.eigenvector) == pytest.approx(1)
        if len(values) > 1 and values[-1] - values[-2] > 0.05 * values[-1]:
            assert abs(found.eigenvector @ vectors[:, -1]) > 1 - 1e-3
        assert found.n_presentations % len(X) == 0


@pytest.mark.parametrize("hessian", ["exact", "gauss_newton", "finite_difference"])
def test_spectrum(hessian):
    one = case("sigmoid-7-5-3")
    net, (X, T) = one.network(), one.data()
    values = np.linalg.eigvalsh(curvature.hessian(net, X, T, hessian))
    np.testing.assert_allclose(curvature.spectrum(net, X, T, hessian), values, atol=1e-10)
    for k in (1, 5, len(values) - 1, len(values)):
        np.testing.assert_allclose(curvature.spectrum(net, X, T, hessian, k), values[-k:], atol=1e-7)


def negative_net():
    """One unit far on the wrong side, where its sigmoid bends down: eigenvalues are large and < 0."""
    net = ebp.Network([ebp.layers.Dense(1, "tanh", bias=False)], 2, dtype="float64")
    net.parameters[:] = [1.0, 0.0]
    X = np.array([[1.0, 0.0], [0.9, 0.3], [1.1, -0.2]])
    return net, X, -5 * np.ones(3)


@pytest.mark.parametrize("method", ["power", "lanczos", "online"])
def test_a_negative_eigenvalue_of_larger_size_is_passed_by(method):
    """|Ψ| alone would report the size of the most negative one (trap T11)."""
    net, X, T = negative_net()
    values = np.linalg.eigvalsh(curvature.hessian(net, X, T))
    assert -values[0] > 3 * abs(values[-1])
    found = curvature.principal_eigenvalue(net, X, T, method, max_iter=10_000, n_presentations=5000)
    assert found.eigenvalue == pytest.approx(values[-1], abs=0.05 * abs(values[0]))
    if method != "online":
        assert found.eigenvalue == pytest.approx(values[-1], rel=1e-3)
    assert found.learning_rate == (np.inf if found.eigenvalue <= 0 else 1 / found.eigenvalue)


def test_online_estimate_on_the_digits(data_dir):
    """Section 9.2: the right size in fewer than 100 presentations; here within 20 %, with γ from 0.1 down."""
    for epochs in (0, 3):
        net, X, T = netmask(data_dir, epochs=epochs)
        true = curvature.spectrum(net, X, T)[-1]
        for seed in range(5):
            found = curvature.principal_eigenvalue(
                net, X, T, "online", n_presentations=100, random_state=seed
            )
            assert found.n_presentations == len(found.history) == 100
            assert found.eigenvalue == pytest.approx(true, rel=0.2), (epochs, seed)
    constant = curvature.principal_eigenvalue(net, X, T, "online", gamma=np.full(1000, 0.003))
    assert constant.history[50] < 0.5 * true  # small leaks take longer: 1/γ presentations


def test_online_estimate_options():
    net, (X, T) = case("sigmoid-7-5-3").network(), case("sigmoid-7-5-3").data()
    values = np.linalg.eigvalsh(curvature.hessian(net, X, T))

    def estimate(**options):
        return curvature.principal_eigenvalue(net, X, T, "online", n_presentations=20_000, **options)

    for options in ({}, {"gamma": 0.03}, {"alpha": 1e-4}, {"order": [*range(33)]}, {"random_state": 3}):
        assert estimate(**options).eigenvalue == pytest.approx(values[-1], rel=0.05)
    weights = np.random.default_rng(0).uniform(0.1, 2, 33) ** 6
    heavy = np.linalg.eigvalsh(curvature.hessian(net, X, T, sample_weight=weights))[-1]
    assert abs(heavy / values[-1] - 1) > 0.1
    assert estimate(sample_weight=weights).eigenvalue == pytest.approx(heavy, rel=0.05)
    assert estimate().eigenvalue == estimate().eigenvalue
    assert estimate().eigenvalue != estimate(random_state=1).eigenvalue


def train_lms(eta, X, T, steps=500):
    """Excess loss of batch descent of one linear unit, started with its bias off its optimum."""
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, weight_init=np.array([0.5, -0.5, 0.7]),
                      dtype="float64")  # fmt: skip
    design = np.hstack([X, np.ones((len(X), 1))])
    best = np.linalg.lstsq(design, T, rcond=None)[0]
    for _ in range(steps):
        net.parameters[:] -= eta * net.gradient(X, T)
    return np.linalg.norm(net.parameters - best), curvature.principal_eigenvalue(net, X, T).eigenvalue


@pytest.mark.parametrize("seed", range(3))
def test_gradient_descent_is_stable_up_to_two_over_the_largest_eigenvalue(seed):
    """(38) on the data of Figs 9-12, with the bias in the Hessian: 2.0, where the paper prints 2.38."""
    X, T = ebp.datasets.two_gaussians(random_state=seed)
    largest = train_lms(0.0, X, T, 1)[1]
    assert largest == pytest.approx(1.0, abs=0.1)
    assert train_lms(1.95 / largest, X, T)[0] < 1e-6
    assert not train_lms(2.05 / largest, X, T)[0] < 1e6
    assert train_lms(1.5, X, T)[0] < 1e-6
    assert not train_lms(2.3, X, T)[0] < 1e6  # below the printed limit


def test_too_few_products_are_said():
    net, (X, T) = case("sigmoid-7-5-3").network(), case("sigmoid-7-5-3").data()
    for method in ("power", "lanczos"):
        with pytest.warns(
            ConvergenceWarning, match=r"\[principal_eigenvalue\] not converged after max_iter=3"
        ):
            found = curvature.principal_eigenvalue(net, X, T, method, tol=1e-9, max_iter=3)
        assert np.isfinite(found.eigenvalue)
        assert len(found.history) == 3


def test_hessians_of_zeros():
    """A loss without curvature, beyond a linear unit: all eigenvalues are 0 and any rate will do."""
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 3, loss="absolute_error", random_state=0)
    X, T = np.random.default_rng(0).standard_normal((5, 3)), np.full(5, 9.0)
    for method in ("power", "lanczos"):
        found = curvature.principal_eigenvalue(net, X, T, method)
        assert (found.eigenvalue, found.learning_rate) == (0, np.inf)
    assert curvature.principal_eigenvalue(net, X, T, "online").eigenvalue < 1e-9  # only forgets its start
    for k in (None, 1, 2):
        np.testing.assert_array_equal(curvature.spectrum(net, X, T, k=k), 0)


def test_lanczos_does_not_stop_at_the_second_eigenvalue():
    """Its residual falls below 1 % before the largest has shown up."""
    rng = np.random.default_rng(73)
    units, inputs, outputs = (int(rng.integers(*bounds)) for bounds in ((3, 12), (2, 8), (1, 4)))
    layers = [ebp.layers.Dense(units), ebp.layers.Dense(outputs, "tanh")]
    net = ebp.Network(layers, inputs, dtype="float64", random_state=73)
    X, T = rng.standard_normal((60, inputs)), rng.standard_normal((60, outputs))
    largest = curvature.spectrum(net, X, T)[-1]
    found = curvature.principal_eigenvalue(net, X, T, "lanczos")
    assert found.eigenvalue == pytest.approx(largest, rel=1e-4)
