"""Rules of the house that a machine can hold: sizes, docstrings, dependencies, versions, the public names."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import exval

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "exval").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().lower().splitlines() if not line.startswith("#")
)
IMPORT_NAME = {"scikit-learn": "sklearn", "pillow": "PIL", "scikit-survival": "sksurv"}
OPTIONAL = {"IPython"}  # looked for, never needed: a notebook brings it

relative = lambda path: str(path.relative_to(ROOT))  # noqa: E731


def requirements(lines: list[str]) -> dict[str, str]:
    """``{"numpy": "2.4"}`` from ``["numpy>=2.4"]``."""
    return dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in lines)


def test_files_are_short():
    lines = {relative(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert statistics.median(lines.values()) <= 150
    assert {name: n for name, n in lines.items() if n > 420} == {}


def imports(tree: ast.AST) -> set[str]:
    """Top-level names of what is imported anywhere in a tree."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_dependencies_are_declared_and_used():
    """The core ones are all imported, and nothing else is; those of an extra are, but only inside functions."""
    eager, lazy = set(), set()
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        inside = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        late = set().union(*map(imports, inside))
        for node in inside:
            node.body = [ast.Pass()]
        eager, lazy = eager | imports(tree), lazy | late
    ours = set(sys.stdlib_module_names) | {"exval"} | OPTIONAL
    declared = {IMPORT_NAME.get(name, name) for name in requirements(PROJECT["dependencies"])}
    extras = PROJECT["optional-dependencies"]
    further = {
        IMPORT_NAME.get(name, name) for extra in set(extras) - {"dev", "docs"} for name in requirements(extras[extra])
    }
    assert declared <= (eager | lazy) and further <= lazy
    assert eager - ours <= declared
    assert lazy - ours <= declared | further


@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_lower_bounds_are_what_the_tests_run_with(extra):
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    for name, bound in requirements(lines).items():
        assert PINS[name].startswith(bound), f"{name}>={bound} is not tested: constraints.txt pins {PINS[name]}"


def test_torch_is_pinned():
    assert PINS["torch"] == "2.13.0"


def test_one_version():
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M).group(1)
    assert PROJECT["version"] == exval.__version__ == citation


@pytest.mark.parametrize("name", exval.__all__)
def test_public_names_exist(name):
    assert getattr(exval, name) is not None
    assert name in dir(exval)


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'anotate'"):
        _ = exval.anotate


def test_every_module_imports_and_says_what_it_is():
    silent = []
    for info in pkgutil.walk_packages(exval.__path__, "exval."):
        if not info.name.endswith("__main__") and not importlib.import_module(info.name).__doc__:
            silent.append(info.name)
    assert not silent


def public_objects():
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield f"{relative(path)}:{node.name}", node


def test_public_functions_and_classes_have_docstrings():
    assert [name for name, node in public_objects() if not ast.get_docstring(node)] == []


def test_public_functions_are_typed():
    """The package says ``py.typed``; what takes anything at all may say nothing, but that has to stay rare."""
    bare, total = [], 0
    for name, node in public_objects():
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            total += len(arguments)
            bare += [f"{name}({argument.arg})" for argument in arguments if argument.annotation is None]
    assert len(bare) <= 0.05 * total, bare
    assert (ROOT / "src" / "exval" / "py.typed").is_file()


def test_verbs_have_examples():
    missing = [name for name in exval._WHERE if ">>>" not in (getattr(exval, name).__doc__ or "")]
    assert missing == []


def test_nothing_unfinished_and_no_package_index_named():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    words = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "index" + "-url", r"pypi\." + "org", "/wo" + "rk/"]))
    found = []
    for name in tracked.stdout.split("\n"):
        path = ROOT / name
        is_text = path.suffix in (".py", ".md", ".toml", ".txt", ".cff") or path.name in ("Makefile", "run")
        if is_text and path.is_file() and (match := words.search(path.read_text())):
            found.append(f"{name}: {match.group()}")
    assert not found
