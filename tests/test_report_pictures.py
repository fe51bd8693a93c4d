"""The pictures of the page about a model: names of the user's, and the room that they take."""

import re

import ebp
import pytest
from ebp.layers import Conv2D, Dense, GaussianRBF
from pages import Page, check_alone

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no report")


def test_names_that_look_like_svg_or_have_letters_of_no_font_stay_as_they_are():
    names = ["colour=#000000", ' id="x', "url(#x)", 'href="#x', "中文", "😀"]
    net = ebp.Network([Dense(2)], len(names), random_state=0)
    report = ebp.report(net, feature_names=names)
    page = Page(report.html)
    check_alone(page)
    for name in names:
        assert page.texts["weights"].count(name) == 1
    svg = report.html.split('<section id="weights">')[1].split("<svg")[1].split("</svg>")[0]
    ids = re.findall(r'<[^>]* id="([^"]+)"', svg)
    assert ids
    assert {key.split("-")[0] for key in ids} == {"weights"}
    assert re.search(r"<[^>]*url\(#weights-", svg)
    assert re.search(r"<[^>]*currentColor", svg)


def drawn_height(report):
    """Of the picture of the weights, in points."""
    part = report.html.split('<section id="weights">')[1]
    return float(re.search(r'<svg[^>]* height="([\d.]+)pt"', part)[1])


def test_the_picture_has_room_for_the_names_that_are_drawn():
    net = ebp.Network([Dense(2)], 36, random_state=0)
    plain = drawn_height(ebp.report(net))
    short, long, longest = (
        drawn_height(ebp.report(net, feature_names=iter(["a" * length, *35 * "b"])))
        for length in (1, 40, 300)
    )
    assert plain < short < long == longest < 2 * plain
    many = ebp.Network([Dense(2)], 41, random_state=0)
    assert drawn_height(ebp.report(many, feature_names=["a" * 40] * 41)) == plain


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_names_that_are_not_drawn_take_no_room(rng):
    pd = pytest.importorskip("pandas")
    X = rng.standard_normal((60, 36)) @ rng.standard_normal((36, 36))
    table = pd.DataFrame(X, columns=[f"{k}: a name of some length" for k in range(36)])
    plain = drawn_height(ebp.report(ebp.Network([Dense(2)], 36, random_state=0)))
    for layers, shape in (([Conv2D(2, 3), Dense(1)], (1, 6, 6)), ([GaussianRBF(3), Dense(1)], None)):
        options = {"input_shape": shape} if shape else {"normalize": "decorrelate"}
        model = ebp.NetworkRegressor(layers, max_iter=2, random_state=0, **options).fit(table, X[:, 0])
        report = ebp.report(model)
        assert drawn_height(report) == plain
        assert "of some length" not in Page(report.html).texts["weights"]
