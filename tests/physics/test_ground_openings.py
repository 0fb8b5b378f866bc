"""Openings of unsaturated ground: heads on faces, and boundaries that a stage closes."""

import numpy as np
import pytest
from helpers.quick_flags import quick_backend

from ekm3d import Case, Simulation
from ekm3d.diagnostics import well_heads
from ekm3d.model.plan import plan_of

TEXT = """
[physics]
chemistry = false
[grid]
size = ["4 m", "1 m", "2 m"]
spacing = "0.5 m"
[ore]
porosity = 0.4
tortuosity = 0.6
permeability = "1e-5 m/s"
storage = "1e-6 1/m"
[ore.retention]
alpha = "3 1/m"
n = 2.0
pressure_head = { formula = "3 - z", unit = "m" }
[chemistry.inline]
activity = { model = "ideal", water_activity = 0.0 }
mobility = { model = "sqrt", coefficient = 0.0 }
component = [
  { name = "Na+", charge = 1, molar_mass = 22.99, diffusion = 1.33e-09, source = "test" },
  { name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 2.03e-09, source = "test" },
]
[schedule]
max_step = "1 h"
[[schedule.stage]]
name = "one"
duration = "1 d"
"""
HEADS = """
[[boundary]]
name = "up"
kind = "head"
face = "x-"
head = "3.2 m"
[[boundary]]
name = "down"
kind = "head"
face = "x+"
head = "3 m"
"""
RAIN = '\n[[boundary]]\nname = "rain"\nkind = "rain"\nface = "z+"\nrate = "1 mm/h"\n'
SEEPAGE = '\n[[boundary]]\nname = "foot"\nkind = "seepage"\nface = "x+"\n'


def stepped(folder, text, steps, *overrides):
    """The Simulation of a text after some steps."""
    folder.mkdir(exist_ok=True)
    (folder / "case.toml").write_text(text)
    sim = Simulation(Case.read(folder, overrides), quick_backend())
    for _ in range(steps):
        sim.step()
    return sim


def test_two_heads_drive_darcys_flow_through_full_ore(tmp_path):
    """q = K A dh / L = 1e-5 x 2 x 0.2 / 4 = 1e-6 m3/s; 1e-3: a step leaves 1e-5 of a voxel's water.
    """
    sim = stepped(tmp_path / "a", TEXT + HEADS, 3)
    control = sim.flow.control
    passed = [control.inflow[part].sum() for part in control.parts]
    assert passed == pytest.approx([1e-6, -1e-6], rel=1e-3)


def test_water_enters_by_a_head_on_faces_above_it_too(tmp_path):
    """Half of the faces lie above the level: a head is held on all of them, unlike a water table's.
    """
    dry = 'ore.retention.pressure_head={formula = "-0.5 - z", unit = "m"}'
    low = (dry, "boundary.0.head=1 m", "boundary.1.head=1 m")
    one = stepped(tmp_path / "a", TEXT + HEADS, 1, *low)
    assert (one.flow.control.inflow > 0).all()
    other = stepped(tmp_path / "b", TEXT + HEADS.replace('"head"', '"water table"'), 1, *low)
    assert (other.flow.control.inflow > 0).sum() == other.flow.control.inflow.size // 2


def test_a_closed_boundary_moves_no_other(tmp_path):
    """Heights of the openings after a boundary that the stage closes are their own, as without it.
    """
    closed = 'schedule.stage.0.boundary=[{ name = "rain", off = true }]'
    one = stepped(tmp_path / "a", TEXT + RAIN + SEEPAGE, 3, closed)
    other = stepped(tmp_path / "b", TEXT + SEEPAGE, 3)
    np.testing.assert_array_equal(one.flow.control.height, [0.25] * 2 + [0.75] * 2 + [1.25] * 2
                                  + [1.75] * 2)
    np.testing.assert_array_equal(one.state.head, other.state.head)
    assert one.flow.control.inflow.sum() < 0


def test_the_head_of_an_injection_is_a_height(tmp_path):
    """2 m of block; whatever the levels of leaks, which may lie below it or change with time."""
    (tmp_path / "level.csv").write_text("t_d,head_m\n0,-5\n1,-4\n")
    leak = ('\n[[boundary]]\nname = "{}"\nkind = "leak"\nface = "{}"\nhead = {}\n'
            'conductance = "1e-7 1/s"\n')
    well = '\n[[well]]\nname = "feed"\nkind = "injection"\nrate = "1 l/h"\n' \
        'box = [["1 m", "0 m", "1 m"], ["1.5 m", "1 m", "2 m"]]\n'
    text = TEXT + leak.format("a", "y-", '{ formula = "0.4 + x", unit = "m" }') \
        + leak.format("b", "y+", '{ table = "../level.csv", column = "head_m" }') + well
    sim = stepped(tmp_path / "case", text.replace("[physics]", 'folders = [".."]\n[physics]'), 1)
    (line,) = well_heads.lines(sim)
    head = well_heads.well_heads(sim)["feed"]
    assert line == f"  head of 'feed': height {head:.3g} m; the top of the block lies at 2 m"
    assert plan_of(sim).pore_volumes["one"] > 0
