"""`MLPRegressor`: a multilayer perceptron for values, trained online, as in Efficient BackProp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import validate_data

from . import _options
from ._estimator import OnlineEstimator
from ._inputs import Transform, accepted_dtypes
from ._targets import CURVATURE_POINTS, SIGMOIDS, round_significand
from .normalizer import InputNormalizer

LOSSES = ("squared_error",)
SAMPLINGS = ("auto", "shuffle", "sequential")


class MLPRegressor(RegressorMixin, OnlineEstimator):
    """Multilayer perceptron for one or several values, trained one sample at a time.

    Nothing needs to be configured: inputs and targets are normalised inside, weights start with standard
    deviation fan-in^(-1/2), samples are shuffled in every epoch, and each weight has its own learning rate
    from its curvature (stochastic diagonal Levenberg-Marquardt, SDLM).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; an empty tuple gives a single-layer network.
    activation : {"scaled_tanh", "tanh", "logistic", "relu", "identity"}, default="scaled_tanh"
        Of the hidden units; 1.7159 tanh(2x/3) keeps unit variance from layer to layer (section 4.4).
    out_activation : "auto" or an activation, default="auto"
        "auto" is identity: the values have no bounds.
    loss : {"auto", "squared_error"}, default="auto"
        Half the sum of squares over the outputs, of the standardised targets.
    targets : "auto" or (low, high), default="auto"
        Targets are mapped inside, output by output, and mapped back by `predict`. "auto": mean 0 and standard
        deviation 1; for relu outputs smallest value 0 instead of mean 0; for scaled_tanh, tanh and logistic
        outputs their range goes to the points of largest |f''| (section 4.5). A pair: their smallest value
        becomes low, their largest high.
    normalize : {"auto", "center", "standard", "global", "decorrelate", "zca", "minmax"}, None or \
InputNormalizer, default="auto"
        Normalisation of the inputs (section 4.3), learned from the training data. An `InputNormalizer` is
        cloned and fitted; a fitted one in `sklearn.frozen.FrozenEstimator` is used as it is.
    weight_init : {"lecun", "lecun_uniform", "xavier", "he", "lenet"} or ndarray, default="lecun"
        See `Network`.
    twist : float, default=0.0
        Slope of a linear term added to the sigmoids, against flat spots (section 4.4).
    solver : {"sdlm", "sgd"}, default="sdlm"
        SDLM (section 9.1) or plain stochastic gradient descent with one rate.
    learning_rate : {"auto", "constant", "invscaling", "adaptive"}, default="auto"
        Course over the epochs. "auto": falls linearly to a twentieth in `fit`, constant in `partial_fit`.
        "invscaling": divided by sqrt(epoch + 1). "adaptive": divided by 5 whenever two epochs in a row fail
        to lower the training loss by `tol`.
    learning_rate_init : "auto" or float, default="auto"
        First rate. "auto": for SDLM from the widths of the layers, 0.22 / (sum of fan-in + 1 over all layers
        but the first), at most 5e-3 and less for more than 100,000 updates; for SGD 0.5 / lambda_max,
        measured by eq (64). If training by an automatic rate diverges, raises the loss, or ends above the
        loss of constant outputs after more than 500 updates, it is restarted with a quarter of the rate.
    momentum : float, default=0.0
        Strength in [0, 1) of the heavy-ball term (section 4.7).
    batch_size : int, default=1
        Samples per update; 1 is online training.
    sampling : {"auto", "shuffle", "sequential"}, default="auto"
        Order of the samples (section 4.2). "auto" shuffles in every epoch, "sequential" keeps the order.
    alpha : float, default=0.0
        Weight decay, not applied to biases.
    max_iter : int, default=20
        Epochs at most.
    tol : float, default=1e-4
        Smallest change of loss or validation score that counts as an improvement.
    n_iter_no_change : int, default=5
        `fit` stops after so many epochs in a row without improvement.
    early_stopping : bool, default=False
        Hold out a part of the samples, watch the score there, and keep the best network.
    validation_fraction : float, default=0.1
        Part held out by early_stopping.
    dtype : {"float32", "float64"}, default="float32"
        Of the network. C-contiguous `X` of this type is not copied, unless its normalisation takes double
        precision: means above some 10,000 standard deviations, or values near the limits of the type.
    engine : {"auto", "streaming"}, default="auto"
        How the updates are carried out.
    n_threads : int, default=1
        Only 1 is available.
    warm_start : bool, default=False
        Continue from the weights of the last `fit`. Then, as in `partial_fit`, hidden_layer_sizes,
        activation, out_activation, loss, targets, twist and dtype must stay; normalize and weight_init,
        which a new network starts from, play no part.
    callbacks : callable, list of callables or None, default=None
        Called as `callback(estimator, epoch, logs)` after each epoch; logs has "loss", "learning_rate",
        "seconds", "samples_per_second" and, with early_stopping, "validation_loss" and "validation_score".
        Training stops if one returns a true value.
    verbose : {0, 1, 2}, default=0
        1: progress bar. 2: a line per epoch.
    random_state : int, RandomState, Generator or None, default=None
        Seed of weights, order and validation split.

    Attributes
    ----------
    network_ : Network
        Reads normalised inputs, gives mapped targets.
    normalizer_ : InputNormalizer or None
    target_normalizer_ : InputNormalizer
        Of the targets; with "minmax" a further step goes from [-1, 1] to the interval of `targets`.
    n_iter_ : int
        Epochs of the last `fit`, plus calls of `partial_fit` since.
    t_ : int
        Samples presented.
    loss_, best_loss_ : float
        Mean loss of the last and of the best epoch, in mapped targets, each sample measured before its
        update.
    loss_curve_ : list of float
        One loss per epoch of `fit`.
    validation_loss_curve_, validation_scores_ : list of float
        The same for the validation samples; empty without early_stopping.
    coefs_, intercepts_ : list of ndarray
        Weights (inputs, units) and biases (units,) of each layer.
    learning_rates_ : ndarray of shape (n_parameters,)
        Effective rate of each parameter in the last epoch, laid out like `network_.parameters`.
    lambda_max_ : float or None
        Largest eigenvalue of the Hessian; None unless an automatic SGD rate needed it.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    n_outputs_ : int
    out_activation_ : str

    Notes
    -----
    A copy, a pickle and a model file hold everything but the state of the update rule: the velocity of
    momentum and the running curvature of SDLM. The next `partial_fit` of the copy starts them anew, and so
    may learn a little differently from the original.

    References
    ----------
    LeCun, Bottou, Orr, Müller (1998), Efficient BackProp.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(500, 2))
    >>> y = np.sin(3 * X[:, 0]) + X[:, 1]
    >>> reg = MLPRegressor(random_state=0).fit(X, y)
    >>> reg.score(X, y) > 0.9
    True
    """

    _y_shape: tuple[int, ...]  # of one sample: () or (n_outputs,)

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        activation: str = "scaled_tanh",
        out_activation: str = "auto",
        loss: str = "auto",
        targets: Any = "auto",
        normalize: Any = "auto",
        weight_init: Any = "lecun",
        twist: float = 0.0,
        solver: str = "sdlm",
        learning_rate: Any = "auto",
        learning_rate_init: str | float = "auto",
        momentum: float = 0.0,
        batch_size: int = 1,
        sampling: str = "auto",
        alpha: float = 0.0,
        max_iter: int = 20,
        tol: float = 1e-4,
        n_iter_no_change: int = 5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        dtype: str = "float32",
        engine: str = "auto",
        n_threads: int = 1,
        warm_start: bool = False,
        callbacks: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.out_activation = out_activation
        self.loss = loss
        self.targets = targets
        self.normalize = normalize
        self.weight_init = weight_init
        self.twist = twist
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train on samples `X` with the values `y`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A C-contiguous array of the type `dtype` is used without a copy.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,) or None
            A sample of weight w counts like w samples: it is presented ceil(w) times, with its loss
            multiplied by w / ceil(w). Weights whose positive values have a mean below 1 are scaled to
            mean 1, so that equal weights are the same as none.

        Returns
        -------
        self : MLPRegressor

        Raises
        ------
        ValueError
            For wrong parameters or data; the estimator is as it was before.

        Warns
        -----
        ConvergenceWarning
            If training diverges, does not lower the loss, or does not reach that of constant outputs; the
            weights stay finite.
        UserWarning
            If Ctrl-C interrupted the training; the estimator is usable as it stands.
        """
        self._fit(X, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train on each of the samples once, continuing from the present weights.

        The normalisation of inputs and targets is updated with every call until 1,000 samples have been
        seen ("decorrelate": in the first call only, which must have more samples than features). If the first
        call has fewer than 100 samples, SDLM updates its curvature with every sample (`refresh="running"`),
        else at the start of every call (`refresh="epoch"`).

        A change of solver, momentum or alpha between calls takes effect by a new rule: velocity and curvature
        start anew, as does an automatic rate (unless only alpha changed).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,) or None
            As in `fit`, but never scaled: a single call does not tell what their mean will be.

        Returns
        -------
        self : MLPRegressor

        Raises
        ------
        ValueError
            For wrong parameters or data (the estimator is as it was before), for parameters that must stay
            (see warm_start), or another number of outputs than before.
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
        _options.check_options(self, SAMPLINGS, LOSSES)

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(
            self, X, y, dtype=accepted_dtypes(X), reset=reset, multi_output=True, y_numeric=True
        )
        if np.iscomplexobj(y):
            raise ValueError(f"[{self._name}] y must be real; got {y.dtype}")
        shape = y.shape[1:]
        if not reset and shape != self._y_shape:
            raise ValueError(
                f"[{self._name}] y must have the outputs of the first call, {self._y_shape}; got {shape}"
            )
        self._y_shape = shape
        return X, y

    def _start_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self.out_activation_ = "identity" if self.out_activation == "auto" else self.out_activation
        self._loss_name = "squared_error"
        interval = _options.target_pair(self._name, self.targets)
        if interval is None and self.out_activation_ in SIGMOIDS:
            interval = CURVATURE_POINTS[self.out_activation_]
        self._interval = interval
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
        shift, factor = self._target_map()
        return ((y.reshape(len(y), -1) - shift) * factor).astype(self.dtype)

    def _values(self, outputs: np.ndarray) -> np.ndarray:
        shift, factor = self._target_map()
        return (outputs / factor + shift).reshape(len(outputs), *self._y_shape)

    def _score_outputs(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        if len(y) < 2:  # R^2 needs two values; the score must still rank networks
            return -float(np.mean((self._values(outputs) - y) ** 2))
        return float(r2_score(y, self._values(outputs), sample_weight=weights))
