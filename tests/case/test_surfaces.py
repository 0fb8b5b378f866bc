"""Surfaces of a case: files and formulas give the heights that are in them."""

import numpy as np
import pytest

from ekm3d.case.problems import MissingValue, Problems
from ekm3d.case.surfaces import SurfaceReader
from ekm3d.grid.georeference import GeoReference
from ekm3d.regular_file import Folders

X, Y = np.array([1.3, 2.7, 4.0]), np.array([0.4, 1.9, 2.2])
PLANE = 2.0 + 0.3 * X - 0.2 * Y


def plane(x, y):
    return 2.0 + 0.3 * x - 0.2 * y


def reader(folder, named=(), reference=None):
    return SurfaceReader(dict(named), Folders(folder), reference or GeoReference(), Problems())


def complaint(read, value):
    """Return the text of the problem with a surface, of reading it or of its heights."""
    try:
        read.read(("shapes", "a", "below"), value)(X, Y)
    except ValueError as e:
        return str(e)
    except MissingValue:
        text, = read.problems.texts
        return text
    pytest.fail("not refused")


def table(folder, points, name="top.csv"):
    (folder / name).write_text("x,y,z\n" + "".join(f"{x!r},{y!r},{z!r}\n" for x, y, z in
                                                   np.asarray(points, float).tolist()))
    return {"table": name}


@pytest.fixture
def full(tmp_path):
    """A plane on a grid of 6 x 4 points, from (0, 0) to (5, 3) m."""
    return table(tmp_path, [(x, y, plane(x, y)) for x in range(6) for y in range(4)])


def test_a_height_a_formula_and_a_name(tmp_path):
    read = reader(tmp_path, {"top": {"formula": "2 + 0.3*x - 0.2*y"}})
    assert read.read(("s",), "150 cm")(X, Y).tolist() == [1.5] * 3
    assert read.read(("s",), "top")(X, Y) == pytest.approx(PLANE)
    assert read.read(("s",), {"formula": "200 + 30*x", "unit": "cm"})(X, Y) == pytest.approx(
        2 + 0.3 * X)


def test_points_on_a_grid_and_scattered_points_give_a_plane_exactly(tmp_path, full):
    read = reader(tmp_path)
    assert read.read(("s",), full)(X, Y) == pytest.approx(PLANE, abs=1e-12)
    places = np.random.default_rng(5).uniform(-1, 6, (60, 2))
    some = table(tmp_path, [(x, y, plane(x, y)) for x, y in places], "some.csv")
    assert read.read(("s",), some)(X, Y) == pytest.approx(PLANE, abs=1e-9)


def test_between_points_of_a_grid_heights_are_bilinear(tmp_path):
    saddle = table(tmp_path, [(x, y, x * y) for x in (0, 5) for y in (0, 4)])
    assert reader(tmp_path).read(("s",), saddle)(X, Y) == pytest.approx(X * Y, abs=1e-12)


def test_an_ascii_grid(tmp_path):
    """The first row lies in the north; values stand at the middles of cells of 1 m."""
    rows = [" ".join(f"{plane(i + 0.5, j + 0.5):.9f}" for i in range(6)) for j in range(4)][::-1]
    head = "NCOLS 6\nNROWS 4\nXLLCORNER 0\nyllcorner 0.0\ncellsize 1\nNODATA_value -9999\n"
    (tmp_path / "top.asc").write_text(head + "\n".join(rows))
    read = reader(tmp_path)
    found = read.read(("s",), {"grid": "top.asc"})(X[1:], Y[1:])
    assert found == pytest.approx(PLANE[1:], abs=1e-8)
    rim = read.read(("s",), {"grid": "top.asc"})(np.array([0.1]), np.array([2.5]))
    assert rim[0] == pytest.approx(plane(0.5, 2.5))
    (tmp_path / "hole.asc").write_text(head + "\n".join(rows).replace(rows[2], " ".join(
        ["-9999"] * 6)))
    assert "has no height at" in complaint(read, {"grid": "hole.asc"})
    filled = read.read(("s",), {"grid": "hole.asc", "beyond": "nearest"})(X, Y)
    assert np.isfinite(filled).all()


def test_triangles(tmp_path):
    """A plane of 50 triangles as an STL file, in its single precision."""
    pyvista = pytest.importorskip("pyvista")
    sheet = pyvista.Plane(center=(2.5, 1.5, 0), i_size=7, j_size=5, i_resolution=5, j_resolution=5)
    sheet.points[:, 2] = plane(sheet.points[:, 0], sheet.points[:, 1])
    for name in ("top.stl", "top.ply", "top.vtp"):
        sheet.triangulate().save(tmp_path / name)
        read = reader(tmp_path).read(("s",), {"mesh": name})
        assert read(X, Y) == pytest.approx(PLANE, abs=1e-5)
    beside = reader(tmp_path).read(("s",), {"mesh": name, "beyond": "nearest"})
    assert np.isfinite(beside(np.array([50.0]), np.array([1.0]))).all()


def test_a_file_in_real_coordinates(tmp_path):
    """The same heights where the block is moved, raised and turned, and the file lies there."""
    place = GeoReference((0.0, 0.0, 0.0), (1000.0, 2000.0, 300.0), 30.0, "EPSG:32649")
    grid = [(x, y, plane(x, y)) for x in range(-3, 9) for y in range(-3, 9)]
    real = {**table(tmp_path, place.to_real(grid)), "coordinates": "real"}
    read = reader(tmp_path, reference=place)
    assert read.read(("s",), real)(X, Y) == pytest.approx(PLANE, abs=1e-9)
    text = complaint(reader(tmp_path, reference=place), {**real, "coordinates": "case"})
    assert 'say coordinates = "real"' in text


def test_a_surface_that_does_not_cover_the_block_is_refused(tmp_path):
    part = table(tmp_path, [(x, y, 1.0) for x in (0, 2) for y in (0, 4)])
    text = complaint(reader(tmp_path), part)
    assert "'top.csv' has no height at (2.7, 1.9) m" in text and 'beyond = "nearest"' in text
    read = reader(tmp_path).read(("s",), {**part, "beyond": "nearest"})
    assert read(X, Y).tolist() == [1.0] * 3


@pytest.mark.parametrize("value, text", [
    ("topp", "is neither a height nor the name of one of [surfaces]"),
    ({"formula": "1", "table": "a.csv"}, "should be a height, the name of a surface, or a table"),
    ({"formula": "1 + u"}, "u"), ({"formula": "1 + z"}, "no z can stand in its formula"),
    ({"mesh": "bad.stl"}, "bad.stl"), ({"table": "no.csv"}, "there is no file 'no.csv'"),
    ({"grid": "bad.asc"}, "the header of an ESRI ASCII grid lacks nrows, cellsize"),
    ({"grid": "few.asc"}, "3 heights; its header says 2 x 2"),
    ({"mesh": "top.dxf"}, "is none of .stl, .obj, .ply, .vtp"),
    ({"table": "line.csv"}, "needs at least three points"),
    ({"table": "twice.csv"}, "two heights at one place")])
def test_a_wrong_surface_is_told(tmp_path, value, text):
    (tmp_path / "bad.asc").write_text("ncols 3\n1 2 3\n")
    (tmp_path / "few.asc").write_text("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n"
                                      "1 2 3\n")
    (tmp_path / "bad.stl").write_bytes(b"solid nothing\n\x00\xff garbage")
    table(tmp_path, [(0, 0, 1), (1, 0, 1), (2, 0, 1)], "line.csv")
    table(tmp_path, [(0, 0, 1), (0, 0, 2), (2, 1, 1), (1, 1, 1)], "twice.csv")
    assert text in complaint(reader(tmp_path, {"top": "1 m"}), value)
