"""Eigenvalues of the Hessian over dask arrays."""

from __future__ import annotations

from typing import Any

from ebp import curvature
from ebp._arrays import is_dask
from ebp._checks import check_choice
from ebp.curvature import PrincipalEigenvalue


def principal_eigenvalue(
    net: Any,
    X: Any,
    T: Any,
    method: str = "lanczos",
    *,
    hessian: str = "exact",
    tol: float = 1e-4,
    max_iter: int | None = None,
    sample_weight: Any = None,
    n_threads: int = 1,
    random_state: Any = 0,
) -> PrincipalEigenvalue:
    """The largest eigenvalue of the Hessian of the mean loss over dask arrays. Sections 7.5 and 9.2.

    Products with the Hessian are added up over the partitions. `ebp.curvature.principal_eigenvalue` and the
    other functions of `ebp.curvature` take dask arrays as well.

    Parameters
    ----------
    net : Network
    X : dask array of shape (n, n_inputs) or (n, \\*input_shape)
        What is to be used more than once is better kept in the workers' memory, by its ``persist()``.
    T : dask array of shape (n, n_outputs), or (n,) for one output
    method : {"lanczos", "power"}, default="lanczos"
        Lanczos's method needs the fewer products, and each is a pass over all partitions.
    hessian, tol, max_iter, random_state
        As for `ebp.curvature.principal_eigenvalue`.
    sample_weight : dask array of shape (n,), optional
    n_threads : int, default=1
        Threads of each task.

    Returns
    -------
    ebp.curvature.PrincipalEigenvalue

    Raises
    ------
    ImportError
        Without dask, which the extra "distributed" brings.
    TypeError, ValueError
        For other arrays, shapes that do not fit, unknown methods, and derivatives that are not finite.

    Examples
    --------
    >>> import dask.array as da, ebp
    >>> X, T = (da.from_array(values, chunks=20) for values in ebp.datasets.two_gaussians(random_state=0))
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, random_state=0)
    >>> round(ebp.distributed.principal_eigenvalue(net, X, T).eigenvalue, 2)
    1.0
    """
    function = "principal_eigenvalue"
    check_choice(function, "method", method, ("lanczos", "power"))
    if not is_dask(X):
        raise TypeError(
            f"[{function}] X must be a dask array (ebp.curvature has this function for others); "
            f"got {type(X).__name__}"
        )
    return curvature.principal_eigenvalue(
        net,
        X,
        T,
        method,
        hessian=hessian,
        tol=tol,
        max_iter=max_iter,
        sample_weight=sample_weight,
        n_threads=n_threads,
        random_state=random_state,
    )
