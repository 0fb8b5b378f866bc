"""Style and types: ruff on the whole tree, mypy on the files of setup.cfg, where installed.

Both belong to the extra [dev]. Settings: pyproject.toml for ruff, [mypy] of setup.cfg.
"""

import ast
import configparser
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def checked_files():
    """Paths of [mypy] files in setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return [name.strip() for name in setup["mypy"]["files"].split(",") if name.strip()]


def run(tool, *words):
    """(exit code, output) of a tool of this Python, or a visible skip."""
    if find_spec(tool) is None:
        pytest.skip(f"there is no {tool}: pip install -e '.[dev]'")
    answer = subprocess.run([sys.executable, "-m", tool, *map(str, words)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return answer.returncode, answer.stdout


def test_ruff_finds_nothing():
    code, out = run("ruff", "check", "--no-cache", "--quiet", ".")
    assert code == 0, out


def test_types_are_right_where_they_are_checked(kernel_cache_folder):
    """The cache of mypy lies beside that of the kernels: the second run takes a second."""
    code, out = run("mypy", "--cache-dir", kernel_cache_folder / "mypy")
    assert code == 0, out


def test_the_whole_package_is_checked():
    """Nothing is taken out of the list again; scripts may follow."""
    names = checked_files()
    assert names[0] == "ekm3d" and [name for name in names if not (ROOT / name).exists()] == []


def test_docstrings_begin_with_a_noun_or_an_imperative():
    """Never with what, how or whether: the first words name the thing, or say what is done."""
    headless = re.compile(r"(what|how|whether|that|where|who|which|when|why|if)\w*\b", re.I)
    wrong = []
    for path in sorted(path for top in ("ekm3d", "tests", "scripts")
                       for path in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node) or ""
                if headless.match(text):
                    wrong.append(f"{path.relative_to(ROOT)}: {text.splitlines()[0]}")
    assert wrong == []


def test_public_functions_of_the_package_are_annotated():
    """Arguments and results of all but the operators, whose types are those of their kernels."""
    wrong = []
    for path in sorted((ROOT / "ekm3d").rglob("*.py")):
        tree = ast.parse(path.read_text())
        classes = [node for node in tree.body
                   if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
        for node in [node for scope in (tree, *classes) for node in scope.body]:
            if not isinstance(node, ast.FunctionDef) or (
                    node.name[0] == "_" and node.name != "__init__") or any(
                    getattr(mark, "id", "") == "operator" for mark in node.decorator_list):
                continue
            arguments = [a for a in node.args.args + node.args.kwonlyargs
                         if a.arg not in ("self", "cls")]
            if not all(a.annotation for a in arguments) or (
                    node.returns is None and node.name != "__init__"):
                wrong.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert wrong == []
