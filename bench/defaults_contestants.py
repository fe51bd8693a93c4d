"""Who takes part in the comparison of defaults, and the one-at-a-time variations of ebp's parameters."""

from __future__ import annotations

import ast
import importlib
import inspect
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import ebp
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from suite import CLASSIFICATION, DataSet

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # X, X_test, y, y_test
TEST_FRACTION = 0.3


@dataclass(frozen=True)
class Contestant:
    """A way to train on any table: `program` is "ebp", "sklearn" or "sklearn-raw", `settings` what is set.

    "sklearn" gets standardised inputs and, in regression, standardised targets, both learned from the
    training part and timed with it; "sklearn-raw" gets the table as it is. A setting whose name has a dot is
    a constant of ebp, such as "_rates.SDLM_FRACTION", replaced during the fit.
    """

    name: str
    program: str
    settings: dict[str, Any] = field(default_factory=dict)

    def estimator(self, task: str, seed: int) -> Any:
        """A new estimator for a "classification" or "regression"."""
        classifies = task == CLASSIFICATION
        options = {name: value for name, value in self.settings.items() if "." not in name}
        if self.program == "ebp":
            kind = ebp.MLPClassifier if classifies else ebp.MLPRegressor
            return kind(random_state=seed, **options)
        network = (MLPClassifier if classifies else MLPRegressor)(random_state=seed, **options)
        if self.program == "sklearn-raw":
            return network
        scaled = make_pipeline(StandardScaler(), network)
        return scaled if classifies else TransformedTargetRegressor(scaled, transformer=StandardScaler())


@contextmanager
def constants(settings: dict[str, Any]) -> Iterator[None]:
    """The constants of ebp that `settings` names have its values within the block."""
    patches = []
    for name, value in settings.items():
        if "." in name:
            module, _, constant = name.rpartition(".")
            patches.append(mock.patch.object(importlib.import_module(f"ebp.{module}"), constant, value))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def split(data: DataSet, seed: int, shipped: bool) -> Split:
    """70 % to train on and 30 % to test on, classes in proportion; or the split the data ship with."""
    if shipped and data.n_train:
        n = data.n_train
        return data.X[:n], data.X[n:], data.y[:n], data.y[n:]
    stratify = data.y if data.task == CLASSIFICATION else None
    parts = train_test_split(data.X, data.y, test_size=TEST_FRACTION, stratify=stratify, random_state=seed)
    return tuple(parts)


def measure(contestant: Contestant, task: str, parts: Split, seed: int) -> dict[str, float]:
    """Test accuracy or R^2 (mean over outputs), CPU seconds of `fit`, and whether ebp warned of trouble."""
    X, X_test, y, y_test = parts
    with warnings.catch_warnings(record=True) as caught, constants(contestant.settings):
        warnings.simplefilter("always")
        model = contestant.estimator(task, seed)
        started = time.process_time()
        model.fit(X, y)
        seconds = time.process_time() - started
        predicted = model.predict(X_test)
    score = accuracy_score if task == CLASSIFICATION else r2_score
    warned = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return {"score": float(score(y_test, predicted)), "seconds": seconds, "warned": warned}


# ---- variations -----------------------------------------------------------------------------------------


def variations(texts: Sequence[str]) -> list[Contestant]:
    """ebp with one parameter changed, for every value of every "NAME=VALUE,VALUE...".

    Values are written as in Python; a word needs no quotes.

    Raises
    ------
    ValueError
        If a text has another form, or names neither a parameter nor a constant of ebp.

    Examples
    --------
    >>> [c.settings for c in variations(["hidden_layer_sizes=50,(50,30)", "loss=cross_entropy"])]
    [{'hidden_layer_sizes': 50}, {'hidden_layer_sizes': (50, 30)}, {'loss': 'cross_entropy'}]
    """
    found = []
    for text in texts:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise ValueError(f"[variations] a variation must read NAME=VALUE,VALUE...; got {text!r}")
        _check_name(name)
        for value in _values(values):
            found.append(Contestant(f"{name}={value}", "ebp", {name: value}))
    return found


def _values(text: str) -> list[Any]:
    try:
        parts = ast.parse(f"[{text}]", mode="eval").body.elts
        return [part.id if isinstance(part, ast.Name) else ast.literal_eval(part) for part in parts]
    except (SyntaxError, ValueError):
        raise ValueError(f"[variations] values must be written as in Python; got {text!r}") from None


def _check_name(name: str) -> None:
    known = [*inspect.signature(ebp.MLPClassifier).parameters]
    if "." in name:
        module, _, constant = name.rpartition(".")
        try:
            if hasattr(importlib.import_module(f"ebp.{module}"), constant):
                return
        except ImportError:
            pass
    elif name in known:
        return
    raise ValueError(
        f"[variations] a name must be a constant of ebp or one of {', '.join(known)}; got {name!r}"
    )
