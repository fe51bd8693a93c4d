"""joblib's dask backend without data that dies with a worker."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ebp._extras import require_extra
from ebp.distributed._partitions import NO_GRAPH_IS_LARGE


def resilient(client: Any) -> Any:
    """A dask client for joblib, whose tasks outlive the workers that hold their data.

    joblib's backend "dask" scatters all arguments above a kilobyte: each goes into the memory of one worker
    and is forgotten here. If a worker dies, dask does its tasks again elsewhere, but cannot make scattered
    data again; the tasks that need them are cancelled, and joblib raises or returns CancelledError. With this
    client they are results of tasks, which the scheduler keeps, with the data, and repeats.

    For whoever calls joblib with arrays: searches, ensembles and cross-validation of scikit-learn, and calls
    of one's own. `ebp.evaluation.bias_variance` loses nothing without.

    Parameters
    ----------
    client : distributed.Client

    Returns
    -------
    object
        The client, but for its `scatter`; for ``joblib.parallel_config(backend="dask", client=...)``.

    Raises
    ------
    ImportError
        Without dask, which the extra "distributed" brings.
    TypeError
        For anything but a client.

    Examples
    --------
    >>> import ebp, joblib
    >>> from sklearn.model_selection import cross_val_score
    >>> from distributed import Client
    >>> X, y = ebp.datasets.two_gaussians(random_state=0)
    >>> with Client(processes=False, dashboard_address=None) as client:
    ...     with joblib.parallel_config(backend="dask", client=ebp.distributed.resilient(client)):
    ...         scores = cross_val_score(ebp.MLPClassifier(random_state=0), X, y, cv=3, n_jobs=-1)
    >>> bool(scores.mean() > 0.9)
    True
    """
    distributed = require_extra("distributed", "distributed", "resilient")
    if not isinstance(client, distributed.Client):
        raise TypeError(f"[resilient] client must be a distributed.Client; got {client!r}")
    return _Resilient(client)


class _Resilient:
    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def scatter(self, data: Any, asynchronous: bool = False, **kwargs: Any) -> Any:
        """Futures of the values of a list; or, as joblib asks for in the client's loop, that of one value."""
        if asynchronous:
            return self._later(data)
        return [self._kept(value) for value in data]

    def _later(self, value: Any) -> Coroutine[Any, Any, Any]:
        async def kept() -> Any:
            return self._kept(value)

        return kept()

    def _kept(self, value: Any) -> Any:
        import dask

        with dask.config.set(NO_GRAPH_IS_LARGE):
            return self._client.submit(_same, value, pure=False)


def _same(value: Any) -> Any:
    return value
