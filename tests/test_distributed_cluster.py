"""Two worker processes of dask: the same results, also when one of them is killed; and joblib's backend."""

import os
import signal
import sys
from concurrent.futures import CancelledError

import ebp
import joblib
import numpy as np
import pytest
import sklearn.base
from ebp import distributed
from ebp.rules import SGD
from killing import KillOnce
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import GridSearchCV

dask = pytest.importorskip("dask", reason="dask is not installed")
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


@pytest.fixture
def trained(client, tmp_path):
    """Calls `run` here and, with an estimator that kills one worker, through joblib's dask backend."""
    client.wait_for_workers(2)
    model = ebp.MLPRegressor((4,), solver="sgd", max_iter=3, tol=0, random_state=0)

    def both(run, **options):
        expected = run(model)
        with joblib.parallel_config(backend="dask", n_jobs=2, **options):
            found = run(sklearn.base.clone(model).set_params(callbacks=[KillOnce(tmp_path)]))
        names = {path.name for path in tmp_path.iterdir()}
        assert "killed" in names
        assert len(names) >= 3  # with two workers at the least, one of which made up for the other
        assert f"worker-{os.getpid()}" not in names
        return found, expected

    return both


def test_bias_variance_loses_nothing_with_a_worker(trained, data):
    X, T = data

    def run(model):
        return ebp.evaluation.bias_variance(model, X, T[:, 0], n_datasets=8, random_state=1)

    there, here = trained(run)
    np.testing.assert_array_equal(there.bias_squared, here.bias_squared)
    np.testing.assert_array_equal(there.variance, here.variance)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_grids_of_rates_lose_nothing_with_a_worker(client, trained, data):
    X, T = data

    def run(model):
        search = GridSearchCV(model, {"learning_rate_init": [1e-4, 1e-3, 1e-2]}, cv=3, refit=False)
        return search.fit(X, T[:, 0]).cv_results_["mean_test_score"]

    np.testing.assert_array_equal(*trained(run, client=distributed.resilient(client)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_ensembles_lose_nothing_with_a_worker(client, trained, data):
    X, T = data

    def run(model):
        return BaggingRegressor(model, n_estimators=4, random_state=3).fit(X, T[:, 0]).predict(X)

    np.testing.assert_array_equal(*trained(run, client=distributed.resilient(client)))


def test_scattered_values_outlive_their_worker(client):
    client.wait_for_workers(2)
    array = np.arange(500.0)
    (kept,) = distributed.resilient(client).scatter([array], broadcast=True)
    lost = client.scatter(array)
    np.testing.assert_array_equal(kept.result(), array)
    of_workers = pids(client)
    for worker in {client.who_has(future)[future.key][0] for future in (kept, lost)}:
        os.kill(of_workers[worker], signal.SIGKILL)
    with pytest.raises(CancelledError):
        lost.result()
    np.testing.assert_array_equal(kept.result(), array)


def test_only_clients_are_made_resilient():
    with pytest.raises(TypeError, match=r"\[resilient\] client must be a distributed.Client; got 'tcp:"):
        distributed.resilient("tcp://127.0.0.1:8786")


def test_large_networks_are_sent_without_a_warning(client, data):
    X, T = data
    net = network()
    function = distributed.objective(net, parts(X), parts(T))
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "100 B"}):
        with pytest.warns(UserWarning, match="Sending large graph"):
            client.submit(np.sum, X).result()
        value, _ = function(function.start)
        kept = distributed.resilient(client).scatter([X])[0].result()
    assert value == pytest.approx(net.loss(X, T), rel=1e-12)
    np.testing.assert_array_equal(kept, X)
