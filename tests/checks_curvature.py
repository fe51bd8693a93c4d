"""Checks of second derivatives against each other; test_curvature.py proves that each of them can fail."""

import numpy as np
from checks import assert_close


def close(got, expected, tolerance, what):
    """`assert_close`, but where everything is 0, as beyond a linear loss, nothing else will do."""
    if np.any(expected != 0):
        assert_close(got, expected, tolerance, what)
    else:
        np.testing.assert_array_equal(got, 0, err_msg=what)


def check_matrix(H, expected, net, tolerance):
    """H (p, p) block by block of the parameters, so that small blocks cannot hide behind large ones."""
    assert H.shape == (net.n_parameters,) * 2
    np.testing.assert_array_equal(H, H.T, err_msg="not symmetric")
    scale = np.abs(expected).max()
    for rows_name, rows, _ in net.parameter_slices:
        for columns_name, columns, _ in net.parameter_slices:
            part, truth = H[rows, columns], expected[rows, columns]
            if np.abs(truth).max() > 1e-12 * scale:
                assert_close(part, truth, tolerance, f"{rows_name} x {columns_name}")
            else:  # rounding of larger numbers that cancel
                np.testing.assert_allclose(part, truth, atol=1e-12 * max(scale, 1e-300))


def check_products(product, H, rng, tolerance):
    """product(v) against the columns of H and a random combination of them."""
    p = len(H)
    directions = [*np.eye(p)[rng.permutation(p)[:5]], rng.standard_normal(p), np.zeros(p)]
    for v in directions:
        close(product(v), H @ v, tolerance, "product")


def gauss_newton(jacobian, curvature_product):
    """Mean over samples of JᵀDJ from J (n, k, p) and D, known by its product with rows (n, k)."""
    columns = [curvature_product(np.ascontiguousarray(jacobian[:, :, j])) for j in range(jacobian.shape[2])]
    return np.einsum("nkp,nkq->pq", jacobian, np.stack(columns, axis=2)) / len(jacobian)
