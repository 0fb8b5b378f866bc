"""Output fields: the name, unit and meaning of the arrays that are written for every voxel."""

from dataclasses import dataclass

from ekm3d.grid.grid import Grid


@dataclass(frozen=True)
class OutputField:
    """Description of a field in a file."""

    name: str               # ParaView's name for it
    unit: str
    meaning: str
    components: int = 1     # 3 for a vector
    precision: str = "float32"

    def shape(self, grid: Grid) -> tuple[int, ...]:
        """Shape of its array on a grid."""
        return grid.shape + ((3,) if self.components == 3 else ())
