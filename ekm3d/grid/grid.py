"""Voxel grid: cell counts, spacing and origin; z points upwards.

Voxel arrays are indexed [k, j, i] (z slowest, x fastest) in NumPy, CUDA, HDF5 and VTK alike.
Working arrays are padded: they carry GHOST layers on every side, which `inner` cuts off.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = Any         # a NumPy array, or CuPy's where the backend keeps its arrays on a GPU
GHOST = 2           # layers: a limited face concentration looks two voxels upstream
SEGMENT = 32        # voxels along x that a sum adds up first: the lanes of a warp
FEW = 32768, 64     # voxels, and rows of voxels, up to which a segment is one voxel

KERNEL_CONSTANTS = {"SEGMENT": SEGMENT}             # for every kernel


class PackedGrid(ctypes.Structure):
    """C structure of the grid in kernels; twin of `Grid` in kernels/ekm.cuh."""

    _fields_ = [("nx", ctypes.c_int), ("ny", ctypes.c_int), ("nz", ctypes.c_int),
                ("ghost", ctypes.c_int), ("segment", ctypes.c_int),
                ("dx", ctypes.c_double), ("dy", ctypes.c_double), ("dz", ctypes.c_double)]


@dataclass(frozen=True)
class Grid:
    """Box of nx x ny x nz voxels; `cells`, `spacing` [m], `origin` [m] in the order x, y, z.

    segment: voxels along x, from the box's lower side on, that sums add up first
    (`parallel.reproducible_sum`): SEGMENT, or 1 in a small or thin block, so that it may be cut
    anywhere. A rank's part of a block has the segment of the block.
    """

    cells: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    segment: int = 0

    def __post_init__(self) -> None:
        rows = self.cells[1] * self.cells[2]
        few = rows * self.cells[0] <= FEW[0] or rows <= FEW[1]
        object.__setattr__(self, "segment", self.segment or (1 if few else SEGMENT))
        if self.segment not in (1, SEGMENT):
            raise ValueError(f"a segment has 1 or {SEGMENT} voxels, not {self.segment}")

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(nz, ny, nx): voxels without ghosts."""
        return tuple(reversed(self.cells))

    @cached_property
    def padded(self) -> tuple[int, ...]:
        """(nz + 2g, ny + 2g, nx + 2g): shape of a working array, g = GHOST."""
        return tuple(n + 2 * GHOST for n in self.shape)

    @cached_property
    def inner(self) -> tuple:
        """Index that cuts the ghosts off the last three axes: a[grid.inner]."""
        return (Ellipsis,) + tuple(slice(GHOST, GHOST + n) for n in self.shape)

    @property
    def segments(self) -> int:
        """Number of segments along x."""
        return -(-self.cells[0] // self.segment)

    @property
    def size(self) -> tuple[float, ...]:
        """Lengths of the box along x, y, z [m]."""
        return tuple(n * d for n, d in zip(self.cells, self.spacing, strict=True))

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel [m3]."""
        return self.spacing[0] * self.spacing[1] * self.spacing[2]

    def spacing_along(self, axis: int) -> float:
        """Return the spacing along array axis 0, 1, 2 = z, y, x [m]."""
        return self.spacing[2 - axis]

    def face_area(self, axis: int) -> float:
        """Return the area of a face across array axis 0, 1, 2 = z, y, x [m2]."""
        return self.voxel_volume / self.spacing_along(axis)

    def centres(self, axis: int) -> np.ndarray:
        """Return the coordinates of the voxel centres along array axis 0, 1, 2 = z, y, x [m]."""
        d = 2 - axis
        return self.origin[d] + self.spacing[d] * (np.arange(self.cells[d]) + 0.5)

    def part(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        """Return the grid of `shape` voxels from `start` on, both (k, j, i)."""
        corner = tuple(x + d * n for x, d, n in zip(
            self.origin, self.spacing, reversed(start), strict=True))
        return Grid(tuple(reversed(shape)), self.spacing, corner, self.segment)

    def voxel_at(self, point: Sequence[float]) -> tuple[int, ...] | None:
        """Return [k, j, i] of the voxel that holds a point (x, y, z) [m]; None outside the box.

        A point on a face between two voxels belongs to the upper one; on the box's upper
        side to the last voxel.
        """
        index = []
        for x, x0, d, n in zip(point, self.origin, self.spacing, self.cells, strict=True):
            s = (x - x0) / d
            if not -1e-9 <= s <= n + 1e-9:
                return None
            index.append(min(max(int(np.floor(s + 1e-9)), 0), n - 1))
        return tuple(reversed(index))

    def packed(self) -> PackedGrid:
        """Return the C structure that kernels are given."""
        return PackedGrid(*self.cells, GHOST, self.segment, *self.spacing)
