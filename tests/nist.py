"""Nonlinear regression problems of NIST's Statistical Reference Datasets, with their certified results.

https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml. The data files come from the source distribution of
lmfit, which is fetched when needed.
"""

import re
import subprocess
import sys
import tarfile

import numpy as np
from numpy import exp

PACKAGE = "lmfit==1.3.4"
PI = np.pi


def decay(b, x):
    return b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x)


def saturation(b, x):
    return b[0] * (1 - exp(-b[1] * x))


def bells(b, x):
    first, second = exp(-(((x - b[3]) / b[4]) ** 2)), exp(-(((x - b[6]) / b[7]) ** 2))
    return b[0] * exp(-b[1] * x) + b[2] * first + b[5] * second


def cubics(b, x):
    return (b[0] + x * (b[1] + x * (b[2] + x * b[3]))) / (1 + x * (b[4] + x * (b[5] + x * b[6])))


def chwirut(b, x):
    return exp(-b[0] * x) / (b[1] + b[2] * x)


def enso(b, x):
    waves = b[0] + b[1] * np.cos(PI * x / 6) + b[2] * np.sin(PI * x / 6)
    waves = waves + b[4] * np.cos(2 * PI * x / b[3]) + b[5] * np.sin(2 * PI * x / b[3])
    return waves + b[7] * np.cos(2 * PI * x / b[6]) + b[8] * np.sin(2 * PI * x / b[6])


MODELS = {
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
    "BoxBOD": saturation,
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "ENSO": enso,
    "Eckerle4": lambda b, x: b[0] / b[1] * exp(-(((x - b[2]) / b[1]) ** 2) / 2),
    "Gauss1": bells,
    "Gauss2": bells,
    "Gauss3": bells,
    "Hahn1": cubics,
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos1": decay,
    "Lanczos2": decay,
    "Lanczos3": decay,
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * exp(-x * b[3]) + b[2] * exp(-x * b[4]),
    "Misra1a": saturation,
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda b, x: b[0] - b[1] * x[0] * exp(-b[2] * x[1]),  # of log y
    "Rat42": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / PI,
    "Thurber": cubics,
}


def fetch(folder):
    """Downloads the data files into `folder`; raises subprocess.SubprocessError where that is impossible."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "lmfit"]
    command += ["--disable-pip-version-check", PACKAGE, "-d", str(folder)]
    subprocess.run(command, check=True, timeout=200, capture_output=True)
    with tarfile.open(next(folder.glob("lmfit-*.tar.gz"))) as archive:
        for member in archive.getmembers():
            if re.search(r"/NIST_STRD/\w+\.dat$", member.name):
                (folder / member.name.split("/")[-1]).write_bytes(archive.extractfile(member).read())


class NistProblem:
    """Residuals, Jacobian, two starts (n,) and certified parameters (n,) of one file."""

    def __init__(self, folder, name):
        text = (folder / f"{name}.dat").read_text()
        number = r"\s+([-+.\dE]+)"
        rows = re.findall(rf"^\s*b\d+ ={number}{number}{number}{number}\s*$", text, re.MULTILINE)
        table = np.array(rows, dtype=float)
        self.starts, self.certified = (table[:, 0], table[:, 1]), table[:, 2]
        first, last = re.search(r"Data\s+\(lines\s+(\d+)\s+to\s+(\d+)\)", text).groups()
        data = np.array([line.split() for line in text.splitlines()[int(first) - 1 : int(last)]], dtype=float)
        self.model = MODELS[name]
        self.y, self.x = data[:, 0], data[:, 1] if data.shape[1] == 2 else data[:, 1:].T
        if name == "Nelson":
            self.y = np.log(self.y)

    def residuals(self, b):
        with np.errstate(all="ignore"):
            return self.model(b, self.x) - self.y

    def jacobian(self, b):
        """By complex steps, exact to rounding."""
        with np.errstate(all="ignore"):
            steps = 1e-150j * np.eye(b.size)
            return np.stack([self.model(b + e, self.x).imag / 1e-150 for e in steps], axis=1)

    def digits(self, b):
        """Correct digits of the worst parameter."""
        error = np.max(np.abs(b - self.certified) / np.abs(self.certified))
        return -np.log10(max(error, 1e-16))
