"""Samples per second of online training of LeNets: ebp and its competitors, in one run on the same cores.

    python bench/lenet.py --tasks FGH --peers jax,torch,c --cpus 0 --json out.json

Task F: images of 32 x 32, 5x5 convolution to 6 maps, 2x2 maximum, 5x5 convolution to 16 maps (all connected),
2x2 maximum, 120-84-10; tanh, half squared error, float32, constant rate, no momentum, samples in order,
weights updated after every one. G and H are LeNet-5 itself, without competitors. See README.md beside this
file.
"""

from __future__ import annotations

import sys

import driver
from lenet_tasks import TASKS

BENCHMARK = driver.Benchmark(
    title="Online training of LeNets, one update per sample, float32",
    description=__doc__,
    tasks=TASKS,
    own=("ebp",),
    threaded=("ebp",),
    selection={"jax": ["jax", "jax-grad"], "torch": ["torch"], "c": ["c"]},
)

if __name__ == "__main__":
    sys.exit(driver.main(BENCHMARK))
