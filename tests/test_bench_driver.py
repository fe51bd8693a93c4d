"""The benchmark's driver times one contestant at a time, and leaves nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench_scripts import BENCH

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")

# Contestants are processes that import the main program again, which pytest's does not like.
PROGRAM = f"""
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {str(BENCH)!r})
from driver import Contest

def state(pid):
    return Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[0]

def reaches(pid, states):
    end = time.monotonic() + 20
    while state(pid) not in states and time.monotonic() < end:
        time.sleep(0.01)
    return state(pid) in states

if __name__ == "__main__" and len(sys.argv) > 1:
    contest = Contest(("a",), [0])
    print(*(contest.ask(name, os.getpid) for name in "ab"), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
elif __name__ == "__main__":
    contest = Contest(("a",), [0])
    pids = {{name: contest.ask(name, os.getpid) for name in "abc"}}
    assert contest.ask("b", os.getpid) == pids["b"]
    for name, pid in pids.items():
        assert reaches(pid, "RS" if name == "b" else "T"), (name, state(pid))
    assert contest.ask("c", os._exit, 1) is None
    assert "c" not in contest and contest.failed
    assert contest.ask("a", os.getpid) == pids["a"]
    contest.close()
    print(*pids.values())
"""


def test_all_but_the_one_asked_are_stopped(tmp_path):
    script = tmp_path / "contest.py"
    script.write_text(PROGRAM)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "c failed: BrokenProcessPool" in done.stderr
    assert_gone(done.stdout.split())


def test_a_killed_driver_leaves_nothing(tmp_path):
    script = tmp_path / "contest.py"
    script.write_text(PROGRAM)
    done = subprocess.run([sys.executable, script, "kill"], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = done.stdout.split()
    assert len(pids) == 2
    assert_gone(pids)


def assert_gone(pids):
    def is_there(pid):
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"

    end = time.monotonic() + 20
    while left := [pid for pid in pids if is_there(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.01)
