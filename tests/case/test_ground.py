"""Reading [ore.retention] and [[boundary]]: what is wrong is told in one message with its place."""

import numpy as np
import pytest
from helpers.rain_block import rain_case

from ekm3d import Case
from ekm3d.case.problems import CaseError


def told(folder, *overrides):
    """Return the problems of the rain block with overrides."""
    with pytest.raises(CaseError) as error:
        Case.read(rain_case(folder), overrides)
    return str(error.value).splitlines()


@pytest.mark.parametrize("override, words", [
    ("ore.retention.n=0.9", "of van Genuchten's curve must be above 1"),
    ("ore.retention.n=60", "must be at most 50"),
    ("ore.retention.alpha=-2 1/m", "out of range"),
    ("ore.retention.residual=0.46", "must be below the saturated water content"),
    ("ore.retention.saturated=0.5", "must not exceed the porosity"),
    ("ore.water_content=0.05", "not above the residual one"),
    ("ore.retention.pressure_head=-1 m", "give one of them, the other follows"),
    ("ore.retention.model=Gardner", "air_entry"),
    ("ore.retention.share_2=0.3", "which needs alpha_2 and n_2"),
    ("ore.retention.region.0.share_2=0.3", "region.0.alpha_2: is missing: share_2, 0.3, is"),
    ("ore.immobile.share=0.5", "more than ore.retention.residual"),
    ("boundary.0.head=0.5 m", "does not belong to a boundary of kind 'rain'"),
    ("boundary.1.conductance=0 1/s", "out of range"),
    ("boundary.0.box=[[0.1, 0, 0], [0.2, 0.1, 0.3]]", "does not touch the face"),
    ("boundary.1.kind=drainage", "does not belong"),
    ("boundary.0.box=[[0.5, 0, 0], [0.6, 0.3, 0.6]]", "it is metal of electrodes there"),
    ("schedule.stage.0.boundary.0.name=son", "there is no [[boundary]] 'son'"),
    ("physics.medium={ porosity = true, molar_volume = { 'La(OH)3(am)' = '43 cm3/mol' } }",
     "the pores of [ore.retention] keep theirs"),
    ("physics.flow=false", "needs physics.flow")])
def test_what_is_wrong_is_told(tmp_path, override, words):
    assert any(words in line for line in told(tmp_path, override))


def test_an_n_of_one_is_told_and_nothing_else(tmp_path, recwarn):
    """No warning of NumPy beside it: the curve has 0/0 there."""
    assert [line for line in told(tmp_path, "ore.retention.n=1")
            if "of van Genuchten's curve must be above 1" not in line] == []
    assert not recwarn.list


@pytest.mark.parametrize("override, words", [
    ("boundary.0.kind=rainn", "boundary.0.kind: should be 'rain'"),
    ("boundary.0.face=top", "boundary.0.face: should be 'x-'"),
    ("boundary.0.head=0.5 m", "boundary.0.head: does not belong"),
    ("schedule.stage.1.boundary.0.rate=-1 mm/h", "boundary.0.rate: '-1 mm/h' is out of range"),
    ("ore.retention.region.0.box=[[5, 5, 5], [6, 6, 6]]", "region.0.box: "),
    ("ore.retention.region=[{n=1.5}]", "region.0.box: is missing"),
    ("ore.retention.region.0.model=sand", "region.0.model: should be 'van Genuchten'"),
    ("ore.retention.region.0.model=Gardner", "retention.region.0.model: 'Gardner' takes over "
     "air_entry = 0.01 of the rock around it, which is that of van Genuchten's curve"),
    ("ore.retention.region=[{model='Gardner', air_entry=0.02, box=[[0, 0, 0], [0.5, 0.3, 0.6]]}]",
     "retention.region.0.air_entry: 0.02 is that of van Genuchten's curve")])
def test_one_mistake_is_told_once(tmp_path, override, words):
    """Also where stages change the boundary, and where the rest of the case cannot be built."""
    (line,) = told(tmp_path, override)
    assert words in line


@pytest.mark.parametrize("overrides, words", [
    (("ore.retention.alpha=-2 1/m", "ore.retention.n=x", "ore.retention.region.0.n=0"),
     ("retention.alpha: ", "retention.n: ", "region.0.n: ")),
    (("ore.retention.residual=0.46", "ore.retention.n=0.9", "ore.retention.region.0.n=0.8"),
     ("retention.residual: 0.46 must be below", "retention.n: 0.9 of van", "region.0.n: 0.8 of")),
    (("ore.retention={residual=0.06}",),
     ("retention.alpha: is missing", "retention.n: is missing")),
    (("ore.retention.region=[{box=[[5, 5, 5], [6, 6, 6]], alpha=0}, {n=1.5}]",),
     ("region.0.box: ", "region.1.box: is missing"))])
def test_all_mistakes_of_a_curve_are_told_at_once(tmp_path, overrides, words):
    """Of its form, and between its values; the first hid the others."""
    lines = told(tmp_path, *overrides)
    for word in words:
        assert any(word in line for line in lines), lines


def test_a_second_kind_of_pores_needs_both_its_values(tmp_path):
    """share_2 without n_2 took an n_2 of 2 in silence; a region may take either from around it."""
    given = ("ore.retention.share_2=0.3", "ore.retention.alpha_2=0.5 1/m")
    (line,) = told(tmp_path, *given)
    assert line.endswith("n_2: is missing: share_2, 0.3, is that of a second kind of pores, which "
                         "needs alpha_2 and n_2; write e.g. n_2 = '1.4'")
    assert len(told(tmp_path, given[0])) == 2
    Case.read(rain_case(tmp_path), (*given, "ore.retention.n_2=1.4",
                                    "ore.retention.region.0.share_2=0.2"))


@pytest.mark.parametrize("overrides, words", [
    (("ore.retention.air_entry=0", "ore.retention.n=1.09"),
     ("ore.retention.n: 1.09 without", "ore.retention.region.0.n: 1.4 without")),
    (("ore.retention.air_entry=0", "ore.retention.region.0.n=1.15"),
     ("ore.retention.region.0.n: 1.15 without air_entry, in 36 voxels",)),
    (("ore.retention.air_entry=0", "ore.retention.alpha_2=0.5 1/m", "ore.retention.n_2=1.1",
      "ore.retention.share_2=0.3", "ore.retention.region.0.n=1.7"),
     ("ore.retention.n_2: 1.1 without air_entry, in 108",)),
    (("ore.retention.region.0.n=1.1", "ore.retention.region.0.air_entry=0", "ore.retention.n=1.1"),
     ("region.0.n: 1.1 without air_entry, in 36 voxels",))])
def test_clay_without_air_entry_is_warned_of(tmp_path, overrides, words):
    """One warning for each table that gives n below 1.6, where the air-entry value is 0."""
    lines = Case.read(rain_case(tmp_path), overrides).warnings
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert word in line and "Vogel et al. 2001" in line


@pytest.mark.parametrize("overrides", [
    (), ("ore.retention.n=1.09",),
    ("ore.retention.air_entry=0", "ore.retention.region.0.n=1.7"),
    ("ore.retention.air_entry=0", "ore.retention.region.0.n=1.7", "ore.retention.n_2=1.1",
     "ore.retention.alpha_2=0.5 1/m", "ore.retention.share_2=0"),
    ("ore.retention={model='Brooks-Corey', alpha='2 1/m', n=0.5, residual=0.06}",)])
def test_other_curves_are_not_warned_of(tmp_path, overrides):
    """With an air-entry value, with n of 1.6, with no pores of the second kind, of another law."""
    assert Case.read(rain_case(tmp_path), overrides).warnings == ()


def test_electrodes_in_dry_ore_are_refused(tmp_path):
    """Effective saturation below 1e-3 at all the ore around, when the first stage drives them."""
    dry = ("ore.water_content=0.0602", "ore.retention.region=[]",
           "schedule.stage.0.anodes=['row 1']", "schedule.stage.0.cathodes=['row 2']",
           "schedule.stage.0.voltage=20 V", "ore.immobile.share=0.1")
    assert any("stands in dry ore" in line for line in told(tmp_path, *dry))


def test_electrodes_in_dry_ore_that_a_later_stage_drives_are_warned_of(tmp_path):
    """31 kV for 0.1 A came of it without a word; the stage before may wet the ore."""
    dry = ("ore.water_content=0.0602", "ore.retention.region=[]", "ore.immobile.share=0.1")
    lines = Case.read(rain_case(tmp_path), dry).warnings
    assert sum("is dry at the start" in line and "'current'" in line for line in lines) == 2


def test_a_head_in_time_is_read_from_a_table(tmp_path):
    """Days and centimetres by the names of the columns; linear between the rows."""
    (tmp_path / "level.csv").write_text("t_d,head_cm\n0,10\n1,30\n")
    case = Case.read(rain_case(tmp_path), (
        "boundary.1.head={ table = 'level.csv', column = 'head_cm' }",))
    level = case.boundaries[1].head
    assert np.isclose(level.at(43200.0), 0.2) and np.isclose(level.at(1e9), 0.3)


def test_a_head_in_time_is_found_as_other_files_are(tmp_path):
    """In the directory of a case that is extended; not outside of the folders of a case."""
    base, heir = tmp_path / "base", tmp_path / "heir"
    base.mkdir()
    heir.mkdir()
    rain_case(base)
    (base / "level.csv").write_text("t_d,head_cm\n0,10\n1,30\n")
    (tmp_path / "level.csv").write_text("t_d,head_cm\n0,10\n1,30\n")
    (heir / "case.toml").write_text('extends = "../base"\n')
    level = """[[boundary]]
name = "level"
kind = "water table"
face = "x-"
head = {{ table = "{}", column = "head_cm" }}
""".format
    text = (base / "case.toml").read_text()
    (base / "case.toml").write_text(text + level("level.csv"))
    assert np.isclose(Case.read(heir).boundaries[-1].head.at(43200.0), 0.2)
    (base / "case.toml").write_text(text + level("../level.csv"))
    with pytest.raises(CaseError, match="head: '../level.csv' lies outside of the case's direct"):
        Case.read(base)


def test_a_stage_that_closes_a_boundary_changes_nothing_else_of_it(tmp_path):
    """A rate beside `off` would do nothing, in silence."""
    with pytest.raises(CaseError, match="off: is true, so that a rate or a composition would do"):
        Case.read(rain_case(tmp_path), (
            "schedule.stage.1.boundary=[{name='rain', off=true, rate='1 mm/h'}]",))


def test_an_oblique_rod_is_dry_by_the_voxels_that_it_passes(tmp_path):
    """Wet ore in a corner of the box around a rod does not help off its axis; at its end does.
    """
    case = rain_case(tmp_path)
    text = (case / "case.toml").read_text()
    begin, end = text.index("[[electrodes.row]]"), text.index("[[well]]")
    (case / "case.toml").write_text(text[:begin] + """[[electrodes.row]]
name = "row 1"
rods = { lines = [[[0.05, 0.05, 0.05], [0.55, 0.25, 0.55]]], radius = "2 mm" }
[[electrodes.row]]
name = "row 2"
rods = { x = 0.05, y = 0.25, bottom = 0.05, top = 0.55, radius = "2 mm" }
""" + text[end:])
    wet = "ore.water_content={{formula = \"where((x < 0.1) * (y > 0.2) + {}, 0.3, 0.0602)\"}}"
    driven = ("ore.retention.region=[]", "schedule.stage.0.anodes=['row 1']",
              "schedule.stage.0.cathodes=['row 2']", "schedule.stage.0.voltage=20 V",
              "ore.immobile.share=0.1")
    with pytest.raises(CaseError) as error:
        Case.read(case, (*driven, wet.format("(x > 0.4) * (y < 0.1) * (z < 0.2)")))
    (line,) = str(error.value).splitlines()
    assert "electrode 1 of 'row 1' stands in dry ore" in line
    Case.read(case, (*driven, wet.format("(x > 0.5) * (y > 0.2) * (z > 0.5)")))
