"""Domain decomposition: every voxel once, small halos, planes for coarse grids."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekm3d.grid.grid import Grid
from ekm3d.parallel.decomposition import HALO, cheapest, cuts, decompose, factorisations, halvings
from ekm3d.parallel.halo_exchange import Box

SPACING = (1.0, 1.0, 1.0)


@given(n=st.integers(1, 300), parts=st.integers(1, 40), power=st.integers(0, 6))
def test_cuts_are_planes_in_order_at_multiples(n, parts, power):
    """0 = p0 < p1 < ... < n; parts differ by two units at most, the last by the remainder."""
    planes = cuts(n, parts, 2**power)
    if parts > -(-n // 2**power):
        assert planes is None
        return
    assert planes[0] == 0 and planes[-1] == n and len(planes) == parts + 1
    sizes = np.diff(planes)
    assert sizes.min() > 0 and not any(plane % 2**power for plane in planes[:-1])
    assert sizes.max() - sizes[:-1].min(initial=sizes.max()) <= 2**power


@given(cells=st.tuples(*[st.integers(1, 14)] * 3), count=st.integers(1, 14))
def test_boxes_hold_every_voxel_once(cells, count):
    """Any number of ranks up to the longest axis is possible in a small grid."""
    grid = Grid(cells, SPACING)
    if count > max(cells) and cheapest(grid, count) is None:
        with pytest.raises(ValueError, match="cannot be cut into"):
            decompose(grid, count)
        return
    planes = decompose(grid, count)
    held = np.zeros(grid.shape, int)
    for rank in range(count):
        box = Box(planes, rank)
        held[box.index()] += 1
        assert min(box.shape) > 0
    assert (held == 1).all()


def test_neighbours_share_a_face():
    """Boxes are numbered x fastest; a neighbour's neighbour on the other side is the box itself."""
    planes = decompose(Grid((9, 8, 7), SPACING), 12)
    boxes = [Box(planes, rank) for rank in range(12)]
    for axis, up in product(range(3), (False, True)):
        for box in boxes:
            other = box.neighbour(axis, up)
            if other is None:
                assert (box.stop if up else box.start)[axis] == (planes[axis][-1] if up else 0)
                continue
            assert boxes[other].neighbour(axis, not up) == box.rank
            ends = (box.stop, boxes[other].start) if up else (box.start, boxes[other].stop)
            assert ends[0][axis] == ends[1][axis]
            rest = [a for a in range(3) if a != axis]
            assert all(boxes[other].start[a] == box.start[a] for a in rest)


@pytest.mark.parametrize("cells, count, parts", [
    ((128, 128, 128), 8, (2, 2, 2)),        # halo 3 x 64^2 rather than 2 x 128^2 of eight slabs
    ((128, 128, 128), 2, (2, 1, 1)),        # all axes alike: z, whose layers lie together
    ((20, 10, 80), 4, (4, 1, 1)),           # a tower is cut across
    ((1000, 1000, 10), 4, (1, 2, 2)),       # a field is cut from above
    ((1, 1, 37), 5, (5, 1, 1)), ((37, 1, 1), 37, (1, 1, 37))])
def test_halo_is_small(cells, count, parts):
    assert tuple(len(axis) - 1 for axis in decompose(Grid(cells, SPACING), count)) == parts


def test_cost_is_the_least_of_all_divisions():
    """Against every factorisation, unaligned, of a grid that multigrid leaves undivided anyway."""
    grid = Grid((24, 18, 30), SPACING)
    for count in (2, 3, 4, 5, 6, 8, 12):
        def cost(planes):
            box = [int(np.max(np.diff(axis))) for axis in planes]
            faces = sum(min(len(axis) - 2, 2) * np.prod(box) // n
                        for axis, n in zip(planes, box, strict=True))
            return np.prod(box) + HALO * faces

        plain = [[cuts(n, p, 2) for n, p in zip(grid.shape, parts, strict=True)]
                 for parts in factorisations(count)]
        least = min(cost(planes) for planes in plain if None not in planes)
        assert cost(decompose(grid, count)) <= least


@pytest.mark.parametrize("cells", [(96, 96, 96), (100, 100, 100), (512, 512, 512), (700, 300, 90)])
@pytest.mark.parametrize("count", [2, 3, 4, 8, 12])
def test_boxes_are_even_and_coarse_grids_are_divided_too(cells, count):
    """No box above 1.3 times the mean; the grid that multigrid leaves undivided is below a box.

    Planes that can be halved n times leave a grid of 8^-n as many voxels undivided. Across x cuts
    are at 32 voxels: at the segments of reproducible sums.
    """
    grid = Grid(cells, SPACING)
    planes = decompose(grid, count)
    box = np.prod([np.max(np.diff(axis)) for axis in planes])
    assert box <= 1.3 * np.prod(cells) / count
    n = next(n for n in range(halvings(grid.shape), -1, -1)
             if not any(plane % 2**n for axis in planes for plane in axis[:-1]))
    assert np.prod([-(-m // 2**n) for m in cells]) <= box
    assert not any(plane % grid.segment for plane in planes[2][:-1])


def test_a_possible_number_of_ranks_is_named():
    with pytest.raises(ValueError, match="7 x 1 x 1 voxels cannot be cut into 9 boxes .*start 7 "):
        decompose(Grid((7, 1, 1), SPACING), 9)
    wide = Grid((200, 40, 40), SPACING)
    with pytest.raises(ValueError, match="into 97 boxes .along x at every 32 voxels.; start 96 "):
        decompose(wide, 97)
