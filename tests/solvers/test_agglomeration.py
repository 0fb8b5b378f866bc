"""Levels of the hierarchy on one rank; on several ranks see tests/helpers/rank_checks.py."""

import numpy as np
import pytest

from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers import agglomeration
from ekm3d.solvers.agglomeration import Hierarchy, allocate_level

CELLS = [(10, 9, 8), (5, 5, 4), (3, 3, 2), (2, 2, 1), (1, 1, 1)]


@pytest.mark.parametrize("limit, small", [(2000, 1), (99, 2), (4, 3)])
def test_levels_of_one_rank(backend, monkeypatch, limit, small):
    """One rank agglomerates nothing: `local` is the first small level itself.

    The small levels lie one after the other in the store, where the table says.
    """
    monkeypatch.setattr(agglomeration, "SMALL", limit)
    grid = Grid(CELLS[0], (1.0, 1.0, 1.0))
    finest = allocate_level(grid, backend)
    h = Hierarchy(finest, Domain(grid, backend), backend, CELLS[1:])
    assert h.small == h.agglomerated == small and not h.is_cut
    assert h.levels[0] is finest and h.local is h.levels[small]
    assert [level.grid.cells for level in h.levels] == CELLS
    assert h.sizes == [int(np.prod(c)) for c in CELLS]
    assert len(h.domains) == len(h.local_levels) == small + 1
    table = h.table.reshape(-1, 4).tolist()
    assert [tuple(row[:3]) for row in table] == CELLS[small:]
    for n, level in enumerate(h.levels[small:]):
        level.face[0], level.y[...] = n + 1, n + 1
        assert h.store[table[n][3]] == n + 1
    assert h.store[-1] == len(table)
