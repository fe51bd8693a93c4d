"""Networks on dask arrays, against one array in memory: the same sums in parts."""

import re

import ebp
import numpy as np
import pytest
from ebp import curvature, distributed

dask = pytest.importorskip("dask", reason="dask is not installed")
da = pytest.importorskip("dask.array", reason="dask is not installed")

from partitioned import N, close, network, parts, samples, unread  # noqa: E402


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def data(rng):
    return samples(rng)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_objective_and_its_derivatives(data, rng, loss, weighted):
    X, T, weights = data
    T = np.abs(T) if loss == "cross_entropy" else T
    sample_weight = weights if weighted else None
    net = network(loss=loss)
    function = distributed.objective(
        net, parts(X), parts(T), sample_weight=parts(weights) if weighted else None, weight_decay=0.1
    )
    theta = rng.normal(size=net.n_parameters)
    at = net.copy()
    at.parameters[:] = theta
    decayed = np.r_[np.ones(12), np.zeros(4), np.ones(8)]  # but for the four biases
    value, gradient = function(theta)
    used = weights if weighted else np.ones(N)
    assert value == pytest.approx(at.loss(X, T, sample_weight) + 0.05 * np.sum(decayed * theta**2), rel=1e-12)
    exact = np.concatenate([at.gradient(X[k : k + 1], T[k : k + 1])[None] for k in range(N)])
    close(gradient, np.average(exact, axis=0, weights=used) + 0.1 * decayed * theta)
    H = curvature.hessian(at, X, T, sample_weight=sample_weight) + 0.1 * np.diag(decayed)
    close(function.hessian(theta), H)
    v = rng.normal(size=len(theta))
    close(function.hessian_product(theta, v), H @ v)
    assert not function.hessian_product(theta, np.zeros(len(theta))).any()
    assert (function.n_parameters, function.n_samples) == (net.n_parameters, N)
    np.testing.assert_array_equal(function.start, net.parameters)


def test_any_optimiser_takes_the_objective(data):
    X, T, _ = data
    net = network()
    function = distributed.objective(net, parts(X), parts(T), weight_decay=1e-3)
    found = ebp.optimize.minimize(function, function.start, method="bfgs", tol=1e-9)
    expected = ebp.optimize.fit(net, X, T, "bfgs", tol=1e-9, weight_decay=1e-3)
    assert found.success
    close(found.x, expected.x, 1e-6)
    assert found.fun == pytest.approx(expected.fun, rel=1e-12)


METHODS = ["lm", "gauss_newton", "newton", "cg", "bfgs", "lbfgs"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_fits_end_where_those_on_one_array_do(data, method, weighted):
    X, T, weights = data
    one, other = network(), network()
    # Newton's way through where H is indefinite magnifies rounding tenfold in a few iterations.
    settings = {"tol": 1e-9, "max_iter": 3 if method == "newton" else 15, "weight_decay": 1e-3}
    expected = ebp.optimize.fit(one, X, T, method, sample_weight=weights if weighted else None, **settings)
    found = distributed.fit(
        other, parts(X), parts(T), method, sample_weight=parts(weights) if weighted else None, **settings
    )
    close(other.parameters, one.parameters, 1e-10)
    close(found.jac, expected.jac, 1e-8)
    assert found.fun == pytest.approx(expected.fun, rel=1e-10)
    assert (found.nit, found.stop) == (expected.nit, expected.stop)
    np.testing.assert_array_equal(found.x, other.parameters)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_newton_with_and_without_the_matrix(data, solver):
    X, T, _ = data
    one, other = network(), network()
    options = {"solver": solver}
    ebp.optimize.fit(one, X, T, "newton", max_iter=5, options=options)
    ebp.optimize.fit(other, parts(X), parts(T), "newton", max_iter=5, options=options)
    close(other.parameters, one.parameters, 1e-10)


@pytest.mark.parametrize(("method", "units"), [("gauss_newton", 60), ("lm", 170)])
def test_larger_networks_are_factorised_too(data, method, units):
    """Where fits in memory change to products unless told otherwise."""
    X, T, _ = data
    layers = [ebp.layers.Dense(units), ebp.layers.Dense(2, "identity", bias=False)]
    start = ebp.Network(layers, 3, dtype="float64", random_state=0)
    found, same, other = start.copy(), start.copy(), start.copy()
    settings = {"max_iter": 1, "weight_decay": 0.1}
    distributed.fit(found, parts(X), parts(T), method, **settings)
    ebp.optimize.fit(same, X, T, method, **settings, options={"solver": "cholesky"})
    ebp.optimize.fit(other, X, T, method, **settings)
    close(found.parameters, same.parameters, 1e-8)
    with pytest.raises(AssertionError):
        close(other.parameters, same.parameters, 1e-3)


def test_a_matrix_that_is_too_large(data):
    X, T, _ = data
    net = ebp.Network([ebp.layers.Dense(20_000), ebp.layers.Dense(2)], 3, random_state=0)
    with pytest.raises(MemoryError, match=r"try method='lbfgs' or 'cg', or 'newton' with the option"):
        distributed.fit(net, unread(X), unread(T), "lm")


def test_float32(data):
    X, T, _ = (array.astype(np.float32) for array in data)
    one, other = network("float32"), network("float32")
    ebp.optimize.fit(one, X, T, "lm", max_iter=5)
    found = distributed.fit(other, parts(X), parts(T), "lm", max_iter=5)
    close(other.parameters, one.parameters, 1e-3)
    assert found.x.dtype == np.float64


def test_results_do_not_depend_on_who_works(data):
    X, T, _ = data
    results = []
    for scheduler in ("synchronous", "threads"):
        net = network()
        with dask.config.set(scheduler=scheduler, num_workers=3):
            distributed.fit(net, parts(X), parts(T), "lbfgs", max_iter=10)
        results.append(net.parameters.copy())
    np.testing.assert_array_equal(*results)


def test_images(rng):
    layers = [ebp.layers.Conv2D(2, 3), ebp.layers.Dense(1, "identity")]
    one = ebp.Network(layers, (1, 6, 6), dtype="float64", random_state=1)
    other = one.copy()
    X, T = rng.normal(size=(40, 1, 6, 6)), rng.normal(size=40)
    settings = {"max_iter": 3, "weight_decay": 0.01}  # more parameters than targets
    ebp.optimize.fit(one, X, T, "lm", **settings)
    split = da.from_array(X, chunks=(9, 1, 3, 3)), da.from_array(T, chunks=11)
    distributed.fit(other, *split, "lm", **settings)
    close(other.parameters, one.parameters, 1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_tools_of_curvature(data, rng, weighted):
    X, T, weights = data
    net = network()
    whole = (net, X, T), {"sample_weight": weights if weighted else None}
    split = (net, parts(X), parts(T)), {"sample_weight": parts(weights) if weighted else None}
    v = rng.normal(size=net.n_parameters)

    def both(function, *args, tolerance=1e-12, **kwargs):
        expected, got = (function(*data, *args, **more, **kwargs) for data, more in (whole, split))
        close(got, expected, tolerance)

    for method in ("exact", "gauss_newton"):
        both(curvature.hessian, method=method)
        both(curvature.hessian_vector_product, v, method=method)
        both(curvature.spectrum, method=method)
        both(curvature.spectrum, k=3, tolerance=1e-10)
    both(curvature.hessian, method="finite_difference", tolerance=1e-8)
    both(curvature.hessian_vector_product, v, method="finite_difference", tolerance=1e-8)
    for method in ("backprop", "gauss_newton", "exact"):
        both(curvature.hessian_diagonal, method=method)
    close(
        curvature.hessian_operator(*split[0], **split[1]) @ v,
        curvature.hessian_operator(*whole[0], **whole[1]) @ v,
    )


@pytest.mark.parametrize("method", ["power", "lanczos"])
def test_the_largest_eigenvalue(data, method):
    X, T, _ = data
    net = network()
    expected = curvature.principal_eigenvalue(net, X, T, method)
    found = distributed.principal_eigenvalue(net, parts(X), parts(T), method)
    assert found.eigenvalue == pytest.approx(expected.eigenvalue, rel=1e-10)
    assert found.n_presentations == expected.n_presentations
    close(found.eigenvector, expected.eigenvector, 1e-8)


def test_products_belong_to_the_point_where_they_were_asked_for(data):
    X, T, _ = data
    net = network()
    operator = curvature.hessian_operator(net, parts(X), parts(T))
    v = np.ones(net.n_parameters)
    before = operator @ v
    net.parameters[:] = 0
    np.testing.assert_array_equal(operator @ v, before)


@pytest.mark.parametrize("weighted", [False, True])
def test_curvature_has_the_type_of_the_network(data, weighted):
    X, T, weights = data
    net = network("float32")
    whole, split = {}, {}
    if weighted:
        whole, split = {"sample_weight": weights}, {"sample_weight": parts(weights)}
    for function in (curvature.hessian, curvature.hessian_diagonal):
        for method in ("gauss_newton", "exact"):
            expected = function(net, X, T, method, **whole)
            found = function(net, parts(X), parts(T), method, **split)
            assert found.dtype == expected.dtype == np.float32
            close(found, expected, 1e-5)
    v = np.ones(net.n_parameters)
    assert curvature.hessian_vector_product(net, parts(X), parts(T), v).dtype == np.float32
    assert (curvature.hessian_operator(net, parts(X), parts(T)) @ v).dtype == np.float32
    assert curvature.spectrum(net, parts(X), parts(T)).dtype == np.float64


class InMemory:
    """An array in the manner of xarray's: it could hold one of dask's, and does not."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __dask_graph__(self):
        return None


def test_what_could_hold_a_dask_array_may_be_in_memory(data):
    X, T, _ = data
    one, other = network(), network()
    settings = {"method": "lm", "max_iter": 5}
    ebp.optimize.fit(one, X, T, **settings)
    ebp.optimize.fit(other, InMemory(X), InMemory(T), **settings)
    np.testing.assert_array_equal(other.parameters, one.parameters)
    np.testing.assert_array_equal(
        curvature.hessian(one, InMemory(X), InMemory(T)), curvature.hessian(one, X, T)
    )
    for function in (distributed.fit, distributed.principal_eigenvalue):
        with pytest.raises(TypeError, match=r"X must be a dask array .*got InMemory"):
            function(one, InMemory(X), InMemory(T))


def test_the_spectrum_is_drawn(data):
    pytest.importorskip("matplotlib").use("Agg")
    X, T, _ = data
    net = network("float32")
    single = ebp.Network([ebp.layers.Dense(1)], 3, random_state=0)
    for drawn, targets in ((net, T), (single, T[:, 0])):
        found = ebp.plotting.SpectrumDisplay.from_network(drawn, parts(X), parts(targets))
        expected = ebp.plotting.SpectrumDisplay.from_network(drawn, X, targets)
        close(found.eigenvalues, expected.eigenvalues)
    with pytest.raises(TypeError, match=r"T must be a dask array .*got ndarray"):
        ebp.plotting.SpectrumDisplay.from_network(net, parts(X), T)


def test_arguments_of_the_objective(data):
    X, T, _ = data
    function = distributed.objective(network(), parts(X), parts(T))
    theta, p = function.start, function.n_parameters
    calls = [
        (function, (0.0,), "Objective", "theta", "()"),
        (function, (np.zeros(3),), "Objective", "theta", "(3,)"),
        (function.hessian, (0.0,), "Objective.hessian", "theta", "()"),
        (function.hessian_product, (theta[:1], theta), "Objective.hessian_product", "theta", "(1,)"),
        (function.hessian_product, (theta, 1.0), "Objective.hessian_product", "v", "()"),
        (function.norms, (np.zeros((p, 1)),), "Objective.norms", "theta", f"({p}, 1)"),
        (function.linearize, (0.0,), "Objective.linearize", "theta", "()"),
    ]
    for call, arguments, owner, name, shape in calls:
        message = re.escape(f"[{owner}] {name} must have shape ({p},); got {shape}")
        with pytest.raises(ValueError, match=message):
            call(*arguments)
    with pytest.raises(TypeError, match="theta must be real numbers"):
        function(theta + 0j)
    np.testing.assert_array_equal(function(theta.tolist())[1], function(theta)[1])


def test_an_exception_leaves_the_best_point(data):
    X, T, _ = data
    net = network()
    start, seen = net.loss(X, T), []

    def fail(x):
        seen.append(x)
        if len(seen) == 3:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        distributed.fit(net, parts(X), parts(T), "lbfgs", callback=fail)
    np.testing.assert_array_equal(net.parameters, seen[-1])
    assert net.loss(X, T) < start


def test_a_callback_sees_the_network_and_stops(data):
    X, T, _ = data
    net, seen = network(), []

    def watch(x):
        np.testing.assert_array_equal(net.parameters, x)
        seen.append(net.loss(X, T))
        return len(seen) == 2

    result = distributed.fit(net, parts(X), parts(T), "lm", callback=watch)
    assert (result.stop, result.nit) == ("callback", 2)
    assert seen[1] < seen[0]


def test_arguments_that_do_not_fit(data):
    X, T, weights = data
    net = network()
    unknown = da.from_array(X, chunks=30)[da.from_array(X[:, 0] > 0, chunks=30)]
    cases = [
        (TypeError, "X must be a dask array .* got ndarray", (X, parts(T)), {}),
        (TypeError, "T must be a dask array .* got ndarray", (parts(X), T), {}),
        (ValueError, "X must have partitions of known sizes.*compute_chunk_sizes", (unknown, parts(T)), {}),
        (ValueError, "T must have as many rows as X, 70; got 69", (parts(X), parts(T)[:-1]), {}),
        (
            ValueError,
            r"solver must be 'auto' or 'cholesky' for method='lm' over dask arrays.*; got 'cg'",
            (parts(X), parts(T)),
            {"options": {"solver": "cg"}},
        ),
        (ValueError, "X must have at least one row", (parts(X)[:0], parts(T)[:0]), {}),
        (
            ValueError,
            "sample_weight must have a positive sum",
            (parts(X), parts(T)),
            {"sample_weight": parts(0 * weights)},
        ),
        (ValueError, "method must be one of", (parts(X), parts(T)), {"method": "adam"}),
        (ValueError, "X must have shape", (parts(X)[:, :2], parts(T)), {}),
        (ValueError, r"X must have a row for each sample; got shape \(\)", (parts(X)[0, 0], parts(T)), {}),
        (ValueError, r"T must have a row for each sample; got shape \(\)", (parts(X), parts(T)[0, 0]), {}),
    ]
    for kind, message, arrays, kwargs in cases:
        with pytest.raises(kind, match=r"\[fit\] .*" + message):
            distributed.fit(net, *arrays, **kwargs)
    with pytest.raises(ValueError, match=r"method must be one of 'lanczos', 'power'; got 'online'"):
        distributed.principal_eigenvalue(net, parts(X), parts(T), "online")
    with pytest.raises(ValueError, match=r"must be 'power' or 'lanczos' for dask arrays.*; got 'online'"):
        curvature.principal_eigenvalue(net, unread(X), unread(T), "online")
    with pytest.raises(TypeError, match="X must be a dask array"):
        distributed.principal_eigenvalue(net, X, T)
