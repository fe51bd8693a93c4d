"""What Sphinx does not know of this project: its experiments, its docstrings, links out of this folder."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst

HERE = Path(__file__).resolve().parent
EXPERIMENTS = HERE.parent / "bench" / "experiments"
# An experiment writes its picture to a file; the name is printed, and so is no one's absolute path.
PICTURE = "../../docs/_build/picture.png"

# Files beside this folder that have pages here.
PAGES = {"../bench/README.md": "benchmarks.md", "docs/": "", "../docs/": ""}


def setup(app: Any) -> dict[str, Any]:
    app.connect("source-read", give_titles)
    app.connect("source-read", turn_links)
    app.connect("include-read", lambda app, _, docname, source: turn_links(app, docname, source))
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("autodoc-skip-member", skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def experiment_options(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Arguments of an experiment that the gallery runs, in the folder of the script."""
    (EXPERIMENTS / PICTURE).parent.mkdir(exist_ok=True)
    return ["--out", PICTURE]


def take_picture(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """The picture that the experiment has written, if it has, as a figure of its page."""
    picture = EXPERIMENTS / PICTURE
    if not picture.exists():
        return ""
    path = next(block_vars["image_path_iterator"])
    shutil.move(picture, path)
    return str(figure_rst([path], gallery_conf["src_dir"]))


def give_titles(app: Any, docname: str, source: list[str]) -> None:
    """The first line of an experiment's docstring is its title, and the commands below it are literal."""
    script = EXPERIMENTS / f"{Path(docname).name}.py"
    if docname.startswith("auto_examples/") and script.exists():
        title = (ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "").splitlines()[0]
        source[0] = source[0].replace(f"{title}\n", f"{title}\n{'=' * len(title)}\n\n::\n", 1)


def turn_links(app: Any, docname: str, source: list[str]) -> None:
    """Links of the reports, which are read on their own too, to the pages of the documentation."""
    for path, page in PAGES.items():
        source[0] = source[0].replace(f"]({path}", f"]({page}")
    # Sources have no pages: their names alone remain.
    source[0] = re.sub(r"\[([^]]+)\]\(\.\./bench/[^)]*\.py\)", r"`\1`", source[0])


def keep_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """|g| is a magnitude in docstrings, where reStructuredText would see a substitution."""
    for k, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = re.split(r"(``[^`]*``)", line)
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[k] = "".join(parts)


def skip_foreign(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Of inherited members those of this package: scikit-learn documents its own."""
    owner = getattr(getattr(obj, "fget", obj), "__module__", None) or ""
    return True if callable(obj) and not owner.startswith("ebp") else None
