"""The command ``ebp``: a demonstration, and diagnosis, training and prediction for a user's own table."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO

import numpy as np
from sklearn.model_selection import train_test_split

from . import __version__, _cli_report, demo, model_file, show_versions, table, tricks
from ._cli_checks import check_output, count, fraction, seed, sizes
from ._training import InterruptedTraining
from .classifier import MLPClassifier
from .diagnosis import diagnose
from .plotting._figure import require_matplotlib
from .regressor import MLPRegressor

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

# Rows of a table that `ebp tricks` trains on some 500 times: a minute or two for a hundred hidden units.
MAX_ROWS = 3000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0; 2 after an error of use or in the data, told in one line on the error stream; 130 after
        Ctrl-C; 141 if the reader of the output went away.
    """
    try:
        options = _parser().parse_args(argv)
        with _brief_warnings():
            options.run(options)
        sys.stdout.flush()
    except (KeyboardInterrupt, InterruptedTraining):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # What is still buffered would fail once more when the interpreter closes the stream.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except (ValueError, OSError) as error:
        return _fail(_one_line(error))
    except MemoryError:
        return _fail("the memory does not hold this table and this network; try fewer --hidden units")
    return 0


def _fail(message: str) -> int:
    print(f"ebp: error: {message}", file=sys.stderr)
    return EXIT_ERROR


class _Parser(argparse.ArgumentParser):
    """Errors of use become the one line that `main` prints for all errors."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ebp",
        description="Efficient BackProp: fast online training of neural networks by the 1998 recipe.",
    )
    parser.add_argument("--version", action="version", version=f"ebp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_diagnose(commands)
    _add_train(commands)
    _add_predict(commands)
    _add_tricks(commands)
    _cli_report.add(commands)
    info = commands.add_parser("info", help="show versions, CPU and instruction-set level")
    info.set_defaults(run=lambda options: show_versions())
    return parser


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser("demo", help="train on real digits and show what the recipe set")
    parser.add_argument("--data", choices=demo.DATA_SETS, default="digits", help="default: digits")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with mnist/ (default: $EBP_DATA_DIR)")
    parser.add_argument("--epochs", type=count, metavar="N", help="default: 20 for digits, 6 for mnist")
    parser.add_argument("--hidden", type=sizes, default=(300,), metavar="N[,N...]", help="default: 300")
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="default: 0")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_run_demo)


def _add_table(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what to learn from which table, by what network."""
    parser.add_argument("file", metavar="FILE.csv", help="table with a header line; text columns are coded")
    parser.add_argument("--target", required=True, metavar="NAME", help="column to predict")
    parser.add_argument("--task", choices=("auto", "classification", "regression"), default="auto")
    parser.add_argument("--drop", action="append", default=[], metavar="NAME", help="column to leave out")
    parser.add_argument("--hidden", type=sizes, default=(100,), metavar="N[,N...]", help="default: 100")


def _add_diagnose(commands: Any) -> None:
    parser = commands.add_parser(
        "diagnose", help="tell how hard a CSV table is to learn, and what would help"
    )
    _add_table(parser)
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="default: 0")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(run=_run_diagnose)


def _add_train(commands: Any) -> None:
    parser = commands.add_parser("train", help="train a network on a CSV table and keep it in a model file")
    _add_table(parser)
    parser.add_argument("--out", required=True, metavar="MODEL", help="model file to write")
    parser.add_argument("--epochs", type=count, default=20, metavar="N", help="default: 20")
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="default: 0")
    parser.add_argument(
        "--test-fraction", type=fraction, default=0.2, metavar="P",
        help="part of the rows held out for the score, 0 trains on all; default: 0.2",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_run_train)


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser("predict", help="apply a model of `ebp train` to a CSV table")
    parser.add_argument("model", metavar="MODEL", help="model file")
    parser.add_argument("file", metavar="FILE.csv", help="table with the columns of the training table")
    parser.add_argument("--out", metavar="FILE", help="CSV file to write (default: standard output)")
    parser.add_argument("--proba", action="store_true", help="add the probability of each class")
    parser.set_defaults(run=_run_predict)


def _add_tricks(commands: Any) -> None:
    parser = commands.add_parser("tricks", help="measure on a CSV table what each trick of the paper gains")
    _add_table(parser)
    parser.add_argument("--seeds", type=count, default=5, metavar="N", help="repetitions; default: 5")
    parser.add_argument("--epochs", type=count, default=20, metavar="N", help="default: 20")
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="default: 0")
    parser.add_argument(
        "--max-rows", type=count, default=MAX_ROWS, metavar="N",
        help=f"of a larger table so many rows are drawn at random; default: {MAX_ROWS:,}",
    )  # fmt: skip
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes; default: 1")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument("--plot", metavar="FILE.png", help="picture to write; needs matplotlib")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_run_tricks)


def _run_demo(options: argparse.Namespace) -> None:
    demo.run(
        options.data,
        data_dir=options.data_dir,
        epochs=options.epochs,
        hidden=options.hidden,
        seed=options.seed,
        progress=not options.quiet,
    )


def _run_diagnose(options: argparse.Namespace) -> None:
    _, X, y, classify = _read_table(options)
    kind = MLPClassifier if classify else MLPRegressor
    report = diagnose(
        X, y, estimator=kind(options.hidden, random_state=options.seed), random_state=options.seed
    )
    print(json.dumps(report.to_dict(), indent=2) if options.json else report)


def _read_table(options: argparse.Namespace) -> tuple[table.TableReader, np.ndarray, np.ndarray, bool]:
    """The coding of the table, its inputs, its targets, and whether these are classes."""
    data = table.read_csv(options.file)
    reader = table.TableReader(options.target, drop=options.drop).fit(data)
    X = reader.transform(data)
    texts = data.column(options.target)
    task = table.task_of(texts) if options.task == "auto" else options.task
    classify = task == "classification"
    y = table.labels(data, options.target) if classify else table.numbers(data, options.target)
    return reader, X, y, classify


def _run_train(options: argparse.Namespace) -> None:
    check_output(options.out, [options.file])
    if os.path.exists(options.out) and not os.path.isfile(options.out):  # a device, which would be replaced
        raise ValueError(f"--out must name a file; got {options.out!r}")
    reader, X, y, classify = _read_table(options)
    training, test = _split(y, options.test_fraction, options.seed, stratify=classify)
    kind = MLPClassifier if classify else MLPRegressor
    model = kind(
        options.hidden, max_iter=options.epochs, verbose=0 if options.quiet else 1, random_state=options.seed
    )
    model.fit(X[training], y[training])
    model_file.save(model, options.out, notes={"table": reader.to_dict()})
    hint = " (found from the values; --task overrides)" if options.task == "auto" else ""
    task = "classification" if classify else "regression"
    print(f"task        {task} of {options.target!r}{hint}")
    print(f"inputs      {X.shape[1]} from {len(reader.categories_)} columns")
    print(f"training    {len(training)} rows, {model.n_iter_} epochs, loss {model.loss_:.4g}")
    if len(test):
        print(_score(model, X[test], y[test], classify))
    print(f"model       {options.out}")


def _split(y: np.ndarray, fraction: float, seed: int, stratify: bool) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers for training and for the held-out score, by class where every class has enough rows."""
    rows = np.arange(len(y))
    if fraction == 0:
        return rows, rows[:0]
    n_test = max(1, round(fraction * len(y)))
    if n_test >= len(y):
        raise ValueError(f"{len(y)} rows are too few to hold some out for the score; use --test-fraction 0")
    counts = np.unique(y, return_counts=True)[1]
    possible = stratify and counts.min() >= 2 and min(n_test, len(y) - n_test) >= len(counts)
    training, test = train_test_split(
        rows, test_size=n_test, random_state=seed, stratify=y if possible else None
    )
    return np.sort(training), np.sort(test)


def _score(model: Any, X: np.ndarray, y: np.ndarray, classify: bool) -> str:
    predicted = model.predict(X)
    if classify:
        wrong = int(np.sum(predicted != y))
        return f"held out    accuracy {1 - wrong / len(y):.4f} ({wrong} of {len(y)} rows wrong)"
    error = float(np.sqrt(np.mean((predicted - y) ** 2)))
    spread = float(np.std(y))
    r2 = f"{1 - (error / spread) ** 2:.4f}" if spread > 0 else "undefined (constant target)"
    return f"held out    R^2 {r2}, root mean squared error {error:.4g} ({len(y)} rows)"


def _run_tricks(options: argparse.Namespace) -> None:
    if options.plot is not None:
        _check_picture(options.plot, options.file)
    _, X, y, classify = _read_table(options)
    if len(y) > options.max_rows:
        rows, _ = _split(y, 1 - options.max_rows / len(y), options.seed, stratify=classify)
        print(f"ebp: {len(rows):,} of the {len(y):,} rows, drawn at random; see --max-rows", file=sys.stderr)
        X, y = X[rows], y[rows]
    found = tricks.ablation(
        X,
        y,
        task="classification" if classify else "regression",
        seeds=options.seeds,
        max_iter=options.epochs,
        hidden_layer_sizes=options.hidden,
        n_jobs=options.jobs,
        random_state=options.seed,
        verbose=0 if options.quiet else 1,
    )
    print(json.dumps(found.to_dict(), indent=2) if options.json else found)
    if options.plot is not None:
        found.plot().savefig(options.plot, dpi=110)


def _run_predict(options: argparse.Namespace) -> None:
    if options.out is not None:
        check_output(options.out, [options.file, options.model])
    notes = model_file.read_notes(options.model)
    if "table" not in notes:
        raise ValueError(f"{options.model} was not written by `ebp train`: it knows no columns")
    reader = table.TableReader.from_dict(notes["table"])
    model = model_file.load(options.model)
    if options.proba and not hasattr(model, "predict_proba"):
        raise ValueError(f"{options.model} holds a regression, which has no probabilities")
    X = reader.transform(table.read_csv(options.file))
    header, columns = ["prediction"], [model.predict(X).tolist()]
    if options.proba:
        header += [f"probability={label}" for label in model.classes_]
        columns += model.predict_proba(X).T.tolist()
    with _output(options.out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))


def _check_picture(path: str, table_file: str) -> None:
    """The same for a picture, which matplotlib must be there to write."""
    check_output(path, [table_file], "--plot")
    try:
        plt = require_matplotlib("ebp tricks --plot")
    except ImportError as error:
        raise ValueError(str(error)) from None
    endings = sorted(plt.figure().canvas.get_supported_filetypes())
    plt.close()
    if os.path.splitext(path)[1][1:].lower() not in endings:
        raise ValueError(f"--plot must end in one of {', '.join(endings)}; got {path!r}")


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
    else:
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file


@contextlib.contextmanager
def _brief_warnings() -> Iterator[None]:
    """Warnings as one line each, without the place in the source that raised them."""

    def show(message: Warning | str, *_: Any) -> None:
        print(f"ebp: warning: {_one_line(message)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        # An estimator answers Ctrl-C with this warning and stays usable; a command ends.
        warnings.simplefilter("error", InterruptedTraining)
        yield


def _one_line(message: object) -> str:
    if isinstance(message, OSError) and message.strerror:
        place = f"{message.filename}: " if message.filename else ""
        return f"{place}{message.strerror}"
    return " ".join(str(message).split())
