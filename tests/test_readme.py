"""The README keeps its promises: the example runs, and the names it mentions exist."""

import re
from pathlib import Path

import ebp
import pytest
from ebp._tricks_table import TRICKS

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def text():
    return README.read_text(encoding="utf-8")


def test_the_examples_run(text, tmp_path, monkeypatch, capsys):
    """One after the other: the later ones go on with what the first has loaded."""
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 6
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in examples:
        exec(compile(code, "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert float(re.fullmatch(r"held-out accuracy (\S+)", printed[0])[1]) > 0.95
    assert float(re.fullmatch(r"prequential accuracy (\S+)", printed[1])[1]) > 0.95
    assert printed[-4].startswith("total")
    assert re.fullmatch(r"loss \S+ after \d+ iterations: Converged: .*", printed[-1])
    test_images = names["X_test"].reshape(-1, 1, 8, 8)
    assert names["model"].score(test_images, names["y_test"]) > 0.95


def test_the_first_section_is_the_two_commands(text):
    first = text.split("\n## ")[1]
    assert re.findall(r"^    (.+)$", first, re.MULTILINE) == [
        "pip install . && ebp demo",
        'pip install ".[test]" && pytest',
    ]


def test_the_names_of_the_table_exist(text):
    section = text.split("## From the paper to the code")[1].split("\n## ")[0]
    dotted = set(
        re.findall(r"`((?:Network|evaluation|sampling|layers|rules|InputNormalizer)[\w.]*)", section)
    )
    assert len(dotted) >= 8
    for name in dotted:
        owner = ebp
        for part in name.split("."):
            assert hasattr(owner, part), name
            owner = getattr(owner, part)
    estimator = ebp.MLPClassifier().get_params()
    parameters = set(re.findall(r"`(\w+)=`", section))
    assert len(parameters) >= 5
    assert parameters <= set(estimator)


def test_the_table_follows_the_paper(text):
    section = text.split("## From the paper to the code")[1].split("\n## ")[0]
    chapter_four = re.findall(r"^\| (4\.\d) \|", section, re.MULTILINE)
    assert len(chapter_four) > 10
    assert chapter_four == sorted(chapter_four)


def test_hidden_units_are_centred_by_one_section_of_the_paper(text):
    """4.3: what holds for the means of the inputs "should be applied at all layers"."""
    row = re.search(r"^\| (4\.\d) \| centring hidden units", text, re.MULTILINE)
    documented = [
        re.search(r"center_hidden : bool.*?section (4\.\d)", owner.__doc__, re.DOTALL)
        for owner in (ebp.MLPClassifier, ebp.MLPRegressor, ebp.rules.SGD)
    ]
    trick = next(trick for trick in TRICKS if "center_hidden" in trick.changes)
    assert {row[1], trick.section, *(found[1] for found in documented)} == {"4.3"}


def test_the_folders_of_the_map_exist(text):
    section = text.split("## Layout")[1].split("\n## ")[0]
    folders = re.findall(r"^\| `([\w/]+)/` \|", section, re.MULTILINE)
    assert len(folders) >= 6
    for folder in folders:
        assert (README.parent / folder).is_dir(), folder
