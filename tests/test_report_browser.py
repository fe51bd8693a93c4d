"""The page about a model in a real browser: nothing fails, nothing is fetched, everything is seen."""

import re

import ebp
import numpy as np
import pytest
from browser import NAMES, Browser, find_browser

plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed: no report")
pd = pytest.importorskip("pandas")

DESK = "--window-size=1200,900"
DARK = "--blink-settings=preferredColorScheme=0"
# Which black and white a browser takes is its own affair.
DARKEST, LIGHTEST = 60, 195
EVIL = '<script>document.title = "broken"</script>'


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_browser()
    if program is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed: no browser to look at the page")
    return Browser(program, tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def digits():
    X, y = ebp.datasets.load_digits()
    model = ebp.MLPClassifier((20,), max_iter=12, early_stopping=True, random_state=0).fit(X[:600], y[:600])
    return ebp.report(model, X[600:800], y[600:800], title="Digits").html


@pytest.fixture(scope="module")
def table():
    """A regression of columns with long names, and a title that must stay a text."""
    rng = np.random.default_rng(0)
    names = [f"a column with a long name, {k}" for k in range(8)] + [EVIL]
    X = pd.DataFrame(rng.standard_normal((150, 9)), columns=names)
    model = ebp.MLPRegressor((6, 4), max_iter=5, random_state=0).fit(X, X[names[0]] ** 2)
    return ebp.report(model, X, X[names[0]] ** 2, title=EVIL, details={EVIL: EVIL}).html


@pytest.fixture(params=["digits", "table"])
def document(request):
    return request.getfixturevalue(request.param)


def test_the_checker_can_fail(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text('<body><img src="http://localhost:9/x.png"><script>console.error("no")</script></body>')
    _, console, asked = browser.run(path, "--dump-dom")
    assert ["no" in message for message in console] == [True]
    assert asked == {"http://localhost:9/x.png"}
    svg = '<svg width="90" height="50"><text x="9" y="30">one</text><text x="20" y="30">two</text></svg>'
    found = browser.probe(f'<body style="width: 3000px">{svg}</body>')
    assert found["collisions"] == [["one", "two"]]
    assert found["scrolled"] > found["width"]
    assert browser.probe(f"<body>{svg.replace('20', '80')}</body>")["outside"] == ["two"]


def test_nothing_fails_and_nothing_is_fetched(browser, document, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(document, encoding="utf-8")
    dom, console, asked = browser.run(path, "--dump-dom", DESK)
    assert not console
    assert not asked
    assert "<title>broken" not in dom
    assert dom.count("<svg") == document.count("<svg") >= 4
    assert dom.count("<section") == document.count("<section")


@pytest.mark.parametrize("width", [360, None], ids=["phone", "desk"])
def test_all_pictures_are_seen(browser, document, width):
    found = browser.probe(document, DESK, width=width)
    assert found["images"]
    assert np.array(found["images"]).min() > 0
    assert len(found["pictures"]) == document.count("<svg")
    assert np.array(found["pictures"]).min() > 100
    assert found["resources"] == []
    assert found["collisions"] == []
    assert found["outside"] == []
    assert found["width"] == (width or 1200)
    assert found["scrolled"] <= found["width"]  # tables scroll in themselves, the page does not


def test_the_ink_follows_the_ground(browser, digits, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(digits, encoding="utf-8")
    for options, light in (((), True), ((DARK,), False)):
        found = browser.probe(digits, DESK, *options)
        ink = [int(part) for part in re.findall(r"\d+", found["colour"])]
        assert len(ink) == 3
        assert max(ink) < DARKEST if light else min(ink) > LIGHTEST
        assert found["inks"] == [found["colour"]]
        picture = tmp_path / "picture.png"
        browser.run(path, f"--screenshot={picture}", DESK, *options)
        pixels = (255 * plt.imread(picture)[..., :3]).round()
        assert pixels.shape == (900, 1200, 3)
        ground = pixels[:5, :5]
        assert ground.min() > LIGHTEST if light else ground.max() < DARKEST
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
