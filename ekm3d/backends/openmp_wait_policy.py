"""OpenMP wait policy between kernels: spin or sleep.

    EKM3D_OMP_WAIT=passive      threads sleep at once (default)
    EKM3D_OMP_WAIT=active       threads spin for half a millisecond, then sleep

A kernel of a small grid takes less time than waking a thread, which spinning saves; but a thread
that spins takes a core from the other processes of a shared machine and from other ranks of the
job. Without EKM3D_OMP_WAIT, a user's own OMP_WAIT_POLICY, GOMP_SPINCOUNT or KMP_BLOCKTIME stands.
"""

import os
from collections.abc import MutableMapping

from ekm3d.errors import BackendError

OPTION = "EKM3D_OMP_WAIT"
POLICIES = {
    "active": ({"GOMP_SPINCOUNT": "12000", "KMP_BLOCKTIME": "1"},      # half a millisecond; in ms
               "threads spin between kernels"),
    "passive": ({"OMP_WAIT_POLICY": "passive"}, "threads sleep between kernels")}
OPENMP_VARIABLES = [name for variables, _ in POLICIES.values() for name in variables]


def set_wait_policy(environ: MutableMapping[str, str] = os.environ) -> str:
    """Set OpenMP's variables, before its library is loaded, and return the policy as text.

    BackendError if EKM3D_OMP_WAIT is neither active nor passive.
    """
    policy = environ.get(OPTION)
    if policy is None and any(name in environ for name in OPENMP_VARIABLES):
        return "threads wait as the environment says"
    if policy not in (None, *POLICIES):
        raise BackendError(f"{OPTION}={policy} is unknown: active or passive")
    variables, text = POLICIES[policy or "passive"]
    environ.update(variables)
    return text
