"""The callbacks of scikit-learn 1.9 and later: `set_callbacks`, and what `fit` tells them.

A fit is the root of a tree of tasks, and each of its epochs, or iterations of a batch solver, is a leaf. With
an older scikit-learn there is no `set_callbacks`, and nothing is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Support of nothing: this scikit-learn has no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method as it is."""
        return method


# The lists that every epoch makes longer, and that copies of the estimator would otherwise share.
CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")


class FitTasks:
    """One `fit` of an estimator as scikit-learn's callbacks see it; made at its beginning.

    Parameters
    ----------
    estimator : estimator
    X, y, sample_weight
        What `fit` was called with, for callbacks that measure on the training data; None for a stream.
    """

    def __init__(self, estimator: Any, X: Any = None, y: Any = None, sample_weight: Any = None) -> None:
        self._estimator = estimator
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._root: Any = None
        self._epoch: Any = None
        self._n_epochs = 0
        if hasattr(estimator, "_init_callback_context"):
            n_epochs = getattr(estimator, "max_iter", 0)
            self._root = estimator._init_callback_context(max_subtasks=n_epochs)
            self._root.call_on_fit_task_begin(**self._data)

    def begin_epoch(self, unit: str) -> None:
        """An epoch begins; one that has begun but did not end is given up."""
        if self._root is None:
            return
        self.give_up_epoch()
        self._n_epochs += 1
        # a training that is restarted at a smaller rate has more epochs than were announced
        self._root.max_subtasks = max(self._root.max_subtasks, self._n_epochs)
        self._epoch = self._root.subcontext(task_name=unit)
        self._epoch.call_on_fit_task_begin(**self._data)

    def end_epoch(self) -> bool:
        """An epoch has ended; whether a callback asks for the end of the training."""
        if self._epoch is None:
            return False
        epoch, self._epoch = self._epoch, None
        stop = epoch.call_on_fit_task_end(**self._data, reconstruction_attributes=self._state)
        return bool(stop)

    def give_up_epoch(self) -> None:
        """The epoch that has begun, if there is one, will not be completed."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
            self._epoch = None

    def end(self) -> None:
        """The fit has ended."""
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._data, reconstruction_attributes=self._state)

    def _state(self) -> dict[str, Any]:
        """What makes a copy of the estimator one that stays as it is now."""
        network = getattr(self._estimator, "network_", None)
        if network is None:
            return {}
        curves = {name: list(getattr(self._estimator, name)) for name in CURVES}
        return {"network_": network.copy(), **curves}
