"""Runs that are stopped and resumed, in this process or as processes that are killed."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import mpi

from ekm3d import Simulation
from ekm3d.model.interruption import Interrupted
from ekm3d.model.loop import Control
from ekm3d.output import checkpoints


def in_pieces(case, backend, out, prepare=lambda sim: None):
    """Run a case one step at a time, each in a simulation of its own; return their number.

    prepare: called with each before it runs.
    """
    resumed, count = None, 0
    while True:
        sim, count = Simulation(case, backend), count + 1
        prepare(sim)
        try:
            sim.run(out, quiet=True, control=Control(max_hours=1e-12, resumed=resumed))
            return count
        except Interrupted:
            resumed = checkpoints.newest(out, pytest.fail)


def assert_equal_results(one, other):
    """Two result directories hold the same bits, but for times of the clock."""
    assert (one / "series.csv").read_bytes() == (other / "series.csv").read_bytes()
    first, second = (json.loads((out / "summary.json").read_text()) for out in (one, other))
    assert first.pop("wall_s") > 0.0 and second.pop("wall_s") > 0.0
    assert json.dumps(first) == json.dumps(second)
    with h5py.File(one / "fields.vtkhdf") as a, h5py.File(other / "fields.vtkhdf") as b:
        assert np.array_equal(a["VTKHDF/Steps/Values"], b["VTKHDF/Steps/Values"])
        assert {*a["VTKHDF/CellData"]} == {*b["VTKHDF/CellData"]}
        for name, data in a["VTKHDF/CellData"].items():
            assert data[()].tobytes() == b["VTKHDF/CellData"][name][()].tobytes(), name


def hear_signals():
    """Let signals end a child though its parents ignore them, as jobs of a shell do."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def command(*words, ranks=1):
    """Start the command line in a session of its own; return a Popen with text output."""
    program = [sys.executable, "-m", "ekm3d", *map(str, words)]
    if ranks > 1:
        pytest.importorskip("mpi4py", exc_type=ImportError)
        program = [mpi.MPIEXEC, "-n", str(ranks), *program]
    return subprocess.Popen(
        program, text=True, start_new_session=True, preexec_fn=hear_signals,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})


def kill(job):
    """Kill a job and all its processes at once, as a computer that fails does."""
    for pid in [job.pid, *descendants(job.pid)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    job.communicate()


def descendants(pid):
    """Ids of the processes that a process has started, and of theirs; its ranks, for mpiexec."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            parents[int(name)] = int(
                Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def rank_of(pid):
    """The rank that mpiexec gave to a process; None for another."""
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ranks = [int(word[9:]) for word in words if word.startswith(b"PMI_RANK=")]
    return ranks[0] if ranks else None
