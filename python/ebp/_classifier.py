"""What the classifiers share: labels, targets, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from . import _options
from ._estimator import OnlineEstimator, learns_from_parts
from ._inputs import accepted_dtypes
from ._targets import CURVATURE_POINTS, class_factors, class_targets, probabilities
from .losses import loss_name

if TYPE_CHECKING:
    from typing import Self

LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy", "hinge")
SAMPLINGS = ("auto", "shuffle", "interleave", "emphasize", "sequential")


class OnlineClassifier(ClassifierMixin, OnlineEstimator):
    """Base of `MLPClassifier` and `NetworkClassifier`."""

    _losses: tuple[str, ...] = LOSSES
    _loss_name: str  # of the loss in use

    def __init__(self, *, class_weight: Any, **options: Any) -> None:
        super().__init__(**options)
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
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
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train on each of the samples once, or emphasised, continuing from the present weights.

        The normalisation is updated with every call until 1,000 samples have been seen ("decorrelate": in
        the first call only, which must have more samples than features). If the first call has fewer than
        100 samples, SDLM updates its curvature with every sample (`refresh="running"`), else at the start of
        every call (`refresh="epoch"`).

        A change of solver, momentum, alpha or schedule between calls takes effect by a new rule: velocity and
        curvature start anew, as does an automatic rate after one of solver or momentum.

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
        self : estimator

        Raises
        ------
        ValueError
            For wrong parameters or data (the estimator is as it was before), parameters that
            must stay (see warm_start), or labels that are not among the classes.
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
        return self._decide(self.decision_function(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities (n_samples, n_classes); the columns follow `classes_`.

        cross_entropy: softmax of the outputs; binary_cross_entropy: logistic function, normalised.
        squared_error: proportional to softplus(10 u) / 10, where u = (output - low) / (high - low) is 0 at
        the target of the wrong and 1 at the target of the right class; single outputs of two classes take u
        and 1 - u. hinge: the same. map: softmax of the negative distances, the posteriors of a sample that
        belongs to some class.
        """
        return probabilities(self._outputs(X), self._loss_name, *self._targets)

    def decision_function(self, X: Any) -> np.ndarray:
        """Network outputs (n_samples, n_classes); for two classes (n_samples,), positive for `classes_[1]`.

        With two classes and one output the midpoint between the targets is subtracted, with two outputs their
        difference is taken. Distances to codes (loss "map") count negatively.
        """
        return self._decisions(self._outputs(X))

    # ---- targets --------------------------------------------------------------------------------------

    def _check_options(self) -> None:
        self._check_layers()
        _options.check_options(self, SAMPLINGS, self._losses)
        _options.check_class_options(self)

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X = self._rows(X, reset)
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
        two_outputs = self._given_output([n_classes]) is not None
        self.n_outputs_ = 1 if n_classes == 2 and not two_outputs else n_classes
        self._loss = self._automatic_loss()
        self._loss_name = loss_name(self._loss)
        squared = self._loss_name == "squared_error"
        self.out_activation_ = self._automatic_activation("scaled_tanh" if squared else "identity")
        _options.check_outputs(self, self._loss_name, self.out_activation_)
        pair = _options.target_pair(self._name, self.targets)
        default = _options.FIXED_TARGETS.get(self._loss_name) or CURVATURE_POINTS[self.out_activation_]
        self._targets = default if pair is None else pair
        centred = self._loss_name in ("squared_error", "hinge")
        self._midpoint = sum(self._targets) / 2 if centred else 0.0

    def _automatic_loss(self) -> Any:
        """The loss asked for, or the one that suits the outputs."""
        if self.loss == "auto":
            return "map" if self._gives_distances else "squared_error"
        if (loss_name(self.loss) == "map") != self._gives_distances:
            raise ValueError(
                f"[{self._name}] loss must be 'auto', 'map' or ebp.losses.MAP(...) if the last layer is an "
                f"EuclideanRBF, and something else otherwise; got {self.loss!r}"
            )
        if self.loss == "cross_entropy" and self.n_outputs_ == 1:
            return "binary_cross_entropy"
        return self.loss

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
        return float(accuracy_score(y, self._decide(self._decisions(outputs)), sample_weight=weights))

    def _decisions(self, outputs: np.ndarray) -> np.ndarray:
        """Scores (n, n_classes), or (n,) for two classes, that grow with the evidence for a class."""
        if outputs.shape[1] == 1:
            return outputs[:, 0] - outputs.dtype.type(self._midpoint)
        scores = -outputs if self._loss_name == "map" else outputs
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def _decide(self, decisions: np.ndarray) -> np.ndarray:
        """The label of the largest score."""
        index = (decisions > 0).astype(np.intp) if decisions.ndim == 1 else decisions.argmax(axis=1)
        return self.classes_[index]
