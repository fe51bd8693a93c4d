"""Initial weights. Section 4.6."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ebp.layers import EuclideanRBF, Layer

SCHEMES = ("lecun", "lecun_uniform", "xavier", "he", "lenet", "sn")

# name, start, shape, parameters of each unit, fan-in of each unit: as the core describes its parameters
Block = tuple[str, int, list[int], list[int], list[int]]


def generator(random_state: Any) -> np.random.Generator:
    """A NumPy generator from None, a seed, a Generator (used as it is) or a RandomState."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1))
    seedable = random_state is None or isinstance(random_state, (numbers.Integral, np.random.Generator))
    if not seedable:
        raise TypeError(
            f"[random_state] must be None, an integer, a Generator or a RandomState; got {random_state!r}"
        )
    if isinstance(random_state, numbers.Integral) and random_state < 0:
        raise ValueError(f"[random_state] a seed must not be negative; got {random_state}")
    return np.random.default_rng(random_state)


def initial_parameters(
    weight_init: Any, blocks: list[Block], layers: Sequence[Layer], dtype: np.dtype, random_state: Any
) -> np.ndarray:
    """Values for all parameters, shape (n_parameters,): weights by the scheme, biases 0, or those given."""
    n_parameters = sum(sum(unit_sizes) for _, _, _, unit_sizes, _ in blocks)
    if not isinstance(weight_init, str):
        values = np.asarray(weight_init)
        if values.shape != (n_parameters,) or values.dtype.kind not in "fiu":
            raise ValueError(
                f"[Network] weight_init must be one of {', '.join(SCHEMES)} or {n_parameters} numbers; "
                f"got {values.dtype} {values.shape}"
            )
        with np.errstate(over="ignore"):
            values = values.astype(dtype)
        if not np.isfinite(values).all():
            raise ValueError(f"[Network] weight_init must be finite as {dtype}; got NaN or infinity")
        return values
    if weight_init not in SCHEMES:
        raise ValueError(f"[Network] weight_init must be one of {', '.join(SCHEMES)}; got {weight_init!r}")
    rng = generator(random_state)
    drawn = [_initial_block(weight_init, block, layers, rng) for block in blocks]
    return np.concatenate(drawn) if drawn else np.zeros(0)


def _initial_block(
    scheme: str, block: Block, layers: Sequence[Layer], rng: np.random.Generator
) -> np.ndarray:
    """Values of one named array of parameters, flat."""
    name, _, shape, unit_sizes, fan_ins = block
    number, kind = name.split(".")
    layer = layers[int(number)]
    if kind == "weights":
        fan_out = len(unit_sizes) * int(np.prod(shape[1:])) if len(shape) == 3 else shape[0]
        units = zip(unit_sizes, fan_ins, strict=True)
        return np.concatenate([_draw(scheme, size, fan_in, fan_out, rng) for size, fan_in in units])
    if kind == "coefficients":  # the sum of so many independent values of unit variance gets unit variance
        return np.array(fan_ins, float) ** -0.5
    if kind == "codes" and isinstance(layer, EuclideanRBF):
        return np.array(layer.codes).ravel()
    if kind == "centres":
        return rng.standard_normal(int(np.prod(shape)))
    if kind == "widths":  # a typical input is about this far from a random centre
        return np.array(fan_ins, float) ** 0.5
    if scheme == "sn":
        return _draw(scheme, len(fan_ins), np.array(fan_ins, float), 1, rng)
    return np.zeros(int(np.prod(shape)))  # biases


def _draw(scheme: str, size: int, fan_in: Any, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Random values (size,); fan_in is a number, or one for each value."""
    if scheme == "lecun":
        return rng.normal(0, fan_in**-0.5, size)
    if scheme == "he":
        return rng.normal(0, (2 / fan_in) ** 0.5, size)
    limits = {
        "lecun_uniform": (3 / fan_in) ** 0.5,
        "xavier": (6 / (fan_in + fan_out)) ** 0.5,
        "lenet": 2.4 / fan_in,
        "sn": fan_in**-0.5,
    }
    return rng.uniform(-limits[scheme], limits[scheme], size)
