"""The command `ebp report`: a page about a model file."""

from __future__ import annotations

import argparse
import os
import warnings
from typing import Any

import numpy as np

from . import model_file, table
from ._cli_checks import check_output, seed
from ._estimator import OnlineEstimator
from .model_report import report
from .network import Network
from .plotting._figure import require_matplotlib


def add(commands: Any) -> None:
    """Add the command to those of `ebp`."""
    parser = commands.add_parser("report", help="write a page (HTML) about a model file")
    parser.add_argument("model", metavar="MODEL", help="model file, of `ebp train` or save")
    parser.add_argument(
        "--data", metavar="FILE.csv",
        help="table for confusion matrix or predictions, spectrum and diagnosis, which are left out without",
    )  # fmt: skip
    parser.add_argument("--target", metavar="NAME", help="column to predict (default: that of `ebp train`)")
    parser.add_argument(
        "--drop", action="append", default=[], metavar="NAME",
        help="column to leave out, of a model that `ebp train` did not write",
    )  # fmt: skip
    parser.add_argument(
        "--output", "--out", default="report.html", metavar="FILE.html", help="default: report.html"
    )
    parser.add_argument("--title", metavar="TEXT", help="default: the name of the model file")
    parser.add_argument("--date", metavar="TEXT", help="to stand under the title; default: none")
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="default: 0")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    check_output(options.output, [options.model, *filter(None, [options.data])], "--output")
    try:
        require_matplotlib("ebp report")
    except ImportError as error:
        raise ValueError(str(error)) from None
    model = model_file.load(options.model)
    if not isinstance(model, (OnlineEstimator, Network)):
        kind = type(model).__name__
        raise ValueError(f"{options.model} must hold an estimator or a network; it holds an {kind}")
    details = {"model file": os.path.basename(options.model)}
    X = y = None
    if options.data is not None:
        X, y = _data(options, model)
        details["data"] = f"{os.path.basename(options.data)}, {len(y):,} rows"
    elif options.target is not None or options.drop:
        raise ValueError("--target and --drop say how to read --data FILE.csv, which is missing")
    notes = model_file.read_notes(options.model)
    names = table.TableReader.from_dict(notes["table"]).feature_names_ if "table" in notes else None
    with warnings.catch_warnings():
        # The columns of a table are arranged by their names here, which an array does not show.
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        page = report(
            model, X, y, title=options.title or details["model file"], date=options.date, details=details,
            feature_names=names, random_state=options.seed,
        )  # fmt: skip
    page.save(options.output)
    print(f"report      {options.output}")


def _data(options: argparse.Namespace, model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets from the table, as the model knows them."""
    if isinstance(model, Network):
        raise ValueError(f"--data needs an estimator, which knows how to read it; {options.model} holds none")
    if (model.n_outputs_ > 1 and not hasattr(model, "classes_")) or getattr(model, "multilabel_", False):
        raise ValueError(f"{options.model} predicts several values a row; use ebp.report in Python with data")
    data = table.read_csv(options.data)
    reader = _reader(options, model, data)
    X = reader.transform(data)
    if X.shape[1] != model.n_features_in_:
        raise ValueError(
            f"{options.model} takes {model.n_features_in_} inputs; {options.data} gives {X.shape[1]} without "
            f"{reader.target!r}; leave columns out with --drop"
        )
    if hasattr(model, "classes_"):
        return X, _labels(data, reader.target, model.classes_)
    return X, table.numbers(data, reader.target)


def _reader(options: argparse.Namespace, model: Any, data: table.Table) -> table.TableReader:
    """The coding that `ebp train` kept with the model, or else that of the table itself."""
    notes = model_file.read_notes(options.model)
    if "table" in notes:
        reader = table.TableReader.from_dict(notes["table"])
        reader.target = options.target or reader.target
        if options.drop:
            raise ValueError(f"--drop is not for {options.model}, since `ebp train` kept its columns")
        return reader
    if options.target is None:
        raise ValueError(f"--target must name a column of {options.data}: {', '.join(data.columns)}")
    reader = table.TableReader(options.target, drop=options.drop).fit(data)
    names = getattr(model, "feature_names_in_", None)
    if names is not None:  # the columns of a data frame, in the order of the training
        known = {name: reader.categories_.get(name) for name in map(str, names)}
        missing = [name for name in known if name not in reader.categories_]
        if missing:
            raise ValueError(f"{options.data} lacks the columns {', '.join(map(repr, missing))}")
        reader.categories_ = known
    return reader


def _labels(data: table.Table, target: str, classes: np.ndarray) -> np.ndarray:
    """The classes that the texts of the target column name; one that is a number by any text of it."""
    labels = classes.tolist()
    places: dict[Any, int] = {label: k for k, label in enumerate(labels) if type(label) in (int, float)}
    places |= {str(label): k for k, label in enumerate(labels)}
    rows = []
    for row, text in enumerate(data.column(target)):
        place = places.get(text, places.get(table.number(text)))
        if place is None:
            known = ", ".join(map(str, labels))
            raise ValueError(f"{data.where(row, target)}: the model's classes are {known}; got {text!r}")
        rows.append(place)
    return classes[rows]
