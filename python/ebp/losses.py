"""Losses that have settings of their own; the others are named by a string, see `Network`."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

__all__ = ["LOSSES", "MAP", "Huber"]

LOSSES = (
    "squared_error",
    "cross_entropy",
    "binary_cross_entropy",
    "absolute_error",
    "huber",
    "hinge",
    "map",
)
CURVATURES = ("constant", "exact")


@dataclass(frozen=True)
class MAP:
    """The criterion of LeNet-5: maximum a posteriori, with a rubbish class.

    E = y_D + log(e^−j + Σ e^−y), where y are squared distances to the codes of the classes
    (`layers.EuclideanRBF`) and D is the right class, where the target is 1. It pulls the inputs to the right
    code and pushes them away from wrong ones that are nearer than about the square root of j to them; with
    trained codes it keeps these apart. The posterior of the rubbish class is what the others,
    e^−y / (e^−j + Σ e^−y), lack to 1. LeNet-5 paper, equation (9).

    Parameters
    ----------
    j : float, default=1.0
        The squared distance that the rubbish class counts for. Samples nearer to their own code than this
        cease to count. The authors do not print theirs, only that it is positive; very negative values lead
        to E = y_D.
    curvature : {"constant", "exact"}, default="constant"
        Second derivatives of the inputs of a `EuclideanRBF` below, for SDLM. "exact": the diagonal of the
        Hessian of loss and distances together, 4 [Σ p u² − (Σ p u)²] + 2 p(rubbish), never negative. It fades
        as samples are learnt, so that rates grow towards learning_rate / mu. "constant": 2, its value while
        the rubbish class takes all, and that of E = y_D; the default, because rates stay bounded.

    Raises
    ------
    ValueError
        For a j that is not finite or an unknown curvature.

    Examples
    --------
    >>> import ebp
    >>> layers = [ebp.layers.Dense(3), ebp.layers.EuclideanRBF([[1, 1, -1], [-1, 1, 1]])]
    >>> ebp.Network(layers, 2, loss=ebp.losses.MAP(j=4.0)).loss_function
    MAP(j=4.0, curvature='constant')
    """

    j: float = 1.0
    curvature: str = "constant"

    def __post_init__(self) -> None:
        if (
            not isinstance(self.j, numbers.Real)
            or isinstance(self.j, bool)
            or not math.isfinite(float(self.j))
        ):
            raise ValueError(f"[MAP] j must be a finite number; got {self.j!r}")
        if self.curvature not in CURVATURES:
            raise ValueError(
                f"[MAP] curvature must be one of {', '.join(CURVATURES)}; got {self.curvature!r}"
            )

    @property
    def _name(self) -> str:
        return "map"

    @property
    def _options(self) -> dict[str, Any]:
        return {"j": float(self.j), "exact_curvature": self.curvature == "exact"}


@dataclass(frozen=True)
class Huber:
    """Squared error for small errors, absolute error for large ones: outliers pull with bounded force.

    Summed over outputs: e²/2 where |e| ≤ δ, else δ (|e| − δ/2).

    Parameters
    ----------
    delta : float, default=1.0
        Error δ at which the two meet, in units of the targets.

    Raises
    ------
    ValueError
        If delta is not a positive finite number.

    Examples
    --------
    >>> import ebp
    >>> loss = ebp.losses.Huber(0.5)
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 1, loss=loss, weight_init=[1, 0])
    >>> net.losses([[0.5], [2.0]], [[0.0], [0.0]])
    array([0.125, 0.875], dtype=float32)
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        if (
            not isinstance(self.delta, numbers.Real)
            or isinstance(self.delta, bool)
            or not 0 < float(self.delta) < math.inf
        ):
            raise ValueError(f"[Huber] delta must be a positive finite number; got {self.delta!r}")

    @property
    def _name(self) -> str:
        return "huber"

    @property
    def _options(self) -> dict[str, Any]:
        return {"delta": float(self.delta)}


Loss = str | MAP | Huber


def checked_loss(owner: str, loss: Any, names: tuple[str, ...] = LOSSES) -> Loss:
    """`loss` if it is one of the names or an object of this module for one of them."""
    if loss_name(loss) not in names:
        raise ValueError(
            f"[{owner}] loss must be one of {', '.join(names)}, or ebp.losses.MAP(...) or Huber(...); "
            f"got {loss!r}"
        )
    return loss


def loss_name(loss: Any) -> Any:
    """The name of a loss, given by name or as an object."""
    return loss._name if isinstance(loss, (MAP, Huber)) else loss


def loss_options(loss: Loss) -> dict[str, Any]:
    """What the core is to know besides the name."""
    return {} if isinstance(loss, str) else loss._options
