"""`ekm3d doctor`: every check has a state, and a remedy where it does not work."""

import json

import pytest
from helpers.command_line import call

from ekm3d.cli import doctor, doctor_checks
from ekm3d.cli.doctor_checks import BROKEN, LIMITED, MISSING, WORKS, Check
from ekm3d.errors import BackendError, ConvergenceError


@pytest.mark.slow
def test_the_doctor_of_this_computer(capsys):
    """All checks in earnest, as JSON: the program runs, or no test would."""
    code, text, _ = call(capsys, "doctor", "--json")
    found = {check["name"]: check for check in json.loads(text)}
    assert code == 0 and found["ekm3d"]["state"] == found["packages"]["state"] == WORKS
    for check in found.values():
        assert check["state"] in (WORKS, LIMITED, MISSING, BROKEN) and check["found"]
        assert check["remedy"] or check["state"] == WORKS


@pytest.mark.parametrize("check", ["packages", "hdf5", "memory", "threads", "cache"])
def test_checks_that_take_no_time(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = getattr(doctor_checks, check)()
    assert found.found and (found.remedy or found.state == WORKS)
    assert list(tmp_path.iterdir()) == []


def test_only_a_program_that_cannot_run_is_a_failure(capsys, monkeypatch):
    """Exit code 0 with a broken GPU, 2 with a broken NumPy; the remedy stands below its check."""
    found = [Check("ekm3d", WORKS, "fine"), Check("GPU", BROKEN, "odd", "see the driver")]
    monkeypatch.setattr(doctor, "checks", lambda: found)
    code, text, _ = call(capsys, "doctor")
    assert code == 0 and text.splitlines() == [
        "works    ekm3d     fine", "broken   GPU       odd", " " * 19 + "-> see the driver"]
    found[0] = Check("ekm3d", BROKEN, "no", "install it")
    assert call(capsys, "doctor")[0] == doctor.CANNOT_RUN


def test_the_reason_of_a_program_that_fails(monkeypatch):
    def fails(*_):
        raise ConvergenceError("potential: stopped\nmore")

    monkeypatch.setattr(doctor_checks, "Simulation", fails)
    found = doctor_checks.program()
    assert found.state == BROKEN and "ConvergenceError: potential: stopped" in found.found


def test_the_self_test_of_a_gpu_is_told(monkeypatch):
    """No CuPy: the reason; a GPU that computes wrongly: what differs."""
    def refuses(_):
        raise BackendError("backend 'cuda' cannot run: CuPy is not installed")

    monkeypatch.setitem(doctor_checks.BUILDERS, "cuda", refuses)
    assert "CuPy is not installed" in doctor_checks.gpu().found

    class Wrong:
        def library(self, *_):
            return None

        def __str__(self):
            return "cuda (a GPU)"

    monkeypatch.setitem(doctor_checks.BUILDERS, "cuda", lambda _: Wrong())
    monkeypatch.setattr(doctor_checks, "fault", lambda _: "phi differs")
    assert doctor_checks.gpu() == Check("GPU", BROKEN, "cuda (a GPU): phi differs",
                                        doctor_checks.gpu().remedy)


@pytest.mark.parametrize("listed, library, kind", [
    ("MPI plugin types are...\n\tnone\n\tpmi2\n\tpmix", "4.1.2 MPICH Version: 5.0", "pmi2"),
    ("srun: MPI types are...\nsrun: none\nsrun: pmix_v4\nsrun: pmix", "4 Open MPI v5", "pmix"),
    ("MPI plugin types are...\n\tnone", "4.1.2 MPICH Version: 5.0", "")])
def test_slurm_is_told_the_kind_of_mpi(monkeypatch, listed, library, kind):
    """By the list of srun and the library behind mpi4py."""
    monkeypatch.setattr(doctor_checks.shutil, "which", lambda name, path=None: "/usr/bin/srun")
    monkeypatch.setattr(doctor_checks, "_tried",
                        lambda words: (0, listed if words[0] == "srun" else library))
    found = doctor_checks.srun()
    assert (f"--mpi={kind}" in found.found) if kind else found.state == LIMITED


def test_a_process_that_dies_or_hangs_is_told(monkeypatch):
    """As a rendering library may: by a signal, or never."""
    python = doctor_checks.sys.executable
    assert "signal 9" in doctor_checks._tried(
        [python, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])[1]
    monkeypatch.setattr(doctor_checks, "PATIENCE", 0.2)
    assert doctor_checks._tried([python, "-c", "import time; time.sleep(9)"])[0] == 124
    assert doctor_checks._tried(["/nowhere/at/all"])[0] == 127
