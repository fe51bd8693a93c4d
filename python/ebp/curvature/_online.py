"""The largest eigenvalue of the Hessian, estimated while samples pass by. Section 9.2, (64)."""

from __future__ import annotations

import numpy as np

from ebp import _core
from ebp.curvature._iterations import Eigenpair
from ebp.curvature._samples import Samples

# A constant leak leaves fluctuations in proportion to its square root. It gets the size right within its
# inverse, 10 presentations for 0.1; from CALM on it falls as 1/t, which averages the fluctuations out.
CALM = 100


def falling_leak(first: float, n: int) -> np.ndarray:
    """γ for n presentations, from `first` down."""
    return first / (1 + np.arange(n) / CALM)


def online_eigenvalue(
    samples: Samples, order: np.ndarray, gammas: np.ndarray, alpha: float, start: np.ndarray
) -> tuple[Eigenpair, int]:
    """Estimate λ_max by (64), in double precision; also returns the number of presentations.

    |Ψ| tends to the eigenvalue of largest absolute value. Where the Rayleigh quotient on the samples that
    were presented is negative, the presentations are repeated with H + |λ| I.
    """
    rows, where = np.unique(order, return_inverse=True)
    double = samples.net._in_double()
    X, T = (array[rows].astype(np.float64) for array in (samples.X, samples.T))
    weights = None
    if samples.weights is not None:
        weights = samples.weights[rows].astype(np.float64) * (len(samples.X) / samples.total)

    def run(shift: float) -> tuple[np.ndarray, np.ndarray]:
        psi = start / np.linalg.norm(start)
        norms = _core.online_eigenvalue(
            double._core, X, T, where, psi, gammas, alpha=alpha, shift=shift, weights=weights
        )
        return norms - shift, psi

    history, psi = run(0.0)
    n_presentations = len(order)
    counts = np.bincount(where, weights=None if weights is None else weights[where]).astype(np.float64)
    products = _core.HessianProduct64(double._core, X, T, counts, "exact", samples.n_threads)
    if history[-1] > 0 and psi @ products.apply(psi) < 0:
        history, psi = run(abs(history[-1]))
        n_presentations *= 2
    length = float(np.linalg.norm(psi))
    psi = psi / length if length > 0 else psi
    return Eigenpair(float(history[-1]), psi, history, 0), n_presentations
