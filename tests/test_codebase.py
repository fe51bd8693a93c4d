"""Rules about the source tree that no compiler checks."""

import ast
import inspect
import re
from pathlib import Path

import ebp
import pytest

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "cpp"
CPP_FILES = sorted([*CPP.rglob("*.h"), *CPP.rglob("*.cpp")])
PYTHON_FILES = sorted((ROOT / "python").rglob("*.py"))

# Each folder of the core and what it may include; nothing points back.
ARROWS = {
    "base": {"base"},
    "nn": {"nn", "base"},
    "online": {"online", "nn", "base"},
    "curvature": {"curvature", "nn", "base"},
    "optimize": {"optimize", "base"},
    "fit": {"fit", "optimize", "curvature", "nn", "base"},
}


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def relative(path):
    return str(path.relative_to(ROOT))


def test_the_tree_is_here():
    assert len(CPP_FILES) > 10
    assert len(PYTHON_FILES) > 5


@pytest.mark.parametrize("path", [p for p in CPP_FILES if CPP / "ebp" in p.parents], ids=relative)
def test_includes_follow_the_arrows(path):
    folder = path.relative_to(CPP / "ebp").parts[0]
    for name in includes(path):
        assert not re.match(r"pybind11|Python\.h|bindings", name), f"{name}: the core knows nothing of Python"
        if name.startswith("ebp/"):
            assert name.split("/")[1] in ARROWS[folder], f"{folder} may not use {name}"


@pytest.mark.parametrize("path", CPP_FILES, ids=relative)
def test_included_files_exist(path):
    for name in includes(path):
        if name.startswith("ebp/"):
            assert (CPP / name).is_file(), name


@pytest.mark.parametrize("path", [*CPP_FILES, *PYTHON_FILES, *(ROOT / "tests").glob("*.py")], ids=relative)
def test_files_stay_within_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_the_package_imports_no_test_code(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    own = {test.stem for test in (ROOT / "tests").glob("*.py")}
    assert not names & (own | {"tests", "pytest", "bench"})


@pytest.mark.parametrize("path", [p for p in CPP_FILES if "tests" not in p.parts], ids=relative)
def test_the_core_includes_no_test_code(path):
    assert not [name for name in includes(path) if "tests/" in name]


def test_versions_agree():
    declared = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE).group(
        1
    )
    assert ebp.__version__ == declared


def stub_names(tree):
    """Top-level names of a stub, with the methods of its classes as "Class.method"."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_the_stub_names_all_of_the_extension():
    stub = stub_names(ast.parse((ROOT / "python/ebp/_core.pyi").read_text()))
    extension = {name: value for name, value in vars(ebp._core.module).items() if not name.startswith("_")}
    assert extension
    missing = set(extension) - stub
    for name, value in extension.items():
        if inspect.isclass(value):
            methods = {f"{name}.{method}" for method in vars(value) if not method.startswith("_")}
            missing |= {method for method in methods if method not in stub and name in stub}
    assert not missing


def test_the_stub_names_all_arguments():
    """pybind11 writes the signature of every function into the first line of its docstring."""
    compared = 0
    for node in ast.parse((ROOT / "python/ebp/_core.pyi").read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for method in (part for part in node.body if isinstance(part, ast.FunctionDef)):
            function = getattr(getattr(ebp._core.module, node.name), method.name)
            signature = re.match(r"\w+\((self.*)\) -> ", getattr(function, "__doc__", None) or "")
            if signature and not method.decorator_list:
                names = re.findall(r"(\w+): (?![^\[]*\])", signature.group(1))
                given = [*method.args.args, *method.args.kwonlyargs]
                assert names == [argument.arg for argument in given], f"{node.name}.{method.name}"
                compared += 1
    assert compared > 50


def test_public_classes_name_their_public_module():
    """Pickles written with one instruction-set level must load with another."""
    for value in (ebp.Network, ebp.layers.Dense, ebp.rules.SGD, ebp.rules.SDLM):
        assert "_core_" not in value.__module__


def test_the_type_marker_is_installed():
    assert (Path(ebp.__file__).parent / "py.typed").is_file()
