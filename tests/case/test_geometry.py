"""Geometry that the grid swallows: touching rows, no ore, points in metal, ore that is cut off."""

import pytest
from helpers.case_files import ROOT, complaints, copy, told
from helpers.command_line import call, refused

from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation

SALT = ROOT / "tests" / "data" / "case_salt"
PLATE = "[[[{}, 0, 0], [{}, 0.45, 0.8]]]"       # across the whole section of the block


@pytest.fixture
def case(tmp_path):
    """6 x 3 x 4 voxels of 10 x 15 x 20 cm; rows left, right and, idle, middle."""
    return copy(tmp_path, SALT)


def plates(left, right, middle=(0.3, 0.4)):
    """Overrides that make the rows plates across the block from x to x [m]."""
    return [f"electrodes.row.{n}.plates={PLATE.format(*x)}"
            for n, x in enumerate((left, right, middle))] + ["probe=[]"]


IDLE_AWAY = "electrodes.row.2.plates=[[[0.5, 0, 0], [0.6, 0.15, 0.2]]]"


def test_rows_that_touch_on_the_grid_are_refused(case):
    """0.11 to 0.14 m is voxel 1, next to voxel 0: 1 cm of ore as given, none on the grid."""
    overrides = plates((0, 0.1), (0.11, 0.14))
    line = told(case, "electrodes.row.1", "touches electrode 1 of anode 'left'", *overrides)
    assert "cathode 'right'" in line and "0.01 m apart as given" in line and "finer" in line


def test_check_and_run_refuse_alike(capsys, case):
    words = [w for o in plates((0, 0.1), (0.11, 0.14)) for w in ("-o", o)]
    lines = refused(capsys, case, *words)
    code, text, errors = call(capsys, "check", case, *words)
    assert (code, text, errors.splitlines()) == (2, "", lines) and "touches" in lines[0]


def test_rows_that_always_work_together_may_touch(case):
    """Two rows that are anodes of every stage are one piece of metal."""
    joined = "electrodes.row.2.plates=[[[0.1, 0, 0.4], [0.2, 0.15, 0.8]]]", "probe=[]"
    assert Case.read(case, [*joined, 'schedule.stage.0.anodes=["left", "middle"]']).warnings == ()
    told(case, "electrodes.row.2", "touches electrode 1 of anode 'left'", *joined)


def test_electrodes_that_fill_the_block_are_refused(capsys, case):
    """And nothing else is said: all other checks need ore."""
    words = plates((0, 0.3), (0.4, 0.6), (0.3, 0.4))
    (line,) = complaints(case, *words)
    assert "electrodes: no ore is left" in line
    assert refused(capsys, case, *(w for o in words for w in ("-o", o))) == [line]


def test_a_probe_in_metal_is_refused(case):
    """(0.05, 0.05, 0.5) m lies in the first strip of the row on the left."""
    line = told(case, "probe.0.position", "lies in the metal of electrode 1 of anode 'left'",
                "probe.0.position=[0.05, 0.05, 0.5]")
    assert "probe 'front'" in line
    assert Case.read(case).probes[0].name == "front"


def test_a_probe_in_a_thin_strip_that_fills_its_voxel_is_refused(case):
    """The strip of 1 cm at x = 0.35 m takes the voxel from 0.3 to 0.4 m; the probe is 3 cm off."""
    told(case, "probe.0.position", "metal of electrode 1 of 'middle'",
         "electrodes.row.2.plates=[[[0.345, 0, 0], [0.355, 0.15, 0.2]]]",
         "probe.0.position=[0.38, 0.05, 0.1]")


def test_a_sampling_point_in_metal_is_refused(case):
    (case / "points.csv").write_text("name,x,y,z\nin ore,0.25,0.2,0.1\nin metal,0.55,0.2,0.5\n")
    line = told(case, "sampling.file", "'in metal'", 'sampling.file="points.csv"')
    assert "cathode 'right'" in line and len(complaints(case, 'sampling.file="points.csv"')) == 1


def test_a_well_in_metal_is_refused_and_one_that_reaches_into_it_is_warned_of(case):
    """0.5 to 0.6 m is the cathode; half of the longer box is ore."""
    well = ("well=[{{name='out', kind='drain', head=0, box=[[{}, 0.15, 0.4], [0.6, 0.3, 0.6]]}},"
            "{{name='in', kind='injection', at='anodes', rate='1e-8 m3/s'}}]")
    told(case, "well.0.box", "so no water passes", well.format(0.5))
    (line,) = Case.read(case, [well.format(0.4)]).warnings
    assert "1 of the 2 voxels of well 'out' are metal" in line


def test_a_side_that_electrodes_cover_is_refused(case):
    side = "side=[{{face='{}', composition={{'Na+'='2 mmol/l', 'SO4-2'='1 mmol/l'}}}}]"
    covered = plates((0, 0.1), (0.5, 0.6), (0.3, 0.4))[:2] + ["probe=[]"]
    told(case, "side.0.face", "covered by electrodes", *covered, side.format("x-"))
    Case.read(case, [*covered, side.format("z+")])


def test_an_electrode_inside_metal_is_refused(case):
    """The middle one of three plates of one row in a row, across the block: no face is left."""
    three = ("electrodes.row.0.plates=[[[0.1, 0, 0], [0.2, 0.45, 0.8]], "
             "[[0.2, 0, 0], [0.3, 0.45, 0.8]], [[0.3, 0, 0], [0.4, 0.45, 0.8]]]")
    line = told(case, "electrodes.row.0", "electrode 2 of anode 'left' has no face", three,
                IDLE_AWAY, "probe=[]")
    assert "leave it out" in line


def test_rows_that_a_third_cuts_off_are_refused(case):
    """An idle plate across the block stands between anode and cathode."""
    overrides = plates((0, 0.1), (0.5, 0.6))
    line = told(case, "schedule.stage.0.anodes", "no ore connects 'left' with the cathodes",
                *overrides)
    assert "other electrodes cut it off" in line
    told(case, "schedule.stage.0.cathodes", "no ore connects 'right' with the anodes", *overrides)


def test_water_that_metal_encloses_is_refused(case):
    """The anode stands 10 cm inside the block: half of its feed enters ore without an outlet."""
    overrides = [*plates((0.1, 0.2), (0.5, 0.6))[:2], "probe=[]"]
    line = told(case, "schedule.stage.0", "water of well 'feed' enters ore at (0.05, 0.075, 0.1) m",
                *overrides)
    assert "open an outlet there" in line


def test_ore_that_nothing_reaches_is_warned_of(case):
    """Behind the cathode, whose collector takes what comes; the feed is a box in the middle."""
    overrides = [*plates((0, 0.1), (0.4, 0.5))[:2], "probe=[]", "physics.flow=false", "well=[]",
                 "electrodes.row.2.plates=[[[0.2, 0, 0], [0.3, 0.15, 0.2]]]"]
    (line,) = Case.read(case, overrides).warnings
    assert "12 voxels of ore, the first at (0.55, 0.075, 0.1) m, are cut off" in line


def test_a_distance_that_the_grid_changes_much_is_warned_of(case):
    """Plates 2 cm apart on voxels of 10 cm: one voxel of ore between them."""
    near = plates((0, 0.14), (0.2, 0.3), (0.5, 0.6))
    (line,) = Case.read(case, [*near[:1], near[1].replace("0.2,", "0.16,"), *near[2:]]).warnings
    assert "0.1 m from electrode 1 of anode 'left'" in line and "0.02 m as given" in line


def test_the_audit_of_rows_one_voxel_apart_raises_no_alarm(case):
    """Acid and base made one voxel apart: the boxes of the rows would hold each other's faces.

    20 V over 10 cm for half an hour. Counted by row the error is 0.28 of the charge that passed;
    counted together it is a matter of rounding, 1e-14.
    """
    sim = Simulation(Case.read(case, [
        "electrodes.row.0.plates=[[[0.1, 0.15, 0.2], [0.2, 0.3, 0.6]]]",
        "electrodes.row.1.plates=[[[0.3, 0.15, 0.2], [0.4, 0.3, 0.6]]]",
        "electrodes.row.2.plates=[[[0.5, 0, 0], [0.6, 0.15, 0.2]]]", "probe=[]"]), "numpy")
    assert len(sim.balances.boxes) == 1 < len(Simulation(Case.read(case), "numpy").balances.boxes)
    while sim.state.time < 1800.0:
        sim.step(1800.0)
    assert sim.balances.boxes[0].passed_charge > 0.0
    assert sim.balances.faraday_error() < 1e-10
