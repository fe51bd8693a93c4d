"""`MLPClassifier`: a multilayer perceptron trained online, as in Efficient BackProp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from . import _options
from ._estimator import OnlineEstimator
from ._inputs import accepted_dtypes
from ._targets import CURVATURE_POINTS, class_factors, class_targets, probabilities

LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy")
SAMPLINGS = ("auto", "shuffle", "interleave", "sequential")


class MLPClassifier(ClassifierMixin, OnlineEstimator):
    """Multilayer perceptron classifier, trained one sample at a time by the recipe of the paper.

    Nothing needs to be configured: inputs are normalised inside, targets sit where the output sigmoid bends
    most, weights start with standard deviation fan-in^(-1/2), samples are shuffled in every epoch, and each
    weight has its own learning rate from its curvature (stochastic diagonal Levenberg-Marquardt, SDLM).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; an empty tuple gives a single-layer network.
    activation : {"scaled_tanh", "tanh", "logistic", "relu", "identity"}, default="scaled_tanh"
        Of the hidden units; 1.7159 tanh(2x/3) keeps unit variance from layer to layer (section 4.4).
    out_activation : "auto" or an activation, default="auto"
        "auto": scaled_tanh for squared_error; identity for the cross entropies, which allow nothing else.
    loss : {"auto", "squared_error", "cross_entropy", "binary_cross_entropy"}, default="auto"
        "auto" is squared_error, the loss of the paper. cross_entropy is softmax regression (for two classes
        in its equivalent logistic form); binary_cross_entropy treats each class as one yes/no question.
    targets : "auto" or (low, high), default="auto"
        Targets of squared_error for the wrong and the right class. "auto": the points of largest |f''| of the
        output activation, -1 and 1 for scaled_tanh (section 4.5). The cross entropies use 0 and 1.
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
    sampling : {"auto", "shuffle", "interleave", "sequential"}, default="auto"
        Order of the samples (section 4.2). "auto" shuffles in every epoch, "interleave" moreover avoids
        neighbours of one class, "sequential" keeps the given order.
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
        Part held out by early_stopping, drawn from every class.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes; "balanced" makes them count the same ("balanced" only in `fit`).
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
    classes_ : ndarray of shape (n_classes,)
    network_ : Network
        Reads normalised inputs. Two classes have one output, more have one output each.
    normalizer_ : InputNormalizer or None
    n_iter_ : int
        Epochs of the last `fit`, plus calls of `partial_fit` since.
    t_ : int
        Samples presented.
    loss_, best_loss_ : float
        Mean loss of the last and of the best epoch, each sample measured before its update.
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
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier(hidden_layer_sizes=(10,), random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.95
    True
    >>> clf.predict(X[:3])
    array([0, 0, 0])
    """

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
        class_weight: Any = None,
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
        self.class_weight = class_weight
        self.dtype = dtype
        self.engine = engine
        self.n_threads = n_threads
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Train on samples `X` of the classes `y`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A C-contiguous array of the type `dtype` is used without a copy.
        y : array-like of shape (n_samples,)
            Labels of any kind, at least two different ones.
        sample_weight : array-like of shape (n_samples,) or None
            A sample of weight w counts like w samples: it is presented ceil(w) times, with its loss
            multiplied by w / ceil(w). Weights (times class weights) whose positive values have a mean
            below 1 are scaled to mean 1, so that equal weights are the same as none.

        Returns
        -------
        self : MLPClassifier

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

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MLPClassifier:
        """Train on each of the samples once, continuing from the present weights.

        The normalisation is updated with every call until 1,000 samples have been seen ("decorrelate": in
        the first call only, which must have more samples than features). If the first call has fewer than
        100 samples, SDLM updates its curvature with every sample (`refresh="running"`), else at the start of
        every call (`refresh="epoch"`).

        A change of solver, momentum or alpha between calls takes effect by a new rule: velocity and curvature
        start anew, as does an automatic rate (unless only alpha changed).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,)
            All labels that will ever come; needed in the first call only.
        sample_weight : array-like of shape (n_samples,) or None
            As in `fit`, but never scaled: a single call does not tell what their mean will be.

        Returns
        -------
        self : MLPClassifier

        Raises
        ------
        ValueError
            For wrong parameters or data (the estimator is as it was before), for parameters that must stay
            (see warm_start), or labels that are not among the classes.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> clf = MLPClassifier(hidden_layer_sizes=(4,), random_state=0)
        >>> for _ in range(2000):
        ...     x = rng.normal(size=(1, 2))
        ...     clf = clf.partial_fit(x, x[:, 0] > 0, classes=[False, True])
        >>> clf.predict([[2.0, 0.0], [-2.0, 0.0]])
        array([ True, False])
        """
        self._check_options()
        if self.early_stopping:
            raise ValueError(f"[{self._name}.partial_fit] early_stopping must be False; got True")
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"[{self._name}.partial_fit] class_weight must be None or a dict, for the frequencies of the "
                f"classes are not known in advance; got {self.class_weight!r}"
            )
        first = not hasattr(self, "network_")
        if classes is not None:
            classes = self._checked_classes(np.unique(column_or_1d(classes)))
            if not first and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"[{self._name}.partial_fit] classes must be those of the first call, {self.classes_}; "
                    f"got {classes}"
                )
        elif first:
            raise ValueError(f"[{self._name}.partial_fit] classes must be given in the first call; got None")
        self._partial_fit(X, y, sample_weight, classes if first else None)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n_samples,) of the samples `X` (n_samples, n_features)."""
        outputs = self.decision_function(X)
        index = (outputs > 0).astype(np.intp) if outputs.ndim == 1 else outputs.argmax(axis=1)
        return self.classes_[index]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities (n_samples, n_classes); the columns follow `classes_`.

        cross_entropy: softmax of the outputs; binary_cross_entropy: logistic function, normalised.
        squared_error: proportional to softplus(10 u) / 10, where u = (output - low) / (high - low) is 0 at
        the target of the wrong and 1 at the target of the right class; two classes take u and 1 - u.
        """
        return probabilities(self._outputs(X), self._loss_name, *self._targets)

    def decision_function(self, X: Any) -> np.ndarray:
        """Network outputs (n_samples, n_classes); for two classes (n_samples,), positive for `classes_[1]`.

        With two classes the midpoint between the targets is subtracted (squared_error).
        """
        outputs = self._outputs(X)
        if outputs.shape[1] > 1:
            return outputs
        return outputs[:, 0] - outputs.dtype.type(self._midpoint)

    # ---- targets --------------------------------------------------------------------------------------

    def _check_options(self) -> None:
        _options.check_options(self, SAMPLINGS, LOSSES)
        _options.check_class_options(self)

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, dtype=accepted_dtypes(X), reset=reset)
        y = column_or_1d(y)
        check_classification_targets(y)
        return X, y

    def _checked_classes(self, classes: np.ndarray) -> np.ndarray:
        if len(classes) < 2:
            raise ValueError(
                f"[{self._name}] the number of classes must be at least 2; got {len(classes)} class"
            )
        return classes

    def _start_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        self.classes_ = self._checked_classes(np.unique(y)) if classes is None else classes
        n_classes = len(self.classes_)
        self.n_outputs_ = 1 if n_classes == 2 else n_classes
        self._loss_name = "squared_error" if self.loss == "auto" else self.loss
        if self._loss_name == "cross_entropy" and n_classes == 2:
            self._loss_name = "binary_cross_entropy"
        squared = self._loss_name == "squared_error"
        self.out_activation_ = self.out_activation
        if self.out_activation == "auto":
            self.out_activation_ = "scaled_tanh" if squared else "identity"
        pair = _options.target_pair(self._name, self.targets)
        default = CURVATURE_POINTS[self.out_activation_] if squared else (0.0, 1.0)
        self._targets = default if pair is None else pair
        self._midpoint = sum(self._targets) / 2 if squared else 0.0

    def _labels(self, y: np.ndarray) -> np.ndarray:
        labels = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unseen = y[self.classes_[labels] != y]
        if len(unseen):
            raise ValueError(
                f"[{self._name}] every label must be one of the classes {self.classes_}; "
                f"got {np.unique(unseen)}"
            )
        return labels

    def _code(self, y: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        assert labels is not None
        return class_targets(labels, self.n_outputs_, *self._targets, self.dtype)

    def _total_weights(self, labels: np.ndarray | None, weights: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weights
        assert labels is not None
        factors = class_factors(self._name, self.class_weight, self.classes_, labels, weights)
        return factors[labels] if weights is None else factors[labels] * weights

    def _score_outputs(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        if outputs.shape[1] == 1:
            index = (outputs[:, 0] > self._midpoint).astype(np.intp)
        else:
            index = outputs.argmax(axis=1)
        return float(accuracy_score(y, self.classes_[index], sample_weight=weights))
