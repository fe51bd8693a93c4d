"""What the classifiers share: labels, targets, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from . import _options
from ._callbacks import with_callbacks
from ._inputs import Transform, check_rectangular, validated
from ._single import Coder, SingleSamples
from ._solvers import learns_from_parts
from ._stream_score import StreamScores
from ._targets import (
    class_factors,
    class_targets,
    label_probabilities,
    label_sets,
    label_targets,
    probabilities,
)
from .losses import loss_name

if TYPE_CHECKING:
    from typing import Self

# What y is to be, in messages.
LABELS = "one label a sample, (n_samples,), or an indicator matrix of 0 and 1, (n_samples, n_labels)"
LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy", "hinge")
LABEL_LOSSES = ("squared_error", "binary_cross_entropy", "hinge")  # those that ask a question a label
SAMPLINGS = ("auto", "shuffle", "interleave", "emphasize", "sequential")


class OnlineClassifier(StreamScores, ClassifierMixin, SingleSamples):
    """Base of `MLPClassifier` and `NetworkClassifier`."""

    _losses: tuple[str, ...] = LOSSES
    _loss_name: str  # of the loss in use
    multilabel_: bool

    def __init__(self, *, class_weight: Any, **options: Any) -> None:
        super().__init__(**options)
        self.class_weight = class_weight

    @with_callbacks
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on samples `X` of the classes `y`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or ebp.streams object
            A C-contiguous array of the type `dtype` is used without a copy, also one on disk
            (`numpy.memmap`). Sparse matrices, as CSR, and arrays on disk of another type are made dense and
            normalised a few megabytes at a time, while others are trained on. Data that do not fit into
            memory come as a stream, which has y and sample_weight too: see `ebp.streams.Stream`.
        y : array-like of shape (n_samples,), or indicator matrix of shape (n_samples, n_labels)
            Labels of any kind, at least two different ones; or, for samples with any number of labels each,
            two or more columns of 0 and 1, dense or sparse. A single column is taken for labels.
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
            For wrong parameters or data, and for an indicator matrix with class_weight or a loss of classes
            that exclude each other; the estimator is as it was before.

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
    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train on each of the samples once, or emphasised, continuing from the present weights.

        The normalisation is updated with every call until 1,000 samples have been seen ("decorrelate": in
        the first call only, which must have more samples than features). If the first call has fewer than
        100 samples, SDLM updates its curvature with every sample (`refresh="running"`), else at the start of
        every call (`refresh="epoch"`).

        A change of solver, momentum, alpha or schedule between calls takes effect by a new rule: velocity and
        curvature start anew, as does an automatic rate after one of solver or momentum.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or ebp.streams object
            A stream, which has y and sample_weight too, is read once and learnt in blocks, each as by a call
            of its own.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        classes : array-like of shape (n_classes,)
            All labels that will ever come, for an indicator matrix 0, 1, ..., n_labels - 1; needed in the
            first call only.
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
        """Labels (n_samples,) of the samples `X` (n_samples, n_features).

        After an indicator matrix: an indicator matrix (n_samples, n_labels) of integers, 1 where the decision
        is positive and so the probability above 1/2.
        """
        return self._answers(self._outputs(X), None)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities (n_samples, n_classes); the columns follow `classes_`.

        cross_entropy: softmax of the outputs; binary_cross_entropy: logistic function, normalised.
        squared_error: proportional to softplus(10 u) / 10, where u = (output - low) / (high - low) is 0 at
        the target of the wrong and 1 at the target of the right class; single outputs of two classes take u
        and 1 - u. hinge: the same. map: softmax of the negative distances, the posteriors of a sample that
        belongs to some class.

        After an indicator matrix: the probability of each label (n_samples, n_labels), found for itself as
        that of `classes_[1]` of two classes with one output. Rows have any sum. It increases with the
        decision of the label, and is 1/2 where that is 0.
        """
        return self._probabilities(self._outputs(X))

    def predict_proba_one(self, x: Any) -> np.ndarray:
        """The row that ``predict_proba([x])`` has: probabilities (n_classes,) in the order of `classes_`.

        Of one sample, (n_features,) or of the shape of a sample; see `predict_one`.

        Examples
        --------
        >>> import numpy as np, ebp
        >>> X = np.linspace(-1, 1, 200)[:, np.newaxis]
        >>> clf = ebp.MLPClassifier((5,), random_state=0).fit(X, X[:, 0] > 0)
        >>> p = clf.predict_proba_one([0.5])
        >>> bool(p[1] > p[0])
        True
        """
        return self._probabilities(self._outputs_of_one(x, self._reader_of_one()))[0]

    def _probabilities(self, outputs: np.ndarray) -> np.ndarray:
        found = label_probabilities if self.multilabel_ else probabilities
        return found(outputs, self._loss_name, *self._targets)

    def decision_function(self, X: Any) -> np.ndarray:
        """Network outputs (n_samples, n_classes); for two classes (n_samples,), positive for `classes_[1]`.

        With two classes and one output the midpoint between the targets is subtracted, with two outputs their
        difference is taken. Distances to codes (loss "map") count negatively. After an indicator matrix:
        (n_samples, n_labels), each output less the midpoint between the targets, positive for 1.
        """
        return self._decisions(self._outputs(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # ---- targets --------------------------------------------------------------------------------------

    def _check_options(self) -> None:
        self._check_layers()
        _options.check_options(self, SAMPLINGS, self._losses)
        _options.check_class_options(self)

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X = self._rows(X, reset)
        y = y.toarray() if issparse(y) else y
        check_rectangular(self._name, y, LABELS)
        several = has_columns(y)
        X, y = validated(self, X, y, reset=reset, multi_output=several)
        return X, self._checked_targets(y, reset)

    def _checked_targets(self, y: np.ndarray, reset: bool) -> np.ndarray:
        y = self._indicators(y) if has_columns(y) else column_or_1d(y)
        if not reset:
            self._check_kind(y)
        # Words are labels in any case; of a small chunk, scikit-learn would warn that there are many.
        words = y.size > 0 and isinstance(y.flat[0], str)
        if y.ndim == 1 and (reset or not words):
            check_classification_targets(y)
        return y

    def _indicators(self, y: np.ndarray) -> np.ndarray:
        """`y` (n, n_labels) as integers."""
        ones = y == 1
        wrong = y[~(ones | (y == 0))]
        if len(wrong):
            raise ValueError(
                f"[{self._name}] y must be {LABELS}; got {wrong.tolist()[0]!r} in y of shape {y.shape}"
            )
        return ones.astype(np.int8)

    def _check_kind(self, y: np.ndarray) -> None:
        """Raise ValueError unless `y` is of the kind that the targets are made for."""
        if y.shape[1:] != ((self.n_outputs_,) if self.multilabel_ else ()):
            kind = (
                f"an indicator matrix of {self.n_outputs_} labels"
                if self.multilabel_
                else "one label a sample"
            )
            raise ValueError(f"[{self._name}] y must be {kind}, as in the first call; got shape {y.shape}")

    def _checked_classes(self, classes: np.ndarray) -> np.ndarray:
        if len(classes) < 2:
            raise ValueError(
                f"[{self._name}] the number of classes must be at least 2; got {len(classes)} class"
            )
        return classes

    def _start_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        self.multilabel_ = y.ndim == 2
        if self.multilabel_:
            self.classes_ = self._label_numbers(y.shape[1], classes)
            self.n_outputs_ = len(self.classes_)
        else:
            self.classes_ = self._checked_classes(np.unique(y)) if classes is None else classes
            n_classes = len(self.classes_)
            two_outputs = self._given_output([n_classes]) is not None
            self.n_outputs_ = 1 if n_classes == 2 and not two_outputs else n_classes
        self._loss = self._automatic_loss()
        self._loss_name = loss_name(self._loss)
        squared = self._loss_name == "squared_error"
        self.out_activation_ = self._automatic_activation("scaled_tanh" if squared else "identity")
        _options.check_outputs(self, self._loss_name, self.out_activation_)
        self._targets = _options.FIXED_TARGETS.get(self._loss_name) or self._output_targets()
        centred = self._loss_name in ("squared_error", "hinge")
        self._midpoint = sum(self._targets) / 2 if centred else 0.0

    def _label_numbers(self, n_labels: int, classes: np.ndarray | None) -> np.ndarray:
        """The columns of an indicator matrix, which `classes` must name if it is given."""
        numbers = np.arange(n_labels)
        if classes is not None and not np.array_equal(classes, numbers):
            raise ValueError(
                f"[{self._name}.partial_fit] classes must be 0 to {n_labels - 1} for an indicator matrix of "
                f"{n_labels} labels; got {classes}"
            )
        return numbers

    def _automatic_loss(self) -> Any:
        """The loss asked for, or the one that suits the outputs."""
        if self.multilabel_:
            return self._label_loss()
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

    def _label_loss(self) -> Any:
        """The loss of an indicator matrix, whose labels do not exclude each other."""
        if self._gives_distances:
            raise ValueError(
                f"[{self._name}] the last layer must have one output a label for an indicator matrix, not "
                "distances to codes, of which one wins; got an EuclideanRBF"
            )
        if loss_name(self.loss) not in ("auto", *LABEL_LOSSES):
            options = ", ".join(repr(name) for name in ("auto", *LABEL_LOSSES))
            raise ValueError(
                f"[{self._name}] loss must be one of {options} for an indicator matrix, whose labels do not "
                f"exclude each other; got {self.loss!r}"
            )
        return "squared_error" if self.loss == "auto" else self.loss

    def _labels(self, y: np.ndarray) -> np.ndarray | None:
        if self.multilabel_:  # numbers that tell sets of labels apart, which only these two ask for
            return label_sets(y) if self.early_stopping or self.sampling == "interleave" else None
        labels = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unseen = y[self.classes_[labels] != y]
        if len(unseen):
            raise ValueError(
                f"[{self._name}] every label must be one of the classes {self.classes_}; "
                f"got {np.unique(unseen)}"
            )
        return labels

    def _code(self, y: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        if self.multilabel_:
            return label_targets(y, *self._targets, self.dtype)
        assert labels is not None
        return class_targets(labels, self.n_outputs_, *self._targets, self.dtype)

    def _coder(self) -> Coder:
        if self.multilabel_:
            n_labels, targets, dtype = self.n_outputs_, self._targets, self.dtype

            def code(y: Any) -> np.ndarray | None:
                row = np.asarray(y)
                usual = (
                    row.shape == (n_labels,) and row.dtype.kind in "biuf" and ((row == 0) | (row == 1)).all()
                )
                return label_targets(row, *targets, dtype) if usual else None

            return code
        labels = np.arange(len(self.classes_))
        codes = dict(zip(self.classes_, self._code(self.classes_, labels), strict=True))

        def code_of(label: Any) -> np.ndarray | None:
            try:
                return codes.get(label)
            except TypeError:  # not hashable
                return None

        return code_of

    def _total_weights(self, labels: np.ndarray | None, weights: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weights
        if self.multilabel_:
            raise ValueError(
                f"[{self._name}] class_weight must be None for an indicator matrix, of whose labels a sample "
                f"has several; give sample_weight instead; got {self.class_weight!r}"
            )
        assert labels is not None
        factors = class_factors(self._name, self.class_weight, self.classes_, labels, weights)
        return factors[labels] if weights is None else factors[labels] * weights

    def _score_outputs(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        return float(accuracy_score(y, self._answers(outputs, None), sample_weight=weights))

    def _answers(self, outputs: np.ndarray, target_map: Transform | None) -> np.ndarray:
        return self._decide(self._decisions(outputs))

    def _decisions(self, outputs: np.ndarray) -> np.ndarray:
        """Scores (n, n_classes), or (n,) for two classes, that grow with the evidence for class or label."""
        if self.multilabel_:
            return outputs - outputs.dtype.type(self._midpoint)
        if outputs.shape[1] == 1:
            return outputs[:, 0] - outputs.dtype.type(self._midpoint)
        scores = -outputs if self._loss_name == "map" else outputs
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def _decide(self, decisions: np.ndarray) -> np.ndarray:
        """The label of the largest score, or all labels of positive scores."""
        if self.multilabel_:
            return (decisions > 0).astype(int)
        index = (decisions > 0).astype(np.intp) if decisions.ndim == 1 else decisions.argmax(axis=1)
        return self.classes_[index]


def has_columns(y: Any) -> bool:
    """Whether `y` has more than one column."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1
