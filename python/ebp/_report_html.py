"""HTML for the page of `ebp.report`: every text is escaped unless it was made here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Nothing is fetched and nothing runs, whatever a name on the page says.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --bad: #c22; }
@media (prefers-color-scheme: dark) { :root { --bad: #f77; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; border-top: 1px solid var(--line); margin: 2rem 0 .5rem; padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
nav a { display: inline-block; margin: 0 .9rem .2rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { background: var(--soft); white-space: nowrap; }
.left, tbody th { text-align: left; }
.facts td, .facts th { overflow-wrap: anywhere; }
.facts th { width: 38%; }
.long { min-width: 10rem; }
tbody th { position: sticky; left: 0; background: Canvas; }
.matrix td, .matrix thead th { text-align: center; border-right: 1px solid var(--line); }
.matrix thead th { white-space: normal; }
.matrix td { min-width: 1.8rem; }
figure { margin: .8rem 0; max-width: 35rem; }
svg { display: block; width: 100%; height: auto; }
.asks { white-space: nowrap; color: var(--bad); font-weight: 600; }
details { margin: .5rem 0; }
@media (max-width: 30rem) {
  table { font-size: .9rem; }
  th, td { padding: .2rem .35rem; }
  .long { min-width: 8rem; }
}
footer { margin-top: 2rem; border-top: 1px solid var(--line); font-size: .9rem; }
"""


class Markup(str):
    """A text that is HTML already."""


Content = str | Iterable[str]


def tag(name: str, *content: Content, **attributes: str | None) -> Markup:
    """An element. A trailing underscore keeps an attribute's name apart from a word of Python."""
    values = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    opening = "".join(f' {key}="{html.escape(value)}"' for key, value in values.items() if value is not None)
    return Markup(f"<{name}{opening}>{join(*content)}</{name}>")


def join(*content: Content) -> Markup:
    """Texts, escaped, and elements, one behind the other."""
    parts: list[str] = []
    for one in content:
        for part in [one] if isinstance(one, str) else one:
            parts.append(part if isinstance(part, Markup) else html.escape(part))
    return Markup("".join(parts))


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: Sequence[int] = (0,),
    class_: str | None = None,
) -> Markup:
    """A table that scrolls sideways where it is too wide; columns in `left` hold text, the first one names.

    An empty `head` leaves the headings out.
    """
    kind = {k: "left" for k in left}
    headings = [tag("th", text, scope="col", class_=kind.get(k)) for k, text in enumerate(head)]
    lines = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            [
                cell if _is_cell(cell) else tag("td", cell, class_=kind.get(k))
                for k, cell in enumerate(row[1:], 1)
            ],
        )
        for row in rows
    ]
    parts = [
        tag("thead", tag("tr", headings)) if headings else Markup(),
        tag("tbody", lines),
    ]
    return tag("div", tag("table", parts, class_=class_), class_="scroll")


def _is_cell(cell: str) -> bool:
    return isinstance(cell, Markup) and cell.startswith("<td")


class Section(NamedTuple):
    """A part of the page, which the list at its head links to by its key."""

    key: str
    title: str
    body: Markup


def section(key: str, title: str, *content: Content) -> Section:
    """A part with this content below its title."""
    return Section(key, title, join(*content))


def page(title: str, head_lines: Content, sections: Sequence[Section], footer: str) -> str:
    """The whole document: title, what stands below it, links to the sections, and these."""
    main = [
        tag("h1", title),
        head_lines,
        tag("nav", [tag("a", one.title, href=f"#{one.key}") for one in sections], aria_label="Sections"),
        [tag("section", tag("h2", one.title), one.body, id=one.key) for one in sections],
        tag("footer", footer),
    ]
    head = [
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        tag("style", Markup(STYLE)),
    ]
    document = tag("html", tag("head", head), tag("body", tag("main", *main)), lang="en")
    return f"<!DOCTYPE html>\n{document}\n"
