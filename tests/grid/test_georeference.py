"""Place of the block in real space: there and back, and turns that are known."""

import numpy as np
import pytest

from ekm3d.grid.georeference import GeoReference


def test_a_quarter_turn_takes_east_to_north_exactly():
    """x of the block points north; no rounding of cos 90 degrees is left."""
    place = GeoReference((1.0, 2.0, 3.0), (100.0, 200.0, 300.0), 90.0, "EPSG:32649")
    assert place.to_real([2.0, 2.0, 3.0]).tolist() == [100.0, 201.0, 300.0]
    assert place.to_real([1.0, 3.0, 3.5]).tolist() == [99.0, 200.0, 300.5]


@pytest.mark.parametrize("angle", [0.0, 12.5, -200.0, 180.0])
def test_points_come_back(angle):
    place = GeoReference((-5.0, 7.0, 1.0), (512300.0, 2734100.0, 210.0), angle, "local")
    points = np.random.default_rng(71).uniform(-50, 50, (40, 3))
    assert place.to_local(place.to_real(points)) == pytest.approx(points, abs=1e-8)
    assert np.linalg.norm(np.diff(place.to_real(points), axis=0), axis=1) == pytest.approx(
        np.linalg.norm(np.diff(points, axis=0), axis=1), abs=1e-8)


def test_a_case_that_says_nothing_is_in_real_space_already():
    place = GeoReference((1.0, 2.0, 3.0))
    assert not place.given and place.real_origin == (1.0, 2.0, 3.0)
    assert place.to_real([[4.0, 5.0, 6.0]]).tolist() == [[4.0, 5.0, 6.0]]
