"""Observed order of convergence and Richardson's extrapolation, on values that are known."""

import math

import pytest

from ekm3d.study.refinement import refine, widths


@pytest.mark.parametrize("order", [0.5, 1.0, 1.7, 2.0, 4.0])
@pytest.mark.parametrize("grids", [(4.0, 2.0, 1.0), (10.0, 5.0, 4.0), (1.0, 3.0, 2.0)])
def test_order_and_limit_of_a_power_law(order, grids):
    """f = 3 + 2 h^p: p and 3 come out, on uneven ratios and in any order of the grids.

    The root is found to 1e-12; the error is 1.25 times that of the finest grid.
    """
    found = refine(grids, [3.0 + 2.0 * h**order for h in grids])
    assert found.order == pytest.approx(order, rel=1e-9) and found.remark == ""
    assert found.limit == pytest.approx(3.0, rel=1e-8)
    assert found.error == pytest.approx(1.25 * 2.0 * min(grids)**order, rel=1e-6)


def test_only_the_three_finest_count():
    """The coarsest of four has another law."""
    found = refine([1, 2, 4, 100], [3 + h**2 for h in (1, 2, 4)] + [-7.0])
    assert found.order == pytest.approx(2.0) and found.limit == pytest.approx(3.0)


@pytest.mark.parametrize("found, said", [
    ([1.0, 2.0], "three grids"), ([1.0, 2.0, math.nan], "three grids"),
    ([1.0, 2.0, 1.5], "not monotone"), ([1.0, 1.0, 2.0], "not monotone"),
    ([1.0, 2.0, 2.5], "does not converge")])
def test_values_that_show_no_order_say_so(found, said):
    """Widths 1, 2, 4; the last differ less and less on ever coarser grids."""
    r = refine([1.0, 2.0, 4.0][:len(found)], found)
    assert r.order is None and r.limit is None and said in r.remark


def test_two_runs_on_one_grid_give_no_order():
    """As where grid.least_share varies beside the spacing."""
    for width in ([1, 1, 2, 4], [1, 2, 2, 4]):
        found = refine(width, [1.0, 1.1, 1.3, 1.7])
        assert found.order is None and "vary grid.spacing alone" in found.remark


def test_a_value_that_is_the_same_on_all_grids():
    """To the last digit, or to those of the solvers."""
    for values in ([5.0, 5.0, 5.0], [5.0, 5.0 + 1e-10, 5.0 - 1e-11], [0.0, 0.0, 0.0]):
        found = refine([1, 2, 4], values)
        assert found.error == 0.0 and "the same" in found.remark


def test_the_width_is_that_of_the_refined_axes():
    """Axes of one voxel in all grids do not count; of two refined ones it is the mean."""
    assert widths([(0.1, 1.0, 1.0), (0.05, 1.0, 1.0)]) == pytest.approx([0.1, 0.05])
    assert widths([(4.0, 1.0, 7.0), (1.0, 0.25, 7.0)]) == pytest.approx([2.0, 0.5])
    assert widths([(1.0, 1.0, 1.0)] * 2) == [1.0, 1.0]
