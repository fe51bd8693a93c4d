"""Every module's five passes against central differences of its forward pass alone, in float64.

Each checker's own power to fail is shown in test_reference.py; here the reference comes from `forward` only,
and tests of forward against NumPy are beside each module's own.
"""

import ebp
import numpy as np
import pytest
from checks import assert_close

core = ebp._core
FULL = [[0, 1]] * 3
MODULES = {
    "dense": lambda: core.Dense64(5, 3, True),
    "activation": lambda: core.Activation64(6, "scaled_tanh", 0.1),
    "conv": lambda: core.Conv2D64(2, 5, 6, 3, 3, 2, 1, "valid", FULL, True),
    "conv-same-2": lambda: core.Conv2D64(2, 5, 6, 3, 3, 3, 2, "same", [[0], [1], [0, 1]], True),
    "conv-wrap-2": lambda: core.Conv2D64(1, 6, 4, 2, 3, 3, 2, "wrap", [[0]] * 2, False),
    "window_sum": lambda: core.WindowSum2D64(2, 4, 6, 2, 0.25),
    "map_scale": lambda: core.MapScale64(3, 4, 4),
    "max_pool": lambda: core.MaxPool2D64(2, 6, 3, 3),
    "gaussian_rbf": lambda: core.GaussianRBF64(3, 4),
    "euclidean_rbf": lambda: core.EuclideanRBF64(4, 3),
    "euclidean_rbf-fixed": lambda: core.EuclideanRBF64(np.sign(np.sin(np.arange(12.0) + 1)).reshape(3, 4)),
}
EVERY_MODULE = pytest.mark.parametrize("name", MODULES)
ROWS = 2


def central(function, at, step=1e-5):
    """Derivatives (values of at, *shape of the result) of a function of a vector."""
    rows = []
    for k in range(at.size):
        move = np.zeros(at.size)
        move[k] = step
        move = move.reshape(at.shape)
        rows.append((function(at + move) - function(at - move)) / (2 * step))
    return np.array(rows).reshape(at.size, *function(at).shape)


@pytest.fixture
def drawn(name):
    """A module, its parameters and inputs, and directions of all kinds."""
    rng = np.random.default_rng(5)
    module = MODULES[name]()
    draw = rng.standard_normal
    theta = draw(module.n_parameters)
    if name == "gaussian_rbf":
        theta[-4:] = rng.uniform(0.8, 1.6, 4)  # widths are positive
    return {
        "module": module,
        "theta": theta,
        "dtheta": draw(module.n_parameters),
        "x": draw((ROWS, module.n_inputs)),
        "dx": draw((ROWS, module.n_inputs)),
        "gy": draw((ROWS, module.n_outputs)),
        "dgy": draw((ROWS, module.n_outputs)),
        "hy": rng.uniform(0.5, 2, (ROWS, module.n_outputs)),
    }


def jacobians(d):
    """Derivatives of y by x (inputs, rows, outputs), each row by its own input, and by theta."""
    module, theta, x = d["module"], d["theta"], d["x"]
    own = [central(lambda row: module.forward(theta, row[np.newaxis]), x[n].copy()) for n in range(ROWS)]
    by_x = np.stack([rows[:, 0] for rows in own], axis=1)
    by_theta = central(lambda t: module.forward(t, x), theta) if theta.size else np.zeros((0, *d["gy"].shape))
    return by_x, by_theta


@EVERY_MODULE
def test_backward(drawn):
    gx, gtheta = drawn["module"].backward(drawn["theta"], drawn["x"], drawn["gy"])
    by_x, by_theta = jacobians(drawn)
    assert_close(gx, np.einsum("inq,nq->ni", by_x, drawn["gy"]), 1e-8)
    assert_close(gtheta, np.einsum("pnq,nq->p", by_theta, drawn["gy"]), 1e-8)


@EVERY_MODULE
def test_backward_curvature(drawn):
    """Gauss-Newton: squares of first derivatives, summed over outputs. For a shared weight that is a sum over
    its connections, since each output uses it once."""
    hx, htheta = drawn["module"].backward_curvature(drawn["theta"], drawn["x"], drawn["hy"])
    by_x, by_theta = jacobians(drawn)
    assert_close(htheta, np.einsum("pnq,nq->p", by_theta**2, drawn["hy"]), 1e-8)
    assert_close(hx, np.einsum("inq,nq->ni", by_x**2, drawn["hy"]), 1e-8)


@EVERY_MODULE
def test_forward_tangent(drawn):
    dy = drawn["module"].forward_tangent(drawn["theta"], drawn["dtheta"], drawn["x"], drawn["dx"])
    by_x, by_theta = jacobians(drawn)
    expected = np.einsum("inq,ni->nq", by_x, drawn["dx"])
    assert_close(dy, expected + np.einsum("pnq,p->nq", by_theta, drawn["dtheta"]), 1e-8)


@EVERY_MODULE
def test_backward_tangent(drawn):
    """Central differences of backward, which test_backward has checked, along the direction."""
    d = drawn
    got = d["module"].backward_tangent(d["theta"], d["dtheta"], d["x"], d["dx"], d["gy"], d["dgy"])

    def along(r):
        return d["module"].backward(
            d["theta"] + r * d["dtheta"], d["x"] + r * d["dx"], d["gy"] + r * d["dgy"]
        )

    for part in (0, 1):
        expected = (along(1e-5)[part] - along(-1e-5)[part]) / 2e-5
        assert_close(got[part], expected, 1e-8)


@EVERY_MODULE
def test_rows_do_not_see_each_other(drawn):
    module, theta, x = drawn["module"], drawn["theta"], drawn["x"]
    together = module.forward(theta, x)
    for row in range(ROWS):
        np.testing.assert_allclose(module.forward(theta, x[row : row + 1])[0], together[row], rtol=1e-13)
