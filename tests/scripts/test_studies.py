"""The script of the accuracy studies: its arithmetic, and one small run of each kind."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "tools"))

import steptables
import studies


def test_first_order_errors_are_recognised_and_taken_away():
    """q = 3 + 0.5 dt at dt = 1, 1/2, 1/4, 1/8: order 1 twice, 3 at dt = 0, exactly.

    With 0.5 dt^2 the changes shrink by 4: order 2.
    """
    dt = np.array([1.0, 0.5, 0.25, 0.125])
    assert steptables.orders(3 + 0.5 * dt) == pytest.approx([1.0, 1.0])
    assert steptables.limit(3 + 0.5 * dt) == pytest.approx(3.0)
    assert steptables.orders(3 + 0.5 * dt**2) == pytest.approx([2.0, 2.0])
    assert steptables.limit(3 + 0.5 * dt**2, 2) == pytest.approx(3.0)


def test_changes_in_the_noise_have_no_order():
    """A value that changes by 1e-12 of itself tells nothing, however the changes compare."""
    assert np.isnan(steptables.orders(np.array([1 + 4e-12, 1 + 2e-12, 1.0]))).all()


def test_a_front_is_found_between_voxels():
    """2 at 0.1 m, 6 at 0.3 m: 3 lies a quarter of the way, at 0.15 m; 7 nowhere."""
    x, values = np.array([0.1, 0.3]), np.array([2.0, 6.0])
    assert studies.crossing(x, values, 3.0) == pytest.approx(0.15)
    assert np.isnan(studies.crossing(x, values, 7.0))


def test_halving_the_steps_of_the_cell_doubles_their_number():
    """Ten voxels, ten minutes; the limit hardly moves in that time, so 2 +- 0.5 times as many.

    Acid made is I t/F however long the steps, 10 A x 600 s / F = 0.0622 mol. Tolerance 1e-5: the
    H+ and OH- of neutral water (c D = 1e-4 x 1.5e-8) carry 4e-6 of the current of the salt
    (100 x 1.33e-9 + 50 x 4 x 1.07e-9) and take as much acid out of the anode's half.
    """
    runs = [studies.march(studies.CELL, 1 / 6, [*studies.cell_grid(0.01),
                                                *studies.finer(studies.CELL, cut)])
            for cut in (2, 4)]
    few, many = (run.steps.size for run in runs)
    assert 1.5 * few <= many <= 2.5 * few
    for run in runs:
        assert run.sim.state.time == pytest.approx(600.0)
        acid = studies.electrolysis(run)["acid in the cell (mol)"]
        assert acid == pytest.approx(6000 / 96485.33212, rel=1e-5)


def test_upwind_water_smears_by_half_a_voxel_of_its_speed():
    """Carbonate at pH below 5 is CO2, without charge: only water moves it, at 5e-7 m/s.

    Upwind that adds q h/2 = 2.5e-8 m2/s on voxels of 10 cm; 1 % for the little HCO3- that
    migrates. Dispersion is alpha q = 2.5e-8 exactly; blended adds less than upwind.
    """
    found = {}
    for scheme in ("upwind", "blended"):
        run = studies.march(studies.COLUMN, 12, [*studies.column_grid(0.1),
                                                 f"physics.scheme={scheme}"])
        found[scheme] = studies.smearing(run.sim)["HCO3"]
    assert found["upwind"][0] == pytest.approx(2.5e-8, rel=0.01)
    assert found["upwind"][2] == pytest.approx(2.5e-8, rel=1e-9)
    assert found["blended"][0] < found["upwind"][0]


def test_sections_of_the_page_are_replaced_in_place():
    """A study that was run again replaces its section and leaves the others, in their order."""
    heads = [f"## {studies.STUDIES[name].__doc__}" for name in ("cell", "field")]
    page = studies.merge("", {heads[1]: [heads[1], "", "old", ""]})
    page = studies.merge(page, {heads[0]: [heads[0], "", "new", ""]})
    assert page.index(heads[0]) < page.index("new") < page.index(heads[1]) < page.index("old")
    again = studies.merge(page, {heads[1]: [heads[1], "", "newer", ""]})
    assert "old" not in again and "newer" in again and "new\n" in again
