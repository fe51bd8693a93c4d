"""Iterations for the largest eigenvalue of a symmetric matrix that is known by its products with vectors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal
from sklearn.exceptions import ConvergenceWarning

Apply = Callable[[np.ndarray], np.ndarray]


@dataclass
class Eigenpair:
    """The largest eigenvalue λ with its eigenvector Ψ of length 1, and the estimates on the way."""

    eigenvalue: float
    eigenvector: np.ndarray
    history: np.ndarray
    n_products: int


def _finite(product: np.ndarray, function: str) -> np.ndarray:
    if not np.isfinite(product).all():
        raise ValueError(
            f"[{function}] the Hessian must be finite; got {product[~np.isfinite(product)][0]} in a product"
        )
    return product.astype(np.float64)


def _warn(function: str, max_iter: int, residual: float, eigenvalue: float) -> None:
    warnings.warn(
        f"[{function}] not converged after max_iter={max_iter} products: the residual is "
        f"{residual / max(abs(eigenvalue), 1e-300):.2g} of the eigenvalue; raise max_iter or tol, or use "
        "method='lanczos'",
        ConvergenceWarning,
        stacklevel=4,
    )


def power_method(apply: Apply, start: np.ndarray, tol: float, max_iter: int, function: str) -> Eigenpair:
    """Ψ <- HΨ / |Ψ|, (60), until |HΨ - λΨ| <= tol |λ| for Ψ of length 1.

    |Ψ| tends to the eigenvalue of largest absolute value. Where its sign, that of the Rayleigh quotient
    ΨᵀHΨ, is negative, the iteration goes on with H + |λ| I, whose largest eigenvalue belongs to the largest
    one of H.
    """
    history: list[float] = []
    shift = 0.0
    psi = start / np.linalg.norm(start)
    n_products = 0
    while n_products < max_iter:
        n_products += 1
        product = _finite(apply(psi), function)
        rayleigh = float(psi @ product)
        residual = float(np.linalg.norm(product - rayleigh * psi))
        converged = residual <= tol * abs(rayleigh)
        if converged and rayleigh < 0 and not shift:
            shift = abs(rayleigh)
            history.clear()
            psi = start / np.linalg.norm(start)
            continue
        history.append(rayleigh)
        if converged:
            break
        psi = product + shift * psi
        psi /= np.linalg.norm(psi)
    else:
        _warn(function, max_iter, residual, rayleigh)
    return Eigenpair(rayleigh, psi, np.array(history), n_products)


def lanczos(apply: Apply, start: np.ndarray, tol: float, max_iter: int, function: str) -> Eigenpair:
    """Lanczos's method with full reorthogonalisation, until the relative error of λ is at most `tol`.

    After m products, the largest eigenvalue of a tridiagonal matrix of order m is the largest Rayleigh
    quotient over all combinations of the vectors so far, and its residual r is known without a product. Its
    error is at most r, and at most r² over the distance to the next eigenvalue (Parlett 1998, section 11.7),
    for which the second largest of the tridiagonal matrix stands in once r is small.
    """
    basis = np.empty((min(max_iter, 32), len(start)))
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    history: list[float] = []
    v = start / np.linalg.norm(start)
    for m in range(min(max_iter, len(start))):
        if m == len(basis):
            basis = np.concatenate([basis, np.empty_like(basis)])
        basis[m] = v
        known = basis[: m + 1]
        w = _finite(apply(v), function)
        diagonal.append(float(v @ w))
        length = _orthogonalize(w, known)
        chosen = (max(0, m - 1), m)
        values, vectors = eigh_tridiagonal(diagonal, off_diagonal, select="i", select_range=chosen)
        history.append(float(values[-1]))
        residual = error = length * abs(float(vectors[-1, -1]))
        if m > 0 and residual <= np.sqrt(tol) * abs(history[-1]) and values[1] > values[0]:
            error = min(residual, residual**2 / float(values[1] - values[0]))
        if error <= tol * abs(history[-1]) or m + 1 == len(start):
            break
        off_diagonal.append(length)
        v = w / length
    else:
        _warn(function, max_iter, residual, history[-1])
    return Eigenpair(history[-1], known.T @ vectors[:, -1], np.array(history), len(history))


def _orthogonalize(w: np.ndarray, basis: np.ndarray) -> float:
    """Take from `w` its components along the rows of `basis`, in place; returns what is left of its length.

    Once more if much was taken, since then much of the rest is rounding (Daniel and others 1976).
    """
    before = float(np.linalg.norm(w))
    for _ in range(2):
        w -= (basis @ w) @ basis
        length = float(np.linalg.norm(w))
        if length > before / 2:
            break
        before = length
    return length
