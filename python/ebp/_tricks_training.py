"""The trainings behind an ablation: parts of the data, one training, and the search for the best rate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from tqdm import tqdm

from ._presentation import hold_out
from ._training import InterruptedTraining
from ._tricks_table import Trick, parameters
from .classifier import MLPClassifier
from .layers import Dense
from .network import Network
from .normalizer import InputNormalizer
from .regressor import MLPRegressor

KINDS = {"classification": MLPClassifier, "regression": MLPRegressor}
EXTENSIONS = 6  # rates tried beyond the grid at most, while the best one is at its edge
KEPT_BYTES = 1 << 30  # of normalised data that are kept from one grid of rates to its extension
AUTOMATIC_SAMPLES = 1000  # from which the rate that the grid is centred on follows

Part = tuple[np.ndarray, np.ndarray]  # X, y


@dataclass(frozen=True)
class Split:
    """One seed's training, validation and test part, each (X, y)."""

    seed: int
    training: Part
    validation: Part
    test: Part

    def normalized(self, method: Any) -> Split:
        """The same with inputs normalised by statistics of the training part, float32."""
        convert: Callable[[np.ndarray], np.ndarray] = np.asarray
        if method is not None:
            scaler: Any = InputNormalizer(method) if isinstance(method, str) else clone(method)
            convert = scaler.fit(self.training[0]).transform
        parts = [
            (np.ascontiguousarray(convert(X), dtype=np.float32), y)
            for X, y in (self.training, self.validation, self.test)
        ]
        return Split(self.seed, *parts)

    @property
    def n_bytes(self) -> int:
        """Memory of the inputs."""
        return sum(X.nbytes for X, _ in (self.training, self.validation, self.test))

    def ordered(self) -> Split:
        """The same with the training part in the order of its targets."""
        X, y = self.training
        order = np.argsort(y if y.ndim == 1 else y[:, 0], kind="stable")
        return Split(self.seed, (X[order], y[order]), self.validation, self.test)


def split(
    X: np.ndarray, y: np.ndarray, test: Part | None, fractions: tuple[float, float], seed: int, classify: bool
) -> Split:
    """Draw the parts of one seed: test part (if none is given) and validation part by their fractions."""
    rng = np.random.default_rng(seed)
    rest: Part = (X, y)
    if test is None:
        rest, test = _divided(rest, fractions[0], rng, classify)
    training, validation = _divided(rest, fractions[1], rng, classify)
    return Split(seed, training, validation, test)


def _divided(part: Part, fraction: float, rng: np.random.Generator, classify: bool) -> tuple[Part, Part]:
    X, y = part
    labels = np.unique(y, return_inverse=True)[1].reshape(-1) if classify else None
    kept, held_out = hold_out(None, labels, len(X), fraction, rng)
    kept = np.flatnonzero(kept)
    held_out = np.sort(held_out)
    return (X[kept], y[kept]), (X[held_out], y[held_out])


def constant_error(training: Part, held_out: Part, classify: bool) -> float:
    """Error of the best constant answer, known from the training part."""
    if not classify:
        return 1.0
    values, counts = np.unique(training[1], return_counts=True)
    return float(np.mean(held_out[1] != values[counts.argmax()]))


def error(model: Any, part: Part, classify: bool) -> float:
    """Share of wrong answers, or 1 - R^2, where an answer worse than the mean of the part counts like it."""
    X, y = part
    predicted = model.predict(X)
    if classify:
        return float(np.mean(predicted != y))
    return float(min(1.0, 1 - r2_score(y, predicted)))


@dataclass(frozen=True)
class Training:
    """What one training came to."""

    curve: np.ndarray  # (n_epochs + 1,) validation errors; the first is that of a constant answer
    test_error: float
    failed: bool  # diverged, or no better than a constant answer


@dataclass(frozen=True)
class Plan:
    """What all trainings of an ablation share."""

    task: str
    base: Mapping[str, Any]  # parameters of the recipe
    hidden: tuple[int, ...]
    max_iter: int

    @property
    def classify(self) -> bool:
        return self.task == "classification"

    def normalize(self, trick: Trick) -> Any:
        return parameters(trick, self.task, self.base)["normalize"]

    def estimator(self, trick: Trick, data: Split, rate: Any, max_iter: int) -> Any:
        """The estimator of one training on normalised data.

        The initial weights are given, so that a seed draws the same ones for all tricks, but for their
        `weight_factor` and the number of inputs.
        """
        settings = parameters(trick, self.task, self.base) | {"normalize": None}
        model = KINDS[self.task](self.hidden, **settings)
        model.set_params(max_iter=max_iter, tol=0.0, n_iter_no_change=max_iter, random_state=data.seed)
        return model.set_params(
            learning_rate_init=rate, weight_init=trick.weight_factor * self._weights(data)
        )

    def _weights(self, data: Split) -> np.ndarray:
        """Initial parameters of the recipe, (16), drawn by the seed."""
        X, y = data.training
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if self.classify:
            n_classes = len(np.unique(y))
            n_outputs = 1 if n_classes == 2 else n_classes
        layers = [Dense(units) for units in (*self.hidden, n_outputs)]
        return Network(layers, X.shape[1], random_state=data.seed).parameters.astype(np.float64)

    def automatic_rate(self, trick: Trick, data: Split) -> float:
        """What the estimator would start from, on a part of the data.

        Where the first epoch leaves it stuck, it goes back to ever smaller rates; these are no centre for a
        grid of longer trainings.
        """
        if trick.ordered:
            data = data.ordered()
        X, y = data.training
        step = max(1, len(X) // AUTOMATIC_SAMPLES)
        rates: list[float] = []

        def watch(model: Any, epoch: int, logs: Any) -> None:
            rates.append(model.eta_)

        model = self.estimator(trick, data, "auto", 1).set_params(callbacks=watch)
        fit_quietly(model, X[::step], y[::step])
        return float(rates[0] if rates else model.eta_)  # none: the first epoch never ended but by divergence

    def train(self, trick: Trick, data: Split, rate: float) -> Training:
        """One training on normalised data."""
        if trick.ordered:
            data = data.ordered()
        chance = constant_error(data.training, data.validation, self.classify)
        curve = [chance]

        def watch(model: Any, epoch: int, logs: Any) -> None:
            curve.append(error(model, data.validation, self.classify))

        model = self.estimator(trick, data, rate, self.max_iter).set_params(callbacks=watch)
        fit_quietly(model, *data.training)
        diverged = len(curve) <= self.max_iter
        if diverged:  # with the weights from before the epoch
            last = error(model, data.validation, self.classify)
            curve += [last] * (self.max_iter + 1 - len(curve))
        failed = diverged or curve[-1] >= chance
        return Training(np.array(curve), error(model, data.test, self.classify), failed)


def fit_quietly(model: Any, X: np.ndarray, y: np.ndarray) -> None:
    """Fit without warnings about convergence: that poor settings fail is a result here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # An estimator answers Ctrl-C with this warning and stays usable; an ablation ends.
        warnings.simplefilter("error", InterruptedTraining)
        try:
            model.fit(X, y)
        except InterruptedTraining:
            raise KeyboardInterrupt from None


@dataclass
class Found:
    """Trainings of one trick, by the factor of their rate, one a seed."""

    trick: Trick
    automatic: float = math.nan
    by_factor: dict[float, list[Training]] = field(default_factory=dict)

    @property
    def factors(self) -> list[float]:
        return sorted(self.by_factor)

    @property
    def best(self) -> float:
        """Factor of the least mean validation error; of equal ones, that whose errors fell earlier."""
        return min(self.factors, key=lambda one: (self.curve(one)[-1], self.curve(one).mean()))

    @property
    def at_edge(self) -> bool:
        return len(self.factors) > 1 and self.best in (self.factors[0], self.factors[-1])

    def curve(self, factor: float) -> np.ndarray:
        """Validation errors (n_epochs + 1,), mean over the seeds."""
        return np.mean([one.curve for one in self.by_factor[factor]], axis=0)

    def beyond(self) -> list[float]:
        """The next factor to try if the best one is at the edge."""
        factors = self.factors
        if not self.at_edge:
            return []
        if self.best == factors[0]:
            return [factors[0] ** 2 / factors[1]]
        return [factors[-1] ** 2 / factors[-2]]


class Search:
    """Trains every trick by a grid of rates, and by more while the best one is at the edge of the grid.

    Parameters
    ----------
    plan : Plan
    splits : callable
        Gives the `Split` of a seed.
    seeds, factors : sequences
        Seeds; factors of the automatic rate.
    n_jobs : int or None
        For joblib.
    verbose : bool
        Whether to draw a progress bar.
    """

    def __init__(
        self,
        plan: Plan,
        splits: Callable[[int], Split],
        seeds: Sequence[int],
        factors: Iterable[float],
        n_jobs: int | None,
        verbose: bool,
    ) -> None:
        self._plan = plan
        self._splits = splits
        self._seeds = seeds
        self._factors = list(factors)
        self._pool = Parallel(n_jobs=n_jobs, return_as="generator")
        self._bar = tqdm(unit="training", disable=not verbose)

    def run(self, tricks: Sequence[Trick]) -> list[Found]:
        found = [Found(trick) for trick in tricks]
        self._bar.total = len(self._seeds) * len(self._factors) * len(found)
        with self._bar, self._pool:
            for normalize in dict.fromkeys(self._plan.normalize(trick) for trick in tricks):
                self._prepared: dict[int, Split] = {}
                self._search(
                    [one for one in found if self._plan.normalize(one.trick) == normalize], normalize
                )
        return found

    def _search(self, group: list[Found], normalize: Any) -> None:
        """Find the best rates of tricks that share a normalisation."""
        pending = [(one, self._factors) for one in group]
        self._train(pending, normalize)
        for _ in range(EXTENSIONS):
            pending = [(one, one.beyond()) for one in group if one.at_edge]
            self._bar.total += len(self._seeds) * len(pending)
            self._train(pending, normalize)

    def _train(self, pending: list[tuple[Found, list[float]]], normalize: Any) -> None:
        """Train each of these by the rates beside it, with every seed."""
        for seed in self._seeds if pending else ():
            data = self._data(seed, normalize)
            for found, _ in pending:
                if math.isnan(found.automatic):
                    found.automatic = self._plan.automatic_rate(found.trick, data)
            jobs = [(found, factor) for found, factors in pending for factor in factors]
            calls = (
                delayed(self._plan.train)(found.trick, data, factor * found.automatic)
                for found, factor in jobs
            )
            for (found, factor), training in zip(jobs, self._pool(calls), strict=True):
                found.by_factor.setdefault(factor, []).append(training)
                self._bar.update()

    def _data(self, seed: int, normalize: Any) -> Split:
        """Normalised data of a seed, kept for the next rates where there is room."""
        data = self._prepared.get(seed) or self._splits(seed).normalized(normalize)
        if (1 + len(self._prepared)) * data.n_bytes <= KEPT_BYTES:
            self._prepared[seed] = data
        return data
