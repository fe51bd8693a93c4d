"""Cost of an online update over the size of the network, of the data set, and over the number of threads.

    python bench/scaling.py --out DIR --json scaling.json           # two minutes
    python bench/scaling.py --full --cpus 0,1 --out DIR             # more sizes, more rounds, a larger file

parameters  one hidden layer, 784-h-10 and n-n-n, of 10^2 (784-1-10: 805) to 10^7 parameters. Fitted where the
            weights exceed the core's second-level cache: the slope of log cost over log parameters, and the
            largest jump of the cost per parameter between neighbours;
data        784-30-10 on the first rows of a memory-mapped file, taken in random order and in sequence. The
            file was just written, so that the system holds it in memory as long as there is room;
threads     784-30-10, 784-300-10, 784-500-300-10 with each number of threads up to that of the CPUs.

float32, tanh, squared error, one rate, `engine="auto"`. A round measures everything once; medians of rounds.
One picture each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import common
import machine
import numpy as np
import report
import scaling_pictures
from dense_tasks import TASKS
from limits import Loop, core_share
from tqdm import tqdm

os.environ.update(common.ONE_THREAD)  # before ebp loads its BLAS

import ebp

UNIT = 512  # presentations: so many a call that what the call itself costs does not count
ROWS = 512  # of the data that networks of all sizes are trained on
RATE = 1e-4
FAMILIES: dict[str, Callable[[int], tuple[int, int, int]]] = {
    "784-h-10": lambda h: (784, h, 10),
    "n-n-n": lambda n: (n, n, n),
}
PARTS = ("parameters", "data", "threads")


def count(widths: tuple[int, ...]) -> int:
    """Parameters of a dense network."""
    return sum((i + 1) * o for i, o in pairwise(widths))


def members(family: str, largest: float, per_decade: int) -> list[tuple[int, int, int]]:
    """Networks of about equally spaced logarithms of their parameters, from 10^2 or the first one on."""
    make, found = FAMILIES[family], []
    for wanted in np.geomspace(100, largest, round(per_decade * np.log10(largest / 100)) + 1):
        sizes = np.arange(1, 1 + int(wanted / 795 if family == "784-h-10" else np.sqrt(wanted / 2)) + 2)
        width = min(sizes, key=lambda size: abs(np.log(count(make(int(size))) / wanted)))
        found.append(make(int(width)))
    return list(dict.fromkeys(found))


class Rows:
    """Rows of a data set in a fixed order, over and over."""

    def __init__(self, order: np.ndarray) -> None:
        self._order, self._at = order, 0

    def next(self, n: int) -> np.ndarray:
        found = self._order.take(np.arange(self._at, self._at + n), mode="wrap")
        self._at = (self._at + n) % len(self._order)
        return found


def network(widths: tuple[int, ...]) -> ebp.Network:
    layers = [ebp.layers.Dense(units, "tanh") for units in widths[1:]]
    return ebp.Network(layers, widths[0], random_state=0)


def training(widths: tuple[int, ...], X, T, rows: Rows, seconds: float, n_threads: int = 1) -> Loop:
    """Samples per second of online training."""
    net, rule = network(widths), ebp.rules.SGD(RATE)

    def run(n: int) -> None:
        result = net.train_online(X, T, rule, order=rows.next(UNIT * n), n_threads=n_threads)
        if result.status != "ok":
            raise RuntimeError(f"training ended with status {result.status!r}")

    return Loop(run, UNIT, seconds)


def costs(loops: dict, rounds: int, prepare: Callable = lambda key: None) -> dict:
    """Nanoseconds a sample by key, round by round; `prepare(key)` comes before each measurement."""
    found: dict = {key: [] for key in loops}
    for _ in range(rounds):
        for key, loop in loops.items():
            prepare(key)
            found[key].append(1e9 / loop.rate())
    return found


# The parts


def over_parameters(options, bar) -> dict:
    """Cost by family and number of parameters, and the fit beyond the cache."""
    found = {}
    rng = np.random.default_rng(0)
    for family in FAMILIES:
        networks = members(family, options.largest, options.per_decade)
        loops = {}
        for widths in networks:
            bar.set_postfix_str("-".join(map(str, widths)))
            X = rng.standard_normal((ROWS, widths[0]), dtype=np.float32)
            T = rng.uniform(-0.9, 0.9, (ROWS, widths[-1])).astype(np.float32)
            loops[widths] = training(widths, X, T, Rows(np.arange(ROWS)), options.seconds)
        measured = costs(loops, options.rounds)
        options.shares.append(core_share(loops.values()))
        points = [
            {
                "network": "-".join(map(str, w)),
                "parameters": count(w),
                "nanoseconds": report.spread(measured[w]),
            }
            for w in networks
        ]
        found[family] = {"points": points, **fit(points, options.cache)}
        bar.update()
    return found


def fit(points: list[dict], cache: int) -> dict:
    """Slope of log cost over log parameters, and largest jump of the cost per parameter, beyond the cache.

    None where fewer than two networks are larger.
    """
    parameters = np.array([point["parameters"] for point in points], float)
    cost = np.array([point["nanoseconds"]["median"] for point in points])
    beyond = 4 * parameters > cache
    if beyond.sum() < 2:
        return {"beyond_cache": int(beyond.sum()), "slope": None, "jump": None}
    slope = np.polyfit(np.log(parameters[beyond]), np.log(cost[beyond]), 1)[0]
    each = (cost / parameters)[beyond]
    jump = (each[1:] / each[:-1]).max()
    return {"beyond_cache": int(beyond.sum()), "slope": float(slope), "jump": float(jump)}


def over_data(options, bar) -> list[dict]:
    """Cost by rows of the file and order of the presentations."""
    widths, rng = TASKS["C"].layers, np.random.default_rng(0)
    sizes = [options.rows // 4**k for k in range(int(np.log(options.rows / ROWS) / np.log(4)), -1, -1)]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "inputs.float32"
        with path.open("wb") as file:
            for start in range(0, options.rows, 8192):
                n = min(8192, options.rows - start)
                rng.standard_normal((n, widths[0]), dtype=np.float32).tofile(file)
        X = np.memmap(path, np.float32, "r", shape=(options.rows, widths[0]))
        T = rng.uniform(-0.9, 0.9, (options.rows, widths[-1])).astype(np.float32)
        loops = {}
        for n in sizes:
            orders = {"in sequence": np.arange(n), "in random order": rng.permutation(n)}
            for name, order in orders.items():
                loops[n, name] = training(widths, X[:n], T[:n], Rows(order), options.seconds)
        measured = costs(loops, options.rounds)
        options.shares.append(core_share(loops.values()))
        del loops, X  # the file is closed before it is removed
    bar.update()
    return [
        {
            "rows": n,
            "bytes": 4 * n * widths[0],
            "nanoseconds": {name: report.spread(measured[n, name]) for name in orders},
            "random / in sequence": report.ratio(measured[n, "in random order"], measured[n, "in sequence"]),
        }
        for n in sizes
    ]


def over_threads(options, bar) -> dict:
    """Samples per second by task and number of threads, and their ratios to one thread."""
    found = {}
    for letter in "CDE":
        task = TASKS[letter]
        problem = task.problem(ROWS)
        loops = {}
        for n in range(1, len(options.cpus) + 1):
            common.pin(*options.cpus[:n])
            rows = Rows(np.arange(ROWS))
            loops[n] = training(task.layers, problem.inputs, problem.targets, rows, options.seconds, n)
        measured = costs(loops, options.rounds, lambda n: common.pin(*options.cpus[:n]))
        found[letter] = {
            "label": task.label,
            "nanoseconds": {n: report.spread(values) for n, values in measured.items()},
            "speed-up": {n: report.ratio(measured[1], values) for n, values in measured.items()},
        }
        bar.update()
    common.pin(options.cpus[0])
    return found


def measure(options) -> dict:
    """All parts that were asked for, ready for JSON."""
    facts = machine.facts()
    options.shares = []  # of a core that the parts on one thread had
    options.cache = machine.n_bytes(facts["caches"].get("L2", "1M"))
    found = {
        "machine": {**facts, "core": ebp._core.level},
        "settings": {"rounds": options.rounds, "seconds": options.seconds, "cpus": options.cpus},
    }
    steps = {"parameters": len(FAMILIES), "data": 1, "threads": 3}
    with tqdm(total=sum(steps[part] for part in options.parts), leave=False, disable=options.quiet) as bar:
        for part in options.parts:
            found[part] = {"parameters": over_parameters, "data": over_data, "threads": over_threads}[part](
                options, bar
            )
    return {**found, "core_share": min(options.shares, default=1.0)}


# The report


def text(found: dict) -> str:
    """What was measured, in Markdown."""
    parts = ["# Scaling of online training", machine.describe(found["machine"])]
    for family, what in found.get("parameters", {}).items():
        rows = [
            [p["network"], f"{p['parameters']:,}", _cost(p["nanoseconds"]), f"{_each(p):.0f}"]
            for p in what["points"]
        ]
        parts.append(report.table([family, "parameters", "ns a sample", "ps a parameter"], rows))
        if what["slope"] is not None:
            parts.append(
                f"{what['beyond_cache']} networks of {family} exceed the second-level cache: slope of log "
                f"cost over log parameters {what['slope']:.2f}, largest jump of the cost per parameter "
                f"between neighbours {what['jump']:.2f}."
            )
    if "data" in found:
        rows = [
            [
                f"{one['rows']:,}",
                f"{one['bytes'] / 2**20:,.0f} MB",
                *(_cost(one["nanoseconds"][name]) for name in ("in sequence", "in random order")),
                report.range_of(one["random / in sequence"]),
            ]
            for one in found["data"]
        ]
        head = ["rows of 784", "size", "in sequence, ns a sample", "in random order", "random / in sequence"]
        parts.append(report.table(head, rows))
    if "threads" in found:
        rows = [
            [f"{letter} {one['label']}", str(n), _cost(one["nanoseconds"][n]), report.range_of(ratio)]
            for letter, one in found["threads"].items()
            for n, ratio in one["speed-up"].items()
        ]
        parts.append(report.table(["network", "threads", "ns a sample", "speed / one thread"], rows))
    return "\n\n".join([*parts, *report.disturbed(found["core_share"], "training")]) + "\n"


def _cost(nanoseconds: dict) -> str:
    return f"{nanoseconds['median']:,.0f} ({nanoseconds['min']:,.0f}-{nanoseconds['max']:,.0f})"


def _each(point: dict) -> float:
    """Picoseconds a parameter."""
    return 1e3 * point["nanoseconds"]["median"] / point["parameters"]


def parse(arguments=None) -> argparse.Namespace:
    parser = common.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--full", action="store_true", help="more sizes, more rounds, a larger file")
    parser.add_argument("--largest", type=float, default=1e7, help="parameters (default: %(default)g)")
    parser.add_argument("--rows", type=int, help="of the file (default: 131,072; with --full 524,288)")
    parser.add_argument("--rounds", type=int, help="(default: 5, with --full 7)")
    parser.add_argument("--seconds", type=float, default=0.05, help="a measurement (default: %(default)s)")
    common.add_cpus(parser)
    parser.add_argument("--folder", type=Path, help="for the file of data, 0.4 GB; with --full 1.6 GB")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the pictures; default: a temporary one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    options.rows = options.rows or (524_288 if options.full else 131_072)
    options.rounds = options.rounds or (7 if options.full else 5)
    options.per_decade = 5 if options.full else 2
    if options.rows < ROWS:
        parser.error(f"--rows must be at least {ROWS}; got {options.rows}")
    if options.largest < 1000:
        parser.error(f"--largest must be at least 1000; got {options.largest:g}")
    return options


def main(arguments=None) -> int:
    options = parse(arguments)
    common.pin(options.cpus[0])
    found = measure(options)
    print(text(found))
    for file in scaling_pictures.draw(found, options.out or Path(tempfile.mkdtemp())):
        print(f"picture: {file}")
    common.write_json(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
