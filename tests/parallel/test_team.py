"""Ranks of one job: recognition of a launcher, start of MPI, and the end when a rank fails."""

import shutil
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from helpers import mpi
from helpers.salt_block import salt_case

from ekm3d.errors import LaunchError
from ekm3d.parallel.team import ALONE, join, launched, share_cores

HYDRA = {"PMI_SIZE": "4", "PMI_RANK": "3"}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}


# --- start -------------------------------------------------------------------------------

@pytest.mark.parametrize("environ, result", [
    ({}, (0, 1)), (HYDRA, (3, 4)), (OPEN_MPI, (1, 2)),
    ({"PMI_SIZE": "1", "PMI_RANK": "0"}, (0, 1)),
    ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7", "SLURM_NTASKS": "8"}, (7, 8)),
    # an sbatch script sees the job's tasks, but it is one process
    ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_JOB_ID": "5"}, (0, 1)),
    # mpiexec within srun --pty of one task
    ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", **HYDRA}, (3, 4)),
    ({"PMI_SIZE": "many", "PMI_RANK": "3"}, (0, 1)),
])
def test_launchers_are_recognised_by_their_variables(environ, result):
    """(rank, number of processes), as each launcher's documentation has its variables."""
    assert launched(environ) == result


def test_one_process_needs_no_mpi():
    """Neither the package nor a command imports mpi4py where no launcher has started it."""
    text = ("import sys; sys.modules['mpi4py'] = None\n"
            "from ekm3d.cli.main import main\n"
            "from ekm3d.parallel.team import ALONE, join\n"
            "assert join() is ALONE\n"
            "sys.exit(main(['check', 'nowhere']))")
    answer = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert answer.returncode == 2 and answer.stderr.startswith("nowhere: not a case")


def imitation(monkeypatch, size, vendor="MPICH"):
    """Replace mpi4py by an imitation whose world has `size` processes."""
    mpi = ModuleType("mpi4py.MPI")
    mpi.COMM_WORLD = SimpleNamespace(size=size)
    mpi.Get_library_version = lambda: f"{vendor}   Version: 7\0\nmore"
    mpi.get_vendor = lambda: (vendor, (7, 0, 0))
    mpi.Is_initialized = lambda: True
    package = ModuleType("mpi4py")
    package.rc, package.MPI = lambda **_: None, mpi
    monkeypatch.setitem(sys.modules, "mpi4py", package)
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", mpi)


def test_many_processes_without_mpi_are_refused(monkeypatch):
    """Four independent copies of one run would overwrite one another's files."""
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(LaunchError, match="^4 processes were started, but MPI cannot be used: .*"
                       r"pip install 'ekm3d\[mpich\]'"):
        join(environ=HYDRA)
    with pytest.raises(LaunchError, match="^--mpi was given, but MPI cannot be used"):
        join(asked=True, environ={})


def test_a_launcher_of_another_mpi_is_refused(monkeypatch):
    """Its processes would each see a world of one."""
    imitation(monkeypatch, 1, "Open MPI")
    with pytest.raises(LaunchError, match=r"4 processes were started, but the MPI library that "
                       r"mpi4py found \(Open MPI Version: 7\) sees 1; the launcher belongs to"):
        join(environ=HYDRA)


def test_mpich_under_open_mpi_s_launcher_is_refused(monkeypatch):
    """Before MPICH ends the process without a message."""
    imitation(monkeypatch, 2)
    with pytest.raises(LaunchError, match="started by Open MPI's launcher, but mpi4py found MPICH"):
        join(environ=OPEN_MPI)


def test_cores_are_divided_among_the_processes_of_a_computer():
    """8 cores: two unbound processes take 4 each, two bound to halves their own; a setting stands.
    """
    all_cores, low, high = (frozenset(range(*ends)) for ends in ((0, 8), (0, 4), (4, 8)))
    for cores, rank, threads in (([all_cores], 0, "8"), ([all_cores] * 2, 1, "4"),
                                   ([low, high], 1, "4"), ([all_cores] * 3, 2, "2"),
                                   ([frozenset([5])] * 4, 3, "1")):
        environ = {}
        share_cores(cores, rank, environ)
        assert environ == {"OMP_NUM_THREADS": threads}
    share_cores([all_cores], 0, setting := {"OMP_NUM_THREADS": "3"})
    assert setting == {"OMP_NUM_THREADS": "3"}


def test_a_single_process_prints_its_failure(capsys):
    assert ALONE.failed("why", 3) == 3 and capsys.readouterr().err == "why\n"
    assert (ALONE.size, ALONE.is_root, ALONE.comm) == (1, True, None)


# --- end -------------------------------------------------------------------------------

def test_an_unexpected_error_of_one_rank_ends_all_with_its_traceback():
    """The others wait in a barrier, for ever if the job were not ended."""
    code, out, errors = mpi.script(3, "from ekm3d.parallel.team import join\nteam = join()\n"
                                     "print('hello', flush=True)\n"
                                     "team.comm.Barrier()\n"       # then it has been printed
                                     "if team.rank == 2:\n"
                                     "    import time; time.sleep(1.0); {}['no such key']\n"
                                     "team.comm.Barrier()")
    assert code != 0
    assert "ekm3d: process 2 of 3 fails:\nTraceback" in errors and "no such key" in errors
    assert out == "hello\n"                       # of rank 0 alone


def test_a_failure_of_all_ranks_is_printed_once():
    """Exit code 3 of each and so of the job, no message of the library about an abort."""
    code, out, errors = mpi.script(2, "import sys\nfrom ekm3d.parallel.team import join\n"
                                     "team = join()\n"
                                     "sys.exit(team.failed('no outlet', 3))")
    assert (code, out, errors) == (3, "", "no outlet\n")


def test_a_failure_of_one_ends_the_others():
    """It waits PATIENCE for the others to fail as well, and then ends the job."""
    code, _, errors = mpi.script(2, "import sys\nfrom ekm3d.parallel import team\n"
                                   "team.PATIENCE = 0.2\nteam = team.join()\n"
                                   "if team.rank == 1: sys.exit(team.failed('my disk', 3))\n"
                                   "team.comm.Barrier()")
    assert code == 3 and "process 1 of 2: my disk\n" in errors


def test_collective_errors_raise_on_all_ranks():
    """Ranks 1 and 2 of 3 fail: all raise, rank 0 with the message of the first of them."""
    code, out, errors = mpi.script(3, """
import sys
from ekm3d.parallel.team import collective_errors, join
team, text = join(), "nothing"
with collective_errors(team.comm, ValueError):
    pass
try:
    with collective_errors(team.comm, ValueError):
        if team.rank:
            raise ValueError(f"voxel of {team.rank}")
except ValueError as error:
    text = f"own: {error}"
except RuntimeError as error:
    text = f"theirs: {error}"
print(team.comm.gather(text))""")
    assert (code, errors) == (0, "")
    assert out == "['theirs: voxel of 1', 'own: voxel of 1', 'own: voxel of 2']\n"


# --- the command line ---------------------------------------------------------------------------

def test_bad_input_is_reported_once(tmp_path):
    """By one of two ranks, exit code 2, nothing written."""
    case = salt_case(tmp_path)
    code, out, errors = mpi.ekm3d(2, "run", case, "-o", "grid.spacing=1 A")
    assert (code, out) == (2, "") and not (case / "out").exists()
    assert errors.count("cannot read '1 A' as m") == 1 and len(errors.splitlines()) == 1


def test_a_wrong_command_line_is_reported_once(tmp_path):
    code, out, errors = mpi.ekm3d(2, "run", tmp_path, "--quite")
    assert (code, out) == (2, "") and errors.count("unrecognized arguments: --quite") == 1


def test_check_runs_on_one_rank(tmp_path):
    """ekm3d check under a launcher prints its page once."""
    code, out, errors = mpi.ekm3d(2, "check", salt_case(tmp_path), "--backend", "numpy")
    assert (code, errors) == (0, "")
    assert out.count("6 x 3 x 4 = 72 of 0.1") == 1 and out.count("expected: about") == 1


def test_missing_mpi_is_reported_once(tmp_path):
    """The launcher is real, mpi4py is hidden."""
    (tmp_path / "mpi4py.py").write_text("raise ImportError('libmpi.so.12: cannot open')\n")
    code, out, errors = mpi.ekm3d(2, "run", salt_case(tmp_path),
                                    PYTHONPATH=str(tmp_path))
    assert (code, out) == (2, "")
    assert errors.count("2 processes were started, but MPI cannot be used: libmpi.so.12") == 1


def test_processes_with_different_cases_are_told_before_the_first_step(tmp_path):
    """Rank 1 reads a copy of the case with another voltage, as from the disk of its own computer.

    Nothing is written; one message names the process.
    """
    one = salt_case(tmp_path)
    other = tmp_path / "other"
    shutil.copytree(one, other)
    text = (other / "case.toml").read_text()
    (other / "case.toml").write_text(text.replace('voltage = "20 V"', 'voltage = "21 V"'))
    code, out, errors = mpi.script(2, (
        "import os, sys\nfrom ekm3d.cli.main import main\n"
        f"case = {str(one)!r} if os.environ['PMI_RANK'] != '1' else {str(other)!r}\n"
        f"sys.exit(main(['run', case, '--out', {str(tmp_path / 'out')!r}, '--backend', 'numpy']))"))
    assert code == 2 and errors.count("the processes hold different cases: 1 of 2") == 1, errors
    assert "process 1 on" in errors and not (tmp_path / "out").exists()
