"""Gather and scatter of the ore voxels of padded arrays, on host and device."""

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.salt_medium import rock_of

from ekm3d.backends.base import Backend
from ekm3d.backends.cuda import CudaBackend
from ekm3d.grid.grid import Grid
from ekm3d.physics.ore_voxels import OreVoxels

GRID = Grid((4, 3, 2), (0.5, 0.25, 0.1), (10.0, 20.0, 30.0))
ORE = np.ones(GRID.shape, bool)
ORE[0, 0, 0] = ORE[1, 2, 3] = False


@pytest.fixture(scope="module", params=["numpy", "launched"])
def there(request):
    return Backend("test") if request.param == "numpy" else CudaBackend("test", cuda_stand_in)


@pytest.mark.parametrize("lead", [(), (1,), (3,), (0,)])
def test_take_and_put_without_host_copies(there, rng, lead):
    """x fastest, as in the mask; what is put back leaves electrodes and ghosts as they were."""
    voxels, array = OreVoxels(GRID, ORE, there), rng.random((*lead, *GRID.padded))
    placed, before = there.from_numpy(array.copy()), cuda_stand_in.crossed.times
    cuda_stand_in.crossed.largest = 0
    taken = voxels.take(placed)
    voxels.put(placed, 2 * taken)
    assert (cuda_stand_in.crossed.largest, cuda_stand_in.crossed.times) == (0, before)
    inner = array[GRID.inner]
    assert np.array_equal(there.to_numpy(taken), inner[..., ORE])
    whole = there.to_numpy(placed)
    assert np.array_equal(whole[GRID.inner][..., ORE], 2 * inner[..., ORE])
    assert whole.sum() == pytest.approx(array.sum() + inner[..., ORE].sum(), rel=1e-13)


def test_sites_of_slow_exchangers(there, rng):
    """Two of them in 22 voxels; the reference pH is a number of each, brought there once."""
    voxels = OreVoxels(GRID, ORE, there)
    cec, slope = rng.random((2, 2, *GRID.padded))
    rock = rock_of(whole_cec=there.from_numpy(cec), whole_slope=there.from_numpy(slope),
                   reference_pH=np.array([5.3, 7.0]))
    found = voxels.sites(rock, slow=True)
    for values, array in ((found.cec, cec), (found.slope, slope)):
        assert np.array_equal(there.to_numpy(values), array[GRID.inner][:, ORE])
    assert there.to_numpy(found.reference_pH).tolist() == [[5.3], [7.0]]
    cuda_stand_in.crossed.largest = 0
    voxels.sites(rock, slow=True)
    assert cuda_stand_in.crossed.largest == 0


def test_sums_and_places_of_the_ore(there):
    """22 voxels of 1 and of 2; voxel 1 is 1.25 m, 0.125 m and 0.05 m from the block's corner."""
    voxels = OreVoxels(GRID, ORE, there)
    ones = voxels.take(there.from_numpy(np.ones(GRID.padded)))
    assert voxels.total(ones) == 22.0
    assert list(voxels.total(np.stack([ones, 2 * ones]))) == [22.0, 44.0]
    assert voxels.places([1]) == "(11.250, 20.125, 30.050) m"
    assert voxels.numbers(voxels.index[[0, 21, 4]]).tolist() == [0, 21, 4]
