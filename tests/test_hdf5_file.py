"""HDF5 without locks: file systems that have none, programs that hold a file open, one place."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.case_files import ROOT, copy

from ekm3d.backends.cpp_compiler import find_compiler
from ekm3d.errors import BackendError
from ekm3d.hdf5_file import opened

NO_LOCKS = """#include <errno.h>
extern "C" int flock(int, int) { errno = ENOLCK; return -1; }
"""
RUN = """import sys
from ekm3d import Case, Simulation
case = Case.read(sys.argv[1], ["schedule.stage.0.duration=20 min", "output.mode=" + sys.argv[2]])
results = Simulation(case, "numpy").run(sys.argv[1] + "/out", quiet=True)
print(results.times.tolist(), case.ore.porosity.min())
"""
HOLD = """import sys, h5py
file = h5py.File(sys.argv[1], "r", locking=True)
print("open", flush=True)
sys.stdin.read()
"""


def python(code, *words, **variables):
    """Run Python code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], text=True, timeout=300,
                          capture_output=True, env={**os.environ, **variables,
                                                    "PYTHONPATH": os.pathsep.join(sys.path)})


@pytest.fixture(scope="module")
def no_locks(tmp_path_factory):
    """Library that stands for a file system without locks, to be loaded before all others."""
    folder = tmp_path_factory.mktemp("flock")
    (folder / "flock.cpp").write_text(NO_LOCKS)
    try:
        compiler, _ = find_compiler()
    except BackendError as error:
        pytest.skip(str(error))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "flock.so",
                    folder / "flock.cpp"], check=True)
    return str(folder / "flock.so")


@pytest.mark.parametrize("mode, locking", [
    ("gathered", ""), ("per-rank", "TRUE"), *(
        pytest.param(*pair, marks=pytest.mark.slow)
        for pair in (("gathered", "TRUE"), ("per-rank", "")))])
def test_a_run_needs_no_locks(tmp_path, no_locks, mode, locking):
    """Its table, its snapshots and its results, even where the environment insists on locks.

    Only results that are composed of several files are not read back then, and the remedy is told.
    """
    case = copy(tmp_path, ROOT / "tests" / "data" / "case_salt",
                ("porosity = 0.45", 'porosity = { table = "v.h5", dataset = "p" }'))
    with opened(case / "v.h5", "w") as file:
        file["p"] = np.full((4, 3, 6), 0.45)
    extra = {"HDF5_USE_FILE_LOCKING": locking} if locking else {}
    answer = python(RUN, case, mode, LD_PRELOAD=no_locks, **extra)
    assert '"done"' in (case / "out" / "status.json").read_text(), answer.stderr
    if locking and mode == "per-rank":
        assert "set HDF5_USE_FILE_LOCKING=FALSE" in answer.stderr
        answer = python(RUN.replace(".run(", ".run(force=True, out="), case, mode,
                        LD_PRELOAD=no_locks, HDF5_USE_FILE_LOCKING="FALSE")
    assert answer.stdout == "[0.0, 1200.0] 0.45\n", answer.stderr


def test_a_program_that_holds_the_file_does_not_stop_the_writer(tmp_path):
    """HDF5_USE_FILE_LOCKING=TRUE makes h5py lock in spite of locking=False."""
    path = tmp_path / "a.h5"
    with opened(path, "w") as file:
        file["x"] = [1.0]
    locked = {**os.environ, "HDF5_USE_FILE_LOCKING": "TRUE"}
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, env=locked) as reader:
        assert reader.stdout.readline() == "open\n"
        plain = python("import h5py, sys; h5py.File(sys.argv[1], 'r+', locking=False)", path,
                       HDF5_USE_FILE_LOCKING="TRUE")
        assert "lock" in plain.stderr           # what this test is about
        answer = python("import sys; from ekm3d.hdf5_file import opened\n"
                        "with opened(sys.argv[1], 'r+') as file: file['y'] = [2.0]", path,
                        HDF5_USE_FILE_LOCKING="TRUE")
        assert answer.returncode == 0, answer.stderr
        reader.stdin.close()
    with opened(path) as file:
        assert file["x"][0] == 1.0 and file["y"][0] == 2.0


def test_a_file_that_is_no_HDF5_is_refused_at_once(tmp_path):
    (tmp_path / "a.h5").write_text("text")
    with pytest.raises(OSError, match="signature"), opened(tmp_path / "a.h5"):
        pass
    with pytest.raises(FileNotFoundError), opened(tmp_path / "b.h5"):
        pass


def test_files_are_opened_in_one_place():
    """And by HDF5 built for MPI, which has no locks; in the child that reads what a case names,
    and in memory."""
    found = {path.name for path in (ROOT / "ekm3d").rglob("*.py")
             if re.search(r"h5py\.File\([^)]", path.read_text())}
    assert found == {"hdf5_file.py", "hdf5_child.py", "vtkhdf.py", "vtkhdf_collective.py"}
