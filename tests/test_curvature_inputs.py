"""What ebp.curvature says to wrong arguments."""

import ebp
import numpy as np
import pytest

curvature = ebp.curvature
X, T = np.zeros((4, 3)), np.zeros((4, 2))
V = np.zeros(26)


@pytest.fixture(scope="module")
def net():
    return ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(2)], 3, dtype="float64", random_state=0)


FUNCTIONS = {
    "hessian": curvature.hessian,
    "hessian_diagonal": curvature.hessian_diagonal,
    "hessian_vector_product": lambda net, x, t, *a, **k: curvature.hessian_vector_product(
        net, x, t, V, *a, **k
    ),
    "hessian_operator": curvature.hessian_operator,
    "spectrum": curvature.spectrum,
    "principal_eigenvalue": curvature.principal_eigenvalue,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"net": "mlp"}, TypeError, "net must be an ebp.Network; got str"),
        ({"X": np.zeros((4, 2))}, ValueError, r"X must have shape \(n, 3\); got \(4, 2\)"),
        ({"T": np.zeros((3, 2))}, ValueError, r"T must have shape \(4, 2\); got \(3, 2\)"),
        ({"T": np.zeros((4, 3))}, ValueError, r"T must have shape \(n, 2\); got \(4, 3\)"),
        ({"X": np.zeros((0, 3)), "T": np.zeros((0, 2))}, ValueError, "X must have at least one row; got 0"),
        ({"X": np.full((4, 3), "a")}, TypeError, "X must be real numbers"),
        ({"sample_weight": np.zeros(4)}, ValueError, "some sample_weight must be positive"),
        ({"sample_weight": -np.ones(4)}, ValueError, "sample_weight must be finite and not negative"),
        ({"sample_weight": np.ones(3)}, ValueError, r"sample_weight must have shape \(4,\); got \(3,\)"),
        ({"n_threads": 0}, ValueError, "n_threads must be .*; got 0"),
        ({"n_threads": 1.5}, ValueError, "n_threads must be .*; got 1.5"),
        ({"method": "magic"}, ValueError, "method must be one of '.*; got 'magic'"),
    ],
)
def test_every_function(net, name, change, error, text):
    arguments = {"net": net, "X": X, "T": T} | change
    with pytest.raises(error, match=rf"^\[{name}\] {text}"):
        FUNCTIONS[name](arguments.pop("net"), arguments.pop("X"), arguments.pop("T"), **arguments)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hessian": "diagonal"}, "hessian must be one of 'exact', 'gauss_newton', 'finite_difference'; got"),
        ({"method": "online", "hessian": "gauss_newton"}, "hessian must be 'exact' for method='online'; got"),
        ({"tol": -1}, "tol must be .*; got -1"),
        ({"tol": np.nan}, "tol must be .*; got nan"),
        ({"max_iter": 0}, "max_iter must be .*; got 0"),
        ({"method": "online", "gamma": 0}, "gamma must be .*; got 0"),
        ({"method": "online", "gamma": 1.5}, "gamma must be .*; got 1.5"),
        ({"method": "online", "gamma": np.ones(5)}, r"gamma must have shape \(1000,\); got \(5,\)"),
        ({"method": "online", "gamma": [0.0], "n_presentations": 1}, r"gamma must lie in \(0, 1\]"),
        ({"method": "online", "alpha": 0}, "alpha must be .*; got 0"),
        ({"method": "online", "n_presentations": 0}, "n_presentations must be .*; got 0"),
        ({"method": "online", "order": [4]}, "order must hold indices of rows of X, 0 to 3"),
        ({"method": "online", "order": []}, "order must hold indices"),
        ({"method": "online", "order": [0.5]}, "order must hold indices"),
    ],
)
def test_principal_eigenvalue(net, options, text):
    with pytest.raises(ValueError, match=rf"^\[principal_eigenvalue\] {text}"):
        curvature.principal_eigenvalue(net, X, T, **options)


def test_other_arguments(net):
    with pytest.raises(
        ValueError, match=r"^\[hessian_vector_product\] v must have shape \(26,\); got \(3,\)"
    ):
        curvature.hessian_vector_product(net, X, T, np.zeros(3))
    for k in (0, 27, 1.5):
        with pytest.raises(ValueError, match=rf"^\[spectrum\] k must be .*; got {k}"):
            curvature.spectrum(net, X, T, k=k)
    with pytest.raises(ValueError, match=r"^\[hessian\] memory_limit must be .*; got -1"):
        curvature.hessian(net, X, T, memory_limit=-1)


@pytest.mark.parametrize("function", [curvature.hessian, curvature.spectrum])
def test_too_large_a_matrix_is_refused_with_its_size_and_a_way_out(function):
    """Of 10⁵ parameters, before anything is allocated."""
    net = ebp.Network([ebp.layers.Dense(100), ebp.layers.Dense(10)], 990, random_state=0)
    assert net.n_parameters == 100_110
    rows, targets = np.zeros((1, 990), np.float32), np.zeros((1, 10), np.float32)
    with pytest.raises(MemoryError, match=r"100,110 parameters .* 8 GiB.*hessian_operator.*got 37.3 GiB"):
        function(net, rows, targets)
    with pytest.raises(MemoryError, match=r"got 74.7 GiB"):
        function(net, rows, targets, "gauss_newton", n_threads=2)
    small = ebp.Network([ebp.layers.Dense(2)], 3, dtype="float64", random_state=0)
    with pytest.raises(MemoryError, match="8 parameters"):
        function(small, X, T, memory_limit=8 * 63)
    assert len(function(small, X, T, memory_limit=8 * 64)) == 8
    # What needs no matrix goes on.
    assert curvature.principal_eigenvalue(net, rows, targets).eigenvalue > 0


def test_derivatives_that_are_not_finite(net):
    broken = X.copy()
    broken[2, 1] = np.nan
    for method in ("power", "lanczos", "online"):
        with pytest.raises(
            ValueError, match=r"^\[principal_eigenvalue\] the Hessian must be finite; got nan"
        ):
            curvature.principal_eigenvalue(net, broken, T, method)
    for k in (None, 2):
        with pytest.raises(ValueError, match=r"^\[spectrum\] the Hessian must be finite; got nan"):
            curvature.spectrum(net, broken, T, k=k)


def test_what_is_converted(net):
    """Lists, integers, images and other orders of memory are taken, once."""
    rng = np.random.default_rng(0)
    x, t = rng.integers(-3, 4, (5, 3)), rng.integers(-1, 2, (5, 2))
    H = curvature.hessian(net, x, t)
    for other in (x.tolist(), np.asfortranarray(x), x.astype(np.float32), x[::-1][::-1]):
        np.testing.assert_array_equal(curvature.hessian(net, other, t), H)
    single = ebp.Network([ebp.layers.Dense(1)], 3, dtype="float64", random_state=0)
    np.testing.assert_array_equal(
        curvature.hessian(single, x, t[:, 0]), curvature.hessian(single, x, t[:, :1])
    )
    image = ebp.Network([ebp.layers.Conv2D(2, 2), ebp.layers.Dense(1)], (1, 3, 4), random_state=0)
    pictures = rng.standard_normal((5, 1, 3, 4))
    np.testing.assert_array_equal(
        curvature.hessian(image, pictures, t[:, 0]),
        curvature.hessian(image, pictures.reshape(5, 12), t[:, 0]),
    )
