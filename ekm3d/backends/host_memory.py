"""How much memory this computer can still give: the system's, a container's, a shell's limit."""

import os
import resource
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def free_memory(meminfo=Path("/proc/meminfo"), cgroup=CGROUP):
    """Bytes: the least of what is free and what limits leave; None where nobody says."""
    found = [*system(meminfo), *container(cgroup), *shell()]
    return min(found) if found else None


def system(meminfo):
    """What the kernel thinks can be had without swapping."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return []
    return [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]


def container(cgroup):
    """What the control group has left, but for files that it would give up: v2, else v1."""
    for limit, used, inactive in (("memory.max", "memory.current", "inactive_file"),
                                  ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes",
                                   "total_inactive_file")):
        try:
            most = (cgroup / limit).read_text().strip()
            now = int((cgroup / used).read_text())
            table = (cgroup / limit).with_name("memory.stat").read_text().split()
        except OSError:
            continue
        if most == "max":
            return []
        kept = dict(zip(table[::2], table[1::2])).get(inactive, "0")
        return [int(most) - now + int(kept)]
    return []


def shell():
    """What the limit on the address space (ulimit -v) leaves."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return []
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        pages = 0
    return [max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))]
