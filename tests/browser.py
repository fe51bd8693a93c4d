"""A page in a real browser, without a window: what it becomes, what it looks like, what it asks for."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser")

# What a script in the page finds: sizes of images and pictures, texts that lie upon each other or stick out.
# The box of a text is higher than its letters, so that boxes of lines may overlap by a quarter.
PROBE = """
<script>
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
// Ordinary images of the same sources, which the load event waits for.
const copies = all("image").map((image) => {
  const copy = new Image();
  copy.src = image.href.baseVal;
  copy.style.display = "none";
  document.body.append(copy);
  return copy;
});
window.addEventListener("load", () => {
  const box = (element) => element.getBoundingClientRect();
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > Math.min(a.height, b.height) / 4;
  const boxes = (text) => (all("tspan", text).length ? all("tspan", text) : [text]).map(box);
  const collisions = (svg) => {
    const texts = all("text", svg).filter((text) => text.textContent.trim());
    const meet = (a, b) => boxes(a).some((one) => boxes(b).some((other) => overlap(one, other)));
    return texts.flatMap((a, k) => texts.slice(k + 1).filter((b) => meet(a, b))
      .map((b) => [a.textContent.trim(), b.textContent.trim()]));
  };
  const outside = (svg) => all("text", svg).filter((text) => box(text).width && (
    box(text).left < box(svg).left - 1 || box(text).right > box(svg).right + 1
    || box(text).top < box(svg).top - 1 || box(text).bottom > box(svg).bottom + 1)).map((t) => t.textContent);
  const found = {
    images: copies.map((copy) => [copy.naturalWidth, copy.naturalHeight]),
    pictures: all("svg").map((svg) => [box(svg).width, box(svg).height]),
    collisions: all("svg").flatMap(collisions),
    outside: all("svg").flatMap(outside),
    width: window.innerWidth,
    scrolled: document.documentElement.scrollWidth,
    colour: getComputedStyle(document.body).color,
    inks: [...new Set(all("svg text").map((text) => getComputedStyle(text).fill))],
    resources: performance.getEntriesByType("resource").map((one) => one.name),
  };
  const result = window.parent.document.createElement("pre");
  result.id = "probe";
  result.textContent = JSON.stringify(found);
  window.parent.document.body.append(result);
});
</script>
"""


class Browser:
    """Chromium with a profile of its own in a temporary folder."""

    def __init__(self, program, folder):
        self.program, self.folder = program, Path(folder)

    def run(self, page, *options):
        """The document after loading, messages of the console, and addresses that the page asked for."""
        log = self.folder / "net.json"
        command = [
            self.program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",  # containers often have 64 MB of shared memory, too little for a page
            "--disable-background-networking",
            "--hide-scrollbars",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            f"--user-data-dir={self.folder / 'profile'}",
            f"--log-net-log={log}",
            *options,
            Path(page).as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
        assert done.returncode == 0, done.stderr
        console = re.findall(r"CONSOLE\S* (.*)", done.stderr)
        return done.stdout, console, requests(json.loads(log.read_text()))

    def probe(self, document, *options, width=None):
        """What `PROBE` finds in a document, which must allow scripts for it, at a width in pixels.

        A window has a least width, that of a telephone is less: the document is in a frame then.
        """
        path = self.folder / "probed.html"
        document = re.sub(r"<meta http-equiv=[^>]*>", "", document).replace("</body>", f"{PROBE}</body>")
        if width is not None:
            style = f"width: {width}px; height: 800px; border: 0"
            document = f'<body><iframe style="{style}" srcdoc="{html.escape(document)}"></iframe></body>'
        path.write_text(document, encoding="utf-8")
        dom, console, asked = self.run(path, "--dump-dom", *options)
        assert not console
        assert not asked
        (found,) = re.findall(r'<pre id="probe">(.*?)</pre>', dom)
        return json.loads(html.unescape(found))


def find_browser():
    """Path of Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def requests(log):
    """Addresses asked for by the page; what the browser asks for by itself has no origin."""
    parts = [event.get("params", {}) for event in log["events"]]
    return {
        part["url"]
        for part in parts
        if "url" in part and part.get("initiator", "not an origin") != "not an origin"
    }
