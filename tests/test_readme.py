"""The README keeps its promises: the example runs, and the names it mentions exist."""

import re
from pathlib import Path

import ebp
import pytest

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def text():
    return README.read_text(encoding="utf-8")


def test_the_example_runs(text, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    accuracy = float(re.fullmatch(r"held-out accuracy (\S+)\n", capsys.readouterr().out)[1])
    assert accuracy > 0.95


def test_the_first_section_is_the_two_commands(text):
    first = text.split("\n## ")[1]
    assert re.findall(r"^    (.+)$", first, re.MULTILINE) == [
        "pip install . && ebp demo",
        'pip install ".[test]" && pytest',
    ]


def test_the_names_of_the_table_exist(text):
    section = text.split("## From the paper to the code")[1].split("\n## ")[0]
    dotted = set(re.findall(r"`((?:Network|sampling|layers|rules|InputNormalizer)[\w.]*)", section))
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


def test_the_folders_of_the_map_exist(text):
    section = text.split("## Layout")[1].split("\n## ")[0]
    folders = re.findall(r"^\| `([\w/]+)/` \|", section, re.MULTILINE)
    assert len(folders) >= 6
    for folder in folders:
        assert (README.parent / folder).is_dir(), folder
