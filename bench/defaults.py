"""Do the defaults need tuning? ebp with nothing set, beside scikit-learn's MLP, as it comes and tuned.

    python bench/defaults.py                            # 3 splits of 21 data sets, some four minutes
    python bench/defaults.py --full --json out.json     # 10 splits, a wider grid of rates, raw inputs too
    python bench/defaults.py --peers "" --vary hidden_layer_sizes=30,300 loss=cross_entropy
    python bench/defaults.py --peers "" --vary _rates.SDLM_FRACTION=0.1,0.44     # a constant of the package

--vary changes one parameter at a time. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

import common

os.environ.update(common.ONE_THREAD)  # before a numeric library is loaded

import defaults_report
import ebp
import machine
from defaults_contestants import Contestant, measure, split, variations
from suite import SUITE, MissingData, default_cache, load
from threadpoolctl import threadpool_limits
from tqdm import tqdm

RATES = (3e-4, 1e-3, 3e-3, 1e-2)
FULL_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SEEDS, FULL_SEEDS = 3, 10
PEERS = ("sklearn", "sklearn-raw", "adam")


def contestants(options: argparse.Namespace) -> list[Contestant]:
    """Everybody who is measured; Adam once for every rate of the grid."""
    found = [Contestant("ebp", "ebp")]
    found += [Contestant(peer, peer) for peer in options.peers if peer != "adam"]
    if "adam" in options.peers:
        found += [
            Contestant(f"adam {rate:g}", "sklearn", {"learning_rate_init": rate}) for rate in options.rates
        ]
    return found + variations(options.vary)


def run(options: argparse.Namespace) -> dict:
    """All fits; on each split the contestants come one after the other, so that times compare."""
    people = contestants(options)
    sets = {name: load(name, options.cache_dir) for name in options.data}
    tasks = {name: data.task for name, data in sets.items()}
    found: dict = {name: {person.name: [] for person in people} for name in sets}
    total = len(sets) * options.seeds * len(people)
    with threadpool_limits(1), tqdm(total=total, unit="fit", disable=options.quiet) as bar:
        for seed in range(options.seeds):
            for name, data in sets.items():
                parts = split(data, seed, options.shipped)
                for person in people:
                    bar.set_postfix_str(f"{name}, {person.name}", refresh=False)
                    found[name][person.name].append(_measured(person, data.task, parts, seed))
                    bar.update()
    return {
        "machine": {**machine.facts(), "core": ebp._core.level},
        "settings": {
            "seeds": options.seeds,
            "shipped": options.shipped,
            "rates": list(options.rates),
            "peers": list(options.peers),
            "vary": {person.name: person.settings for person in variations(options.vary)},
        },
        "tasks": tasks,
        "found": found,
    }


def _measured(person: Contestant, task: str, parts: tuple, seed: int) -> dict | None:
    """The measurement, or None if a variation is not for this task, as a loss of classes is not."""
    try:
        return measure(person, task, parts, seed)
    except ValueError:
        if person.program == "ebp" and person.settings:
            return None
        raise


def parse(arguments=None) -> argparse.Namespace:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", choices=list(SUITE), default=list(SUITE), metavar="NAME")
    parser.add_argument("--seeds", type=int, help=f"splits (default: {SEEDS}, with --full {FULL_SEEDS})")
    parser.add_argument("--full", action="store_true", help="more splits, more rates, raw inputs")
    parser.add_argument("--shipped", action="store_true", help="the split that the data ship with, if any")
    parser.add_argument(
        "--peers", help="comma-separated, of sklearn,sklearn-raw,adam (default: sklearn,adam)"
    )
    parser.add_argument("--rates", nargs="+", type=float, help="Adam's grid")
    parser.add_argument("--vary", nargs="+", default=[], metavar="NAME=VALUES", help="variations of ebp")
    parser.add_argument("--cpu", type=int, default=0, help="the CPU everything runs on (default: 0)")
    parser.add_argument("--cache-dir", type=Path, default=default_cache(), help="for packages with data")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if options.peers is None:
        options.peers = ",".join(PEERS) if options.full else "sklearn,adam"
    options.peers = [name for name in options.peers.split(",") if name]
    if unknown := [name for name in options.peers if name not in PEERS]:
        parser.error(f"--peers takes names of {','.join(PEERS)}; got {','.join(unknown)}")
    if options.rates is None:
        options.rates = FULL_RATES if options.full else RATES
    if not all(math.isfinite(rate) and rate > 0 for rate in options.rates):
        parser.error(f"--rates takes positive numbers; got {options.rates}")
    if options.seeds is None:
        options.seeds = FULL_SEEDS if options.full else SEEDS
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1; got {options.seeds}")
    try:
        variations(options.vary)
    except ValueError as error:
        parser.error(f"--vary: {error}")
    return options


def main(arguments=None) -> int:
    options = parse(arguments)
    common.pin(options.cpu)
    try:
        result = run(options)
    except MissingData as error:
        print(error, "(--data with the sets of scikit-learn needs neither)", file=sys.stderr)
        return 1
    report = defaults_report.text(result)
    print(report)
    if options.markdown:
        options.markdown.write_text(report)
    common.write_json(options.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
