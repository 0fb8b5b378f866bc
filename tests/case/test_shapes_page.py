"""Page cases/shapes.md: its example is a case that runs, and every kind of shape is on it."""

import re

import numpy as np
import pytest
from helpers.case_files import ROOT

from ekm3d import Simulation
from ekm3d.case.case import Case
from ekm3d.case.shapes import KEYS
from ekm3d.case.surfaces import MODELS
from ekm3d.grid.georeference import GeoReference

PAGE = (ROOT / "cases" / "shapes.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The example, with a survey of a slope from 5 m down to 2.6 m at places of its own."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "case.toml").write_text(BLOCKS["toml"])
    place = GeoReference((0.0, 0.0, 0.0), (512300.0, 2734100.0, 210.0), 30.0)
    plan = np.random.default_rng(19).uniform((-3, -3), (15, 7), (200, 2))
    points = place.to_real(np.column_stack([plan, 5 - 0.2 * plan[:, 0]]))
    (folder / "survey.csv").write_text("x,y,z\n" + "".join(
        f"{x!r},{y!r},{z!r}\n" for x, y, z in points.tolist()))
    return Case.read(folder)


def test_the_example_runs_a_step_and_its_water_closes(case):
    sim = Simulation(case, "numpy")
    sim.step()
    assert sim.balances.water_max < 1e-13 and sim.balances.mass_errors().max() < 1e-13
    assert sim.wells.surfaces[0].openings.voxel.size > 40


def test_the_volumes_on_the_page_are_those_of_check(case):
    text = case.describe()
    shown = " ".join(text[text.index("bodies on the grid"):].split())
    assert shown.startswith(" ".join(BLOCKS["text"].split())), shown[:600]


def test_the_volume_of_the_ground_is_that_of_the_slope(case):
    """12 x 4 m under 5 - 0.2 x, less the pit's 3 m2 from 1.5 m on and the pile's column.

    The pit: triangle of 3 x 2 / 2 m2 whose mean height is that at its centroid, x = 10 m: 3 m. The
    pile: pi 0.64 m2 to 4.6 m. The lines err by 0.1 m at upright sides: 1 % of the whole.
    """
    ground = 12 * 4 * (5 - 0.2 * 6) - 3.0 * (3.0 - 1.5) - np.pi * 0.64 * 4.6
    assert case.ore.ground.bodies[0].volume == pytest.approx(ground, rel=0.01)
    assert case.ore.ground.bodies[2].volume == pytest.approx(
        12 * 4 * 1.4 - np.pi * 0.64 * 1.8, rel=0.01)


def test_every_kind_of_shape_and_surface_is_on_the_page():
    for key in (*KEYS, *MODELS):
        assert f"{{ {key} = " in PAGE, key
