"""How the cost of a fit over dask partitions falls with the workers: measured here, modelled beyond.

    python bench/cluster.py                           # one and two worker processes
    python bench/cluster.py --workers 1,2 --repeats 7 --out cluster.png --json cluster.json
    python bench/cluster.py --methods lbfgs --workers 2,4

A network of 16-30-1 tanh units is fitted to --samples rows in --partitions partitions, by Levenberg-Marquardt
(J'J of every partition, 1 MB each, comes back) and by L-BFGS (gradients, 4 KB). Every number of workers runs
the same iterations on the same data, kept in the workers' memory; rounds take turns, one thread a
worker. The parameters in the end are the same bits whatever the number of workers, which is checked.

The model of an iteration with w workers is t(w) = ceil(P / w) c + P s + l: P partitions, c seconds of work
for one, s seconds of the scheduler for one, and l for everything else. c is measured on one partition without
workers, s and l by fits to partitions of one row. Beyond the workers at hand it says what to expect if each
has a core of its own.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

import common
import machine
import report
from tqdm import tqdm

os.environ.update(common.ONE_THREAD)  # before a numeric library is loaded, here and in the workers

import dask
import dask.array as da
import ebp
import numpy as np
from distributed import Client, LocalCluster
from ebp import distributed as fits
from experiments.experiment import new_figure, save

METHODS = {"lm": 4, "lbfgs": 8}  # iterations
BEYOND = (1, 2, 4, 8, 16, 32, 64)
WIDTHS = (16, 30, 1)


def network() -> ebp.Network:
    layers = [ebp.layers.Dense(WIDTHS[1], "tanh"), ebp.layers.Dense(WIDTHS[2], "identity")]
    return ebp.Network(layers, WIDTHS[0], dtype="float64", random_state=0)


def rows(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of a partition."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, WIDTHS[0]))
    return X, np.tanh(X[:, :4].sum(axis=1, keepdims=True)) * X[:, 4:5]


def partitions(samples: int, count: int) -> tuple[da.Array, da.Array]:
    """Made where they are, not here."""
    size = samples // count
    pairs = [dask.delayed(rows, nout=2)(seed, size) for seed in range(count)]
    arrays = (
        da.concatenate([da.from_delayed(pair[k], (size, width), np.float64) for pair in pairs])
        for k, width in enumerate((WIDTHS[0], WIDTHS[2]))
    )
    X, T = dask.persist(*arrays)
    return X, T


def timed(method: str, X: da.Array, T: da.Array) -> tuple[float, np.ndarray]:
    """Seconds an iteration, and the parameters in the end."""
    net = network()
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so few iterations do not converge
        result = fits.fit(net, X, T, method, tol=0, max_iter=METHODS[method])
    return (time.perf_counter() - start) / result.nit, net.parameters.copy()


def work(method: str, samples: int, count: int) -> float:
    """Seconds of an iteration on one partition, here: the median of several."""
    X, T = (da.from_array(array, chunks=-1) for array in rows(0, samples // count))
    with dask.config.set(scheduler="synchronous"):
        return statistics.median(timed(method, X, T)[0] for _ in range(5))


def overheads(method: str, counts: tuple[int, int]) -> tuple[float, float]:
    """(s, l): iterations over partitions of one row, whose work is nothing."""
    seconds = []
    for count in counts:
        X, T = partitions(count, count)
        seconds.append(statistics.median(timed(method, X, T)[0] for _ in range(3)))
    a_task = max(0.0, (seconds[1] - seconds[0]) / (counts[1] - counts[0]))
    return a_task, max(0.0, seconds[0] - a_task * counts[0])


def predicted(w: int, count: int, method: dict) -> float:
    """t(w) of a method with what was measured of it."""
    return math.ceil(count / w) * method["work"] + count * method["task"] + method["latency"]


def measure(options) -> dict:
    logging.getLogger("distributed").setLevel(logging.ERROR)
    found: dict = {"machine": machine.facts(), "samples": options.samples, "partitions": options.partitions}
    found["methods"] = {method: {"seconds": {w: [] for w in options.workers}} for method in options.methods}
    for method, one in found["methods"].items():
        one["work"] = work(method, options.samples, options.partitions)
    answers: dict[str, np.ndarray] = {}
    total = options.repeats * len(options.workers) * len(options.methods)
    with tqdm(total=total, unit="fit", disable=options.quiet) as bar:
        clusters = {}
        try:
            for w in options.workers:
                cluster = LocalCluster(
                    n_workers=w, threads_per_worker=1, processes=True, dashboard_address=":0"
                )
                clusters[w] = cluster, Client(cluster, set_as_default=False)
            data = {}
            for w, (_, client) in clusters.items():
                client.run(network)  # imports of workers are not to be timed
                with client.as_current():
                    data[w] = partitions(options.samples, options.partitions)
            for _ in range(options.repeats):
                for method, one in found["methods"].items():
                    for w, (_, client) in clusters.items():
                        with client.as_current():
                            seconds, answer = timed(method, *data[w])
                        one["seconds"][w].append(seconds)
                        expected = answers.setdefault(method, answer)
                        if not np.array_equal(answer, expected):
                            raise common.WrongAnswer(f"{method} with {w} workers ends elsewhere")
                        bar.update()
            for method, one in found["methods"].items():
                with clusters[options.workers[-1]][1].as_current():
                    one["task"], one["latency"] = overheads(method, (4, 4 + options.partitions))
        finally:
            for cluster, client in clusters.values():
                client.close()
                cluster.close()
    return found


def text(found: dict) -> str:
    count = found["partitions"]
    lines = [
        "# Fits over dask partitions",
        machine.describe(found["machine"]),
        "",
        f"{'-'.join(map(str, WIDTHS))}, float64, {found['samples']:,} samples in {count} partitions; "
        "milliseconds an iteration, and the speed over the fewest workers': median (lowest-highest). "
        "The model's is over one worker's.",
    ]
    for method, one in found["methods"].items():
        seconds = {int(w): values for w, values in one["seconds"].items()}
        counts = sorted({*BEYOND, *seconds})
        model = {w: predicted(w, count, one) for w in counts}
        first = seconds[min(seconds)]
        table = []
        for w in counts:
            measured, speed = "-", "-"
            if w in seconds:
                measured = f"{1e3 * statistics.median(seconds[w]):.0f}"
                ratios = sorted(a / b for a, b in zip(first, seconds[w], strict=True))
                speed = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
            table.append([str(w), measured, speed, f"{1e3 * model[w]:.0f}", f"{model[1] / model[w]:.1f}"])
        lines += [
            "",
            f"{method}: c = {1e3 * one['work']:.1f} ms a partition, s = {1e3 * one['task']:.2f} ms a task, "
            f"l = {1e3 * one['latency']:.1f} ms",
            "",
            report.table(["workers", "ms", "speed", "ms, model", "speed, model"], table),
        ]
    return "\n".join(lines)


def draw(found: dict):
    figure = new_figure((7, 5), "Fits over dask partitions")
    ax = figure.subplots()
    for color, (method, one) in enumerate(found["methods"].items()):
        model = [predicted(w, found["partitions"], one) for w in BEYOND]
        ax.plot(
            BEYOND, [model[0] / value for value in model], "--", color=f"C{color}", label=f"{method}, model"
        )
        seconds = {int(w): statistics.median(values) for w, values in one["seconds"].items()}
        # Where one worker was not measured, the fewest stand where the model has them.
        fewest = min(seconds)
        first = seconds[fewest] * model[0] / predicted(fewest, found["partitions"], one)
        ax.plot(
            list(seconds), [first / value for value in seconds.values()], "o", color=f"C{color}", label=method
        )
    ax.plot(BEYOND, BEYOND, ":", color="0.6", label="ideal")
    ax.set(xscale="log", yscale="log", xlabel="workers", ylabel="speed over one worker")
    ax.set_xticks(BEYOND, [str(w) for w in BEYOND])
    ax.legend()
    return figure


def methods(text: str) -> list[str]:
    """Of a comma-separated option."""
    names = text.split(",")
    if unknown := set(names) - set(METHODS):
        raise argparse.ArgumentTypeError(f"methods {', '.join(METHODS)}; got {', '.join(sorted(unknown))}")
    return names


def main(arguments=None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--workers", type=common.integers, default=[1, 2], metavar="N,...")
    parser.add_argument("--methods", type=methods, default=list(METHODS), metavar="NAME,...")
    parser.add_argument("--samples", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--partitions", type=int, default=16, metavar="N")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds (default: 5)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the picture there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    found = measure(options)
    print(text(found))
    if options.out:
        save(draw(found), options.out, "cluster")
    common.write_json(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
