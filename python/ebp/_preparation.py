"""What `MLPClassifier` and `MLPRegressor` do before training: data, weights, normalisation, the network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator

from . import _options
from ._blocks import block_rows
from ._callbacks import CallbackSupportMixin
from ._inputs import Transform, checked_sample_weight, engine_rows, fits_engine, is_large, normalized
from ._presentation import hold_out, mean_at_least_one, presentations, row_keys
from ._rbf import SAMPLES as CLUSTERED
from ._targets import SIGMOIDS, output_targets, round_significand
from ._training import TrainingData
from .layers import Dense, GaussianRBF, Layer
from .losses import Loss
from .network import Network
from .normalizer import InputNormalizer


class PreparedEstimator(CallbackSupportMixin, BaseEstimator):
    """Prepares data and network for the training of `OnlineEstimator`.

    Subclasses store the parameters and say how targets are coded (the methods of the first part).
    """

    network_: Network
    normalizer_: InputNormalizer | None
    solver_: str
    lambda_max_: float | None
    eta_: float | None
    learning_rates_: Any  # of every parameter, or None after a batch solver that has no rates
    loss_curve_: list[float]
    validation_loss_curve_: list[float]
    validation_scores_: list[float]
    _built: dict[str, Any]  # the parameters that shaped `network_` and its targets
    _epoch_length: int | None  # presentations that count as an epoch for schedules; None before the first
    _statistics_fixed: bool  # the normalisation no longer changes
    n_outputs_: int
    out_activation_: str
    _loss: Loss  # the loss in use
    _rng: np.random.Generator  # draws the orders, and goes on in partial_fit
    _rule: Any  # the rule of partial_fit, None before its first step

    def __init__(
        self,
        *,
        out_activation: Any,
        loss: Any,
        targets: Any,
        normalize: Any,
        weight_init: Any,
        twist: Any,
        center_hidden: Any,
        solver: Any,
        learning_rate: Any,
        learning_rate_init: Any,
        momentum: Any,
        batch_size: Any,
        sampling: Any,
        alpha: Any,
        max_iter: Any,
        tol: Any,
        n_iter_no_change: Any,
        early_stopping: Any,
        validation_fraction: Any,
        dtype: Any,
        engine: Any,
        n_threads: Any,
        warm_start: Any,
        callbacks: Any,
        verbose: Any,
        random_state: Any,
    ) -> None:
        self.out_activation = out_activation
        self.loss = loss
        self.targets = targets
        self.normalize = normalize
        self.weight_init = weight_init
        self.twist = twist
        self.center_hidden = center_hidden
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.batch_size = batch_size
        self.sampling = sampling
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.dtype = dtype
        self.engine = engine
        self.n_threads = n_threads
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.solver not in _options.BATCH_SOLVERS
        return tags

    # ---- what a subclass provides -------------------------------------------------------------------

    @abstractmethod
    def _check_options(self) -> None:
        """Check the parameters of the constructor."""

    @abstractmethod
    def _check_layers(self) -> None:
        """Check the parameters that say what the network consists of."""

    @property
    @abstractmethod
    def _gives_distances(self) -> bool:
        """Whether the outputs are distances to codes, of which the smallest wins."""

    @abstractmethod
    def _shape(self) -> dict[str, Any]:
        """The parameters that shape the network, in a form that can be compared."""

    @abstractmethod
    def _rows(self, X: Any, reset: bool) -> Any:
        """`X` with one row a sample; with `reset`, the shape of a sample is learnt."""

    @abstractmethod
    def _input_shape(self, n_inputs: int) -> tuple[int, ...]:
        """Shape of one normalised sample of so many values."""

    @abstractmethod
    def _given_output(self, n_outputs: Sequence[int]) -> Layer | None:
        """The output layer, if the parameters give one with a number of outputs that is in `n_outputs`."""

    @abstractmethod
    def _layers_below(self) -> list[Layer]:
        """The layers under an output layer that is not given."""

    @abstractmethod
    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """Check `X` and `y` and return them as arrays."""

    @abstractmethod
    def _checked_targets(self, y: np.ndarray, reset: bool) -> np.ndarray:
        """The part of `_validate` that is about an array `y`; unless `reset`, it must be of the same kind."""

    @abstractmethod
    def _start_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        """Choose how targets are coded; sets `n_outputs_`, `out_activation_` and `_loss`."""

    @abstractmethod
    def _code(self, y: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Targets (n, outputs) in the network's dtype."""

    @abstractmethod
    def _score_outputs(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        """Score of network outputs against `y`: accuracy or R^2."""

    def _update_targets(self, y: np.ndarray, weights: np.ndarray | None) -> None:
        """Take the values into the statistics of the targets, if there are any."""

    def _labels(self, y: np.ndarray) -> np.ndarray | None:
        """Class numbers (n,) of a classifier; of sets of labels, where somebody asks for them."""
        return None

    def _total_weights(self, labels: np.ndarray | None, weights: np.ndarray | None) -> np.ndarray | None:
        """Sample weights (n,) times class weights; None if every sample counts 1."""
        return weights

    # ---- one call of fit ----------------------------------------------------------------------------

    def _prepare(self, X: Any, y: Any, sample_weight: Any, warm: bool) -> tuple[TrainingData, Any]:
        """The data of `fit` and the function that measures on its validation rows, or None."""
        X, y = self._validate(X, y, reset=not warm)
        weights = self._sample_weights(X, sample_weight)
        if warm:
            self._check_architecture()
        else:
            self._start_targets(y, None)
        labels = self._labels(y)
        weights = self._total_weights(labels, weights)
        if weights is not None:
            if not weights.any():
                raise ValueError(f"[{self._name}] some sample must have a positive weight; got zeros only")
            weights = mean_at_least_one(weights)
        training, held_out = weights, None
        if self.early_stopping:
            training, held_out = hold_out(weights, labels, X.shape[0], self.validation_fraction, self._rng)
        if not warm:
            self._update_targets(y, training)
            self._start_normalizer()
            if self.normalizer_ is not None and not self._frozen:
                self.normalizer_.fit(X, sample_weight=training)
            self._build_network(X, training, self._rng)
        self._statistics_fixed = True
        self._rule = None
        T = self._code(y, labels)
        data = self._training_data(X, T, labels, training)
        return data, None if held_out is None else self._validation(X, T, y, held_out, weights)

    def _sample_weights(self, X: np.ndarray, sample_weight: Any) -> np.ndarray | None:
        return checked_sample_weight(self._name, sample_weight, X.shape[0])

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

    def _build_network(self, X: np.ndarray, weights: np.ndarray | None, rng: np.random.Generator) -> None:
        """A new `network_` for inputs like `X`, normalised, with weights drawn from `rng`."""
        transform = self._transform()
        n_inputs = X.shape[1] if transform is None or transform[1].ndim == 1 else len(transform[1])
        self._built = self._architecture()
        self.network_ = Network(
            self._all_layers(),
            self._input_shape(n_inputs),
            loss=self._loss,
            weight_init=self.weight_init,
            dtype=self.dtype,
            random_state=rng,
        )
        self._initialize_rbf(X, weights, rng)
        self.t_ = 0
        self._epoch_length = None
        self.n_iter_ = 0
        self.loss_ = np.nan
        self.lambda_max_ = None
        self.eta_ = None
        self.best_loss_ = np.inf
        self.loss_curve_ = []
        self.validation_loss_curve_ = []
        self.validation_scores_ = []

    def _all_layers(self) -> list[Layer]:
        given = self._given_output([self.n_outputs_])
        if given is None:
            twist = self.twist if self.out_activation_ in SIGMOIDS else 0.0
            given = Dense(self.n_outputs_, self.out_activation_, twist=twist)
        return [*self._layers_below(), given]

    def _output_targets(self) -> tuple[float, float]:
        """Targets (low, high) for the activation and the twist of the output layer."""
        targets = _options.checked_targets(self._name, self.targets)
        twist = getattr(self._all_layers()[-1], "twist", 0.0)
        return output_targets(self._name, targets, self.out_activation_, twist)

    def _initialize_rbf(self, X: Any, weights: np.ndarray | None, rng: np.random.Generator) -> None:
        """Start Gaussian units from clusters; where there are too few different samples they stay random."""
        if not any(isinstance(layer, GaussianRBF) for layer in self.network_.layers):
            return
        rows = np.arange(X.shape[0]) if weights is None else np.flatnonzero(weights > 0)
        if len(rows) > CLUSTERED:
            rows = rows[rng.choice(len(rows), CLUSTERED, replace=False)]
        Z = normalized(X[rows], self._transform(), self.network_.dtype, self._name)
        with suppress(ValueError):
            self.network_.initialize_rbf(Z, random_state=rng)

    def _architecture(self) -> dict[str, Any]:
        """The parameters that a network cannot change once it is built."""
        return {
            **self._shape(),
            "out_activation": str(self.out_activation),
            "loss": self.loss,
            "targets": _options.checked_targets(self._name, self.targets),
            "twist": float(self.twist),
            "dtype": _options.dtype_name(self.dtype),
        }

    def _check_architecture(self) -> None:
        """Raise ValueError if the parameters ask for another network than the one that is there."""
        for name, value in self._architecture().items():
            if value != self._built[name]:
                raise ValueError(
                    f"[{self._name}] {name} must stay {self._built[name]!r} while training goes on with the "
                    f"same network; got {value!r}"
                )

    def _automatic_activation(self, default: str) -> str:
        """Activation of the outputs: the one asked for, that of a given output layer, or `default`."""
        if self.out_activation != "auto":
            return self.out_activation
        given = self._given_output([self.n_outputs_])
        return default if given is None else getattr(given, "activation", "identity")

    def _training_data(
        self, X: Any, T: np.ndarray, labels: np.ndarray | None, weights: np.ndarray | None
    ) -> TrainingData:
        rows, transform, dtype = X, self._transform(), self.network_.dtype
        in_blocks = is_large(X) and not fits_engine(X, transform, dtype)
        if not in_blocks:
            rows, transform = engine_rows(X, transform, dtype, self._name)
        keys = None if self._sampling == "sequential" else row_keys(X, T)
        order, presentation_weights = presentations(weights, X.shape[0], keys)
        return TrainingData(rows, T, transform, order, presentation_weights, labels, keys, in_blocks)

    @property
    def _sampling(self) -> Any:
        return "shuffle" if self.sampling == "auto" else self.sampling

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _validation(
        self, X: np.ndarray, T: np.ndarray, y: np.ndarray, held_out: np.ndarray, weights: np.ndarray | None
    ) -> Any:
        """A function that measures (loss, score) of the network on the rows `held_out`."""
        network, T, y = self.network_, T[held_out], y[held_out]
        w = None if weights is None else weights[held_out]
        if is_large(X):
            return partial(self._measure_in_parts, X, held_out, T, y, w)
        Z = normalized(X[held_out], self._transform(), network.dtype, self._name)

        def measure() -> tuple[float, float]:
            return network.loss(Z, T, w), self._score_outputs(network.forward(Z), y, w)

        return measure

    def _measure_in_parts(
        self, X: Any, held_out: np.ndarray, T: np.ndarray, y: np.ndarray, weights: np.ndarray | None
    ) -> tuple[float, float]:
        """The same with few rows in memory at a time; `T`, `y` and `weights` are those of `held_out`."""
        network, transform = self.network_, self._transform()
        losses, outputs = np.empty(len(T)), np.empty((len(T), network.n_outputs), network.dtype)
        size = block_rows(X.shape[1], network.dtype.itemsize)
        for start in range(0, len(T), size):
            part = slice(start, start + size)
            Z = normalized(X[held_out[part]], transform, network.dtype, self._name)
            losses[part], outputs[part] = network.losses(Z, T[part]), network.forward(Z)
        return float(np.average(losses, weights=weights)), self._score_outputs(outputs, y, weights)


@contextmanager
def unchanged_on_error(estimator: PreparedEstimator) -> Iterator[None]:
    """Give the estimator its attributes back, and its normalisers theirs, if the block raises."""
    parts = [getattr(estimator, name, None) for name in ("normalizer_", "target_normalizer_")]
    owners: list[Any] = [estimator, *(part for part in parts if part is not None)]
    before = [(owner, dict(vars(owner))) for owner in owners]
    try:
        yield
    except BaseException:
        for owner, attributes in before:
            vars(owner).clear()
            vars(owner).update(attributes)
        raise
