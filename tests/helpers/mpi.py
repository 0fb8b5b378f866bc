"""Real MPI processes for tests: the launcher that lies beside this Python, or a visible skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
MPIEXEC = Path(sys.executable).parent / "mpiexec"
PATIENCE = 900.0         # s; as much for a busy machine, and only for what would never end


def start(count, *words, folder=None, **environ):
    """Start `count` processes of Python with these words; a Popen with its output as text."""
    pytest.importorskip("mpi4py", exc_type=ImportError)
    if not MPIEXEC.is_file():
        pytest.skip(f"there is no launcher {MPIEXEC}: pip install 'ekm3d[mpich]'")
    return subprocess.Popen(
        [MPIEXEC, "-n", str(count), sys.executable, *map(str, words)], text=True, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", **environ})


def run(count, *words, seconds=PATIENCE, **options):
    """(exit code, standard output, standard error) of such processes, ended after `seconds`."""
    job = start(count, *words, **options)
    try:
        out, errors = job.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        job.kill()
        job.communicate()
        pytest.fail(f"{count} processes did not end within {seconds} s")
    return job.returncode, out, errors


def script(count, text, **options):
    """The same for the text of a Python script."""
    return run(count, "-c", text, **options)


def ekm3d(count, *words, **options):
    """The same for the command line."""
    return run(count, "-m", "ekm3d", *words, **options)
