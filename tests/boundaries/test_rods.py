"""Openings of rods: Peaceman's well, images in the sides, shapes; resistance against exact ones."""

import json

import numpy as np
import pytest
from helpers.rod_cases import case_text, currents, solved

from ekm3d.boundaries.rods import Rod, axis_voxels, openings, rectangle_radius
from ekm3d.diagnostics.well_heads import well_heads
from ekm3d.errors import InputError
from ekm3d.grid.grid import Grid

R0 = np.exp(-np.euler_gamma) / np.sqrt(8)           # of cubes, over h (Peaceman 1978)
THIN = 1e-3


def upright(x, y, height=4.0, radius=THIN):
    return Rod((x, y, height), (x, y, 0.0), 2 * radius, 2 * radius)


def of(rod, cells=(40, 40, 40), spacing=(0.1, 0.1, 0.1)):
    grid = Grid(cells, spacing)
    return openings(rod, grid, np.ones(grid.shape, bool))


def test_in_the_middle_of_cubes_it_is_peacemans_well():
    """2 pi L / ln(r_0/r_w) in one voxel per layer, L = h; 5e-4: the window ends after 8 voxels."""
    found = of(upright(2.05, 2.05))
    assert len(found.reach) == 40
    assert found.reach == pytest.approx(2 * np.pi * 0.1 / np.log(R0 * 0.1 / THIN), rel=5e-4)
    assert found.area == pytest.approx(2 * np.pi * THIN * 0.1)


@pytest.mark.parametrize("ratio", [0.5, 3.0])
def test_on_oblong_voxels_it_is_peacemans_well(ratio):
    """r_0 = exp(-gamma)/4 sqrt(dx^2 + dy^2) (Peaceman 1983), 0.1404 of the diagonal."""
    dx, dy = 0.1, 0.1 * ratio
    found = of(upright(20.5 * dx, 20.5 * dy), (41, 41, 40), (dx, dy, 0.1))
    r0 = np.exp(-np.euler_gamma) / 4 * np.hypot(dx, dy)
    assert found.reach == pytest.approx(2 * np.pi * 0.1 / np.log(r0 / THIN), rel=2e-3)


def test_a_line_between_voxels_is_shared_and_keeps_its_place():
    """On a face two voxels share alike: ln r = (ln r_0 + ln r_1)/2 with r_1 = r_0 exp(pi/2).

    As K(0) - K(1) = 1/4 in the plane. A quarter off, 3/4 and 1/4 of the current.
    """
    found = of(upright(2.0, 2.05))
    mean = R0 * 0.1 * np.exp(np.pi / 4)
    assert found.reach == pytest.approx(np.pi * 0.1 / np.log(mean / THIN), rel=1e-3)
    quarter = of(upright(2.075, 2.05))
    assert quarter.area / (2 * np.pi * THIN * 0.1) == pytest.approx(
        np.tile([0.75, 0.25], 40), abs=1e-9)


def test_a_rod_in_a_side_has_half_its_surface():
    """Current of the half space: the two voxels at the side conduct as two of four inside do."""
    side, inside = of(upright(0.0, 2.0)), of(upright(2.0, 2.0))
    assert len(side.reach) == 80 and len(inside.reach) == 160
    assert side.reach == pytest.approx(inside.reach[0], rel=1e-3)
    assert side.area.sum() == pytest.approx(np.pi * THIN * 4.0)


def test_a_rod_that_ends_on_a_face_does_not_pass_the_voxel_behind():
    """From z = 1 to z = 3 in voxels of 1 m: two of four; the face between four columns is one's."""
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0))
    rod = Rod((2.0, 1.5, 3.0), (2.0, 1.5, 1.0), 0.02, 0.02)
    assert [a.tolist() for a in axis_voxels(rod, grid)] == [[1, 2], [1, 1], [2, 2]]
    level = Rod((3.0, 0.5, 0.5), (1.0, 0.5, 0.5), 0.02, 0.02)
    assert axis_voxels(level, grid)[2].tolist() == [1, 2]


def test_pieces_of_an_oblique_line_add_up():
    """Length and surface are those of the line, whatever voxels it passes."""
    rod = Rod((1.03, 1.05, 0.5), (2.7, 2.2, 3.0), 2 * THIN, 2 * THIN)
    found = of(rod)
    assert found.lengths.sum() == pytest.approx(rod.length + THIN, rel=1e-6)   # both flat ends
    assert found.area.sum() == pytest.approx(2 * np.pi * THIN * found.lengths.sum())
    assert (found.reach > 0).all()


def test_cross_sections_have_their_exact_radii():
    """A quarter of a strip's width; Gamma(1/4)^2 / (4 pi^1.5) of the side of a square."""
    assert rectangle_radius(0.1, 0.0) == pytest.approx(0.025)
    assert rectangle_radius(0.2, 0.2) == pytest.approx(0.2 * 0.5901702995, rel=1e-9)
    assert rectangle_radius(0.1, 0.005) == rectangle_radius(0.005, 0.1)


def test_what_leaves_the_block_or_the_ore_is_refused():
    with pytest.raises(InputError, match="leaves the block"):
        of(upright(4.5, 1.0))
    grid = Grid((4, 4, 4), (0.1, 0.1, 0.1))
    ore = np.ones(grid.shape, bool)
    ore[3] = False
    with pytest.raises(InputError, match="holds no ore"):
        openings(upright(0.15, 0.15, 0.4), grid, ore)


# ---- resistance does not depend on the grid ---------------------------------------------------

CYLINDERS = 0.22602187826986977     # A, of 10 V: method of fundamental solutions, to 2e-6


@pytest.mark.parametrize("h", [0.1, 0.05, 0.025])
def test_cylinders_in_a_box_carry_their_current(tmp_path, h):
    """The two cylinders of verification case d3, a = 2 cm, within 1 % on three grids.

    They are 0.2 to 0.8 of a voxel in radius and lie on faces and edges of voxels.
    """
    rows = {name: f"rods = {{ x = {x}, y = 0.3, bottom = 0, top = 0.3, radius = 0.02 }}"
            for name, x in (("A", 0.25), ("C", 0.75))}
    sim = solved(tmp_path, case_text((1, 0.6, 0.3), (h, h, 0.3), rows,
                                     'anodes = ["A"]\ncathodes = ["C"]\nvoltage = 10'))
    assert currents(sim)["A"] == pytest.approx(CYLINDERS, rel=0.01)


POSTS = {"E0": 0.2159006824, "E1": 0.1960682056, "E2": 0.1900052373}
LAYERED = ('{ formula = "where((x > 0.4)*(x < 0.6)*(y > 0.1)*(y < 0.4)*(z > 0.1)*(z < 0.3), 0.01, '
           'where((x > 0.6)*(x < 0.76)*(y > 0.3)*(y < 0.5)*(z > 0.2)*(z < 0.4), 0.4, '
           'where(z > 0.2, 0.05, 0.12)))*(1 + 0.5*x/1.0 - 0.3*y/0.6)", unit = "S/m" }')


@pytest.mark.parametrize("h", [0.1, 0.05, pytest.param(0.025, marks=pytest.mark.slow)])
def test_posts_in_layered_ore_carry_their_current(tmp_path, h):
    """The six square posts of verification case d4, 4 cm wide: the sum within 1 %, each in 2.

    Two programs agree on it to 5e-5. Single ones differ more on 10 cm, as whole voxels do.
    """
    rows = {f"E{n}": f"rods = {{ x = {x}, y = {y}, bottom = 0.1, top = 0.4, width = 0.04, "
            'thickness = 0.04 }' for n, (x, y) in enumerate(
                (x, y) for x in (0.18, 0.82) for y in (0.1, 0.3, 0.5))}
    stage = f'anodes = {json.dumps(list(rows)[:3])}\ncathodes = {json.dumps(list(rows)[3:])}\n'
    sim = solved(tmp_path, case_text((1, 0.6, 0.4), (h, h, h), rows, stage + "voltage = 20",
                                     LAYERED))
    found = currents(sim)
    assert sum(found[n] for n in POSTS) == pytest.approx(0.6019741253, rel=0.01)
    for name, exact in POSTS.items():
        assert found[name] == pytest.approx(exact, rel=0.02)


def test_a_line_may_lie_anywhere_in_its_voxel(tmp_path):
    """The current of two thin rods changes by less than 1 % wherever the grid puts their axes.

    Both are shifted together by parts of a voxel of 10 cm in a box in which their distance to all
    sides changes by no more than 2 % by that: exact resistances differ by 0.3 %.
    """
    found = []
    for shift in (0.0, 0.025, 0.05):
        rows = {name: f"rods = {{ x = {x + shift}, y = {1.95 + shift}, bottom = 0, top = 0.2, "
                "radius = 0.002 }" for name, x in (("A", 1.45), ("C", 2.45))}
        sim = solved(tmp_path, case_text((4, 4, 0.2), (0.1, 0.1, 0.2), rows,
                                         'anodes = ["A"]\ncathodes = ["C"]\nvoltage = 10'))
        found.append(currents(sim)["A"])
    assert max(found) / min(found) < 1.01


# ---- rods that stand out of the ground --------------------------------------------------------

def test_what_stands_in_the_air_gives_no_current():
    """Pieces above the ground have length and no voxels; those below are a shorter rod's."""
    grid = Grid((9, 9, 8), (0.1, 0.1, 0.1))
    air = np.zeros(grid.shape, bool)
    air[4:] = True
    rod = upright(0.45, 0.45, 0.7)
    found, short = (openings(one, grid, ~air, air) for one in (rod, upright(0.45, 0.45, 0.4)))
    assert len(found.lengths) == 7 and found.lengths.sum() == pytest.approx(0.7)
    assert np.array_equal(found.index, short.index) and set(found.piece) == {3, 4, 5, 6}
    assert found.area.sum() == pytest.approx(2 * np.pi * THIN * 0.4)
    assert found.reach == pytest.approx(short.reach, rel=1e-12)
    with pytest.raises(InputError, match="passes no ore"):
        openings(Rod((0.45, 0.45, 0.7), (0.45, 0.45, 0.5), THIN, THIN), grid, ~air, air)


def test_an_oblique_rod_leaves_the_ground_by_the_part_of_its_pieces():
    """Surface in the ore over that of the rod: the part of its length below the ground, 0.625.

    A piece is a 17th of it and ends at one of 4 points, which stand for up to a third of a piece.
    """
    grid = Grid((20, 9, 8), (0.1, 0.1, 0.1))
    air = np.zeros(grid.shape, bool)
    air[5:] = True
    rod = Rod((0.1, 0.45, 0.8), (1.8, 0.45, 0.0), 2 * THIN, 2 * THIN)
    found = openings(rod, grid, ~air, air)
    whole = 2 * np.pi * THIN * found.lengths.sum()
    assert found.area.sum() / whole == pytest.approx(5 / 8, abs=0.02)
    assert not air[tuple(found.index.T)].any()


@pytest.mark.parametrize("resistance", [0, 30])
def test_rods_in_a_hill_carry_the_current_of_the_block_below(tmp_path, resistance):
    """Two rods through 0.5 m of ore and 0.3 m of air, and the same in a block of 0.5 m.

    Mirror images in the ground are not those of the block's sides: 2 % of the current. What stands
    out is metal as well: 30 ohm/m over 0.3 m of both rods are 18 ohm in series.
    """
    found = []
    for height in (0.5, 0.8):
        rods = {name: f'rods = {{ x = {x}, y = 0.25, bottom = 0, top = {height}, '
                f'radius = "2 mm", resistance = {resistance} }}'
                for name, x in (("A", 0.25), ("C", 0.75))}
        text = case_text((1.0, 0.5, height), (0.1, 0.1, 0.1), rods,
                         'anodes = ["A"]\ncathodes = ["C"]\nvoltage = "10 V"', '"0.1 S/m"')
        text = text.replace("[ore]\n", '[ore]\nactive = { below = "0.5 m" }\n') \
            if height > 0.5 else text
        found.append(currents(solved(tmp_path / str(height), text))["A"])
    assert 10.0 / found[1] - 18.0 * (resistance > 0) == pytest.approx(10.0 / found[0], rel=0.02)


# ---- conductivity that differs along the axes ---------------------------------------------------

DIRECTED = """
title = "rods in layered ore"
[physics]
flow = false
transport = false
chemistry = false
[grid]
size = ["1 m", "{width} m", "0.3 m"]
spacing = ["{h} m", "{across} m", "0.3 m"]
[ore]
porosity = 0.4
water_content = 0.4
tortuosity = {{ x = 0.8, y = {tau}, z = 0.1 }}
[chemistry.inline]
activity = {{ model = "ideal", water_activity = 0.0 }}
mobility = {{ model = "sqrt", coefficient = 0.0 }}
component = [
  {{ name = "Na+", charge = 1, molar_mass = 22.99, diffusion = 1.33e-09, source = "test" }},
  {{ name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 2.03e-09, source = "test" }}]
[water]
composition = {{ "Na+" = "20 mol/m3", "Cl-" = "20 mol/m3" }}
[electrodes]
overpotential = "0 V"
contact_resistance = "0 ohm"
catholyte_volume = "0 l"
[[electrodes.row]]
name = "A"
rods = {{ x = 0.25, y = {middle}, bottom = 0, top = 0.3, radius = {radius} }}
[[electrodes.row]]
name = "C"
rods = {{ x = 0.75, y = {middle}, bottom = 0, top = 0.3, radius = {radius} }}
[schedule]
max_step = "1 h"
[[schedule.stage]]
name = "run"
duration = "1 h"
anodes = ["A"]
cathodes = ["C"]
voltage = "10 V"
"""


def test_layers_across_a_rod_have_their_exact_resistance(tmp_path):
    """sigma_y = sigma_x/4: the current of the box stretched twofold along y, with its own line.

    There sigma is that along x, the height counts half, and the circle is an ellipse whose mean
    half axis is 1.5 r. Cubes and other voxels within 1 %; with the r_0 of equal conductivities
    the current would be up to 5 % off.
    """
    def current(name, **keys):
        return currents(solved(tmp_path / name, DIRECTED.format(**keys)))["A"]

    exact = 0.5 * current("exact", tau=0.8, width=1.2, middle=0.6, radius=0.015, h=0.025,
                          across=0.025)
    for h, across in ((0.1, 0.1), (0.05, 0.05), (0.05, 0.1), (0.025, 0.05)):
        found = current(f"{h} {across}", tau=0.2, width=0.6, middle=0.3, radius=0.01, h=h,
                        across=across)
        assert found == pytest.approx(exact, rel=0.01), (h, across)


WELLS = """
[[well]]
name = "feed"
kind = "injection"
at = "A"
rate = "1e-6 m3/s"
composition = { "Na+" = "20 mol/m3", "Cl-" = "20 mol/m3" }
[[well]]
name = "leachate"
kind = "collector"
at = "C"
head = "0 m"
"""


def test_water_at_rods_has_the_line_of_the_permeability(tmp_path):
    """K_y = K_x/4: the head of a rate times K_x is the voltage of a current times sigma_x.

    That of rock whose tortuosity, and so conductivity, has the same ratios. Here it is equal along
    the axes: with its r_0 the line would have 14 % more conductance.
    """
    text = DIRECTED.format(tau=0.2, width=0.6, middle=0.3, radius=0.01, h=0.1, across=0.1)
    charge = solved(tmp_path / "charge", text)
    sigma = charge.electrolyte.conductivity(charge.state)[charge.grid.inner][0, 0, 0]
    resistance = 10.0 / currents(charge)["A"] * sigma
    wet = text.replace("flow = false", "flow = true").replace(
        "tortuosity = { x = 0.8, y = 0.2, z = 0.1 }", "tortuosity = 0.8\n"
        'permeability = { x = "1e-6 m/s", y = "2.5e-7 m/s", z = "1.25e-7 m/s" }')
    assert wet.count("permeability") == 1
    water = solved(tmp_path / "water", wet + WELLS)
    assert well_heads(water)["feed"] / 1e-6 * 1e-6 == pytest.approx(resistance, rel=1e-6)
