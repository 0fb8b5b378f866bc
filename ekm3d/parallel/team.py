"""Whether this process is one of several that a launcher started for one job, and how such
processes begin and fail together.

mpiexec, srun and their like tell every process its number and their count in variables of its
environment. MPI is looked for only where there is more than one process, or where it was asked
for. Whoever is not the first is silent: what is printed, is printed once. An error that nobody
foresaw ends the whole job at once, with the traceback of the process in which it happened.
"""

import os
import sys
import time
import traceback
from contextlib import contextmanager
from functools import cache

from ekm3d.errors import ConvergenceError, LaunchError
from ekm3d.parallel.launcher_env import launched

PATIENCE = 5.0     # s that a process which failed waits for others to have failed as well

MATCH = ("the launcher belongs to another MPI: use the launcher of that library, or install mpi4py "
         "for the launcher's")


class Alone:
    """One process; what it does, it does with itself."""

    size, is_root, comm = 1, True, None

    def failed(self, text, code):
        """Say once why all processes stop; the exit code."""
        print(text, file=sys.stderr, flush=True)
        return code


ALONE = Alone()


class Team(Alone):
    """The processes of an MPI communicator."""

    def __init__(self, mpi):
        """mpi: the module mpi4py.MPI."""
        self.mpi, self.comm = mpi, mpi.COMM_WORLD
        self.size, self.number = self.comm.size, self.comm.rank
        self.is_root = self.number == 0
        self.alarm = self.comm.Dup()      # for failures, beside whatever else is under way
        sys.excepthook = self.abort
        node = self.comm.Split_type(mpi.COMM_TYPE_SHARED)
        share_cores(node.allgather(frozenset(os.sched_getaffinity(0))), node.rank)
        os.environ.setdefault("EKM3D_DEVICE", str(node.rank))       # of `devices`
        node.Free()
        if not self.is_root:
            silence()

    def failed(self, text, code):
        """All are here within PATIENCE: the first process speaks for them; else end the job."""
        request, begun = self.alarm.Ibarrier(), time.monotonic()
        while not request.Test():
            if time.monotonic() - begun > PATIENCE:
                self._end(f"process {self.number} of {self.size}: {text}\n", code)
            time.sleep(0.01)
        return super().failed(text, code)

    def abort(self, kind, error, trace):
        """What Python does with an error that nobody caught: show it, and end the job."""
        text = "".join(traceback.format_exception(kind, error, trace))
        self._end(f"ekm3d: process {self.number} of {self.size} fails:\n{text}", 1)

    def _end(self, text, code):
        sys.__stderr__.write(text)        # the first process may be the one that hangs
        sys.__stderr__.flush()
        self.comm.Abort(code)


def join(asked=False, environ=os.environ):
    """The Team that this process belongs to; ALONE without a launcher.

    asked: use MPI even where no launcher is recognised. LaunchError, in the first process only
    with words, where several processes were started that could not work on one run.
    """
    number, count = launched(environ)
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
    if count > 1 and _strangers(MPI.get_vendor()[0], environ):
        raise LaunchError(f"{_started(count)} by Open MPI's launcher, but mpi4py found {library}"
                          f"; {MATCH}")
    if not MPI.Is_initialized():
        MPI.Init_thread()
    size = MPI.COMM_WORLD.size
    if size != count and count > 1:
        raise LaunchError(f"{_started(count)}, but the MPI library that mpi4py found ({library}) "
                          f"sees {size}; {MATCH}")
    return team(MPI)


def _strangers(vendor, environ):
    """Whether MPICH or its kin would end a process of Open MPI's launcher without a clear word."""
    return "OMPI_COMM_WORLD_SIZE" in environ and vendor in ("MPICH", "MVAPICH", "Intel MPI")


@cache
def team(mpi):
    """The one Team of this process."""
    return Team(mpi)


def _started(count):
    return f"{count} processes were started" if count > 1 else "--mpi was given"


@contextmanager
def collective_errors(comm, errors):
    """Within: an error of these classes in one process is a RuntimeError in the others.

    comm: an MPI communicator of which all processes come here.
    """
    found = None
    try:
        yield
    except errors as error:
        found = error
    first = min(comm.allgather(comm.size if found is None else comm.rank))
    if first < comm.size:
        text = comm.bcast(str(found), root=first)
        raise found or ConvergenceError(text)


def silence():
    """Nothing that this process prints is seen from now on; tracebacks of a Team are."""
    sys.stdout = sys.stderr = open(os.devnull, "w")


def share_cores(cores, number, environ=os.environ):
    """Threads for compiled kernels: this computer's cores over the processes that share them.

    cores: the set of every process on this computer, number: which of them this is. Processes
    that the launcher has bound to cores of their own take those. A number that the user gave in
    OMP_NUM_THREADS stands.
    """
    mine = cores[number]
    sharing = sum(bool(mine & other) for other in cores)
    environ.setdefault("OMP_NUM_THREADS", str(max(len(mine) // sharing, 1)))
