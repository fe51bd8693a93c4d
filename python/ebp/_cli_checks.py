"""Checks of what a user of the command `ebp` gives."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

# A layer beyond this is a slip of the finger: its weights alone would fill a computer's memory.
MAX_UNITS = 1_000_000


def check_output(path: str, inputs: Sequence[str], option: str = "--out") -> None:
    """Refuse, before any work is done, a file that cannot be written or that holds one of the inputs."""
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise ValueError(f"{option}: there is no folder {folder}")
    if os.path.isdir(path):
        raise ValueError(f"{option} must name a file; got the folder {path}")
    for name in inputs:
        if os.path.exists(path) and os.path.exists(name) and os.path.samefile(path, name):
            raise ValueError(f"{option} must name another file than the input {name}, which it would replace")


def checked(convert: Callable[[str], Any], valid: Callable[[Any], bool], rule: str) -> Callable[[str], Any]:
    """A type for argparse: `convert` the text and say `rule` if that fails or the value is not `valid`."""

    def parse(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not valid(value):
            raise argparse.ArgumentTypeError(f"must be {rule}; got {text!r}")
        return value

    return parse


seed = checked(int, lambda value: 0 <= value < 2**32, "a whole number from 0 to 2**32 - 1")
count = checked(int, lambda value: value >= 1, "a whole number, at least 1")
fraction = checked(float, lambda value: 0 <= value < 1, "a number, at least 0 and less than 1")
sizes = checked(
    lambda text: tuple(int(size) for size in text.split(",")),
    lambda sizes: min(sizes) >= 1 and max(sizes) <= MAX_UNITS,
    f"layer sizes from 1 to {MAX_UNITS:,}, separated by commas",
)
