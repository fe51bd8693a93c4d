"""What `import ebp` costs, and what it leaves alone."""

import json
import os
import statistics
import subprocess
import sys

import pytest

OPTIONAL = ("dask", "distributed", "matplotlib", "onnx", "onnxruntime", "polars", "pyarrow", "river", "torch")


def seconds(code):
    """Processor time of a new interpreter, which other programs disturb less than time itself."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_importing_takes_little_longer_than_scikit_learn():
    rounds = [[seconds(code) for code in ("pass", "import sklearn", "import ebp")] for _ in range(5)]
    nothing, theirs, ours = map(statistics.median, zip(*rounds, strict=True))
    assert ours - nothing <= 1.5 * (theirs - nothing)


def test_optional_packages_are_not_imported():
    loaded = {}
    for module in ("sklearn.base", "ebp"):
        script = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        loaded[module] = set(json.loads(done.stdout)) & set(OPTIONAL)
    assert loaded["ebp"] == loaded["sklearn.base"]  # which imports pandas, and so perhaps pyarrow


@pytest.mark.parametrize(
    ("code", "package", "extra"),
    [
        ("ebp.distributed.objective(net, 0, 0)", "dask", "distributed"),
        ("ebp.exchange.to_onnx(net, 'net.onnx')", "onnx", "onnx"),
        ("ebp.exchange.to_torch(net)", "torch", "torch"),
        ("ebp.streams.Parquet('table.parquet', 'y')", "pyarrow", "streams"),
        ("ebp.streams.CSV('table.csv', 'y')", "pyarrow", "streams"),
    ],
)
def test_what_is_missing_is_named(tmp_path, code, package, extra):
    script = (
        f"import sys, ebp; sys.modules[{package!r}] = None\n"
        "net = ebp.Network([ebp.layers.Dense(2)], 3, random_state=0)\n"
        f"try:\n    {code}\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert f"{package} must be installed: pip install 'efficient-backprop[{extra}]'" in done.stdout
