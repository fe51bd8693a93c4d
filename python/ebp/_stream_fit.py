"""`fit` and `partial_fit` on a stream: passes over samples that are not all in memory at once."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite

from ._blocks import Ahead, block_rows
from ._callbacks import FitTasks
from ._estimator import OnlineEstimator
from ._feed import Turn, reach_of, train_by_turns
from ._inputs import dense_rows
from ._options import BATCH_SOLVERS, ONLINE_SOLVERS, generator_of
from ._preparation import unchanged_on_error
from ._presentation import EmphasizedOrders, orders
from ._solvers import check_engine, stream_solver
from ._stream_data import StreamData, buffer_rows
from ._survey import Survey, has_single_labels
from ._training import Monitor
from .streams import ShuffleBuffer, Stream
from .streams._shuffle import Arrays, regrouped


def _made_up(drawn: Any, order: np.ndarray, weight: float, losses: np.ndarray) -> float:
    """Sum of the losses of a turn as they would be without emphasis."""
    return drawn.observe(order, losses) * weight


class StreamEstimator(OnlineEstimator):
    """What the estimators do with streams."""

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        if isinstance(X, Stream):
            self._check_alone("fit", y, sample_weight)
            self._fit_stream(X)
        else:
            super()._fit(X, y, sample_weight)

    def _check_alone(self, method: str, y: Any, sample_weight: Any) -> None:
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"[{self._name}.{method}] {name} must be None where X is a stream, which has its own; "
                    f"got {type(value).__name__}"
                )

    def _fit_stream(self, stream: Stream) -> None:
        self._check_options()
        if self.solver in BATCH_SOLVERS:
            names = ", ".join(map(repr, ("auto", *ONLINE_SOLVERS)))
            raise ValueError(
                f"[{self._name}] solver must be one of {names} for a stream, since the others hold all "
                f"samples at once; got {self.solver!r}"
            )
        tasks = FitTasks(self)
        warm = bool(self.warm_start) and hasattr(self, "network_")
        with unchanged_on_error(self):
            self._rng = generator_of(self.random_state)
            self.solver_ = stream_solver(self)
            if warm:
                self._check_architecture()
                self._check_names(stream)
            survey = Survey(self, stream, warm)
            if not warm:
                self._build_network(survey.sample[0], None, self._rng)
            self._statistics_fixed, self._rule = True, None
            check_engine(self._name, self.engine, self.solver_, self.network_)
            data = StreamData(self, stream, survey)
            validation = self._stream_validation(survey)
            monitor = Monitor(self.network_, data.sample, self._name)
            self._epoch_length = data.n_presentations
            start = self._start_rate(data.sample, self._updates(data, self.max_iter))
        self._train(data, validation, monitor, start, warm, tasks)
        tasks.end()

    def _stream_validation(self, survey: Survey) -> Any:
        if not survey.validation:
            return None
        X, y, weights = survey.validation
        T = self._code(y, self._labels(y))
        return self._validation(X, T, y, np.arange(len(y)), weights if survey.weighted else None)

    def _epoch(self, data: Any, rule: Any) -> Callable[[], tuple[float, int]]:
        if isinstance(data, StreamData):
            return partial(self._present_stream, data, rule)
        return super()._epoch(data, rule)

    def _present_stream(self, data: StreamData, rule: Any) -> tuple[float, int]:
        """Train on one epoch of a stream: its mean loss, NaN if it diverged, and the presentations."""
        n, total, weight = data.n_presentations, 0.0, 0.0
        # of the turns presented: how many losses there will be, and what makes a sum of them
        waiting: deque[tuple[int, Callable[..., Any]]] = deque()

        def show(turn: Turn, **about: Any) -> tuple[np.ndarray, np.ndarray | None]:
            nonlocal weight
            block = data.block(turn.X, turn.T, **about)
            drawn = orders(block, self._sampling, self._rng)
            add: Callable[..., Any] = np.sum
            if isinstance(drawn, EmphasizedOrders):
                drawn.measure(self.network_)
            order = drawn.draw()
            if isinstance(drawn, EmphasizedOrders):
                add = partial(_made_up, drawn, order, block.total_weight)
            waiting.append((len(order), add))
            weight += block.total_weight
            weights = drawn.weights
            return order, np.ones(len(turn.X)) if weights is None and data.weighted else weights

        batch_size = self._batch_size(data)
        reach = reach_of(self.network_, rule, self, batch_size, n)
        feed = data.feed(int(self._rng.integers(2**63)), reach, show)
        left = np.zeros(0)
        with closing(train_by_turns(feed, n, rule, self, batch_size)) as parts:
            for losses in parts:
                if losses is None:
                    return math.nan, n
                left = np.concatenate([left, losses])
                while waiting and waiting[0][0] <= len(left):
                    size, add = waiting.popleft()
                    total += float(add(left[:size]))
                    left = left[size:]
        return total / weight, n

    # ---- partial_fit --------------------------------------------------------------------------------

    def _partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        classes: np.ndarray | None = None,
        checked: bool = False,
    ) -> None:
        if not isinstance(X, Stream):
            super()._partial_fit(X, y, sample_weight, classes, checked)
            return
        self._check_alone("partial_fit", y, sample_weight)
        first = not hasattr(self, "network_")
        if not first:
            self._check_names(X)
        # drawn here, since the blocks are made by a thread
        own = generator_of(self.random_state) if first else self._rng
        rng = np.random.default_rng(int(own.integers(2**63)))
        # the thread begins with a copy, so that this estimator stays as it is until there is a block
        reader, before = copy.copy(self), dict(vars(self))
        try:
            with Ahead(reader._raw_blocks(X, rng)) as blocks:
                for rows, targets, weights in blocks:
                    if not hasattr(self, "network_"):
                        self.__dict__.update(vars(reader))
                    counts = None if (weights == 1).all() else weights
                    super()._partial_fit(rows, targets, counts, classes, checked=True)
                    classes = None
        except BaseException:
            if not hasattr(self, "network_"):
                self.__dict__.clear()
                self.__dict__.update(before)
            raise

    def _raw_blocks(self, stream: Stream, rng: np.random.Generator) -> Generator[Arrays]:
        """The samples in blocks of X, y and weights, checked, and mixed unless sampling is "sequential"."""
        shuffled = self._sampling != "sequential"
        chunks = self._raw_chunks(stream, rng if shuffled else None)
        first = next(chunks, None)
        if first is None:
            return
        chunks, (width, itemsize) = chain([first], chunks), (first[0].shape[1], first[0].itemsize)
        size = block_rows(width, itemsize)
        if not shuffled:
            yield from regrouped(chunks, size)
            return
        yield from ShuffleBuffer(buffer_rows(stream, width * itemsize), rng).mix(chunks, size)

    def _raw_chunks(self, stream: Stream, rng: np.random.Generator | None) -> Iterator[Arrays]:
        reset = None if hasattr(self, "network_") else stream
        for _, (X, y, weights) in stream._numbered(rng):
            X, y, weights = self._checked_chunk(X, y, weights, reset)
            reset = None
            yield dense_rows(X, slice(None)), y, np.ones(len(y)) if weights is None else weights

    def _checked_chunk(
        self, X: Any, y: Any, sample_weight: Any, reset: Stream | None = None, known: bool = False
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """A chunk as arrays, checked; the first one of the stream `reset` tells how many features there are.

        Arrays that need no conversion are only looked through for NaN and infinity, since there are many
        chunks, and not even that if they are `known`, from an earlier pass.
        """
        if reset is None and isinstance(X, np.ndarray) and isinstance(y, np.ndarray) and X.ndim == 2:
            plain = X.shape == (len(y), self.n_features_in_) and X.dtype.kind in "fiub"
            if plain:
                for name, values in (("X", X), ("y", y)):
                    if values.dtype.kind == "f" and not known:
                        assert_all_finite(values, estimator_name=self._name, input_name=name)
                # whole numbers and names cannot be anything but labels, which are looked up one by one
                if not (has_single_labels(self) and y.ndim == 1 and y.dtype.kind in "biuUS"):
                    y = self._checked_targets(y, reset=False)
                return X, y, self._sample_weights(X, sample_weight)
        X, y = self._validate(X, y, reset=reset is not None)
        if reset is not None:
            self._begin(reset, y)
        return X, y, self._sample_weights(X, sample_weight)

    def _begin(self, stream: Stream, y: np.ndarray) -> None:
        """Take from the first chunk what `_validate` does not: names, and the kind of the targets."""
        if stream.feature_names is not None:
            self.feature_names_in_ = np.array(stream.feature_names, dtype=object)
        if isinstance(self, ClassifierMixin):
            self.multilabel_ = y.ndim == 2
            self.n_outputs_ = y.shape[-1]

    def _check_names(self, stream: Stream) -> None:
        """Raise ValueError if a stream that goes on with the same network has other features."""
        names, own = stream.feature_names, getattr(self, "feature_names_in_", None)
        if names is not None and own is not None and list(own) != list(names):
            raise ValueError(
                f"[{self._name}] the features of a stream must be those of fit, {list(own)}; "
                f"got {list(names)}"
            )

    # ---- after training -----------------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        if isinstance(X, Stream):
            raise TypeError(
                f"[{self._name}.predict] X must be an array; got a stream: iterate over its chunks"
            )
        return super()._outputs(X)
