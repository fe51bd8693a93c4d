"""Averaged online training on dask arrays, against a loop over their partitions."""

import copy

import numpy as np
import pytest
from ebp import distributed
from ebp.rules import SDLM, SGD

dask = pytest.importorskip("dask", reason="dask is not installed")
da = pytest.importorskip("dask.array", reason="dask is not installed")

from partitioned import CHUNKS, N, close, network, numpy_parts, parts, samples  # noqa: E402


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def data(rng):
    return samples(rng)


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


def test_a_round_of_empty_partitions_calls_nobody_back(data):
    X, T, _ = data
    calls = []
    one, other = network(), network()
    result = distributed.train_online(
        other,
        *(da.from_array(array, chunks=((0, 0, 40, 0, 30), -1)) for array in (X, T)),
        SGD(0.02),
        n_epochs=2,
        n_models=1,
        average_every=1,
        order="sequential",
        callback=lambda *seen: calls.append(seen),
    )
    for _ in range(2):
        one.train_online(X, T, SGD(0.02))
    np.testing.assert_array_equal(other.parameters, one.parameters)
    assert [n for n, _ in calls] == [40, 70, 110, 140]
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
