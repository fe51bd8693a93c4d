"""The report on speed has a place for everything that is measured, and names scripts that exist."""

import json
import re
from pathlib import Path

import pytest
from bench_scripts import BENCH, run

ROOT = BENCH.parent
DOCUMENT = ROOT / "docs" / "performance.md"


def test_the_document_has_one_place_for_every_part(bench):
    performance = bench("performance")
    parts = {name: f"text of {name}" for name in ("machine", "required", *performance.STEPS)}
    filled = performance.fill(DOCUMENT.read_text(), parts)
    again = performance.fill(filled, parts)
    assert filled == again
    assert "Not measured yet" not in filled
    assert all(filled.count(part) == 1 for part in parts.values())


def test_a_part_without_a_place_is_refused(bench):
    with pytest.raises(ValueError, match="'limits'"):
        bench("performance").fill("<!-- online -->\nold\n<!-- end -->\n", {"limits": "new"})


def test_the_document_names_scripts_that_exist():
    commands = re.findall(r"python (bench/\w+\.py)", DOCUMENT.read_text())
    assert len(set(commands)) == 7
    assert all((ROOT / script).is_file() for script in commands)


@pytest.mark.parametrize("quick", [False, True])
def test_every_command_is_understood_by_its_script(bench, quick):
    performance, script = bench("performance"), {}
    for step in performance.STEPS:
        arguments = performance.command(step, [0, 1], Path("results"), quick)
        script[Path(arguments[1]).name] = arguments[2:]
    for name in ("online", "lenet"):
        options = bench("driver").parse(bench(name).BENCHMARK, script[f"{name}.py"])
        assert options.threads == [2]
        assert options.quick == quick
    for name in ("scaling", "time_to_error"):
        assert bench(name).parse(script[f"{name}.py"]).full != quick
    assert script["limits.py"][:2] == ["--cpus", "0,1"]


def test_results_become_tables(bench, tmp_path):
    done = run(
        *("online.py", "--tasks", "A", "--peers", "", "--engines", "blocked", "--rules", "", "--quick"),
        *("--repeats", 1, "--json", tmp_path / "online.json"),
    )
    assert done.returncode == 0, done.stderr
    document = tmp_path / "performance.md"
    parts = r"(<!-- (?!end)\w+ -->\n).*?(<!-- end -->)"
    emptied = re.sub(parts, r"\1kept\n\2", DOCUMENT.read_text(), flags=re.DOTALL)
    document.write_text(emptied)
    (tmp_path / "docs").mkdir()
    other = tmp_path / "docs" / "performance.md"
    other.write_text(emptied)
    (tmp_path / "scaling_data.png").write_bytes(b"a picture")
    performance = bench("performance")
    for place in (document, other):
        assert performance.main(["--steps", "--results", str(tmp_path), "--document", str(place)]) == 0
    text = document.read_text()
    assert text == other.read_text()
    assert (tmp_path / "docs" / "scaling_data.png").read_bytes() == b"a picture"
    result = json.loads((tmp_path / "online.json").read_text())
    speed = result["tasks"]["A"]["samples_per_second"]["ebp-blocked"]["median"]
    assert f"{speed:,.0f}" in text
    assert text.count(result["machine"]["date"]) == 1
    assert "| A ebp / plain C " in text
    assert text.count("-->\nkept\n<!--") == 4  # what was not measured stays as it was
