"""Ranks of one job: start of MPI, output of rank 0 alone, and the end of all when one fails.

mpiexec, srun and their like set a rank and a number of processes in the environment
(`launcher_env`). MPI is looked for only where there is more than one process, or where it was asked
for. Ranks other than 0 print nothing. An unexpected error ends the whole job at once, with the
traceback of the rank in which it happened.
"""

import hashlib
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from ekm3d.errors import ConvergenceError, LaunchError
from ekm3d.parallel.launcher_env import launched

PATIENCE = 5.0     # s that a rank which failed waits for the others to fail as well

MATCH = ("the launcher belongs to another MPI: use the launcher of that library, or install mpi4py "
         "for the launcher's (srun and the extra [mpich]: srun --mpi=pmi2)")


class Alone:
    """Job of one process, without MPI."""

    size, is_root = 1, True
    comm: Any = None

    def alike(self, what: str, value: str) -> None:
        """Raise LaunchError, on all ranks, where they hold different values of `what`."""

    def failed(self, text: object, code: int) -> int:
        """Print why the job stops, once, and return the exit code."""
        print(text, file=sys.stderr, flush=True)
        return code


ALONE = Alone()


class Team(Alone):
    """Job of several processes: the ranks of MPI's world communicator."""

    def __init__(self, mpi: Any) -> None:
        """mpi: the module mpi4py.MPI."""
        self.mpi, self.comm = mpi, mpi.COMM_WORLD
        self.size, self.rank = self.comm.size, self.comm.rank
        self.is_root = self.rank == 0
        self.alarm = self.comm.Dup()      # for failures, beside any other communication
        sys.excepthook = self.abort
        node = self.comm.Split_type(mpi.COMM_TYPE_SHARED)
        share_cores(node.allgather(usable_cores()), node.rank)
        os.environ.setdefault("EKM3D_DEVICE", str(node.rank))       # of `gpu_devices`
        node.Free()
        if not self.is_root:
            silence()

    def alike(self, what: str, value: str) -> None:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        ranks = self.comm.allgather((digest, platform.node()))
        other = [n for n, (theirs, _) in enumerate(ranks) if theirs != ranks[0][0]]
        if other:
            raise LaunchError(
                f"the processes hold different {what}: {len(other)} of {self.size}, such as "
                f"process {other[0]} on {ranks[other[0]][1]}, differ from process 0 on "
                f"{ranks[0][1]}; give all of them the same files, on a file system that all "
                "computers share, and the same command")

    def failed(self, text: object, code: int) -> int:
        """Return the code if all ranks fail within PATIENCE, rank 0 prints; else end the job."""
        request, start = self.alarm.Ibarrier(), time.monotonic()
        while not request.Test():
            if time.monotonic() - start > PATIENCE:
                self._end(f"process {self.rank} of {self.size}: {text}\n", code)
            time.sleep(0.01)
        return super().failed(text, code)

    def abort(self, kind: Any, error: Any, trace: Any) -> None:
        """Print an uncaught error and end the job; the excepthook of every rank."""
        text = "".join(traceback.format_exception(kind, error, trace))
        self._end(f"ekm3d: process {self.rank} of {self.size} fails:\n{text}", 1)

    def _end(self, text, code):
        stderr: Any = sys.__stderr__      # this rank's own: rank 0 may be the one that hangs
        stderr.write(text)
        stderr.flush()
        time.sleep(0.2)                   # an abort too soon makes the launcher drop the text
        self.comm.Abort(code)


def join(asked: bool = False, environ: Mapping[str, str] = os.environ) -> Alone:
    """Return the Team of this process, or ALONE without a launcher.

    asked: use MPI even where no launcher is recognised. LaunchError where several processes were
    started that could not work on one run.
    """
    count = launched(environ)[1]
    if count == 1 and not asked:
        return ALONE
    try:
        import mpi4py
        mpi4py.rc(initialize=False, finalize=True)
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        why = str(error).strip().split("\n")[0]
        raise LaunchError(
            f"{_started(count)}, but MPI cannot be used: {why}; install mpi4py and an MPI library "
            "(pip install 'ekm3d[mpich]', or 'ekm3d[mpi]' with the computer's own), or start one "
            "process") from None
    library = " ".join(MPI.Get_library_version().split("\n")[0].split()).rstrip("\0")
    if count > 1 and _incompatible(MPI.get_vendor()[0], environ):
        raise LaunchError(f"{_started(count)} by Open MPI's launcher, but mpi4py found {library}"
                          f"; {MATCH}")
    if not MPI.Is_initialized():
        MPI.Init_thread()
    size = MPI.COMM_WORLD.size
    if size != count and count > 1:
        raise LaunchError(f"{_started(count)}, but the MPI library that mpi4py found ({library}) "
                          f"sees {size}; {MATCH}")
    return team(MPI)


def _incompatible(vendor, environ):
    """True for MPICH and its kin under Open MPI's launcher: they would abort without a message."""
    return "OMPI_COMM_WORLD_SIZE" in environ and vendor in ("MPICH", "MVAPICH", "Intel MPI")


@cache
def team(mpi: Any) -> Team:
    """Return the one Team of this process."""
    return Team(mpi)


def _started(count):
    return f"{count} processes were started" if count > 1 else "--mpi was given"


@contextmanager
def collective_errors(comm: Any, errors: type[Exception] | tuple[type[Exception], ...]
                      ) -> Iterator[None]:
    """Make an error of these classes on one rank a ConvergenceError on the others.

    comm: an MPI communicator; all its ranks must enter. A rank with an error of its own raises
    that; the message of the others is that of the lowest rank that failed.
    """
    own_error = None
    try:
        yield
    except errors as error:
        own_error = error
    first = min(comm.allgather(comm.size if own_error is None else comm.rank))
    if first < comm.size:
        text = comm.bcast(str(own_error), root=first)
        raise own_error or ConvergenceError(text)


def silence() -> None:
    """Discard all further output of this process, except tracebacks of a Team."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")


def usable_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process may use; all, where no system tells."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def share_cores(cores: Sequence[frozenset[int]], rank: int,
                environ: MutableMapping[str, str] = os.environ) -> None:
    """Set OMP_NUM_THREADS: this computer's cores divided by the processes that share them.

    cores: set of cores of every process on this computer; rank: of this one among them. Processes
    bound to cores of their own by the launcher use those. A number that the user gave in
    OMP_NUM_THREADS stands.
    """
    own = cores[rank]
    sharing = sum(bool(own & other) for other in cores)
    environ.setdefault("OMP_NUM_THREADS", str(max(len(own) // sharing, 1)))
