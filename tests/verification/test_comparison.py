"""Mapping of computed and expected values to common points."""

import numpy as np
import pytest

from ekm3d.grid.grid import Grid
from ekm3d.verification import comparison
from ekm3d.verification.comparison import ReferenceDataError
from ekm3d.verification.quantities import Sample


def field(values):
    """A row of voxels of 1 m along x."""
    values = np.asarray(values, dtype=float).reshape(1, 1, -1)
    return Sample(values, np.ones(values.shape, bool), Grid((values.size, 1, 1), (1.0,) * 3))


def test_averages_are_compared_on_common_cells():
    """12 voxels and 18 rows: 6 cells of 2 m; the averages of x over them are exact."""
    x = (np.arange(18) + 0.5) * 12 / 18
    computed, expected, coordinates = comparison.against_rows(
        field(np.arange(12) + 0.5), {"x": x}, x, averages=True)
    np.testing.assert_allclose(coordinates["x"], [1, 3, 5, 7, 9, 11])
    np.testing.assert_allclose(computed, coordinates["x"])
    np.testing.assert_allclose(expected, coordinates["x"])


def test_averages_over_another_length_are_refused():
    x = np.arange(10) + 0.5
    with pytest.raises(ValueError, match="voxels reach from 0 to 12 m along x"):
        comparison.against_rows(field(np.zeros(12)), {"x": x}, x, averages=True)


def test_points_are_interpolated_linearly():
    """Between centres and beyond the outermost; a straight line is met exactly."""
    where = {"x": np.array([0.0, 2.25, 12.0])}
    computed, _, _ = comparison.against_rows(field(3 * (np.arange(12) + 0.5)), where,
                                             np.zeros(3), averages=False)
    np.testing.assert_allclose(computed, [0.0, 6.75, 36.0], atol=1e-12)


def test_a_finer_run_is_averaged():
    computed, expected, _ = comparison.against_sample(field([1, 2, 3]),
                                                      field([0, 2, 1, 3, 2, 4]), 1.0)
    np.testing.assert_array_equal(computed, expected)


def test_a_number_beside_a_field_is_refused():
    for one, other in ((1.0, field([1, 2])), (field([1, 2]), 1.0)):
        with pytest.raises(ReferenceDataError, match="the other a number"):
            comparison.against_sample(one, other, 1.0)


def test_a_formula_may_hold_the_time_and_constants():
    text = comparison.substitute("v*t + 2*vt", {"t": 2.0, "v": -3.0})
    assert text == "(-3.0)*(2.0) + 2*vt"
