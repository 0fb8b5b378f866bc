"""Free memory of this computer, within the limits of a container and of the shell."""

import os
from pathlib import Path
from typing import Any

resource: Any
try:
    import resource
except ImportError:                     # Windows has no such limits
    resource = None

CGROUP, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def free_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = CGROUP,
                own: Path = OWN) -> int | None:
    """Return the smallest [bytes] of free memory and remaining limits; None if none is known."""
    amounts = [*system(meminfo), *container(cgroup, own), *shell()]
    return min(amounts) if amounts else None


def system(meminfo: Path) -> list[int]:
    """Return the memory that Linux expects to be available without swapping, [] if unknown."""
    try:
        lines = meminfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]


def container(cgroup: Path, own: Path = OWN) -> list[int]:
    """Return what is left of the limits of the control groups that this process is in; v2, and v1.

    A batch system makes one per job and step: those above limit it too. Page cache of inactive
    files is reclaimable and does not count as used.
    """
    left = []
    for folder in _groups(cgroup, own):
        for limit, used, inactive in (("memory.max", "memory.current", "inactive_file"),
                                      ("memory.limit_in_bytes", "memory.usage_in_bytes",
                                       "total_inactive_file")):
            try:
                most = (folder / limit).read_text(encoding="utf-8").strip()
                now = int((folder / used).read_text(encoding="utf-8"))
                table = (folder / "memory.stat").read_text(encoding="utf-8").split()
            except OSError:
                continue
            if most != "max":
                reclaimable = dict(zip(table[::2], table[1::2], strict=True)).get(inactive, "0")
                left.append(max(0, int(most) - now + int(reclaimable)))
    return left


def _groups(cgroup: Path, own: Path) -> list[Path]:
    """Return the folders of the control groups of this process, from the innermost to the root.

    A container sees its own group as the root, and may be told of a path that it has not.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    roots = {cgroup: "/", cgroup / "memory": "/"}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            roots[cgroup] = path
        elif "memory" in controllers.split(","):
            roots[cgroup / "memory"] = path
    inner = {root: Path(path.lstrip("/")) for root, path in roots.items()}
    return [root / part for root, path in inner.items() for part in (path, *path.parents)]


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
