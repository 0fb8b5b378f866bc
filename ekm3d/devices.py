"""Which GPU a process takes among those that share a computer, and how GPUs send messages.

A process takes the GPU of its number on the computer (EKM3D_DEVICE, which a launched process sets
for itself), counted round where there are fewer. Two processes on one GPU take turns and are no
faster than one: that is refused unless EKM3D_SHARE_GPU=1 asks for it. Ghosts go through page-locked
memory of the host. EKM3D_GPU_AWARE=auto hands the GPU's own memory to MPI where a process of its
own has shown that this works: an MPI that cannot do it ends with a segmentation fault.
"""

import os
import platform
import subprocess
import sys

from ekm3d.launch import COUNTS, LaunchError

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


def chosen(count, environ=os.environ):
    """Number of the GPU that this process takes out of `count`; None leaves it as it is."""
    number = environ.get("EKM3D_DEVICE", "")
    return int(number) % count if number.isdigit() and count else None


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
