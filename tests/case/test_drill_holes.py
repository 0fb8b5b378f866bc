"""Drill holes: minimum curvature against arcs of a circle, composites worked out by hand."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ekm3d.case.drill_holes import DrillHoles, DrillHoleSets, positions
from ekm3d.case.problems import MissingValue, Problems
from ekm3d.case.schema_ore_files import DrillHolesEntry
from ekm3d.grid.georeference import GeoReference
from ekm3d.regular_file import Folders

DATA = Path(__file__).resolve().parents[1] / "data" / "ore_files"
KEYS = {"name": "h", "collar": "collar.csv", "survey": "survey.csv", "intervals": "assay.csv"}


def holes(folder=DATA, **keys):
    return DrillHoles(DrillHolesEntry.model_validate(KEYS | keys), Folders(folder))


def test_hole_between_two_stations_is_an_arc_of_a_circle():
    """From vertical to 60 degrees off over 30 m: radius R = 30 / (pi/3), towards x.

    At an angle a the hole is at x = R (1 - cos a), z = -R sin a: exact, so 1e-12.
    """
    tangents = np.array([[0, 0, -1], [np.sin(np.pi / 3), 0, -np.cos(np.pi / 3)]])
    where = np.array([0.0, 7.0, 15.0, 30.0, 40.0])
    found = positions(np.zeros(3), np.array([0.0, 30.0]), tangents, where)
    radius, angle = 90 / np.pi, np.minimum(where, 30) / (90 / np.pi)
    wanted = np.stack([radius * (1 - np.cos(angle)), 0 * where, -radius * np.sin(angle)], 1)
    wanted[4] += 10 * tangents[1]                       # straight on below the last station
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_hole_is_straight_above_its_first_station():
    found = positions(np.array([1.0, 2, 3]), np.array([5.0]), np.array([[0.6, 0, -0.8]]), [2.0, 10])
    np.testing.assert_allclose(found, [[2.2, 2, 1.4], [7, 2, -5]], atol=1e-14)


def test_composites_are_means_by_length():
    """Hole 1: 400 over 0.5 m and 300 over 0.5 m to 350, then 300 over half of the second metre.

    Its last interval has no value, and the half that has one suffices (`least` 0.5). Hole 2 bends
    towards the east (azimuth 90): its composites are its intervals.
    """
    drilled = holes(composite="1 m")
    values = np.stack([drilled.intervals.numbers(c) for c in ("LA", "Y")], axis=1)
    places, means = drilled.composites(values)
    np.testing.assert_allclose(means, [[350, 45], [300, 40], [90, 10], [120, 20]])
    np.testing.assert_allclose(places[:2], [[250005, 4800005, 101.5], [250005, 4800005, 100.5]])
    assert (places[2:, 0] > 250015).all() and places[2:, 1] == pytest.approx(4800015)
    assert len(holes(composite="1 m", least=0.6).composites(values)[1]) == 3
    assert holes().composites(values)[1][:2].tolist() == [[400, 50], [300, 40]]


def test_holes_move_with_origin_and_rotation():
    """The case's x axis points along y of the file: (dx, dy) becomes (dy, -dx)."""
    values = holes().intervals.numbers("LA")[:, None]
    places, _ = holes(origin=["250000 m", "4800000 m", "100 m"], rotation=90).composites(values)
    np.testing.assert_allclose(places[0], [5, -5, 1.75], atol=1e-9)


def test_holes_in_real_coordinates_move_with_the_grid():
    """The same by the grid's place, whose lower corner is (2, 3, 1) in the case."""
    reference = GeoReference((2.0, 3.0, 1.0), (250000.0, 4800000.0, 100.0), 90.0)
    found = DrillHoles(DrillHolesEntry.model_validate(KEYS | {"coordinates": "real"}),
                       Folders(DATA), reference)
    places, _ = found.composites(found.intervals.numbers("LA")[:, None])
    np.testing.assert_allclose(places[0], [7, -2, 2.75], atol=1e-9)


@pytest.mark.parametrize("key, value", [("origin", ["1 m", "0 m", "0 m"]), ("rotation", 30.0)])
def test_real_coordinates_have_no_origin_of_their_own(key, value):
    entry = DrillHolesEntry.model_validate(KEYS | {"coordinates": "real", key: value})
    problems = Problems()
    sets = DrillHoleSets([entry], Folders(DATA), problems)
    with pytest.raises(MissingValue):
        sets.holes(entry.name)
    (line,) = problems.texts
    assert f"drill_holes.0.{key}: " in line and "leave it out" in line


def test_dips_may_be_positive_up_or_down(tmp_path):
    """-60 where up is positive is 60 where down is; both signs need a word."""
    shutil.copytree(DATA, tmp_path / "d")
    (tmp_path / "d" / "survey.csv").write_text("BHID,AT,BRG,DIP\nDH1,0,0,-90\nDH2,0,90,-60\n")
    up = holes(tmp_path / "d").holes["DH2"][2][0]
    assert up == pytest.approx([0.5, 0, -np.sqrt(0.75)])
    (tmp_path / "d" / "survey.csv").write_text("BHID,AT,BRG,DIP\nDH1,0,0,90\nDH2,0,90,-60\n")
    with pytest.raises(ValueError, match="dips are of both signs"):
        holes(tmp_path / "d")
    assert holes(tmp_path / "d", positive="down").holes["DH2"][2][0][2] > 0


@pytest.mark.parametrize("file, content, message", [
    ("assay.csv", "BHID,FROM,TO,LA\nDH9,0,1,5\n", "assay.csv:2: hole 'DH9' has no collar"),
    ("assay.csv", "BHID,FROM,TO,LA\nDH1,1,1,5\n", "assay.csv:2: an interval from 1 to 1 m"),
    ("assay.csv", "BHID,FROM,TO,LA\nDH1,0,2,5\nDH1,1,3,5\n", "assay.csv:3: the interval from 1 to "
     "3 m of hole 'DH1' overlaps another"),
    ("assay.csv", "BHID,START,TO,LA\nDH1,0,2,5\n", "no line names the columns"),
    ("collar.csv", "BHID,X,Y,Z\nDH1,0,0,0\nDH1,1,0,0\nDH2,0,0,0\n", "collar.csv:3: hole 'DH1' has "
     "a collar already"),
    ("survey.csv", "BHID,AT,BRG,DIP\nDH1,0,0,90\nDH1,0,0,80\n", "has two stations at 0")])
def test_wrong_holes_are_refused_by_line(tmp_path, file, content, message):
    shutil.copytree(DATA, tmp_path / "d")
    (tmp_path / "d" / file).write_text(content)
    with pytest.raises(ValueError) as caught:
        holes(tmp_path / "d")
    assert message in str(caught.value), caught.value
