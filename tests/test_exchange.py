"""What is written for other programs computes what ebp computes."""

from __future__ import annotations

import importlib

import ebp
import numpy as np
import pytest
from c_headers import compile_headers
from ebp import exchange
from ebp.layers import (
    AveragePool2D,
    Conv1D,
    Conv2D,
    Dense,
    EuclideanRBF,
    GaussianRBF,
    MaxPool2D,
    Subsample2D,
)
from sklearn.exceptions import NotFittedError

TABLE = [[1, 0, 1, 1], [1, 1, 1, 1]]
NETWORKS = {
    "dense": ([Dense(7), Dense(5, "relu", bias=False), Dense(3, "identity", twist=0.2)], 4, "squared_error"),
    "maps": (
        [
            Conv2D(4, 3, padding="same", stride=2, activation="tanh"),
            Subsample2D(2),
            Conv2D(2, 2, connections=TABLE, padding="wrap", bias=False, activation="logistic", twist=0.1),
            Dense(2),
        ],
        (2, 8, 8),
        "squared_error",
    ),
    "pools": (
        [MaxPool2D(2), Conv2D(3, (2, 3), stride=2), AveragePool2D(2), Dense(3, "relu")],
        (2, 10, 12),
        "cross_entropy",
    ),
    "time": ([Conv1D(3, 4, padding="wrap", stride=2), Conv1D(2, 2), Dense(2)], (2, 9), "huber"),
    "even": ([Conv2D(3, 4, padding="same"), Dense(2)], (1, 5, 5), "squared_error"),
    "sparse": ([Conv2D(2, 1, padding="same", stride=3), Dense(2)], (1, 6, 6), "squared_error"),
    "radial": (
        [GaussianRBF(5), Dense(3, "tanh"), EuclideanRBF([[1, 0, -1], [1, 1, 1]], trainable=True)],
        4,
        "map",
    ),
    "codes": ([Dense(3), EuclideanRBF([[1, 0, -1], [1, 1, 1]])], 4, "map"),
}
LOSSES = ["auto", "cross_entropy", "binary_cross_entropy", "hinge"]


def network(name, dtype="float32"):
    layers, shape, loss = NETWORKS[name]
    net = ebp.Network(layers, shape, loss=loss, dtype=dtype, random_state=0)
    net.parameters[:] += 0.1 * np.random.default_rng(1).standard_normal(net.n_parameters)
    return net


def inputs(net, n=40):
    return np.random.default_rng(2).standard_normal((n, *net.input_shape)).astype(net.dtype)


def digits():
    X, y = ebp.datasets.load_digits()
    return X[:600].astype("float32"), y[:600]


def classifier(y, **options):
    return ebp.MLPClassifier((12,), max_iter=3, random_state=0, **options).fit(digits()[0], y)


def labels(kind):
    y = digits()[1]
    return {
        "texts": np.array([f"class {k} */ \\ é" for k in range(10)])[y],
        "two": y > 4,
        "numbers": 10.0 * y,
        "sets": np.stack([y > 4, y % 2, y % 3 == 0], 1).astype(int),
    }[kind]


@pytest.fixture
def compiled(tmp_path):
    """Compiles a model's header as C, with all warnings, and gives the function over rows."""
    return lambda model: compile_headers(tmp_path, {"predict": model})["predict"]


@pytest.fixture
def onnx_run(tmp_path):
    """Writes a model as ONNX and runs it: {name of an output: array}."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    def run(model, X):
        path = tmp_path / "model.onnx"
        model.to_onnx(path)
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(None, {"x": X}), strict=True))

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_as_c(compiled, name, dtype):
    net = network(name, dtype)
    X = inputs(net)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(compiled(net)(X), net.forward(X), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_as_onnx(onnx_run, name, dtype):
    net = network(name, dtype)
    X = inputs(net)
    np.testing.assert_allclose(onnx_run(net, X)["outputs"], net.forward(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["texts", "two", "numbers", "sets"])
def test_classifiers(compiled, onnx_run, loss, kind):
    if (kind, loss) == ("sets", "cross_entropy"):
        pytest.skip("labels do not exclude each other")
    X = digits()[0]
    model = classifier(labels(kind), loss=loss)
    expected = model.predict_proba(X)
    np.testing.assert_allclose(compiled(model)(X), expected, atol=1e-5)
    found = onnx_run(model, X)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    assert np.mean(found["label"] == model.predict(X)) > 0.999


@pytest.mark.parametrize("normalize", [None, "standard", "zca", "decorrelate"])
def test_normalisation(compiled, onnx_run, normalize):
    X = digits()[0]
    model = classifier(labels("two"), normalize=normalize)
    np.testing.assert_allclose(compiled(model)(X), model.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(onnx_run(model, X)["probabilities"], model.predict_proba(X), atol=1e-5)


def test_large_means_lose_no_digits(compiled, onnx_run):
    rng = np.random.default_rng(0)
    X = (1e4 + rng.standard_normal((300, 3))).astype("float32")
    model = ebp.MLPRegressor((5,), max_iter=5, random_state=0).fit(X, 1e3 * (X[:, 0] - 1e4))
    for values in (compiled(model)(X), onnx_run(model, X)["values"]):
        np.testing.assert_allclose(values[:, 0], model.predict(X), rtol=1e-4, atol=1e-2)


def test_regressors(compiled, onnx_run):
    X, y = digits()
    Y = np.stack([100.0 + y, -y], 1)
    model = ebp.MLPRegressor((12,), max_iter=3, random_state=0).fit(X, Y)
    for values in (compiled(model)(X), onnx_run(model, X)["values"]):
        np.testing.assert_allclose(values, model.predict(X), rtol=1e-5, atol=1e-4)


def test_estimators_of_images_and_distances(compiled, onnx_run):
    X, y = digits()
    layers = [Conv2D(4, 3), Subsample2D(2), Dense(10), EuclideanRBF(np.eye(10) * 2 - 1)]
    model = ebp.NetworkClassifier(layers, max_iter=2, random_state=0).fit(X.reshape(-1, 1, 8, 8), y)
    expected = model.predict_proba(X.reshape(-1, 1, 8, 8))
    np.testing.assert_allclose(compiled(model)(X), expected, atol=1e-5)
    np.testing.assert_allclose(onnx_run(model, X)["probabilities"], expected, atol=1e-5)


def test_c_refuses_parameters_that_are_not_finite(tmp_path):
    net = network("dense")
    net.parameters[3] = np.nan
    with pytest.raises(ValueError, match="parameters must be finite"):
        net.export_c(tmp_path / "model.h")
    assert not (tmp_path / "model.h").exists()


WRITERS = {
    "export_c": lambda model, folder: exchange.export_c(model, folder / "model"),
    "to_onnx": lambda model, folder: exchange.to_onnx(model, folder / "model"),
    "to_torch": lambda model, folder: exchange.to_torch(model),
    "from_torch": lambda model, folder: exchange.from_torch(model, {}),
}


@pytest.mark.parametrize("model", [object(), ebp.InputNormalizer(), ebp.MLPClassifier, None, "model.ebp"])
@pytest.mark.parametrize("function", WRITERS)
def test_other_objects_are_refused(tmp_path, function, model):
    with pytest.raises(TypeError, match=rf"^\[{function}\] (model|network) must be an ebp.Network.*; got "):
        WRITERS[function](model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_parameters_are_those_of_a_network_not_of_an_estimator(tmp_path):
    model = classifier(labels("two"))
    for function in ("to_torch", "from_torch"):
        with pytest.raises(TypeError, match=rf"^\[{function}\] network must be .* network_ of a fitted"):
            WRITERS[function](model, tmp_path)


def test_estimators_must_be_fitted(tmp_path):
    for method in ("save", "to_onnx", "export_c"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(ebp.MLPClassifier(), method)(tmp_path / "model")
    for function in ("to_onnx", "export_c"):
        for kind in (ebp.MLPClassifier, ebp.MLPRegressor):
            with pytest.raises(NotFittedError, match="not fitted yet"):
                WRITERS[function](kind(), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("function", "package"), [("to_onnx", "onnx"), ("to_torch", "torch")])
def test_missing_packages_are_named(monkeypatch, tmp_path, function, package):
    def without(name, *arguments, **keywords):
        if name == package:
            raise ImportError(f"No module named {name!r}")
        return imported(name, *arguments, **keywords)

    imported = importlib.import_module
    monkeypatch.setattr("importlib.import_module", without)
    arguments = [tmp_path / "model"] if function == "to_onnx" else []
    with pytest.raises(ImportError, match=rf"^\[{function}\] {package} must be installed: pip install"):
        getattr(exchange, function)(network("dense"), *arguments)


@pytest.mark.parametrize("name", NETWORKS)
def test_state_dicts_there_and_back(name):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    net = network(name)
    other = ebp.Network(*NETWORKS[name][:2], loss=NETWORKS[name][2], random_state=5)
    exchange.from_torch(other, exchange.to_torch(net))
    assert np.array_equal(other.parameters, net.parameters)


def test_a_module_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nn = torch.nn
    layers = [Conv2D(4, 3, activation="tanh"), MaxPool2D(2), Conv2D(3, 2, activation="relu")]
    layers += [Dense(5, "logistic"), Dense(2, "identity", bias=False)]
    net = ebp.Network(layers, (2, 8, 8), random_state=0)
    modules = [nn.Conv2d(2, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 2), nn.ReLU(), nn.Flatten()]
    module = nn.Sequential(*modules, nn.Linear(12, 5), nn.Sigmoid(), nn.Linear(5, 2, bias=False))
    X = inputs(net)
    with torch.no_grad():
        exchange.from_torch(net, module.state_dict())
        np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), net.forward(X), atol=1e-6)
        net.parameters[:] *= 1.5
        module.load_state_dict(exchange.to_torch(net))
        np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), net.forward(X), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "one entry for each of the 5 parameters"),
        (lambda s: s.update({"0.weight": np.ones((3, 4))}), r"of shape \(7, 4\); got shape \(3, 4\)"),
        (lambda s: s.update({"0.bias": np.full(7, np.nan)}), "0.bias must be finite"),
        (lambda s: s.update({"0.weight": np.full((7, 4), 1e300)}), r"finite in float32; got 1e\+300"),
        (lambda s: s.update({"0.bias": np.full(7, 1j)}), "real numbers; got complex128"),
        (lambda s: s.update({"0.bias": np.full(7, "1")}), "real numbers; got <U1"),
        (lambda s: s.update({"x": s.pop("0.bias")}), "must be the"),
    ],
)
def test_states_that_do_not_fit(change, message):
    net = network("dense")
    state = {
        f"{k}.{exchange._torch.NAMES.get(p, p)}": v.copy() for k, p, v in exchange._torch._parameters(net)
    }
    before = net.parameters.copy()
    change(state)
    with pytest.raises(ValueError, match=rf"^\[from_torch\] .*{message}"):
        exchange.from_torch(net, state)
    assert np.array_equal(net.parameters, before)


def test_kernels_between_unconnected_maps_must_be_zero():
    net = ebp.Network([Conv2D(2, 2, connections=TABLE, bias=False)], (4, 3, 3), random_state=0)
    with pytest.raises(ValueError, match="must be 0 where maps are not connected"):
        exchange.from_torch(net, {"0.weight": np.ones((2, 4, 2, 2))})


def test_states_must_be_mappings():
    with pytest.raises(TypeError, match=r"^\[from_torch\] state must be a mapping.*; got list"):
        exchange.from_torch(network("dense"), [np.ones(7)])


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64", "int32"])
def test_tensors_of_any_type(kind):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    net = ebp.Network([Dense(3, bias=False)], 4, random_state=0)
    weights = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).mul(10).to(getattr(torch, kind))
    exchange.from_torch(net, {"0.weight": weights})
    np.testing.assert_array_equal(net.parameters, weights.to(torch.float32).numpy().ravel())
    assert net.parameters.any()


def test_tensors_that_are_infinite_as_single_precision():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    weights = torch.full((3, 4), 1e300, dtype=torch.float64)
    net, double = (
        ebp.Network([Dense(3, bias=False)], 4, dtype=dtype, random_state=0)
        for dtype in ("float32", "float64")
    )
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=r"^\[from_torch\] 0.weight must be finite in float32; got 1e\+300"):
        exchange.from_torch(net, {"0.weight": weights})
    assert np.array_equal(net.parameters, before)
    exchange.from_torch(double, {"0.weight": weights})
    assert (double.parameters == 1e300).all()
