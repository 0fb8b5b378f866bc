"""How much memory a run takes, said before any of it is allocated.

    bytes = BASE + voxels (8 A S + B)          voxels: ghosts included

S numbers per voxel are the state's (fields.py: so many components, species, ...). A is above 1 for
what is worked out species by species and kept for a moment, B is for all that does not depend on
the chemistry: rock, two elliptic solvers with their hierarchies, coefficients, a snapshot's copy.
BASE is Python with its libraries. Slow parts of the ore add L to A: lists of what their equilibria
start from and find. All are measured, per backend, by scripts/benchmarks/memory.py. What a `cuda` run takes on
the device is taken to be that of `cpp` without BASE; no GPU has shown it yet.
"""

from dataclasses import dataclass, replace

import numpy as np

from ekm3d.errors import InputError
from ekm3d.state import FIELDS, counts

GIB = 2**30


@dataclass(frozen=True)
class Rule:
    """BASE [bytes], A, B [bytes per voxel] and L of a backend."""

    base: float
    state: float
    other: float
    slow: float = 0.0


RULES = {"numpy": Rule(1.14e8, 4.13, 24.5, 0.95), "cpp": Rule(1.23e8, 1.48, 414.0, 1.86)}
RULES["cuda"] = replace(RULES["cpp"], base=0.0)


class InsufficientMemory(InputError):
    """The run does not fit; the text says how much it takes, what there is, and what would fit."""


def per_voxel(chem, name, slow=False):
    """(bytes of state, of everything) for every voxel, ghosts included, on backend `name`.

    slow: whether parts of the ore are.
    """
    lengths, rule = {"": 1, **counts(chem)}, RULES[name]
    state = 8 * sum(lengths[f.axis] for f in FIELDS.values() if f.where == "voxels")
    return state, (rule.state + rule.slow * slow) * state + rule.other


def predicted(grid, chem, name, slow=False):
    """Bytes at the peak of a run."""
    return RULES[name].base + float(np.prod(grid.padded)) * per_voxel(chem, name, slow)[1]


def fitting(grid, chem, name, free, slow=False):
    """Edge of the smallest voxels, in units of the present ones, that `free` bytes are enough for.

    None if none are: fewer voxels than one along an axis.
    """
    room = free - RULES[name].base
    longer = (predicted(grid, chem, name, slow) - RULES[name].base) / room if room > 0 else np.inf
    edge = np.ceil(1e2 * longer ** (1 / 3)) / 1e2
    return edge if edge < max(grid.cells) else None


def text(grid, chem, backend, slow=False):
    """The prediction as a line of `ekm3d check`."""
    state, whole = per_voxel(chem, backend.name, slow)
    free = backend.free_memory()
    known = "" if free is None else f", {free / GIB:.2f} GiB are free here"
    return (f"memory: {predicted(grid, chem, backend.name, slow) / GIB:.2f} GiB at the peak, "
            f"{whole:.0f} bytes for every voxel and ghost ({state} of them state){known}")


def require(path, grid, chem, backend, slow=False):
    """InsufficientMemory if the run would not fit into what is free where the backend's arrays live."""
    free, needed = backend.free_memory(), predicted(grid, chem, backend.name, slow)
    if free is None or needed <= free:
        return
    edge = fitting(grid, chem, backend.name, free, slow)
    spacing = edge and " x ".join(f"{edge * d:.3g}" for d in grid.spacing)
    hint = f"voxels of {spacing} m would fit" if edge else "no grid would fit"
    raise InsufficientMemory(
        f"{path}/case.toml: grid.spacing: {int(np.prod(grid.cells)):,} voxels take "
        f"{needed / GIB:.2f} GiB on backend "
        f"{backend.name}, and {free / GIB:.2f} GiB are free; {hint}")
