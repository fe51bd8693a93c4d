"""How calls of training hang together: splitting, repeating, kinds of arrays, copies, and misuse."""

import subprocess
import sys

import ebp
import numpy as np
import pytest
from cases import CASES, case

RULES = {
    "sgd": lambda: ebp.rules.SGD(0.01),
    "momentum": lambda: ebp.rules.SGD(0.01, momentum=0.9, weight_decay=1e-3),
    "sdlm": lambda: ebp.rules.SDLM(2e-3),
    "unit": lambda: ebp.rules.SDLM(2e-3, granularity="unit"),
    "running": lambda: ebp.rules.SDLM(2e-3, refresh="running", hessian_samples=5),
    "running-unit": lambda: ebp.rules.SDLM(
        2e-3, refresh="running", granularity="unit", momentum=0.5, hessian_samples=5
    ),
}
EVERY_RULE = pytest.mark.parametrize("name", RULES)


@pytest.fixture(params=["float32", "float64"])
def trained(request):
    """A function that trains a fresh network and returns (network, result)."""
    one = case("sigmoid-7-5-3")

    def run(name, X=None, T=None, **keywords):
        data = one.data()
        net = one.network(request.param)
        X = data[0].astype(request.param) if X is None else X
        T = data[1].astype(request.param) if T is None else T
        return net, net.train_online(X, T, RULES[name](), **keywords)

    run.dtype = request.param
    return run


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("sdlm", "unit")])
@pytest.mark.parametrize("one", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_calls_equal_one(one, name, dtype):
    """Bit for bit; not so SDLM with refresh="epoch", which measures its curvature anew for each call."""
    (X, T), order = one.data(), np.random.default_rng(0).integers(0, one.n_samples, 60)
    whole, parts, rule = one.network(dtype), one.network(dtype), RULES[name]()
    expected = whole.train_online(X, T, RULES[name](), order=order)
    cuts = [order[:5], order[5:6], order[6:6], order[6:40], order[40:]]
    losses = [parts.train_online(X, T, rule, order=cut).losses for cut in cuts]
    np.testing.assert_array_equal(parts.parameters, whole.parameters)
    np.testing.assert_array_equal(np.concatenate(losses), expected.losses)


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("sdlm", "unit")])
def test_several_calls_of_mini_batches_equal_one(name):
    """Cut between batches; a call of single samples in between continues the same state."""
    one = case("sigmoid-7-5-3")
    (X, T), order = one.data(), np.random.default_rng(0).integers(0, one.n_samples, 60)
    whole, parts = one.network(), one.network()
    rules = [RULES[name]() for _ in range(2)]
    whole.train_online(X, T, rules[0], order=order[:35], batch_size=7)
    whole.train_online(X, T, rules[0], order=order[35:])
    for start in range(0, 35, 7):
        parts.train_online(X, T, rules[1], order=order[start : start + 7], batch_size=7)
    for start in range(35, 60, 5):
        parts.train_online(X, T, rules[1], order=order[start : start + 5])
    np.testing.assert_allclose(parts.parameters, whole.parameters, rtol=1e-13)
    if name.startswith("running"):
        np.testing.assert_allclose(rules[1].curvature, rules[0].curvature, rtol=1e-13)


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("sdlm", "unit")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_learn_one_equals_train_online(name, dtype):
    """Bit for bit; SDLM's running average starts from the first sample alone in both."""
    one = case("sigmoid-7-5-3")
    X, T = (array.astype(dtype) for array in one.data())
    rules = [RULES[name](), RULES[name]()]
    if name.startswith("running"):
        rules = [ebp.rules.SDLM(2e-3, refresh="running", hessian_samples=1) for _ in rules]
    single, many = one.network(dtype), one.network(dtype)
    losses = [single.learn_one(x, t, rules[0]) for x, t in zip(X, T, strict=True)]
    expected = many.train_online(X, T, rules[1])
    assert all(isinstance(loss, float) for loss in losses)
    np.testing.assert_array_equal(single.parameters, many.parameters)
    np.testing.assert_array_equal(losses, expected.losses)


def test_learn_one_and_train_online_alternate():
    one = case("sigmoid-7-5-3")
    X, T = one.data()
    mixed, whole, rule = one.network(), one.network(), RULES["momentum"]()
    for row in range(0, 30, 3):
        mixed.learn_one(X[row], T[row], rule)
        mixed.train_online(X, T, rule, order=[row + 1, row + 2])
    whole.train_online(X, T, RULES["momentum"](), order=np.arange(30))
    np.testing.assert_array_equal(mixed.parameters, whole.parameters)


@EVERY_RULE
def test_weights_written_between_calls_are_used(name):
    """The parameter vector is the only copy of the weights."""
    one = case("sigmoid-7-5-3")
    X, T = one.data()
    net, rule = one.network(), RULES[name]()
    net.train_online(X, T, rule)
    net.parameters[:] = one.parameters()
    expected = net.losses(X[:1], T[:1])[0]
    assert net.train_online(X, T, rule).losses[0] == pytest.approx(expected, rel=1e-12)


@EVERY_RULE
def test_same_input_twice_gives_the_same_bits(name, trained):
    first, second = trained(name), trained(name)
    np.testing.assert_array_equal(first[0].parameters, second[0].parameters)
    np.testing.assert_array_equal(first[1].losses, second[1].losses)


@EVERY_RULE
def test_inputs_stay_unchanged(name, trained):
    X, T = (array.astype(trained.dtype) for array in case("sigmoid-7-5-3").data())
    order, weight = np.arange(33), np.ones(33)
    shift, factor = np.zeros(7), np.ones(7)
    inputs = [X, T, order, weight, shift, factor]
    before = [array.copy() for array in inputs]
    trained(name, X, T, order=order, sample_weight=weight, input_transform=(shift, factor))
    for array, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_every_kind_of_array_gives_the_same_bits(trained, tmp_path, batch_size):
    X, T = (array.astype(trained.dtype) for array in case("sigmoid-7-5-3").data())
    expected = trained("sdlm", X, T, batch_size=batch_size)[0].parameters
    np.save(tmp_path / "x.npy", X)
    read_only = X.copy()
    read_only.flags.writeable = False
    for kind in (
        read_only,
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        np.hstack([X, X])[:, :7],
        X.tolist(),
    ):
        got = trained("sdlm", kind, T, batch_size=batch_size)[0].parameters
        np.testing.assert_array_equal(got, expected)
    for order in (np.arange(33, dtype=np.int32), np.arange(33, dtype=np.uint8), list(range(33)), range(33)):
        got = trained("sdlm", X, T, batch_size=batch_size, order=order)[0].parameters
        np.testing.assert_array_equal(got, expected)


def test_one_output_takes_flat_targets():
    one = case("linear-33-1")
    (X, T), nets = one.data(), [one.network() for _ in range(4)]
    nets[0].train_online(X, T, RULES["running"]())
    nets[1].train_online(X, T[:, 0], RULES["running"]())
    np.testing.assert_array_equal(nets[1].parameters, nets[0].parameters)
    for net, t in zip(nets[2:], (T[0], float(T[0, 0])), strict=True):
        net.learn_one(X[0], t, RULES["sgd"]())
    np.testing.assert_array_equal(nets[3].parameters, nets[2].parameters)


def test_learn_one_takes_any_numbers():
    one = case("sigmoid-7-5-3")
    X, T = np.arange(7), np.array([1, -1, 1])
    expected = one.network("float32")
    expected.learn_one(X.astype(np.float32), T.astype(np.float32), RULES["sgd"]())
    for x, t in [
        (X, T),
        (X.tolist(), T.tolist()),
        (X.astype(float), T.astype(float)),
        (np.repeat(X, 2)[::2], T),
    ]:
        net = one.network("float32")
        net.learn_one(x, t, RULES["sgd"]())
        np.testing.assert_array_equal(net.parameters, expected.parameters)
    with pytest.raises(TypeError, match="got"):
        expected.learn_one(["a"] * 7, T, RULES["sgd"]())


def test_an_empty_order_changes_nothing():
    one = case("sigmoid-7-5-3")
    for name in RULES:
        net = one.network()
        result = net.train_online(*one.data(), RULES[name](), order=[])
        assert (result.status, result.n_samples, len(result.losses)) == ("ok", 0, 0)
        np.testing.assert_array_equal(net.parameters, one.parameters())


# --- the rule's state --------------------------------------------------------------------------------------


def test_a_rule_belongs_to_one_network():
    one = case("sigmoid-7-5-3")
    rule = RULES["momentum"]()
    one.network().train_online(*one.data(), rule)
    with pytest.raises(ValueError, match="network"):
        one.network().train_online(*one.data(), rule)
    X, T = one.data()
    with pytest.raises(ValueError, match="network"):
        one.network().learn_one(X[0], T[0], rule)


def test_the_learning_rate_may_change_between_calls():
    one = case("sigmoid-7-5-3")
    net, (X, T) = one.network(), one.data()
    for rule in (RULES["sgd"](), RULES["unit"](), RULES["running"]()):
        net = one.network()
        net.train_online(X, T, rule)
        before = net.parameters.copy()
        rule.learning_rate = 0.0 if isinstance(rule, ebp.rules.SGD) else 1e-300
        net.train_online(X, T, rule)
        np.testing.assert_allclose(net.parameters, before, rtol=1e-14)


# --- misuse ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"order": [0, 33]}, "order"),
        ({"order": [-1]}, "order"),
        ({"order": [0.5]}, "order"),
        ({"order": [[0, 1]]}, "order"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"sample_weight": np.ones(32)}, "sample_weight"),
        ({"sample_weight": np.ones((33, 1))}, "sample_weight"),
        ({"engine": "warp"}, "streaming.*got '?warp"),
        ({"n_threads": 0}, "n_threads"),
        ({"input_transform": (np.zeros(6), np.ones(6))}, "input_transform|X must have shape"),
        ({"input_transform": (np.zeros(7), np.ones((6, 7)))}, "input_transform"),
        ({"input_transform": (np.zeros(7), np.ones(6))}, "input_transform"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_misuse_of_train_online(keywords, text):
    one = case("sigmoid-7-5-3")
    net = one.network()
    with pytest.raises((ValueError, TypeError), match=text):
        net.train_online(*one.data(), RULES["sgd"](), **keywords)
    np.testing.assert_array_equal(net.parameters, one.parameters())


def test_misuse_of_data_and_rule():
    one = case("sigmoid-7-5-3")
    net, (X, T) = one.network(), one.data()
    for data in [
        (X[:, :6], T),
        (X, T[:, :2]),
        (X[:5], T),
        (X[0], T[0]),
    ]:
        with pytest.raises(ValueError, match="got"):
            net.train_online(*data, RULES["sgd"]())
    for wrong in (0.01, "sgd", None, ebp.rules.SGD):
        with pytest.raises(TypeError, match="rule"):
            net.train_online(X, T, wrong)
    for x, t in [(X[0, :6], T[0]), (X[0], T[0, :2]), (X[:2], T[:2])]:
        with pytest.raises(ValueError, match="got"):
            net.learn_one(x, t, RULES["sgd"]())
    with pytest.raises(TypeError, match="got"):
        net.train_online(X.astype(str), T, RULES["sgd"]())


MEMORY_SCRIPT = """
import resource, sys
import numpy as np
import ebp

X = np.ones((25_000, 2_000), np.float32)
T = np.ones((25_000, 1), np.float32)
net = ebp.Network([ebp.layers.Dense(3), ebp.layers.Dense(1)], 2_000, random_state=0)
net.train_online(X[:10], T[:10], ebp.rules.SGD(1e-5))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for transform in (None, (np.zeros(2_000), np.ones(2_000))):
    for batch_size in (1, 32):
        net.train_online(X, T, ebp.rules.SDLM(1e-5), batch_size=batch_size, input_transform=transform)
net.loss(X, T)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unit = 1 if sys.platform == "darwin" else 1024
print((after - before) * unit / X.nbytes)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_training_makes_no_copy_of_the_data():
    """The resident set's high-water mark grows by far less than X, which has 200 MB."""
    done = subprocess.run([sys.executable, "-c", MEMORY_SCRIPT], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.2
