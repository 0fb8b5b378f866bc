"""Memory estimate of a run, before any of it is allocated.

    bytes = BASE + voxels (8 A S + B)          voxels: ghosts included

S numbers per voxel are the state's (`state.fields_of`: components, species, ...). A is above 1 for
what grows with them, B is for all that does not depend on the chemistry: rock, coefficients, the
elliptic solver with its hierarchy, a snapshot's copy. On `numpy` A is mostly temporaries, which
grow faster than the state: B and L are negative. BASE is Python with its libraries. Slow parts of
the ore add L to A: lists of their equilibria's inputs and results. A run keeps a copy in the host's
memory of what a checkpoint holds (`state_copy`), where there is room. Rules of `numpy`, `cpp` are
fitted to resident sets by scripts/benchmarks/memory.py. On `cuda` the arrays on the device count:
those of `memory_inventory` (ekm3d/memory.md) and, at the peak, some 55 bytes per voxel of a
snapshot's vectors, or of an equilibrium's lists; BASE is the memory that a driver reserves for the
stack of the kernel `newton`.
"""

import platform
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.errors import InputError
from ekm3d.grid.grid import Grid
from ekm3d.parallel.decomposition import decompose, longest
from ekm3d.state import counts, fields_of

GIB = 2**30


@dataclass(frozen=True)
class Rule:
    """BASE [bytes], A, B [bytes per voxel] and L of a backend."""

    base: float
    state: float
    other: float
    slow: float = 0.0


RULES = {"numpy": Rule(1.1e8, 7.13, -424.9, -1.69), "cpp": Rule(1.22e8, 1.96, 212.7, 1.45),
         "cuda": Rule(7e8, 1.13, 345.0, 1.57)}


class InsufficientMemory(InputError):
    """The run does not fit; the message says how much it takes, is free, and would fit."""


def per_voxel(chem: ChemicalSystem, name: str,
              processes: Collection[str] = ()) -> tuple[int, float]:
    """Bytes (of state, of everything) per voxel, ghosts included, on backend `name`.

    processes: of `state.PROCESSES`, those that take part.
    """
    lengths, rule = {"": 1, **counts(chem)}, RULES[name]
    state = sum(np.dtype(f.kind).itemsize * lengths[f.axis] for f in fields_of(processes).values()
                if f.where == "voxels" and not f.last_of)
    return state, (rule.state + rule.slow * bool(processes)) * state + rule.other


def predicted(grid: Grid, chem: ChemicalSystem, name: str,
              processes: Collection[str] = ()) -> float:
    """Bytes at the peak of a run, without its copy of the state."""
    return RULES[name].base + float(np.prod(grid.padded)) * per_voxel(chem, name, processes)[1]


def copied(grid: Grid, chem: ChemicalSystem, processes: Collection[str] = ()) -> float:
    """Bytes of the copy of the state, and of a checkpoint."""
    lengths = {"": 1, **counts(chem)}
    each = sum(np.dtype(f.kind).itemsize * lengths[f.axis] for f in fields_of(processes).values()
               if f.where == "voxels" and f.restart)
    return float(np.prod(grid.cells)) * each


def fitting(grid: Grid, chem: ChemicalSystem, name: str, free: float,
            processes: Collection[str] = ()) -> float | None:
    """Edge of the smallest voxels, in units of the present ones, for which `free` bytes suffice.

    None if not even one voxel along an axis would fit.
    """
    room = free - RULES[name].base
    needed = predicted(grid, chem, name, processes) - RULES[name].base
    longer = needed / room if room > 0 else np.inf
    edge = np.ceil(1e2 * longer ** (1 / 3)) / 1e2
    return edge if edge < max(grid.cells) else None


def text(grid: Grid, chem: ChemicalSystem, backend: Backend,
         processes: Collection[str] = ()) -> str:
    """Prediction as a line of `ekm3d check`."""
    state, whole = per_voxel(chem, backend.name, processes)
    free = backend.free_memory()
    known = "" if free is None else f", {free / GIB:.2f} GiB are free here"
    return (f"memory: {predicted(grid, chem, backend.name, processes) / GIB:.2f} GiB at the peak, "
            f"{whole:.0f} bytes for every voxel and ghost ({state} of them state){known}; "
            f"{copied(grid, chem, processes) / GIB:.2f} GiB more for a copy to go back to, in the "
            "host's memory, where there is room")


def by_ranks(grid: Grid, chem: ChemicalSystem, backend: Backend, count: int,
             processes: Collection[str] = ()) -> str:
    """Prediction for `count` processes as a line of `ekm3d check`.

    InputError where the grid cannot be divided so, InsufficientMemory where one of them alone would
    not fit here.
    """
    try:
        planes = decompose(grid, count)
    except ValueError as error:
        raise InputError(f"--ranks {count}: {error}") from None
    box = tuple(longest(axis) for axis in planes)
    part = grid.part((0, 0, 0), box)
    needed, free = predicted(part, chem, backend.name, processes), backend.free_memory()
    if free is not None and needed > free:
        raise InsufficientMemory(
            f"--ranks {count}: {' x '.join(map(str, part.cells))} voxels of the largest box take "
            f"{needed / GIB:.2f} GiB on backend {backend.name}, and {free / GIB:.2f} GiB are free; "
            f"about {count * needed / free:.0f} processes with as much each would do")
    return (f"memory of each of {count} processes: {needed / GIB:.2f} GiB at the peak for "
            f"{' x '.join(map(str, part.cells))} voxels, {count * needed / GIB:.2f} GiB in all; "
            f"{copied(part, chem, processes) / GIB:.2f} GiB each for the copy")


def require(path: str | Path, grid: Grid, chem: ChemicalSystem, backend: Backend,
            processes: Collection[str] = (), comm: Any = None) -> None:
    """Raise InsufficientMemory if the run does not fit into the free memory of a computer or GPU.

    path: case directory, for the message; grid: of this rank; comm: of all ranks, which raise the
    same error. Ranks of one computer share its memory; GPUs are not shared.
    """
    free, needed = backend.free_memory(), predicted(grid, chem, backend.name, processes)
    here = (platform.node(), backend.device, needed, free, int(np.prod(grid.cells)))
    ranks = [here] if comm is None else comm.allgather(here)
    for place in dict.fromkeys(rank[:2] for rank in ranks):
        there = [rank for rank in ranks if rank[:2] == place]
        free = min((rank[3] for rank in there if rank[3] is not None), default=None)
        needed, count = sum(rank[2] for rank in there), len(there)
        if free is None or needed <= free:
            continue
        edge = fitting(grid, chem, backend.name, free / count, processes)
        spacing = edge and " x ".join(f"{edge * d:.3g}" for d in grid.spacing)
        hint = f"voxels of {spacing} m would fit" if edge else "no grid would fit"
        shared = f" in {count} processes on {place[0]}" if count > 1 else ""
        raise InsufficientMemory(
            f"{path}/case.toml: grid.spacing: {sum(rank[4] for rank in there):,} voxels take "
            f"{needed / GIB:.2f} GiB{shared} on backend {backend.name}, and {free / GIB:.2f} GiB "
            f"are free; {hint}")
