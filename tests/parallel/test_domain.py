"""Domains of many ranks against one process: rank_checks.py under mpiexec; and one process."""

from pathlib import Path

import numpy as np
import pytest
from helpers import mpi

from ekm3d.backends.choose import choose_backend
from ekm3d.errors import BackendError
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import EllipticSolver

CHECKS = Path(__file__).resolve().parents[1] / "helpers" / "rank_checks.py"
SLOW = pytest.mark.slow


@pytest.mark.parametrize("name, count, tolerance", [
    ("cpp", 4, 1e-4), *(pytest.param(*pair, 1e-11, marks=SLOW) for pair in (
        ("numpy", 1), ("numpy", 2), ("cpp", 2), ("numpy", 3), ("cpp", 3), ("cpp", 4), ("numpy", 4),
        ("numpy", 8), ("cpp", 8)))])
def test_ranks_agree_with_one_process(name, count, tolerance):
    """Ghosts by number, sums, points, slabs, elliptic problems of every kind: the same bits.

    The comparisons are in rank_checks.py. Four processes: fewer are cut along one axis alone, and
    have no ghosts on edges. 5 to 21 iterations of each problem, 13 to 51 in the slow
    suite: the time is that of messages. Kernels are compiled here, once, beforehand.
    """
    grid = Grid((2, 2, 2), (1.0, 1.0, 1.0))
    try:
        backend = choose_backend(name)
    except BackendError as error:
        pytest.skip(str(error))
    EllipticSolver(grid, backend, Domain(grid, backend))
    code, out, errors = mpi.run(count, CHECKS, name, tolerance, seconds=400, OMP_NUM_THREADS="1")
    assert code == 0 and "6 checks passed on" in out, errors


# ---- one process ---------------------------------------------------------------------------

def test_one_process_holds_the_whole_block(rng):
    """Its part is the whole: views of it, nothing copied, nothing sent."""
    grid = Grid((5, 4, 3), (0.1, 0.2, 0.3))
    d, a = Domain(grid), rng.normal(size=(2, *grid.padded))
    before = a.copy()
    d.fill(a)
    d.ghost_updater(a)()
    assert np.array_equal(a, before) and d.grid == d.whole == grid and d.is_root
    inner = a[grid.inner]
    assert np.shares_memory(d.local_view(inner), inner) and d.local_view(inner).shape == inner.shape
    assert vars(d.counters) == {"messages": 0, "bytes": 0, "reductions": 0}


def test_points_outside_the_block_are_refused():
    """A ghost beyond the block belongs to no rank."""
    grid = Grid((5, 4, 3), (0.1, 0.2, 0.3))
    inside = np.ravel_multi_index((GHOST, GHOST, GHOST + 4), grid.padded)
    assert Domain(grid).points([inside]).voxel == [inside]
    with pytest.raises(ValueError, match="outside the block"):
        Domain(grid).points([inside, inside + 1])


def test_maximum_and_count_of_an_empty_array():
    d = Domain(Grid((2, 2, 2), (1.0, 1.0, 1.0)))
    empty = np.zeros(0)
    assert d.max(empty) == -np.inf and not d.any(empty) and d.count(empty) == 0
