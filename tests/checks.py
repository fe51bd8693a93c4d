"""The checkers that all test files share; test_reference.py proves that each of them can fail."""

import numpy as np
from reference import central_differences, directional_differences, relative_error, second_differences


def assert_close(got, expected, tolerance, what="result"):
    """Fails where `relative_error` exceeds `tolerance`, naming the worst element.

    A reference that is zero throughout would let anything scaled by it pass, so it fails too.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    assert expected.size == 0 or np.any(expected != 0), f"{what}: the reference is zero and proves nothing"
    error = relative_error(got, expected)
    if not error <= tolerance:
        worst = np.unravel_index(np.argmax(np.nan_to_num(np.abs(got - expected), nan=np.inf)), got.shape)
        raise AssertionError(
            f"{what}: relative error {error:.3g} > {tolerance:g}; "
            f"got {got[worst]!r}, expected {expected[worst]!r} at {tuple(int(i) for i in worst)}"
        )


def assert_parameters_close(got, expected, mlp, tolerance, what="parameters"):
    """`assert_close` block by block, so that a layer of small numbers cannot hide behind large ones."""
    assert np.shape(got) == (mlp.n_parameters,), f"{what}: shape {np.shape(got)}"
    for name, where, _ in mlp.slices:
        assert_close(got[where], expected[where], tolerance, f"{what}, {name}")


def module_inputs(module, n, n_in, n_out, rng, dtype=float):
    """theta, dtheta, X, DX, and output rows GY, DGY, HY >= 0, for the five passes."""
    draw = [rng.standard_normal(module.n_parameters) for _ in range(2)]
    draw += [rng.standard_normal((n, n_in)) for _ in range(2)]
    draw += [rng.standard_normal((n, n_out)) for _ in range(2)]
    draw.append(rng.uniform(0.1, 1.0, size=(n, n_out)))
    return [array.astype(dtype) for array in draw]


def check_module(module, oracle, inputs, tolerance):
    """All five passes of `module` against those of `oracle` on `module_inputs`."""
    theta, dtheta, X, DX, GY, DGY, HY = inputs
    for name, arguments in (
        ("forward", (theta, X)),
        ("backward", (theta, X, GY)),
        ("backward_curvature", (theta, X, HY)),
        ("forward_tangent", (theta, dtheta, X, DX)),
        ("backward_tangent", (theta, dtheta, X, DX, GY, DGY)),
    ):
        got = getattr(module, name)(*arguments)
        expected = getattr(oracle, name)(*[np.asarray(a, float) for a in arguments])
        if not isinstance(expected, tuple):
            got, expected = (got,), (expected,)
        assert len(got) == len(expected)
        for part, (a, b) in enumerate(zip(got, expected, strict=True)):
            assert_close(a, b, tolerance, f"{name}[{part}]")


def check_derivatives(module, inputs, tolerance=1e-7):
    """Every other pass of `module` against dense Jacobians from differences of its `forward` alone."""
    theta, dtheta, X, DX, GY, DGY, HY = inputs
    per_input = central_differences(lambda x: module.forward(theta, x), X)  # (n, k, n, i)
    per_input = np.einsum("nkni->nki", per_input)  # rows are independent
    per_parameter = central_differences(lambda t: module.forward(t, X), theta)  # (n, k, p)

    gx, gtheta = module.backward(theta, X, GY)
    assert_close(gx, np.einsum("nk,nki->ni", GY, per_input), tolerance, "backward, inputs")
    assert_close(gtheta, np.einsum("nk,nkp->p", GY, per_parameter), tolerance, "backward, parameters")
    hx, htheta = module.backward_curvature(theta, X, HY)
    assert_close(hx, np.einsum("nk,nki->ni", HY, per_input**2), tolerance, "curvature, inputs")
    assert_close(htheta, np.einsum("nk,nkp->p", HY, per_parameter**2), tolerance, "curvature, parameters")
    dy = np.einsum("nki,ni->nk", per_input, DX) + per_parameter @ dtheta
    assert_close(module.forward_tangent(theta, dtheta, X, DX), dy, tolerance, "forward_tangent")

    def pack(*arrays):
        return np.concatenate([array.ravel() for array in arrays])

    def gradients(packed):
        t, x, gy = np.split(packed, np.cumsum([theta.size, X.size]))
        return pack(*module.backward(t, x.reshape(X.shape), gy.reshape(GY.shape)))

    expected = directional_differences(gradients, pack(theta, X, GY), pack(dtheta, DX, DGY))
    got = pack(*module.backward_tangent(theta, dtheta, X, DX, GY, DGY))
    assert_close(got, expected, tolerance, "backward_tangent")


def curvature_by_second_differences(module, theta, X, HY, residual):
    """Second differences in X of 1/2 (y - y0)' D (y - y0), where y0 = y(X) - residual."""
    target = module.forward(theta, X) - residual
    return second_differences(lambda x: 0.5 * (HY * (module.forward(theta, x) - target) ** 2).sum(), X)


def check_gradient(loss, gradient, theta, mlp, tolerance=1e-7):
    """`gradient` (p,) against central differences of the scalar function `loss` of the parameters."""
    assert_parameters_close(gradient, central_differences(loss, theta), mlp, tolerance, "gradient")


def check_jacobian(forward, jacobian, theta, tolerance=1e-7):
    """`jacobian` (n, k, p) against central differences of `forward`, a function of the parameters."""
    assert_close(jacobian, central_differences(forward, theta), tolerance, "jacobian")


def check_loss(loss, outputs, targets, V, tolerance=1e-7):
    """gradient, curvature and curvature_product of `loss` against differences of value and gradient."""
    rows = [slice(row, row + 1) for row in range(len(outputs))]
    first = [central_differences(lambda o, r=r: loss.value(o, targets[r])[0], outputs[r])[0] for r in rows]
    assert_close(loss.gradient(outputs, targets), np.array(first), tolerance, "loss gradient")
    second = [central_differences(lambda o, r=r: loss.gradient(o, targets[r])[0], outputs[r]) for r in rows]
    second = [matrix[:, 0] for matrix in second]
    diagonal = np.array([np.diag(matrix) for matrix in second])
    assert_close(loss.curvature(outputs, targets), diagonal, tolerance, "loss curvature")
    product = np.array([matrix @ v for matrix, v in zip(second, V, strict=True)])
    assert_close(loss.curvature_product(outputs, targets, V), product, tolerance, "loss curvature product")


def check_training(network, losses, expected, mlp, tolerance=1e-10):
    """Weights and losses after online training against those of a loop in reference_online."""
    assert_parameters_close(network.parameters, expected.theta, mlp, tolerance, "trained weights")
    assert_close(losses, expected.losses, tolerance, "losses")
