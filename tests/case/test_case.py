"""case.toml to plain data: values and units, overrides, and what bad input is told."""

import math
import tomllib

import numpy as np
import pytest
from helpers.case_files import FIELD, SMALL, complaints, copy

from ekm3d.case.case import Case, CaseError
from ekm3d.case.toml_text import key_lines
from ekm3d.case.units import QuantityKind, per_kg, per_litre


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("field"), FIELD)


# --- quantities -----------------------------------------------------------------------------

@pytest.mark.parametrize("text, unit, si", [
    ("0.3 V/cm", "V/m", 30.0), ("132 h", "s", 475200.0), ("5 cm2", "m2", 5e-4),
    ("1.84e-8 m3/(A s)", "m/s/(A/m2)", 1.84e-8), ("2 l", "m3", 2e-3), ("14 %", "", 0.14),
    ("0.034 1/s", "1/s", 0.034),
    ("-10 cm", "m", -0.1), ("1.5 g/cm3", "kg/m3", 1500.0), ("6 meq/kg", "eq/kg", 6e-3),
    (7, "V", 7.0), (".5 m", "m", 0.5), ("1e-3m", "m", 1e-3), ("2 /h", "1/s", 2 / 3600)])
def test_text_with_a_unit_becomes_si(text, unit, si):
    """By hand; 1e-15 relative, since a decimal fraction may round either way."""
    assert QuantityKind(unit, "").read(text) == pytest.approx(si, rel=1e-15)


@pytest.mark.parametrize("text", [
    "0.3 A", "V/m", "", "0.3", "1 V/metric", "nan V/m", "inf V/m", "1e999 V/m", "1/0 V/m",
    "5 5 V/m", "10**9999999 V/m", "__import__('os')", "1 V/m; 2", True, None, [1], {"a": 1},
    math.nan, math.inf, 10**400])
def test_what_is_no_quantity_is_refused_in_words(text):
    """ValueError and nothing else, fast, with an example of what would be right."""
    with pytest.raises(ValueError, match="0.3 V/cm"):
        QuantityKind("V/m", "0.3 V/cm").read(text)


def test_an_equivalent_is_a_mole_of_charge():
    """400 mg/kg Al = 400e-6/0.02698 mol/kg = 44.478 meq/kg/3; eq and mol are not mixed up."""
    aluminium = per_kg(3.0, 26.98e-3)
    assert aluminium.read("400 mg/kg") == pytest.approx(0.0148258, rel=1e-5)
    assert aluminium.read("44.4774 meq/kg") == pytest.approx(0.0148258, rel=1e-5)
    assert aluminium.read("0.0148258 mol/kg") == pytest.approx(0.0148258)
    assert per_litre(-2.0, 96.06e-3).read("2 meq/l") == 1.0
    with pytest.raises(ValueError, match="no equivalents"):
        per_litre(0.0, 0.1).read("1 meq/l")
    with pytest.raises(ValueError, match="unit is missing"):
        aluminium.read(400)


# --- a good case ----------------------------------------------------------------------------

def test_every_section_of_the_small_case_in_si(small):
    """The numbers of tests/data/case_small/case.toml, converted by hand."""
    case = Case.read(str(small))
    assert case.grid.cells == (5, 4, 6) and case.grid.spacing == (0.1, 0.2, 0.5)
    assert case.grid.shape == case.ore.porosity.shape == (6, 4, 5)
    assert case.text == (SMALL / "case.toml").read_text() and case.title == "small"
    assert case.electrodes.overpotential == 2.5 and case.electrodes.deposition == 0.034
    left, right = case.electrodes.rows
    np.testing.assert_allclose(left.boxes[0], ((0.0, 0.25, 1.0), (0.0025, 0.35, 3.0)))
    assert (left.contact_resistance, left.catholyte_volume) == (18.0, 0.002)
    assert (right.contact_resistance, right.catholyte_volume) == (7.0, 0.0005)
    assert right.boxes == (((0.4, 0.0, 1.0), (0.5, 0.8, 3.0)),)
    feed, sump = case.wells
    assert feed.rate == pytest.approx(1.5e-6) and feed.composition == {"Na+": 0.02, "SO4-2": 0.01}
    assert sump.head == -0.1 and sump.at is None and sump.box[1] == (0.3, 0.8, 0.5)
    assert (case.schedule.pulses, case.schedule.max_step, case.schedule.cfl) == \
        ("resolved", 600.0, 0.3)
    assert case.water.composition == pytest.approx({"Na+": 2.0, "SO4-2": 1.0})
    assert case.water.prewetting == {"NH4+": 0.0225, "SO4-2": 0.01125}
    assert [p.name for p in case.sampling] == ["A", "B", "C"]
    assert case.sampling[2].position == pytest.approx((0.25, 0.1, 2.75))
    assert case.probes[0].position == (0.25, 0.4, 1.5)
    assert (case.output.snapshot_every, case.output.series_every) == (3600.0, 900.0)


def test_a_gradient_counts_over_the_distance_of_the_rows(small):
    """From the middle of the strips at x = 0, cut at the side, to the plate's at 0.45 m: 13.5 V."""
    drive, rest = Case.read(small).schedule.stages
    assert drive.voltage == pytest.approx(13.5) and (drive.on, drive.off) == (1200.0, 600.0)
    assert (rest.voltage, rest.off, rest.anodes) == (0.0, 0.0, ())
    other = Case.read(small, ["schedule.stage.0={name='a', duration=9, anodes=['left'], "
                              "cathodes=['right'], voltage='4 V'}"])
    assert other.schedule.stages[0].voltage == 4.0 and other.schedule.stages[0].off == 0.0


@pytest.mark.parametrize("spacing, cells", [("5 cm", (40, 30, 40)), ("10 cm", (20, 15, 20)),
                                            ("12.5 cm", (16, 12, 16)), ("25 cm", (8, 6, 8))])
def test_the_field_case_fits_every_spacing(field, spacing, cells):
    """Geometry in metres: only the spacing changes. 30 V in both stages, 9 t, 2.7 m3 of pores.

    The trace water is 0.5 mM Na2SO4 and 0.2 mM NaHCO3; NH4 is 22.5 meq/kg on 9000 kg: 202.5 mol.
    """
    case = Case.read(field, [f"grid.spacing={spacing}"])
    assert case.grid.cells == cells and case.grid.size == pytest.approx((2.0, 1.5, 2.0))
    assert [s.voltage for s in case.schedule.stages] == pytest.approx([30.0, 30.0])
    assert case.mass == pytest.approx(9000.0) and case.pore_volume == pytest.approx(2.7)
    assert case.inventory()["NH4+"] == pytest.approx((0.0, 202.5, 0.0))
    assert case.inventory()["Na+"] == pytest.approx((9000 * 10e-6 / 22.99e-3, 0.0, 1.2 * 2.52))
    assert len(case.sampling) == 24


def test_the_description_names_everything_in_si(small):
    text = Case.read(small).describe()
    for word in ("120 of 0.1 x 0.2 x 0.5 m", "1800 kg", "0.54 m3", "LREE+3", "Al(OH)3", "left",
                 "right", "feed", "sump", "13.5", "20 on, 10 off", "middle", "3.5e-07"):
        assert word in text


def test_components_and_minerals_are_chosen_from_the_database(small):
    """By name or label; what is left out takes its species along."""
    case = Case.read(small, ['chemistry.components=["H+", "NH4", "SO4", "Na+", "Ca", "LREE+3", '
                             '"Al"]', 'chemistry.minerals=["Al(OH)3"]'])
    assert case.chemistry.components == ("H+", "NH4+", "SO4-2", "Na+", "Ca+2", "LREE+3", "Al+3")
    assert case.chemistry.minerals == ("Al(OH)3",) and "KX" not in case.chemistry.exchange


# --- overrides ------------------------------------------------------------------------------

def test_overrides_take_toml_values_else_text(small):
    case = Case.read(small, ["grid.spacing=[0.05, '10 cm', 0.5]", "title=plain words",
                             "schedule.stage.1.duration=45 min", "ore.exchangeable.K=39.1 mg/kg",
                             'ore.exchangeable."Al+3"="0 mg/kg"', "schedule.pulses=averaged"])
    assert case.grid.spacing == (0.05, 0.1, 0.5) and case.title == "plain words"
    assert case.schedule.stages[1].duration == 2700.0 and case.schedule.pulses == "averaged"
    assert case.ore.exchangeable["K+"] == pytest.approx(1.5)
    assert case.overrides[1] == "title=plain words"


@pytest.mark.parametrize("override, expected", [
    ("grid.spacng=5 cm", "-o grid.spacng: unknown key; did you mean 'spacing'?"),
    ("nothing.at.all=1", "-o nothing: unknown key; known: title, "),
    ("grid.size.x=1", "-o grid.size.x=1: grid.size is a list of 3, numbered from 0"),
    ("schedule.stage.2.duration=1 h", "schedule.stage is a list of 2, numbered from 0: '2'"),
    ("title.x=1", "-o title.x=1: title is 'small', not a table"),
    ("spacing", "-o spacing: write key=value"),
    ("=5", "-o =5: write key=value"),
    ("ore.density=2 V", "-o ore.density: cannot read '2 V' as kg/m3"),
    ("title=5", "-o title: should be text in quotes, not 5"),
    ("grid=5", "-o grid: should be a table, not 5"),
    ("well=[5]", "-o well.0: should be a table, not 5"),
    ("schedule.stage=3", "-o schedule.stage: should be a list in brackets, not 3"),
    ("schedule.stage.0.anodes=[3]", "-o schedule.stage.0.anodes.0: should be text in quotes"),
])
def test_a_wrong_override_is_named_as_such(small, override, expected):
    lines = complaints(small, override)
    assert expected in lines[0] and len(lines) == 1


# --- bad input: (line of case.toml that is replaced, by what, key, message) ------------------

BAD = [
    ('density = "1.5 g/cm3"', 'densty = "1.5 g/cm3"', "ore.densty",
     "unknown key; did you mean 'density'?"),
    ('gradient = "0.3 V/cm"', 'gradient = "0.3 A"', "schedule.stage.0.gradient",
     "cannot read '0.3 A' as V/m: Cannot convert from 'ampere'"),
    ('density = "1.5 g/cm3"', "density = true", "ore.density", "cannot read True as kg/m3"),
    ('density = "1.5 g/cm3"', "density = nan", "ore.density", "not a finite number"),
    ("porosity = 0.45", 'porosity = "a lot"', "ore.porosity", "it does not begin with a number"),
    ("porosity = 0.45", "porosity = 1.2", "ore.porosity", "must be above 0 and at most 1"),
    ('water_content = "42 %"', "water_content = 0.46", "ore.water_content",
     "0.46 is above the porosity 0.45 in 120 of 120 voxels, the first at (0.05, 0.1, 0.25) m"),
    ('LREE = "142 mg/kg"', 'LRE = "142 mg/kg"', "ore.exchangeable.LRE",
     "unknown component; did you mean 'LREE'?"),
    ('LREE = "142 mg/kg"', 'LREE = "-142 mg/kg"', "ore.exchangeable.LREE",
     "must be at least 0 mol/kg"),
    ('LREE = "142 mg/kg"', 'SO4 = "142 mg/kg"', "ore.exchangeable.SO4",
     "only cations can be exchangeable"),
    ('LREE = "142 mg/kg"', 'Ca = "142 mg/kg"', "ore.exchangeable.Ca+2", "is given twice"),
    ('"Al(OH)3" = "0.2 mol/kg"', '"Al(OH)2" = "0.2 mol/kg"', "ore.minerals.Al(OH)2",
     "unknown mineral; did you mean 'Al(OH)3'?"),
    ('cec = "from inventory"', 'cec = "12 meq/kg"', "chemistry.exchanger.cec",
     "12 meq/kg cannot hold the exchangeable inventory of 16 meq/kg"),
    ('cec = "from inventory"', 'cec = "from nowhere"', "chemistry.exchanger.cec",
     "cannot read 'from nowhere' as eq/kg"),
    ('database = "database.toml"', 'database = "data.toml"', "chemistry.database",
     "cannot read 'data.toml'"),
    ('database = "database.toml"', 'database = "points.csv"', "chemistry.database", "points.csv"),
    ('database = "database.toml"', 'database = "database.toml"\ncomponents = ["H+", "Fe+3"]',
     "chemistry.components.1", "the database has no component 'Fe+3'"),
    ('database = "database.toml"', 'database = "database.toml"\nminerals = ["CaCO4"]',
     "chemistry.minerals.0", "the database has no mineral 'CaCO4'; did you mean 'CaCO3'?"),
    ('"Na+" = "2 mmol/l"', '"Na+" = "2.2 mmol/l"', "water.composition",
     "the ions do not balance: +0.2 eq/m3 in all; add 0.2 eq/m3 of anions"),
    ('prewetting = { "NH4+" = "22.5', 'prewetting = { "NH5+" = "22.5', "water.prewetting.NH5+",
     "unknown component; did you mean 'NH4+'?"),
    ('x = "0 m", y', 'x = "-1 cm", y', "electrodes.row.0.strips",
     "electrode 1 of row 'left': x from -0.0125 to -0.0075 m lies outside the grid (0 to 0.5 m)"),
    ('top = "3 m", width', 'top = "3.1 m", width', "electrodes.row.0.strips",
     "z from 1 to 3.1 m lies outside the grid (0 to 3 m)"),
    ('top = "3 m", width', 'top = "90 cm", width', "electrodes.row.0.strips.top",
     "0.9 m is not above the bottom 1 m"),
    ('x = "0 m", y', 'x = "0.4 m", y', "electrodes.row.1",
     "electrode 1 of cathode 'right' overlaps electrode 1 of anode 'left' on the grid of"),
    ('x = "0 m", y', 'x = ["0 m", "0 m", "0.1 m"], y', "electrodes.row.0.strips",
     "3 centres x and 2 centres y"),
    ('plates = [[[', 'plates = [[["1 m"], [', "electrodes.row.1.plates",
     "two opposite corners, [[x0, y0, z0], [x1, y1, z1]]"),
    ('name = "right"', 'name = "left"', "electrodes.row.1.name", "also the name of row 0"),
    ('name = "sump"', 'name = "feed"', "well.1.name", "also the name of well 0"),
    ('name = "rest"', 'name = "drive"', "schedule.stage.1.name", "also the name of stage 0"),
    ('name = "rest"', 'name = "a/b"', "schedule.stage.1.name", "must not be empty or hold"),
    ('kind = "drain"', 'kind = "drian"', "well.1.kind", "'drain' or 'collector', not 'drian'"),
    ('kind = "drain"', 'kind = "injection"', "well.1", "needs either rate, or flux and area"),
    ('flux = "5e-7 m/s"', "", "well.0", "needs either rate, or flux and area; it has area"),
    ('at = "anodes"', 'at = "anode"', "well.0.at", "no row 'anode'; did you mean 'anodes'?"),
    ('head = "-10 cm"', "", "well.1", "a drain needs head"),
    ('head = "-10 cm"', 'head = "0 m"\ncomposition = { Na = "0 mol/l" }', "well.1.composition",
     "a drain admits no water"),
    ('"0.8 m", "50 cm"]]', '"0.9 m", "50 cm"]]', "well.1.box", "y from 0 to 0.9 m lies outside"),
    ('cathodes = ["right"]', "", "schedule.stage.0", "drives anodes (left) without cathodes"),
    ('anodes = ["left"]', "", "schedule.stage.0", "drives cathodes (right) without anodes"),
    ('anodes = ["left"]', 'anodes = ["lift"]', "schedule.stage.0.anodes.0",
     "no electrode row 'lift'; did you mean 'left'?"),
    ('anodes = ["left"]', 'anodes = ["left", "right"]', "schedule.stage.0",
     "row 'right' is anode and cathode at once"),
    ('gradient = "0.3 V/cm"', "", "schedule.stage.0", "needs gradient"),
    ('gradient = "0.3 V/cm"', 'gradient = "0.3 V/cm"\nvoltage = "3 V"', "schedule.stage.0",
     "has both gradient and voltage"),
    ('duration = "30 min"', 'duration = "0 min"', "schedule.stage.1.duration",
     "'0 min' is out of range; it must be above 0 s"),
    ('duration = "30 min"', 'duration = "-3 min"', "schedule.stage.1.duration", "above 0 s"),
    ('duration = "30 min"', "", "schedule.stage.1.duration",
     'is missing; write e.g. duration = "132 h"'),
    ('off = "10 min"', 'of = "10 min"', "schedule.stage.0.pulse.of", "did you mean 'off'?"),
    ('pulses = "resolved"', 'pulses = "solved"', "schedule.pulses", "'averaged' or 'resolved'"),
    ('spacing = ["10 cm", "20 cm", "50 cm"]', 'spacing = "30 cm"', "grid.spacing",
     "0.5 m along x is not a whole number of voxels of 0.3 m; a size of 0.3 or 0.6 m would be"),
    ('spacing = ["10 cm", "20 cm", "50 cm"]', 'spacing = "1 um"', "grid.spacing",
     "use a coarser spacing"),
    ('spacing = ["10 cm", "20 cm", "50 cm"]', 'spacing = ["10 cm", "20 cm"]', "grid.spacing",
     "should hold 3 values, not 2"),
    ('position = ["25 cm", 0.4, "1.5 m"]', 'position = ["25 cm", 0.4, "3.5 m"]',
     "probe.0.position", "(0.25, 0.4, 3.5) m lies outside the block"),
    ('file = "points.csv"', 'file = "point.csv"', "sampling.file", "there is no file 'point.csv'"),
    ('series_every = "15 min"', 'series_every = "15 m"', "output.series_every",
     "cannot read '15 m' as s"),
]


@pytest.mark.parametrize("old, new, key, message", BAD,
                         ids=[f"{bad[2]}-{n}" for n, bad in enumerate(BAD)])
def test_bad_input_is_told_with_line_key_and_remedy(tmp_path, old, new, key, message):
    """The line is the spoilt one where the key stands on it, else that of the key's table."""
    case = copy(tmp_path, SMALL, (old, new))
    wanted = [line for line in complaints(case) if f": {key}: " in line and message in line]
    assert wanted
    number, text = int(wanted[0].split(":")[1]), (SMALL / "case.toml").read_text()
    if key.split(".")[-1] == (new or old).split()[0].strip('"'):
        assert number == text[:text.index(old)].count("\n") + 1 or not new
    names = [part for part in key.split(".") if not part.isdigit()]
    assert any(name in (case / "case.toml").read_text().splitlines()[number - 1]
               for name in names[-2:])


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path):
    """Ten mistakes in ten places, one of them in a table that hides others: ten lines."""
    case = copy(tmp_path, SMALL, ("[grid]", "colour = 3\n[grid]"),
                ("porosity = 0.45", "porosity = '1 V'"),
                ('LREE = "142', 'LREX = "142'), ('"Na+" = "2 mmol/l"', '"Na+" = "2"'),
                ("cathodes", "cathods"), ('duration = "2 h"', 'duration = "2 m"'),
                ("contact_resistance = \"7 ohm\"", "contact_resistance = 'low'"),
                ('at = "anodes"', 'at = "top"'), ('position = ["25 cm"', 'position = ["25 m"'),
                ("points.csv", "none.csv"))
    lines = complaints(case, "nonsense")
    numbers = [int(line.split(":")[1]) for line in lines[1:]]
    assert lines[0].startswith("-o nonsense: ") and numbers == sorted(numbers)
    for key in ("colour", "ore.porosity", "ore.exchangeable.LREX", "water.composition.Na+",
                "electrodes.row.1.contact_resistance", "well.0.at", "schedule.stage.0.cathods",
                "schedule.stage.0.duration", "sampling.file", "probe.0.position"):
        assert sum(f": {key}: " in line for line in lines) == 1, key
    assert len(lines) == 12     # and a stage with anodes but, for the misspelling, no cathodes


def test_an_empty_schedule_is_refused(small):
    for override in ("schedule={}", "schedule.stage=[]"):
        assert any("the schedule is empty; add at least one [[schedule.stage]]" in line
                   for line in complaints(small, override))


@pytest.mark.parametrize("content, message", [
    (b'title = "x\n', "case.toml:1: column 11: Illegal character"),
    (b"title = 1\n\nsize = = 3\n", "case.toml:3: column 8: Invalid value"),
    (b"a = 1\na = 2\n", "case.toml:2: column"),
    (b'title = "a"\ntitle2 = "\xff"', "case.toml:2: byte 0xff is not UTF-8 text"),
    (b"", "case.toml:1: grid: is missing; the case needs a table [grid]"),
    (b"[" * 5000, "case.toml:"),
])
def test_text_that_is_not_toml(tmp_path, content, message):
    (tmp_path / "case.toml").write_bytes(content)
    assert any(message in line for line in complaints(tmp_path))


def test_a_directory_that_is_no_case(tmp_path):
    (tmp_path / "file").write_text("")
    for path, reason in ((tmp_path / "no", "there is no such directory"),
                         (tmp_path, "there is no case.toml in it"),
                         (tmp_path / "file", "it is a file; give the directory")):
        assert reason in complaints(path)[0]


def test_electrodes_need_acidity(small):
    """The current leaves electrodes as H+ and OH-, which only a system with H+ can carry."""
    lines = complaints(small, 'chemistry.components=["NH4", "SO4", "Na", "LREE", "Ca"]')
    assert any("H+ is missing" in line for line in lines)


@pytest.mark.parametrize("content, message", [
    ("name,x,y,z\nA,0.1,0.1,5\n", "extra.csv:2: the point (0.1, 0.1, 5) m lies outside the block"),
    ("name,x,y\nA,0.1,0.1\n", "needs one column z or z_m"),
    ("x,y,z\n0.1,0.1,1\n", "has no column 'name'"),
    ("name,x,y,z\nA,0.1,0.1,1\nA,0.2,0.1,1\n", "extra.csv:2: point 'A' is listed 2 times"),
    ("name,x,y,z\nA,0.1,zero,1\n", "extra.csv:2: y is 'zero', which is not a number"),
    ("name,x,y,z\n# none\n", "holds no data"),
    ("name,x,y,z\n/,0.1,0.1,1\n", "'/' cannot name a point"),
])
def test_bad_sampling_files(tmp_path, content, message):
    case = copy(tmp_path, SMALL, ("points.csv", "extra.csv"), extra=content)
    assert message in complaints(case)[0]


# --- line numbers and robustness ---------------------------------------------------------------

NASTY = '''# a comment with = and [brackets]
a.b."c.d" = "x # no comment = 1"
list = [ # of tables
  { q = 1, r.s = [2, 3] },  # comment ]
  { q = """
two lines ] } =
""" },
]
'single quoted' = \'\'\'
x = 1\'\'\'
when = 1979-05-27 07:32:00
[t."u v"] # header
k = { }
[[rows]]
n = 1
[rows.sub]
m = 2
[[rows.deep]]
o = 3
[[rows]]
[[rows.deep]]
o = 4
[[rows.deep]]
o = 5
'''


def test_every_key_of_a_toml_text_has_its_line():
    """Every path of the parsed data is found, on the line where an editor shows it."""
    def paths(node, path=()):
        items = node.items() if isinstance(node, dict) else \
            enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            yield (*path, key)
            yield from paths(value, (*path, key))

    lines = key_lines(NASTY)
    assert set(paths(tomllib.loads(NASTY))) == set(lines)
    assert lines["a", "b", "c.d"] == 2 and lines["list", 0, "r", "s", 1] == 4
    assert lines["list", 1, "q"] == 5 and lines["single quoted",] == 9 and lines["when",] == 11
    assert lines["rows", 0, "sub", "m"] == 17 and lines["rows", 0, "deep", 0, "o"] == 19
    assert lines["rows", 1] == 20 and lines["rows", 1, "deep", 1, "o"] == 24
    assert key_lines(NASTY.replace("\n", "\r\n")) == lines


@pytest.mark.parametrize("garbage", ["[]", "{}", "-1", "text", "true", "[[1]]", "1979-05-27"])
def test_no_value_leads_to_a_traceback(small, garbage):
    """Garbage in place of every key in turn: a Case or a CaseError, never anything else."""
    for path in key_lines((small / "case.toml").read_text()):
        dotted = ".".join(f'"{p}"' if isinstance(p, str) else str(p) for p in path)
        try:
            Case.read(small, [f"{dotted}={garbage}"])
        except CaseError as error:
            assert error.lines and all(error.lines)
