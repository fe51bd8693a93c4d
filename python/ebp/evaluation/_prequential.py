"""Predict, then learn: the error of a learner on a stream."""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import _is_fitted, _num_samples
from tqdm import tqdm

from ebp._checks import check_choice, check_verbose

from ._prequential_result import PrequentialResult
from ._stream import Chunk, are_arrays, check_stream, chunks, dense

Metric = Callable[[np.ndarray, np.ndarray], Any]


def _check_shape(y: np.ndarray, predictions: np.ndarray) -> None:
    """Raise ValueError where a metric would broadcast."""
    if predictions.shape != y.shape:
        raise ValueError(
            f"[prequential] predictions must have the shape of y, {y.shape}; got {predictions.shape}"
        )


def _differences(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Errors (n, outputs)."""
    _check_shape(y, predictions)
    return (predictions - y).reshape(len(y), -1)


def _right(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Whether the label, or all labels, of each sample are right (n,)."""
    _check_shape(y, predictions)
    return (predictions == y).reshape(len(y), -1).all(axis=1)


METRICS: dict[str, Metric] = {
    "accuracy": _right,
    "squared_error": lambda y, predictions: (_differences(y, predictions) ** 2).mean(axis=1),
    "absolute_error": lambda y, predictions: np.abs(_differences(y, predictions)).mean(axis=1),
}
ERRORS = ("squared_error", "absolute_error")  # the metrics of values
RESPONSES = ("predict", "predict_proba", "decision_function")


def prequential(
    estimator: Any,
    stream: Any,
    *,
    chunk_size: int | None = None,
    classes: Any = None,
    metric: str | Metric | None = None,
    response_method: str = "predict",
    keep_predictions: bool = True,
    verbose: int = 0,
) -> PrequentialResult:
    """Predict every chunk of a stream, score the predictions, then learn from it (Dawid 1984).

    All samples serve as test samples before they serve as training samples, so that the error is one of
    generalisation without a part held out, and shows at any time how well the estimator does then. Learning
    sample by sample follows a target that moves, batch learning does not (section 4.1).

    Parameters
    ----------
    estimator : estimator with partial_fit
        Of ebp or scikit-learn; it is trained itself, not a clone. If it has learnt nothing yet, the first
        chunk is only learnt.
    stream : iterable, or tuple of arrays
        Items are chunks (X, y) or (X, y, sample_weight), with X of shape (n, n_features) or
        (n, \\*input_shape) and y of shape (n,) or (n, n_outputs); or single samples (x, y): an item is a
        sample if y is a scalar or x has one axis. Empty chunks are left out. A tuple of arrays (X, y) or
        (X, y, sample_weight) is divided by `chunk_size`. Of an endless stream take a part:
        `itertools.islice(stream, 100_000)`.
    chunk_size : int, default=None
        Of a tuple of arrays; None: one sample at a time.
    classes : array-like of shape (n_classes,), default=None
        All labels that will ever come, for a classifier that has learnt nothing yet; 0, 1, ..., n_labels - 1
        for indicator matrices. None: those in y if the stream is a tuple of arrays.
    metric : {"accuracy", "squared_error", "absolute_error"}, callable or None, default=None
        Score of a sample. None: "accuracy" for classifiers, which is 1 for a right label and 0 for a wrong
        one, of an indicator matrix 1 if all labels of the sample are right; and else "squared_error", of
        several outputs the mean. "accuracy" is not for regressors. A callable `metric(y, predictions)`
        returns one number a sample, (n,).
    response_method : {"predict", "predict_proba", "decision_function"}, default="predict"
        What gives the predictions. For all but "predict" the metric must be a callable.
    keep_predictions : bool, default=True
        False for long streams: predictions and targets are not kept, and memory grows by 8 bytes a sample.
    verbose : {0, 1}, default=0
        1: progress bar.

    Returns
    -------
    PrequentialResult

    Raises
    ------
    ValueError
        For wrong parameters, chunks whose parts differ in length, a stream with no sample to predict, or
        labels beyond the classes (from `partial_fit`).
    TypeError
        For an estimator without partial_fit, a class instead of an estimator, or something that is no stream.

    Warns
    -----
    UserWarning
        If Ctrl-C interrupted the stream; the result holds the samples until then.

    Notes
    -----
    Means are weighted by sample_weight, where there is one.

    Nearly all the time goes into the two calls of the estimator. With ebp's, a single sample takes about a
    millisecond, which is the checking of arguments, and in chunks of 100 some fifty times less a sample: the
    same updates after every sample, but predictions that are up to 100 samples late.

    Inputs whose scale drifts are another matter than targets that do: ebp's estimators fix their
    normalisation after 1,000 samples. `bench/experiments/drift.py` measures both.

    References
    ----------
    Dawid (1984), Statistical theory: the prequential approach. J. Royal Statistical Society A 147.

    Examples
    --------
    >>> import ebp
    >>> X, y = ebp.datasets.load_digits()
    >>> result = ebp.evaluation.prequential(ebp.MLPClassifier(random_state=0), (X, y), chunk_size=50)
    >>> result.n_first, len(result.scores)
    (50, 1747)
    >>> bool(result.chunk_scores[0] < 0.8), bool(result.chunk_scores[-5:].mean() > 0.9)
    (True, True)
    """
    check_stream(stream)
    run = _Run(estimator, stream, classes, metric, response_method, keep_predictions)
    check_verbose("prequential", verbose)
    parts = chunks(stream, chunk_size)
    total = _num_samples(stream[1]) if are_arrays(stream) else None
    with tqdm(total=total, unit="sample", disable=verbose != 1) as bar:
        try:
            for chunk in parts:
                run.take(chunk)
                bar.update(len(chunk[1]))
        except KeyboardInterrupt:
            text = (
                f"the stream was interrupted after {run.n_scored} samples were scored; the result holds these"
            )
            warnings.warn(f"[prequential] {text}", UserWarning, stacklevel=2)
            return run.result()
    if not run.n_scored:
        raise ValueError(
            "[prequential] stream must have a chunk that is predicted, and by an estimator that has learnt "
            f"nothing yet the first one is only learnt; got {run.n_first} samples"
        )
    return run.result()


class _Run:
    """One pass over a stream."""

    def __init__(
        self,
        estimator: Any,
        stream: Any,
        classes: Any,
        metric: Any,
        response_method: str,
        keep_predictions: bool,
    ) -> None:
        self.estimator = estimator
        self.learnt = _has_learnt(estimator)
        needed = is_classifier(estimator) and not self.learnt
        self.options: dict[str, Any] = _first_options(stream, classes, needed)
        self.metric, self.name = _checked_metric(metric, estimator, response_method)
        check_choice("prequential", "response_method", response_method, RESPONSES)
        if not hasattr(estimator, response_method):
            raise TypeError(
                f"[prequential] estimator must have {response_method}; got {type(estimator).__name__}"
            )
        self.respond = getattr(estimator, response_method)
        self.keep = keep_predictions
        self.n_first = 0
        self.scores = array("d")
        self.sizes = array("q")
        self.weights: array[float] | None = None
        self.predictions: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []

    @property
    def n_scored(self) -> int:
        return len(self.scores)

    def take(self, chunk: Chunk) -> None:
        """Predict, score and learn a chunk."""
        X, y, weights = chunk
        if self.learnt:
            self._score(X, y, weights)
        else:
            self.n_first = len(y)
            self.learnt = True
        options, self.options = self.options, {}
        if weights is not None:
            options["sample_weight"] = weights
        self.estimator.partial_fit(X, y, **options)

    def _score(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
        predicted = np.asarray(self.respond(X))
        scores = np.asarray(self.metric(y, predicted))
        if scores.shape != (len(y),) or scores.dtype.kind not in "fiub":
            raise ValueError(
                f"[prequential] metric must give one number for each of {len(y)} samples; "
                f"got {scores.dtype} {scores.shape}"
            )
        if weights is not None or self.weights is not None:
            self._weigh(weights, len(y))
        self.scores.extend(scores.tolist())
        self.sizes.append(len(y))
        if self.keep:
            self.predictions.append(predicted)
            self.targets.append(y)

    def _weigh(self, weights: np.ndarray | None, n: int) -> None:
        """Chunks without weights, before or after others that have some, count 1 a sample."""
        if self.weights is None:
            self.weights = array("d", [1.0]) * len(self.scores)
        self.weights.extend([1.0] * n if weights is None else weights.tolist())

    def result(self) -> PrequentialResult:
        kept = self.keep and self.n_scored > 0
        return PrequentialResult(
            scores=np.array(self.scores, np.float64),
            chunk_sizes=np.array(self.sizes, np.intp),
            n_first=self.n_first,
            metric=self.name,
            sample_weight=None if self.weights is None else np.array(self.weights, np.float64),
            predictions=np.concatenate(self.predictions) if kept else None,
            targets=np.concatenate(self.targets) if kept else None,
        )


def _has_learnt(estimator: Any) -> bool:
    """Whether the estimator, which must have partial_fit, can predict."""
    if isinstance(estimator, type):
        name = estimator.__name__
        raise TypeError(f"[prequential] estimator must be an object, {name}(...); got the class {name}")
    try:
        _ = estimator.partial_fit
    except AttributeError as error:
        raise TypeError(
            f"[prequential] estimator must have partial_fit; got {type(estimator).__name__}: "
            f"{error.__cause__ or error}"
        ) from error
    return bool(_is_fitted(estimator))


def _first_options(stream: Any, classes: Any, needed: bool) -> dict[str, Any]:
    """What the first call of partial_fit gets besides the samples."""
    if classes is None and needed:
        if not are_arrays(stream):
            raise ValueError(
                "[prequential] classes must be given for a classifier that has learnt nothing yet, unless "
                "stream is a tuple of arrays (X, y); got None"
            )
        classes = _classes(dense(stream[1]))
    return {} if classes is None else {"classes": classes}


def _classes(y: np.ndarray) -> np.ndarray:
    """Labels, or numbers of the columns of an indicator matrix, which need not hold both 0 and 1."""
    several = y.ndim == 2 and y.shape[1] > 1
    return np.arange(y.shape[1]) if several and np.isin(y, (0, 1)).all() else np.unique(y)


def _checked_metric(metric: Any, estimator: Any, response_method: str) -> tuple[Metric, str]:
    """The metric and its name."""
    if callable(metric):
        return metric, getattr(metric, "__name__", type(metric).__name__)
    name = ("accuracy" if is_classifier(estimator) else "squared_error") if metric is None else metric
    if is_regressor(estimator):
        check_choice("prequential", "metric of a regressor", name, ERRORS, "a callable")
    check_choice("prequential", "metric", name, tuple(METRICS), "a callable")
    if response_method != "predict":
        raise ValueError(
            f"[prequential] metric must be a callable with response_method={response_method!r}; "
            f"got {metric!r}"
        )
    return METRICS[name], name
