"""What the regressors share: targets mapped inside and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from . import _options
from ._callbacks import with_callbacks
from ._inputs import Transform, check_rectangular, validated
from ._single import PLAIN, Coder, SingleSamples
from ._solvers import learns_from_parts
from ._stream_score import StreamScores
from ._targets import SIGMOIDS, round_significand
from .normalizer import InputNormalizer

if TYPE_CHECKING:
    from typing import Self

LOSSES = ("squared_error", "absolute_error", "huber")
SAMPLINGS = ("auto", "shuffle", "emphasize", "sequential")


class OnlineRegressor(StreamScores, RegressorMixin, SingleSamples):
    """Base of `MLPRegressor` and `NetworkRegressor`."""

    _y_shape: tuple[int, ...]  # of one sample: () or (n_outputs,)

    @with_callbacks
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on samples `X` with the values `y`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or ebp.streams object
            A C-contiguous array of the type `dtype` is used without a copy, also one on disk
            (`numpy.memmap`). Sparse matrices, as CSR, and arrays on disk of another type are made dense and
            normalised a few megabytes at a time, while others are trained on. Data that do not fit into
            memory come as a stream, which has y and sample_weight too: see `ebp.streams.Stream`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,) or None
            A sample of weight w counts like w samples: it is presented ceil(w) times, with its loss
            multiplied by w / ceil(w). Weights whose positive values have a mean below 1 are scaled to
            mean 1, so that equal weights are the same as none.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For wrong parameters or data; the estimator is as it was before.

        Warns
        -----
        ConvergenceWarning
            If training diverges, does not lower the loss, or does not reach that of constant outputs, or a
            batch solver has not converged after `max_iter` iterations; the weights stay finite.
        UserWarning
            If Ctrl-C interrupted the training; the estimator is usable as it stands.
        """
        self._fit(X, y, sample_weight)
        return self

    @available_if(learns_from_parts)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on each of the samples once, or emphasised, continuing from the present weights.

        The normalisation of inputs and targets is updated with every call until 1,000 samples have been
        seen ("decorrelate": in the first call only, which must have more samples than features). If the first
        call has fewer than 100 samples, SDLM updates its curvature with every sample (`refresh="running"`),
        else at the start of every call (`refresh="epoch"`).

        A change of solver, momentum, alpha or schedule between calls takes effect by a new rule: velocity and
        curvature start anew, as does an automatic rate after one of solver or momentum.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or ebp.streams object
            A stream, which has y and sample_weight too, is read once and learnt in blocks, each as by a call
            of its own.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,) or None
            As in `fit`, but never scaled: a single call does not tell what their mean will be.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For wrong parameters or data (the estimator is as it was before), parameters that
            must stay (see warm_start), or another number of outputs than before.
        """
        self._check_options()
        if self.early_stopping:
            raise ValueError(f"[{self._name}.partial_fit] early_stopping must be False; got True")
        self._partial_fit(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Values (n_samples,) or (n_samples, n_outputs), float64, of the samples `X`."""
        return self._values(self._outputs(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # ---- targets --------------------------------------------------------------------------------------

    def _check_options(self) -> None:
        self._check_layers()
        _options.check_options(self, SAMPLINGS, LOSSES)

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X = self._rows(X, reset)
        check_rectangular(self._name, y, "of shape (n_samples,) or (n_samples, n_outputs)")
        X, y = validated(self, X, y, reset=reset, multi_output=True, y_numeric=True)
        return X, self._checked_targets(y, reset)

    def _checked_targets(self, y: np.ndarray, reset: bool) -> np.ndarray:
        if y.dtype.kind not in "biuf":
            raise ValueError(f"[{self._name}] y must be real numbers; got {y.dtype}")
        shape = y.shape[1:]
        if not reset and shape != self._y_shape:
            raise ValueError(
                f"[{self._name}] y must have the outputs of the first call, {self._y_shape}; got {shape}"
            )
        if reset:
            self._y_shape = shape
        return y

    def _start_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self.out_activation_ = self._automatic_activation("identity")
        self._loss = "squared_error" if self.loss == "auto" else self.loss
        automatic = _options.checked_targets(self._name, self.targets) == "auto"
        standardised = automatic and self.out_activation_ not in SIGMOIDS
        self._interval = interval = None if standardised else self._output_targets()
        self.target_normalizer_ = InputNormalizer("standard" if interval is None else "minmax")

    def _update_targets(self, y: np.ndarray, weights: np.ndarray | None) -> None:
        self.target_normalizer_.partial_fit(y.reshape(len(y), -1), sample_weight=weights)

    def _target_map(self) -> Transform:
        """`(shift, factor)`, each (outputs,), of the map t = (y - shift) * factor."""
        shift, factor = self.target_normalizer_._affine()
        if self._interval is None and self.out_activation_ == "relu":
            shift = self.target_normalizer_._moments.low  # these outputs are never negative
        if self._interval is not None:  # from [-1, 1], where "minmax" puts the values, to the interval
            low, high = self._interval
            factor = factor * (high - low) / 2
            shift = shift - (low + high) / 2 / factor
        return round_significand(shift), round_significand(factor)

    def _code(self, y: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        return _mapped(y.reshape(len(y), -1), self._target_map(), self.dtype)

    def _coder(self) -> Coder:
        shape, target_map, dtype = self._y_shape, self._target_map(), self.dtype

        def code(y: Any) -> np.ndarray | None:
            value = np.asarray(y)
            usual = value.shape == shape and value.dtype.char in PLAIN
            return _mapped(value.reshape(-1), target_map, dtype) if usual else None

        return code

    def _values(self, outputs: np.ndarray) -> np.ndarray:
        return self._answers(outputs, self._target_map())

    def _answers(self, outputs: np.ndarray, target_map: Transform | None) -> np.ndarray:
        assert target_map is not None
        shift, factor = target_map
        return (outputs / factor + shift).reshape(len(outputs), *self._y_shape)

    def _score_outputs(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        if len(y) < 2:  # R^2 needs two values; the score must still rank networks
            return -float(np.mean((self._values(outputs) - y) ** 2))
        return float(r2_score(y, self._values(outputs), sample_weight=weights))


def _mapped(values: np.ndarray, target_map: Transform, dtype: np.dtype | str) -> np.ndarray:
    """Targets of values (..., n_outputs)."""
    shift, factor = target_map
    return ((values - shift) * factor).astype(dtype)
