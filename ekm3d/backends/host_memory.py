"""Free memory of this computer, within the limits of a container and of the shell."""

import os
from pathlib import Path
from typing import Any

resource: Any
try:
    import resource
except ImportError:                     # Windows has no such limits
    resource = None

CGROUP = Path("/sys/fs/cgroup")


def free_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = CGROUP) -> int | None:
    """Return the smallest [bytes] of free memory and remaining limits; None if none is known."""
    amounts = [*system(meminfo), *container(cgroup), *shell()]
    return min(amounts) if amounts else None


def system(meminfo: Path) -> list[int]:
    """Return the memory that Linux expects to be available without swapping, [] if unknown."""
    try:
        lines = meminfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]


def container(cgroup: Path) -> list[int]:
    """Return the remainder of the control group's limit, [] if unlimited; v2, else v1.

    Its page cache of inactive files is reclaimable and does not count as used.
    """
    for limit, used, inactive in (("memory.max", "memory.current", "inactive_file"),
                                  ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes",
                                   "total_inactive_file")):
        try:
            most = (cgroup / limit).read_text(encoding="utf-8").strip()
            now = int((cgroup / used).read_text(encoding="utf-8"))
            stat = (cgroup / limit).with_name("memory.stat").read_text(encoding="utf-8").split()
        except OSError:
            continue
        if most == "max":
            return []
        reclaimable = dict(zip(stat[::2], stat[1::2], strict=True)).get(inactive, "0")
        return [int(most) - now + int(reclaimable)]
    return []


def shell() -> list[int]:
    """Return the remainder of the limit on the address space (ulimit -v), [] if unlimited."""
    if resource is None:
        return []
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return []
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    except OSError:
        pages = 0
    return [max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))]
