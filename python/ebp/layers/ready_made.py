"""Networks of the paper and of its authors, as lists of layers."""

from __future__ import annotations

from ._base import Layer, choice
from .conv import Conv2D
from .dense import Dense
from .rbf import EuclideanRBF
from .subsample import Subsample2D

# Input maps of the twelve maps of LeNet-1's second convolution.
_LENET1_H3 = [(0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1), (2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3)]
# Input maps of the sixteen maps of LeNet-5's layer C3: three, four, four spread out, and all.
_LENET5_C3 = [
    *[tuple((first + k) % 6 for k in range(3)) for first in range(6)],
    *[tuple((first + k) % 6 for k in range(4)) for first in range(6)],
    *[(0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)],
    (0, 1, 2, 3, 4, 5),
]


def _connections(sources: list[tuple[int, ...]], n_inputs: int) -> list[list[bool]]:
    return [[k in row for k in range(n_inputs)] for row in sources]


def lenet1() -> list[Layer]:
    """LeNet-1 (LeCun et al. 1990) for images of shape (1, 28, 28): 2,578 parameters, 98,442 connections.

    Returns
    -------
    list of layers
        Ten outputs with targets ±1.

    Examples
    --------
    >>> import ebp
    >>> ebp.Network(ebp.layers.lenet1(), (1, 28, 28)).n_parameters
    2578
    """
    return [
        Conv2D(4, 5),
        Subsample2D(2),
        Conv2D(12, 5, connections=_connections(_LENET1_H3, 4)),
        Subsample2D(2),
        Dense(10),
    ]


def lenet5(output: str = "rbf") -> list[Layer]:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) for images of shape (1, 32, 32).

    Parameters
    ----------
    output : {"rbf", "dense"}, default="rbf"
        "rbf": squared distances of the 84 units of F6 to fixed codes of ±1, stylised 7x12 bitmaps of the
        digits, to be trained by the loss "map": 60,000 parameters, 340,908 connections. "dense": ten units
        with targets ±1 instead, 60,850 parameters.

    Returns
    -------
    list of layers

    Raises
    ------
    ValueError
        For another output.

    Examples
    --------
    >>> import ebp
    >>> ebp.Network(ebp.layers.lenet5(), (1, 32, 32), loss="map", weight_init="lenet").n_parameters
    60000
    """
    from ebp._codes import digit_codes

    choice("lenet5", "output", output, ("rbf", "dense"))
    return [
        Conv2D(6, 5),
        Subsample2D(2),
        Conv2D(16, 5, connections=_connections(_LENET5_C3, 6)),
        Subsample2D(2),
        Conv2D(120, 5),
        Dense(84),
        EuclideanRBF(digit_codes()) if output == "rbf" else Dense(10),
    ]


def netmask() -> list[Layer]:
    """The authors' network for their 480 digits, of shape (1, 16, 16): 746 parameters, 3,146 connections.

    Two maps of 8x8 and four of 4x4 units with 3x3 kernels, moved by two pixels over images that continue at
    their opposite edges; then ten outputs with targets ±1. A candidate for the network of Figs 19 and 20.

    Examples
    --------
    >>> import ebp
    >>> ebp.Network(ebp.layers.netmask(), (1, 16, 16)).n_parameters
    746
    """
    return [
        Conv2D(2, 3, stride=2, padding="wrap"),
        Conv2D(4, 3, stride=2, padding="wrap"),
        Dense(10),
    ]


def figure24() -> list[Layer]:
    """The network of Figs 24 and 26, for images of shape (1, 32, 32): 1,278 parameters, 64,638 connections.

    Units 1024 x 1568 x 392 x 400 x 100 x 10, with shared weights in all layers but the last.

    Examples
    --------
    >>> import ebp
    >>> ebp.Network(ebp.layers.figure24(), (1, 32, 32)).n_parameters
    1278
    """
    return [Conv2D(2, 5), Subsample2D(2), Conv2D(4, 5), Subsample2D(2), Dense(10)]
