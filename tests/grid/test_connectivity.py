"""Connected parts of a mask: against scipy.ndimage, whatever the flood can settle by itself."""

import numpy as np
import pytest
from scipy.ndimage import label

from ekm3d.grid.connectivity import connected_parts, is_one_part


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7, 0.95, 1.0])
def test_parts_are_those_of_scipy(rng, share):
    """Random masks, from many parts to one; the same numbers in the same places."""
    for _ in range(50):
        voxels = rng.random(rng.integers(1, 8, 3)) < share
        parts, count = connected_parts(voxels)
        expected, number = label(voxels)
        assert count == number
        assert np.array_equal(parts, expected)
        if is_one_part(voxels):
            assert number <= 1


def test_boxes_in_a_block_are_settled_by_the_flood():
    """Walls with gaps at alternating ends: each needs one more sweep, and four rounds do."""
    voxels = np.ones((20, 15, 20), bool)
    voxels[:, :14, 5] = voxels[:, 1:, 10] = voxels[2:, :, 15] = False
    assert is_one_part(voxels)
    voxels[:, :, 10] = False
    assert not is_one_part(voxels)
    assert connected_parts(voxels)[1] == 2


def test_nothing_has_no_part():
    """An empty mask: the flood starts nowhere and fills all of it, which must not count as one."""
    assert connected_parts(np.zeros((3, 2, 1), bool))[1] == 0
