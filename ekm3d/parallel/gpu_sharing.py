"""GPUs among processes: refuse to share one, and choose how ghosts reach MPI.

Two processes on one GPU take turns and are no faster than one: that is refused unless
EKM3D_SHARE_GPU=1 asks for it. Ghosts go through page-locked memory of the host.
EKM3D_GPU_AWARE=auto hands the GPU's own memory to MPI where a process of its own has shown that
this works: an MPI that cannot do it ends with a segmentation fault.
"""

import os
import platform
import subprocess
import sys
from functools import cache

from ekm3d.errors import LaunchError
from ekm3d.parallel.launcher_env import COUNTS

# Eight numbers from one place of a GPU's memory to another, by way of MPI.
TRIAL = """
import cupy
from mpi4py import MPI
sent, got = cupy.arange(8.0), cupy.zeros(8)
cupy.cuda.get_current_stream().synchronize()
MPI.COMM_SELF.Sendrecv(sent, 0, recvbuf=got, source=0)
assert (got == sent).all()
"""
SECONDS = 60


def refuse_sharing(comm, backend, environ=os.environ):
    """LaunchError, on all processes, where two work on one GPU without being asked to."""
    places = [place for place in comm.allgather(
        backend.device and (platform.node(), backend.device)) if place]
    shared = len(places) - len(set(places))
    if shared and environ.get("EKM3D_SHARE_GPU") != "1":
        raise LaunchError(f"{len(places)} processes work on {len(set(places))} GPUs: start one for "
                          "each GPU, or set EKM3D_SHARE_GPU=1 to let them share")


def sends_from_device(environ=os.environ, trial=TRIAL):
    """Whether MPI takes a GPU's memory: asked for, and tried in a process of its own."""
    if environ.get("EKM3D_GPU_AWARE", "off") != "auto":
        return False
    known = {*COUNTS, *COUNTS.values()}
    alone = {name: value for name, value in environ.items()
             if name not in known and not name.startswith(("PMI_", "PMIX_", "OMPI_COMM_"))}
    try:
        return subprocess.run([sys.executable, "-c", trial], env=alone, timeout=SECONDS,
                              capture_output=True).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@cache
def gpu_aware():
    """Whether messages of this process leave from the GPU's own memory; asked once."""
    return sends_from_device()
