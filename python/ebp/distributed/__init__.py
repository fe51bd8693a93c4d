"""Training and curvature over dask arrays, on the cores of one machine or on many. Needs dask.

Sums over samples become sums over partitions, so that the batch optimisers and the tools of `ebp.curvature`
run as they are (`fit`, `objective`, `principal_eigenvalue`); online training runs in several models that are
averaged now and then (`train_online`). Ensembles, grids of rates and `ebp.evaluation.bias_variance` go
through joblib, whose backend "dask" sends them to the workers of a `dask.distributed.Client`::

    with joblib.parallel_config(backend="dask", client=ebp.distributed.resilient(client)):
        GridSearchCV(estimator, {"learning_rate_init": [1e-3, 1e-2]}, n_jobs=-1).fit(X, y)
        ebp.evaluation.bias_variance(estimator, X, y, n_jobs=-1)

A worker that dies costs time only, in all of these.
"""

from ebp.distributed._eigenvalue import principal_eigenvalue
from ebp.distributed._fit import fit
from ebp.distributed._objective import Objective, objective
from ebp.distributed._online import AveragedResult, train_online
from ebp.distributed._resilient import resilient

__all__ = [
    "AveragedResult",
    "Objective",
    "fit",
    "objective",
    "principal_eigenvalue",
    "resilient",
    "train_online",
]
