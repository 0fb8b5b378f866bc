"""Shapes of a case as active ore: which voxels belong to them, and what is refused."""

import numpy as np
import pytest
from helpers.case_files import ROOT, complaints, copy, told

from ekm3d.case.case import Case

SALT = ROOT / "tests" / "data" / "case_salt"
LOW = [f"electrodes.row.{n}={{name='{name}', plates=[[[{x}, 0, 0], [{x + 0.1:g}, 0.15, 0.2]]]}}"
       for n, (name, x) in enumerate((("left", 0.0), ("right", 0.5), ("middle", 0.3)))]
ALIKE = (*LOW, "probe=[]")


@pytest.fixture
def case(tmp_path):
    """6 x 3 x 4 voxels of 10 x 15 x 20 cm; rows left, right and middle."""
    return copy(tmp_path, SALT)


def active(case, shape, *more):
    return Case.read(case, (*ALIKE, f"ore.active={shape}", *more))


def test_a_voxel_is_active_from_half_on(case):
    """A level of 0.5 m is in the middle of the third layer: half is enough, 1 mm less is not."""
    assert active(case, "{below='0.5 m'}").active.sum(axis=0).tolist() == [[3] * 6] * 3
    assert active(case, "{below='0.499 m'}").active.sum(axis=0).tolist() == [[2] * 6] * 3
    strict = active(case, "{below='0.5 m'}", "grid.least_share=60 %")
    assert strict.active.sum(axis=0).max() == 2


def test_names_stand_for_shapes_and_surfaces(case):
    named = ('surfaces.top={formula="0.5 - 0.2*x"}', 'shapes.hill={below="top"}',
             'shapes.pit={box=[[0.2, 0, 0.2], [0.4, 0.45, 0.8]]}')
    hill = active(case, '"hill"', *named)
    less = active(case, '{difference=["hill", "pit"]}', *named)
    x, z = hill.grid.centres(2), hill.grid.centres(0)[:, None, None]
    assert np.array_equal(hill.active, np.broadcast_to(z <= 0.5 - 0.2 * x, hill.grid.shape))
    assert less.active.sum() == hill.active.sum() - (hill.active & (z > 0.2) & (x > 0.2)
                                                     & (x < 0.4)).sum()


def test_check_tells_what_the_grid_adds_or_takes(case):
    """A layer of 0.55 m in voxels of 0.2 m: 3 layers, 5 cm of 0.6 x 0.45 m2 more."""
    text = active(case, "{below='0.55 m'}").describe()
    line = next(line for line in text.splitlines() if line.startswith("  active ore"))
    assert line.split() == ["active", "ore", "0.1485", "54", "0.162", "+0.0135", "m3", "(+9.1",
                            "%)"]
    assert "18 of 72 voxels take no part" in text


def test_mass_and_inventory_are_those_of_active_ore(case):
    whole, half = Case.read(case, ALIKE), active(case, "{below='0.4 m'}")
    assert half.mass == pytest.approx(0.5 * whole.mass)
    assert half.pore_volume == pytest.approx(0.5 * whole.pore_volume)
    for name, amounts in whole.inventory().items():
        assert half.inventory()[name] == pytest.approx(tuple(0.5 * a for a in amounts))


def test_a_closed_body_of_triangles(case, tmp_path):
    """A ball of 1,000 triangles is the sphere but for 1 % of its volume; an open one is refused."""
    pyvista = pytest.importorskip("pyvista")
    pyvista.Sphere(radius=0.28, center=(0.3, 0.225, 0.4)).save(case / "ball.stl")
    fine = ("grid.spacing=5 cm", *(
        f"electrodes.row.{n}.plates=[[[{x}, 0.2, 0.35], [{x + 0.05:g}, 0.25, 0.45]]]"
        for n, x in enumerate((0.1, 0.45, 0.3))))
    of_file = active(case, '{mesh={file="ball.stl"}}', *fine)
    sphere = active(case, '{sphere={centre=[0.3, 0.225, 0.4], radius=0.28}}', *fine)
    one, other = (c.ore.ground.bodies[0].volume for c in (of_file, sphere))
    assert one == pytest.approx(other, rel=0.02)
    assert (of_file.active != sphere.active).sum() <= 0.03 * sphere.active.sum()
    pyvista.Sphere(radius=0.28, center=(0.3, 0.225, 0.4), end_phi=120).save(case / "ball.stl")
    told(case, "ore.active", "'ball.stl' is not closed", *ALIKE, *fine,
         'ore.active={mesh={file="ball.stl"}}')


@pytest.mark.parametrize("shape, key, text", [
    ('"hil"', "ore.active", "there is no [shapes.hil]; did you mean 'hill'?"),
    ("{ball=3}", "ore.active", "'ball' is no kind of shape"),
    ("{below='1 m', above='0 m'}", "ore.active", "a table with one of below, above, between"),
    ("{union=['hill']}", "ore.active", "at least two shapes"),
    ("{between=['0.3 m', '0.2 m']}", "ore.active", "the surfaces cross"),
    ("{between=['0.3 m']}", "ore.active", "between should be two surfaces"),
    ("{below='-1 m'}", "ore.active", "no voxel of the block lies in it"),
    ("{box=[[0, 0, 0], [1, 1, 0]]}", "ore.active", "is a box without volume"),
    ("{polygon={corners=[[0, 0], [1, 0]], bottom=0, top=1}}", "ore.active.polygon.corners",
     "at least three corners"),
    ("{polygon={corners=[[0, 0], [1, 0], [1, 1]], bottom=1, top=1}}", "ore.active",
     "must lie above its bottom"),
    ("{cylinder={start=[0, 0, 0], end=[0, 0, 0], radius=1}}", "ore.active", "has no length"),
    ("{sphere={centre=[0, 0, 0]}}", "ore.active.sphere.radius", "is missing"),
    ("'self'", "shapes.self.outside", "is made of itself: self of self"),
    ("'hill'", "shapes.unused", "'ball' is no kind of shape"),
    ("'hill'", "surfaces.unused", "so no z can stand in its formula"),
    ("{below={mesh='top.stl'}}", "ore.active.below", "there is no file 'top.stl'")])
def test_a_wrong_shape_is_told(case, shape, key, text):
    told(case, key, text, f"ore.active={shape}", 'shapes.hill={below="1 m"}',
         'shapes.self={outside="self"}', "shapes.unused={ball=1}",
         "surfaces.unused={formula='z'}")


def test_what_lies_in_the_air_is_refused(case):
    """Electrodes, probes and wells, each with its name; an electrode that stands out is warned of.
    """
    low = "ore.active={below='0.4 m'}"
    told(case, "electrodes.row.2", "electrode 1 of 'middle' lies wholly in the air", low, *ALIKE,
         "electrodes.row.2.plates=[[[0.3, 0, 0.5], [0.4, 0.15, 0.7]]]")
    told(case, "probe.0.position", "lies in the air, outside ore.active", low, *LOW,
         "probe.0.position=[0.25, 0.2, 0.7]")
    told(case, "well.0.box", "lies in the air", low, *ALIKE,
         'well=[{name="w", kind="drain", head="0 m", box=[[0.2, 0, 0.6], [0.3, 0.45, 0.8]]}]')
    lines = Case.read(case, (*ALIKE, low, "electrodes.row.0.plates=[[[0, 0, 0.2], "
                             "[0.1, 0.15, 0.8]]]")).warnings
    assert any("voxels of electrode 1 of anode 'left' lie in the air" in line for line in lines)


def test_electrodes_that_stand_out_of_the_ore_are_listed_in_one_warning(case):
    """Three of them lie in the air above 0.4 m with a part of their voxels; one line names all."""
    lines = Case.read(case, ("ore.active={below='0.4 m'}", "probe=[]", *(
        f"electrodes.row.{n}.plates=[[[{x}, 0, 0.2], [{x + 0.1:g}, 0.15, {top}]]]"
        for n, (x, top) in enumerate(((0, 0.8), (0.5, 0.6), (0.2, 0.5)))))).warnings
    (line,) = [line for line in lines if "air" in line]
    assert "electrodes: 3 electrodes stand out of the ore into the air" in line
    for name in ("1 of anode 'left'", "1 of cathode 'right'", "1 of 'middle'"):
        assert name in line


def test_an_open_side_of_air_is_refused(case):
    """x- is where the cylinder does not reach; z+ follows it, and is open."""
    rod = "ore.active={cylinder={start=[0.3, 0.225, 0], end=[0.3, 0.225, 0.6], radius=0.2}}"
    rows = [f"electrodes.row.{n}.plates=[[[{x}, 0.15, 0], [{x + 0.1:g}, 0.3, 0.2]]]"
            for n, x in enumerate((0.2, 0.4, 0.3))]
    side = 'side=[{{face="{}", head="0.5 m", composition={{}}}}]'
    told(case, "side.0.face", "covered by electrodes or air", rod, *rows, "probe=[]",
         side.format("x-"))
    assert not any("side.0" in line for line in complaints_or_none(
        case, rod, *rows, "probe=[]", side.format("z+")))


def complaints_or_none(case, *overrides):
    try:
        Case.read(case, overrides)
    except Exception:
        return complaints(case, *overrides)
    return ()
