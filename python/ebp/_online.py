"""One online training: its arguments checked and converted, ready to be run by any thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ebp._arrays import as_rows, checked_order, checked_weights
from ebp.rules import Rule

if TYPE_CHECKING:
    from ebp.network import Network

ENGINES = ("auto", "streaming", "blocked")


@dataclass(frozen=True)
class OnlineResult:
    """What `Network.train_online` did.

    Attributes
    ----------
    losses : ndarray of shape (n_samples,)
        Loss of each presentation before the update it led to, times its sample weight.
    n_samples : int
        Presentations made.
    status : {"ok", "diverged", "stopped"}
        "diverged": a loss or a parameter was not finite, and the last good parameters are back in place.
        "stopped": the callback asked for it.
    """

    losses: np.ndarray
    n_samples: int
    status: str


def converted(convert: Callable[..., Any], value: Any, *arguments: Any) -> Any:
    """``convert(value, *arguments)``; see `OnlineTraining.of`."""
    return convert(value, *arguments)


@dataclass
class OnlineTraining:
    """What the core is given for one training of one network."""

    rule: Rule
    trainer: Any
    X: np.ndarray
    T: np.ndarray
    order: np.ndarray
    batches: int | np.ndarray
    rates: np.ndarray | None
    weights: np.ndarray | None
    shift: np.ndarray | None
    factor: np.ndarray | None
    engine: str

    @classmethod
    def of(
        cls,
        network: Network,
        X: Any,
        T: Any,
        rule: Any,
        *,
        order: Any,
        engine: Any,
        batch_size: Any,
        sample_weight: Any,
        input_transform: Any,
        function: str,
        convert: Callable[..., Any] = converted,
    ) -> OnlineTraining:
        """Check and convert the arguments of `Network.train_online`, and bind the rule to the network.

        `function` is named by errors. `convert` calls the conversion it is given; another one than the
        default may give again what it made of the same value before.
        """
        if not isinstance(rule, Rule):
            raise TypeError(f"[{function}] rule must be an ebp.rules object; got {rule!r}")
        if engine not in ENGINES:
            raise ValueError(f"[{function}] engine must be one of {', '.join(ENGINES)}; got {engine!r}")
        n_inputs, dtype = network.n_inputs, network.dtype
        shift, factor = convert(_transform, input_transform, dtype, function)
        width = n_inputs if shift is None else len(shift)
        sample_shape = network.input_shape if width == n_inputs else ()
        rows = convert(as_rows, X, width, dtype, function, "X", sample_shape)
        presented = convert(checked_order, order, len(rows), function)
        return cls(
            rule=rule,
            trainer=rule._bind(network),
            X=rows,
            T=convert(as_rows, T, network.n_outputs, dtype, function, "T"),
            order=presented,
            batches=convert(_batches, batch_size, rule.n_presented, len(presented), function),
            rates=rule._rates(len(presented)),
            weights=convert(_weights, sample_weight, len(rows), dtype, function),
            shift=shift,
            factor=factor,
            engine=engine,
        )

    def run(self, n_threads: int = 1, callback: Callable[[int, float], Any] | None = None) -> OnlineResult:
        """Train, without the GIL."""
        losses, n_samples, status = self.trainer.train(
            self.X,
            self.T,
            self.order,
            batches=self.batches,
            rates=self.rates,
            weights=self.weights,
            shift=self.shift,
            factor=self.factor,
            engine=self.engine,
            n_threads=n_threads,
            callback=callback,
        )
        self.rule._n_presented += n_samples
        return OnlineResult(losses, n_samples, status)


def _weights(sample_weight: Any, n: int, dtype: np.dtype, function: str) -> np.ndarray | None:
    return None if sample_weight is None else checked_weights(sample_weight, n, dtype, function)


def _transform(transform: Any, dtype: np.dtype, function: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    if transform is None:
        return None, None
    if not isinstance(transform, (tuple, list)) or len(transform) != 2:
        raise ValueError(f"[{function}] input_transform must be (shift, factor); got {transform!r}")
    shift, factor = (np.ascontiguousarray(part, dtype=dtype) for part in transform)
    return shift, factor


def _batches(batch_size: Any, t: int, n: int, function: str) -> int | np.ndarray:
    """Presentations per update, or the sizes of the next updates from presentation t on."""
    sizes = getattr(batch_size, "sizes", None)
    if callable(sizes):
        return np.ascontiguousarray(sizes(t, n), np.intp)
    if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool):
        raise TypeError(
            f"[{function}] batch_size must be an integer or an ebp.schedules.GrowingBatch; got {batch_size!r}"
        )
    if batch_size < 1:
        raise ValueError(f"[{function}] batch_size must be at least 1; got {batch_size}")
    return min(int(batch_size), 2**62)
