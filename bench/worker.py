"""What runs in a peer's own process: check it, set a task up, time one repeat of it."""

from __future__ import annotations

import time

from common import Task, Work

_work: Work | None = None
_times = 1


def core() -> str:
    """The instruction-set level ebp runs at here, and what compiled it."""
    from ebp import _core  # the other peers' processes do without ebp

    return f"{_core.level}, {_core.compiler}"


def answer(task: Task, name: str):
    """What the peer computes on the problem that the task checks."""
    work = task.peers[name].build(task.problem_to_check())
    work.run()
    return work.answer()


def prepare(task: Task, name: str, seconds: float) -> None:
    """Build the task for the peer, warm it up, and find how many runs last about `seconds`."""
    global _work, _times
    peer = task.peers[name]
    _work = peer.build(task.problem_to_time(peer))
    _work.run()  # compilers work here
    start = time.perf_counter()
    _work.run()
    _times = max(1, round(seconds / (time.perf_counter() - start)))


def measure() -> tuple[float, float]:
    """(amount done per second, share of the core this process had) over one repeat.

    One untimed run goes first: another peer used the caches a moment ago.
    """
    assert _work is not None
    _work.run()
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in range(_times):
        _work.run()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    return _times * _work.amount / seconds, cpu_seconds / seconds
