"""Starting points of Gaussian radial units: clusters of what they will see. Section 4.8."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from ebp.layers import GaussianRBF

SAMPLES = 10_000  # clusters of more change little
BATCH = 1_000  # samples whose activations are held for all layers at once
NEIGHBOURS = 2
STARTS = 3


def initialize_rbf(network: Any, rows: np.ndarray, rng: np.random.Generator) -> None:
    """Set centres and widths of all `GaussianRBF` layers of a network, the lower ones first."""
    units = [layer.units for layer in network.layers if isinstance(layer, GaussianRBF)]
    if not units:
        return
    n_samples = max(SAMPLES, *units)
    if len(rows) > n_samples:
        rows = rows[rng.choice(len(rows), n_samples, replace=False)]
    # Copies get the activations of one row: those of equal rows may differ in the last digit by their places.
    first, copies = different(rows)
    parts = {name: where for name, where, _ in network.parameter_slices}
    for number, layer in enumerate(network.layers):
        if isinstance(layer, GaussianRBF):
            inputs = layer_inputs(network, number, rows[first])[copies]
            centres, widths = clusters(inputs, layer.units, rng)
            network.parameters[parts[f"{number}.centres"]] = centres.ravel()
            network.parameters[parts[f"{number}.widths"]] = widths


def layer_inputs(network: Any, number: int, rows: np.ndarray) -> np.ndarray:
    """What a layer sees of the samples, shape (n, inputs of the layer)."""
    if not number:
        return rows
    batches = np.array_split(rows, 1 + len(rows) // BATCH)
    below = np.concatenate([network.activations(batch)[number - 1] for batch in batches])
    return below.reshape(len(rows), prod(below.shape[1:]))


def clusters(inputs: np.ndarray, units: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres (units, i) of k-means clusters of the inputs (n, i), and a width (units,) for each.

    A width is the mean distance to the two nearest other centres, so that bumps overlap. A centre without
    others, the only one or one of many in the same place, gets the root mean square distance of the inputs
    to their centres, or sqrt(i), which suits inputs of unit variance, if that is 0.

    Raises
    ------
    ValueError
        If there are fewer different inputs than units, or inputs that are not finite.
    """
    inputs = np.ascontiguousarray(inputs, dtype=np.float64)
    if not np.isfinite(inputs).all():
        raise ValueError("[initialize_rbf] what radial units see must be finite; got NaN or infinity")
    n_different = len(different(inputs)[0])
    if n_different < units:
        raise ValueError(
            f"[initialize_rbf] there must be at least as many different samples as units, {units}; "
            f"got {n_different}"
        )
    from sklearn.cluster import KMeans  # here, since few use it and it takes a while to import

    means = KMeans(units, n_init=STARTS, random_state=int(rng.integers(2**31 - 1)))
    with threadpool_limits(1, "openmp"):  # the order in which threads add would change the last digits
        means.fit(inputs)
    centres = means.cluster_centers_
    alone = (means.inertia_ / len(inputs)) ** 0.5 or inputs.shape[1] ** 0.5
    # By differences: the product formula of pairwise_distances loses close centres far from the origin.
    distances = np.ma.masked_equal(cdist(centres, centres), 0)
    return centres, np.ma.sort(distances, axis=1)[:, :NEIGHBOURS].mean(axis=1).filled(alone)


def different(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the different rows among (n, i), and for all n rows which of them they are.

    Compares bytes, which is much faster than `np.unique` by rows.
    """
    positive_zeros = rows + 0
    keys = positive_zeros.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))
    _, first, copies = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    return first, copies
