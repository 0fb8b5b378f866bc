"""Electrodes on the grid: which voxels they become, which faces conduct, who drives what."""

import numpy as np
import pytest
from helpers.case_files import FIELD, copy
from helpers.salt_medium import row

from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Drive
from ekm3d.case.case import Case
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.rasterise import rasterise

GRID = Grid((6, 5, 4), (0.1, 0.2, 0.5), (1.0, -2.0, 10.0))


def cells(index):
    """[(first, last)] voxels of an index of slices, last included, in the order x, y, z."""
    return [(part.start, part.stop - 1) for part in reversed(index)]


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("field"), FIELD)


# --- from boxes to voxels -------------------------------------------------------------------

def test_a_box_is_the_voxels_that_it_covers_by_half():
    """By hand on voxels of 0.1 x 0.2 x 0.5 m from (1, -2, 10).

    x 1.06 to 1.44: voxels 0 and 4 are covered by 0.4: 1 to 3. y -1.9 to -1.3: voxels 0 and 3 by
    exactly half; a half counts at the upper end and, so that boxes side by side never share a
    voxel, not at the lower: 1 to 3. z 10.5 to 11.5: whole voxels 1 and 2.
    """
    assert cells(rasterise(((1.06, -1.9, 10.5), (1.44, -1.3, 11.5)), GRID)) == [(1, 3), (1, 3),
                                                                               (1, 2)]
    lower = rasterise(((1.0, -2.0, 10.0), (1.6, -1.3, 12.0)), GRID)
    upper = rasterise(((1.0, -1.3, 10.0), (1.6, -1.0, 12.0)), GRID)
    assert cells(lower)[1][1] + 1 == cells(upper)[1][0]


def test_a_thin_box_is_the_voxel_of_its_middle():
    """5 mm inside a voxel of 0.1 m; a face between two voxels belongs to the upper one."""
    for x, voxel in ((1.05, 0), (1.1, 1), (1.32, 3), (1.597, 5)):
        box = ((x - 0.0025, -2.0, 10.0), (x + 0.0025, -1.0, 12.0))
        assert cells(rasterise(box, GRID))[0] == (voxel, voxel), x


def test_corners_may_come_in_any_order():
    a, b = (1.1, -1.6, 10.5), (1.3, -1.2, 11.0)
    assert rasterise((a, b), GRID) == rasterise((b, a), GRID)


@pytest.mark.parametrize("axis, name, low, high", [(0, "x", 0.9, 1.2), (1, "y", -1.2, -0.9),
                                                   (2, "z", 9.0, 10.5)])
def test_a_box_that_leaves_the_grid_is_refused(axis, name, low, high):
    """The message has the axis, the box and the grid's own ends, so that it can be mended."""
    box = [[1.1, -1.6, 10.5], [1.2, -1.4, 11.0]]
    box[0][axis], box[1][axis] = low, high
    with pytest.raises(ValueError, match=f"{name} from {low:g} to {high:g} m lies outside"):
        rasterise(box, GRID)


def test_rounding_at_the_sides_is_no_leaving():
    """3 x 0.2 and the like do not sum exactly; 1e-12 m beyond the side is the side."""
    box = ((1.0 - 1e-12, -2.0, 10.0), (1.6 + 1e-12, -1.0, 12.0))
    assert rasterise(box, GRID) == (slice(0, 4), slice(0, 5), slice(0, 6))


@pytest.mark.parametrize("h, along_y, along_z", [
    (0.05, [(4, 5), (14, 15), (24, 25)], (18, 39)), (0.10, [2, 7, 12], (9, 19)),
    (0.125, [2, 6, 10], (7, 15)), (0.25, [1, 3, 5], (4, 7))])
def test_the_field_s_strips_at_every_spacing(field, h, along_y, along_z):
    """Three rows at x = 0, 1, 2 m of strips 0.1 m wide at y = 0.25, 0.75, 1.25 m, z 0.9 to 2 m.

    One voxel thick: the first, the one above the middle, the last. Heights by hand: 0.9 m is
    18 and 9 whole voxels of 5 and 10 cm, 7.2 of 12.5 cm (0.8 of voxel 7 is covered: in), 3.6 of
    25 cm (0.4 of voxel 3: out). Across, the strip is two voxels of 5 cm or one of 10 cm exactly;
    coarser voxels it covers by less than half, on both sides of a face: the upper one.
    """
    case = Case.read(field, [f"grid.spacing={h}"])
    found = [[cells(rasterise(box, case.grid)) for box in r.boxes] for r in case.electrodes.rows]
    nx = case.grid.cells[0]
    for n, i in enumerate((0, nx // 2, nx - 1)):
        for strip, y in zip(found[n], along_y, strict=True):
            y = y if isinstance(y, tuple) else (y, y)
            assert strip == [(i, i), y, along_z]
    electrodes = Electrodes(case.grid, case.electrodes.rows, 2.5)
    count = 9 * (along_z[1] - along_z[0] + 1) * (2 if h == 0.05 else 1)
    assert electrodes.solid.sum() == count == sum(m.sum() for m in electrodes.masks)


# --- faces -----------------------------------------------------------------------------------

def block(**keys):
    """A strip of 1 x 2 x 3 voxels inside the grid, one in the corner, a plate of a whole side."""
    inside = ((1.2, -1.6, 10.5), (1.3, -1.2, 12.0))
    corner = ((1.0, -2.0, 10.0), (1.1, -1.8, 10.5))
    plate = ((1.5, -2.0, 10.0), (1.6, -1.0, 12.0))
    rows = (row("strips", inside, corner, contact_resistance=18.0, catholyte_volume=2e-3),
            row("plate", plate, contact_resistance=5.0, catholyte_volume=1e-3))
    return Electrodes(GRID, rows, 2.5)


def test_every_face_towards_ore_conducts_and_no_other():
    """Counted by hand: 1 x 2 x 3 voxels from j = 2, k = 1 up to the block's top.

    x: 2 sides of 2 x 3 = 12; y: 2 x 3 = 6 of 0.1 x 0.5 m; z: only the lower end, 2, since the
    upper is the block's side. Corner voxel: one of each. Plate: one side, 5 x 4 = 20 along x.
    """
    f = block().faces
    count = {(s, a): int(np.sum((f.strip == s) & (f.axis == a))) for s in range(3)
             for a in range(3)}
    assert count == {(0, 0): 2, (0, 1): 6, (0, 2): 12, (1, 0): 1, (1, 1): 1, (1, 2): 1,
                     (2, 0): 0, (2, 1): 0, (2, 2): 20}
    np.testing.assert_allclose(f.area, np.array([0.02, 0.05, 0.1])[f.axis], rtol=1e-14)
    np.testing.assert_allclose(f.half, np.array([0.25, 0.1, 0.05])[f.axis], rtol=1e-14)


def test_a_face_knows_the_ore_voxel_behind_it():
    """Every face's voxel is ore, inside the block, and next to its own strip along its axis."""
    electrodes = block()
    f = electrodes.faces
    where = np.stack(np.unravel_index(f.voxel, GRID.padded), axis=1) - GHOST
    for place, strip, axis in zip(where, f.strip, f.axis, strict=True):
        assert (place >= 0).all() and (place < GRID.shape).all()
        assert electrodes.ore[tuple(place)]
        beside = []
        for step in (1, -1):
            other = place.copy()
            other[axis] += step
            if 0 <= other[axis] < GRID.shape[axis]:
                beside.append(electrodes.masks[strip][tuple(other)])
        assert any(beside)


def test_two_electrodes_side_by_side_have_no_face_between_them():
    """Metal to metal: neither counts the other as ore."""
    boxes = [((1.0, -2.0, 10.0), (1.1, -1.0, 12.0)), ((1.1, -2.0, 10.0), (1.2, -1.0, 12.0))]
    f = Electrodes(GRID, [row("a", boxes[0]), row("b", boxes[1])], 0.0).faces
    assert not np.any(f.strip == 0) and np.sum(f.strip == 1) == 20


def test_the_faces_share_the_contact_resistance_by_area():
    """In parallel they give it back: 1 / sum(1/R_f) = R; a face of twice the area has half."""
    f = block().faces
    for strip, resistance in enumerate((18.0, 18.0, 5.0)):
        mine = f.strip == strip
        assert 1.0 / np.sum(1.0 / f.resistance[mine]) == pytest.approx(resistance, rel=1e-13)
        assert np.ptp(f.resistance[mine] * f.area[mine]) < 1e-13 * resistance


def test_a_case_without_electrodes():
    electrodes = Electrodes(GRID, (), 0.0)
    drive = Drive(0, (), (), 0.0, 1.0, 1.0)
    assert electrodes.ore.all() and electrodes.strips == 0
    assert electrodes.roles(drive).size == electrodes.faces.voxel.size == 0
    assert electrodes.per_row(electrodes.per_strip(np.zeros(0))).size == 0


# --- roles and sums ----------------------------------------------------------------------------

def test_roles_follow_the_drive():
    """+1 at driven anodes, -1 at driven cathodes, 0 at rows that the stage leaves alone."""
    electrodes = block()
    strip = electrodes.faces.strip
    for anodes, cathodes, roles in (((), (), (0, 0, 0)), (("strips",), ("plate",), (1, 1, -1)),
                                    (("plate",), ("strips",), (-1, -1, 1)),
                                    (("strips",), (), (1, 1, 0))):
        drive = Drive(0, anodes, cathodes, 30.0, 1.0, 1.0)
        assert (electrodes.roles(drive) == np.array(roles)[strip]).all()


def test_sums_per_strip_and_per_row(rng):
    """Against plain loops; both in the order of the case, strips of a row together."""
    electrodes = block()
    values = rng.normal(size=electrodes.faces.strip.size)
    strips = [
        sum(v for v, s in zip(values, electrodes.faces.strip, strict=True) if s == n)
        for n in range(3)
    ]
    np.testing.assert_allclose(electrodes.per_strip(values), strips, rtol=1e-12)
    np.testing.assert_allclose(electrodes.per_row(np.array(strips)),
                               [strips[0] + strips[1], strips[2]], rtol=1e-12)
    assert electrodes.rows == ("strips", "plate") and list(electrodes.volume) == [2e-3, 2e-3, 1e-3]
