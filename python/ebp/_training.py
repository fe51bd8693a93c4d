"""The loop over epochs that the estimators share: orders, rates, progress, stopping, divergence."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from tqdm import tqdm

from ._blocks import block_rows
from ._callbacks import FitTasks
from ._feed import feed_of, reach_of, train_by_turns
from ._inputs import normalized
from ._presentation import Orders
from ._rates import RateSchedule
from ._targets import constant_loss
from .network import Network
from .schedules import GrowingBatch

EXPLOSION = (
    10.0  # an epoch whose loss is this many times the initial loss counts as divergence (automatic rate)
)
MONITORED = 1000
# After so many updates a network that still does no better than a constant is stuck, by a rate too large for
# it; after fewer it may just not have come far.
MANY_UPDATES = 500
MARGIN = 1.02  # online training stays a little above the loss that it approaches


class InterruptedTraining(UserWarning):
    """Warns that Ctrl-C ended a `fit`, which leaves a usable estimator; what calls `fit` may rather end."""


@dataclass
class TrainingData:
    """What the engine reads, and which rows of it to present."""

    X: Any  # (n, features): raw rows if `transform` is given, else normalised rows
    T: np.ndarray  # (n, outputs)
    transform: tuple[np.ndarray, np.ndarray] | None  # (shift, factor), applied row by row by the engine
    rows: np.ndarray  # (n_presentations,)
    weights: np.ndarray | None  # (n,) weight of one presentation
    labels: np.ndarray | None  # (n,) class numbers, for sampling="interleave"
    keys: np.ndarray | None = None  # (n,) the same for equal rows, which `rows` has side by side
    in_blocks: bool = False  # `X` is sparse, or on disk in another form than the engine takes

    @property
    def n_presentations(self) -> int:
        """Presentations of an epoch."""
        return len(self.rows)

    @property
    def sample(self) -> TrainingData:
        """Data to measure rates on, as a stream has them apart."""
        return self

    def spread(self, most: int) -> np.ndarray:
        """At most so many of `rows`, from all over them."""
        return self.rows[:: max(1, len(self.rows) // most)][:most]

    def losses(self, network: Network, rows: np.ndarray) -> np.ndarray:
        """Loss of each of the rows by the network as it stands."""
        size = block_rows(self.X.shape[1], self.T.itemsize) if self.in_blocks else max(1, len(rows))
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return np.concatenate(
            [
                network.losses(normalized(self.X[part], self.transform, network.dtype), self.T[part])
                for part in parts
            ]
        )

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all presentations of an epoch."""
        return float(len(self.rows) if self.weights is None else self.weights[self.rows].sum())


class Monitor:
    """Up to 1,000 presentations, on which the losses before and after training are compared."""

    def __init__(self, network: Network, data: TrainingData, name: str) -> None:
        rows = data.spread(MONITORED)
        self.network = network
        self.Z = normalized(data.X[rows], data.transform, network.dtype, name)
        self.T = data.T[rows]
        self.weights = None if data.weights is None else data.weights[rows]
        self.constant_loss = constant_loss(self.T, self.weights, network.loss_function)

    def loss(self) -> float:
        """Mean loss of the network as it stands."""
        return self.network.loss(self.Z, self.T, self.weights)

    def losses(self) -> np.ndarray:
        """Loss of each presentation by the network as it stands."""
        return self.network.losses(self.Z, self.T)

    def rose(self, before: float, after: float) -> bool:
        """Whether training raised the loss from `before` to `after`."""
        return not after <= MARGIN * before

    def useful(self, before: float, after: float) -> bool:
        """Whether the network does at least as well as constant outputs."""
        # Targets that hardly vary leave little to undercut, inputs that tell nothing no more than a constant.
        return after <= max(MARGIN * self.constant_loss, before / 4)

    def failed(self, before: float, after: float, n_updates: int) -> bool:
        """Whether a smaller rate promises more, by the losses before and after `n_updates` updates."""
        stuck = n_updates > MANY_UPDATES and not self.useful(before, after)
        return stuck or self.rose(before, after)


@dataclass
class History:
    """Course of one training: one value per finished epoch, and how it ended.

    `status` is "finished", "converged", "stopped" (by a callback), "interrupted" (Ctrl-C), "diverged" or
    "gave up" (a batch solver that cannot go on).
    """

    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    n_presented: int = 0
    status: str = "finished"


class Course:
    """What follows every epoch, however it was trained: records, progress, callbacks, and when to stop.

    Parameters
    ----------
    estimator : estimator
        Gives the options and is handed to the callbacks.
    network : Network
    callbacks : list of callables
    validation : callable or None
        Measures (loss, score) on held-out samples; the network of the best score is kept.
    publish : callable
        Called with the history after every epoch.
    tasks : FitTasks
        Tells scikit-learn's callbacks.
    unit : str
        What the progress display calls an epoch.
    """

    def __init__(
        self,
        estimator: Any,
        network: Network,
        callbacks: list[Callable[..., Any]],
        validation: Callable[[], tuple[float, float]] | None,
        publish: Callable[[History], None],
        tasks: FitTasks,
        unit: str = "epoch",
    ) -> None:
        self.history = History()
        self._options = estimator
        self._network = network
        self._callbacks = callbacks
        self._validation = validation
        self._publish = publish
        self._tasks = tasks
        self._unit = unit
        self._stopping = _Stopping(estimator.tol, estimator.n_iter_no_change)
        self._best: np.ndarray | None = None

    def run(self, train: Callable[[Course], None]) -> History:
        """Call `train`, which is to call `epoch_done` after every epoch; Ctrl-C ends it."""
        options = self._options
        with tqdm(total=options.max_iter, unit=self._unit, disable=options.verbose != 1) as self._bar:
            try:
                self._tasks.begin_epoch(self._unit)
                train(self)
            except KeyboardInterrupt:
                self.history.status = "interrupted"
        self._tasks.give_up_epoch()
        if self._best is not None:
            self._network.parameters[:] = self._best
        return self.history

    def epoch_done(self, logs: dict[str, float], n_presented: int) -> bool:
        """Take in the logs of an epoch of so many presentations; whether the training is to end."""
        options, history, epoch = self._options, self.history, len(self.history.losses)
        history.losses.append(logs["loss"])
        history.n_presented += n_presented
        if self._validation is not None:
            validation_loss, score = self._validation()
            history.validation_losses.append(validation_loss)
            history.validation_scores.append(score)
            logs = {**logs, "validation_loss": validation_loss, "validation_score": score}
        self._publish(history)
        if self._stopping.improved(logs) and self._validation is not None:
            self._best = self._network.parameters.copy()
        _report(self._bar, options.verbose, f"{self._unit} {epoch + 1}/{options.max_iter}", logs)
        # every callback runs, even after one has asked to stop
        answers = [callback(options, epoch, dict(logs)) for callback in self._callbacks]
        if any([*answers, self._tasks.end_epoch()]):
            history.status = "stopped"
        elif self._stopping.exhausted:
            history.status = "converged"
        if history.status == "finished" and epoch + 1 < options.max_iter:
            self._tasks.begin_epoch(self._unit)
        return history.status != "finished"


@dataclass
class Loop:
    """One training of a network by a rule.

    Parameters
    ----------
    estimator : estimator
        Gives the options.
    network, rule : Network, rule
    schedule : RateSchedule
    present : callable
        Presents one epoch: returns the mean loss, NaN if it diverged, and the number of presentations.
    loss_limit : float
        An epoch whose loss is above it counts as divergence.
    """

    estimator: Any
    network: Network
    rule: Any
    schedule: RateSchedule
    present: Callable[[], tuple[float, int]]
    loss_limit: float = np.inf

    def train(self, course: Course) -> None:
        """Train for up to `max_iter` epochs."""
        for epoch in range(self.estimator.max_iter):
            started = time.perf_counter()
            before = self.network.parameters.copy()
            self.rule.learning_rate = self.schedule.rate(epoch)
            rate = self.rule._next_rate
            loss, n_presented = self.present()
            if not loss <= self.loss_limit:
                # The engine's last finite weights may be too large to be of use.
                self.network.parameters[:] = before
                course.history.status = "diverged"
                return
            logs = {"loss": loss, "learning_rate": rate, **pace(started, n_presented)}
            if course.epoch_done(logs, n_presented):
                return
            self.schedule.observe((course.history.validation_losses or course.history.losses)[-1])


def pace(started: float, n_presented: int) -> dict[str, float]:
    """The logs about the time since `started`, a reading of time.perf_counter."""
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "samples_per_second": n_presented / max(seconds, 1e-9)}


class _Stopping:
    """Counts the epochs in a row that did not improve: the training loss, or the validation score."""

    def __init__(self, tol: float, patience: int) -> None:
        self._tol = tol
        self._patience = patience
        self._failures = 0
        self._best_loss = np.inf
        self._best_score = -np.inf

    def improved(self, logs: dict[str, float]) -> bool:
        """Take in the logs of an epoch. A better score counts, and an equal one with a lower loss."""
        score = logs.get("validation_score", 0.0)
        loss = logs.get("validation_loss", logs.get("objective", logs["loss"]))
        better = score > self._best_score + self._tol or (
            score >= self._best_score and loss < self._best_loss - self._tol
        )
        self._failures = 0 if better else self._failures + 1
        if better:
            self._best_score, self._best_loss = score, loss
        return better

    @property
    def exhausted(self) -> bool:
        """Whether the patience is used up."""
        return self._failures >= self._patience


def present(
    options: Any,
    network: Network,
    data: TrainingData,
    rule: Any,
    orders: Orders,
    batch_size: int | GrowingBatch,
) -> tuple[float, int]:
    """Train on one epoch; returns the mean loss, NaN if it diverged, and the number of presentations."""
    order = orders.draw()
    if data.in_blocks:
        reach = reach_of(network, rule, options, batch_size, len(order))
        feed = feed_of(network, data, order, orders.weights, reach)
        parts = list(train_by_turns(feed, len(order), rule, options, batch_size))
        whole = [part for part in parts if part is not None]
        loss = orders.observe(order, np.concatenate(whole)) if len(whole) == len(parts) else np.nan
        return loss, len(order)
    result = network.train_online(
        data.X,
        data.T,
        rule,
        order=order,
        engine="auto" if getattr(rule, "refresh", "") == "running" else options.engine,
        n_threads=options.n_threads,
        batch_size=batch_size,
        sample_weight=orders.weights,
        input_transform=data.transform,
    )
    loss = np.nan if result.status == "diverged" else orders.observe(order, result.losses)
    return loss, len(order)


def warn_of(status: str, name: str, rate: float = 0.0) -> None:
    """Warn of a training that did not go well, on behalf of who has called the public method `name`."""
    advice = "use a smaller learning_rate_init or 'auto', and normalised inputs"
    texts = {
        "diverged": f"training diverged at learning rate {rate:.3g}; earlier weights are kept: {advice}",
        "not better": f"the loss after training is not below the loss before it: {advice}",
        "not useful": "training has not reached the loss of constant outputs: it may need more epochs "
        "(max_iter), a smaller batch_size or another learning_rate_init",
        "not converged": "the iterations ended before the training had converged: it needs more (max_iter), "
        "or a larger tol",
        "gave up": "the solver found no better point although the gradient is not small",
        "interrupted": "training was interrupted; the estimator is usable as it stands",
    }
    if status in texts:
        category = InterruptedTraining if status == "interrupted" else ConvergenceWarning
        warnings.warn(f"[{name}] {texts[status]}", category, stacklevel=_levels_up())


def _levels_up() -> int:
    """Levels from the caller up to the code that is neither this package nor a decorator of scikit-learn."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("ebp.", "sklearn.callback.")):
        frame, level = frame.f_back, level + 1
    return level


def _report(bar: tqdm, verbose: int, name: str, logs: dict[str, float]) -> None:
    if verbose == 1:
        shown = {"loss": f"{logs['loss']:.4g}"}
        if "validation_score" in logs:
            shown["validation"] = f"{logs['validation_score']:.4f}"
        bar.set_postfix(shown, refresh=False)
        bar.update()
    elif verbose == 2:
        values = "  ".join(f"{key} {value:.4g}" for key, value in logs.items())
        tqdm.write(f"{name}  {values}")
