"""Online training where the partitions are, with models that are averaged now and then."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ebp._checks import check_choice, check_number
from ebp._initialization import generator
from ebp.distributed._partitions import Partitions, has_client
from ebp.network import Network
from ebp.rules import Rule


@dataclass(frozen=True)
class AveragedResult:
    """What `ebp.distributed.train_online` did.

    Attributes
    ----------
    losses : ndarray of shape (n_averages,)
        For each average, the mean loss of the presentations since the last one, before their updates.
    n_samples : int
        Presentations made by all models.
    n_models : int
        Models that were trained side by side.
    status : {"ok", "diverged", "stopped"}
        "diverged": a loss or a parameter was not finite; the network has the last average before that.
        "stopped": the callback asked for it.
    """

    losses: np.ndarray
    n_samples: int
    n_models: int
    status: str


@dataclass
class _Trained:
    """A model after some partitions."""

    parameters: np.ndarray
    rule: Rule
    loss: float = 0.0  # sum over presentations
    n_samples: int = 0
    weight: float = 0.0
    status: str = "ok"


def train_online(
    net: Network,
    X: Any,
    T: Any,
    rule: Rule,
    *,
    n_epochs: int = 1,
    n_models: int | None = None,
    average_every: int | None = None,
    order: str = "shuffle",
    engine: str = "auto",
    sample_weight: Any = None,
    callback: Callable[[int, float], Any] | None = None,
    random_state: Any = None,
) -> AveragedResult:
    """Train copies of a network online, each on its share of the partitions, and average them now and then.

    Every copy goes through its partitions one after the other, one sample at a time, where they are. After
    `average_every` partitions each, the copies' parameters are averaged, weighted by the sample weights they
    have seen, and all copies go on from there; each keeps its own velocity, curvature or other memory of the
    rule. With one model this is plain online training over all partitions. With more it is an approximation:
    the mean of models that have moved apart, good as long as they have not moved far.

    Parameters
    ----------
    net : Network
        Starts from its parameters and ends at the last average.
    X : dask array of shape (n, n_inputs) or (n, \\*input_shape)
    T : dask array of shape (n, n_outputs), or (n,) for one output
        Targets.
    rule : ebp.rules object
        Settings for every copy; remembers nothing itself. `rules.SDLM` with ``refresh="epoch"`` measures its
        curvature at the start of every partition, on samples of it. Schedules go by the presentations of each
        copy, about 1 / n_models of all, and so fall later with more models.
    n_epochs : int, default=1
        Passes over all partitions.
    n_models : int, optional
        Copies that are trained side by side, at most the number of partitions. By default one for every
        worker of the `dask.distributed` client, and without one a single model.
    average_every : int, optional
        Partitions of a model between two averages; by default all of them, so that there is one average an
        epoch. Smaller values keep copies together and let them wait for each other more often.
    order : {"shuffle", "sequential"}, default="shuffle"
        "shuffle": in each epoch, partitions are dealt out anew, and their samples presented in random order.
        "sequential": as they are; model k of m has the partitions k, k + m, k + 2m, ...
    engine : {"auto", "streaming", "blocked"}, default="auto"
        As for `Network.train_online`.
    sample_weight : dask array of shape (n,), optional
        Factors of losses and gradients.
    callback : callable, optional
        Called after each average as ``callback(n_samples, mean_loss)``; a true result stops the training.
        Where all partitions of a round are empty, there is no average.
    random_state : None, int, numpy.random.Generator or RandomState
        Source of the orders. The result depends on it, on the partitions and on `n_models`, not on who
        does the work.

    Returns
    -------
    AveragedResult

    Raises
    ------
    ImportError
        Without dask, which the extra "distributed" brings.
    TypeError, ValueError
        For arguments of the wrong kind or range, and for arrays that do not fit.

    Examples
    --------
    >>> import dask.array as da, ebp, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 3))
    >>> T = np.tanh(X.sum(axis=1))
    >>> net = ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(1)], 3, random_state=0)
    >>> parts = da.from_array(X, chunks=(50, 3)), da.from_array(T, chunks=50)
    >>> rule = ebp.rules.SGD(0.05)
    >>> result = ebp.distributed.train_online(net, *parts, rule, n_epochs=10, n_models=2, random_state=0)
    >>> result.status, result.n_samples, bool(result.losses[-1] < result.losses[0] / 10)
    ('ok', 4000, True)
    """
    function = "distributed.train_online"
    if not isinstance(rule, Rule):
        raise TypeError(f"[{function}] rule must be an ebp.rules object; got {rule!r}")
    check_number(function, "n_epochs", n_epochs, 0, integer=True)
    check_choice(function, "order", order, ("shuffle", "sequential"))
    partitions = Partitions(function, net, X, T, sample_weight)
    n_parts = len(partitions.parts)
    if n_models is None:
        n_models = min(_n_workers(), n_parts)
    check_number(function, "n_models", n_models, 1, n_parts, integer=True)
    if average_every is not None:
        check_number(function, "average_every", average_every, 1, integer=True)
    rng = generator(random_state) if order == "shuffle" else None
    course = _Course(partitions, net, rule, int(n_models), engine)
    status = "ok"
    for _ in range(int(n_epochs)):
        for shares in _rounds(n_parts, int(n_models), average_every, rng):
            status = course.advance(shares, rng, callback)
            if status != "ok":
                break
        if status != "ok":
            break
    return AveragedResult(np.array(course.losses), course.n_samples, int(n_models), status)


class _Course:
    """The models from one average to the next."""

    def __init__(self, partitions: Partitions, net: Network, rule: Rule, n_models: int, engine: str) -> None:
        self._partitions = partitions
        self._net = net
        self._engine = engine
        self._rules = [rule._fresh() for _ in range(n_models)]
        self.losses: list[float] = []
        self.n_samples = 0

    def advance(
        self,
        shares: list[list[int]],
        rng: np.random.Generator | None,
        callback: Callable[[int, float], Any] | None,
    ) -> str:
        """Train each model on its share of the partitions, and average them; how that ended."""
        trained = self._trained(shares, rng)
        if not trained:
            return "ok"
        n_samples = sum(model.n_samples for model in trained)
        self.n_samples += n_samples
        self.losses.append(sum(model.loss for model in trained) / n_samples)
        if any(model.status != "ok" for model in trained):
            return "diverged"
        weights = [model.weight for model in trained]
        if len(trained) == 1:
            self._net.parameters[:] = trained[0].parameters  # without rounding
        elif sum(weights) > 0:
            parameters = np.array([model.parameters for model in trained], np.float64)
            self._net.parameters[:] = np.average(parameters, axis=0, weights=weights)
        stop = callback is not None and callback(self.n_samples, self.losses[-1])
        return "stopped" if stop else "ok"

    def _trained(self, shares: list[list[int]], rng: np.random.Generator | None) -> list[_Trained]:
        """The models that had samples."""
        delayed = self._partitions.delayed
        shared = delayed((self._net, self._engine), pure=False, traverse=False)
        start = self._net.parameters.copy()
        models = []
        for rule, share in zip(self._rules, shares, strict=True):
            model: Any = _Trained(start, rule)
            for part in share:
                seed = None if rng is None else int(rng.integers(2**63))
                model = delayed(_train, pure=False)(shared, model, seed, *self._partitions.parts[part])
            models.append(model)
        ended = self._partitions.compute(models)
        self._rules = [model.rule for model in ended]
        return [model for model in ended if model.n_samples]


def _rounds(
    n_parts: int, n_models: int, average_every: int | None, rng: np.random.Generator | None
) -> list[list[list[int]]]:
    """Of one epoch: for each round and model, the partitions to go through."""
    order = list(range(n_parts)) if rng is None else rng.permutation(n_parts).tolist()
    shares = [order[k::n_models] for k in range(n_models)]
    length = len(shares[0]) if average_every is None else int(average_every)
    return [[share[start : start + length] for share in shares] for start in range(0, len(shares[0]), length)]


def _train(
    shared: tuple[Network, str],
    model: _Trained,
    seed: int | None,
    X: np.ndarray,
    T: np.ndarray,
    weights: np.ndarray | None = None,
) -> _Trained:
    """The model after the rows of a partition."""
    if model.status != "ok" or not len(X):
        return model
    net, engine = shared
    net = net.copy()
    net.parameters[:] = model.parameters
    rule = copy.deepcopy(model.rule)  # the task may be run again
    order = None if seed is None else np.random.default_rng(seed).permutation(len(X))
    result = net.train_online(X, T, rule, order=order, engine=engine, sample_weight=weights)
    return _Trained(
        net.parameters.copy(),
        rule,
        model.loss + float(result.losses.sum()),
        model.n_samples + result.n_samples,
        model.weight + (result.n_samples if weights is None else float(np.sum(weights))),
        result.status,
    )


def _n_workers() -> int:
    if not has_client():
        return 1
    from distributed import get_client

    return max(1, len(get_client().scheduler_info(n_workers=-1)["workers"]))
