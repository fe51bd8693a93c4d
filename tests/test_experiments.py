"""The experiments run in their shortest form, draw their pictures, and show what they claim."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")

EXPERIMENTS = Path(__file__).parents[1] / "bench" / "experiments"
PNG = b"\x89PNG\r\n"


def run(script, *arguments):
    """What a script prints."""
    command = [sys.executable, str(EXPERIMENTS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("output", ["rbf", "dense"])
def test_lenet5_learns_mnist(data_dir, tmp_path, output):
    picture = tmp_path / "curves.png"
    printed = run("lenet5.py", "--output", output, "--passes", 1, "--data-dir", data_dir, "--out", picture)
    (error,) = re.findall(r"^test error, %\s+([\d.]+)", printed, re.MULTILINE)
    assert float(error) < 2.5  # about 2 after the first of 20 passes
    assert picture.read_bytes().startswith(PNG)


def test_radial_units_need_fewer_updates(tmp_path):
    picture = tmp_path / "radial.png"
    printed = run("radial_units.py", "--problems", "spirals", "--updates", 20_000, "--out", picture)
    rows = dict(
        re.findall(r"^(\w+ [\w, -]+?)  .*?sdlm \S+\s+(not within 20,000|[\d,]+) ", printed, re.MULTILINE)
    )
    assert int(rows["radial 100, k-means"].replace(",", "")) <= 20_000
    assert rows["sigmoid 18-18"] == rows["sigmoid 40-40"] == "not within 20,000"
    assert picture.read_bytes().startswith(PNG)
