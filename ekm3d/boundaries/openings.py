"""Openings of the block to water: places where one well, side or boundary touches ore."""

from dataclasses import dataclass

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
        read_only(self.voxel)

    @classmethod
    def none(cls) -> "Openings":
        """Openings of a well that is closed."""
        return cls(np.zeros(0, int), np.zeros(0), np.zeros(0), np.zeros(0, int))
