"""Output fields: the name, unit and meaning of what is written for every voxel."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputField:
    """What a file says about a field: ParaView's name for it, its unit, what it is."""

    name: str
    unit: str
    meaning: str
    components: int = 1     # 3 for a vector

    def shape(self, grid):
        """Shape of its array on a grid."""
        return grid.shape + ((3,) if self.components == 3 else ())
