"""The pictures of `scaling.py`, from its result alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import machine
import numpy as np
from experiments.experiment import new_figure


def draw(found: dict, folder: Path) -> list[Path]:
    """One picture for each part in `found`; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part, picture in (("parameters", _parameters), ("data", _data), ("threads", _threads)):
        if part in found:
            files.append(folder / f"scaling_{part}.png")
            picture(found[part], found["machine"]["caches"]).savefig(files[-1], dpi=110)
    return files


def _line(
    ax: Any, x: np.ndarray, spreads: list[dict], factor: float | np.ndarray = 1.0, **style: Any
) -> None:
    """Medians over x with their range."""
    median, low, high = (factor * np.array([s[k] for s in spreads]) for k in ("median", "min", "max"))
    (line,) = ax.plot(x, median, marker="o", ms=3.5, lw=1.2, **style)
    ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2, lw=0)


def _mark_caches(ax: Any, caches: dict[str, str], unit: float) -> None:
    """A line where a cache ends, in units of so many bytes, if that lies inside the picture."""
    low, high = ax.get_xlim()
    for name, size in caches.items():
        place = machine.n_bytes(size) / unit
        if "instruction" not in name and low < place < high:
            ax.axvline(place, color="grey", lw=0.8, ls=":")
            ax.annotate(
                name.split()[0],
                (place, 0.98),
                xycoords=("data", "axes fraction"),
                va="top",
                ha="right",
                fontsize=8,
            )
    ax.set_xlim(low, high)


def _parameters(found: dict, caches: dict[str, str]) -> Any:
    figure = new_figure((11, 4.5), "Cost of an online update over the parameters")
    whole, each = figure.subplots(1, 2)
    for family, what in found.items():
        x = np.array([point["parameters"] for point in what["points"]], float)
        spreads = [point["nanoseconds"] for point in what["points"]]
        slope = "" if what["slope"] is None else f", slope beyond L2 {what['slope']:.2f}"
        _line(whole, x, spreads, 1e-3, label=family + slope)
        _line(each, x, spreads, 1e3 / x, label=family)
    ends = np.array(whole.get_xlim())
    last = max((what["points"][-1] for what in found.values()), key=lambda point: point["parameters"])
    per_parameter = 1e-3 * last["nanoseconds"]["median"] / last["parameters"]
    whole.plot(ends[1] * np.array([1e-3, 1]), per_parameter * ends[1] * np.array([1e-3, 1]), **_PROPORTIONAL)
    whole.set(xscale="log", yscale="log", xlabel="parameters", ylabel="µs a sample")
    each.set(xscale="log", yscale="log", xlabel="parameters", ylabel="ps a sample and parameter")
    for ax in (whole, each):
        _mark_caches(ax, caches, 4)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    return figure


_PROPORTIONAL: dict[str, Any] = {"color": "black", "lw": 0.8, "ls": "--", "label": "proportional"}


def _data(found: list[dict], caches: dict[str, str]) -> Any:
    figure = new_figure((6.5, 4.5), "Cost of an online update over the data set, 784-30-10")
    ax = figure.subplots()
    x = np.array([one["bytes"] for one in found]) / 2**20
    for name in found[0]["nanoseconds"]:
        _line(ax, x, [one["nanoseconds"][name] for one in found], 1e-3, label=f"rows {name}")
    ax.set(xscale="log", xlabel="memory-mapped file [MB]", ylabel="µs a sample")
    ax.set_ylim(bottom=0)
    _mark_caches(ax, caches, 2**20)
    ax.grid(alpha=0.3)
    ax.legend()
    return figure


def _threads(found: dict, caches: dict[str, str]) -> Any:
    figure = new_figure((6.5, 4.5), "Speed of online updates over the threads")
    ax = figure.subplots()
    for letter, one in found.items():
        x = np.array([int(n) for n in one["speed-up"]])
        _line(ax, x, list(one["speed-up"].values()), label=f"{letter} {one['label']}")
    ax.plot(x, x, **_PROPORTIONAL)
    ax.set(xlabel="threads", ylabel="speed / speed of one thread", xticks=x)
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    ax.legend()
    return figure
