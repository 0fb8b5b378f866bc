"""Directories that are moved while a run writes into them, and cases that are edited meanwhile."""

import hashlib
import json
import time

import h5py
import pytest
from helpers.runs_in_pieces import command
from helpers.salt_block import salt_case

from ekm3d.case import case_files
from ekm3d.case.case import Case
from ekm3d.case.problems import CaseError
from ekm3d.output.followed_directory import FollowedDirectory
from ekm3d.output.results import open_results

STEPS = ("-o", "schedule.stage.0.duration=30 min", "-o", "schedule.max_step=30 s",
         "-o", "output.series_every=5 min", "-o", "output.snapshot_every=10 min",
         "--backend", "numpy", "--quiet")


def test_a_directory_is_known_under_its_new_name(tmp_path):
    (tmp_path / "a").mkdir()
    followed = FollowedDirectory(tmp_path / "a")
    assert followed.now() == tmp_path / "a"
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").mkdir()                            # another one
    assert followed.now() == tmp_path / "b"
    followed.close()


def test_moving_the_case_during_a_run_loses_nothing_and_editing_changes_no_digest(tmp_path):
    """The results lie in the case and move with it; the digest is that of the bytes that were read.
    """
    case = salt_case(tmp_path)
    read = hashlib.sha256((case / "case.toml").read_bytes()).hexdigest()
    job = command("run", case, *STEPS)
    while not (case / "out" / "series.csv").exists():
        assert job.poll() is None
        time.sleep(0.05)
    (case / "case.toml").write_text("title = 'edited'\n")
    case.rename(tmp_path / "moved")
    errors = job.communicate()[1]
    assert job.returncode == 0, errors
    assert not case.exists()
    results = open_results(tmp_path / "moved" / "out")
    assert results.status["state"] == "done" and len(results.series["time"]) == 7
    assert list(results.times) == [0.0, 600.0, 1200.0, 1800.0]
    with h5py.File(tmp_path / "moved" / "out" / "fields.vtkhdf") as file:
        facts = file["provenance"].attrs
        assert json.loads(facts["case_files_sha256"])["case.toml"] == read
        assert facts["ended_utc"] and facts["case_directory"] == str(case)
    assert not list((tmp_path / "moved" / "out").glob(".ekm3d.lock*"))


def test_a_case_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    """Its digests would be those of no case."""
    folder = salt_case(tmp_path)
    assert Case.read(folder).digests["salt.toml"] == hashlib.sha256(
        (folder / "salt.toml").read_bytes()).hexdigest()
    changed = case_files.CaseFiles.changed

    def edited(files):
        (folder / "salt.toml").write_text("")
        return changed(files)

    monkeypatch.setattr(case_files.CaseFiles, "changed", edited)
    with pytest.raises(CaseError, match=r"salt.toml changed while the case was read"):
        Case.read(folder)
