"""Training on data larger than the buffers that hold them, against the same samples in memory, in one run.

    python bench/streams.py --cpus 0,1 --json streams.json
    python bench/streams.py --tasks small --sources memmap,Parquet --rounds 5
    python bench/streams.py --check         # few samples, no timing, only the accuracies

Two networks: "wide", 784-100-10, which takes some 10 microseconds a sample, and "small", 20-20-2, which
takes half a microsecond. `MLPClassifier.fit` for two epochs, the second of which is timed; the first pass
over a stream, for classes and statistics, is not. Sources: "memory", arrays; "mapped", the same fit of an
`np.memmap`; and the streams "Arrays" of the memmap, "Parquet" and "CSV" (not compressed), and "cached", which
is Parquet through `ebp.streams.cache`. The system has just written all files and so holds them itself: disks
play no part. Every round times every source once; ratios
are to "memory" of the same round. A stream is read by a second thread, which wants a CPU of its own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import common
import ebp
import numpy as np

SOURCES = ("memory", "mapped", "Arrays", "Parquet", "CSV", "cached")
CHECK_ROWS = 20_000
SAME = 0.03  # the largest difference of accuracies that another order of the samples explains


@dataclass(frozen=True)
class Task:
    """A network and its samples, which take some 500 MB in float32."""

    width: int
    hidden: int
    classes: int
    rows: int


TASKS = {"wide": Task(784, 100, 10, 160_000), "small": Task(20, 20, 2, 6_000_000)}


class Data:
    """The samples of a task in memory and in files."""

    def __init__(self, task: Task, rows: int, folder: str, sources: list[str]) -> None:
        rng = np.random.default_rng(0)
        self.X = rng.standard_normal((rows, task.width), np.float32)
        self.y = self.X[:, : task.classes].argmax(axis=1)
        self.folder = Path(folder)
        np.save(self.folder / "X.npy", self.X)
        if set(sources) & {"Parquet", "CSV", "cached"}:
            self._write_tables(sources)

    def _write_tables(self, sources: list[str]) -> None:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet

        names = [*(f"x{i}" for i in range(self.X.shape[1])), "y"]
        rows = pa.table([*self.X.T, self.y.astype(np.int8)], names)
        if "Parquet" in sources or "cached" in sources:
            options = {"compression": "none", "use_dictionary": False, "row_group_size": 16_384}
            pyarrow.parquet.write_table(rows, self.folder / "t.parquet", **options)
        if "CSV" in sources:
            pyarrow.csv.write_csv(rows, self.folder / "t.csv")

    def arguments(self, source: str) -> tuple:
        """What `fit` is called with."""
        mapped = np.load(self.folder / "X.npy", mmap_mode="r")
        if source == "memory":
            return self.X, self.y
        if source == "mapped":
            return mapped, self.y
        if source == "Arrays":
            return (ebp.streams.Arrays(mapped, self.y),)
        if source == "Parquet":
            return (ebp.streams.Parquet(self.folder / "t.parquet", "y"),)
        if source == "cached":
            return (ebp.streams.cache(ebp.streams.Parquet(self.folder / "t.parquet", "y")),)
        return (ebp.streams.CSV(self.folder / "t.csv", "y"),)


def trained(task: Task, data: Data, source: str) -> tuple[float, float]:
    """Samples per second of the second epoch, and the accuracy on the first samples."""
    speeds: list[float] = []

    def note(estimator, epoch: int, logs: dict) -> None:
        speeds.append(logs["samples_per_second"])

    model = ebp.MLPClassifier((task.hidden,), max_iter=2, tol=0, callbacks=note, random_state=0)
    model.fit(*data.arguments(source))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")  # those of the files
        return speeds[-1], model.score(data.X[:CHECK_ROWS], data.y[:CHECK_ROWS])


def measure(task: Task, sources: list[str], rounds: int, rows: int) -> dict:
    """Speeds and accuracies by source; WrongAnswer if a source has taught something else."""
    speeds: dict[str, list[float]] = {source: [] for source in sources}
    accuracies: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Data(task, rows, folder, sources)
        for _ in range(rounds):
            for source in sources:
                speed, accuracies[source] = trained(task, data, source)
                speeds[source].append(speed)
    for source, accuracy in accuracies.items():
        if abs(accuracy - accuracies["memory"]) > SAME:
            raise common.WrongAnswer(f"{source}: accuracy {accuracy:.3f}, not {accuracies['memory']:.3f}")
    return {"rows": rows, "samples_per_second": speeds, "accuracies": accuracies}


def table(found: dict, check: bool) -> str:
    """Lines to be read."""
    lines = []
    for source, speeds in found["samples_per_second"].items():
        memory = found["samples_per_second"]["memory"]
        ratios = sorted(speed / base for speed, base in zip(speeds, memory, strict=True))
        timing = (
            ""
            if check
            else (
                f"{statistics.median(speeds):12,.0f} samples/s   ratio {statistics.median(ratios):.2f}"
                f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            )
        )
        lines.append(f"  {source:8} accuracy {found['accuracies'][source]:.3f} {timing}".rstrip())
    return "\n".join(lines)


def main() -> int:
    parser = common.parser(__doc__)
    common.add_cpus(parser)
    parser.add_argument("--tasks", default=",".join(TASKS), metavar="NAME,...")
    parser.add_argument("--sources", default=",".join(SOURCES[1:]), metavar="NAME,...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="compare accuracies, time nothing")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    common.pin(*options.cpus)
    sources = ["memory", *options.sources.split(",")]
    unknown = set(sources) - set(SOURCES) | set(options.tasks.split(",")) - set(TASKS)
    if unknown:
        parser.error(f"tasks are {', '.join(TASKS)}, sources {', '.join(SOURCES[1:])}; got {unknown}")
    results = {}
    for name in options.tasks.split(","):
        task = TASKS[name]
        rounds, rows = (1, CHECK_ROWS) if options.check else (options.rounds, task.rows)
        results[name] = measure(task, sources, rounds, rows)
        print(f"{name}, {task.width}-{task.hidden}-{task.classes}, {rows:,} samples")
        print(table(results[name], options.check), flush=True)
    common.write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
