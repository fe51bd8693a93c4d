"""What `MLPClassifier` and `MLPRegressor` share: preparation of data, training, prediction."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from . import _options, rules
from ._inputs import Transform, accepted_dtypes, chunks, engine_rows, normalized
from ._presentation import epoch_order, hold_out, presentations, row_keys
from ._rates import RateSchedule, automatic_sdlm_rate, measure_eigenvalue
from ._targets import SIGMOIDS, round_significand
from ._training import EXPLOSION, History, Loop, Monitor, TrainingData, present, warn_of
from .layers import Dense
from .network import Network
from .normalizer import InputNormalizer

SGD_FRACTION = 0.5  # of 1/lambda_max, since single samples bend more than their mean
RESTARTS = 5
RESTART_FACTOR = 1 / 4
STREAM_STATISTICS = 1000  # partial_fit updates the normalisation until it has seen this many samples
RUNNING_BELOW = 100  # rows in the first call of partial_fit; with fewer, SDLM updates h sample by sample


class OnlineEstimator(BaseEstimator):
    """Base of the estimators: a network trained one sample at a time.

    Subclasses store the parameters and say how targets are coded (the methods of the first part).
    """

    network_: Network
    normalizer_: InputNormalizer | None
    lambda_max_: float | None
    loss_curve_: list[float]
    validation_loss_curve_: list[float]
    validation_scores_: list[float]
    _statistics_fixed: bool  # the normalisation no longer changes
    _n_counted: int  # samples that partial_fit has taken into the normalisation
    _rate: float  # the rate partial_fit goes on with
    _rng: np.random.Generator  # draws the orders, and goes on in partial_fit
    _rule: Any  # the rule of partial_fit, None before its first step

    # ---- what a subclass provides -------------------------------------------------------------------

    @abstractmethod
    def _check_options(self) -> None:
        """Check the parameters of the constructor."""

    @abstractmethod
    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """Check `X` and `y` and return them as arrays."""

    @abstractmethod
    def _start_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        """Choose how targets are coded; sets `n_outputs_`, `out_activation_` and `_loss_name`."""

    @abstractmethod
    def _code(self, y: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Targets (n, outputs) in the network's dtype."""

    @abstractmethod
    def _score_outputs(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        """Score of network outputs against `y`: accuracy or R^2."""

    def _update_targets(self, y: np.ndarray, weights: np.ndarray | None) -> None:
        """Take the values into the statistics of the targets, if there are any."""

    def _labels(self, y: np.ndarray) -> np.ndarray | None:
        """Class numbers (n,) of a classifier."""
        return None

    def _total_weights(self, labels: np.ndarray | None, weights: np.ndarray | None) -> np.ndarray | None:
        """Sample weights (n,) times class weights; None if every sample counts 1."""
        return weights

    # ---- fit ----------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        self._check_options()
        warm = bool(self.warm_start) and hasattr(self, "network_")
        X, y = self._validate(X, y, reset=not warm)
        weights = self._sample_weights(X, sample_weight)
        self._rng = rng = _generator(self.random_state)
        if not warm:
            self._start_targets(y, None)
        labels = self._labels(y)
        weights = self._total_weights(labels, weights)
        if weights is not None and not weights.any():
            raise ValueError(f"[{self._name}] some sample must have a positive weight; got zeros only")
        training, held_out = weights, None
        if self.early_stopping:
            training, held_out = hold_out(weights, labels, len(X), self.validation_fraction, rng)
        if not warm:
            self._update_targets(y, training)
            self._start_normalizer()
            if self.normalizer_ is not None and not self._frozen:
                self.normalizer_.fit(X, sample_weight=training)
            self._build_network(X.shape[1], rng)
        self._statistics_fixed = True
        self._rule = None
        T = self._code(y, labels)
        data = self._training_data(X, T, labels, training)
        validation = None
        if held_out is not None:
            validation = self._validation(X, T, y, held_out, weights)
        self._train(data, validation, rng, warm)

    def _sample_weights(self, X: np.ndarray, sample_weight: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weights.min() < 0:
            raise ValueError(f"[{self._name}] sample_weight must be >= 0; got {weights.min()}")
        return weights

    def _start_normalizer(self) -> None:
        """Set an unfitted `normalizer_`, or the fitted one of a FrozenEstimator, or None."""
        self._statistics_fixed = False
        if isinstance(self.normalize, FrozenEstimator):
            self.normalizer_ = self.normalize.estimator
        elif isinstance(self.normalize, InputNormalizer):
            self.normalizer_ = clone(self.normalize)
        else:
            self.normalizer_ = None if self.normalize is None else InputNormalizer(self.normalize)

    @property
    def _frozen(self) -> bool:
        return isinstance(self.normalize, FrozenEstimator)

    def _transform(self) -> Transform | None:
        if self.normalizer_ is None:
            return None
        shift, factor = self.normalizer_._affine()
        return round_significand(shift), round_significand(factor)

    def _build_network(self, n_features: int, rng: np.random.Generator) -> None:
        """A new `network_` for normalised inputs, with weights drawn from `rng`."""
        sizes = _options.layer_sizes(self._name, self.hidden_layer_sizes)
        transform = self._transform()
        n_inputs = n_features if transform is None or transform[1].ndim == 1 else len(transform[1])
        out_twist = self.twist if self.out_activation_ in SIGMOIDS else 0.0
        hidden = [Dense(size, self.activation, twist=self.twist) for size in sizes]
        self.network_ = Network(
            [*hidden, Dense(self.n_outputs_, self.out_activation_, twist=out_twist)],
            n_inputs,
            loss=self._loss_name,
            weight_init=self.weight_init,
            dtype=self.dtype,
            random_state=rng,
        )
        self.t_ = 0
        self.n_iter_ = 0
        self.loss_ = np.nan
        self.lambda_max_ = None
        self.best_loss_ = np.inf
        self.loss_curve_ = []
        self.validation_loss_curve_ = []
        self.validation_scores_ = []

    def _training_data(
        self, X: np.ndarray, T: np.ndarray, labels: np.ndarray | None, weights: np.ndarray | None
    ) -> TrainingData:
        rows, transform = engine_rows(X, self._transform(), self.network_.dtype, self._name)
        keys = None if self._sampling == "sequential" else row_keys(X, T)
        order, presentation_weights = presentations(weights, len(X), keys)
        return TrainingData(rows, T, transform, order, presentation_weights, labels)

    @property
    def _sampling(self) -> str:
        return "shuffle" if self.sampling == "auto" else self.sampling

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _validation(
        self, X: np.ndarray, T: np.ndarray, y: np.ndarray, held_out: np.ndarray, weights: np.ndarray | None
    ) -> Any:
        """A function that measures (loss, score) of the network on the rows `held_out`."""
        network = self.network_
        Z = normalized(X[held_out], self._transform(), network.dtype, self._name)
        T, y = T[held_out], y[held_out]
        w = None if weights is None else weights[held_out]

        def measure() -> tuple[float, float]:
            return network.loss(Z, T, w), self._score_outputs(network.forward(Z), y, w)

        return measure

    # ---- the epochs ---------------------------------------------------------------------------------

    def _train(self, data: TrainingData, validation: Any, rng: np.random.Generator, warm: bool) -> None:
        """Train for up to `max_iter` epochs; an automatic rate that proves too large is quartered."""
        network = self.network_
        monitor = Monitor(network, data, self._name)
        rate, automatic = self._start_rate(data, self.max_iter * len(data.rows) // self.batch_size)
        initial = network.parameters.copy()
        before = monitor.loss()
        presented = self.t_
        for attempt in range(RESTARTS + 1):
            rule = self._new_rule(rate, "epoch")
            schedule = RateSchedule(self.learning_rate, rate, self.max_iter, self.tol)
            limit = EXPLOSION * before if automatic and np.isfinite(before) else np.inf
            callbacks = _options.callback_list(self._name, self.callbacks)
            self.loss_ = before
            loop = Loop(
                self, network, data, rule, schedule, rng, self._sampling, callbacks, validation, limit
            )
            history = loop.run(lambda history: self._publish(history, presented))
            after = monitor.loss()
            complete = history.status in ("finished", "converged") and not warm
            # targets that hardly vary may leave nothing to undercut
            useless = complete and not after < max(monitor.constant_loss, before / 4)
            if not automatic or attempt == RESTARTS or not (useless or history.status == "diverged"):
                break
            network.parameters[:] = initial
            rate *= RESTART_FACTOR
        self._publish(history, presented)
        last = max(0, len(history.losses) - 1)
        self._rate = rate if self.learning_rate == "invscaling" else schedule.rate(last)
        self.learning_rates_ = _rates_of(rule, network)
        worse = complete and not after < before
        warn_of("not better" if worse else history.status, self._name, rate)

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
        if self.solver == "sdlm":
            rate = automatic_sdlm_rate(self.network_, n_updates)
        else:
            self.lambda_max_ = measure_eigenvalue(self.network_, data)
            rate = SGD_FRACTION / max(self.lambda_max_, 1e-3)
        # heavy-ball momentum multiplies the effective rate by 1 / (1 - momentum)
        return rate * (1 - self.momentum), True

    def _new_rule(self, rate: float, refresh: str) -> Any:
        options = {"momentum": self.momentum, "weight_decay": self.alpha}
        if self.solver == "sgd":
            return rules.SGD(rate, **options)
        return rules.SDLM(rate, refresh=refresh, **options)

    # ---- partial_fit --------------------------------------------------------------------------------

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: np.ndarray | None = None) -> None:
        """One pass over the rows; the subclass has checked the options and, for the first call, `classes`."""
        first = not hasattr(self, "network_")
        X, y = self._validate(X, y, reset=first)
        weights = self._sample_weights(X, sample_weight)
        if first:
            self._start_targets(y, classes)
            self._rng = _generator(self.random_state)
            self._start_normalizer()
            self._rule = None
        labels = self._labels(y)
        weights = self._total_weights(labels, weights)
        if not self._statistics_fixed:
            self._update_statistics(X, y, weights, first)
        if first:
            self._build_network(X.shape[1], self._rng)
        self._learn_chunk(self._training_data(X, self._code(y, labels), labels, weights))

    def _update_statistics(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, first: bool
    ) -> None:
        if self.normalizer_ is not None and not self._frozen:
            self.normalizer_.partial_fit(X, sample_weight=weights)
        self._update_targets(y, weights)
        self._n_counted = (0 if first else self._n_counted) + len(X)
        # Another number of principal directions, or another order of them, would not suit the weights.
        rotated = self.normalizer_ is not None and self.normalizer_.method_ == "decorrelate"
        self._statistics_fixed = rotated or self._n_counted >= STREAM_STATISTICS

    def _learn_chunk(self, data: TrainingData) -> None:
        if not len(data.rows):
            return
        network = self.network_
        automatic = isinstance(self.learning_rate_init, str)
        if not automatic or not hasattr(self, "_rate"):
            self._rate, _ = self._start_rate(data, None)
        kind = "invscaling" if self.learning_rate == "invscaling" else "constant"
        rate = RateSchedule(kind, self._rate, 1, self.tol).rate(self.n_iter_)
        if self._rule is None:
            self._rule = self._new_rule(rate, "epoch" if len(data.rows) >= RUNNING_BELOW else "running")
        self._rule.learning_rate = rate
        before = network.parameters.copy()
        order = epoch_order(data.rows, self._sampling, data.labels, self._rng)
        loss, status = present(self, network, data, self._rule, order)
        if status == "diverged":
            network.parameters[:] = before
            self._rule = None
            self._rate *= RESTART_FACTOR if automatic else 1
            warn_of("diverged", self._name, rate)
            return
        self.t_ += len(order)
        self.n_iter_ += 1
        self.loss_ = loss
        self.best_loss_ = min(self.best_loss_, loss)
        self.learning_rates_ = _rates_of(self._rule, network)

    # ---- after training -----------------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        """Network outputs (n, outputs) for raw inputs."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=accepted_dtypes(X), reset=False)
        network, transform = self.network_, self._transform()
        outputs = np.empty((len(X), network.n_outputs), network.dtype)
        for part in chunks(X):
            outputs[part] = network.forward(normalized(X[part], transform, network.dtype, self._name))
        return outputs

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights of each layer, (inputs, units): views of `network_.parameters`."""
        return [values.T for name, values in self._parameters() if name.endswith(".weights")]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of each layer, (units,): views of `network_.parameters`."""
        return [values for name, values in self._parameters() if name.endswith(".bias")]

    def _parameters(self) -> list[tuple[str, np.ndarray]]:
        if not hasattr(self, "network_"):
            raise AttributeError(f"[{self._name}] call fit first: there is no network yet")
        theta = self.network_.parameters
        return [(name, theta[where].reshape(shape)) for name, where, shape in self.network_.parameter_slices]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a model file, to be read by `ebp.load`.

        Parameters
        ----------
        path : str or path
        """
        from . import model_file

        check_is_fitted(self)
        model_file.save(self, path)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __getstate__(self) -> dict[str, Any]:
        # A rule holds buffers of the core (momentum, curvature) for `partial_fit`; a copy starts a new one.
        state = dict(super().__getstate__())
        if "_rule" in state:
            state["_rule"] = None
        return state


def _generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))


def _rates_of(rule: Any, network: Network) -> np.ndarray:
    """Effective rate of every parameter; the global rate if the rule has not taken a step."""
    rates = rule.learning_rates
    return np.full(network.n_parameters, rule.learning_rate) if rates is None else np.array(rates)
