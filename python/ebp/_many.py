"""Many small networks trained at once, each by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import joblib
import numpy as np
from tqdm import tqdm

from ebp._checks import check_number, check_verbose
from ebp._online import OnlineResult, OnlineTraining
from ebp.network import Network
from ebp.rules import Rule


def train_many(
    networks: Sequence[Network],
    X: Any,
    T: Any,
    rules: Rule | Sequence[Rule],
    *,
    orders: Any = None,
    engine: str = "auto",
    batch_size: Any = 1,
    sample_weight: Any = None,
    input_transform: Any = None,
    n_threads: int | None = None,
    verbose: int = 0,
) -> list[OnlineResult]:
    """Train many independent networks at once, each as `Network.train_online` does, on all processors.

    For grids of rates, ensembles, and other repetitions of a small training. Threads take one network after
    the other and train it without the GIL. Every network learns what it would learn alone, to the last bit,
    whatever the number of threads.

    A list or tuple holds one value for each network; anything else is one value for all of them. So data for
    all must be arrays, not nested lists. The exception is a tuple as `input_transform`, which is one
    transform. An array for all, or one that occurs in a list more than once, is checked and converted once.

    Parameters
    ----------
    networks : sequence of Network
        Different ones; they may differ in layers, shapes and dtype.
    X : array of shape (n, n_inputs) or (n, \\*input_shape), or list of such arrays
        Inputs.
    T : array of shape (n, n_outputs), or (n,) for one output, or list of such arrays
        Targets.
    rules : ebp.rules object, or list of them
        A single rule is a pattern: each network gets a new rule with its settings, and the pattern keeps no
        state. A list holds a different rule for each network, which keeps its state from call to call.
    orders : array of int or list of such arrays, default=None
        Rows in the order of their presentation. None: 0, 1, ..., n - 1, for all or in a list.
    engine : {"auto", "streaming", "blocked"}, default="auto"
        For all networks, see `Network.train_online`.
    batch_size : int or ebp.schedules.GrowingBatch, or list of them, default=1
        Presentations per update.
    sample_weight : array of shape (n,) or list of such arrays, default=None
        Factor of each sample's loss and gradient.
    input_transform : tuple (shift, factor), or list of such tuples, default=None
        What is done with each row of `X` before a network sees it, see `Network.train_online`.
    n_threads : int, default=None
        Networks that are trained at a time, one thread for each. None: as many as there are processors for
        this process to use.
    verbose : {0, 1}, default=0
        1: progress bar over the presentations of all networks.

    Returns
    -------
    list of OnlineResult
        In the order of the networks. One that diverged says so in its `status` and stops no other.

    Raises
    ------
    ValueError, TypeError
        As from `Network.train_online`, with the index of the network; for lists of another length, and for
        the same network or rule twice. Nothing has been trained then.

    Notes
    -----
    Ctrl-C ends all trainings within some milliseconds, or where it takes longer, after the mini-batch at hand
    or the samples that `rules.SDLM` measures its curvature on. Networks keep what they have learnt until
    then, and finite parameters.

    Examples
    --------
    The rate for a problem, from a grid; too large ones diverge.

    >>> import numpy as np, ebp
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 3))
    >>> T = np.tanh(X @ [1, -1, 0.5])
    >>> start = ebp.Network([ebp.layers.Dense(5), ebp.layers.Dense(1, "identity")], 3, random_state=0)
    >>> rates = [0.001, 0.01, 0.1, 10.0]
    >>> networks = [start.copy() for _ in rates]
    >>> results = ebp.train_many(networks, X, T, [ebp.rules.SGD(rate) for rate in rates])
    >>> [result.status for result in results]
    ['ok', 'ok', 'ok', 'diverged']
    >>> rates[int(np.argmin([network.loss(X, T) for network in networks]))]
    0.1
    """
    listed = _listed(networks)
    count = len(listed)
    check_verbose("train_many", verbose)
    if n_threads is None:
        n_threads = joblib.cpu_count()
    check_number("train_many", "n_threads", n_threads, 1, integer=True, alternative="None")
    each = {
        "X": _each("X", X, count),
        "T": _each("T", T, count),
        "rule": _rules(rules, count),
        "order": _each("orders", orders, count),
        "batch_size": _each("batch_size", batch_size, count),
        "sample_weight": _each("sample_weight", sample_weight, count),
        "input_transform": _each("input_transform", input_transform, count, tuples=False),
    }
    once = _Once()
    trainings = []
    for index, network in enumerate(listed):
        arguments = {name: values[index] for name, values in each.items()}
        try:
            training = OnlineTraining.of(
                network, **arguments, engine=engine, function="train_many", convert=once
            )
            _check(training, network, once)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{error}; network {index} of 0 to {count - 1}") from error
        trainings.append(training)
    total = sum(len(training.order) for training in trainings)
    with tqdm(total=total, unit="presentation", unit_scale=True, disable=verbose != 1) as bar:
        return _run(trainings, min(int(n_threads), count), bar)


def _listed(networks: Any) -> list[Network]:
    if isinstance(networks, Network) or not isinstance(networks, Iterable):
        raise TypeError(f"[train_many] networks must be a sequence of ebp.Network; got {networks!r}")
    listed = list(networks)
    for network in listed:
        if not isinstance(network, Network):
            raise TypeError(f"[train_many] networks must be ebp.Network objects; got {network!r}")
    _check_different("networks", listed)
    return listed


def _rules(rules: Any, count: int) -> list[Any]:
    if isinstance(rules, Rule):
        return [rules._fresh() for _ in range(count)]
    if not isinstance(rules, (list, tuple)):
        raise TypeError(f"[train_many] rules must be one ebp.rules object or a list of them; got {rules!r}")
    rules = _each("rules", rules, count)
    _check_different("rules", rules)
    return rules


def _each(name: str, value: Any, count: int, tuples: bool = True) -> list[Any]:
    """The value of each network; `tuples` says whether a tuple is a list of values too."""
    if not isinstance(value, (list, tuple) if tuples else list):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"[train_many] a list as {name} must hold one value for each of the {count} networks; "
            f"got {len(value)}"
        )
    return list(value)


def _check_different(name: str, values: list[Any]) -> None:
    first: dict[int, int] = {}
    for index, value in enumerate(values):
        if id(value) in first:
            raise ValueError(
                f"[train_many] {name} must be different objects; got the same one at {first[id(value)]} "
                f"and {index}"
            )
        first[id(value)] = index


class _Once:
    """Calls a conversion of a value unless it has been called before, with the same arguments.

    The values must live as long as this does.
    """

    def __init__(self) -> None:
        self._results: dict[tuple[Any, ...], Any] = {}

    def __call__(self, convert: Callable[..., Any], value: Any, *arguments: Any) -> Any:
        key = (convert, id(value), *arguments)
        if key not in self._results:
            self._results[key] = convert(value, *arguments)
        return self._results[key]


def _check(training: OnlineTraining, network: Network, once: _Once) -> None:
    """Find now what the core would find when this training starts, after others have."""
    n_rows = len(training.X)
    if len(training.T) != n_rows:
        raise ValueError(f"[train_many] T must have the {n_rows} rows of X; got {len(training.T)}")
    once(_check_range, training.order, n_rows)
    if training.factor is not None:
        _check_transform(training.shift, training.factor, network.n_inputs)
    if isinstance(training.batches, np.ndarray):
        once(_check_batches, training.batches, len(training.order))
    training.trainer.engine(training.engine)


def _check_range(order: np.ndarray, n_rows: int) -> None:
    wrong = order[(order < 0) | (order >= n_rows)]
    if len(wrong):
        raise ValueError(
            f"[train_many] order must hold indices of rows of X, 0 to {n_rows - 1}; got {wrong[0]}"
        )


def _check_batches(sizes: np.ndarray, n: int) -> None:
    if (sizes < 1).any() or sizes.sum() != n:
        raise ValueError(
            f"[train_many] the sizes of batches must be at least 1 and add up to {n} presentations; "
            f"got {sizes}"
        )


def _check_transform(shift: Any, factor: np.ndarray, n_inputs: int) -> None:
    """Of a matrix as factor any number of features; else as many as there are inputs."""
    expected = (n_inputs, len(shift)) if factor.ndim == 2 else (n_inputs,)
    if shift.ndim != 1 or factor.shape != expected or (factor.ndim == 1 and shift.shape != expected):
        raise ValueError(
            f"[train_many] input_transform must have a shift (n_features,) and a factor ({n_inputs},) or "
            f"({n_inputs}, n_features); got {shift.shape} and {factor.shape}"
        )


def _run(trainings: list[OnlineTraining], n_threads: int, bar: tqdm) -> list[OnlineResult]:
    """The results of all, which share so many threads."""
    stop, drawing = threading.Event(), threading.Lock()
    left = iter(range(len(trainings)))
    results: dict[int, OnlineResult] = {}

    def run(training: OnlineTraining) -> OnlineResult:
        seen = 0

        def look(n_done: int, mean_loss: float = 0.0) -> bool:
            nonlocal seen
            with drawing:
                bar.update(n_done - seen)
            seen = n_done
            return stop.is_set()

        result = training.run(callback=look)
        look(len(training.order))  # if it diverged, no more will come
        return result

    def work() -> None:
        # All threads draw from one iterator, which the GIL makes safe: a future for each training would cost
        # more than a training of a few samples.
        for index in left:
            if stop.is_set():
                break
            results[index] = run(trainings[index])

    if n_threads <= 1:
        work()
    else:
        _in_threads(work, n_threads, stop)
    return [results[index] for index in range(len(trainings))]


def _in_threads(work: Callable[[], None], n_threads: int, stop: threading.Event) -> None:
    """Let so many threads call `work`, and tell them to stop at the first error, which is raised."""
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="train_many")
    try:
        futures = [pool.submit(work) for _ in range(n_threads)]
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        # Ctrl-C is raised here, in the main thread, only; the others look at `stop` every few milliseconds.
        stop.set()
        pool.shutdown()
    for future in futures:
        future.result()
