"""Spectrum of the Hessian of networks with shared weights. Figures 19 and 20, section 8.

    EBP_DATA_DIR=data python bench/experiments/hessian_spectrum.py --out hessian_spectrum.png
    EBP_DATA_DIR=data python bench/experiments/hessian_spectrum.py --full            # 50 seeds

The paper's network is called 256x128x64x10, with shared weights: it may be NetMASK (toric 3x3 convolutions,
746 parameters) or Net-5 (3x3, then 5x5 over whole maps). How far it was trained is not said. Here both are
trained on 320 of the authors' digits for 10 passes in the order of the file, at the rate 0.1, halved after
passes 5 and 7, over sqrt(fan-in times shares), with raw inputs of -1 and 1 and with centred ones. Net-5 has a
bias for every unit; the library's convolutions have one a map, or none: both are shown, as the biases turn
out to matter. Expected numbers marked D are one seed of an independent program, compared with the ranges over
the seeds if there are twenty: after training on raw inputs its largest eigenvalue is beyond them all. Top:
eigenvalues of the first seed after training; bottom: their histogram. Default: 20 seeds, a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

import ebp
import experiment
import numpy as np
from ebp.layers import Conv2D, Dense
from tqdm import tqdm

RATES = [0.1] * 5 + [0.05] * 2 + [0.025] * 3
INPUTS = ("raw", "centred")
LARGE, SMALL = 1e-1, 1e-5  # what counts as very large and as small, in parts of the largest eigenvalue


def net5(bias: bool) -> list[Any]:
    """3x3 with stride 2 on padded images, 5x5 over both maps, 10 outputs: 8x8, 4x4 and 10 units."""
    return [Conv2D(2, 3, stride=2, padding="same", bias=bias), Conv2D(4, 5, bias=bias), Dense(10)]


NETWORKS = {
    "NetMASK": ebp.layers.netmask(),
    "Net-5, biases shared": net5(True),
    "Net-5, no biases": net5(False),
}
# Of the independent program: first and last eigenvalue before training, largest one after it, its ratio
# to the eleventh, errors per output on training and test digits after training.
REFERENCE = {
    ("NetMASK", "raw"): (-37.3, 53.6, 143.6, 39.1, 0.0372, 0.0494),
    ("NetMASK", "centred"): (-21.5, 29.7, 32.3, 10.6, 0.0360, 0.0488),
}


@dataclass(frozen=True)
class Outcome:
    """Spectra in ascending order before and after training, and errors per output after it."""

    before: np.ndarray
    after: np.ndarray
    training: float
    test: float

    @property
    def ratio(self) -> float:
        """Of the largest to the eleventh largest eigenvalue."""
        return float(self.after[-1] / self.after[-11])

    @property
    def numbers(self) -> tuple[float, ...]:
        """In the order of `REFERENCE`."""
        return self.before[0], self.before[-1], self.after[-1], self.ratio, self.training, self.test


def outcome(digits: tuple, layers: list[Any], inputs: str, seed: int) -> Outcome:
    X, y, X_test, y_test = digits
    if inputs == "centred":
        X, X_test = X - X.mean(axis=0), X_test - X.mean(axis=0)
    T, T_test = (experiment.plus_minus_one(labels, "float64") for labels in (y, y_test))
    net = ebp.Network(layers, (1, 16, 16), weight_init="sn", dtype="float64", random_state=seed)
    before = ebp.curvature.spectrum(net, X, T)
    rule = ebp.rules.SGD(RATES[0], scale="fan_in")
    for rate in RATES:
        rule.learning_rate = rate
        net.train_online(X, T, rule)
    after = ebp.curvature.spectrum(net, X, T)
    return Outcome(before, after, net.loss(X, T) / 10, net.loss(X_test, T_test) / 10)


def shares(eigenvalues: np.ndarray) -> tuple[float, float, float]:
    """Parts that are small, medium and very large, by their magnitudes."""
    sizes = np.abs(eigenvalues) / eigenvalues[-1]
    small, large = float(np.mean(sizes < SMALL)), float(np.mean(sizes > LARGE))
    return small, 1 - small - large, large


Outcomes = dict[tuple[str, str], list[Outcome]]


def claim(outcomes: Outcomes) -> experiment.Claims:
    """Medians over the seeds, or ranges."""
    claims = experiment.Claims()
    for (name, inputs), reference in REFERENCE.items():
        titles = (
            "lowest eigenvalue, start",
            "largest, start",
            "largest",
            "1st / 11th",
            "error",
            "test error",
        )
        obtained = zip(*(one.numbers for one in outcomes[name, inputs]), strict=True)
        for title, values, expected in zip(titles, obtained, reference, strict=True):
            claims.covers(f"{name}, {inputs}: {title}, range", values, expected, "D")
    cuts = {
        name: [
            float(raw.after[-1] / centred.after[-1])
            for raw, centred in zip(*(outcomes[name, kind] for kind in INPUTS), strict=True)
        ]
        for name in NETWORKS
    }
    claims.covers("NetMASK: largest, raw / centred, range", cuts["NetMASK"], 4.5, "D")
    cut = {name: median(values) for name, values in cuts.items()}
    claims.number("NetMASK: largest, raw / centred", cut["NetMASK"], "> 1", "P", (1.5, np.inf))
    for name in ("Net-5, biases shared", "Net-5, no biases"):
        claims.number(f"{name}: largest, raw / centred", cut[name], "7 if each unit has one", "D")
    between = cut["Net-5, biases shared"] < 7 < cut["Net-5, no biases"]
    claims.verdict("Net-5: 7 lies between these", "yes" if between else "no", "yes", "D")
    ratios = {key: median(one.ratio for one in found) for key, found in outcomes.items()}
    for (name, inputs), ratio in ratios.items():
        claims.number(f"{name}, {inputs}: 1st / 11th", ratio, "8 for one of these", "P")
    claims.number(
        "1st / 11th, the nearest to 8",
        min(ratios.values(), key=lambda r: abs(np.log(r / 8))),
        "8",
        "P",
        (6, 11),
    )
    small, medium, large = np.median(
        [shares(one.after) for found in outcomes.values() for one in found], axis=0
    )
    claims.number(f"part below {SMALL:g} of the largest", small, "few", "P", (0, 0.25))
    claims.number(f"part from {SMALL:g} to {LARGE:g} of it", medium, "many", "P", (0.5, 1))
    claims.number(f"part above {LARGE:g} of it", large, "few", "P", (0, 0.05))
    return claims


def draw(figure: Any, outcomes: Outcomes) -> None:
    shown = [key for key in outcomes if key[0] != "Net-5, no biases"]
    axes = figure.subplots(2, len(shown))
    for column, key in zip(axes.T, shown, strict=True):
        display = ebp.plotting.SpectrumDisplay.from_eigenvalues(outcomes[key][0].after, ax=column[0])
        display.plot(column[1], kind="histogram")
        column[0].set(title=f"{', '.join(key)}: 1st / 11th = {outcomes[key][0].ratio:.1f}", ylim=(1e-7, 1e4))
        column[0].legend(loc="upper right", fontsize="small")
        column[1].set_xlim(1e-7, 1e4)
    for row in axes:
        for ax in row[1:]:
            ax.set_ylabel("")


def main() -> None:
    options = experiment.parser(__doc__, data="digits480/", seeds=20).parse_args()
    digits = ebp.datasets.load_digits480(options.data_dir)
    seeds = list(range(50)) if options.full else options.seeds
    outcomes: Outcomes = {(name, inputs): [] for name in NETWORKS for inputs in INPUTS}
    with tqdm(total=len(outcomes) * len(seeds), unit="network", leave=False) as bar:
        for (name, inputs), found in outcomes.items():
            for seed in seeds:
                found.append(outcome(digits, NETWORKS[name], inputs, seed))
                bar.update()
    figure = experiment.new_figure((19, 9), "Eigenvalues of the Hessian after training on 320 digits")
    draw(figure, outcomes)
    print(f"medians and ranges of {len(seeds)} seeds, after training where nothing else is said")
    claim(outcomes).print()
    experiment.save(figure, options.out, "hessian_spectrum")


if __name__ == "__main__":
    main()
