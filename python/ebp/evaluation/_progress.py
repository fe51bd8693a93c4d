"""Progress of work that takes a while."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sklearn.utils.parallel import Parallel
from tqdm import tqdm


class ParallelWithBar(Parallel):
    """joblib's Parallel with a bar of tasks done, whatever the backend."""

    def __init__(self, *, n_jobs: Any, total: int, unit: str, verbose: int) -> None:
        super().__init__(n_jobs=n_jobs)
        self._bar_options = {"total": total, "unit": unit, "disable": verbose != 1}

    def __call__(self, iterable: Iterable[Any]) -> Any:
        with tqdm(**self._bar_options) as self._bar:
            return super().__call__(iterable)

    def print_progress(self) -> None:
        """What joblib calls after each task."""
        self._bar.update(self.n_completed_tasks - self._bar.n)
