"""Orders that present every sample once (S4.2)."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np


def shuffle(n: int, rng: np.random.Generator | int | None = None) -> np.ndarray:
    """Uniformly random order of `n` samples (S4.2).

    Parameters
    ----------
    n : int
        Number of samples.
    rng : Generator, int or None, default=None
        Source of randomness: a Generator is used as it is, an int is a seed, None takes fresh entropy.

    Returns
    -------
    order : ndarray of shape (n,), dtype intp
        A permutation of 0..n-1.

    Raises
    ------
    ValueError
        If `n` or the seed is negative.
    TypeError
        If `n` or `rng` has another type.

    Examples
    --------
    >>> from ebp.sampling import shuffle
    >>> sorted(shuffle(5, 0).tolist())
    [0, 1, 2, 3, 4]
    """
    if not isinstance(n, Integral) or isinstance(n, bool):
        raise TypeError(f"[shuffle] n must be an int; got {n!r}")
    if n < 0:
        raise ValueError(f"[shuffle] n must not be negative; got {n}")
    return as_generator(rng, "shuffle").permutation(int(n)).astype(np.intp, copy=False)


def interleave(y: Any, rng: np.random.Generator | int | None = None) -> np.ndarray:
    """Random order in which neighbours belong to different classes (S4.2).

    "Shuffle the training set so that successive training examples never (rarely) belong to the same class":
    the network learns fastest from the most unexpected sample. Each class is spread as evenly as possible
    over the order. Neighbours share a class only if one class has more samples than all others together,
    plus one; then its repetitions are spread evenly too. Samples of a class, and the turns of the classes,
    are random.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class labels: integers, booleans, strings, or floats with whole values.
    rng : Generator, int or None, default=None
        Source of randomness: a Generator is used as it is, an int is a seed, None takes fresh entropy.

    Returns
    -------
    order : ndarray of shape (n,), dtype intp
        A permutation of 0..n-1. Takes O(n log n).

    Raises
    ------
    ValueError
        If `y` is not 1-D or is continuous, as regression targets are, or if the seed is negative.
    TypeError
        If the labels cannot be compared with each other, or `rng` has another type.

    Examples
    --------
    >>> from ebp.sampling import interleave
    >>> y = [0, 0, 0, 1, 1]
    >>> [y[i] for i in interleave(y, 0)]
    [0, 1, 0, 1, 0]
    """
    labels = _class_labels(y)
    generator = as_generator(rng, "interleave")
    classes, codes = np.unique(labels, return_inverse=True)
    codes = codes.reshape(-1)
    counts = np.bincount(codes, minlength=len(classes))

    # Group a random permutation by class: the rank within the group is random within the class.
    order = generator.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    group = np.repeat(np.arange(len(classes)), counts)
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)

    # Sample k of a class with c samples goes to (k + offset) / c on the unit interval: perfectly even. The
    # offsets are distinct, random in order and themselves evenly spaced, so that classes do not bunch.
    offset = (generator.permutation(len(classes)) + 0.5) / max(1, len(classes))
    position = (rank + offset[group]) / counts[group]
    merged = np.argsort(position, kind="stable")
    order, group = order[merged], group[merged]
    return order[_separate_majority(group, counts)].astype(np.intp, copy=False)


def _separate_majority(group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Order that moves samples of the largest class apart, each to the nearest gap between others.

    Between two neighbours of any other class the even merge has put one of the largest class, whose samples
    are denser. So only the largest class can have neighbours of its own, and every gap it occupies stays
    occupied here: the result has no equal neighbours if there are as many gaps as samples to place.
    """
    if len(counts) < 2:
        return np.arange(len(group))
    largest = group == counts.argmax()
    n_gaps = len(group) - counts.max() + 1
    gap = np.cumsum(~largest)[largest]
    k = np.arange(len(gap))
    if len(gap) > n_gaps:
        gap = (2 * k + 1) * n_gaps // (2 * len(gap))
    else:
        gap = k + np.maximum.accumulate(gap - k)
        gap = np.minimum(gap, n_gaps - len(gap) + k)
    key = np.empty(len(group), dtype=np.int64)
    key[largest] = 2 * gap
    key[~largest] = 2 * np.arange(n_gaps - 1) + 1
    return np.argsort(key, kind="stable")


def _class_labels(y: Any) -> np.ndarray:
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"[interleave] y must be 1-D; got shape {labels.shape}")
    if labels.dtype.kind not in "fc":
        return labels
    if labels.dtype.kind == "c" or not np.isfinite(labels).all() or (labels != np.floor(labels)).any():
        example = labels[~np.isfinite(labels) | (labels.real != np.floor(labels.real))]
        shown = example[0] if len(example) else labels.dtype
        raise ValueError(f"[interleave] y must hold class labels, not continuous values; got {shown}")
    return labels


def as_generator(rng: Any, where: str) -> np.random.Generator:
    """The Generator itself, or a new one from a seed or fresh entropy; `where` names the caller in errors."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None and (not isinstance(rng, Integral) or isinstance(rng, bool)):
        raise TypeError(f"[{where}] the random source must be a Generator, an int or None; got {rng!r}")
    if rng is not None and rng < 0:
        raise ValueError(f"[{where}] a seed must not be negative; got {rng}")
    return np.random.default_rng(None if rng is None else int(rng))
