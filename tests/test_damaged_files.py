"""Two hundred damaged or hostile model files: clean errors, and no memory for what they announce."""

import json
import os
import struct
import subprocess
import sys
import textwrap

import ebp
import numpy as np
import pytest
import safetensors.numpy
from ebp import model_file

# Loads the files of a folder with little more memory than the process has already; prints the errors.
LOADER = textwrap.dedent("""
    import json, pathlib, resource, sys
    import ebp
    from ebp.model_file import load  # imports what it needs now
    paths = sorted(pathlib.Path(sys.argv[1]).iterdir())
    ebp.load(paths[0])  # the undamaged one
    size = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 48 * 2**20,) * 2)
    errors = {}
    for path in paths[1:]:
        try:
            ebp.load(path)
            errors[path.name] = "none"
        except ValueError as error:
            errors[path.name] = str(error)
    print(json.dumps(errors))
""")


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """An estimator in the midst of training: network, normaliser, rule, labels, curves."""
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(80, 4)), np.array(["cat", "dog", "größe"])[rng.integers(3, size=80)]
    model = ebp.MLPClassifier((6,), momentum=0.5, random_state=0)
    model.partial_fit(X, y, classes=np.unique(y)).partial_fit(X, y)
    path = tmp_path_factory.mktemp("file") / "model"
    model.save(path)
    return path.read_bytes()


def flips(content, rng):
    """Single bits, everywhere: in the length of the header, in the header, in the arrays."""
    header = 8 + struct.unpack("<Q", content[:8])[0]
    places = [
        *rng.choice(64, 20, replace=False),
        *(64 + rng.choice(8 * (header - 8), 60, replace=False)),
        *(8 * header + rng.choice(8 * (len(content) - header), 25, replace=False)),
    ]
    for bit in places:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        yield f"flip-{bit}", bytes(damaged)


def truncations(content, rng):
    for length in [*range(10), *rng.choice(len(content), 30, replace=False)]:
        yield f"truncation-{length}", content[:length]


def header_of(content):
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_header(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def declarations(content, rng):
    """Headers whose lengths, shapes, offsets or dtypes are not those of the arrays."""
    for k, length in enumerate([2**63, 2**64 - 1, 2**40, 10**8, len(content), len(content) - 8]):
        yield f"length-{k}", struct.pack("<Q", length) + content[8:]
    header, data = header_of(content)
    names = [name for name in header if name != "__metadata__"]
    for k in range(24):
        name = names[k % len(names)]
        entry = dict(header[name])
        if k % 4 == 0:
            entry["shape"] = [10**6, 10**6, *entry["shape"]]
        elif k % 4 == 1:
            entry["data_offsets"] = [entry["data_offsets"][0], 2**50]
        elif k % 4 == 2:
            entry["dtype"] = {"F32": "I32", "F64": "I64", "I64": "F64"}.get(entry["dtype"], "U8")
        else:
            entry["dtype"] = "F8_E4M3" if k % 8 == 3 else "no such type"
        yield f"entry-{k}", with_header({**header, name: entry}, data)


HOSTILE = [
    # (description of the object, arrays): right checksums, wrong contents
    {"kind": "array", "dtype": "<U500000000", "shape": [2], "values": ["a", "b"]},
    {"kind": "array", "dtype": "<f8", "shape": [2], "values": [1, 2]},
    {"kind": "array", "dtype": "|O", "shape": [10**9, 10**9], "values": [1, 2]},
    {"kind": "array", "dtype": "|V100000", "shape": [1], "values": [1]},
    {"kind": "tensor", "name": "phi"},
    {"kind": "tuple", "values": 3},
    {"kind": "generator", "bit_generator": "os", "state": {}},
    {"kind": "generator", "bit_generator": "PCG64", "state": {"kind": "dict", "values": [["state", 1]]}},
    {"kind": "Rule", "params": {}, "state": {}},
    {"kind": "SGD", "params": {"learning_rate": 0.1}, "state": {"_trainer": 1}},
    {"kind": "SGD", "params": {"learning_rate": -1.0}, "state": {}},
    {"kind": "SGD", "params": {}, "state": {"_memory": 5, "_n_presented": 0}},
    {"kind": "SGD", "params": {}, "state": {"_memory": None, "_n_presented": -1}},
    {"kind": "SGD", "params": {}, "state": {"_n_presented": 0}},
    {"kind": "Moments", "params": {}, "state": {"add": 1}},
]


def dense(units, inputs=4):
    layer = {"kind": "Dense", "params": {"units": units}, "state": {}}
    return network([layer], inputs)


def network(layers, input_shape):
    theta = {"kind": "tensor", "name": "theta"}
    about = {"input_shape": input_shape, "loss": "squared_error", "dtype": "float32", "layers": layers}
    return {"kind": "Network", "theta": theta, "parameter_slices": [], **about}


def image(kind, params, channels, side=4):
    layer = {"kind": kind, "params": params, "state": {}}
    return network([layer], {"kind": "tuple", "values": [channels, side, side]})


def conv(maps, channels):
    return image("Conv2D", {"maps": maps, "kernel_size": 2}, channels)


HOSTILE += [
    dense(10**9),
    dense(10**18),
    dense(1, 10**12),
    dense(2.5),
    dense("3"),
    network([], 4),
    network(3, 4),
    network([{"kind": "GaussianRBF", "params": {"units": 10**10}, "state": {}}], 4),
    conv(10**9, 1),
    conv(1, 10**9),
    conv(10**5, 10**5),
    image("Conv2D", {"maps": 1, "kernel_size": 4000}, 1, 4000),
    image("Conv2D", {"maps": 1, "kernel_size": 4000, "connections": [[True]]}, 1, 4000),
    image("Subsample2D", {"size": 1}, 10**7, 1),
    1000 * [{"kind": "floats", "values": {"kind": "tensor", "name": "theta"}}],
    [[]],
    7,
]


def hostile(content, rng):
    tensors = {"theta": np.zeros(40_000, np.float32)}
    deep = "[" * 100_000 + "]" * 100_000
    for k, model in enumerate([*(json.dumps(model) for model in HOSTILE), deep]):
        metadata = {"format": "ebp", "format_version": "1", "ebp_version": "1", "kind": "Network"}
        metadata |= {"model": model, "notes": "{}"}
        metadata["sha256"] = model_file._digest(metadata, tensors)
        yield f"hostile-{k}", safetensors.numpy.save(tensors, metadata)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the size of a process is read in /proc")
def test_two_hundred_damaged_files(content, tmp_path):
    rng = np.random.default_rng(6)
    files = {}
    for damage in (flips, truncations, declarations, hostile):
        files |= dict(damage(content, rng))
    assert len(files) >= 200
    (tmp_path / "a-good-one").write_bytes(content)
    for name, damaged in files.items():
        (tmp_path / name).write_bytes(damaged)
    done = subprocess.run(
        [sys.executable, "-c", LOADER, tmp_path], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr  # 1 with a MemoryError, which is no ValueError
    errors = json.loads(done.stdout)
    assert errors.keys() == files.keys()
    for name, message in errors.items():
        assert message.startswith("[load] path must name a readable model file; got "), (name, message)
        assert "alloc" not in message.lower(), (name, message)
