"""Time of second derivatives and batch optimisation: ebp and its competitors, in one run on one core.

    python bench/second_order.py --tasks abcde --peers jax,torch,scipy --cpu 0 --json out.json

Tasks: a Hessian, 10-10-3; b diagonal of Gauss-Newton's matrix, 784-30-10; c largest eigenvalue of the Hessian
and its product with a vector, 784-30-10; d Levenberg-Marquardt until it converges, 5-10-1, three starts;
e 50 iterations of L-BFGS, 784-30-10. float32, d in float64. See README.md beside this file.
"""

from __future__ import annotations

import sys

import driver
from second_order_tasks import TASKS

BENCHMARK = driver.Benchmark(
    title="Second derivatives and batch optimisation",
    description=__doc__,
    tasks=TASKS,
    own=("ebp", "ebp-power"),
    selection={
        "jax": ["jax"],
        "torch": ["torch"],
        "backpack": ["backpack"],
        "curvlinops": ["curvlinops"],
        "scipy": ["scipy"],
        "torch-lm": ["torch-lm"],
        "sklearn": ["sklearn"],
    },
    unit="ms",
    difference="float64",
)

if __name__ == "__main__":
    sys.exit(driver.main(BENCHMARK))
