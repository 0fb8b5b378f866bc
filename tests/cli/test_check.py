"""`ekm3d check`: description of a case, expected memory and steps, and no file written."""

import pytest
from helpers.command_line import call, contents
from helpers.salt_block import PULSE, salt_case

from ekm3d import Case, Simulation
from ekm3d.backends.choose import choose_backend
from ekm3d.cli import check
from ekm3d.model import run_estimate


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def test_check_prints_the_case_and_writes_nothing(capsys, case, quick_kernels):
    """The case in SI units, expected steps and memory; every file as before, no new directory.

    20 V on 6 h at 600 s a step: 36 steps; snapshots at 0, 3 and 6 h, a row every hour.
    """
    before = contents(case)
    code, text, errors = call(capsys, "check", case)
    assert code == 0 and errors == "" and contents(case) == before
    for part in ("6 x 3 x 4 = 72 of 0.1 x 0.15 x 0.2 m", "overpotential", "2e-08", "Na+ 2",
                 "expected: about 36 steps, of 600 s", "GiB at the peak",
                 "for a copy to go back to", "3 snapshots of", "7 rows",
                 f"backend: {choose_backend('auto').name}"):
        assert part in text, part


@pytest.mark.parametrize("overrides", [
    ("schedule.max_step=2 h", "schedule.stage.0.voltage=60 V"),
    ("schedule.max_step=2 h", "well.0.rate='2e-6 m3/s'"),
    ("schedule.pulses=resolved", PULSE.format(20, 10))])
def test_steps_and_files_are_those_of_the_run(case, overrides):
    """Steps that begin short and grow, steps that water bounds, pulses: within 15 %.

    The files within a third: most of 0.4 MB are the indices of 72 voxels' fields.
    """
    data = Case.read(case, (*overrides, "schedule.stage.0.duration=4 h",
                            "output.snapshot_every=1 h"))
    found = run_estimate.forecast(Simulation(data, "numpy"), 60)
    results = Simulation(data, "numpy").run(case / "out", quiet=True)
    assert found.steps == pytest.approx(results.summary["steps"], rel=0.15)
    written = sum(path.stat().st_size for path in (case / "out").iterdir())
    assert found.bytes == pytest.approx(written, rel=0.33)
    assert found.rows == len(results.series["time"]) and found.snapshots == len(results.times)


def test_a_run_to_begin_from_that_is_missing_is_told_first(capsys, case):
    """Not after the whole listing."""
    code, text, errors = call(capsys, "check", case, "-o", "start.run=nosuch")
    assert code == 2 and text == "" and "[start] run: " in errors and "nosuch" in errors


def test_the_head_of_a_feed_counts_from_an_outlet_with_a_name(capsys, case):
    code, text, _ = call(capsys, "check", case, "--backend", "numpy")
    assert code == 0 and "m above that of 'leachate', the lowest outlet" in text


def test_memory_is_told_for_every_process(capsys, case):
    """Two boxes of 36 voxels; three are possible, thirteen are not."""
    code, text, _ = call(capsys, "check", case, "--ranks", "2", "--backend", "numpy")
    assert code == 0 and "memory of each of 2 processes" in text
    code, text, errors = call(capsys, "check", case, "--ranks", "1300", "--backend", "numpy")
    assert code == 2 and "cannot be cut into 1300 boxes" in errors


def test_files_that_do_not_fit_beside_the_case_are_warned_of(capsys, case, monkeypatch):
    """100 kB free: with how many snapshots they would."""
    monkeypatch.setattr(check, "free_space", lambda path: 100_000)
    code, _, errors = call(capsys, "check", case, "--backend", "numpy")
    assert code == 0 and "are free beside the case; about 1 snapshots would fit" in errors
