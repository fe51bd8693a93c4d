"""Second derivatives of a network's mean loss E: products, diagonals, matrices, eigenvalues. Sections 7 to 9.

The exact Hessian is H = ∂²E/∂θ², (50). Gauss-Newton's is G = Σ JᵀDJ / n, (51), with J the derivatives of the
outputs and D = ∂²E/∂o²: H without the curvature of the outputs, positive semidefinite, and equal to H where
the residuals vanish. Parameters are in the layout of `Network.parameters`, biases included. Arithmetic is in
the network's dtype; loops over samples run without the GIL.
"""

from ebp.curvature._eigenvalues import PrincipalEigenvalue, principal_eigenvalue, spectrum
from ebp.curvature._hessian import hessian, hessian_diagonal, hessian_operator, hessian_vector_product

__all__ = [
    "PrincipalEigenvalue",
    "hessian",
    "hessian_diagonal",
    "hessian_operator",
    "hessian_vector_product",
    "principal_eigenvalue",
    "spectrum",
]
