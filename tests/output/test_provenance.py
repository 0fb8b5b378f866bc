"""Provenance: program, case, machine and times in a result; the git checkout of the program."""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from helpers.vtkhdf_block import vtk_reader, written

from ekm3d.backends.choose import choose_backend
from ekm3d.output import provenance
from ekm3d.output.provenance import checkout  # git's own answer, not the session's memory of it


@pytest.fixture
def path(tmp_path):
    """A file with three snapshots."""
    return written(tmp_path).path


def test_provenance_has_program_case_machine_and_times(path, tmp_path):
    """Written at the start, and again with the end's time; the case's text in full."""
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "points.csv").write_text("x,y\n")
    text = "title = 'x'\n" + "# a comment\n" * 10_000          # above the 64 kB of an attribute
    case = SimpleNamespace(path=folder, text=text, overrides=("grid.spacing=5 cm",),
                           digests={"points.csv": "0" * 64})
    backend = choose_backend("numpy")
    started = provenance.now()
    provenance.write_provenance(path, case, backend, started)
    provenance.write_end(path, "2031-05-06T07:08:09+00:00")
    with h5py.File(path) as file:
        facts = dict(file["provenance"].attrs)
        assert file["provenance/case.toml"].asstr()[()] == text
    assert facts["ekm3d"] == provenance.__version__
    assert json.loads(facts["overrides"]) == ["grid.spacing=5 cm"]
    assert json.loads(facts["packages"])["numpy"] == np.__version__
    assert list(json.loads(facts["case_files_sha256"])) == ["points.csv"]
    assert facts["backend"] == "numpy" and facts["backend_why"] == "asked for"
    assert facts["started_utc"] == started and started.endswith("+00:00")
    assert facts["ended_utc"] == "2031-05-06T07:08:09+00:00"
    assert facts["host"]
    assert len(vtk_reader(path)[1]) == 3                       # ParaView ignores it


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@needs_git
def test_only_the_programs_own_checkout_counts(tmp_path, monkeypatch):
    """A package installed within a repository of something else has no commit of its own."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "venv" / "ekm3d" / "output" /
                                                "provenance.py"))
    (tmp_path / "venv").mkdir()
    assert checkout() == ("", False)


@needs_git
def test_a_checkout_has_its_commit_and_a_flag_for_changes(tmp_path, monkeypatch):
    """Clean after a commit, dirty once a tracked file has changed."""
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b",
                        *words], check=True, capture_output=True)

    module = tmp_path / "ekm3d" / "output" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    monkeypatch.setattr(provenance, "__file__", str(module))
    commit, dirty = checkout()
    assert len(commit) == 40 and not dirty
    module.write_text("2\n")
    assert checkout() == (commit, True)


@needs_git
def test_the_checkout_of_this_repository_is_found():
    """The folder that holds the package is looked at, wherever this module lies within it."""
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True,
                            text=True)
    if answer.returncode != 0 or not Path(provenance.__file__).is_relative_to(root):
        pytest.skip("the tests run outside a git checkout")
    assert checkout()[0] == answer.stdout.strip()
