"""Openings of the block to water: places where one well, side or boundary touches ore."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ekm3d.backends.read_only_memo import read_only


@dataclass(frozen=True)
class Openings:
    """Openings of one well, one ore voxel each: arrays (n,)."""

    voxel: np.ndarray    # flat padded index
    area: np.ndarray     # m2, shares out a rate
    reach: np.ndarray    # m, area / distance to the voxel's centre: conductance = K reach
    face: np.ndarray     # number of the electrode face, -1 for an opening inside a voxel

    def __post_init__(self) -> None:
        for array in (self.voxel, self.area, self.reach, self.face):
            read_only(array)

    @cached_property
    def inside(self) -> np.ndarray:
        """Numbers of the openings inside voxels."""
        return read_only(np.flatnonzero(self.face < 0))

    @cached_property
    def voxel_inside(self) -> np.ndarray:
        """Voxels of these."""
        return read_only(self.voxel[self.inside])

    @cached_property
    def at_face(self) -> np.ndarray:
        """Numbers of the openings at faces of electrodes and sides."""
        return read_only(np.flatnonzero(self.face >= 0))

    @cached_property
    def face_there(self) -> np.ndarray:
        """Faces of these."""
        return read_only(self.face[self.at_face])

    @cached_property
    def share(self) -> np.ndarray:
        """Share of every opening in a rate, by area."""
        return read_only(self.area / self.area.sum() if self.area.size else self.area.copy())

    @classmethod
    def none(cls) -> "Openings":
        """Openings of a well that is closed."""
        return cls(np.zeros(0, int), np.zeros(0), np.zeros(0), np.zeros(0, int))
