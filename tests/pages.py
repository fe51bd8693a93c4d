"""Reading a page of `ebp.report` in tests: its elements, ids, links, texts and tables."""

from html.parser import HTMLParser

VOID = {"meta"}


class Page(HTMLParser):
    """A document, which must close every element that it opens.

    `elements` has (tag, attributes) in order, `text` all text outside of style, and `tables` of each section,
    by its id ("" before the first), lists of rows of cells.
    """

    def __init__(self, document):
        super().__init__()
        self.elements, self.tables, self.texts = [], {"": []}, {"": ""}
        self._open, self._section, self._cell = [], "", None
        self.feed(document)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    @property
    def text(self):
        return "".join(self.texts.values())

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = attributes["id"]
            self.tables[self._section], self.texts[self._section] = [], ""
        elif tag == "table":
            self.tables[self._section].append([])
        elif tag == "tr":
            self.tables[self._section][-1].append([])
        elif tag in ("td", "th"):
            self._cell = ""

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"</{tag}> closes another element"
        if tag in ("td", "th"):
            self.tables[self._section][-1][-1].append(self._cell)
            self._cell = None

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.texts[self._section] += data
        if self._cell is not None:
            self._cell += data


def check_alone(page):
    """The page is one piece: nothing runs, nothing is fetched, names are unique and links arrive."""
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for name in ("href", "xlink:href"):
        for target in page.attributes(name):
            assert target.startswith("data:image/png;base64,") or target[1:] in ids, target
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert not page.attributes("src")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
