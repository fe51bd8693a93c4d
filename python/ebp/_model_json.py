"""Objects as JSON values and arrays, and back: the description that a model file keeps.

`ebp.model_file` documents the layout. Only the classes named here are ever built from a file.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from ._arrays import checked_shape
from .rules._base import Rule

# Its constructor takes no part in reading: its attributes say all.
_STATISTICS = "Moments"
# What rules have beside the arguments of their constructors.
_RULE_STATE = {"_memory", "_n_presented"}
_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
# Bytes that an array of texts may take for each of its entries and of their characters: far more than any
# should, and too little for a file to make much of nothing.
_MOST_ROOM = 256
# Attributes that scikit-learn's own machinery hangs on an instance.
_FOREIGN_ATTRIBUTES = (
    "_callback_fit_ctx",
    "_metadata_request",
    "_parent_callback_ctx",
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_sklearn_output_config",
)


class Encoder:
    """Turns objects into JSON values; collects the arrays, named by their path, in `tensors`."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}

    def encode(self, value: Any, path: str) -> Any:
        """JSON value of an object; `path` is its place in the whole. Raises TypeError for what is no data."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"kind": "float", "value": repr(value)}
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        if isinstance(value, list) and value and all(isinstance(item, float) for item in value):
            return {"kind": "floats", "values": self._array(np.array(value), path)}
        if isinstance(value, (list, tuple)):
            values = [self.encode(item, f"{path}.{k}") for k, item in enumerate(value)]
            return values if isinstance(value, list) else {"kind": "tuple", "values": values}
        if isinstance(value, dict):
            return {"kind": "dict", "values": [self._pair(pair, path) for pair in value.items()]}
        if isinstance(value, np.random.Generator):
            return self._generator(value.bit_generator, path)
        return self._object(value, path)

    def _pair(self, pair: tuple[Any, Any], path: str) -> list[Any]:
        key, value = pair
        return [self.encode(key, f"{path}.key"), self.encode(value, f"{path}.{key}")]

    def _array(self, array: np.ndarray, path: str) -> dict[str, Any]:
        if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
            name = path or "array"
            self.tensors[name] = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
            return {"kind": "tensor", "name": name}
        if array.dtype.kind not in "OU":
            raise TypeError(f"[save] {path} must hold numbers, texts or booleans; got dtype {array.dtype}")
        values = [self.encode(item, path) for item in array.ravel().tolist()]
        return {"kind": "array", "dtype": array.dtype.str, "shape": list(array.shape), "values": values}

    def _generator(self, bit_generator: Any, path: str) -> dict[str, Any]:
        name = type(bit_generator).__name__
        if name not in _BIT_GENERATORS:
            raise TypeError(f"[save] {path} must be a generator of NumPy's own kinds; got {name}")
        state = self.encode(bit_generator.state, path)
        return {"kind": "generator", "bit_generator": name, "state": state}

    def _object(self, value: Any, path: str) -> dict[str, Any]:
        kind = type(value).__name__
        if type(value) is not classes().get(kind):
            raise TypeError(f"[save] {path} must be data that a model file can hold; got {kind}")
        if kind == "Network":
            return self._network(value, path)
        prefix = f"{path}." if path else ""
        names = () if kind == _STATISTICS else inspect.signature(type(value)).parameters
        parameters = {name: getattr(value, name) for name in names}
        state = {k: v for k, v in _state(value).items() if k not in parameters}
        return {
            "kind": kind,
            "params": {k: self.encode(v, prefix + k) for k, v in parameters.items() if _is_kept(k, v)},
            "state": {k: self.encode(v, prefix + k) for k, v in state.items()},
        }

    def _network(self, net: Any, path: str) -> dict[str, Any]:
        prefix = f"{path}." if path else ""
        slices = [[name, part.start, part.stop, list(shape)] for name, part, shape in net.parameter_slices]
        return {
            "kind": "Network",
            "input_shape": self.encode(net.input_shape, prefix + "input_shape"),
            "loss": self.encode(net.loss_function, prefix + "loss"),
            "dtype": net.dtype.name,
            "layers": self.encode(list(net.layers), prefix + "layers"),
            "theta": self._array(net.parameters, prefix + "theta"),
            "parameter_slices": slices,
        }


class Decoder:
    """The inverse of `Encoder`; raises KeyError, TypeError or ValueError where the text makes no sense."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = dict(tensors)

    def decode(self, value: Any) -> Any:
        """The object that a JSON value describes."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        kind = value["kind"]
        if kind == "tensor":
            # once: a few characters that name an array again and again would fill the memory with copies
            return self.tensors.pop(value["name"])
        if kind == "floats":
            return self.decode(value["values"]).tolist()
        if kind == "tuple":
            return tuple(self.decode(value["values"]))
        if kind == "dict":
            return dict(self.decode(value["values"]))
        if kind == "float":
            return float(value["value"])
        if kind == "array":
            return self._array(value)
        if kind == "generator":
            return self._generator(value)
        if kind == "Network":
            return self._network(value)
        return self._object(value)

    def _array(self, value: dict[str, Any]) -> np.ndarray:
        dtype = np.dtype(value["dtype"])
        texts = [item if isinstance(item, str) else "" for item in value["values"]]
        room = _MOST_ROOM * (len(texts) + sum(map(len, texts)))
        if dtype.kind not in "OU" or dtype.itemsize * len(texts) > room:
            raise ValueError(f"{dtype} is too wide for the texts that the file has")
        array = np.empty(len(value["values"]), dtype=dtype)
        array[:] = self.decode(value["values"])
        return array.reshape(value["shape"])

    def _generator(self, value: dict[str, Any]) -> np.random.Generator:
        name = value["bit_generator"]
        if name not in _BIT_GENERATORS:
            raise ValueError(f"unknown random generator {name}")
        bit_generator = getattr(np.random, name)()
        bit_generator.state = self.decode(value["state"])
        return np.random.Generator(bit_generator)

    def _network(self, value: dict[str, Any]) -> Any:
        from .network import Network

        layers, input_shape = self.decode(value["layers"]), self.decode(value["input_shape"])
        theta = self.decode(value["theta"])
        _check_size(layers, input_shape, len(theta))
        loss = self.decode(value["loss"])
        return Network(layers, input_shape, loss=loss, weight_init=theta, dtype=value["dtype"])

    def _object(self, value: dict[str, Any]) -> Any:
        kind = value["kind"]
        if kind not in classes():
            raise ValueError(f"unknown kind {kind}")
        cls = classes()[kind]
        params = {name: self.decode(item) for name, item in value["params"].items()}
        state = {name: self.decode(item) for name, item in value["state"].items()}
        result = object.__new__(cls) if kind == _STATISTICS else cls(**params)
        if isinstance(result, Rule):
            if state.keys() != _RULE_STATE:
                raise ValueError(
                    f"a rule's state is {', '.join(sorted(_RULE_STATE))}; got {', '.join(state)}"
                )
            result._remember(**{name[1:]: item for name, item in state.items()})
            return result
        for name, item in state.items():
            # Nothing that the class defines, such as a method, may be covered by a value from the file.
            if hasattr(cls, name):
                raise ValueError(f"{name} is not a fitted attribute of {kind}")
            setattr(result, name, item)
        return result


def _check_size(layers: Any, input_shape: Any, n_parameters: int) -> None:
    """Refuse layers that surely have more parameters, before they make anything of that size."""
    from .layers import Conv1D, Conv2D, Dense, GaussianRBF, Subsample2D

    shape = checked_shape(input_shape)
    count = 0
    for layer in layers:
        if isinstance(layer, (Dense, GaussianRBF)):
            count += layer.units * math.prod(shape)
        elif isinstance(layer, (Conv1D, Conv2D)):
            table = layer.connections
            kernels = layer.maps * shape[0] if table is None else sum(map(sum, table))
            count += kernels * math.prod(layer._kernel)
        elif isinstance(layer, Subsample2D):
            count += 2 * shape[0]
        if count > n_parameters:
            raise ValueError(f"layers have at least {count} parameters; got {n_parameters}")
        shape = layer.output_shape(shape)


def classes() -> dict[str, type]:
    """The classes that a file may name."""
    # Imported late: these modules offer save and load as methods and so import this one.
    from sklearn.frozen import FrozenEstimator

    from . import layers, losses, rules, sampling, schedules
    from ._moments import Moments
    from .classifier import MLPClassifier, NetworkClassifier
    from .network import Network
    from .normalizer import InputNormalizer
    from .regressor import MLPRegressor, NetworkRegressor

    estimators = (
        FrozenEstimator,
        InputNormalizer,
        MLPClassifier,
        MLPRegressor,
        NetworkClassifier,
        NetworkRegressor,
    )
    kinds = [
        value for value in vars(layers).values() if isinstance(value, type) and value is not layers.Layer
    ]
    kinds += [losses.MAP, losses.Huber, sampling.Emphasize]
    kinds += [getattr(rules, name) for name in rules.__all__ if name != "Rule"]
    kinds += [getattr(schedules, name) for name in schedules.__all__ if name != "Schedule"]
    return {cls.__name__: cls for cls in (*estimators, *kinds, Network, Moments)}


def _state(value: Any) -> dict[str, Any]:
    """Attributes of an object, without what belongs to scikit-learn's machinery."""
    state = value.__getstate__() if hasattr(type(value), "__getstate__") else vars(value)
    if isinstance(value, Rule):
        state = {name: state[name] for name in _RULE_STATE}
    return {name: item for name, item in (state or {}).items() if name not in _FOREIGN_ATTRIBUTES}


def _is_kept(name: str, value: Any) -> bool:
    if name == "random_state":
        return value is None or isinstance(value, (int, np.integer))
    return name != "callbacks"
