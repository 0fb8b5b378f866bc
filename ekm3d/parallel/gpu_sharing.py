"""GPUs among ranks: refusal to share one, and GPU-aware MPI.

Two ranks on one GPU take turns and are no faster than one: an error unless EKM3D_SHARE_GPU=1 is
set. Halo messages go through page-locked memory of the host. With EKM3D_GPU_AWARE=auto, MPI is
given the GPU's own memory if a trial in a separate process has worked: an MPI that is not GPU-aware
ends with a segmentation fault.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from ekm3d.backends.base import Backend
from ekm3d.errors import LaunchError
from ekm3d.parallel.launcher_env import COUNTS

# Copy eight numbers within a GPU's memory by MPI.
TRIAL = """
import cupy
from mpi4py import MPI
sent, got = cupy.arange(8.0), cupy.zeros(8)
cupy.cuda.get_current_stream().synchronize()
MPI.COMM_SELF.Sendrecv(sent, 0, recvbuf=got, source=0)
assert (got == sent).all()
"""
SECONDS = 60       # allowed for the trial


def refuse_sharing(comm: Any, backend: Backend, environ: Mapping[str, str] = os.environ) -> None:
    """Raise LaunchError, on all ranks, if two use one GPU and EKM3D_SHARE_GPU=1 is not set."""
    places = [place for place in comm.allgather(
        backend.device and (platform.node(), backend.device)) if place]
    shared = len(places) - len(set(places))
    if shared and environ.get("EKM3D_SHARE_GPU") != "1":
        raise LaunchError(f"{len(places)} processes work on {len(set(places))} GPUs: start one for "
                          "each GPU, or set EKM3D_SHARE_GPU=1 to let them share")


def sends_from_device(environ: Mapping[str, str] = os.environ, trial: str = TRIAL) -> bool:
    """Return True if EKM3D_GPU_AWARE=auto is set and the trial process has worked."""
    if environ.get("EKM3D_GPU_AWARE", "off") != "auto":
        return False
    launcher = {*COUNTS, *COUNTS.values()}
    alone = {name: value for name, value in environ.items()
             if name not in launcher and not name.startswith(("PMI_", "PMIX_", "OMPI_COMM_"))}
    try:
        return subprocess.run([sys.executable, "-c", trial], env=alone, timeout=SECONDS,
                              capture_output=True).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@cache
def gpu_aware() -> bool:
    """Return `sends_from_device()`, evaluated once per process."""
    return sends_from_device()
