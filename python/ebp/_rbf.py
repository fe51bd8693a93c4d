"""Starting points of Gaussian radial units: clusters of what they will see. Section 4.8."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances

from ebp.layers import GaussianRBF

SAMPLES = 10_000  # clusters of more change little
NEIGHBOURS = 2
STARTS = 3


def initialize_rbf(network: Any, rows: np.ndarray, rng: np.random.Generator) -> None:
    """Set centres and widths of all `GaussianRBF` layers of a network, the lower ones first."""
    if not any(isinstance(layer, GaussianRBF) for layer in network.layers):
        return
    if len(rows) > SAMPLES:
        rows = rows[rng.choice(len(rows), SAMPLES, replace=False)]
    parts = {name: where for name, where, _ in network.parameter_slices}
    for number, layer in enumerate(network.layers):
        if isinstance(layer, GaussianRBF):
            inputs = network.activations(rows)[number - 1].reshape(len(rows), -1) if number else rows
            centres, widths = clusters(inputs, layer.units, rng)
            network.parameters[parts[f"{number}.centres"]] = centres.ravel()
            network.parameters[parts[f"{number}.widths"]] = widths


def clusters(inputs: np.ndarray, units: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres (units, i) of k-means clusters of the inputs (n, i), and a width (units,) for each.

    A width is the mean distance to the two nearest other centres, so that bumps overlap; for a single unit it
    is the root mean square distance of the inputs.

    Raises
    ------
    ValueError
        If there are fewer different inputs than units.
    """
    n_different = len(np.unique(inputs, axis=0)) if len(inputs) < SAMPLES else len(inputs)
    if n_different < units:
        raise ValueError(
            f"[initialize_rbf] there must be at least as many different samples as units, {units}; "
            f"got {n_different}"
        )
    seed = int(rng.integers(2**31 - 1))
    means = KMeans(units, n_init=STARTS, random_state=seed).fit(inputs.astype(np.float64))
    centres = means.cluster_centers_
    if units == 1:
        return centres, np.sqrt([max(means.inertia_ / len(inputs), np.finfo(np.float32).tiny)])
    distances = np.sort(pairwise_distances(centres), axis=1)
    return centres, distances[:, 1 : 1 + NEIGHBOURS].mean(axis=1)
