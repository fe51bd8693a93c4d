"""Adapters to River, whose samples are dicts of features: `RiverClassifier` and `RiverRegressor`.

They are models of River where it is installed (the extra `river`), so that its pipelines, metrics and
``evaluate.progressive_val_score`` take them, and work alone where it is not. ``import ebp`` does not import
this module, nor River.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.base import clone

from ebp._checks import check_number
from ebp._classifier import OnlineClassifier
from ebp._regressor import OnlineRegressor
from ebp.classifier import MLPClassifier
from ebp.regressor import MLPRegressor

try:
    from river.base import MiniBatchClassifier, MiniBatchRegressor
except ImportError:

    class MiniBatchClassifier:  # type: ignore[no-redef]
        """Stands in for River's."""

    class MiniBatchRegressor:  # type: ignore[no-redef]
        """Stands in for River's."""


TEXTS = (str, bytes)


class _Columns:
    """Which feature is which input of the network; stays as it is."""

    def __init__(self, owner: str, names: Iterable[Any], n_features: int | None) -> None:
        self.owner = owner
        self.index = {name: i for i, name in enumerate(names)}
        self.size = len(self.index) if n_features is None else int(n_features)
        if not len(self.index) <= self.size or not self.size:
            raise ValueError(
                f"[{owner}] n_features must be at least the number of features, {len(self.index)}, and 1; "
                f"got {n_features}"
            )

    def admitting(self, names: Iterable[Any]) -> _Columns:
        """Columns in which the names that are new have the inputs that are left; those beyond are ignored."""
        room = self.size - len(self.index)
        new = sorted(set(names) - self.index.keys(), key=str)[:room] if room else []
        return _Columns(self.owner, [*self.index, *new], self.size) if new else self

    def row(self, x: Mapping[Any, Any]) -> np.ndarray:
        """The inputs (size,), 0 for features that are missing."""
        row = np.zeros(self.size)
        for name, value in x.items():
            place = self.index.get(name)
            if place is not None:
                if isinstance(value, TEXTS):  # which NumPy would read as a number where it can
                    raise self._no_number(name, value)
                try:
                    row[place] = value
                except (TypeError, ValueError) as error:
                    raise self._no_number(name, value) from error
        return row

    def rows(self, X: Any) -> np.ndarray:
        """The inputs (n, size) of a pandas.DataFrame."""
        rows = np.zeros((len(X), self.size))
        for name in X.columns:
            if name in self.index:
                rows[:, self.index[name]] = self._numbers(name, X[name])
        return rows

    def _numbers(self, name: Any, column: Any) -> np.ndarray:
        values = np.asarray(column)
        if values.dtype.kind in "biuf":
            return values
        texts = [value for value in values.tolist() if isinstance(value, TEXTS)]
        if texts or values.dtype.kind != "O":  # also dates, whose numbers mean nothing
            raise self._no_number(name, texts[0] if texts else values.dtype)
        try:
            return values.astype(float)
        except (TypeError, ValueError) as error:
            raise self._no_number(name, values.dtype) from error

    def _no_number(self, name: Any, value: Any) -> ValueError:
        return ValueError(
            f"[{self.owner}] features must be numbers, encode others before, by "
            f"river.preprocessing.OneHotEncoder for example; got {value!r} for {name!r}"
        )


class _Adapter:
    """What both adapters do: dicts to rows, and a fresh estimator at the first sample.

    Names, labels and the fresh estimator become attributes after a sample has been learnt, so that one that
    is refused leaves nothing behind.
    """

    estimator: Any
    features: Any
    n_features: Any
    estimator_: Any
    _columns: _Columns

    def _begin(self, names: Iterable[Any], kind: type, default: type) -> tuple[_Columns, Any]:
        """Which features there are then, and what is to learn: at first an estimator that knows nothing."""
        if self._learnt:
            return self._columns.admitting(names), self.estimator_
        owner = type(self).__name__
        if self.estimator is not None and not isinstance(self.estimator, kind):
            raise TypeError(
                f"[{owner}] estimator must be an ebp {default.__name__[3:].lower()}, such as "
                f"ebp.{default.__name__}(), or None; got {self.estimator!r}"
            )
        if self.n_features is not None:
            check_number(owner, "n_features", self.n_features, 1, integer=True)
        # sorted, since the order of a dict means nothing in River
        known = sorted(names, key=str) if self.features is None else list(self.features)
        columns = _Columns(owner, known, self.n_features).admitting(names)
        return columns, default() if self.estimator is None else clone(self.estimator)

    @property
    def features_(self) -> list[Any]:
        """The names of the inputs that have one, in the order of the network's inputs."""
        return list(self._columns.index)

    @property
    def _learnt(self) -> bool:
        return hasattr(self, "estimator_")

    def _counts(self, w: Any) -> bool:
        """Whether a sample of the weight `w` is to be learnt."""
        if w != 1:
            check_number(type(self).__name__, "w", w, 0)
        return bool(w != 0)

    def _learn(self, estimator: Any, row: np.ndarray, y: Any, w: float, **first: Any) -> None:
        if self._learnt and w == 1:
            estimator.learn_one(row, y)
        else:
            estimator.partial_fit(row[np.newaxis], np.asarray([y]), sample_weight=[w], **first)

    def _keep(self, columns: _Columns, estimator: Any) -> None:
        self._columns, self.estimator_ = columns, estimator


class RiverClassifier(_Adapter, MiniBatchClassifier):
    """A classifier of this package for streams of dicts, as River has them.

    Parameters
    ----------
    estimator : MLPClassifier, NetworkClassifier or None, default=None
        What learns, in a clone; None: `MLPClassifier` as it is.
    classes : iterable of labels or None, default=None
        All labels that will come. None: labels may come at any time, up to `n_classes`; but where the first
        one is a bool, they are False and True.
    n_classes : int, default=10
        Outputs of the network where `classes` is None; those without a label learn to say no.
    features : iterable of names or None, default=None
        The inputs of the network, in their order; None: those of the first sample.
    n_features : int or None, default=None
        Inputs of the network, if there should be more than `features`, for names that come later.

    Attributes
    ----------
    estimator_ : estimator
        What has learnt, from the first sample on.
    features_, labels_ : list
        What the inputs and outputs stand for.

    Notes
    -----
    A network has a fixed number of inputs. A feature that is not there counts as 0, as everywhere in River.
    One that is new takes the next input without a name, and is ignored if there is none. The network
    normalises its inputs by itself; it fixes this after 1,000 samples, so that a feature that first comes
    later is taken as it is.

    The first 1,000 samples take about a millisecond each, the others some microseconds. A sample of a weight
    `w` other than 1 takes a millisecond too.

    Examples
    --------
    >>> import numpy as np
    >>> from ebp.river import RiverClassifier
    >>> rng = np.random.default_rng(0)
    >>> model = RiverClassifier()
    >>> model.predict_one({"a": 1.0, "b": 2.0}) is None
    True
    >>> for a, b in rng.normal(size=(2000, 2)):
    ...     model.learn_one({"a": a, "b": b}, "left" if a > b else "right")
    >>> model.predict_one({"b": -1.0, "a": 1.0})
    'left'
    >>> sorted(model.predict_proba_one({"a": 1.0}))
    ['left', 'right']

    In a pipeline of River, evaluated by River:

    >>> from river import datasets, evaluate, metrics, preprocessing  # doctest: +SKIP
    >>> model = preprocessing.StandardScaler() | RiverClassifier()  # doctest: +SKIP
    >>> evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy())  # doctest: +SKIP
    Accuracy: 89.35%
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        classes: Iterable[Any] | None = None,
        n_classes: int = 10,
        features: Iterable[Any] | None = None,
        n_features: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.classes = classes
        self.n_classes = n_classes
        self.features = features
        self.n_features = n_features

    def learn_one(self, x: Mapping[Any, Any], y: Any, w: float = 1.0) -> None:
        """Learn from one sample.

        Parameters
        ----------
        x : dict of numbers
        y : label
        w : float, default=1.0
            Its weight; one of weight 0 is passed over.

        Raises
        ------
        ValueError
            For features that are no finite numbers, a label that is not among `classes`, or one too many, or
            a negative weight. The model is as it was before.
        """
        if not self._counts(w):
            return
        columns, estimator = self._begin(x, OnlineClassifier, MLPClassifier)
        labels, first = self._labels_with([y])
        self._learn(estimator, columns.row(x), labels[y], w, **first)
        self._keep(columns, estimator)
        self._labels = labels

    def learn_many(self, X: Any, y: Any) -> None:
        """Learn from the rows of a pandas.DataFrame `X` with the labels `y`, as `partial_fit` does.

        Nothing is learnt from no rows. Errors are those of `learn_one`.
        """
        given = list(y)
        if not len(X) and not given:
            return
        columns, estimator = self._begin(X.columns, OnlineClassifier, MLPClassifier)
        labels, first = self._labels_with(given)
        numbers = np.array([labels[label] for label in given])
        estimator.partial_fit(columns.rows(X), numbers, **first)
        self._keep(columns, estimator)
        self._labels = labels

    def predict_proba_one(self, x: Mapping[Any, Any], **kwargs: Any) -> dict[Any, float]:
        """Probability of each label that is known; empty before the first sample."""
        if not self._learnt:
            return {}
        p = self.estimator_.predict_proba_one(self._columns.row(x))[: len(self.labels_)]
        return dict(zip(self.labels_, (p / p.sum()).tolist(), strict=True))

    def predict_one(self, x: Mapping[Any, Any], **kwargs: Any) -> Any:
        """The most probable label; None before the first sample."""
        p = self.predict_proba_one(x)
        return max(p, key=p.__getitem__) if p else None

    def predict_proba_many(self, X: Any) -> Any:
        """Probabilities as a pandas.DataFrame with a column a label."""
        if not self._learnt:
            return X.iloc[:, :0]
        p = self.estimator_.predict_proba(self._columns.rows(X))[:, : len(self.labels_)]
        return type(X)(p / p.sum(axis=1, keepdims=True), index=X.index, columns=self.labels_)

    def predict_many(self, X: Any) -> Any:
        """The most probable labels as a pandas.Series; empty before the first sample."""
        p = self.predict_proba_many(X)
        return p.idxmax(axis="columns") if self._learnt else p.squeeze(axis="columns")

    @property
    def _multiclass(self) -> bool:
        return True

    @property
    def labels_(self) -> list[Any]:
        """The labels that the outputs stand for."""
        return list(self._labels)

    def _labels_with(self, given: list[Any]) -> tuple[dict[Any, int], dict[str, Any]]:
        """The output of each label, new ones take the next; and what else the first `partial_fit` needs."""
        owner = type(self).__name__
        if self._learnt:
            labels, room, first = self._labels, len(self.estimator_.classes_), {}
        else:
            known = list(self.classes) if self.classes is not None else []
            if self.classes is None and given and isinstance(given[0], (bool, np.bool_)):
                known = [False, True]
            labels, room = {label: i for i, label in enumerate(known)}, len(known) or int(self.n_classes)
            if room < 2:
                raise ValueError(f"[{owner}] classes, or n_classes, must be at least 2; got {room}")
            first = {"classes": np.arange(room)}
        for label in given:
            if label not in labels:
                if len(labels) == room:
                    raise ValueError(
                        f"[{owner}] labels must be among {list(labels)}, or n_classes be larger; "
                        f"got {label!r}"
                    )
                labels = {**labels, label: len(labels)}
        return labels, first


class RiverRegressor(_Adapter, MiniBatchRegressor):
    """A regressor of this package for streams of dicts, as River has them.

    Parameters
    ----------
    estimator : MLPRegressor, NetworkRegressor or None, default=None
        What learns, in a clone; None: `MLPRegressor` as it is.
    features, n_features
        As in `RiverClassifier`, whose notes hold here too.

    Attributes
    ----------
    estimator_ : estimator
        What has learnt, from the first sample on.
    features_ : list
        What the inputs stand for.

    Examples
    --------
    >>> import numpy as np
    >>> from ebp.river import RiverRegressor
    >>> rng = np.random.default_rng(0)
    >>> model = RiverRegressor()
    >>> for a, b in rng.normal(size=(3000, 2)):
    ...     model.learn_one({"a": a, "b": b}, a - b)
    >>> bool(abs(model.predict_one({"a": 0.5, "b": -0.5}) - 1.0) < 0.2)
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        features: Iterable[Any] | None = None,
        n_features: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.features = features
        self.n_features = n_features

    def learn_one(self, x: Mapping[Any, Any], y: float, w: float = 1.0) -> None:
        """Learn from one sample: a dict of numbers, its value, and its weight.

        Raises
        ------
        ValueError
            For features or values that are no finite numbers, or a negative weight. The model is as it was
            before. One of weight 0 is passed over.
        """
        if not self._counts(w):
            return
        columns, estimator = self._begin(x, OnlineRegressor, MLPRegressor)
        self._learn(estimator, columns.row(x), y, w)
        self._keep(columns, estimator)

    def learn_many(self, X: Any, y: Any) -> None:
        """Learn from the rows of a pandas.DataFrame `X` with the values `y`, as `partial_fit` does.

        Nothing is learnt from no rows. Errors are those of `learn_one`.
        """
        values = np.asarray(list(y))  # of texts if there is one, which the estimator then refuses
        if not len(X) and not len(values):
            return
        columns, estimator = self._begin(X.columns, OnlineRegressor, MLPRegressor)
        estimator.partial_fit(columns.rows(X), values)
        self._keep(columns, estimator)

    def predict_one(self, x: Mapping[Any, Any]) -> float:
        """The value; 0 before the first sample."""
        return float(self.estimator_.predict_one(self._columns.row(x))) if self._learnt else 0.0

    def predict_many(self, X: Any) -> Any:
        """The values as a pandas.Series."""
        values = self.estimator_.predict(self._columns.rows(X)) if self._learnt else np.zeros(len(X))
        return X.iloc[:, :0].assign(value=values)["value"].rename(None)
