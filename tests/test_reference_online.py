"""The oracle's online loops against closed forms, and proof that comparing with them tells options apart."""

import numpy as np
import pytest
from cases import case
from reference import MLP, relative_error
from reference_online import online_eigenvalue, train_sdlm, train_sgd, transformed

LINE = MLP(1, [(1, "identity", 0.0, True)])


def test_sgd_by_hand():
    """w = 2, b = 1, x = 3, d = 5: o = 7, E = 2, dE/dw = 6, dE/db = 2."""
    theta, X, T = np.array([2.0, 1.0]), np.array([[3.0]]), np.array([[5.0]])
    got = train_sgd(LINE, theta, X, T, rate=0.1, weight_decay=0.5)
    assert got.losses.tolist() == [2.0]
    np.testing.assert_allclose(got.theta, [2.0 - 0.1 * (6.0 + 0.5 * 2.0), 1.0 - 0.1 * 2.0], rtol=1e-15)


def test_sdlm_by_hand():
    """h^p = (x^2, 1) = (9, 1), so that the step is eps / (h + mu) times the gradient (6, 2)."""
    theta, X, T = np.array([2.0, 1.0]), np.array([[3.0]]), np.array([[5.0]])
    got = train_sdlm(LINE, theta, X, T, rate=0.1, mu=0.5)
    np.testing.assert_allclose(got.theta, [2.0 - 0.1 / 9.5 * 6.0, 1.0 - 0.1 / 1.5 * 2.0], rtol=1e-15)
    unit = train_sdlm(LINE, theta, X, T, rate=0.1, mu=0.5, granularity="unit")
    np.testing.assert_allclose(unit.curvature, [5.0, 5.0])
    cold = train_sdlm(LINE, theta, X, T, rate=0.1, mu=0.5, hessian_samples=0, refresh="running", gamma=0.1)
    np.testing.assert_allclose(cold.curvature, [0.9, 0.1])


def test_bias_with_rate_one_over_t_is_the_running_mean(rng):
    """Section 4.1: on a bias-only LMS problem the rate 1/t averages the targets exactly."""
    targets, theta = rng.standard_normal((20, 1)), np.zeros(2)
    for t, target in enumerate(targets, 1):
        theta = train_sgd(LINE, theta, np.zeros((1, 1)), target[None], rate=1.0 / t).theta
    np.testing.assert_allclose(theta[1], targets.mean(), rtol=1e-12)


def test_momentum_reaches_the_heavy_ball_rate():
    """On a constant gradient the step tends to rate / (1 - momentum), section 4.7."""
    theta, velocity = np.zeros(2), None
    for _ in range(200):
        got = train_sgd(LINE, np.zeros(2), np.zeros((1, 1)), np.ones((1, 1)), rate=0.1, momentum=0.9,
                        velocity=velocity)  # fmt: skip
        velocity = got.velocity
    np.testing.assert_allclose(velocity - theta, [0.0, 1.0], atol=1e-8)


def test_running_curvature_tends_to_the_second_moment(rng):
    X = rng.standard_normal((4000, 3)) * [0.5, 1.0, 2.0]
    mlp = MLP(3, [(1, "identity", 0.0, True)])
    got = train_sdlm(mlp, np.zeros(4), X, np.ones((4000, 1)), refresh="running", gamma=0.005)
    np.testing.assert_allclose(got.curvature, [0.25, 1.0, 4.0, 1.0], rtol=0.3)


def test_online_eigenvalue_of_a_linear_model(rng):
    """|Psi| settles at the largest eigenvalue of E[x x'], the bias's constant input included."""
    X = rng.standard_normal((500, 2)) * [1.0, 3.0]
    mlp = MLP(2, [(1, "identity", 0.0, True)])
    psi = rng.standard_normal(3)
    order = rng.integers(0, 500, 4000)
    norms = online_eigenvalue(mlp, np.zeros(3), X, np.ones((500, 1)), psi / np.linalg.norm(psi),
                              order=order, gamma=0.01)  # fmt: skip
    design = np.hstack([X, np.ones((500, 1))])
    largest = np.linalg.eigvalsh(design.T @ design / 500)[-1]
    assert norms[2000:].mean() == pytest.approx(largest, rel=0.1)


def test_transformed_agrees_between_vector_and_matrix(rng):
    X, shift, factor = rng.standard_normal((5, 3)), rng.standard_normal(3), rng.standard_normal(3)
    np.testing.assert_allclose(transformed(X, shift, factor), transformed(X, shift, np.diag(factor)))


SGD_VARIANTS = [
    {"rate": 0.02}, {"rate": -0.01}, {"momentum": 0.5}, {"weight_decay": 1e-3}, {"scale": "fan_in"},
    {"batch_size": 2}, {"order": np.arange(33)[::-1]}, {"sample_weight": np.linspace(0.5, 2, 33)},
]  # fmt: skip
SDLM_VARIANTS = [
    {"rate": 0.02}, {"mu": 0.03}, {"hessian_samples": 20}, {"refresh": "running"}, {"momentum": 0.5},
    {"granularity": "unit"}, {"weight_decay": 1e-3}, {"batch_size": 2}, {"refresh": "running", "gamma": 0.1},
    {"sample_weight": np.linspace(0.5, 2, 33)},
]  # fmt: skip


@pytest.mark.parametrize("variant", SGD_VARIANTS, ids=str)
def test_sgd_options_are_told_apart(variant):
    """An engine that ignored one option would miss the oracle by far more than the tolerance of 1e-10."""
    one = case("sigmoid-7-5-3")
    mlp, theta, (X, T) = one.oracle(), one.parameters(), one.data()
    plain = train_sgd(mlp, theta, X, T, rate=0.01)
    other = train_sgd(mlp, theta, X, T, **{"rate": 0.01, **variant})
    assert relative_error(other.theta, plain.theta) > 1e-6


@pytest.mark.parametrize("variant", SDLM_VARIANTS, ids=str)
def test_sdlm_options_are_told_apart(variant):
    one = case("sigmoid-7-5-3")
    mlp, theta, (X, T) = one.oracle(), one.parameters(), one.data()
    plain = train_sdlm(mlp, theta, X, T, rate=0.01)
    other = train_sdlm(mlp, theta, X, T, **{"rate": 0.01, **variant})
    assert relative_error(other.theta, plain.theta) > 1e-6
