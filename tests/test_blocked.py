"""The blocked engine: the first layer for several samples at a time, with the updates of single samples."""

from __future__ import annotations

import ebp
import numpy as np
import pytest
from ebp.layers import AveragePool2D, Conv2D, Dense, GaussianRBF
from ebp.rules import SDLM, SGD
from ebp.schedules import Exponential, GrowingBatch, InverseTime

ROWS = 32  # of a block of the small layers here
RULES = {
    "plain": lambda: SGD(0.02),
    "heavy ball": lambda: SGD(0.01, momentum=0.8),
    "nesterov": lambda: SGD(0.01, momentum=0.8, momentum_form="nesterov"),
    "averaged": lambda: SGD(0.05, momentum=0.8, momentum_form="averaged"),
    "decay": lambda: SGD(0.02, weight_decay=0.05),
    "decay and momentum": lambda: SGD(0.01, momentum=0.5, weight_decay=0.05),
    "strong decay": lambda: SGD(0.02, momentum=0.3, momentum_form="nesterov", weight_decay=40.0),
    "fan-in": lambda: SGD(0.1, scale="fan_in"),
    "falling": lambda: SGD(0.05, momentum=0.5, weight_decay=0.01, schedule=InverseTime(50)),
    "sdlm": lambda: SDLM(2e-3, granularity="unit"),
    "sdlm, decay and momentum": lambda: SDLM(1e-3, granularity="unit", momentum=0.5, weight_decay=0.1),
    "centred": lambda: SGD(0.02, center_hidden=True),
    "sdlm, a rate a weight": lambda: SDLM(2e-3),
    "sdlm, a falling rate a weight": lambda: SDLM(4e-3, schedule=InverseTime(50)),
}


def samples(n, inputs, outputs=3, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, inputs)) + 0.3
    T = np.tanh(X @ rng.standard_normal((inputs, outputs)) / inputs**0.5)
    return X.astype(dtype), T.astype(dtype)


def network(inputs, units=(21, 5), outputs=3, dtype="float64", bias=True):
    layers = [Dense(n, bias=bias) for n in (*units, outputs)]
    return ebp.Network(layers, inputs, dtype=dtype, random_state=1)


def both(make_rule, net, X, T, **options):
    """Networks and results of the two engines."""
    found = []
    for engine in ("streaming", "blocked"):
        copy, rule = net.copy(), make_rule()
        results = [copy.train_online(X, T, rule, engine=engine, **options) for _ in range(2)]
        found.append((copy, results, rule))
    return found


def assert_same(found, tolerance=1e-11):
    (one, results, rule), (other, others, other_rule) = found
    scale = max(np.abs(one.parameters).max(), 1e-100)  # strong decay leaves nothing else
    np.testing.assert_allclose(other.parameters, one.parameters, rtol=0, atol=tolerance * scale)
    for result, second in zip(results, others, strict=True):
        assert second.n_samples == result.n_samples
        assert second.status == result.status
        np.testing.assert_allclose(second.losses, result.losses, rtol=100 * tolerance, atol=tolerance)
    np.testing.assert_allclose(other_rule.learning_rates, rule.learning_rates, rtol=max(1e-6, tolerance))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_blocks_make_the_updates_of_single_samples(rule):
    X, T = samples(300, 33)
    assert_same(both(rule, network(33), X, T))


SOME_RULES = {
    "plain": RULES["plain"],
    "general": RULES["decay and momentum"],
    "a rate a weight": RULES["sdlm, a rate a weight"],
}


@pytest.mark.parametrize("rule", SOME_RULES.values(), ids=SOME_RULES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 15, 16, 17, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 17])
def test_any_number_of_samples(n, rule):
    X, T = samples(n, 20)
    found = both(rule, network(20), X, T)
    if n:
        assert_same(found)


@pytest.mark.parametrize("inputs", [1, 7, 64, 65])
@pytest.mark.parametrize("units", [1, 15, 16, 48, 49, 100])
def test_any_width(inputs, units):
    X, T = samples(150, inputs)
    for rule in SOME_RULES.values():
        assert_same(both(rule, network(inputs, (units,)), X, T))


@pytest.mark.parametrize("options", [{"units": ()}, {"bias": False}, {"units": (30,)}], ids=repr)
def test_other_layers(options):
    X, T = samples(200, 12)
    for rule in RULES.values():
        assert_same(both(rule, network(12, **options), X, T))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_single_precision(rule):
    X, T = samples(300, 40, dtype="float32")
    assert_same(both(rule, network(40, dtype="float32"), X, T), 1e-5)


def test_orders_weights_and_transformations():
    X, T = samples(200, 10)
    rng = np.random.default_rng(2)
    order = rng.integers(200, size=500)
    weights = rng.uniform(0, 2, 200)
    shift, factor, matrix = X.mean(axis=0), rng.uniform(0.5, 1, 10), rng.standard_normal((10, 10)) / 4
    for transform in (None, (shift, factor), (shift, matrix)):
        found = both(
            RULES["plain"], network(10), X, T, order=order, sample_weight=weights, input_transform=transform
        )
        assert_same(found)


def test_batches_between_single_samples():
    X, T = samples(700, 10)
    sizes = GrowingBatch(Exponential(200), largest=4)
    assert_same(both(RULES["heavy ball"], network(10), X, T, batch_size=sizes))


def test_fixed_modules_below_the_first_layer():
    X, T = samples(200, 2 * 6 * 6)
    layers = [AveragePool2D(2), AveragePool2D(3), Dense(9), Dense(3)]
    net = ebp.Network(layers, (2, 6, 6), dtype="float64", random_state=0)
    assert_same(both(RULES["decay and momentum"], net, X.reshape(-1, 2, 6, 6), T))


def test_a_convolution_over_the_whole_input_is_dense():
    X, T = samples(200, 2 * 4 * 4)
    net = ebp.Network([Conv2D(7, 4), Dense(3)], (2, 4, 4), dtype="float64", random_state=0)
    assert_same(both(RULES["plain"], net, X.reshape(-1, 2, 4, 4), T))


@pytest.mark.parametrize("make_rule", [lambda: SGD(1e-3), lambda: SDLM(1e-4)], ids=["sgd", "sdlm"])
@pytest.mark.parametrize(("inputs", "units"), [(50, 30), (300, 500)])  # 16,384 and 424 samples between calls
def test_a_callback_changes_the_rate_and_stops(inputs, units, make_rule):
    X, T = samples(70_000 if inputs < 100 else 1500, inputs, dtype="float32")
    nets = []
    for engine in ("streaming", "blocked"):
        net, rule, calls = network(inputs, (units,), dtype="float32"), make_rule(), []

        def callback(done, loss, rule=rule, calls=calls):
            rule.learning_rate /= 2
            calls.append((done, loss))
            return len(calls) == 3

        result = net.train_online(X, T, rule, engine=engine, callback=callback)
        assert result.status == "stopped"
        assert result.n_samples == calls[-1][0]
        nets.append((net.parameters.copy(), calls))
    assert [done for done, _ in nets[0][1]] == [done for done, _ in nets[1][1]]
    np.testing.assert_allclose(nets[1][0], nets[0][0], atol=1e-4)


@pytest.mark.parametrize("rule", [RULES["plain"], RULES["heavy ball"]], ids=["plain", "heavy ball"])
def test_divergence_puts_the_last_good_weights_back(rule):
    X, T = samples(400, 10)
    X[300] = np.inf
    (one, results, _), (other, others, _) = both(rule, network(10), X, T)
    assert [result.status for result in (*results, *others)] == ["diverged"] * 4
    assert results[0].n_samples == others[0].n_samples == 301
    np.testing.assert_allclose(other.parameters, one.parameters, rtol=1e-10)
    assert np.isfinite(other.parameters).all()
    assert other.train_online(X[:100], T[:100], SGD(0.01), engine="blocked").status == "ok"


def test_engines_take_turns():
    X, T = samples(600, 30)
    plain, mixed = network(30), network(30)
    rules = [SGD(0.01, momentum=0.6, weight_decay=0.01) for _ in range(2)]
    parts = np.split(np.arange(600), [150, 320, 321, 470])
    for k, part in enumerate(parts):
        plain.train_online(X[part], T[part], rules[0], engine="streaming")
        mixed.train_online(X[part], T[part], rules[1], engine=("blocked", "streaming")[k % 2])
        if k == 2:
            plain.learn_one(X[0], T[0], rules[0])
            mixed.learn_one(X[0], T[0], rules[1])
    np.testing.assert_allclose(mixed.parameters, plain.parameters, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("layers", "shape", "rule"),
    [
        ([Conv2D(2, 3), Dense(2)], (1, 6, 6), SGD(0.1)),
        ([GaussianRBF(3), Dense(2)], 4, SGD(0.1)),
        ([Dense(3), Dense(2)], 4, ebp.rules.Adam()),
        ([Dense(3), Dense(2)], 4, SDLM(momentum=0.5)),
        ([Dense(3), Dense(2)], 4, SDLM(weight_decay=0.1)),
        ([Dense(3), Dense(2)], 4, SDLM(refresh="running")),
        ([Dense(3), Dense(2)], 4, SDLM(granularity="unit", refresh="running")),
    ],
)
def test_what_cannot_be_blocked_is_refused(layers, shape, rule):
    net = ebp.Network(layers, shape, random_state=0)
    X, T = np.zeros((3, *np.atleast_1d(shape)), "float32"), np.zeros((3, 2), "float32")
    with pytest.raises(
        ValueError, match=r"^\[train_online\] engine 'blocked' needs a dense first layer, and"
    ):
        net.train_online(X, T, rule, engine="blocked")
    assert net.train_online(X, T, rule).status == "ok"


def test_the_engine_is_chosen_by_size_and_rule():
    def chosen(inputs, units, rule):
        net = ebp.Network([Dense(units), Dense(10)], inputs, random_state=0)
        return rule._bind(net).engine("auto")

    assert chosen(64, 32, SGD(0.01)) == "streaming"
    assert chosen(784, 1000, SGD(0.01)) == "blocked"
    assert chosen(784, 1000, SDLM()) == "blocked"
    assert chosen(784, 1000, SDLM(momentum=0.5)) == "streaming"
    assert chosen(64, 32, SDLM()) == "streaming"
    assert chosen(784, 1000, SDLM(granularity="unit")) == "blocked"


def test_equal_calls_give_equal_bits():
    X, T = samples(1000, 200, dtype="float32")
    nets = [network(200, (100,), dtype="float32") for _ in range(2)]
    for net in nets:
        net.train_online(X, T, SGD(0.005), engine="blocked")
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


@pytest.mark.parametrize("solver", ["sdlm", "sgd"])
def test_estimators_train_by_blocks(solver):
    X, y = ebp.datasets.load_digits()
    model = ebp.MLPClassifier((40,), solver=solver, engine="blocked", max_iter=5, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    part = model.partial_fit(X[:5], y[:5])  # a few rows, whose curvature runs along
    assert part.score(X, y) > 0.9


def test_estimators_refuse_other_solvers_and_layers():
    X, y = ebp.datasets.load_digits()
    with pytest.raises(ValueError, match="solver must be one of 'sdlm', 'sgd', 'gd' with engine='blocked'"):
        ebp.MLPClassifier(solver="adam", engine="blocked").fit(X, y)
    model = ebp.NetworkClassifier([Conv2D(2, 3)], engine="blocked")
    with pytest.raises(ValueError, match="engine 'blocked' needs a dense first layer"):
        model.fit(X.reshape(-1, 1, 8, 8), y)
    assert not hasattr(model, "network_")


MNIST_RULES = {
    "sgd": lambda: SGD(0.002),
    "momentum": lambda: SGD(0.001, momentum=0.5),
    "decay": lambda: SGD(0.002, weight_decay=0.001),
    "sdlm": lambda: SDLM(2e-4, granularity="unit"),
    "sdlm, a rate a weight": lambda: SDLM(2e-4),
}


@pytest.fixture(scope="module")
def mnist(data_dir):
    images, labels, *_ = ebp.datasets.load_mnist(data_dir)
    return (images - 0.13) / 0.31, 2.0 * np.eye(10)[labels] - 1


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-10)])
@pytest.mark.parametrize("rule", MNIST_RULES.values(), ids=MNIST_RULES)
def test_a_pass_over_mnist_ends_at_the_same_weights(mnist, rule, dtype, tolerance):
    X, T = (array.astype(dtype) for array in mnist)
    net = ebp.Network([Dense(100), Dense(10)], 784, dtype=dtype, random_state=0)  # large enough to be shared
    found = []
    for options in ({"engine": "streaming"}, {"engine": "blocked"}, {"engine": "blocked", "n_threads": 2}):
        copy = net.copy()
        assert copy.train_online(X, T, rule(), **options).n_samples == 60_000
        found.append(copy.parameters)
    assert np.abs(found[0] - net.parameters).max() > 0.1
    for other in found[1:]:
        assert np.linalg.norm(other - found[0]) < tolerance * np.linalg.norm(found[0])
