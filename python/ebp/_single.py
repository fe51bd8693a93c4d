"""Single samples of a stream: `learn_one` and `predict_one` of the estimators.

What `partial_fit` and `predict` find out anew in every call, at hundreds of times the cost of an update, is
kept between the calls here. Whatever is unusual goes through them: it is learnt or refused as they do.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._inputs import Transform
from ._solvers import learns_from_parts, stream_solver
from ._stream_fit import StreamEstimator
from ._training import EXPLOSION

PLAIN = "?bBhHiIlLqQefd"  # types that float64 holds as they are, or rounds as a conversion of many rows does
# Normalised inputs and losses beyond these are left to partial_fit: an update may overflow.
LARGEST_NORM = 1e5
LARGEST_LOSS = 1e6

Coder = Callable[[Any], np.ndarray | None]


class SingleSamples(StreamEstimator):
    """What the estimators do with one sample at a time."""

    @abstractmethod
    def _coder(self) -> Coder:
        """A function of one `y` that gives its targets (n_outputs,), or None if it is not of the usual kind.

        It must not refer to the estimator, which keeps it.
        """

    @abstractmethod
    def _answers(self, outputs: np.ndarray, target_map: Transform | None) -> np.ndarray:
        """What `predict` makes of outputs (n, n_outputs)."""

    def _target_map(self) -> Transform | None:
        """`(shift, factor)` of the targets, of which only a regressor has some."""
        return None

    def learn_one(self, x: Any, y: Any) -> float:
        """Learn from one sample of a stream, as ``partial_fit([x], [y])`` does, in a few microseconds.

        `fit` or `partial_fit` must have started the estimator: a classifier has to know its classes. The
        first call after `fit` or a change of solver, momentum, alpha or schedule, and all calls while
        `partial_fit` still learns the normalisation (the first 1,000 samples) take its whole way, as every
        call does with class_weight. Else the weights become the same bits as by `partial_fit` with
        batch_size=1 and n_threads=1, unless the inputs are rotated (normalize="decorrelate" or "zca") with
        dtype="float64"; then, and with other batches, threads or the blocked engine, they differ by rounding.
        Only after a first `partial_fit` of 100 samples or more does SDLM differ: the curvature measured last
        goes on as a running mean (62), where `partial_fit` would measure it anew from the one sample.
        `learning_rates_` stays that of the last `partial_fit`.

        Parameters
        ----------
        x : array-like of shape (n_features,), or of the shape of a sample
        y : label, number, or array-like of shape (n_labels,) or (n_outputs,)
            What a row of the `y` of `partial_fit` is.

        Returns
        -------
        float
            The loss before the update, which `loss_` has too; NaN if nothing was learnt.

        Raises
        ------
        ValueError
            As `partial_fit` does: for another number of features, values that are not finite, labels that
            are not among the classes, or a classifier that has not been started.

        Warns
        -----
        ConvergenceWarning
            If the update diverged; the weights stay as they were.

        Examples
        --------
        >>> import numpy as np, ebp
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(3000, 2))
        >>> y = np.where(X[:, 0] > X[:, 1], "left", "right")
        >>> clf = ebp.MLPClassifier((4,), random_state=0).partial_fit(X[:1000], y[:1000], ["left", "right"])
        >>> for features, label in zip(X[1000:], y[1000:]):
        ...     loss = clf.learn_one(features, label)
        >>> str(clf.predict_one([1.0, -1.0]))
        'left'
        """
        learner = self.__dict__.get("_learner")
        if learner is None or learner.reader.stale:
            learner = self.__dict__["_learner"] = self._new_learner()
        loss = None if learner is None else learner.learn(self, x, y)
        return self._learn_fully(x, y) if loss is None else loss

    def predict_one(self, x: Any) -> Any:
        """The row that ``predict([x])`` has, the same bits, in a few microseconds.

        Parameters
        ----------
        x : array-like of shape (n_features,), or of the shape of a sample

        Returns
        -------
        label, number or ndarray
            A label of `classes_`, or a row of the indicator matrix; of a regressor the value, or
            (n_outputs,) values.

        Raises
        ------
        NotFittedError, ValueError
            As `predict` does.

        Examples
        --------
        >>> import numpy as np, ebp
        >>> X = np.linspace(-1, 1, 200)[:, np.newaxis]
        >>> reg = ebp.MLPRegressor((5,), random_state=0).fit(X, X[:, 0])
        >>> bool(abs(reg.predict_one([0.5]) - 0.5) < 0.1)
        True
        """
        reader = self._reader_of_one()
        return self._answers(self._outputs_of_one(x, reader), reader.target_map)[0]

    def _outputs_of_one(self, x: Any, reader: Reader) -> np.ndarray:
        """Network outputs (1, n_outputs) for one raw sample."""
        row = reader.read(x)
        if row is None:
            with _no_word_of_names(self):
                return self._outputs([x])
        return reader.outputs(row)[np.newaxis]

    def _reader_of_one(self) -> Reader:
        reader: Reader | None = self.__dict__.get("_reader")
        if reader is None or reader.stale:
            check_is_fitted(self)
            reader = self.__dict__["_reader"] = Reader(self)
        return reader

    def _learn_fully(self, x: Any, y: Any) -> float:
        learns_from_parts(self)
        before = getattr(self, "n_iter_", 0)
        with _no_word_of_names(self):
            self.partial_fit([x], [y])
        return self.loss_ if self.n_iter_ > before else math.nan

    def _lower_rate(self, x: Any, y: Any, before: np.ndarray, loss: float) -> float:
        """Go on where `partial_fit` stands when a first presentation has raised the sample's own loss."""
        n_iter = self.n_iter_
        data = self._prepare_chunk([x], [y], None, None, first=False)
        self._learn_chunk(data, (before, loss))
        return self.loss_ if self.n_iter_ > n_iter else math.nan

    def _new_learner(self) -> Learner | None:
        """A learner, if there is a rule that `partial_fit` would go on with, and if nothing else moves."""
        if (
            getattr(self, "_rule", None) is None
            or not self._statistics_fixed
            or not math.isfinite(self.loss_)
        ):
            return None
        if getattr(self, "class_weight", None) is not None or self.early_stopping:
            return None
        self._check_options()
        self._check_architecture()
        if stream_solver(self) != self.solver_ or self._settings() != self._rule_settings:
            return None
        if not isinstance(self.learning_rate_init, str):
            self._rate = self.eta_ = float(self.learning_rate_init)
        return Learner(self)

    def __setattr__(self, name: str, value: Any) -> None:
        # Parameters, network and rule are attributes: whichever changes, what was derived from them goes.
        self.__dict__.pop("_reader", None)
        self.__dict__.pop("_learner", None)
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_reader", "_learner")}


@contextmanager
def _no_word_of_names(estimator: SingleSamples) -> Iterator[None]:
    """Let single samples come without names to an estimator that knows the names of its features."""
    if not hasattr(estimator, "feature_names_in_"):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        yield


class Reader:
    """Takes one raw sample to the network's inputs and outputs; serves while the estimator stays as it is.

    Nothing is written to between calls, so that several threads may use one.
    """

    def __init__(self, estimator: SingleSamples) -> None:
        network = estimator.network_
        self.target_map = estimator._target_map()
        self.outputs = network._core.predict_one
        self._transform = estimator._transform()
        self._normalizer = estimator.normalizer_
        self._mean = None if self._normalizer is None else self._normalizer.mean_
        flat = (estimator.n_features_in_,)
        self._shapes = {flat, getattr(estimator, "_sample_shape", flat)}
        self._dtype = network.dtype

    @property
    def stale(self) -> bool:
        """Whether somebody has taught the normaliser, which may be shared, since."""
        return self._normalizer is not None and self._normalizer.mean_ is not self._mean

    def read(self, x: Any) -> np.ndarray | None:
        """Normalised inputs (n_inputs,), computed as `normalized` does; None for what needs a closer look."""
        try:
            row = np.asarray(x)
        except ValueError:  # ragged
            return None
        if row.shape not in self._shapes or row.dtype.char not in PLAIN:
            return None
        if row.ndim > 1:
            row = row.reshape(-1)
        if self._transform is None:
            z = row.astype(np.float64)
        else:
            shift, factor = self._transform
            z = row - shift
            z = z * factor if factor.ndim == 1 else (z[np.newaxis] @ factor.T)[0]
        # False for NaN, which a maximum further up might swallow
        return z.astype(self._dtype) if z.dot(z) <= LARGEST_NORM**2 else None


class Learner:
    """Learns single samples for an estimator; serves while its parameters, network and rule stay the same."""

    def __init__(self, estimator: SingleSamples) -> None:
        self.reader = Reader(estimator)
        self._code = estimator._coder()
        self._network = estimator.network_
        self._rule = estimator._rule
        self._trainer = estimator._rule._bind(estimator.network_)
        self._automatic = isinstance(estimator.learning_rate_init, str)
        self._rates = estimator._stream_rates()
        self._rule.learning_rate = self._rates.rate(estimator.n_iter_)

    def learn(self, estimator: SingleSamples, x: Any, y: Any) -> float | None:
        """The loss before the update; None if the sample has to go through `partial_fit`."""
        z, t = self.reader.read(x), self._code(y)
        if z is None or t is None:
            return None
        rule, state = self._rule, estimator.__dict__  # past SingleSamples.__setattr__, which would end this
        if self._rates.kind != "constant":
            rule.learning_rate = self._rates.rate(state["n_iter_"])
        if rule.schedule is not None:
            self._trainer.set_learning_rate(rule._next_rate)
        limit = min(EXPLOSION * state["loss_"], LARGEST_LOSS) if self._automatic else LARGEST_LOSS
        loss: float = self._trainer.learn_one(z, t, limit)
        before = None
        if not loss <= limit:  # nothing has been learnt yet
            if not loss <= LARGEST_LOSS:
                return None
            before = self._network.parameters.copy()
            self._trainer.learn_one(z, t)
        rule.__dict__["_n_presented"] += 1
        if (
            before is not None
            and self._network._core.losses(z[np.newaxis], t[np.newaxis])[0] > EXPLOSION * loss
        ):
            return estimator._lower_rate(x, y, before, loss)
        state["t_"] += 1
        state["n_iter_"] += 1
        state["loss_"] = loss
        if loss < state["best_loss_"]:
            state["best_loss_"] = loss
        return loss
