"""Training on rows that are made ready while others are trained on, in one call of the core.

Only a few turns of rows are in memory, in a ring of arrays. The core reads the rows of the ring in an order
that is written turn by turn, by the callback that it calls every few milliseconds; a thread makes the next
turn meanwhile. So a whole epoch is one training, as it is for rows that are all in memory: SDLM measures its
curvature at its start, no batch is divided, and nothing is begun anew between the turns. Epochs of more than
`MOST_PRESENTATIONS` are several trainings of whole batches, for each of which SDLM measures its curvature.

The ring holds all rows that the core reads between two callbacks, whatever they weigh: those of a few
milliseconds, those of a batch, and at the start those that SDLM measures the curvature on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ._blocks import Ahead, rows_of
from ._inputs import Transform, accepted_dtypes, dense_rows, is_exact, normalized
from ._online import OnlineTraining

TURN_BYTES = 4 << 20
# At most so many presentations, or presentations of so many multiply-adds, lie between two callbacks
# (cpp/ebp/online/trainer.cpp). A blocked layer reads the samples of a block together, and other threads those
# of the next one (cpp/ebp/online/blocked_dense.cpp); the other engine fetches one sample in advance.
CALLBACK_PRESENTATIONS = 16_384
CALLBACK_OPERATIONS = 64_000_000
BLOCK_ROWS = 192
# In one call: its order and losses take 32 MB. Longer epochs are several calls.
MOST_PRESENTATIONS = 1 << 21


@dataclass
class Turn:
    """Rows that are presented next.

    `present`, called with the turn when its arrays are in the ring, gives the order of the rows, and weights
    (n,) or None; it may use the network as it stands then.
    """

    X: np.ndarray  # (n, features)
    T: np.ndarray  # (n, outputs)
    present: Callable[[Turn], tuple[np.ndarray, np.ndarray | None]]
    rows: np.ndarray | None = None  # those of `X` and `T` that are meant; None for all


@dataclass(frozen=True)
class Reach:
    """Presentations that the core goes through between two callbacks, and rows it may read meanwhile.

    Counted from the callback before; the second number includes the first.
    """

    step: int
    rows: int


def reach_of(network: Any, rule: Any, options: Any, batch_size: Any, n: int) -> Reach:
    """The most of both in a training of `n` presentations by an estimator of these `options`."""
    slices = network.parameter_slices
    weights = sum(where.stop - where.start for name, where, _ in slices if name.endswith(".weights"))
    operations = max(1, weights)  # each weight takes at least one multiply-add
    step = max(1, min(CALLBACK_PRESENTATIONS, CALLBACK_OPERATIONS // operations))
    step += min(n, _largest_batch(batch_size, rule.n_presented + n))
    singly = not isinstance(batch_size, int) or batch_size == 1
    blocked = singly and rule._bind(network).engine(_engine(rule, options)) == "blocked"
    beyond = BLOCK_ROWS * (1 if options.n_threads == 1 else 2) if blocked else 1
    measured = getattr(rule, "hessian_samples", 0)
    return Reach(step, min(n, max(step + beyond, measured)))


def _largest_batch(batch_size: Any, presented: int) -> int:
    """Most presentations of an update up to so many presentations in all."""
    return int(batch_size if isinstance(batch_size, int) else batch_size.sizes_at(np.array([presented]))[0])


def _engine(rule: Any, options: Any) -> str:
    """The engine of a training; a curvature that runs along has but one."""
    return "auto" if getattr(rule, "refresh", "") == "running" else str(options.engine)


def turn_rows(width: int, itemsize: int) -> int:
    """Rows of a turn: 4 MB."""
    return rows_of(TURN_BYTES, width * itemsize)


class Feed:
    """A ring of turns, and the training that reads it.

    Parameters
    ----------
    network : Network
    turns : generator of Turn
        Made by a thread. All but the last have `rows` presentations or more.
    rows : int
        Most rows of a turn.
    width : int
        Columns of `Turn.X`.
    reach : Reach
        Of the core, in this training.
    transform : (shift, factor) or None
        Carried out by the core.
    """

    def __init__(
        self,
        network: Any,
        turns: Generator[Turn],
        rows: int,
        width: int,
        reach: Reach,
        transform: Transform | None,
    ) -> None:
        self._network, self._transform, self._rows = network, transform, rows
        self._step = reach.step
        # the turn in hand, those that the core may look at before the next callback, and the one being made
        self._ahead = -(-reach.rows // rows)
        self._n_slots = self._ahead + 2
        shape = self._n_slots * rows
        self._X = np.zeros((shape, width), network.dtype)
        self._T = np.zeros((shape, network.n_outputs), network.dtype)
        self._weights: np.ndarray | None = None
        self._turns = Ahead(self._placed(turns))
        self._rest = np.zeros(0, np.intp)  # of the order of the turn taken last
        self._ends: deque[int] = deque()  # presentations after which turns are through
        self._taken = self._through = self._presented = 0

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *error: Any) -> None:
        """End the thread."""
        self._turns.__exit__(*error)

    def _placed(self, turns: Generator[Turn]) -> Generator[tuple[int, Turn]]:
        """The turns with their arrays copied into the ring; called one turn ahead of `_take`."""
        for k, turn in enumerate(turns):
            start = k % self._n_slots * self._rows
            part = slice(start, start + len(turn.X if turn.rows is None else turn.rows))
            for ring, rows in ((self._X[part], turn.X), (self._T[part], turn.T)):
                if turn.rows is None:
                    ring[:] = rows
                else:
                    np.take(rows, turn.rows, axis=0, out=ring, mode="clip")  # "raise" would make a copy
            turn.X, turn.T = self._X[part], self._T[part]
            yield start, turn

    def train(self, n: int, rule: Any, batch_size: Any, engine: str, n_threads: int) -> np.ndarray | None:
        """Losses of the next `n` presentations, times their weights; None if the training diverged.

        Raises
        ------
        ValueError
            If the turns hold fewer presentations.
        """
        self._order = np.zeros(0, np.intp)
        self._filled = 0
        self._last = 0
        self._first_turn()
        training = OnlineTraining.of(
            self._network,
            self._X,
            self._T,
            rule,
            order=np.zeros(n, np.intp),
            engine=engine,
            batch_size=batch_size,
            sample_weight=self._weights,
            input_transform=self._transform,
            function="fit",
        )
        self._weights = training.weights  # in the type of the network
        self._order = training.order
        self._fill()
        result = training.run(n_threads, self._advance)
        if result.status == "diverged":
            return None
        self._presented += n
        self._pass(self._presented)
        return result.losses

    def check_end(self) -> None:
        """Raise ValueError if there are more turns."""
        if len(self._rest) or next(self._turns, None) is not None:
            raise ValueError("[fit] a stream must have as many samples in every pass; got more than before")

    def _first_turn(self) -> None:
        """Take the first turn of all, which tells whether there are weights."""
        if not self._taken:
            self._rest = self._take()

    def _advance(self, n_done: int, _: float) -> bool:
        """Called by the core after `n_done` presentations of the call."""
        if n_done - self._last > self._step:
            raise RuntimeError(
                f"[fit] callbacks must come after {self._step} presentations at most; "
                f"got {n_done - self._last}"
            )
        self._last = n_done
        self._pass(self._presented + n_done)
        self._fill()
        return False

    def _pass(self, presented: int) -> None:
        """Let go of the turns that are through after so many presentations in all."""
        while self._ends and self._ends[0] <= presented:
            self._ends.popleft()
            self._through += 1

    def _fill(self) -> None:
        """Write the order as far as the ring has room for."""
        order = self._order
        while self._filled < len(order):
            if not len(self._rest):
                if self._taken > self._through + self._ahead:
                    return
                self._rest = self._take()
            part = self._rest[: len(order) - self._filled]
            order[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            self._rest = self._rest[len(part) :]
            if not len(self._rest):
                self._ends.append(self._presented + self._filled)

    def _take(self) -> np.ndarray:
        """The order of the next turn, as rows of the ring."""
        found = next(self._turns, None)
        if found is None:
            raise ValueError("[fit] a stream must have as many samples in every pass; got fewer than before")
        start, turn = found
        order, weights = turn.present(turn)
        if weights is not None:
            if self._weights is None:
                self._weights = np.zeros(len(self._X))
            self._weights[start : start + len(weights)] = weights
        self._taken += 1
        return start + order


def train_by_turns(
    feed: Feed, n: int, rule: Any, options: Any, batch_size: Any
) -> Generator[np.ndarray | None]:
    """Losses of `n` presentations, in parts; None, and no more, once the training has diverged."""
    losses: np.ndarray | None
    with feed:
        done = 0
        while done < n:
            part = _part(batch_size, rule.n_presented, n - done)
            losses = feed.train(part, rule, batch_size, _engine(rule, options), options.n_threads)
            if losses is None:
                break
            yield losses
            done += part
        else:
            feed.check_end()
            return
    yield None  # when the thread has ended, since the rows may now be read anew


def _part(batch_size: Any, presented: int, left: int) -> int:
    """Presentations of the next call out of those `left`: whole batches, where others follow."""
    if left <= MOST_PRESENTATIONS:
        return left
    if isinstance(batch_size, int):
        return min(left, max(1, MOST_PRESENTATIONS // batch_size) * batch_size)
    sizes = batch_size.sizes(presented, MOST_PRESENTATIONS)
    whole = int(sizes[:-1].sum())  # the last one may be cut off
    return whole or min(left, _largest_batch(batch_size, presented))


def _as_it_is(
    order: np.ndarray, weights: np.ndarray | None, turn: Turn
) -> tuple[np.ndarray, np.ndarray | None]:
    return order, weights


def feed_of(network: Any, data: Any, order: np.ndarray, weights: np.ndarray | None, reach: Reach) -> Feed:
    """The feed of a `TrainingData` whose rows are not ready: sparse, or on disk in another form.

    `order` has the rows to present, and `weights` (n,) is that of a presentation of each row.
    """
    X, T, transform, dtype = data.X, data.T, data.transform, data.T.dtype
    # as `engine_rows` decides for rows in memory
    raw = accepted_dtypes(X)[0] == dtype and (issparse(X) or X.flags.c_contiguous)
    raw = raw and (transform is None or is_exact(transform, dtype))
    width = X.shape[1] if raw or transform is None else network.n_inputs
    rows = min(turn_rows(max(width, X.shape[1]), dtype.itemsize), len(order))

    def turns() -> Generator[Turn]:
        for start in range(0, len(order), rows):
            # in the order of the file, and every row once
            part, presented = np.unique(order[start : start + rows], return_inverse=True)
            ready = dense_rows(X, part) if raw else normalized(X[part], transform, dtype)
            own = None if weights is None else weights[part]
            yield Turn(ready, T[part], partial(_as_it_is, presented, own))

    return Feed(network, turns(), rows, width, reach, transform if raw else None)
