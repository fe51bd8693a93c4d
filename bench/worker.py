"""What runs in a peer's own process: check it, set a task up, time one repeat of it."""

from __future__ import annotations

import time

from common import Task, Training

_training: Training | None = None
_passes = 1


def core() -> str:
    """The instruction-set level ebp runs at here, and what compiled it."""
    from ebp import _core  # the other peers' processes do without ebp

    return f"{_core.level}, {_core.compiler}"


def check(task: Task, name: str) -> list:
    """Parameters after one pass over the first rows of a fresh problem."""
    training = task.peers[name].build(task.problem(task.check_rows))
    training.run()
    return training.parameters()


def prepare(task: Task, name: str, seconds: float) -> None:
    """Build the task for the peer, warm it up, and find how many passes last about `seconds`."""
    global _training, _passes
    peer = task.peers[name]
    _training = peer.build(task.problem(task.compiled_rows if peer.compiled else task.interpreted_rows))
    _training.run()  # compilers work here
    start = time.perf_counter()
    _training.run()
    _passes = max(1, round(seconds / (time.perf_counter() - start)))


def measure() -> tuple[float, float]:
    """(samples per second, share of the core this process had) over one repeat.

    One untimed pass goes first: another peer used the caches a moment ago.
    """
    assert _training is not None
    _training.run()
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in range(_passes):
        _training.run()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    return _passes * _training.samples / seconds, cpu_seconds / seconds
