"""The samples per second that a core's limits allow on a task, and the share of them that ebp reaches.

arithmetic  the operations of a task at the peak of multiply-adds;
bandwidth   the smallest traffic of its weights at the bandwidth of the cache that holds them. An update of
            one sample can be joined with the forward pass of the next, so that one sweep reads and writes
            every weight. The engine "blocked" does so with those of the first layer only once for a block of
            samples.
latency     the operations of a sample that wait for each other: `waiting_operations` times a multiply-add.

The lowest binds. All of them leave out inputs, loops and calls.
"""

from __future__ import annotations

import dense_tasks
import lenet_tasks
import numpy as np
import report
from common import OnlineTask, Work

TASKS = {**dense_tasks.TASKS, **lenet_tasks.TASKS}

# ebp's engines by the names of their contestants; "ebp" takes one of them, or the only one there is.
ENGINES = {"ebp-streaming": "streaming", "ebp-blocked": "blocked", "ebp": "streaming"}
# A layer of the forward pass: a multiply-add, the sum of 16 lanes in 4 steps, and of tanh 11 to its
# exponential and 5 for a division and what is around it. Of the backward pass: derivative and product, and in
# all layers but the first a multiply-add for the error below. Once a sample: difference from target, update.
FORWARD, BACKWARD, BELOW, ONCE = 21, 2, 1, 2


def waiting_operations(n_layers: int) -> int:
    """The least number of operations between a sample's arrival and that of the next, one after the other."""
    return n_layers * (FORWARD + BACKWARD) + (n_layers - 1) * BELOW + ONCE


def block_rows(inputs: int, outputs: int) -> float:
    """About as many samples as `BlockedDense::best_block_rows` has for a first layer of this size."""
    return np.clip((14 * inputs * outputs / (inputs + outputs)) ** 0.5, 32, 192)


def contestants(task: OnlineTask) -> dict[str, Work]:
    """ebp with each of its engines on the task, ready to run; where there is one engine, as it chooses."""
    names = [name for name in ENGINES if name in task.peers]
    names = names[:-1] or names
    return {name: task.peers[name].build(task.problem_to_time(task.peers[name])) for name in names}


def ceilings(task: OnlineTask, flops: float, chain: float, update: float) -> dict[str, dict]:
    """By engine: samples a second that each limit allows.

    `flops` are operations a second, `chain` the seconds of a multiply-add that waits, `update` bytes a second
    read and written. SDLM's rates, which task H reads too, are left out.
    """
    weights = task.problem(1).weights
    sizes = [4 * w.size for w in weights]
    n_bytes, first = sum(sizes), sizes[0]
    common = {
        "arithmetic": flops / task.operations,
        "latency": 1 / (chain * waiting_operations(len(sizes))),
    }
    rows = block_rows(weights[0][0].size, len(weights[0]))
    blocked = update / (2 * first / rows + 2 * (n_bytes - first))
    return {
        "streaming": {"bandwidth": update / (2 * n_bytes), **common},
        "blocked": {"bandwidth": blocked, **common},
    }


def shares(limits: list[dict[str, dict]], speeds: dict[str, list[float]]) -> dict:
    """Limits and speeds of several rounds as medians; of the fastest engine what binds it, and its share."""
    found: dict = {"speeds": {name: report.spread(rounds) for name, rounds in speeds.items()}}
    found["limits"] = {
        engine: {kind: report.spread([one[engine][kind] for one in limits])["median"] for kind in kinds}
        for engine, kinds in limits[0].items()
    }
    name = max(speeds, key=lambda one: found["speeds"][one]["median"])
    engine = ENGINES[name]
    binds = min(found["limits"][engine], key=found["limits"][engine].__getitem__)
    share = report.ratio(speeds[name], [one[engine][binds] for one in limits])
    found["best"] = {"name": name, "engine": engine, "binds": binds, "share": share}
    return found
