"""Model files: what is saved comes back, and nothing else is taken for it."""

import json
import os
import struct

import ebp
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from ebp import model_file
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

N = 150


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def blobs(rng, n_classes=3):
    labels = rng.integers(n_classes, size=N)
    return (rng.normal(size=(N, 4)) + 2 * labels[:, None]).astype(np.float32), labels


def small(kind, **parameters):
    return kind(5, **{"max_iter": 3, "random_state": 0} | parameters)


def round_trip(obj, path):
    model_file.save(obj, path)
    return ebp.load(path)


LABELS = {
    "int": np.array([-3, 0, 7]),
    "uint8": np.array([1, 2, 3], np.uint8),
    "str": np.array(["cat", "dog", "größe"]),
    "object": np.array(["cat", "dog", "bird"], object),
    "bool": np.array([False, True]),
    "float": np.array([1.0, 2.0, 4.0]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_classifier_predicts_the_same_bits(path, rng, kind):
    classes = LABELS[kind]
    X, labels = blobs(rng, len(classes))
    model = small(ebp.MLPClassifier).fit(X, classes[labels])
    loaded = round_trip(model, path)
    assert type(loaded) is ebp.MLPClassifier
    assert loaded.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(loaded.classes_, model.classes_)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("n_outputs", [0, 1, 2])
@pytest.mark.parametrize("out_activation", ["auto", "scaled_tanh"])
def test_regressor_predicts_the_same_bits(path, rng, n_outputs, out_activation):
    X = rng.normal(size=(N, 3))
    y = 5 + X[:, :n_outputs] if n_outputs else X.sum(axis=1)
    model = small(ebp.MLPRegressor, out_activation=out_activation, dtype="float64").fit(X, y)
    np.testing.assert_array_equal(round_trip(model, path).predict(X), model.predict(X))


NORMALIZERS = [
    None,
    "auto",
    "decorrelate",
    "zca",
    ebp.InputNormalizer("minmax"),
    FrozenEstimator(ebp.InputNormalizer("center").fit(np.arange(8.0).reshape(2, 4))),
]


@pytest.mark.parametrize("normalize", NORMALIZERS, ids=str)
def test_every_normaliser(path, rng, normalize):
    X, y = blobs(rng)
    model = small(ebp.MLPClassifier, normalize=normalize).fit(X, y)
    np.testing.assert_array_equal(round_trip(model, path).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [4, (1, 2, 2)])
def test_network(path, rng, dtype, shape):
    layers = [ebp.layers.Dense(3, "tanh", twist=0.1), ebp.layers.Dense(2, "identity", bias=False)]
    net = ebp.Network(layers, shape, loss="cross_entropy", dtype=dtype, random_state=1)
    loaded = round_trip(net, path)
    assert loaded.dtype == net.dtype
    assert loaded.input_shape == net.input_shape
    assert loaded.loss_function == "cross_entropy"
    assert loaded.parameter_slices == net.parameter_slices
    np.testing.assert_array_equal(loaded.parameters, net.parameters)
    X = rng.normal(size=(6, 4))
    np.testing.assert_array_equal(loaded.forward(X), net.forward(X))


def test_network_that_was_trained_trains_on(path, rng):
    net = ebp.Network([ebp.layers.Dense(3), ebp.layers.Dense(1)], 2, dtype="float64", random_state=1)
    X, T = rng.normal(size=(50, 2)), rng.normal(size=(50, 1))
    net.train_online(X, T, ebp.rules.SGD(0.05))
    loaded = round_trip(net, path)
    for each in (net, loaded):
        each.train_online(X, T, ebp.rules.SGD(0.05))
    np.testing.assert_array_equal(loaded.parameters, net.parameters)


@pytest.mark.parametrize("method", ["standard", "global", "decorrelate"])
def test_normaliser_learns_on(path, rng, method):
    X = rng.normal(size=(40, 3)) * [1, 5, 0.1] + 2
    normalizer = ebp.InputNormalizer(method).fit(X[:20])
    loaded = round_trip(normalizer, path)
    np.testing.assert_array_equal(loaded.transform(X), normalizer.transform(X))
    normalizer.partial_fit(X[20:])
    loaded.partial_fit(X[20:])
    np.testing.assert_array_equal(loaded.transform(X), normalizer.transform(X))
    assert loaded.n_samples_seen_ == normalizer.n_samples_seen_


@pytest.mark.parametrize("solver", ["sgd", "sdlm"])
@pytest.mark.parametrize("after", ["fit", "partial_fit"])
def test_partial_fit_goes_on(path, rng, solver, after):
    X, y = blobs(rng)
    model = small(ebp.MLPClassifier, solver=solver)
    model.fit(X, y) if after == "fit" else model.partial_fit(X, y, classes=[0, 1, 2])
    loaded = round_trip(model, path)
    copied = clone(model, safe=False)
    assert not hasattr(copied, "network_")
    for each in (model, loaded):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.t_ == model.t_


def test_fitted_attributes_and_parameters_come_back(path, rng):
    X, y = blobs(rng)
    model = small(
        ebp.MLPClassifier, early_stopping=True, class_weight={0: 1.0, 1: 2.5}, learning_rate_init=0.01
    )
    model.fit(X, y)
    loaded = round_trip(model, path)
    assert loaded.get_params() == model.get_params()
    for name in ("loss_", "best_loss_", "n_iter_", "t_", "lambda_max_", "n_features_in_", "out_activation_"):
        assert getattr(loaded, name) == getattr(model, name), name
    for name in ("loss_curve_", "validation_loss_curve_", "validation_scores_", "learning_rates_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
        assert type(getattr(loaded, name)) is type(getattr(model, name)), name
    for one, other in zip(loaded.coefs_ + loaded.intercepts_, model.coefs_ + model.intercepts_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_feature_names_come_back(path, rng):
    pandas = pytest.importorskip("pandas")
    X, y = blobs(rng)
    table = pandas.DataFrame(X, columns=["a", "b", "ç", "d"])
    loaded = round_trip(small(ebp.MLPClassifier).fit(table, y), path)
    assert list(loaded.feature_names_in_) == ["a", "b", "ç", "d"]
    loaded.predict(table)


def test_parameters_that_are_no_data_come_back_as_defaults(path, rng):
    X, y = blobs(rng)
    generator = np.random.RandomState(3)
    model = small(ebp.MLPClassifier, callbacks=[lambda *_: None], random_state=generator).fit(X, y)
    loaded = round_trip(model, path)
    assert loaded.callbacks is None
    assert loaded.random_state is None


def test_an_estimator_that_was_not_fitted(path):
    loaded = round_trip(ebp.MLPClassifier((7, 8), momentum=0.5), path)
    assert loaded.get_params() == ebp.MLPClassifier((7, 8), momentum=0.5).get_params()
    assert not hasattr(loaded, "network_")


def test_notes(path):
    notes = {"columns": ["a", "größe"], "count": 3}
    normalizer = ebp.InputNormalizer()
    model_file.save(normalizer, path)
    assert model_file.read_notes(path) == {}
    model_file.save(normalizer, path, notes=notes)
    assert model_file.read_notes(path) == notes


def test_a_file_is_readable_without_ebp(path, rng):
    X, y = blobs(rng)
    model = small(ebp.MLPClassifier).fit(X, y)
    model.save(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        theta = file.get_tensor("network_.theta")
    assert metadata["format"] == "ebp"
    assert metadata["format_version"] == "1"
    assert metadata["ebp_version"] == ebp.__version__
    assert metadata["kind"] == "MLPClassifier"
    network = json.loads(metadata["model"])["state"]["network_"]
    z = (X - model.normalizer_.mean_) / model.normalizer_.scale_
    for k in range(2):
        parts = {name: (start, stop, shape) for name, start, stop, shape in network["parameter_slices"]}
        weights, bias = (theta[slice(*parts[f"{k}.{x}"][:2])].reshape(parts[f"{k}.{x}"][2]) for x in WB)
        z = 1.7159 * np.tanh(2 / 3 * (z @ weights.T + bias))
    np.testing.assert_array_equal(model.predict(X), model.classes_[z.argmax(axis=1)])


WB = ("weights", "bias")


class Subclass(ebp.MLPClassifier):
    pass


@pytest.mark.parametrize("obj", [None, {}, np.zeros(3), Subclass(), ebp.layers.Dense(3)])
def test_only_known_objects_are_saved(path, obj):
    with pytest.raises(TypeError, match=r"\[save\] obj must be one of .*; got "):
        model_file.save(obj, path)
    assert not path.exists()


def test_an_unusual_parameter_is_named(path):
    with pytest.raises(TypeError, match=r"\[save\] learning_rate must be data .*; got object"):
        model_file.save(ebp.MLPClassifier(learning_rate=object()), path)


def test_the_old_file_stays_when_writing_fails(path, monkeypatch):
    model_file.save(ebp.InputNormalizer("center"), path)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model_file.save(ebp.InputNormalizer("zca"), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_permissions_follow_the_umask(path):
    previous = os.umask(0o027)
    try:
        model_file.save(ebp.InputNormalizer(), path)
    finally:
        os.umask(previous)
    assert path.stat().st_mode & 0o777 == 0o640


# ---- files that are not to be trusted ------------------------------------------------------------------


def refused(path, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        ebp.load(path)
    assert str(caught.value).startswith("[load] path must name a readable model file; got ")
    assert path.name in str(caught.value)


def edit(path, **changes):
    """Rewrite the metadata of a file, the checksum too where the change asks for it with sha256=True."""
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = safetensors.numpy.load_file(path)
    fix = changes.pop("sha256", None)
    metadata.update(changes)
    if fix:
        metadata["sha256"] = model_file._digest(metadata, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, {k: v for k, v in metadata.items() if v is not None}))


@pytest.fixture
def saved(path):
    net = ebp.Network([ebp.layers.Dense(3), ebp.layers.Dense(1)], 2, random_state=0)
    model_file.save(net, path)
    return path


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(100), b"\xff" * 64, bytes(64)])
def test_other_files(path, content):
    path.write_bytes(content)
    refused(path, "no safetensors file")


def test_a_folder_or_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        ebp.load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        ebp.load(tmp_path)


def test_a_safetensors_file_of_somebody_else(path):
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(3)}, {"format": "pt"}))
    refused(path, "not written by ebp")
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(3)}))
    refused(path, "not written by ebp")


def test_every_truncation_is_found_out(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 60)):
        saved.write_bytes(content[:length])
        refused(saved, "no safetensors file|not written by ebp")


def test_every_flipped_byte_is_found_out(saved, rng):
    content = saved.read_bytes()
    (header,) = struct.unpack("<Q", content[:8])
    meaningful = [k for k in range(8, len(content)) if content[k] not in b" "]
    assert header < len(content)
    for k in rng.choice(meaningful, size=200, replace=False):
        damaged = bytearray(content)
        damaged[k] ^= 1
        saved.write_bytes(damaged)
        refused(saved, ".")


@pytest.mark.parametrize("notes", ["{", "[" * 100_000 + "]" * 100_000, "[]"])
def test_unreadable_notes(saved, notes):
    edit(saved, notes=notes, sha256=True)
    with pytest.raises(ValueError, match=r"\[load\] path must name a .*: its notes are not "):
        model_file.read_notes(saved)


def test_a_lack_of_memory_is_not_the_file_s_fault(saved, monkeypatch):
    def decode(*_):
        raise MemoryError

    monkeypatch.setattr(model_file.Decoder, "decode", decode)
    with pytest.raises(MemoryError):
        ebp.load(saved)


def test_a_newer_format(saved):
    edit(saved, format_version="2", ebp_version="9.1", sha256=True)
    refused(saved, "written by ebp 9.1 in format 2, this version of ebp reads formats up to 1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format_version": "one"}, "its format_version is 'one'"),
        ({"format_version": "0"}, "its format_version is '0'"),
        ({"format_version": None}, "its format_version is ''"),
        ({"format_version": 5000 * "1"}, "its format_version is '11111111111111111111'"),
        ({"model": None}, "without model"),
        ({"notes": "{} "}, "does not match its checksum"),
        ({"kind": "MLPClassifier"}, "does not match its checksum"),
        ({"kind": "MLPClassifier", "sha256": True}, "announces a MLPClassifier and holds a Network"),
        ({"ebp_version": "0.0"}, "does not match its checksum"),
        ({"model": "{", "sha256": True}, "not usable"),
        ({"model": "[]", "sha256": True}, "announces a Network and holds a list"),
        ({"model": '{"kind": "os.system"}', "sha256": True}, "unknown kind os.system"),
        ({"model": '{"kind": "tensor", "name": "phi"}', "sha256": True}, "not usable"),
        ({"model": '{"kind": "Dense", "params": {"units": 0}, "state": {}}', "sha256": True}, "not usable"),
        (
            {"model": '{"kind": "MLPClassifier", "params": {"n": 0}, "state": {}}', "sha256": True},
            "not usable",
        ),
        (
            {"model": '{"kind": "MLPClassifier", "params": {}, "state": {"fit": 0}}', "sha256": True},
            "fit is not a fitted attribute",
        ),
    ],
)
def test_contents_that_make_no_sense(saved, changes, reason):
    edit(saved, **changes)
    refused(saved, reason)
