"""Networks on dask arrays, against one array in memory: the same sums in parts, and averaged training."""

import copy

import ebp
import numpy as np
import pytest
from ebp import curvature, distributed
from ebp.rules import SDLM, SGD

dask = pytest.importorskip("dask", reason="dask is not installed")
da = pytest.importorskip("dask.array", reason="dask is not installed")

N = 70
CHUNKS = (20, 1, 30, 0, 19)


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def network(dtype="float64", loss="squared_error"):
    layers = [ebp.layers.Dense(4), ebp.layers.Dense(2, "identity", bias=False)]
    return ebp.Network(layers, 3, loss=loss, dtype=dtype, random_state=7)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(N, 3))
    T = np.stack([np.sin(X.sum(axis=1)), X[:, 0] * X[:, 1]], axis=1)
    weights = rng.integers(0, 3, size=N).astype(float)
    weights[20:21] = 0  # a partition that does not count
    return X, T, weights


def parts(array):
    """The array in partitions of rows, one of them empty, and of columns too."""
    return da.from_array(array, chunks=(CHUNKS, *[1] * (array.ndim - 1)))


def close(got, expected, tolerance=1e-12):
    scale = max(np.abs(expected).max(), 1e-300)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


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
            "solver must be one of 'auto', 'cholesky'; got 'cg'",
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
    ]
    for kind, message, arrays, kwargs in cases:
        with pytest.raises(kind, match=r"\[fit\] .*" + message):
            distributed.fit(net, *arrays, **kwargs)
    with pytest.raises(ValueError, match=r"method must be one of 'lanczos', 'power'; got 'online'"):
        distributed.principal_eigenvalue(net, parts(X), parts(T), "online")
    with pytest.raises(ValueError, match="method='online' takes samples one by one"):
        curvature.principal_eigenvalue(net, parts(X), parts(T), "online")
    with pytest.raises(TypeError, match="X must be a dask array"):
        distributed.principal_eigenvalue(net, X, T)


# ---- online ---------------------------------------------------------------------------------------------


def numpy_parts(*arrays):
    ends = np.cumsum(CHUNKS)[:-1]
    return list(zip(*(np.split(array, ends) for array in arrays), strict=True))


@pytest.mark.parametrize(
    "rule", [SGD(0.02, momentum=0.9), SDLM(1e-3), SDLM(1e-3, refresh="running")], ids=repr
)
def test_one_model_is_plain_online_training(data, rule):
    X, T, _ = data
    one, other, remembered = network(), network(), copy.deepcopy(rule)
    losses = []
    for _ in range(2):
        results = [one.train_online(x, t, remembered) for x, t in numpy_parts(X, T) if len(x)]
        losses.append(np.concatenate([result.losses for result in results]).mean())
    result = distributed.train_online(
        other, parts(X), parts(T), rule, n_epochs=2, n_models=1, order="sequential"
    )
    np.testing.assert_array_equal(other.parameters, one.parameters)
    np.testing.assert_allclose(result.losses, losses, rtol=1e-12)
    assert (result.status, result.n_samples, result.n_models) == ("ok", 2 * N, 1)
    assert rule.n_presented == 0


def averaged(net, samples, weights, rule, n_models, every, n_epochs, seed):
    """What train_online says it does, in a loop."""
    rng = np.random.default_rng(seed)
    rules = [copy.deepcopy(rule) for _ in range(n_models)]
    for _ in range(n_epochs):
        order = rng.permutation(len(samples)).tolist()
        shares = [order[k::n_models] for k in range(n_models)]
        for start in range(0, len(shares[0]), every):
            models, seen = [], []
            rules = copy.deepcopy(rules)  # which go on on other networks
            for share, rule_of_model in zip(shares, rules, strict=True):
                model, count = net.copy(), 0.0
                for part in share[start : start + every]:
                    drawn = np.random.default_rng(int(rng.integers(2**63)))
                    x, t, w = samples[part]
                    if not len(x):
                        continue
                    used = {"sample_weight": w} if weights else {}
                    model.train_online(x, t, rule_of_model, order=drawn.permutation(len(x)), **used)
                    count += w.sum() if weights else len(x)
                if count:
                    models.append(model.parameters.copy())
                    seen.append(count)
            if models:
                net.parameters[:] = np.average(models, axis=0, weights=seen)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize(("n_models", "every"), [(2, None), (3, 1), (5, 1)])
def test_models_are_averaged(data, n_models, every, weights):
    X, T, w = data
    one, other, rule = network(), network(), SGD(0.02, momentum=0.8)
    length = every or -(-len(CHUNKS) // n_models)
    averaged(one, numpy_parts(X, T, w), weights, rule, n_models, length, 3, 11)
    result = distributed.train_online(
        other,
        parts(X),
        parts(T),
        rule,
        n_epochs=3,
        n_models=n_models,
        average_every=every,
        sample_weight=parts(w) if weights else None,
        random_state=np.random.default_rng(11),
    )
    close(other.parameters, one.parameters, 1e-12)
    assert (result.status, result.n_samples, result.n_models) == ("ok", 3 * N, n_models)


def test_a_callback_stops_online_training(data):
    X, T, _ = data
    calls = []
    result = distributed.train_online(
        network(),
        parts(X),
        parts(T),
        SGD(0.01),
        n_epochs=5,
        n_models=1,
        callback=lambda n, loss: calls.append((n, loss)) or len(calls) == 2,
        random_state=0,
    )
    assert (result.status, result.n_samples) == ("stopped", 2 * N)
    assert [loss for _, loss in calls] == result.losses.tolist()


def test_divergence_keeps_the_last_average(data):
    X, T, _ = data
    net = network()
    before = net.parameters.copy()
    result = distributed.train_online(net, parts(X), parts(1e30 * T), SGD(1e30), n_models=2, random_state=0)
    assert result.status == "diverged"
    np.testing.assert_array_equal(net.parameters, before)


def test_arguments_of_online_training(data):
    X, T, _ = data
    cases = [
        (TypeError, "rule must be an ebp.rules object", {"rule": "sgd"}),
        (ValueError, "n_models must be an integer in", {"n_models": 6}),
        (ValueError, "n_epochs", {"n_epochs": -1}),
        (ValueError, "average_every", {"average_every": 0}),
        (ValueError, "order must be one of 'shuffle', 'sequential'", {"order": "interleave"}),
    ]
    for kind, message, kwargs in cases:
        with pytest.raises(kind, match=r"\[distributed.train_online\] " + message):
            distributed.train_online(network(), parts(X), parts(T), **{"rule": SGD(0.1), **kwargs})
