"""From rows and weights to the list of presentations, and from the list to the order of one epoch.

Online training depends on the order of the samples, so two descriptions of the same data (rows repeated, or
rows with integer weights; rows in another order) must lead to the same orders for the same seed. The list is
therefore brought into an order that depends on the contents of the rows only, before a seed permutes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from . import sampling
from ._inputs import dense_rows
from ._targets import round_significand

CHUNK = 1 << 18  # numbers hashed at a time: the work arrays stay in the cache


def row_keys(X: Any, T: np.ndarray) -> np.ndarray:
    """One 64-bit key per row of [X, T], the same wherever the row stands.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, features)
    T : ndarray of shape (n, outputs)

    Returns
    -------
    keys : ndarray of shape (n,), uint64
        Sums of integers, which are exact in any order of summation; a sum of floats would not be.
        Different rows share a key with negligible probability.
    """
    factors = np.random.default_rng(0).integers(1 << 62, size=X.shape[1] + T.shape[1], dtype=np.uint64)
    factors = 2 * factors + 1
    keys = np.empty(len(T), np.uint64)
    step = max(1, CHUNK // len(factors))
    for start in range(0, len(T), step):
        part = slice(start, start + step)
        # + 0.0 turns -0.0 into 0.0; the mantissa's leading bits stand high in the word, the shift brings
        # them to where a multiplication spreads them
        bits = (np.hstack([dense_rows(X, part), T[part]]).astype(np.float64) + 0.0).view(np.uint64)
        bits ^= bits >> np.uint64(32)
        bits *= factors
        bits ^= bits >> np.uint64(29)
        keys[part] = bits.sum(axis=1, dtype=np.uint64)
    return keys


def mean_at_least_one(weights: np.ndarray) -> np.ndarray:
    """Weights (n,), scaled so that the mean of the positive ones is 1 if it is below 1.

    An update by a weight far below 1 hardly moves the network: weights that sum to 1 would stop the training.

    Examples
    --------
    >>> mean_at_least_one(np.array([0.0, 0.1, 0.3]))
    array([0. , 0.5, 1.5])
    >>> mean_at_least_one(np.array([0.0, 1.0, 3.0]))
    array([0., 1., 3.])
    """
    return _mean_one(weights) if weights[weights > 0].mean() < 1 else weights


def _mean_one(weights: np.ndarray) -> np.ndarray:
    """Weights (n,), scaled so that the mean of the positive ones is 1; equal ones become exactly 1."""
    weights = weights / weights.max()  # equal ones are now 1, and so is their mean
    return round_significand(weights / weights[weights > 0].mean())


def presentations(
    weights: np.ndarray | None, n: int, keys: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows to present in one epoch and the weight of one presentation of each row.

    A row of weight w is presented ceil(w) times with weight w / ceil(w); rows of weight 0 are left out.
    Weights so large that more than 10 n + 1000 presentations would follow are divided by their mean first.

    Parameters
    ----------
    weights : ndarray of shape (n,) or None
        None: every row once.
    n : int
        Number of rows.
    keys : ndarray of shape (n,) or None
        Keys of `row_keys`; the list is sorted by them. None keeps the order of the rows.

    Returns
    -------
    rows : ndarray of shape (n_presentations,), intp
    presentation_weights : ndarray of shape (n,) or None
        None when every presentation counts 1.
    """
    if weights is None:
        rows = np.arange(n) if keys is None else np.argsort(keys, kind="stable")
        return rows, None
    if np.ceil(weights).sum() > 10 * n + 1000:
        weights = _mean_one(weights)
    rows, share = repeated(weights)
    if keys is not None:
        rows = rows[np.lexsort((share[rows], keys[rows]))]
    return rows, None if np.all(share[rows] == 1) else share


def repeated(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row as often as it is presented, and the weight (n,) of one of its presentations.

    Examples
    --------
    >>> repeated(np.array([0.5, 0.0, 3.0]))
    (array([0, 2, 2, 2]), array([0.5, 1. , 1. ]))
    """
    repeats = np.ceil(weights)
    rows = np.repeat(np.arange(len(weights)), repeats.astype(np.intp))
    return rows, np.divide(weights, repeats, out=np.ones(len(weights)), where=repeats > 0)


class Orders:
    """The presentations of each epoch, in the order that `method` asks for (paper section 4.2).

    Parameters
    ----------
    data : TrainingData
    method : {"shuffle", "interleave", "sequential"}
        "interleave": neighbours of different classes, by the labels of the data.
    rng : Generator
    """

    def __init__(self, data: Any, method: str, rng: np.random.Generator) -> None:
        self._data = data
        self._method = method
        self._rng = rng

    @property
    def weights(self) -> np.ndarray | None:
        """Weight (n,) of a presentation of each row in the next epoch; None when all count 1."""
        return self._data.weights

    def draw(self) -> np.ndarray:
        """The rows of the next epoch in their order."""
        rows, labels = self._data.rows, self._data.labels
        if self._method == "sequential":
            return rows
        if self._method == "interleave" and labels is not None:
            return rows[sampling.interleave(labels[rows], self._rng)]
        return rows[sampling.shuffle(len(rows), self._rng)]

    def observe(self, order: np.ndarray, losses: np.ndarray) -> float:
        """Mean loss of an epoch by the weighted losses of the presentations drawn."""
        return float(losses.sum() / self._data.total_weight)


class EmphasizedOrders(Orders):
    """Orders in which rows of large error come more often.

    Equal rows share one running error, so that rows with integer weights train like rows repeated.

    Parameters
    ----------
    data : TrainingData
    settings : ebp.sampling.Emphasize
    rng : Generator
    """

    def __init__(self, data: Any, settings: sampling.Emphasize, rng: np.random.Generator) -> None:
        super().__init__(data, "emphasize", rng)
        keys = data.keys[data.rows]
        starts = np.ones(len(keys), bool)
        starts[1:] = keys[1:] != keys[:-1]
        if data.weights is not None:
            starts[1:] |= np.diff(data.weights[data.rows]) != 0
        first = np.flatnonzero(starts)
        self._rows = data.rows[first]  # one of each kind
        self._kind = np.zeros(len(data.T), np.intp)
        self._kind[self._rows] = np.arange(len(first))
        self._sampler = settings.sampler(len(first), np.diff(np.append(first, len(keys))))

    @property
    def weights(self) -> np.ndarray | None:
        correction, weights = self._sampler.sample_weight, self._data.weights
        if correction is None:
            return weights
        corrected = np.ones(len(self._data.T)) if weights is None else weights.copy()
        corrected[self._rows] *= correction
        return corrected

    def draw(self) -> np.ndarray:
        return self._rows[self._sampler.order(self._rng)]

    def observe(self, order: np.ndarray, losses: np.ndarray) -> float:
        """As without emphasising, estimated: the losses of rows that came more often count less."""
        weights = self._data.weights
        own = losses if weights is None else losses / weights[order]
        kinds, correction = self._kind[order], self._sampler.correction[self._kind[order]]
        made_up = losses if self._sampler.settings.corrected else losses * correction
        self._sampler.observe(kinds, own)
        return float(made_up.sum() / self._data.total_weight)

    def measure(self, network: Any) -> None:
        """Take the errors of the network as it stands for the running errors, if they are finite."""
        rows, data = self._rows, self._data
        losses = data.losses(network, rows)
        if np.isfinite(losses).all():
            self._sampler.observe(np.arange(len(rows)), losses)


def orders(data: Any, method: str | sampling.Emphasize, rng: np.random.Generator) -> Orders:
    """The orders that the parameter `sampling` of an estimator asks for."""
    if method == "emphasize":
        method = sampling.Emphasize()
    if isinstance(method, sampling.Emphasize):
        return EmphasizedOrders(data, method, rng)
    return Orders(data, method, rng)


def hold_out(
    weights: np.ndarray | None, labels: np.ndarray | None, n: int, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw validation rows, by class where every class is large enough.

    Parameters
    ----------
    weights : ndarray of shape (n,) or None
        Rows of weight 0 belong to neither part.
    labels : ndarray of shape (n,) or None
        Class numbers.
    n : int
    fraction : float
        Part of the rows to hold out, at least one row.
    rng : Generator

    Returns
    -------
    training_weights : ndarray of shape (n,)
        The weights with 0 for the validation rows.
    rows : ndarray
        The validation rows.

    Raises
    ------
    ValueError
        If fewer than two rows are there to split.
    """
    candidates = np.arange(n) if weights is None else np.flatnonzero(weights)
    if len(candidates) < 2:
        raise ValueError(f"[early_stopping] the validation split needs n_samples >= 2; got {len(candidates)}")
    n_validation = min(len(candidates) - 1, max(1, round(fraction * len(candidates))))
    stratify = None
    if labels is not None:
        counts = np.unique(labels[candidates], return_counts=True)[1]
        if counts.min() >= 2 and min(n_validation, len(candidates) - n_validation) >= len(counts):
            stratify = labels[candidates]
    seed = int(rng.integers(2**31))
    _, rows = train_test_split(candidates, test_size=n_validation, stratify=stratify, random_state=seed)
    training = np.ones(n) if weights is None else weights.copy()
    training[rows] = 0
    return training, rows
