"""Rods, patterns, supplies and turns of a case: what is read, and what is refused."""

import numpy as np
import pytest
from helpers.case_files import complaints
from helpers.rod_cases import case_text, read

from ekm3d.boundaries.schedule import Supply
from ekm3d.cli.main import main

ROD = "rods = {{ x = {}, y = {}, bottom = {}, top = {}, radius = {} }}"
SIZE, SPACING = (2, 1, 1), (0.1, 0.1, 0.1)
DRIVEN = 'anodes = ["A"]\ncathodes = ["C"]\nvoltage = 10\n'


def rod(x=0.35, y=0.5, bottom=0.2, top=1, radius=0.01):
    return ROD.format(x, y, bottom, top, radius)


def lines_of(folder, rows, stage=DRIVEN, **more):
    """Complaints about a case with these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.toml").write_text(case_text(SIZE, SPACING, rows, stage, **more))
    return complaints(folder)


def two(**changed):
    """Rows A and C of one upright rod each; keys of A may be changed."""
    return {"A": changed.get("A", rod()), "C": changed.get("C", rod(1.65))}


def test_rods_are_read_in_si_units(tmp_path):
    """Upright rods begin at the top; a strip faces x, so its width lies along y."""
    rows = two(A='rods = { x = "350 mm", y = ["20 cm", 0.8], bottom = 0, top = "1 m", '
                 'width = "5 cm", thickness = "2 mm", resistance = "20 ohm/m", fed = "both" }\n'
                 'contact_resistivity = "0.5 ohm m2"\n'
                 'ageing = { charge = "1 cm2/C", time = "1 1/d" }')
    row = read(tmp_path, case_text(SIZE, SPACING, rows, DRIVEN)).electrodes.rows[0]
    assert row.count == 2 and row.boxes == ()
    one = row.rods[0]
    assert one.start + one.end == pytest.approx((0.35, 0.2, 1.0, 0.35, 0.2, 0.0))
    assert (one.width, one.thickness, one.resistance, one.fed) == (0.05, 0.002, 20.0, "both")
    assert np.abs(one.across) == pytest.approx([0, 1, 0])
    assert row.contact_resistivity == 0.5
    assert row.ageing == pytest.approx((1e-4, 1 / 86400))
    assert row.centre == pytest.approx((0.35, 0.5, 0.5))


@pytest.mark.parametrize("keys, message", [
    (rod(x=2.5), "rod 1 of row 'A' ends at (2.5, 0.5, 1) m, outside the block"),
    (rod(top=1.2), "outside the block (0, 0, 0) to (2, 1, 1) m; move or shorten it"),
    (rod(bottom=1, top=0.5), "0.5 m is not above the bottom 1 m"),
    ("rods = { x = 0.3, y = 0.5, bottom = 0, top = 1 }", "needs either a radius"),
    ("rods = { x = 0.3, y = 0.5, bottom = 0, top = 1, radius = 0.01, width = 0.1 }",
     "needs either a radius"),
    ("rods = { x = 0.3, y = 0.5, radius = 0.01 }", "needs either x, y, bottom and top"),
    ("rods = { x = 0.3, radius = 0.01, lines = [[[0, 0, 0], [1, 0, 0]]] }", "needs either x, y"),
    ("rods = { lines = [[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]], radius = 0.01 }",
     "line without length"),
    ("rods = { lines = [[[0.5, 0.5], [0.5, 0.7]]], radius = 0.01 }", "should be two opposite"),
    ('rods = { lines = [[[0.5, 0.5, 0.5], [0.5, 0.5, 0.9]]], width = 0.05, facing = "z" }',
     "cannot face z, the axis it lies along"),
    (rod(radius=0.11), "0.22 m thick, more than two voxels of 0.1 m: give it as strips or plates, "
     "which fill whole voxels, or take a coarser grid.spacing"),
    ("strips = { x = 0, y = 0, bottom = 0, top = 1, width = 1, thickness = 1 }\n" + rod(),
     "needs either strips, plates or rods")])
def test_a_wrong_rod_is_told(tmp_path, keys, message):
    assert any(message in line for line in lines_of(tmp_path, two(A=keys)))


@pytest.mark.parametrize("override, begin, end", [
    ("electrodes.row.0.rods.x=2.5", "-o electrodes.row.0.rods.x: rod 1 of row 'A' ends at", "it"),
    ("electrodes.row.0.rods.top=1.2", "-o electrodes.row.0.rods.top: rod 1", "shorten it"),
    ("electrodes.row.0.rods.radius=0.2", "case.toml:",
     "coarser grid.spacing (with -o electrodes.row.0.rods.radius)")])
def test_a_rod_that_an_override_makes_wrong_is_told_of_the_override(
        tmp_path, override, begin, end):
    """Not of the line of the file that it replaces; beside that of a table of which it is a part.
    """
    (tmp_path / "case.toml").write_text(case_text(SIZE, SPACING, two(), DRIVEN))
    lines = complaints(tmp_path, override)
    assert lines[0].startswith(begin) and lines[0].endswith(end)


def test_the_command_ends_with_code_2(tmp_path, capsys):
    lines_of(tmp_path, two(A=rod(x=2.5)))
    assert main(["check", str(tmp_path)]) == 2
    assert "case.toml:" in capsys.readouterr().err


def test_rods_in_metal_and_in_one_voxel_are_refused(tmp_path):
    """Of rows with different roles; two rods of one row may cross."""
    plate = "plates = [[[0.3, 0.4, 0], [0.4, 0.6, 0.5]]]"
    assert any("passes the metal of electrode 1" in line for line in lines_of(
        tmp_path / "a", {"A": rod(), "C": plate}))
    crossing = "rods = { lines = [[[0.3, 0.52, 0.5], [1.0, 0.58, 0.5]]], radius = 0.002 }"
    assert any("passes a voxel that electrode 1 of anode 'A' passes too" in line
               for line in lines_of(tmp_path / "b", two(C=crossing)))
    cross = ("rods = { lines = [[[0.3, 0.5, 0.2], [0.3, 0.5, 0.9]], [[0.1, 0.5, 0.55], "
             "[0.9, 0.5, 0.55]]], radius = 0.002 }")
    assert read(tmp_path / "c", case_text(SIZE, SPACING, two(A=cross), DRIVEN)).warnings == ()


def test_a_thick_rod_is_warned_of(tmp_path):
    case = read(tmp_path, case_text(SIZE, SPACING, two(A=rod(radius=0.06)), DRIVEN))
    assert any("as strips or plates it would fill whole voxels" in w for w in case.warnings)


def test_check_lists_every_electrode(tmp_path, capsys):
    """Length 0.8 m and a quarter of the radius' area more; both ends' currents are equal."""
    read(tmp_path, case_text(SIZE, SPACING, two(), DRIVEN))
    assert main(["check", str(tmp_path), "--backend", "numpy"]) == 0
    out = capsys.readouterr().out
    assert "nan" not in next(line for line in out.splitlines() if "of computing" in line)
    head = next(line for line in out.splitlines() if "to earth ohm" in line)
    row = next(line for line in out.splitlines() if line.split()[:1] == ["A.1"]).split()
    assert "rod, m" in head
    assert float(row[1]) == pytest.approx(0.805)                      # one flat end of r/2
    assert float(row[2]) == pytest.approx(2 * np.pi * 0.01 * 0.805, rel=1e-3)
    assert row[3] == row[2]
    assert float(row[4]) * float(row[5]) == pytest.approx(5.0, rel=1e-3)      # half of 10 V


# ---- patterns ---------------------------------------------------------------------------------

PATTERN = """[[electrodes.pattern]]
name = "field"
kind = "{kind}"
area = [["0 m", "0 m"], ["2 m", "1 m"]]
spacing = "{spacing} m"
bottom = 0
top = 1
radius = 0.01
"""
ALL = 'anodes = ["field anode*"]\ncathodes = ["field cathode*"]\nvoltage = 10\n'


def with_pattern(folder, stage=ALL, spacing=0.4, kind="rows"):
    text = case_text(SIZE, SPACING, {}, stage)
    return read(folder, text.replace("[schedule]", PATTERN.format(
        kind=kind, spacing=spacing) + "[schedule]"))


def test_rows_alternate_in_the_middle_of_their_area(tmp_path):
    """2 m hold six lines 0.4 m apart from 0 to 2 m; 1 m holds three rods from 0.1 to 0.9 m."""
    case = with_pattern(tmp_path)
    assert [row.name for row in case.electrodes.rows] == [
        f"field {sign} {n}" for n in (1, 2, 3) for sign in ("anode", "cathode")]
    places = [[rod.start[:2] for rod in row.rods] for row in case.electrodes.rows]
    assert [row[0][0] for row in places] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6, 2.0])
    assert [y for _, y in places[0]] == pytest.approx([0.1, 0.5, 0.9])
    assert case.schedule.stages[0].anodes == tuple(f"field anode {n}" for n in (1, 2, 3))


def test_every_cathode_of_a_hexagon_has_six_anodes(tmp_path):
    """At the spacing, where the area does not cut them off; no other cathode is that near."""
    case = with_pattern(tmp_path, spacing=0.2, kind="hexagons")
    points = {sign: np.array([rod.start[:2] for row in case.electrodes.rows if sign in row.name
                              for rod in row.rods]) for sign in ("anode", "cathode")}
    gap = np.linalg.norm(points["anode"][:, None] - points["cathode"][None], axis=-1)
    inside = np.all((points["cathode"] > 0.21) & (points["cathode"] < [1.79, 0.79]), axis=1)
    assert inside.sum() >= 4 and ((np.abs(gap - 0.2) < 1e-6).sum(0)[inside] == 6).all()
    apart = np.linalg.norm(points["cathode"][:, None] - points["cathode"][None], axis=-1)
    assert apart[apart > 0].min() == pytest.approx(0.2 * np.sqrt(3))


def test_a_pattern_without_two_signs_is_refused(tmp_path):
    (tmp_path / "case.toml").write_text(case_text(SIZE, SPACING, {}, "").replace(
        "[schedule]", PATTERN.format(kind="rows", spacing=2.5) + "[schedule]"))
    assert any("no anode beside a cathode" in line for line in complaints(tmp_path))


# ---- turns and supplies -----------------------------------------------------------------------

def test_rows_are_driven_in_turn(tmp_path):
    """3 + 3 rows in 3 groups of 20 min within the hour: each has the n-th anode and cathode."""
    case = with_pattern(tmp_path, ALL + 'rotate = { groups = 3, every = "20 min" }')
    turns = case.schedule.run_stages
    assert [t.duration for t in turns] == [1200.0] * 3
    assert [(t.anodes, t.cathodes) for t in turns] == [
        ((f"field anode {n}",), (f"field cathode {n}",)) for n in (1, 2, 3)]
    assert case.schedule.sequence == (0, 0, 0) and len(case.schedule.stages) == 1


def test_polarity_is_reversed_within_turns(tmp_path):
    """30 min: 10 as given, 4 reversed, 10, 4, 2; then the second group."""
    case = with_pattern(tmp_path, ALL + 'rotate = { groups = 2, every = "30 min" }\n'
                        'reverse = { every = "10 min", lasting = "4 min" }')
    turns = case.schedule.run_stages
    assert [t.duration / 60 for t in turns] == pytest.approx([10, 4, 10, 4, 2] * 2)
    assert turns[1].anodes == turns[0].cathodes == ("field cathode 1", "field cathode 3")
    assert turns[1].cathodes == turns[0].anodes == ("field anode 1", "field anode 3")
    assert sum(t.duration for t in turns) == pytest.approx(3600.0)


@pytest.mark.parametrize("stage, message", [
    (DRIVEN + 'rotate = { groups = 3, every = "1 min" }', "3 groups cannot be made of 1 rows"),
    (DRIVEN + 'rotate = { groups = 1, every = "1 min" }', "rotate.groups"),
    ('reverse = { every = "1 h", lasting = "1 min" }', "needs anodes and cathodes")])
def test_wrong_turns_are_told(tmp_path, stage, message):
    assert any(message in line for line in lines_of(tmp_path, two(), stage))


def supplies(*entries):
    form = '[[schedule.stage.supply]]\nname = "s{}"\nanodes = {}\ncathodes = {}\n{}\n'
    return "".join(form.format(n, *entry) for n, entry in enumerate(entries))


FOUR = two() | {"B": rod(0.35, 0.8), "D": rod(1.65, 0.8)}


def test_supplies_are_read(tmp_path):
    stage = supplies(('["A"]', '["C"]', 'gradient = "0.1 V/cm"\npower = "5 W"'),
                     ('["B"]', '["D"]', "current = 1"))
    found = read(tmp_path, case_text(SIZE, SPACING, FOUR, stage)).schedule.stages[0]
    assert found.supplies == (Supply("s0", ("A",), ("C",), pytest.approx(13.0), None, 5.0),
                              Supply("s1", ("B",), ("D",), None, 1.0, None))
    assert (found.anodes, found.cathodes) == (("A", "B"), ("C", "D"))


@pytest.mark.parametrize("stage, message", [
    (DRIVEN + supplies(('["B"]', '["D"]', "voltage = 5")), "cannot stand beside supplies"),
    (supplies(('["A"]', '["X"]', "voltage = 5")), "no electrode row 'X'"),
    (supplies(('["A"]', "[]", "voltage = 5")), "name at least one row"),
    (supplies(('["A"]', '["C"]', "power = 5")), "needs a voltage, a gradient or a current"),
    (supplies(('["A"]', '["C"]', 'voltage = 5\ngradient = "1 V/m"')), "both voltage and gradient"),
    (supplies(('["A"]', '["C"]', "voltage = 5"), ('["B"]', '["C", "D"]', "voltage = 5")),
     "belongs to another terminal too"),
    (supplies(('["A"]', '["C"]', "voltage = 5"), ('["C"]', '["D"]', "voltage = 5")),
     "belongs to another terminal too"),
    (supplies(('["A"]', '["C"]', "voltage = 5"), ('["A"]', '["C"]', "voltage = 6")),
     "closes a circle of supplies")])
def test_wrong_supplies_are_told(tmp_path, stage, message):
    assert any(message in line for line in lines_of(tmp_path, FOUR, stage))


def test_a_thick_rod_that_reaches_into_metal_is_refused(tmp_path):
    """Its axis passes ore, its surface a voxel of the other row: 0.08 m of 0.16 m."""
    plate = "plates = [[[0.4, 0.4, 0], [0.5, 0.6, 0.9]]]"
    thick = rod(x=0.35, radius=0.08)
    assert any("passes the metal of electrode 1" in line for line in lines_of(
        tmp_path, {"A": thick, "C": plate}))
