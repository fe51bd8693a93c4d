"""What runs in a peer's own process: check it, set a task up, time one repeat of it."""

from __future__ import annotations

import ctypes
import signal
import sys
import time

import common
from common import Task, Work

_work: Work | None = None
_times = _threads = 1


def end_with_parent() -> None:
    """Let the system end this process with the driver, even if that is killed while this one is stopped."""
    if sys.platform == "linux":
        set_signal_at_parents_death = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_signal_at_parents_death, signal.SIGKILL)


def core() -> str:
    """The instruction-set level ebp runs at here, and what compiled it."""
    from ebp import _core  # the other peers' processes do without ebp

    return f"{_core.level}, {_core.compiler}"


def answer(task: Task, name: str, cpus: list[int]):
    """What the peer, on as many CPUs as it has threads, computes on the problem that is checked."""
    peer = task.peers[name]
    common.pin(*cpus[: peer.threads])
    work = peer.build(task.problem_to_check())
    work.run()
    return work.answer()


def prepare(task: Task, name: str, cpus: list[int], seconds: float) -> None:
    """Build the task for the peer, warm it up, and find how many runs last about `seconds`."""
    global _work, _times, _threads
    peer = task.peers[name]
    _threads = peer.threads
    common.pin(*cpus[:_threads])
    _work = peer.build(task.problem_to_time(peer))
    _work.run()  # compilers work here
    start = time.perf_counter()
    _work.run()
    _times = max(1, round(seconds / (time.perf_counter() - start)))


def measure() -> tuple[float, float]:
    """(amount done per second, share of its cores this process had) over one repeat.

    One untimed run goes first: another peer used the caches a moment ago. Threads that wait for each other
    do so in a loop, so that they take up their cores all the time.
    """
    assert _work is not None
    _work.run()
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in range(_times):
        _work.run()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    return _times * _work.amount / seconds, cpu_seconds / seconds / _threads
