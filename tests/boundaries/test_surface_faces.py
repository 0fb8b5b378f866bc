"""Faces of boundaries and open sides where the block holds air: across z they follow the ground."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.hill import hill_case

from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.ground import surface
from ekm3d.case.case import Case
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.rasterise import outer_voxels

GRID = Grid((4, 1, 3), (1.0, 2.0, 0.5))
STEPS = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]], bool)[:, None, :]      # k, j, i
METAL = SimpleNamespace(name="m", boxes=[((1, 0, 0.5), (2, 2, 1.5))], contact_resistance=1.0,
                        catholyte_volume=0.0)


def boundary(axis, upper, part=None):
    return SimpleNamespace(axis=axis, upper=upper, part=part, head=None)


def voxels(openings):
    """[(k, j, i)] of openings."""
    index = np.array(np.unravel_index(openings.voxel, GRID.padded)).T - GHOST
    return [tuple(int(n) for n in v) for v in index]


def test_the_top_is_the_highest_voxel_of_every_column():
    """Heights of 3, 2 and 1 voxels of 0.5 m; a column of air has no face."""
    top = surface(GRID, STEPS, boundary(0, True), STEPS)
    assert voxels(top.openings) == [(2, 0, 0), (1, 0, 1), (0, 0, 2)]
    assert top.height.tolist() == [1.5, 1.0, 0.5] and top.openings.area.tolist() == [2.0] * 3
    bottom = surface(GRID, STEPS, boundary(0, False), STEPS)
    assert voxels(bottom.openings) == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    assert bottom.height.tolist() == [0.0] * 3


def test_a_box_selects_faces_by_their_height():
    part = ((0.5, 0, 0.4), (4, 2, 1.2))
    top = surface(GRID, STEPS, boundary(0, True, part), STEPS)
    assert top.height.tolist() == [1.0, 0.5] and top.openings.area.tolist() == [2.0, 2.0]
    low = surface(GRID, STEPS, boundary(0, True, ((0, 0, 1.2), (4, 2, 2))), STEPS)
    assert low.height.tolist() == [1.5]


def test_the_sides_of_the_box_are_its_sides():
    """x+ is air, x- is ore on three layers, and the steps of the slope are no side."""
    assert not surface(GRID, STEPS, boundary(2, True), STEPS).openings.voxel.size
    assert voxels(surface(GRID, STEPS, boundary(2, False), STEPS).openings) == [
        (0, 0, 0), (1, 0, 0), (2, 0, 0)]


def test_metal_that_stands_out_closes_its_column():
    """The electrode fills column 1 from 0.5 m up to the air: rain does not fall through it."""
    electrodes = Electrodes(GRID, [METAL], 0.0, STEPS)
    assert electrodes.active[:, 0, 1].all() and not electrodes.ore[1:, 0, 1].any()
    top = surface(GRID, electrodes.ore, boundary(0, True), electrodes.active)
    assert voxels(top.openings) == [(2, 0, 0), (0, 0, 2)]
    side = SimpleNamespace(axis=0, upper=True, face="z+")
    faces = BoundaryFaces(GRID, electrodes, [side]).faces
    of_side = faces.strip == 1
    assert faces.area[of_side].tolist() == [2.0, 0.0, 2.0, 0.0]
    # metal at (1, 0, 1) and (2, 0, 1): ore beside it at i = 0 and below it, air at i = 2 and above
    own = ~of_side
    assert sorted(zip(faces.axis[own].tolist(), faces.way[own].tolist(), strict=True)) == [
        (0, -1), (2, -1), (2, -1)]


def test_without_air_every_side_is_that_of_the_box():
    for axis in range(3):
        for upper in (False, True):
            whole = outer_voxels(GRID.shape, None, axis, upper)
            same = outer_voxels(GRID.shape, np.ones(GRID.shape, bool), axis, upper)
            assert all(np.array_equal(a, b) for a, b in zip(whole, same, strict=True))


def test_a_head_given_by_a_formula_takes_the_height_of_the_ground(tmp_path):
    """head = z on the top face of every column, as water that stands at the surface."""
    case = Case.read(hill_case(tmp_path), (
        'boundary.1={name="lake", kind="head", face="z+", head={formula="z", unit="m"}}',))
    level = case.boundaries[1].head.values
    heights = np.count_nonzero(case.active, axis=0) * 0.5
    assert level.shape == (3, 12) and level == pytest.approx(heights)
