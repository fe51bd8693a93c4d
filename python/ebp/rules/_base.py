"""What all rules have in common."""

from __future__ import annotations

import inspect
import numbers
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ebp import _core

if TYPE_CHECKING:
    from ebp.network import Network

MOMENTUM_FORMS = ("heavy_ball", "nesterov", "averaged")
# Of the running means of hidden activations: they change slowly, and a mean over 100 samples is good to a
# tenth of the standard deviation.
CENTRING_LEAK = 0.01
# What a trainer remembers, see RuleState<T>::Memo.
_VECTORS = ("velocity", "curvature", "first", "second", "means")
_FLAGS = ("measured", "centres_known")
_NUMBERS = ("learning_rate", "eta", "first_share", "second_share")


def number(
    owner: str,
    name: str,
    value: Any,
    low: float,
    high: float = np.inf,
    *,
    open_low: bool = False,
    closed_high: bool = False,
) -> float:
    """The value as a float in [low, high); `open_low` leaves low out, `closed_high` takes high in."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"[{owner}] {name} must be a number; got {value!r}")
    result = float(value)
    above = low < result if open_low else low <= result
    below = result <= high if closed_high else result < high
    if not (above and below):
        limits = f"in {'(' if open_low else '['}{low:g}, {high:g}{']' if closed_high else ')'}"
        raise ValueError(f"[{owner}] {name} must be {limits}; got {value!r}")
    return result


def choice(owner: str, name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"[{owner}] {name} must be one of {', '.join(choices)}; got {value!r}")
    return value


def _is_memory(memory: Any) -> bool:
    """Whether a trainer can be given this."""
    if not isinstance(memory, dict) or memory.keys() != {*_VECTORS, *_FLAGS, *_NUMBERS}:
        return False
    vectors = [memory[name] for name in _VECTORS]
    return (
        all(isinstance(vector, np.ndarray) and vector.ndim == 1 for vector in vectors)
        and {vector.dtype.name for vector in vectors} in ({"float32"}, {"float64"})
        and all(isinstance(memory[name], bool) for name in _FLAGS)
        and all(isinstance(memory[name], numbers.Real) for name in _NUMBERS)
    )


class Rule:
    """What all rules have in common; made through one of its subclasses.

    A subclass stores its own settings as attributes of the same names as the parameters of its constructor,
    and gives them to the core in `_method`.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        momentum_form: Any,
        weight_decay: Any,
        schedule: Any,
        center_hidden: Any,
    ) -> None:
        owner = type(self).__name__
        self._trainer: Any = None
        self._core: Any = None
        self._memory: dict[str, Any] | None = None  # of a copy or file, for the trainer to come
        self._n_presented = 0
        self._learning_rate = self._checked_rate(learning_rate)
        self.momentum = number(owner, "momentum", momentum, 0, 1)
        self.momentum_form = choice(owner, "momentum_form", momentum_form, MOMENTUM_FORMS)
        self.weight_decay = number(owner, "weight_decay", weight_decay, 0)
        if schedule is not None and not callable(getattr(schedule, "factors", None)):
            raise TypeError(
                f"[{owner}] schedule must be an ebp.schedules object with factors(t), or None; "
                f"got {schedule!r}"
            )
        self.schedule = schedule
        if not isinstance(center_hidden, (bool, np.bool_)):
            raise TypeError(f"[{owner}] center_hidden must be True or False; got {center_hidden!r}")
        self.center_hidden = bool(center_hidden)

    def _checked_rate(self, value: Any) -> float:
        return number(type(self).__name__, "learning_rate", value, 0)

    @property
    def learning_rate(self) -> float:
        """Global rate, which the schedule multiplies; may be set between calls."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = self._checked_rate(value)
        if self._trainer is not None:
            self._trainer.set_learning_rate(self._learning_rate)
        elif self._memory is not None:
            self._memory = {**self._memory, "learning_rate": self._learning_rate}

    @property
    def n_presented(self) -> int:
        """Presentations learnt from, which is the time t of the schedule; may be set between calls."""
        return self._n_presented

    @n_presented.setter
    def n_presented(self, value: int) -> None:
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 0:
            raise ValueError(
                f"[{type(self).__name__}] n_presented must be an integer of at least 0; got {value!r}"
            )
        self._n_presented = int(value)

    @property
    def learning_rates(self) -> np.ndarray | None:
        """Effective rate of every parameter, shaped like `Network.parameters`; None before training.

        With a schedule, that of the last presentation. None also for a copy and for a rule from a file, until
        they go on.
        """
        return None if self._trainer is None else self._trainer.rates

    def _method(self) -> Any:
        """The rule's own settings, an options object of the core."""
        raise NotImplementedError

    def _bind(self, network: Network) -> Any:
        """The trainer for this network, made when it is first asked for."""
        if self._trainer is None:
            options = _core.RuleOptions(
                learning_rate=self._learning_rate,
                momentum=self.momentum,
                momentum_form=self.momentum_form,
                weight_decay=self.weight_decay,
                centring_leak=CENTRING_LEAK if self.center_hidden else 0.0,
                method=self._method(),
            )
            trainer = network._trainer_class(network._core, options)
            if self._memory is not None:
                self._resume(trainer, network.dtype)
            self._core, self._trainer, self._memory = network._core, trainer, None
        elif self._core is not network._core:
            raise ValueError(
                f"[{type(self).__name__}] a rule belongs to the first network it trains; got another one"
            )
        return self._trainer

    def _resume(self, trainer: Any, dtype: np.dtype) -> None:
        """Give the trainer what the rule remembers."""
        assert self._memory is not None
        kept = self._memory["first"].dtype
        if kept != dtype:
            raise ValueError(
                "[resume] the state must be that of this rule and network; "
                f"got {kept} for a network of {dtype}"
            )
        trainer.resume(self._memory)

    def _remember(self, memory: Any, n_presented: Any) -> None:
        """Take on what a file says that a rule of these settings remembered."""
        self.n_presented = n_presented
        if memory is not None and not _is_memory(memory):
            raise ValueError(
                f"[load] a rule's memory must be vectors {', '.join(_VECTORS)} of one type, flags and "
                f"numbers; got {memory!r:.100}"
            )
        self._memory = memory

    @property
    def _next_rate(self) -> float:
        """Global rate at the next presentation."""
        rates = self._rates(1)
        return self._learning_rate if rates is None else float(rates[0])

    def _rates(self, n: int) -> np.ndarray | None:
        """Global rate at each of the next n presentations; None if it stays as it is."""
        if self.schedule is None:
            return None
        t = np.arange(self._n_presented, self._n_presented + n)
        return self._learning_rate * np.asarray(self.schedule.factors(t), np.float64)

    def __setattr__(self, name: str, value: Any) -> None:
        # A change would not reach the state that the core keeps, so it is refused instead of being ignored.
        if name in self.__dict__ and not name.startswith("_"):
            raise AttributeError(
                f"[{type(self).__name__}] {name} is fixed; make a new rule with another {name}; got {value!r}"
            )
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        # A copy goes on with what the rule remembers, on the first network that it trains.
        memory = self._memory if self._trainer is None else self._trainer.memory()
        return {**self.__dict__, "_trainer": None, "_core": None, "_memory": memory}

    def __repr__(self) -> str:
        rate, *others = self._settings().items()
        settings = [repr(rate[1]), *(f"{name}={value!r}" for name, value in others)]
        return f"{type(self).__name__}({', '.join(settings)})"

    def _settings(self) -> dict[str, Any]:
        """What the constructor takes, the rate first."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def _fresh(self) -> Rule:
        """A rule of the same settings that has not trained anything."""
        return type(self)(**self._settings())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file with the settings and all that the rule remembers, which `ebp.load` reads.

        A loaded rule goes on on the first network that it trains, which must have the layers of the one it
        has left.

        Parameters
        ----------
        path : str or path
        """
        from ebp import model_file

        model_file.save(self, path)
