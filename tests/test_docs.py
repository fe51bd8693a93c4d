"""The documentation keeps its promises: its names exist, its tables are true, its examples run."""

import ast
import contextlib
import importlib
import inspect
import re
from collections import Counter
from pathlib import Path

import ebp
import pytest
from ebp.diagnosis import Diagnosis
from sklearn import neural_network

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXPERIMENTS = ROOT / "bench" / "experiments"
ESTIMATORS = set(ebp.MLPClassifier().get_params()) | set(ebp.NetworkClassifier([]).get_params())


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def tables(text):
    """Rows of cells of all tables, without their heads."""
    lines = text.splitlines()
    below = [*lines[1:], ""]
    rows = [line for line, next_line in zip(lines, below, strict=True) if not next_line.startswith("|--")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| ")]


def section(text, title):
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def resolve(name):
    """The object of a public name, or None."""
    with contextlib.suppress(ImportError):  # what is not imported with the rest, as it is for others' tools
        importlib.import_module(f"ebp.{name.partition('.')[0]}")
    found = ebp
    for part in name.split("."):
        fields = getattr(found, "__dataclass_fields__", {})
        found = getattr(found, part, fields.get(part))
    return found


def parameters(objects):
    """Names of the arguments of functions and classes."""
    names = set()
    for one in objects:
        if callable(one):
            names |= set(inspect.signature(one).parameters)
    return names


# ---- from the paper to the code ----------------------------------------------------------------------------


def test_every_equation_of_the_paper_has_its_place():
    listed = []
    for cells in tables(section(page("paper.md"), "By equation")):
        for first, last in re.findall(r"\((\d+)\)(?:-\((\d+)\))?", cells[0]):
            listed += range(int(first), int(last or first) + 1)
    assert listed == list(range(1, 65))


def test_the_names_of_the_equations_exist():
    known, checked = set(ESTIMATORS), 0
    for _, _, names in tables(section(page("paper.md"), "By equation")):
        tokens = re.findall(r"`([^`]+)`", names)
        known |= parameters(filter(None, map(resolve, tokens)))
        for token in tokens:
            if token.startswith('"'):  # a value, which the next test tries, or a key
                assert "`diagnose`" not in names or token.strip('"') in Diagnosis.__doc__, token
            elif token != "X" and not token.endswith("_"):
                assert resolve(token) or token.split("=")[0] in known, f"{token} in {names}"
                checked += 1
    assert checked > 60


def test_the_values_of_the_equations_are_accepted():
    """Every method="..." of the table, with the function it stands by."""
    X, T = ebp.datasets.two_gaussians(random_state=0)
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, dtype="float64", random_state=0)
    checked, same = Counter(), ""
    for _, _, names in tables(section(page("paper.md"), "By equation")):
        names = names.replace("the same", same)  # as in the row above
        same = names.split(" with ")[0]
        methods = re.findall(r'`(?:method=)?"(\w+)"`', names)  # one without its name follows another
        for function in re.findall(r"`curvature\.(\w+)` with `method=", names):
            extra = [net.parameters] if function == "hessian_vector_product" else []
            for method in methods:
                getattr(ebp.curvature, function)(net, X, T, *extra, method=method)
                checked["curvature"] += 1
        for name in re.findall(r'`solver="(\w+)"`', names):
            ebp.MLPRegressor((), solver=name, max_iter=3, random_state=0)._check_options()
            checked["solver"] += 1
        for name in methods if "`InputNormalizer` with `method=" in names else []:
            ebp.InputNormalizer(name).fit(X)
            checked["InputNormalizer"] += 1
        for name in methods if re.search(r"`optimize\.\w+` with `method=", names) else []:
            ebp.optimize.fit(net.copy(), X, T, name)
            checked["optimize"] += 1
        for name in re.findall(r'`options=\{"beta": "(\w+)"\}`', names):
            ebp.optimize.fit(net.copy(), X, T, "cg", options={"beta": name})
            checked["beta"] += 1
    least = {"curvature": 9, "solver": 2, "InputNormalizer": 2, "optimize": 7, "beta": 2}
    assert {key: checked[key] for key in least if checked[key] < least[key]} == {}


def test_the_scripts_of_the_figures_exist():
    scripts = [script.strip("`") for _, _, script in tables(section(page("paper.md"), "By figure"))]
    assert len(scripts) == 8
    for script in scripts:
        figures = ast.get_docstring(ast.parse((EXPERIMENTS / script).read_text(encoding="utf-8")))
        assert "Figure" in figures.splitlines()[0]


# ---- reference ---------------------------------------------------------------------------------------------

BASES = {"layers.Layer", "rules.Rule", "schedules.Schedule"}
TUPLES = {"layers.ACTIVATIONS", "losses.LOSSES"}


def test_the_reference_names_everything_public():
    listed = set(re.findall(r"^   ([\w.]+)$", page("api.rst"), re.MULTILINE))
    public = set()
    for name in set(ebp.__all__) - {"__version__"}:
        value = getattr(ebp, name)
        public |= {f"{name}.{key}" for key in own_names(value)} if inspect.ismodule(value) else {name}
    assert public - BASES - TUPLES - listed == set()
    assert {name for name in listed if resolve(name) is None} == set()


def own_names(module):
    """What a module makes public."""
    own = (key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
    return getattr(module, "__all__", None) or [key for key in own if not key.startswith("_")]


def test_the_gallery_runs_experiments_that_exist():
    (names,) = re.findall(r"^RUN = \(([^)]*)\)", page("conf.py"), re.MULTILINE)
    names = re.findall(r'"(\w+)"', names)
    assert len(names) == 5
    for name in names:
        assert "digits480" not in (text := (EXPERIMENTS / f"{name}.py").read_text(encoding="utf-8"))
        assert "data=" not in text.split("experiment.parser(")[1].split(")")[0]


# ---- coming from other programs ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["index.md", "coming_from_sklearn.md", "coming_from_matlab.md"])
def test_the_examples_run(name, tmp_path, monkeypatch, capsys):
    if name == "index.md":
        pytest.importorskip("matplotlib", reason="matplotlib is not installed: no report")
    monkeypatch.chdir(tmp_path)
    printed = run_examples(name, capsys)
    numbers = re.findall(r"(?:accuracy|R\^2) (\S+)", printed)
    assert float(numbers[0]) > 0.95


def test_the_example_of_pytorch_gives_equal_networks(capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    (difference,) = re.findall(r"largest difference (\S+)", run_examples("coming_from_pytorch.md", capsys))
    assert float(difference) < 1e-5


def run_examples(name, capsys):
    """What the Python blocks of a page print, one after the other."""
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", page(name), re.DOTALL)
    assert blocks
    for code in blocks:
        exec(compile(code, name, "exec"), names)
    return capsys.readouterr().out


def test_the_defaults_beside_scikit_learn_are_true():
    rows = tables(section(page("coming_from_sklearn.md"), "Parameters"))
    theirs, ours = neural_network.MLPClassifier().get_params(), ebp.MLPClassifier().get_params()
    compared = 0
    for cells in rows:
        if len(cells) == 3 and cells[0].strip("`") in theirs:
            name, their, our = (cell.strip("`") for cell in cells)
            assert ast.literal_eval(their) == theirs[name], name
            assert ast.literal_eval(our) == ours[name], name
            compared += 1
    assert compared == 15


def test_the_fitted_attributes_of_scikit_learn_are_there():
    X, y = ebp.datasets.two_gaussians(random_state=0)
    text = section(page("coming_from_sklearn.md"), "Fitted attributes")
    both, new = text.split("mean what they mean there")
    pd = pytest.importorskip("pandas")
    # numbers: scikit-learn 1.7 cannot stop early on labels of text
    table, labels = pd.DataFrame(X, columns=["a", "b"]), (y > 0).astype(int)
    own = ebp.MLPClassifier((3,), max_iter=10, early_stopping=True, random_state=0).fit(table, labels)
    other = neural_network.MLPClassifier((3,), max_iter=400, tol=1e-2, early_stopping=True, random_state=0)
    other.fit(table, labels)
    names = re.findall(r"`(\w+_)`", both)
    assert len(names) == 13
    for name in names:
        assert hasattr(own, name), name
        assert hasattr(other, name), name
    for name in re.findall(r"`(\w+_)`", new.split("```")[0]):
        assert hasattr(own, name), name
        assert not hasattr(other, name), name


@pytest.mark.parametrize("program", ["sklearn", "pytorch", "matlab"])
def test_the_names_of_the_tables_exist(program):
    """The right columns: public names, methods, and arguments of estimators, layers, rules and networks."""
    owners = [ebp.Network, ebp.MLPClassifier]
    keywords = ESTIMATORS | parameters(
        [ebp.layers.Conv2D, ebp.rules.SGD, ebp.Network, ebp.Network.train_online]
    )
    checked = 0
    for cells in tables(page(f"coming_from_{program}.md")):
        for token in re.findall(r"`([^`]+)`", cells[-1]):
            word = re.match(r"[A-Za-z_][\w.]*", token)
            if word is None or word[0] in ("ebp", "True", "False", "None"):
                continue
            name = word[0].removeprefix("ebp.")
            known = resolve(name) or name in keywords or any(hasattr(owner, name) for owner in owners)
            assert name in keywords if token.startswith(f"{name}=") else known, token
            checked += 1
    assert checked > 10
