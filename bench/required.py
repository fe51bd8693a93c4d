"""What was required of ebp's speed, and what results of the benchmarks show.

    python bench/required.py online.json lenet.json

The drivers print the table of their own tasks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import common
import report


@dataclass(frozen=True)
class Required:
    """A bound of `above` / `below`: speeds of one round, of `below` that of the best one named.

    "at least" bounds the ratio from below, "at most" from above. A ratio of times a / b is that of the speeds
    b / a: so are slower variants of ebp bounded.
    """

    task: str
    words: str
    above: str
    below: tuple[str, ...]
    bound: float
    kind: str = "at least"

    def obtained(self, rounds: dict[str, list[float]]) -> dict | None:
        """Median and range of the ratio; None if somebody named was not measured."""
        if any(name not in rounds for name in (self.above, *self.below)):
            return None
        best = [max(speeds) for speeds in zip(*(rounds[name] for name in self.below), strict=True)]
        return report.ratio(rounds[self.above], best)

    def met(self, obtained: dict) -> bool:
        """Whether the median keeps the bound."""
        median = obtained["median"]
        return median >= self.bound if self.kind == "at least" else median <= self.bound


ONE, TWO, MOST = "ebp", "ebp-2t", "at most"
REQUIRED = [
    Required("A", "ebp / plain C", ONE, ("c",), 1.3),
    Required("A", "ebp / JAX", ONE, ("jax",), 4),
    Required("B", "ebp / plain C", ONE, ("c",), 1.6),
    Required("C", "ebp / plain C", ONE, ("c",), 1.5),
    Required("D", "ebp / the better of JAX and plain C", ONE, ("jax", "c"), 1.8),
    Required("E", "ebp / the better of JAX and plain C", ONE, ("jax", "c"), 2),
    Required("F", "ebp / JAX, im2col", ONE, ("jax", "jax-grad"), 3),
    Required("D", "ebp / PyTorch, mini-batches of 256", ONE, ("torch-256",), 1),
    Required("D", "ebp / PyTorch, mini-batches of 256, two threads each", TWO, ("torch-256-2t",), 1),
    Required("D", "two threads / one", TWO, (ONE,), 1.7),
    Required("E", "two threads / one", TWO, (ONE,), 1.5),
    Required("F", "two threads / one", TWO, (ONE,), 1.3),
    Required("D", "time of SDLM, one rate a unit / SGD", ONE, ("ebp-sdlm-unit",), 1.1, MOST),
    Required("D", "time of SDLM, one rate a weight / SGD", ONE, ("ebp-sdlm",), 2.5, MOST),
]


def rows(results: list[dict]) -> list[dict]:
    """Everything required of the tasks in these results, with what was obtained."""
    tasks = {task: found["rounds"] for result in results for task, found in result["tasks"].items()}
    found = []
    for one in REQUIRED:
        if one.task in tasks:
            obtained = one.obtained(tasks[one.task])
            verdict = "not measured" if obtained is None else "met" if one.met(obtained) else "not met"
            found.append({"required": one, "obtained": obtained, "verdict": verdict})
    return found


def text(results: list[dict]) -> str:
    """The table in Markdown; empty where nothing is required."""
    lines = []
    for row in rows(results):
        one, obtained = row["required"], row["obtained"]
        name = f"{one.task} {one.words}"
        lines.append(
            [
                name,
                f"{one.kind} {one.bound:g}",
                report.range_of(obtained) if obtained else "-",
                row["verdict"],
            ]
        )
    return "\n" + report.table(["ratio", "required", "obtained", ""], lines) + "\n" if lines else ""


def main(arguments=None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="files that a driver wrote with --json")
    options = parser.parse_args(arguments)
    print(text([json.loads(file.read_text()) for file in options.results]))


if __name__ == "__main__":
    main()
