"""Training and curvature over dask arrays, on the cores of one machine or on many. Needs dask.

Sums over samples become sums over partitions, so that the batch optimisers and the tools of `ebp.curvature`
run as they are (`fit`, `objective`, `principal_eigenvalue`); online training runs in several models that are
averaged now and then (`train_online`). Ensembles, grids of rates and `ebp.evaluation.bias_variance` need
nothing of this: they go through joblib, whose backend "dask" sends them to the workers of a
`dask.distributed.Client`::

    with joblib.parallel_config(backend="dask"):
        ebp.evaluation.bias_variance(estimator, X, y, n_jobs=-1)
"""

from ebp.distributed._eigenvalue import principal_eigenvalue
from ebp.distributed._fit import fit
from ebp.distributed._objective import Objective, objective
from ebp.distributed._online import AveragedResult, train_online

__all__ = [
    "AveragedResult",
    "Objective",
    "fit",
    "objective",
    "principal_eigenvalue",
    "train_online",
]
