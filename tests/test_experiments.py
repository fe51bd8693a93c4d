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


def table(script, tmp_path, *arguments, missed=()):
    """Numbers or words an experiment obtained, by name; all claims hold but `missed`, a picture is drawn."""
    picture = tmp_path / "picture.png"
    printed = run(script, *arguments, "--out", picture)
    assert picture.read_bytes().startswith(PNG)
    rows = [[cell.strip() for cell in line.split(" | ")] for line in printed.splitlines() if " | " in line]
    assert rows[0] == ["", "expected", "obtained", "holds"]
    assert not {name for name, _, _, holds in rows[1:] if holds not in ("yes", "-")} - set(missed)
    return {name: value(obtained) for name, _, obtained, _ in rows[1:]}


def value(text):
    try:
        return float(text)
    except ValueError:
        return text


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


def test_batch_descent_diverges_beyond_the_bias_limit(tmp_path):
    found = table("batch_lms.py", tmp_path)
    assert found["limit with bias, by training"] == pytest.approx(2, abs=0.03)
    assert found["limit without bias, by training"] == pytest.approx(2.38, abs=0.15)
    verdicts = {name: word for name, word in found.items() if name.startswith("rate ")}
    assert verdicts["rate 1.5 with bias"] == verdicts["rate 1.9 with bias"] == "converges"
    assert verdicts["rate 2.1 with bias"] == verdicts["rate 2.5 without bias"] == "diverges"


def test_stochastic_descent_arrives_earlier_and_fluctuates(tmp_path):
    found = table("stochastic_lms.py", tmp_path, "--seeds", 0, 1, 2)
    assert found["error after an epoch, batch"] > 3 * found["error after an epoch, stochastic"]
    assert found["presentations until batch is as good"] > 1000
    assert found["variance of weights, rates 0.2 / 0.02"] == pytest.approx(10, rel=0.5)


def test_the_origin_of_the_error_surface_is_a_saddle(tmp_path):
    found = table("error_surface.py", tmp_path, "--seeds", 0, "--epochs", 20)
    assert found["saddle: lowest curvature at 0 / formula"] == pytest.approx(1, abs=1e-3)
    assert found["part of paths that end in a valley"] == 1
    assert found["error after training, stochastic"] < 0.03


def test_smaller_sdlm_rates_fluctuate_less(tmp_path):
    found = table("sdlm_rates.py", tmp_path, "--seeds", 0, 1, 2)
    for weight, rate in (("w1", 0.12 / 0.196), ("w2", 0.12 / 0.676), ("bias", 0.12)):
        assert found[f"larger rates: of {weight}"] == pytest.approx(rate, rel=0.15)
        assert found[f"s.d. of {weight}, Fig 22 / Fig 23"] < 0.6


def test_centring_cuts_the_largest_eigenvalue(data_dir, tmp_path):
    found = table("hessian_spectrum.py", tmp_path, "--seeds", 0, 1, "--data-dir", data_dir)
    assert found["NetMASK: largest, raw / centred"] > 2
    assert found["Net-5, biases shared: largest, raw / centred"] > 1.5
    assert found["NetMASK, centred: 1st / 11th"] == pytest.approx(8, rel=0.4)


def test_the_largest_eigenvalue_comes_within_a_hundred_presentations(data_dir, tmp_path):
    found = table("online_eigenvalue.py", tmp_path, "--seeds", 0, "--data-dir", data_dir)
    assert found["64,638 connections, MNIST: part after 100, leak 0.1"] == pytest.approx(1, abs=0.3)
    assert found["NetMASK: part after 100, leak 0.003"] < 0.35
    assert found["64,638 connections, MNIST: part in the end, leak falling from 0.1"] == pytest.approx(
        1, abs=0.1
    )


def test_the_predicted_rate_is_close_to_the_best(data_dir, tmp_path):
    netmask = "NetMASK, 320 digits: error at 1 / best, 2 epochs"  # the claim comes from one lucky seed
    found = table("predicted_rates.py", tmp_path, "--seeds", 0, 1, "--data-dir", data_dir, missed=[netmask])
    assert found["784x30x10, 300 digits: error at 1 / best, 2 epochs"] < 1.15
    assert found["64,638 connections, weights 'sn': error at 1 / best, 2 epochs"] < 1.15
    assert found[netmask] < 1.6


def test_batch_wastes_its_work_on_copies(tmp_path):
    found = table("redundancy.py", tmp_path, "--seeds", 0)
    assert found["batch / stochastic, to 0.03"] > 30
    assert found["batch / stochastic, to 0.01"] > 30


def test_diagonal_curvature_is_about_as_fast_as_the_best_single_rate(data_dir, tmp_path):
    """The rule of thumb, three times as fast, is missed on this problem; see the script."""
    ratio = "NetMASK, 320 digits: single / SDLM, mean of 7"
    arguments = "--problems", "netmask", "--seeds", 0, 1, 2, "--data-dir", data_dir
    found = table("sdlm_speed.py", tmp_path, *arguments, missed=[ratio])
    assert 0.7 < found[ratio] < 2


def test_the_tricks_on_the_480_digits(data_dir, tmp_path):
    picture, tables = tmp_path / "picture.png", tmp_path / "tables.md"
    arguments = "--data", "digits480", "--seeds", 0, 1, "--epochs", 2, "--data-dir", data_dir
    printed = run("tricks.py", *arguments, "--out", picture, "--markdown", tables)
    rows = re.findall(r"^\| ([^|]+?) +\| [\d.]+ +\| +([\d.]+) ±", tables.read_text(), re.MULTILINE)
    errors = {name: float(error) for name, error in rows}
    assert errors["full recipe"] < 40
    assert errors["batch learning"] > errors["full recipe"] + 10
    assert errors["weights x 10"] > errors["full recipe"] + 20
    assert "| 4.1 | stochastic learning is usually much faster than batch learning |" in printed
    assert picture.read_bytes().startswith(PNG)


def test_sorted_samples_are_worse_with_a_curvature_of_all_classes_too(data_dir, tmp_path):
    arguments = ["--samples", 2000, "--epochs", 2, "--data-dir", data_dir]
    found = table("sorted_curvature.py", tmp_path, *arguments)
    errors = {name: value for name, value in found.items() if name.startswith("test error")}
    assert len(errors) == 4
    assert min(errors, key=errors.get) == "test error [%], mixed, curvature of all classes"
    assert found["sorted, curvature of all classes, against the recipe [points]"] > 4


def test_a_constant_rate_follows_a_switch(tmp_path):
    found = table("drift.py", tmp_path, "--streams", "digits", "--samples", 4000, "--seeds", 0)
    assert found["digits: batch / constant"] > 5
    recovery = "digits: samples until recovered, "
    assert found[recovery + "constant"] < min(1500, found[recovery + "annealed"])
    assert found[recovery + "batch"] == float("inf")
    assert found["digits: Murata's rate, after / before the switch"] > 2


def test_an_accurate_minimiser_overtrains(tmp_path):
    found = table("bias_variance.py", tmp_path, "--trainings", "sine, L-BFGS", "--datasets", 15)
    assert found["sine, L-BFGS: bias^2, first epoch / last"] > 10
    assert found["sine, L-BFGS: sum, last / best epoch"] > 1.5
    assert found["sine, L-BFGS: noise"] == pytest.approx(0.25, rel=0.2)
