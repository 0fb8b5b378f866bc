"""Representative voxels that a run's first equilibria start from: places and results."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.rank_comparison import assert_same_steps

from ekm3d import Case, Simulation
from ekm3d.backends.base import Backend
from ekm3d.chemistry.equilibrium import ChemistryError
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.parallel.halo_exchange import Box
from ekm3d.physics import initial_guess
from ekm3d.physics.initial_guess import PARTS, RepresentativeVoxels
from ekm3d.resources import case_path

FIELD = ("grid.spacing=12.5 cm",)            # 16 x 12 x 16 voxels, 8 x 8 x 8 parts
GRID = Grid((19, 4, 31), (0.1, 0.1, 0.1))


def ore(rng):
    """Three voxels of four, and none in the lowest layers."""
    mask = rng.random(GRID.shape) < 0.75
    mask[:5] = False
    return mask


def test_every_part_with_ore_has_one_representative(rng):
    """31 x 4 x 19 voxels in 8 x 4 x 8 parts, of which the lowest is empty: 7 x 4 x 8 seeds.

    Parts are 3 or 4 voxels high and 2 or 3 wide; the seed is the first ore voxel of its part.
    """
    mask = ore(rng)
    found = RepresentativeVoxels(Domain(GRID), mask)
    index = np.array(np.unravel_index(found.places, GRID.padded)) - GHOST
    assert mask[tuple(index)].all()
    z, y, x = (np.searchsorted(initial_guess.cuts(n), at, side="right") - 1
               for n, at in zip(mask.shape, index, strict=True))
    assert len({*zip(z, y, x, strict=True)}) == len(found.places) == 7 * 4 * 8
    assert z.min() == 1 and z.max() == y.max() + 4 == x.max() == PARTS - 1
    for (low, high), place in zip(found.parts, index.T, strict=True):
        before = mask[tuple(map(slice, low, high))].ravel()
        own = np.ravel_multi_index(tuple(place - low), np.subtract(high, low))
        assert before[own] and not before[:own].any()


def test_spread_is_the_same_for_any_decomposition(rng):
    """Numbers by place, spread over the whole and over 12 boxes; ghosts are left alone."""
    mask = ore(rng)
    whole = RepresentativeVoxels(Domain(GRID), mask)
    values = rng.random((2, len(whole.places)))
    array = np.full((2, *GRID.padded), np.nan)
    whole.spread(values, array)
    assert np.array_equal(array.reshape(2, -1)[:, whole.places], values)
    assert not np.isnan(array[:, GHOST:-GHOST, GHOST:-GHOST, GHOST:-GHOST][:, mask]).any()
    assert np.isnan(array).sum() == array.size - 2 * (31 - 3) * 4 * 19
    planes = [[0, 4, 5, 31], [0, 2, 4], [0, 1, 19]]
    for number in range(12):
        box = Box(planes, number)
        domain = SimpleNamespace(box=box, whole=GRID, backend=Backend("plain"))
        part = np.full((2, *(n + 2 * GHOST for n in box.shape)), np.nan)
        RepresentativeVoxels(domain, mask).spread(values, part)
        cut = part[:, GHOST:-GHOST, GHOST:-GHOST, GHOST:-GHOST]
        wanted = array[(slice(None), *(slice(a + GHOST, b + GHOST)
                                       for a, b in zip(box.start, box.stop, strict=True)))]
        assert np.array_equal(cut, wanted, equal_nan=True)
        assert np.isnan(part).sum() == part.size - cut.size + np.isnan(wanted).sum()


def test_small_blocks_have_no_representatives():
    """A voxel's part is hardly larger than itself: nothing is gained."""
    for cells, count in (((8, 8, 8), 0), ((13, 13, 13), 512), ((12, 13, 13), 0), ((32, 1, 1), 8),
                         ((1, 1, 1), 0)):
        grid = Grid(cells, (1.0, 1.0, 1.0))
        assert len(RepresentativeVoxels(Domain(grid), np.ones(grid.shape, bool)).places) == count
    assert len(RepresentativeVoxels(Domain(grid), np.zeros(grid.shape, bool)).places) == 0


@pytest.fixture(scope="module", params=["numpy", "cpp"])
def runs(request):
    """The field block begun from its seeds, and begun in every voxel without history."""
    with pytest.MonkeyPatch.context() as patch:
        here = Simulation(Case.read(case_path("field_saturated"), FIELD), request.param)
        patch.setattr(initial_guess, "WORTH", np.inf)
        return here, Simulation(Case.read(case_path("field_saturated"), FIELD), request.param)


@pytest.mark.parametrize(
    "name", ["c", "exchanged", "solid", "pH", "transport_factor", "charge", "totals"]
)
def test_equilibria_do_not_depend_on_the_start(runs, name):
    """There is one equilibrium; both are within 1e-12 of balance, so of one another, or nearly.

    A trace's concentration is known to that share of the balances, not of itself.
    """
    mine, other = (getattr(sim.state, name)[sim.grid.inner] for sim in runs)
    assert runs[0].reactions.seeds.places.size == 512 and not runs[1].reactions.seeds.places.size
    if name == "totals":
        assert np.array_equal(mine, other)
    np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11 * np.abs(other).max())


def test_hardly_a_voxel_begins_cold_start(monkeypatch):
    """512 of 3072 voxels, less those that are alike: the others follow from their seeds' states.

    The ore's composition changes from voxel to voxel by up to a few per cent of a part.
    """
    from ekm3d.chemistry.equilibrium import EquilibriumSolver
    begun, descend = [], EquilibriumSolver._cold_start

    def counted(self, given, index, found):
        begun.append(index.size)
        return descend(self, given, index, found)

    monkeypatch.setattr(EquilibriumSolver, "_cold_start", counted)
    Simulation(Case.read(case_path("field_saturated"), FIELD), "numpy")
    assert 100 < sum(begun) < 600


@pytest.mark.parametrize("place", ["seed", "other"])
def test_voxel_without_equilibrium_is_named_by_its_place(monkeypatch, place):
    """Totals below zero, in a seed or beside one: the voxel's own centre is named."""
    sim = Simulation(Case.read(case_path("field_saturated"), FIELD), "numpy")
    sim.reactions.begun = False
    where = sim.reactions.seeds.places[77] + (place == "other")
    sim.state.totals.reshape(len(sim.chem.components), -1)[2, where] = -1.0
    k, j, i = (n - GHOST for n in np.unravel_index(where, sim.grid.padded))
    with pytest.raises(ChemistryError) as error:
        sim.reactions.advance(sim.state)
    centre = ", ".join(f"{0.125 * (n + 0.5):.3f}" for n in (i, j, k))
    assert "a negative total, no water or a negative exchanger in 1 voxel(s)" in str(error.value)
    assert f"at ({centre}) m" in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "cpp"])
def test_ranks_start_alike(backend):
    """To the last bit: 3 boxes, none of which is a whole number of parts.

    By default on cpp, among others, in tests/model/test_ranks.py.
    """
    assert_same_steps(3, (backend, 1, case_path("field_saturated"), *FIELD))
