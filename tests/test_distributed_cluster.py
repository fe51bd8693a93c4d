"""Two worker processes of dask: the same results, also when one of them is killed; and joblib's backend."""

import os
import signal
import sys

import ebp
import joblib
import numpy as np
import pytest
from ebp import distributed
from ebp.rules import SGD
from sklearn.model_selection import GridSearchCV

pytest.importorskip("distributed", reason="dask.distributed is not installed")
da = pytest.importorskip("dask.array", reason="dask is not installed")

N = 400
SETTINGS = {"max_iter": 8, "weight_decay": 1e-3}


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    # Workers start as multiprocessing's children, which would run pytest's own script first.
    main = sys.modules["__main__"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "__spec__", None)
        patch.delattr(main, "__file__", raising=False)
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            yield client


@pytest.fixture
def data(rng):
    X = rng.normal(size=(N, 3))
    return X, np.stack([np.sin(2 * X.sum(axis=1)), X[:, 0] * X[:, 1]], axis=1)


def parts(array):
    return da.from_array(array, chunks=(50, *array.shape[1:]))


def network():
    layers = [ebp.layers.Dense(5), ebp.layers.Dense(2, "identity")]
    return ebp.Network(layers, 3, dtype="float64", random_state=2)


def pids(client):
    return client.run(os.getpid)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_the_same_as_on_one_machine(client, data):
    X, T = data
    for method in ("lm", "lbfgs"):
        one, other = network(), network()
        ebp.optimize.fit(one, X, T, method, **SETTINGS)
        distributed.fit(other, parts(X), parts(T), method, **SETTINGS)
        close(other.parameters, one.parameters)
    expected = ebp.curvature.principal_eigenvalue(one, X, T, "lanczos")
    found = distributed.principal_eigenvalue(one, parts(X), parts(T))
    assert found.eigenvalue == pytest.approx(expected.eigenvalue, rel=1e-10)


def test_a_killed_worker_loses_no_result(client, data):
    client.wait_for_workers(2)
    X, T = data
    one, other, killed = network(), network(), []
    ebp.optimize.fit(one, X, T, "lm", **SETTINGS)

    def kill(_):
        if not killed:
            killed.append(next(iter(pids(client).values())))
            os.kill(killed[0], signal.SIGKILL)

    result = distributed.fit(other, parts(X), parts(T), "lm", callback=kill, **SETTINGS)
    assert killed
    assert result.nit == 8
    close(other.parameters, one.parameters)


def test_online_training_survives_it_with_the_same_bits(client, data):
    client.wait_for_workers(2)
    X, T = data
    one, other, killed = network(), network(), []
    settings = {"rule": SGD(0.02, momentum=0.5), "n_epochs": 4, "n_models": 2, "random_state": 3}

    def kill(n, loss):
        if not killed:
            killed.append(next(iter(pids(client).values())))
            os.kill(killed[0], signal.SIGKILL)

    expected = distributed.train_online(one, parts(X), parts(T), **settings)
    found = distributed.train_online(other, parts(X), parts(T), **settings, callback=kill)
    assert killed
    np.testing.assert_array_equal(found.losses, expected.losses)
    np.testing.assert_array_equal(other.parameters, one.parameters)


def test_one_model_a_worker_by_default(client, data):
    client.wait_for_workers(2)
    X, T = data
    result = distributed.train_online(network(), parts(X), parts(T), SGD(0.02), random_state=0)
    assert (result.n_models, result.n_samples) == (2, N)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_joblib_s_backend(client, data):
    X, T = data
    y = T[:, 0]
    model = ebp.MLPRegressor((4,), solver="sgd", max_iter=3, random_state=0)
    search = GridSearchCV(model, {"learning_rate_init": [1e-4, 1e-3, 1e-2]}, cv=3)
    expected = search.fit(X, y).cv_results_["mean_test_score"]
    here = ebp.evaluation.bias_variance(model, X, y, n_datasets=4, random_state=1)
    with joblib.parallel_config(backend="dask", n_jobs=2):
        found = search.fit(X, y).cv_results_["mean_test_score"]
        there = ebp.evaluation.bias_variance(model, X, y, n_datasets=4, random_state=1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(there.bias_squared, here.bias_squared)
    np.testing.assert_array_equal(there.variance, here.variance)
