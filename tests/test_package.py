"""Installed files: kernels and cases found from a wheel, an editable install and a checkout."""

import configparser
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ekm3d.resources import case_path, folder, kernel_text
from ekm3d.version import __version__

ROOT = Path(__file__).resolve().parent.parent
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")

# Asked from outside the checkout: what an installed program finds.
QUESTION = """
from importlib.resources import files
from ekm3d.resources import case_path, kernel_text
assert "EKM_VOXELS" in files("ekm3d.kernels").joinpath("ekm.cuh").read_text()
assert "KERNEL apply_operator" in kernel_text("solvers/elliptic.cu")
assert files("ekm3d").joinpath("py.typed").is_file()
print(case_path("field_block"))
"""


def run(*command, **options):
    """Run a command; its output, or a failure that shows it."""
    answer = subprocess.run([str(word) for word in command], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def clean_environment(**more):
    """The environment without PYTHONPATH, so that only what is installed is found."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | more


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the tree as a clone has it, with the results of an earlier run inside."""
    target = tmp_path_factory.mktemp("clone") / "ekm3d"
    skip = shutil.ignore_patterns(".*", "build", "out", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, target, ignore=skip)
    results = target / "cases" / "field_block" / "out"
    results.mkdir()
    for name in ("summary.json", "series.csv", "case.toml", "notes.md"):
        (results / name).write_text("left by a run")
    return target


# ---- without installing anything -------------------------------------------------------------

def test_kernels_and_cases_are_found_from_here():
    assert "struct Grid" in kernel_text("ekm.cuh")
    assert (case_path("field_block") / "case.toml").is_file()


def test_an_unknown_case_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="no case 'feild_block' is .* there are: .*field_block"):
        case_path("feild_block")


def test_a_bare_checkout_finds_its_kernels(tmp_path):
    """Nothing installed: kernels/ is found beside the package."""
    code = "from ekm3d.resources import kernel_text; print(kernel_text('solvers/elliptic.cu'))"
    assert "KERNEL" in run(sys.executable, "-c", code, cwd=tmp_path,
                           env=clean_environment(PYTHONPATH=str(ROOT)))


@pytest.mark.parametrize("package, top", [("ekm3d.kernels", "kernels"), ("ekm3d.cases", "cases")])
def test_every_file_is_covered_by_the_globs_and_no_result_is(package, top):
    """The globs of setup.cfg against the files that are there; out/ lies one level deeper."""
    globs = SETUP["options.package_data"][package].split()
    shipped = {path for glob in globs for path in folder(top).glob(glob)}
    present = {path for path in folder(top).rglob("*") if path.is_file()
               and path.suffix not in (".py", ".pyc")
               and not {"out", "study"} & set(path.parts)}
    assert shipped == present


def test_the_version_is_stated_once():
    assert SETUP["metadata"]["version"] == "attr: ekm3d.version.__version__"
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_metadata_is_complete():
    """All that an index shows of a package."""
    about = SETUP["metadata"]
    assert {"description", "long_description", "author", "license", "keywords", "project_urls",
            "classifiers"} <= set(about)
    assert "Typing :: Typed" in about["classifiers"] and (ROOT / "ekm3d" / "py.typed").is_file()


def test_dev_brings_nvrtc_and_no_cupy():
    """The kernels' gate needs a compiler library of 50 MB, not a CUDA stack of 2 GB."""
    extras = SETUP["options.extras_require"]
    assert {"cuda12", "cuda13", "mpi", "mpich", "viz", "geo", "oracle", "dev"} <= set(extras)
    assert "gstools" in extras["geo"] and "gstools" not in SETUP["options"]["install_requires"]
    assert "nvidia-cuda-nvrtc" in extras["dev"] and "cupy" not in extras["dev"]


# ---- the two commands of the README ----------------------------------------------------------

def blocks(text):
    """The ```sh blocks of a README."""
    parts = text.split("\n```")
    return [part[3:].strip() for part in parts if part.startswith("sh\n")]


def test_the_readme_opens_with_the_two_commands():
    """First: install and run the field block. Second: install [dev] and test; each on one line."""
    first, second = blocks((ROOT / "README.md").read_text())[:2]
    for command in (first, second):
        assert command.startswith("python3 -m venv .venv && ") and "\n" not in command
    assert first.endswith("ekm3d run cases/field_block")
    assert '".[dev]"' in second and "-m pytest" in second


@pytest.mark.parametrize("commands, code, says", [
    (["echo one", "echo two"], 0, "+ echo two\ntwo\n"),
    (["true", "false && echo not reached"], 1, "+ false"),
    (["true", "sh -c 'exit 3'", "true"], 3, ""),
    (["echo only one"], 1, "second ```sh block"),
])
def test_ci_runs_the_second_command_and_passes_its_failure_on(tmp_path, commands, code, says):
    """The script is tried on small READMEs, in a folder where it may remove .venv and build."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    texts = "".join(f"Text.\n```sh\n{c}\n```\n```python\nx = 1\n```\n" for c in commands)
    (tmp_path / "README.md").write_text(texts)
    for stale in (".venv", "build"):
        (tmp_path / stale).mkdir()
    answer = subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True, cwd="/")
    assert answer.returncode == code
    assert says in answer.stdout + answer.stderr
    assert not (tmp_path / ".venv").exists() and not (tmp_path / "build").exists()


# ---- installed -------------------------------------------------------------------------------

@pytest.mark.slow
def test_the_wheel_holds_kernels_cases_and_licence_but_no_results(copy, tmp_path):
    """Built as pip builds it, then unpacked and asked from an empty folder."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", tmp_path, copy)
    (wheel,) = tmp_path.glob(f"ekm3d-{__version__}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for top in ("kernels", "cases"):
        wanted = {f"ekm3d/{path.relative_to(copy)}" for path in (copy / top).rglob("*")
                  if path.is_file() and "out" not in path.parts}
        assert {name for name in names if name.startswith(f"ekm3d/{top}/")} == wanted
    assert any(name.endswith("LICENSE") for name in names)
    assert not any(name.startswith(("tests", "scripts")) for name in names)
    found = run(sys.executable, "-c", QUESTION, cwd=tmp_path,
                env=clean_environment(PYTHONPATH=str(tmp_path / "site")))
    assert found.strip() == str(tmp_path / "site" / "ekm3d" / "cases" / "field_block")


@pytest.mark.slow
def test_the_source_distribution_builds_and_tests(copy, tmp_path):
    """Made by setuptools, unpacked elsewhere: the files of a clone, a few tests, a wheel."""
    code = f"from setuptools import build_meta as b; b.build_sdist({str(tmp_path)!r})"
    run(sys.executable, "-c", code, cwd=copy)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    unpacked = tmp_path / archive.name.removesuffix(".tar.gz")
    for top in ("ekm3d", "kernels", "cases", "tests", "scripts"):
        lost = {path.relative_to(copy) for path in (copy / top).rglob("*") if path.is_file()
                and "out" not in path.parts and "__pycache__" not in path.parts
                and not (unpacked / path.relative_to(copy)).is_file()}
        assert lost == set()
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_text_file.py",
        "tests/cli/test_new.py", "tests/grid", cwd=unpacked,
        env=clean_environment(PYTHONPATH=str(unpacked)))
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", tmp_path, unpacked)
    assert [w.name for w in tmp_path.glob("*.whl")] == [f"ekm3d-{__version__}-py3-none-any.whl"]


@pytest.mark.slow
def test_an_editable_install_finds_kernels_and_cases_of_the_checkout(copy, tmp_path):
    """In a virtual environment of its own, which borrows NumPy and the like from this one."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-deps", "-q", "-e", copy)
    borrow = f"import sys; sys.path.append({str(Path(np.__file__).parent.parent)!r})\n"
    found = run(python, "-c", borrow + QUESTION, cwd=tmp_path, env=clean_environment())
    assert found.strip() == str(copy / "cases" / "field_block")
    assert (tmp_path / "venv" / "bin" / "ekm3d").is_file()
