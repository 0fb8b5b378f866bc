"""How the threads of compiled kernels wait for the next one: awake, or asleep.

A kernel of a small grid takes less time than waking a thread. Threads that stay awake for a while
save that, on a machine of one's own; on one that others use as well they take the time that the
run itself would need. So they stay awake only where nothing else was running when the run began,
and no longer than what the host does between two kernels.
"""

import os
import time
from pathlib import Path

AWAKE = {"GOMP_SPINCOUNT": "12000", "KMP_BLOCKTIME": "1"}     # half a millisecond; in ms
ASLEEP = {"OMP_WAIT_POLICY": "passive"}
ASKED = (*AWAKE, *ASLEEP)
IDLE = 0.5           # threads that come and go on a machine that does nothing
LOAD, TASKS = Path("/proc/loadavg"), Path("/proc/self/task")


def choose_waiting(environ=os.environ):
    """Tell OpenMP, before it is loaded, how its threads wait; returns that as text.

    What the environment says already stands.
    """
    if any(name in environ for name in ASKED):
        return "threads wait as the environment says"
    threads, others = _threads(environ), others_running()
    if others is not None and others + threads <= os.cpu_count() + IDLE:
        environ.update(AWAKE)
        return "threads wait awake: nothing else runs here"
    environ.update(ASLEEP)
    return "threads wait asleep: other work may run here"


def _threads(environ):
    """Number of threads that kernels will use."""
    wish = environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wish.isdigit():
        return int(wish)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def others_running(samples=10, pause=0.005):
    """Mean number of other threads on this machine that run or want to; None where nobody says."""
    counts = []
    for _ in range(samples):
        try:
            counts.append(int(LOAD.read_text().split()[3].split("/")[0]) - own_running())
        except (OSError, ValueError, IndexError):
            return None
        time.sleep(pause)
    return sum(counts) / samples


def own_running():
    """Number of this process's own threads that run or want to: this one, and those of libraries.
    """
    return [_state(task) for task in TASKS.iterdir()].count("R")


def _state(task):
    """A thread's state; none of one that ended meanwhile."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
