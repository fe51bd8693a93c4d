"""Samples per second of pure online training: ebp and its competitors, in one run on the same cores.

    python bench/online.py --tasks ABCDE --peers jax,torch,sklearn,c,numba --cpus 0 --json out.json
    python bench/online.py --engines streaming,blocked --threads 1,2 --cpus 0,1

Tasks: A 16-16-2, B 64-32-10, C 784-30-10, D 784-300-10, E 784-500-300-10; tanh, half squared error, float32,
constant rate, no momentum, samples in order, weights updated after every one. Further contestants show ebp's
engines and rules, and what PyTorch reaches with mini-batches on D. See README.md beside this file.
"""

from __future__ import annotations

import sys

import driver
import report
from dense_tasks import TASKS

LEARN_ONE, LOOP, LEARN_ONE_TASK = "learn_one", "ebp", TASKS["B"]


def learn_one(contest: driver.Contest, result: dict, options) -> None:
    """Check and time single calls from Python, each round beside a round of the same updates in C++."""
    names = [LEARN_ONE, LOOP]
    answers = driver.answers(contest, names, LEARN_ONE_TASK)
    driver.check(LEARN_ONE_TASK, answers)
    if options.check or len(answers) < len(names):
        return
    settings = result["settings"]
    rounds, share = driver.measure(contest, names, LEARN_ONE_TASK, settings["repeats"], settings["seconds"])
    result["least_core_share"] = min(result["least_core_share"], share)
    if len(rounds) == len(names):
        calls, steps = ([1e9 / speed for speed in rounds[name]] for name in names)
        result["learn_one"] = {
            "label": LEARN_ONE_TASK.label,
            "calls": LEARN_ONE_TASK.compiled_rows,
            "nanoseconds": report.spread(calls),
            "beyond_the_step": report.spread([call - step for call, step in zip(calls, steps, strict=True)]),
        }


BENCHMARK = driver.Benchmark(
    title="Online training, one update per sample, float32",
    description=__doc__,
    tasks=TASKS,
    own=("ebp",),
    variants={
        "engines": {"streaming": "ebp-streaming", "blocked": "ebp-blocked"},
        "rules": {
            "sdlm": "ebp-sdlm",
            "sdlm-unit": "ebp-sdlm-unit",
            "momentum": "ebp-momentum",
            "decay": "ebp-decay",
        },
    },
    threaded=("ebp", "ebp-streaming", "ebp-blocked", "torch-256"),
    selection={
        "jax": ["jax"],
        "c": ["c"],
        "torch": ["torch", "torch-nn", "torch-256"],
        "sklearn": ["sklearn"],
        "numba": ["numba"],
    },
    extra=learn_one,
)

if __name__ == "__main__":
    sys.exit(driver.main(BENCHMARK))
