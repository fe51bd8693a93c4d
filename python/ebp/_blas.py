"""Keeps SciPy's BLAS, which the core uses for large products, to one thread while networks are trained."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_users = 0
_controller: ThreadpoolController | None = None
_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to the calling thread, in the whole process, until the last of those who asked has left.

    A product that BLAS shares out among threads of its own changes its last digits with their number, and its
    threads crowd out those of the training. The libraries are looked up once, which takes milliseconds.
    """
    global _users, _controller, _limit
    with _lock:
        if _controller is None:
            _controller = ThreadpoolController().select(user_api="blas")
        if _users == 0:
            _limit = _controller.limit(limits=1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limit.restore_original_limits()
