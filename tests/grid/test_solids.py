"""Solids on a grid: volumes against their formulas, and what combinations add up to."""

import numpy as np
import pytest

from ekm3d.grid.grid import Grid
from ekm3d.grid.solids import (
    Below,
    Between,
    Box,
    Boxes,
    Combination,
    Cylinder,
    Prism,
    Sphere,
    outside,
    shares,
)

GRID = Grid((20, 18, 16), (0.1, 0.1, 0.1), (-1.0, -0.9, -0.8))
AXIS = np.array([1.0, 2.0, 2.0]) / 3.0
HEXAGON = 0.6 * np.array([[np.cos(a), np.sin(a)] for a in np.pi / 3 * np.arange(6)])
BODIES = {
    "box": (Box((-0.55, -0.32, -0.21), (0.41, 0.17, 0.63)), 0.96 * 0.49 * 0.84),
    "sphere": (Sphere((0.03, -0.02, 0.01), 0.6), 4 / 3 * np.pi * 0.6**3),
    "upright cylinder": (Cylinder((0, 0, -0.5), (0, 0, 0.7), 0.5), np.pi * 0.25 * 1.2),
    "lying cylinder": (Cylinder((-0.7, 0, 0), (0.7, 0, 0), 0.5), np.pi * 0.25 * 1.4),
    "inclined cylinder": (Cylinder(-0.3 * AXIS, 0.3 * AXIS, 0.4), np.pi * 0.16 * 0.6),
    "prism": (Prism(HEXAGON, -0.5, 0.3), 1.5 * np.sqrt(3) * 0.36 * 0.8)}


@pytest.mark.parametrize("name", BODIES)
def test_the_volume_is_that_of_the_formula(name):
    """Lines are exact in z; an upright side is off by half the distance of lines at most.

    At 5 lines in 10 cm that is 1 cm of 49 at two sides of the box, and averages out around a rim.
    """
    body, volume = BODIES[name]
    found = shares(GRID, [body], 5).sum() * GRID.voxel_volume
    assert found == pytest.approx(volume, rel=2e-2)
    finer = shares(GRID, [body], 21).sum() * GRID.voxel_volume
    assert finer == pytest.approx(volume, rel=5e-3)


def test_what_lies_below_a_plane_is_exact():
    """The mean height over each voxel's lines is that of the plane at its middle."""
    share, = shares(GRID, [Below(lambda x, y: 0.2 * x - 0.1 * y + 0.05)], 5)
    x, y = GRID.centres(2), GRID.centres(1)[:, None]
    assert share.sum(axis=0) * 0.1 == pytest.approx(0.2 * x - 0.1 * y + 0.05 + 0.8, abs=1e-12)
    rest, = shares(GRID, [outside(Below(lambda x, y: 0.2 * x - 0.1 * y + 0.05))], 5)
    assert share + rest == pytest.approx(np.ones(GRID.shape), abs=1e-12)


def test_shares_of_combinations_add_up():
    """|A| + |B| = |A or B| + |A and B|, |A less B| = |A| - |A and B|, in every voxel."""
    a, b = BODIES["sphere"][0], BODIES["inclined cylinder"][0]
    a_share, b_share, union, both, less = shares(GRID, [
        a, b, *(Combination(kind, [a, b]) for kind in ("union", "intersection", "difference"))], 5)
    assert a_share + b_share == pytest.approx(union + both, abs=1e-12)
    assert less == pytest.approx(a_share - both, abs=1e-12)
    assert 0.1 < both.sum() * GRID.voxel_volume < union.sum() * GRID.voxel_volume
    far = [Box((5, 5, 5), (6, 6, 6)), a]
    nothing, whole = shares(GRID, [Combination(kind, far) for kind in ("intersection", "union")], 5)
    assert not nothing.any() and whole == pytest.approx(a_share, abs=1e-12)


def test_a_box_cut_by_nested_combinations():
    """(box less box) or box: 3 boxes of known overlap, whole voxels, to rounding."""
    big, hole, plug = (Box((-h,) * 3, (h,) * 3) for h in (0.5, 0.3, 0.1))
    body = Combination("union", [Combination("difference", [big, hole]), plug])
    share, = shares(Grid((20, 20, 20), (0.1,) * 3, (-1.0,) * 3), [body], 5)
    assert share.sum() == pytest.approx(1000 - 216 + 8)
    assert set(np.unique(share.round(9))) == {0.0, 1.0}


def test_many_boxes_are_their_union():
    """Blocks of a block model: touching, overlapping and apart, in any order; exact by clipping."""
    low = np.array([[0.0, 0, 0], [0.4, 0, 0], [0, 0, 0.4], [0.1, 0.1, 0.2], [0, 0, 0.7]])
    high = np.array([[0.4, 0.4, 0.4], [0.8, 0.4, 0.4], [0.4, 0.4, 0.6], [0.3, 0.3, 0.5],
                     [0.4, 0.4, 0.8]])
    whole, = shares(GRID, [Boxes(low[::-1], high[::-1])], 5)
    union, = shares(GRID, [Combination("union", [Box(a, b) for a, b in zip(low, high,
                                                                           strict=True)])], 5)
    assert whole == pytest.approx(union, abs=1e-12)
    assert whole.sum() * GRID.voxel_volume == pytest.approx(0.16 * 0.7 + 0.16 * 0.4, rel=1e-9)
    assert not shares(GRID, [Boxes(np.zeros((0, 3)), np.zeros((0, 3)))], 5).any()


def test_surfaces_that_cross_are_refused_with_the_place():
    with pytest.raises(ValueError, match=r"surfaces cross: at \(0\.99, .* above the upper one"):
        shares(GRID, [Between(lambda x, y: 0.1 * x, lambda x, y: 0.0 * x + 0.09)], 5)
    touching = Between(lambda x, y: np.minimum(0.1 * x, 0.05), lambda x, y: 0.0 * x + 0.05)
    assert shares(GRID, [touching], 5).sum() > 0


def test_real_coordinates_lose_no_digits():
    """Heights of 3 km and eastings of 500 km: the share is that near the origin, to 1e-7."""
    far = Grid(GRID.cells, GRID.spacing, (499999.0, 2700000.0, 3000.0))
    near, = shares(GRID, [Sphere((0.0, 0.0, 0.0), 0.6)], 5)
    there, = shares(far, [Sphere((500000.0, 2700000.9, 3000.8), 0.6)], 5)
    assert there == pytest.approx(near, abs=1e-6)
