"""MPI processes for tests, by the launcher beside this Python; a visible skip without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
MPIEXEC = Path(sys.executable).parent / "mpiexec"
PATIENCE = 900.0         # s; as much for a busy machine, and only for what would never end


def start(count, *words, folder=None, **environ):
    """Start `count` processes of Python with these arguments; return a Popen with text output."""
    pytest.importorskip("mpi4py", exc_type=ImportError)
    if not MPIEXEC.is_file():
        pytest.skip(f"there is no launcher {MPIEXEC}: pip install 'ekm3d[mpich]'")
    return subprocess.Popen(
        [MPIEXEC, "-n", str(count), sys.executable, *map(str, words)], text=True, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1",
             "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", **environ})


def run(count, *words, seconds=PATIENCE, **options):
    """Return (exit code, standard output, standard error); the test fails after `seconds`."""
    job = start(count, *words, **options)
    try:
        out, errors = job.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        job.kill()
        job.communicate()
        pytest.fail(f"{count} processes did not end within {seconds} s")
    return job.returncode, out, errors


def script(count, text, **options):
    """Run the text of a Python script on `count` processes, as `run` does."""
    return run(count, "-c", text, **options)


def ekm3d(count, *words, **options):
    """Run the command line on `count` processes, as `run` does."""
    return run(count, "-m", "ekm3d", *words, **options)
