"""Levels of a multigrid hierarchy: cut among the ranks while large, whole on every rank below.

Agglomeration: from level `agglomerated` on, the first that is small or cannot be halved per rank,
every rank gathers the whole level and solves it, with all below it, redundantly; `local` is the
rank's own part of that level. With one rank `local` is the level itself. On a GPU larger levels are
small: one of 64^3 voxels is swept in 10 us, no more than a message takes; a processor takes 3 ms.
"""

from collections.abc import Sequence

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.grid.grid import Grid
from ekm3d.parallel.decomposition import SMALL
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.multigrid import Level

SWEPT = 4096                    # voxels: larger levels are swept, where the backend sweeps levels
SMALL_ON = {"cuda": 64**3}      # voxels, by backend: of the largest level that is held undivided


def allocate_level(grid: Grid, backend: Backend) -> Level:
    """Return a level with memory of its own."""
    return Level(grid, backend.zeros((Level.ARRAYS * int(np.prod(grid.padded)),), np.float32))


class Hierarchy:
    """Levels from the finest grid down to one voxel, level 0 being the finest.

    sizes: voxels of every whole level.
    levels: this rank's parts above `agglomerated`, whole levels from there on.
    local_levels, domains: this rank's parts of levels 0 to `agglomerated`, and their domains.
    small: the first level of at most SMALL voxels, or SWEPT, below the finest one; from it on all
    lie in one array, `store`, at the places that `table` lists (see `multigrid.small_cycle`).
    """

    def __init__(self, finest: Level, domain: Domain, backend: Backend,
                 cells: Sequence[tuple[int, ...]]) -> None:
        """finest: level 0, this rank's part; cells: (nx, ny, nz) of every coarse grid, whole."""
        spacing = finest.grid.spacing                            # plays no part in it
        grids = [Grid(c, spacing) for c in (domain.whole.cells, *cells)]
        self.is_cut = len(domain.boxes) > 1
        on_each = SMALL_ON.get(backend.name, 0) if self.is_cut else 0
        self.domains = self._cut_domains(domain, grids[1:], max(SMALL, on_each))
        self.agglomerated = len(self.domains) - 1
        self.local_levels = [finest, *(allocate_level(part.grid, backend) for part in
                                       self.domains[1:self.agglomerated + self.is_cut])]
        self.sizes = [int(np.prod(grid.cells)) for grid in grids]
        most = min(SMALL, SWEPT) if backend.sweeps_levels else SMALL
        self.small = next(n for n, size in enumerate(self.sizes) if n and size <= most)
        self.levels = [*self.local_levels[:self.agglomerated],
                       *(allocate_level(grid, backend)
                         for grid in grids[self.agglomerated:self.small]),
                       *self._allocate_small(grids[self.small:], backend)]
        if not self.is_cut:
            self.local_levels.append(self.levels[self.agglomerated])
        self.local = self.local_levels[-1]

    def _cut_domains(self, domain, coarse_grids, small):
        """Return the domains of the finest grid and those halved per rank, until one is small."""
        domains = [domain]
        for grid in coarse_grids:
            coarse = domains[-1].coarsened(grid)
            if coarse is None:
                break
            domains.append(coarse)
            if np.prod(grid.cells) <= small:
                break
        return domains

    def _allocate_small(self, grids, backend):
        """Return the levels of the small grids, all in `store`."""
        *starts, end = np.cumsum([0, *(Level.ARRAYS * int(np.prod(grid.padded))
                                       for grid in grids)])
        self.store = backend.zeros((int(end),), np.float32)
        table = [[*grid.cells, start] for grid, start in zip(grids, starts, strict=True)]
        self.table = backend.from_numpy(np.array(table, np.int64).reshape(-1))
        return [Level(grid, self.store[start:]) for grid, start in zip(grids, starts, strict=True)]

    def gather_operator(self) -> None:
        """Copy the operator of the agglomerated level from the parts of all ranks, if it is cut."""
        if self.is_cut:
            whole = self.levels[self.agglomerated].operator
            for part, array in zip(self.local.operator, whole, strict=True):
                self.domains[-1].assemble(part, array)

    def gather_level(self) -> None:
        """Copy the right-hand side b of the agglomerated level from the parts of all ranks."""
        self.domains[-1].assemble(self.local.b, self.levels[self.agglomerated].b)

    def scatter_level(self) -> None:
        """Copy this rank's part of the solution x of the agglomerated level into `local`."""
        self.domains[-1].extract(self.levels[self.agglomerated].x, self.local.x)
