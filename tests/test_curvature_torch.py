"""The exact Hessian of every network of the grid equals that of PyTorch's functional transforms."""

import ebp
import numpy as np
import pytest
from cases import CASES, case
from cases_shaped import CASES as SHAPED_CASES
from checks import assert_close
from checks_curvature import check_matrix

torch = pytest.importorskip("torch", reason="PyTorch is not installed, which nothing else here needs")
import reference_torch  # noqa: E402  needs torch

# PyTorch compiles its own functional transforms with what it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")


@pytest.mark.parametrize("one", [*CASES, *SHAPED_CASES], ids=str)
def test_exact_hessian(one):
    net, (X, T) = one.network(), one.data()
    theta = torch.tensor(np.array(net.parameters))
    loss = reference_torch.mean_loss(net, X, T)
    assert float(loss(theta)) == pytest.approx(net.loss(X, T), rel=1e-12)
    assert_close(net.gradient(X, T), torch.func.grad(loss)(theta).numpy(), 1e-11, "gradient")
    expected = reference_torch.hessian(net, X, T)
    H = ebp.curvature.hessian(net, X, T)
    if np.abs(expected).max() > 1e-12:
        assert np.linalg.norm(H - expected) < 1e-10 * np.linalg.norm(expected)
        check_matrix(H, (expected + expected.T) / 2, net, 1e-10)
    else:
        np.testing.assert_allclose(H, expected, atol=1e-12)


def test_the_reference_notices_another_network():
    one = case("sigmoid-7-5-3")
    net, (X, T) = one.network(), one.data()
    H = ebp.curvature.hessian(net, X, T)
    net.parameters[0] += 1e-4
    with pytest.raises(AssertionError):
        check_matrix(H, reference_torch.hessian(net, X, T), net, 1e-10)
