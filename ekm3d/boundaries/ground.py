"""Openings of the ground: water that passes the block's surface, one face of a voxel each.

    rain         a rate, as far as the ore takes it in at the ponding depth; the rest runs off
    evaporation  a rate, as far as the ore gives it at its lowest pressure head; salts stay
    seepage      a face open to the air: water leaves where it is full, none enters
    drainage     unit gradient: what the conductivity of the voxel lets fall
    head         a hydraulic head on all of the faces
    water table  the same on faces below it; those above are closed
    leak         a conductance to a head at a distance (bedrock, valley)

For ledgers each is a well of one of the kinds of `wells`; `law` is what it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ekm3d.boundaries.openings import Openings
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.rasterise import outer_voxels

LAWS = ("rain", "evaporation", "seepage", "drainage", "head", "water table", "leak")


class Boundary(Protocol):
    """Part of the block's surface as a case describes it."""

    law: str                        # one of LAWS
    axis: int                       # array axis across it: 0, 1, 2 = z, y, x
    upper: bool                     # at the upper end of the axis
    part: Sequence | None           # corners (x, y, z), (x, y, z) [m]; None: the whole side
    rate: float | None              # m/s, of rain and evaporation
    ponding: float                  # m, depth of the water that stands on a full surface
    lowest: float                   # m, pressure head at which evaporation ends
    head: Any                       # Level: head of the water behind it
    conductance: float | None       # 1/s, of a leak


@dataclass(frozen=True)
class Level:
    """Head [m] that may differ from face to face, or change with time.

    values: a number, an array over the faces of a side, or (times,) with `times` [s].
    """

    values: Any
    times: np.ndarray | None = None

    def at(self, time: float) -> Any:
        """Return the head [m] at a time [s]; linear between the times, constant beyond them."""
        if self.times is None:
            return self.values
        return float(np.interp(time, self.times, self.values))

    def of(self, chosen: np.ndarray) -> "Level":
        """Return the same for some of the faces of the side."""
        if self.times is not None or np.ndim(self.values) == 0:
            return self
        return Level(np.ravel(self.values)[chosen])


@dataclass(frozen=True)
class Surface:
    """Faces of a Boundary: their Openings, heights z [m] of the faces, and the Level there."""

    openings: Openings
    height: np.ndarray
    level: Level | None


def surface(grid: Grid, ore: np.ndarray, boundary: Boundary, active: np.ndarray | None = None
            ) -> Surface:
    """Return the faces of a boundary on the whole grid; ore, active: masks (nz, ny, nx), the latter
    of ore and metal, None: everywhere.

    Faces across z follow the surface of what is active; those across x and y lie in the sides of
    the block. A face that the part covers in part has that part's area; on a surface that the block
    does not fill, those count that lie between its lower and upper end.
    """
    axis = boundary.axis
    places = outer_voxels(grid.shape, active, axis, boundary.upper)
    share = np.ones(places[0].shape)
    if boundary.part is not None:
        for a in range(3):
            if a != axis:
                share = share * _overlap(grid, boundary.part, a)[places[a]]
    share = (share * ore[tuple(places)]).ravel()
    half = 0.5 * grid.spacing_along(axis)
    height = grid.centres(0)[places[0].ravel()]
    if axis == 0:
        height = height + (half if boundary.upper else -half)
    if axis == 0 and active is not None and boundary.part is not None:
        low, high = (corner[2] for corner in boundary.part)
        share = share * ((height >= low - 1e-9 * half) & (height <= high + 1e-9 * half))
    chosen = np.flatnonzero(share > 1e-9)
    voxel = np.ravel_multi_index([p.ravel()[chosen] + GHOST for p in places], grid.padded)
    area = share[chosen] * grid.face_area(axis)
    level = None if boundary.head is None else boundary.head.of(chosen)
    return Surface(Openings(voxel, area, area / half, np.full(voxel.size, -1)),
                   height[chosen], level)


def _overlap(grid: Grid, part: Sequence, axis: int) -> np.ndarray:
    """Share of every voxel's length along an axis that lies within a box."""
    low, high = (corner[2 - axis] for corner in part)
    h, centres = grid.spacing_along(axis), grid.centres(axis)
    covered = np.minimum(centres + h / 2, high) - np.maximum(centres - h / 2, low)
    return np.clip(covered / h, 0.0, 1.0)
