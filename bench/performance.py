"""Run the benchmarks of speed and fill their tables and pictures into docs/performance.md.

    EBP_DATA_DIR=DIR python bench/performance.py --cpus 0,1 --results DIR      # an hour or two, idle machine
    python bench/performance.py --steps online lenet --cpus 0,1 --results DIR  # some of it
    python bench/performance.py --steps --results DIR                          # tables from earlier runs

Every step is a script beside this one, which can be run alone. --results keeps what they write; tables are
made from these files, whenever they were written. --quick is a trial with their short forms.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import common
import limits
import machine
import report
import required
import scaling
import time_to_error

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "performance.md"

# By step: the script, what makes its text, and the captions of its pictures.
STEPS: dict[str, tuple[str, Callable[[dict], str], dict[str, str]]] = {
    "online": ("online.py", report.text, {}),
    "lenet": ("lenet.py", report.text, {}),
    "limits": ("limits.py", limits.text, {}),
    "scaling": (
        "scaling.py",
        scaling.text,
        {
            "scaling_parameters": "Cost of an online update over the parameters",
            "scaling_data": "Cost of an online update over the size of the data set",
            "scaling_threads": "Speed of online updates over the threads",
        },
    ),
    "error": (
        "time_to_error.py",
        time_to_error.text,
        {"time_to_error": "Test error over seconds of training"},
    ),
}


def command(step: str, cpus: list[int], folder: Path, quick: bool) -> list[str]:
    """What runs a step, with its results in the folder."""
    script = STEPS[step][0]
    arguments = ["--cpus", ",".join(map(str, cpus)), "--json", str(folder / f"{step}.json")]
    if step in ("online", "lenet"):
        arguments += ["--threads", ",".join(str(n + 1) for n in range(len(cpus)))]
        arguments += ["--quick"] if quick else []
    if step in ("scaling", "error"):
        arguments += ["--out", str(folder if step == "scaling" else folder / "time_to_error.png")]
        arguments += [] if quick else ["--full"]
    return [sys.executable, str(HERE / script), *arguments]


def sections(folder: Path) -> dict[str, str]:
    """The parts of the document that the results in the folder give, by name."""
    results = {
        step: json.loads(file.read_text()) for step in STEPS if (file := folder / f"{step}.json").is_file()
    }
    found = {}
    for step, result in results.items():
        _, text, captions = STEPS[step]
        facts = machine.describe(result["machine"])
        body = text(result).split("\n", 1)[1].replace(f"{facts}\n", "")
        pictures = [
            f"![{captions[name]}]({name}.png)" for name in captions if _picture(folder, name).is_file()
        ]
        found[step] = "\n\n".join([body.strip(), *pictures])
        found.setdefault("machine", facts)
    if table := required.text([results[step] for step in ("online", "lenet") if step in results]):
        found["required"] = table.strip()
    return found


def _picture(folder: Path, name: str) -> Path:
    return folder / f"{name}.png"


def fill(document: str, parts: dict[str, str]) -> str:
    """The document with each part between the comments that name it: <!-- name --> ... <!-- end -->."""
    for name, part in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        document, count = re.subn(
            pattern, lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", document, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"[performance] the document must have one place for {name!r}; got {count}")
    return document


def main(arguments=None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--steps", nargs="*", choices=list(STEPS), default=list(STEPS), metavar="STEP")
    common.add_cpus(parser)
    parser.add_argument("--results", type=Path, metavar="DIR", help="default: a temporary one")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="default: docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="short forms, for a trial")
    options = parser.parse_args(arguments)
    folder = options.results or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for step in options.steps:
        if subprocess.run(command(step, options.cpus, folder, options.quick)).returncode != 0:
            failed.append(step)
    options.document.write_text(fill(options.document.read_text(), sections(folder)))
    for _, _, captions in STEPS.values():
        for picture in (_picture(folder, name) for name in captions):
            target = options.document.parent / picture.name
            if picture.is_file() and picture.resolve() != target.resolve():
                shutil.copy(picture, target)
    print(f"results: {folder}; tables: {options.document}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
