"""[[side]]: reservoirs, potentials, currents and fluxes; balance of current and water."""

import numpy as np
import pytest
from helpers.case_files import OPEN, SMALL, complaints, copy, told

from ekm3d.case.case import Case
from ekm3d.case.sides import area

SODIUM = '{ "Na+" = "3.6 mmol/m2/h", "Cl-" = "3.6 mmol/m2/h" }'


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("open"), OPEN)


def test_sides_are_empty_by_default(tmp_path):
    assert Case.read(copy(tmp_path)).sides == ()


def test_all_keys_of_a_side_in_si(opened):
    """tests/data/case_open by hand; x+ has 0.8 x 3 = 2.4 m2, 3.6 mmol/m2/h is 1e-6 mol/m2/s."""
    left, right, top = Case.read(opened).sides
    assert [(s.face, s.axis, s.upper) for s in (left, right, top)] == \
        [("x-", 2, False), ("x+", 2, True), ("z+", 0, True)]
    assert left.composition == {"Na+": 1.0, "Cl-": 1.0} and left.contact == "diffusive"
    assert (left.flux, left.head, left.current) == (1e-6, None, None)
    assert (right.flux, right.head, right.potential) == (None, 0.0, None)
    assert right.current == pytest.approx(-24.0)
    assert top.composition is None and top.potential is None and left.component_flux == {}
    assert top.component_flux == pytest.approx({"Na+": 1e-6, "Cl-": 1e-6})


@pytest.mark.parametrize("face, shape, expected", [
    ("x-", (6, 4), lambda x, y, z: 100 * z + y), ("x+", (6, 4), lambda x, y, z: 100 * z + y + 5),
    ("y-", (6, 5), lambda x, y, z: 100 * z + 10 * x), ("y+", (6, 5),
                                                       lambda x, y, z: 100 * z + 10 * x + 0.8),
    ("z-", (4, 5), lambda x, y, z: y + 10 * x), ("z+", (4, 5), lambda x, y, z: 300 + y + 10 * x)])
def test_potential_formula_is_evaluated_at_face_centres(opened, face, shape, expected):
    """100 z + y + 10 x mV in the plane of the face, the other two axes in the order z, y, x."""
    case = Case.read(opened, [f"side=[{{face='{face}', potential={{formula='100*z + y + 10*x', "
                              "unit='mV'}}]", "physics.transport=false"])
    side, = case.sides
    z, y, x = np.meshgrid(*(case.grid.centres(a) for a in (0, 1, 2)), indexing="ij")
    assert side.potential.shape == shape and side.axis == "zyx".index(face[0])
    inner = expected(x, y, z).take(0, axis=side.axis)
    assert side.potential == pytest.approx(1e-3 * inner)


@pytest.mark.parametrize("text, face, amperes", [
    ("'10 A/m2'", "x+", 24.0), ("'10 A/m2'", "y-", 15.0), ("'1 mA/cm2'", "z+", 4.0),
    ("'-2 A'", "x+", -2.0), ("1.5", "x+", 1.5), ("0", "x+", 0.0)])
def test_side_current_in_A_or_per_area(opened, text, face, amperes):
    """The block has 0.5 x 0.8 x 3 m: sides of 2.4 m2 (x), 1.5 m2 (y), 0.4 m2 (z)."""
    case = Case.read(opened, [f"side=[{{face='{face}', current={text}, composition={{}}}}]"])
    assert case.sides[0].current == pytest.approx(amperes)
    assert area(case.grid, case.sides[0].axis) * 10 == pytest.approx(
        {"x": 24.0, "y": 15.0, "z": 4.0}[face[0]])


@pytest.mark.parametrize("side, key, message", [
    ("{}", "side.0.face", "is missing; write e.g. face = \"x-\""),
    ("{face='x'}", "side.0.face", "should be 'x-', 'x+', 'y-', 'y+', 'z-' or 'z+', not 'x'"),
    ("{face='x-'}, {face='x+'}, {face='x-'}", "side.2.face",
     "'x-' is also the face of side 0; put all of it in one [[side]]"),
    ("{face='x-', heat=3}", "side.0.heat", "unknown key; did you mean 'head'?"),
    ("{face='x-', composition={'Na+'='1 mmol/l'}}", "side.0.composition",
     "the ions do not balance: +1 eq/m3 in all; add 1 eq/m3 of anions"),
    ("{face='x-', composition={'Ma+'='1 mmol/l'}}", "side.0.composition.Ma+", "did you mean 'Na+'"),
    ("{face='x-', composition={'Na+'={formula='1', unit='mol/l'}}}", "side.0.composition.Na+",
     "cannot read {'formula': '1', 'unit': 'mol/l'} as mol/m3"),
    ("{face='x-', contact='tight', composition={}}", "side.0.contact",
     "should be 'diffusive' or 'advective', not 'tight'"),
    ("{face='x-', contact='advective'}", "side.0.contact", "give its composition, or leave the co"),
    ("{face='x-', composition={}, potential='3 V', current='1 A'}", "side.0",
     "has both potential and current; give one of them"),
    ("{face='x-', flux='0 m/s', head='0 m'}", "side.0", "has both flux and head; give one"),
    ("{face='x-', flux='1 m'}", "side.0.flux", "cannot read '1 m' as m/s"),
    ("{face='x-', composition={}, potential='1 A'}", "side.0.potential",
     "cannot read '1 A' as V"),
    ("{face='x-', composition={}, potential={formula='y'}}", "side.0.potential",
     "the unit of the formula is not known"),
    ("{face='x+', composition={}, potential={formula='sqrt(y - 0.2)', unit='V'}}",
     "side.0.potential", "the formula gives nan at (0.5, 0.1, 0.25) m"),
    ("{face='x-', composition={}, potential={table='a.npy', unit='V'}}",
     "side.0.potential.table", "unknown key; known: formula, unit"),
    ("{face='x-', composition={}, potential=true}", "side.0.potential", "cannot read True as V"),
    ("{face='x-', composition={}, current='1 V'}", "side.0.current",
     "cannot read '1 V' as A: 'V' is a unit of something else"),
    ("{face='x-', composition={}, current='1 V'}", "side.0.current", "or '10 A/m2' for a density"),
    ("{face='x-', composition={}, current=[1]}", "side.0.current", "cannot read [1] as A"),
    ("{face='x-', component_flux={'Na+'='1 mol/m2/s'}}", "side.0.component_flux",
     "the ions do not balance: +1 eq/m2/s in all; add 1 eq/m2/s of anions"),
    ("{face='x-', component_flux={'Na+'=1, 'Cl-'=1}}", "side.0.component_flux.Na+",
     "the unit is missing"),
    ("{face='x-', component_flux={'Na+'='1 mol/m3', 'Cl-'='1 mol/m2/s'}}",
     "side.0.component_flux.Na+", "as mol/m2/s"),
])
def test_wrong_side_is_refused(opened, side, key, message):
    told(opened, key, message, f"side=[{side}]")


def test_wrong_side_is_refused_with_its_line(tmp_path):
    """The flux of the third [[side]], whose line can be counted."""
    case = copy(tmp_path, OPEN, (SODIUM, SODIUM.replace('"Cl-"', '"Cl"')))
    line = (OPEN / "case.toml").read_text()[:(OPEN / "case.toml").read_text().index(SODIUM)]
    assert complaints(case) == (f"case.toml:{line.count(chr(10)) + 1}: side.2.component_flux.Cl: "
                                "unknown component; did you mean 'Cl-'?",)


def test_component_flux_of_either_sign(opened):
    """Amounts of either sign; H+ and Cl- out, by mass: 35.45 g/mol."""
    flux = "{'H+'='-1 mol/m2/s', 'Cl-'='-35.45 g/m2/s'}"
    side, = Case.read(opened, [f"side=[{{face='x-', component_flux={flux}}}]"]).sides
    assert side.component_flux == pytest.approx({"H+": -1.0, "Cl-": -1.0})


# --- what carries the current -----------------------------------------------------------------

@pytest.mark.parametrize("key", ["potential='1 V'", "current='1 A'"])
def test_side_current_requires_ions_or_conductivity(opened, key):
    """Three ways out: a reservoir, a given conductivity, a case that moves no ions."""
    bare = f"side=[{{face='x-', {key}}}]"
    told(opened, f"side.0.{key.split('=')[0]}", "needs a composition on the same side", bare)
    told(opened, "side.0.contact", "is advective, so no ion crosses but with the water; with a "
         + key.split("=")[0], f"side=[{{face='x-', composition={{}}, contact='advective', {key}}}]")
    Case.read(opened, [bare, "ore.conductivity=0.1 S/m"])
    Case.read(opened, [bare, "physics.transport=false"])
    Case.read(opened, [f"side=[{{face='x-', {key}, composition={{}}}}]"])


def test_side_currents_must_balance(tmp_path):
    """Without electrodes: 10 A/m2 through 2.4 m2 in, 24 A out; or a potential takes up the rest."""
    case = copy(tmp_path, OPEN)
    bare = ["electrodes.row=[]", "schedule.stage=[{name='rest', duration=9}]"]
    first = "{face='x-', composition={}, current='10 A/m2'}"
    told(case, "side.0.current", "the sides' currents add up to 24 A, which cannot leave the bl",
         f"side=[{first}]", *bare)
    told(case, "side.1.current", "add up to 4 A",
         f"side=[{first}, {{face='x+', composition={{}}, current='-20 A'}}]", *bare)
    for other in ("current='-24 A'", "potential=0"):
        Case.read(case, [f"side=[{first}, {{face='x+', composition={{}}, {other}}}]", *bare])


# --- water that enters must leave ---------------------------------------------------------------

IN, OUT = "face='x-', flux='1e-6 m/s'", "face='x+', flux='-1e-6 m/s'"
CLOSED = "water is injected but cannot leave"


@pytest.mark.parametrize("sides", ["", f"{{{IN}}}, {{{OUT}}}", f"{{{IN}}}, {{face='z-', head=0}}",
                                   f"{{{OUT}}}, {{face='z-', head=0}}"])
def test_balanced_water_is_accepted(opened, sides):
    """Nothing moves, as much leaves as enters (2.4 m2 both), or a head takes or gives the rest."""
    assert len(Case.read(opened, [f"side=[{sides}]"]).sides) == sides.count("face")


def test_unbalanced_water_is_refused_in_every_stage(opened):
    """1e-6 m/s through 2.4 m2, in the drive and at rest; half of it may leave by y+ (1.5 m2)."""
    lines = complaints(opened, f"side=[{{{IN}}}]")
    assert [CLOSED in line for line in lines] == [True, True]
    assert "schedule.stage.0: water is injected but cannot leave (2.4e-06 m3/s in stage 'drive')" \
        in lines[0]
    told(opened, "schedule.stage.0", "cannot leave (9e-07 m3/s in stage 'drive')",
         f"side=[{{{IN}}}, {{face='y+', flux='-1e-6 m/s'}}]")
    told(opened, "schedule.stage.1", "water is drawn off but cannot enter (2.4e-06 m3/s in stage "
         "'rest')", f"side=[{{{OUT}}}]")


def test_water_balance_follows_wells_that_open_with_stages(tmp_path):
    """The feed at the anodes is closed at rest; without the sump it has no outlet in the drive.

    A collector at the cathodes opens with the feed, one at a named row always; a feed in a box
    stays open at rest, when nothing at driven rows is. Without flow, or with storage, no matter.
    """
    case = copy(tmp_path, SMALL)
    feed = "{name='in', kind='injection', rate='1 l/h', %s}"
    outlet = "{name='out', kind='collector', head=0, at='%s'}"
    at_anodes, in_box = feed % "at='anodes'", feed % "box=[[0.2, 0.2, 0], [0.3, 0.4, 1]]"
    lines = complaints(case, f"well=[{at_anodes}]")
    assert len(lines) == 1 and "schedule.stage.0: " + CLOSED in lines[0]
    assert Case.read(case, [f"well=[{at_anodes}, {outlet % 'cathodes'}]"])
    lines = complaints(case, f"well=[{in_box}, {outlet % 'cathodes'}]")
    assert len(lines) == 1 and "schedule.stage.1: " + CLOSED in lines[0]
    for way_out in ([f"well=[{in_box}, {outlet % 'right'}]"],
                    [f"well=[{in_box}]", "side=[{face='z+', head=0}]"],
                    [f"well=[{in_box}]", "physics.flow=false"],
                    [f"well=[{in_box}]", "physics.transport=false", "ore.storage=1e-4 1/m"]):
        assert Case.read(case, way_out)
