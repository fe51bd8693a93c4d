"""Parameters of networks to and from PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ebp._extras import require_extra
from ebp.layers import Conv1D, Conv2D

if TYPE_CHECKING:
    from ebp.network import Network

NAMES = {"weights": "weight"}  # of PyTorch, where they are others


def to_torch(network: Network) -> dict[str, Any]:
    """The parameters as a state dict of a ``torch.nn.Sequential`` with the same layers.

    Keys are the module's position and the parameter's name, such as ``"0.weight"`` and ``"0.bias"``; an
    activation other than the identity is a module of its own, and so is the ``Flatten`` between maps and a
    dense layer, so that ``Sequential(Linear(4, 3), Tanh(), Linear(3, 2))`` takes what
    ``Network([Dense(3, "tanh"), Dense(2, "identity")], 4)`` gives.

    Parameters
    ----------
    network : Network

    Returns
    -------
    state : dict of str to torch.Tensor
        Copies, in the network's dtype. ``weight`` of dense layers (units, inputs) and of convolutions
        (maps, input maps, \\*kernel), 0 where maps are not connected; ``bias``; ``coefficients`` of
        `Subsample2D`, ``centres`` and ``widths`` of `GaussianRBF`, ``codes`` of a trainable `EuclideanRBF`,
        for which PyTorch has no modules.

    Raises
    ------
    ImportError
        Without PyTorch.
    TypeError
        For other objects than networks; that of a fitted estimator is its `network_`.

    Examples
    --------
    >>> import ebp
    >>> net = ebp.Network([ebp.layers.Dense(3, "tanh"), ebp.layers.Dense(2, "identity")], 4, random_state=0)
    >>> list(ebp.exchange.to_torch(net))  # doctest: +SKIP
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    _check_network(network, "to_torch")
    torch = require_extra("torch", "torch", "to_torch")
    positions = _positions(network)
    state = {}
    for layer, part, values in _parameters(network):
        name = f"{positions[layer]}.{NAMES.get(part, part)}"
        state[name] = torch.from_numpy(_dense_kernels(network.layers[layer], part, values).copy())
    return state


def from_torch(network: Network, state: Mapping[str, Any]) -> None:
    """Take the parameters of a PyTorch module with the same layers.

    Parameters
    ----------
    network : Network
        Gets them; its layers say what they must look like.
    state : mapping of str to torch.Tensor or array
        A state dict, such as ``module.state_dict()``, in the order of the layers; names of modules do not
        count, those of parameters are as `to_torch` says. Layers without biases must be so in both. Values
        are real numbers of any type, also ``bfloat16``, and are rounded to the network's dtype.

    Raises
    ------
    TypeError
        If `network` is no network, or `state` no mapping.
    ValueError
        If parameters are missing, left over, of another shape, no real numbers, or not finite in the
        network's dtype, or if a kernel between maps that are not connected is not 0. The network stays as it
        was.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> net = ebp.Network([ebp.layers.Dense(2, "identity")], 2, random_state=0)
    >>> ebp.exchange.from_torch(net, {"fc.weight": np.eye(2), "fc.bias": np.zeros(2)})
    >>> net.forward([[3.0, 4.0]])
    array([[3., 4.]], dtype=float32)
    """
    _check_network(network, "from_torch")
    if not isinstance(state, Mapping):
        raise TypeError(
            "[from_torch] state must be a mapping, such as the state_dict() of a module; "
            f"got {type(state).__name__}"
        )
    wanted = list(_parameters(network))
    if len(state) != len(wanted):
        raise ValueError(
            f"[from_torch] state must have one entry for each of the {len(wanted)} parameters "
            f"{[f'{layer}.{part}' for layer, part, _ in wanted]}; got {list(state)}"
        )
    theta = network.parameters.copy()
    for (name, value), (layer, part, old), (_, where, _) in zip(
        state.items(), wanted, network.parameter_slices, strict=True
    ):
        array = _array(value)
        expected = _dense_kernels(network.layers[layer], part, old).shape
        if name.rpartition(".")[2] != NAMES.get(part, part) or array.shape != expected:
            raise ValueError(
                f"[from_torch] {name} must be the {NAMES.get(part, part)} of layer {layer}, of shape "
                f"{expected}; got shape {array.shape}"
            )
        numbers = _finite(array, network.dtype, name)
        theta[where] = _connected_kernels(network.layers[layer], part, numbers, name).ravel()
    network.parameters[:] = theta


def _check_network(network: Any, function: str) -> None:
    from ebp.network import Network

    if not isinstance(network, Network):
        raise TypeError(
            f"[{function}] network must be an ebp.Network, such as the network_ of a fitted estimator; "
            f"got {network!r}"
        )


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # NumPy lacks some types of PyTorch, as bfloat16; all that have fractions are exact in double
        value = (value.double() if value.is_floating_point() else value).numpy()
    return np.asarray(value)


def _finite(array: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
    """In the network's dtype, whose range may be smaller."""
    if array.dtype.kind not in "biuf":
        raise ValueError(f"[from_torch] {name} must be real numbers; got {array.dtype}")
    with np.errstate(over="ignore"):
        numbers = array.astype(dtype)
    finite = np.isfinite(numbers)
    if not finite.all():
        raise ValueError(f"[from_torch] {name} must be finite in {dtype}; got {array[~finite][0]}")
    return numbers


def _positions(network: Network) -> list[int]:
    """Place in a Sequential of the module with each layer's parameters."""
    positions, position, shape = [], 0, network.input_shape
    for layer in network.layers:
        inner, shape = shape, layer.output_shape(shape)
        position += len(inner) > 1 and len(shape) == 1  # a Flatten
        positions.append(position)
        position += 1 + (getattr(layer, "activation", "identity") != "identity")
    return positions


def _parameters(network: Network) -> Any:
    """(layer, name of the parameter, values) in their order."""
    for name, where, shape in network.parameter_slices:
        layer, part = name.split(".")
        yield int(layer), part, network.parameters[where].reshape(shape)


def _table(layer: Any, part: str) -> np.ndarray | None:
    """The connections (maps, input maps) of what are kernels, if not all maps are connected."""
    partial = isinstance(layer, (Conv1D, Conv2D)) and part == "weights" and layer.connections is not None
    return np.array(layer.connections) if partial else None


def _dense_kernels(layer: Any, part: str, values: np.ndarray) -> np.ndarray:
    """Kernels (maps, input maps, *kernel), 0 where maps are not connected; other parameters as they are."""
    if not (isinstance(layer, (Conv1D, Conv2D)) and part == "weights"):
        return values
    table = _table(layer, part)
    side = values.shape[2:] if isinstance(layer, Conv1D) else values.shape[1:]
    if table is None:
        return values.reshape(layer.maps, -1, *side)
    kernels = np.zeros((*table.shape, *side), values.dtype)
    kernels[table] = values.reshape(-1, *side)
    return kernels


def _connected_kernels(layer: Any, part: str, values: np.ndarray, name: str) -> np.ndarray:
    """The inverse of `_dense_kernels`."""
    table = _table(layer, part)
    if table is None:
        return values
    if values[~table].any():
        raise ValueError(f"[from_torch] {name} must be 0 where maps are not connected; got other values")
    return values[table]
