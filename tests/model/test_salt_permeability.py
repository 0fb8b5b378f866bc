"""Flow through a column whose permeability follows the salt of its water: harmonic means."""

from itertools import pairwise

import pytest
from helpers.quick_flags import quick_backend

from ekm3d import Case, Simulation

COLUMN = """
title = "salt in one half"
[grid]
size = ["1 m", "10 cm", "10 cm"]
spacing = ["10 cm", "10 cm", "10 cm"]
[ore]
porosity = 0.4
water_content = 0.4
tortuosity = 0.5
permeability = "1e-6 m/s"
[chemistry]
components = ["H+", "Na+", "Cl-"]
minerals = []
activity = "ideal"
[water]
composition = { "Na+" = "0 mol/l", "Cl-" = "0 mol/l" }
[[water.region]]
box = [["0 m", "0 m", "0 m"], ["50 cm", "10 cm", "10 cm"]]
composition = { "Na+" = "SALT", "Cl-" = "SALT" }
[[side]]
face = "x-"
head = "1 m"
composition = { "Na+" = "SALT", "Cl-" = "SALT" }
contact = "advective"
[[side]]
face = "x+"
head = "0 m"
[physics]
potential = false
[physics.medium]
salt = { "Na+" = [["0 mol/l", 1.0], ["0.2 mol/l", 0.2]] }
[[schedule.stage]]
name = "flow"
duration = "30 d"
"""


@pytest.mark.parametrize("salt, factor", [(0.0, 1.0), (0.1, 0.6), (0.2, 0.2), (1.0, 0.2)])
def test_a_half_with_salt_resists_in_series(tmp_path, salt, factor):
    """q = K i 2/(1 + 1/f): halves of K and f K in series, 1 m of head over 1 m."""
    (tmp_path / "case.toml").write_text(COLUMN.replace("SALT", f"{salt} mol/l"))
    sim = Simulation(Case.read(tmp_path), quick_backend())
    sim.fields()
    assert sim.flow.through_sides()[0].sum() == pytest.approx(
        1e-6 * 0.01 * 2 / (1 + 1 / factor), rel=1e-8)


def test_salt_that_enters_slows_the_flow(tmp_path):
    """Full of 0.1 mol/l, after six pore volumes, the column lets through q = 0.6 K i.

    Half of it has it at the start, 0.75 K i; the gradient is 20. Never faster on the way.
    """
    text = COLUMN.replace("SALT", "0.1 mol/l").replace('head = "1 m"', 'head = "20 m"')
    (tmp_path / "case.toml").write_text(text)
    sim = Simulation(Case.read(tmp_path), quick_backend())
    flows = [sim.flow.through_sides()[0].sum() for _ in sim.steps(2 * 86400.0)]
    assert all(a >= b * (1 - 1e-9) for a, b in pairwise(flows))
    assert flows[0] == pytest.approx(15e-8, rel=0.05)
    assert flows[-1] == pytest.approx(12e-8, rel=1e-3)
