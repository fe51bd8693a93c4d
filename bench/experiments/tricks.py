"""What every trick of the paper gains: its full recipe with one thing changed at a time, on digits.

    python bench/experiments/tricks.py --data digits
    EBP_DATA_DIR=DIR python bench/experiments/tricks.py --out tricks.png --markdown tricks.md
    EBP_DATA_DIR=DIR python bench/experiments/tricks.py --full --out tricks.png --markdown tricks.md

Three sets: the 1,797 digits of scikit-learn (64-30-10), the authors' 480 digits (256-30-10), and MNIST
(784-30-10, all 60,000 + 10,000). `ebp.tricks.ablation` trains every row by the best of a grid of rates,
chosen on a validation part; errors are those of the test part, means over the seeds with Student's interval,
and differences to the recipe are formed seed by seed. All rows of a set see equally many presentations.
Default: few seeds and epochs, under five minutes; --full: five seeds, some half an hour.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ebp
import experiment
from ebp.tricks import Ablation, AblationRow, ablation

HIDDEN = 30
OPPOSITE = {"worse": "better", "better": "worse"}


@dataclass(frozen=True)
class Setting:
    """How long one form of the experiment trains on one set."""

    epochs: int
    seeds: int
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Problem:
    """One set of digits, with a test part of its own or None."""

    title: str
    load: Callable[[str | None], tuple[Any, Any, Any]]  # X, y, test
    short: Setting
    full: Setting


def with_test(load: Callable[..., Any]) -> Callable[[str | None], tuple[Any, Any, Any]]:
    def loaded(data_dir: str | None) -> tuple[Any, Any, Any]:
        X, y, X_test, y_test = load(data_dir)
        return X, y, (X_test, y_test)

    return loaded


COARSE, FINE = (0.3, 1.0, 3.0), (0.25, 0.5, 1.0, 2.0, 4.0)
PROBLEMS = {
    "digits": Problem(
        "1,797 digits, 8 x 8 pixels",
        lambda data_dir: (*ebp.datasets.load_digits(), None),
        Setting(20, 3, COARSE),
        Setting(20, 5, FINE),
    ),
    "digits480": Problem(
        "the authors' 480 digits, 16 x 16 pixels",
        with_test(ebp.datasets.load_digits480),
        Setting(20, 3, COARSE),
        Setting(30, 5, FINE),
    ),
    "mnist": Problem(
        "MNIST, 28 x 28 pixels",
        with_test(ebp.datasets.load_mnist),
        Setting(1, 1, (0.3, 1.0)),
        Setting(5, 5, (0.25, 0.5, 1.0)),
    ),
}


def run(name: str, options: argparse.Namespace) -> Ablation:
    """The ablation on one set."""
    problem = PROBLEMS[name]
    setting = problem.full if options.full else problem.short
    X, y, test = problem.load(options.data_dir)
    return ablation(
        X,
        y,
        test=test,
        seeds=options.seeds or list(range(setting.seeds)),
        rates=setting.rates,
        max_iter=options.epochs or setting.epochs,
        hidden_layer_sizes=HIDDEN,
        validation_fraction=0.1 if name == "mnist" else 0.2,
        verbose=1,
    )


# Claims


def claims(found: dict[str, Ablation]) -> str:
    """What the paper says beside what came out, one line a trick, as a table in Markdown."""
    tricks = {row.name: row.trick for result in found.values() for row in result if row.trick.expected}
    lines = [
        "| section | the paper | row | " + " | ".join(found) + " |",
        "|---" * (3 + len(found)) + "|",
    ]
    for name, trick in tricks.items():
        cells = [_cell(result, name) for result in found.values()]
        lines.append(f"| {trick.section} | {trick.claim} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(result: Ablation, name: str) -> str:
    """Difference of errors in points, presentations in those of the recipe, and whether the claim holds."""
    if name not in [row.name for row in result]:
        return ""
    row = result[name]
    points = f"{100 * row.difference.mean:+.2f}"
    ratio = row.presentations / result[row.against].presentations
    times = f"x {ratio:.2g}" if ratio < float("inf") else "not reached"
    if not row.verdict:
        return f"{points}, {times}"
    return f"{points} ± {100 * row.difference.half_width:.2f}, {times}: {holds(row)}"


def holds(row: AblationRow) -> str:
    """Whether the test error differs from the recipe's as the paper says."""
    if row.verdict == row.trick.expected:
        return "**yes**"
    return "**no**" if row.verdict == OPPOSITE[row.trick.expected] else "no difference"


def report(found: dict[str, Ablation]) -> str:
    """All tables in Markdown."""
    parts = []
    for name, result in found.items():
        table, notes = str(result).split("\n\n")
        listed = "\n".join(f"- {line}" for line in notes.splitlines())
        parts.append(f"## {PROBLEMS[name].title}\n\n{table}\n\n{listed}\n")
    legend = (
        "Each cell: test error minus that of the recipe (of *not decorrelated* for *not scaled* and *not "
        "centred*, where the recipe decorrelates) in percentage points, with its interval; presentations to "
        "the level, in those of the same row; and whether the errors differ as the paper says (*no "
        "difference*: the interval contains 0)."
    )
    return "\n".join([*parts, f"## Claims, row by row\n\n{legend}\n\n{claims(found)}\n"])


# Picture


def draw(figure: Any, found: dict[str, Ablation]) -> None:
    """Errors and presentations of each set."""
    for (name, result), pair in zip(
        found.items(), figure.subplots(len(found), 2, squeeze=False), strict=True
    ):
        result.plot(pair)
        pair[0].set_title("")
        pair[0].set_title(PROBLEMS[name].title, loc="left")
        pair[1].set_title("")


def main() -> None:
    parser = experiment.parser(__doc__, data="digits480/ and mnist/")
    parser.set_defaults(seeds=None)
    parser.add_argument("--data", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--epochs", type=int, help="default: depends on the set")
    parser.add_argument("--markdown", type=Path, help="file of the tables; they are printed too")
    parser.add_argument("--json", type=Path, help="file of all numbers")
    options = parser.parse_args()
    found: dict[str, Ablation] = {}
    for name in options.data:
        found[name] = run(name, options)
        print(f"{PROBLEMS[name].title}\n{found[name]}\n", flush=True)
    if options.markdown:
        options.markdown.write_text(report(found), encoding="utf-8")
    if options.json:
        values = {name: result.to_dict() for name, result in found.items()}
        options.json.write_text(json.dumps(values, indent=1), encoding="utf-8")
    print(claims(found))
    title = (
        "The full recipe, and one thing changed at a time\n"
        "red: worse, blue: better, seed by seed (95 %); open triangle: not reached"
    )
    figure = experiment.new_figure((11, 1 + 6 * len(found)), title)
    draw(figure, found)
    experiment.save(figure, options.out, "tricks")


if __name__ == "__main__":
    main()
