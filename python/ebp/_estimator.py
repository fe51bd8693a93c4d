"""What the estimators share: training, streams, prediction."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import _options
from ._batch import Search, chosen_solver
from ._callbacks import FitTasks
from ._files import Files
from ._inputs import chunks, normalized, validated
from ._options import BATCH_SOLVERS, SEARCHES, generator_of
from ._preparation import PreparedEstimator, unchanged_on_error
from ._presentation import EmphasizedOrders, orders
from ._rates import RateSchedule, rates_of
from ._solvers import FEW_ROWS, check_engine, new_rule, start_rate, stream_solver
from ._targets import constant_loss
from ._training import EXPLOSION, Course, History, Loop, Monitor, TrainingData, present, warn_of
from .schedules import GrowingBatch, Schedule

RESTARTS = 5
RESTART_FACTOR = 1 / 4
STREAM_STATISTICS = 1000  # partial_fit updates the normalisation until it has seen this many samples


class OnlineEstimator(Files, PreparedEstimator):
    """Base of the estimators: a network trained one sample at a time."""

    _n_counted: int  # samples that partial_fit has taken into the normalisation
    _rate: float  # the rate partial_fit goes on with
    _rule_settings: tuple[Any, ...]  # the `_settings` that `_rate` and `_rule` were made for

    # ---- fit ----------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        self._check_options()
        tasks = FitTasks(self, X, y, sample_weight)
        warm = bool(self.warm_start) and hasattr(self, "network_")
        with unchanged_on_error(self):
            self._rng = generator_of(self.random_state)
            data, validation = self._prepare(X, y, sample_weight, warm)
            self.solver_ = chosen_solver(self, self.network_, data)
            check_engine(self._name, self.engine, self.solver_, self.network_)
            monitor = Monitor(self.network_, data, self._name)
            start = None
            if self.solver_ not in SEARCHES:
                self._epoch_length = data.n_presentations
                start = self._start_rate(data, self._updates(data, self.max_iter))
        self._train(data, validation, monitor, start, warm, tasks)
        tasks.end()

    def _batch_size(self, data: Any) -> int | GrowingBatch:
        """Presentations of one update."""
        if self.solver_ == "gd":
            return int(data.n_presentations)
        if isinstance(self.batch_size, GrowingBatch):
            return self.batch_size.in_presentations(self._epoch_length or data.n_presentations)
        return int(self.batch_size)

    def _updates(self, data: Any, n_epochs: int) -> int:
        """Updates of the first `n_epochs` epochs of `fit`; with growing batches, about so many."""
        size, n = self._batch_size(data), int(data.n_presentations)
        if isinstance(size, int):
            return n_epochs * math.ceil(n / size)
        times = n * np.arange(n_epochs)[:, None] + np.linspace(0, n, 10)
        return int(np.ceil(n * (1 / np.minimum(n, size.sizes_at(times))).mean(axis=1)).sum())

    def _rate_schedule(self) -> Schedule | None:
        """What the rule follows from presentation to presentation."""
        if isinstance(self.learning_rate, Schedule) and self._epoch_length is not None:
            return self.learning_rate.in_presentations(self._epoch_length)
        return None

    def _epoch(self, data: Any, rule: Any) -> Callable[[], tuple[float, int]]:
        """What presents the data once and returns their mean loss, or NaN, and the presentations."""
        drawn = self._orders(data)
        return partial(present, self, self.network_, data, rule, drawn, self._batch_size(data))

    def _orders(self, data: TrainingData) -> Any:
        # in batch the order plays no part, and emphasising would change what is minimised for nothing
        method = "shuffle" if self.solver_ == "gd" and self.sampling != "sequential" else self._sampling
        return orders(data, method, self._rng)

    def _train(
        self,
        data: Any,
        validation: Any,
        monitor: Monitor,
        start: tuple[float, bool] | None,
        warm: bool,
        tasks: FitTasks,
    ) -> None:
        """Train by the rule that `start` gives the rate of, or by a batch solver if it is None."""
        presented = self.t_
        before = self.loss_ = monitor.loss()

        def course(unit: str) -> Course:
            callbacks = _options.callback_list(self._name, self.callbacks)
            return Course(self, self.network_, callbacks, validation, publish, tasks, unit)

        def publish(history: History) -> None:
            self._publish(history, presented)

        if start is None:
            self._forget_rule()
            history = course("iteration").run(Search(self, self.network_, data).train)
            publish(history)
            status = history.status
        else:
            history = self._train_by_rule(data, course, monitor, before, start, warm)
            publish(history)
            after, status = monitor.loss(), history.status
            complete = status in ("finished", "converged") and not warm
            if complete and monitor.rose(before, after):
                status = "not better"
            elif complete and not monitor.useful(before, after):
                status = "not useful"
        if status == "finished" and self.solver_ in BATCH_SOLVERS:
            status = "not converged"
        warn_of(status, self._name, self.eta_ or 0.0)

    def _train_by_rule(
        self,
        data: Any,
        course: Callable[[str], Course],
        monitor: Monitor,
        before: float,
        start: tuple[float, bool],
        warm: bool,
    ) -> History:
        """Train for up to `max_iter` epochs; an automatic rate that proves too large is quartered."""
        network, presented = self.network_, self.t_
        initial = network.parameters.copy()
        rate, automatic = start
        constant = self.solver_ == "gd" and self.learning_rate == "auto"
        for attempt in range(RESTARTS + 1):
            rule = self._new_rule(rate, data.sample, "epoch", presented)
            kind = "constant" if constant else self.learning_rate
            schedule = RateSchedule(kind, rate, self.max_iter, self.tol)
            limit = EXPLOSION * before if automatic and np.isfinite(before) else np.inf
            self.eta_, self.loss_ = rate, before
            loop = Loop(self, network, rule, schedule, self._epoch(data, rule), limit)
            history = course("epoch").run(loop.train)
            complete = history.status in ("finished", "converged") and not warm
            n_updates = self._updates(data, len(history.losses))
            failed = history.status == "diverged" or (
                complete and monitor.failed(before, monitor.loss(), n_updates)
            )
            if not (automatic and failed) or attempt == RESTARTS:
                break
            network.parameters[:] = initial
            rate *= RESTART_FACTOR
        last = max(0, len(history.losses) - 1)
        self._rate = rate if self.learning_rate == "invscaling" else schedule.rate(last)
        self._rule_settings = self._settings()
        self.learning_rates_ = rates_of(rule, network)
        return history

    def _forget_rule(self) -> None:
        self._rule_settings = (None,) * len(self._settings())
        self.learning_rates_ = self.eta_ = None

    def _publish(self, history: History, presented: int) -> None:
        """Make the state of the training visible in the fitted attributes."""
        self.loss_curve_ = history.losses
        self.validation_loss_curve_ = history.validation_losses
        self.validation_scores_ = history.validation_scores
        self.n_iter_ = len(history.losses)
        self.t_ = presented + history.n_presented
        if history.losses:
            self.loss_ = history.losses[-1]
            self.best_loss_ = min(history.losses)

    def _start_rate(self, data: TrainingData, n_updates: int | None) -> tuple[float, bool]:
        """The first of `n_updates` rates, and whether it was chosen here (and so may be lowered here)."""
        if not isinstance(self.learning_rate_init, str):
            return float(self.learning_rate_init), False
        rate, eigenvalue = start_rate(self.solver_, self.network_, data, n_updates, self.momentum)
        if eigenvalue is not None:
            self.lambda_max_ = eigenvalue
        return rate, True

    def _new_rule(self, rate: float, data: TrainingData, refresh: str, presented: int) -> Any:
        """A rule of this rate, whose schedule begins after so many presentations."""
        rule = new_rule(
            self.solver_,
            rate,
            self.network_,
            data,
            momentum=self.momentum,
            weight_decay=self.alpha,
            schedule=self._rate_schedule(),
            center_hidden=bool(self.center_hidden),
            refresh=refresh,
            engine=str(self.engine),
        )
        rule.n_presented = presented
        return rule

    def _settings(self) -> tuple[Any, ...]:
        """The first three decide on an automatic rate, all but the first on the rule."""
        automatic = isinstance(self.learning_rate_init, str)
        numbers = float(self.momentum), float(self.alpha)
        switches = bool(self.center_hidden), self.engine == "blocked"
        return automatic, str(self.solver_), *numbers, *switches, self._rate_schedule()

    # ---- partial_fit --------------------------------------------------------------------------------

    def _partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        classes: np.ndarray | None = None,
        checked: bool = False,
    ) -> None:
        """One pass over the rows; the subclass has checked the options and, for the first call, `classes`.

        `checked` says that `X` and `y` are what `_validate` returns.
        """
        first = not hasattr(self, "network_")
        with unchanged_on_error(self):
            self.solver_ = stream_solver(self)
            data = self._prepare_chunk(X, y, sample_weight, classes, first, checked)
            if len(data.rows):
                self._update_rule(data)
        if len(data.rows):
            self._learn_chunk(data)

    def _prepare_chunk(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        classes: np.ndarray | None,
        first: bool,
        checked: bool = False,
    ) -> TrainingData:
        if not checked:
            X, y = self._validate(X, y, reset=first)
        weights = self._sample_weights(X, sample_weight)
        if first:
            self._start_targets(y, classes)
            self._rng = generator_of(self.random_state)
            self._start_normalizer()
            self._rule = None
        else:
            self._check_architecture()
        labels = self._labels(y)
        weights = self._total_weights(labels, weights)
        if not self._statistics_fixed:
            self._update_statistics(X, y, weights, first)
        if first:
            self._build_network(X, weights, self._rng)
        return self._training_data(X, self._code(y, labels), labels, weights)

    def _update_statistics(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, first: bool
    ) -> None:
        rotated = self.normalizer_ is not None and self.normalizer_.method == "decorrelate"
        if self.normalizer_ is not None and not self._frozen:
            n_samples = X.shape[0] if weights is None else np.count_nonzero(weights)
            if rotated and n_samples <= X.shape[1]:
                raise ValueError(
                    f"[{self._name}.partial_fit] normalize='decorrelate' learns its directions in the first "
                    f"call, which must have n_samples >= n_features + 1 = {X.shape[1] + 1}; got {n_samples}"
                )
            self.normalizer_.partial_fit(X, sample_weight=weights)
        self._update_targets(y, weights)
        self._n_counted = (0 if first else self._n_counted) + X.shape[0]
        # Another number of principal directions, or another order of them, would not suit the weights.
        self._statistics_fixed = rotated or self._n_counted >= STREAM_STATISTICS

    def _update_rule(self, data: TrainingData) -> None:
        """Set `_rule` and its rate for this call; a rule of other settings is replaced."""
        if self._epoch_length is None:
            self._epoch_length = len(data.rows)
        settings = self._settings()
        known = getattr(self, "_rule_settings", (None,) * len(settings))
        if not settings[0] or settings[:3] != known[:3]:
            self._rate, _ = self._start_rate(data, None)
        if settings[1:] != known[1:]:
            self._rule = None
        self._rule_settings = settings
        rate = self._stream_rates().rate(self.n_iter_)
        if self._rule is None:
            check_engine(self._name, self.engine, self.solver_, self.network_)
            refresh = "epoch" if len(data.rows) >= FEW_ROWS else "running"
            self._rule = self._new_rule(rate, data, refresh, self.t_)
        self._rule.learning_rate = rate
        self.eta_ = self._rate

    def _stream_rates(self) -> RateSchedule:
        kind = "invscaling" if self.learning_rate == "invscaling" else "constant"
        return RateSchedule(kind, self._rate, 1, self.tol)

    def _learn_chunk(self, data: TrainingData, made: tuple[np.ndarray, float] | None = None) -> None:
        """Present the rows; if an automatic rate proves too large, the rows come again at a quarter of it.

        A rate that has served before is not to blame for what happens now: the next call has it back.
        `made` has the parameters before a first presentation that has been made already, and its loss.
        """
        network, automatic = self.network_, isinstance(self.learning_rate_init, str)
        usual, proven = self._rate, self.t_ >= STREAM_STATISTICS
        before, loss = made or (network.parameters.copy(), np.nan)
        for attempt in range(RESTARTS + 1):
            loss = self._present_chunk(data) if attempt or made is None else loss
            if not (failed := self._failed(loss, data, before)):
                break
            network.parameters[:] = before
            self._rule = None
            if not automatic or attempt == RESTARTS:
                break
            self._rate *= RESTART_FACTOR
            self._update_rule(data)
        if failed or proven:
            self._rate = usual
        if failed:
            warn_of("diverged", self._name, usual)
            return
        self.t_ += len(data.rows)
        self.n_iter_ += 1
        self.loss_ = loss
        self.best_loss_ = min(self.best_loss_, loss)
        self.learning_rates_ = rates_of(self._rule, network)

    def _present_chunk(self, data: TrainingData) -> float:
        drawn = self._orders(data)
        if isinstance(drawn, EmphasizedOrders):
            drawn.measure(self.network_)
        return present(self, self.network_, data, self._rule, drawn, self._batch_size(data))[0]

    def _failed(self, loss: float, data: TrainingData, before: np.ndarray) -> bool:
        """Whether the rows were not learnt: by NaN, or at an automatic rate by losses that have exploded.

        Those of most rows count, since an outlier has a large loss whatever happens to the weights.
        """
        if math.isnan(loss) or not isinstance(self.learning_rate_init, str):
            return math.isnan(loss)
        known = math.isfinite(self.loss_)
        usual = self.loss_ if known else constant_loss(data.T, None, self.network_.loss_function)
        if loss <= EXPLOSION * usual:
            return False
        monitor, after = Monitor(self.network_, data, self._name), self.network_.parameters.copy()
        losses = [np.median(monitor.losses())]
        self.network_.parameters[:] = before
        losses.append(np.median(monitor.losses()))
        self.network_.parameters[:] = after
        return bool(losses[0] > EXPLOSION * losses[1])

    # ---- after training -----------------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        """Network outputs (n, outputs) for raw inputs."""
        check_is_fitted(self)
        X = self._rows(X, reset=False)
        return self._outputs_of_rows(validated(self, X, reset=False))

    def _outputs_of_rows(self, X: Any) -> np.ndarray:
        """The same for inputs that are checked."""
        network, transform = self.network_, self._transform()
        outputs = np.empty((X.shape[0], network.n_outputs), network.dtype)
        for part in chunks(X):
            outputs[part] = network.forward(normalized(X[part], transform, network.dtype, self._name))
        return outputs

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights (inputs, units) of each layer, or its kernels: views of `network_.parameters`."""
        weights = [values for name, values in self._parameters() if name.endswith(".weights")]
        return [values.T if values.ndim == 2 else values for values in weights]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of each layer, (units,) or (maps,): views of `network_.parameters`."""
        return [values for name, values in self._parameters() if name.endswith(".bias")]

    def _parameters(self) -> list[tuple[str, np.ndarray]]:
        if not hasattr(self, "network_"):
            raise AttributeError(f"[{self._name}] call fit first: there is no network yet")
        theta = self.network_.parameters
        return [(name, theta[where].reshape(shape)) for name, where, shape in self.network_.parameter_slices]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")
