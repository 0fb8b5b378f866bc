"""Potential of one voxel on an endless grid, and of a line."""

import numpy as np
import pytest

from ekm3d.grid.lattice_potential import lattice_potential, line_potential


def test_a_cube_has_watsons_integral():
    """K(0) h = 0.252731009858663 (Watson 1939), and K(0) - K(1) = 1/6 by symmetry; to 1e-11."""
    own, next_one = lattice_potential([[0, 0, 0], [0, 1, 0]], np.array([0.1, 0.1, 0.1]))
    assert 0.1 * own == pytest.approx(0.252731009858663, abs=1e-11)
    assert 0.1 * (own - next_one) == pytest.approx(1 / 6, abs=1e-11)


def test_far_places_of_thin_voxels_are_numbers():
    """700 voxels of 1.25 cm beside ones 1.1 m high, where SciPy's Bessel functions fail."""
    K = lattice_potential([[n, 0, 0] for n in (0, 1, 100, 700)], np.array([0.0125, 0.0125, 1.1]))
    assert (np.diff(K) < 0).all() and (K > 0).all()


@pytest.mark.parametrize("spacing", [(0.01, 0.02, 0.3), (0.0125, 0.5, 0.0125), (1.0, 1.0, 1.0)])
def test_a_unit_of_current_leaves_the_source(spacing):
    """The six faces pass 1 in sum, whatever the voxel's shape; 1e-9, as differences cancel."""
    K = lattice_potential([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, -1]], np.array(spacing))
    through = np.prod(spacing) / np.array(spacing) ** 2 * (K[0] - K[1:])
    assert 2 * through.sum() == pytest.approx(1.0, abs=1e-9)


def test_far_away_it_is_the_point_source():
    """1 / (4 pi r) but for h^2/r^2 of it: r = 30 h."""
    far, = lattice_potential([[20, 20, 10]], np.ones(3))
    assert 4 * np.pi * 30 * far == pytest.approx(1.0, abs=2e-3)


def test_a_line_has_the_potential_of_its_points():
    """The closed form against 20 000 points along the line, at a point 0.3 m away; 1e-8."""
    begin, end, point = np.array([0.0, 0, 0]), np.array([1.0, 2, 0.5]), np.array([0.2, 0.1, 0.4])
    part = (np.arange(20000) + 0.5)[:, None] / 20000
    r = np.linalg.norm(begin + part * (end - begin) - point, axis=1)
    assert line_potential(point, begin, end, 0.0) == pytest.approx(
        (1 / (4 * np.pi * r)).mean(), rel=1e-8)
