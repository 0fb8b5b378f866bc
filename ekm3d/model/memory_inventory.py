"""Memory inventory of a simulation: every array that it keeps, counted from the objects themselves.

All that a simulation reaches is looked at: attributes of this package's objects, lists,
dictionaries, and what prepared calls hold. Views share the memory of their array and count once.
Temporaries of a step are not among them; `memory_estimate` has those, too.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np

# What a simulation keeps as NumPy arrays whatever its backend: the case's data, boundary faces.
HOST = ("case", "ore", "water", "holds_ore", "electrodes", "contacts", "wells", "schedule",
        "voxels.index", "nonequilibrium.porosity", "domain.point_sets")


@dataclass(frozen=True)
class KeptArrays:
    """Memory under one name: an attribute, or all arrays of a list.

    name: from the simulation, such as "state.c"; bytes: of the memory that no name before it has;
    on_device: False for the host's own.
    """

    name: str
    bytes: int
    on_device: bool


def inventory(sim: Any) -> list[KeptArrays]:
    """Return what a simulation keeps, the largest first; sim: a Simulation."""
    device, counted = sim.backend.xp.ndarray, _Ranges()
    found: dict[tuple[str, bool], int] = {}
    arrays = sorted(_arrays(sim, device), key=_by_size)
    for name, array in arrays:
        on_device = isinstance(array, device) and not name.startswith(HOST)
        key = name, on_device
        found[key] = found.get(key, 0) + counted.add(*_bounds(array))
    kept = [KeptArrays(name, size, on_device) for (name, on_device), size in found.items() if size]
    return sorted(kept, key=lambda one: (-one.bytes, one.name))


def device_bytes(sim: Any) -> int:
    """Return the bytes that a simulation keeps where its backend has its arrays."""
    return sum(one.bytes for one in inventory(sim) if one.on_device)


def _by_size(named: tuple[str, Any]) -> tuple:
    """Order in which arrays are counted: large first, what is shared as scratch before its users.
    """
    name, array = named
    return -_span(array), not name.startswith("scratch"), name


def _arrays(sim: Any, device: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, array) of every array, nearest to the simulation first."""
    seen: set[int] = set()
    queue: deque[tuple[str, Any]] = deque([("", sim)])
    while queue:
        name, value = queue.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray) or isinstance(value, device):
            if value.size:
                yield name, value
            continue
        queue.extend((f"{name}.{word}".strip(".") if word else name, part)
                     for word, part in _parts(value))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (attribute or "", part) of an object that may hold arrays."""
    if isinstance(value, dict):
        yield from (("", part) for part in value.values())
    elif isinstance(value, (list, tuple, set)):
        yield from (("", part) for part in value)
    elif isinstance(value, partial):
        yield from (("", part) for part in (value.func, *value.args))
    elif isinstance(value, MethodType):
        yield "", value.__self__
    elif isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        yield from (("", part) for part in (*cells, *(value.__defaults__ or ())))
    elif type(value).__module__.startswith("ekm3d."):
        yield from vars(value).items() if hasattr(value, "__dict__") else ()


def _bounds(array: Any) -> tuple[int, int]:
    """Return the first address of an array and the one behind its last."""
    if isinstance(array, np.ndarray):
        low, high = np.lib.array_utils.byte_bounds(array)
        return int(low), int(high)
    return array.data.ptr, array.data.ptr + array.nbytes


def _span(array: Any) -> int:
    """Return the bytes between the ends of an array."""
    low, high = _bounds(array)
    return high - low


class _Ranges:
    """Addresses that have been counted, as ranges that do not touch."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def add(self, low: int, high: int) -> int:
        """Count the range from low to high; return how many of its bytes are new."""
        new, apart = high - low, []
        first, last = low, high
        for a, b in self.ranges:
            new -= max(0, min(high, b) - max(low, a))
            if b < low or high < a:
                apart.append((a, b))
            else:
                first, last = min(first, a), max(last, b)
        self.ranges = [*apart, (first, last)]
        return new
