"""Style and types: ruff on the whole tree, mypy on the files of setup.cfg, where installed.

Both belong to the extra [dev]. Settings: pyproject.toml for ruff, [mypy] of setup.cfg.
"""

import configparser
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
