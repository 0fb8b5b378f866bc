"""Block models as other programs write them: the same four blocks in every dialect and format.

Four blocks of 10 x 10 x 2 m around (250010, 4800010, 101) m, lanthanum 412.5, 388, none and 95 ppm;
Datamine's are sub-blocked.
"""

from pathlib import Path

import numpy as np
import pytest

from ekm3d.case.block_files import read_blocks
from ekm3d.case.schema_ore_files import BlockModelEntry

DATA = Path(__file__).resolve().parents[1] / "data" / "ore_files"
CENTRES = np.array([[x, y, 101.0] for y in (4800005.0, 4800015.0) for x in (250005.0, 250015.0)])
LA = np.array([412.5, 388.0, np.nan, 95.0])


def entry(file, **keys):
    return BlockModelEntry.model_validate({"name": "m", "file": str(file), **keys})


def read(file, **keys):
    return read_blocks(DATA / file, entry(file, **keys))


@pytest.mark.parametrize("file, la, density, keys", [
    ("surpac.csv", "la", "sg", {"missing": [-99]}),
    ("surpac.str", "D1", "D2", {"missing": [-99], "size": ["10 m", "10 m", "2 m"]}),
    ("vulcan.csv", "la", "density", {"missing": [-99]}),
    ("leapfrog.csv", "La_ppm", "Density", {}),
    ("german.csv", "La", "Dichte", {"x": "Ost", "y": "Nord", "z": "Hoehe", "dialect": "excel-de",
                                    "size": ["10 m", "10 m", "2 m"]}),
    ("gslib.gslib", "La_ppm", "density", {
        "missing": [-99], "first": ["250005 m", "4800005 m", "101 m"], "cells": [2, 2, 1],
        "size": ["10 m", "10 m", "2 m"]})])
def test_every_dialect_has_the_same_blocks(file, la, density, keys):
    blocks = read(file, **keys)
    np.testing.assert_array_equal(blocks.centres, CENTRES)
    np.testing.assert_array_equal(blocks.sizes, np.tile([10.0, 10.0, 2.0], (4, 1)))
    np.testing.assert_array_equal(blocks.columns.numbers(la, keys.get("missing", [""])), LA)
    assert blocks.columns.numbers(density).tolist() == [1.52, 1.55, 1.60, 1.71]


def test_sub_blocks_have_sizes_of_their_own():
    """Datamine: two halves of the third block along x, two of the fourth along z; `-` is absent."""
    blocks = read("datamine.csv", missing=["-"])
    assert blocks.sizes[:, 0].tolist() == [10, 10, 5, 5, 10, 10]
    assert blocks.sizes[:, 2].tolist() == [2, 2, 2, 2, 1, 1]
    assert blocks.sizes.prod(axis=1).sum() == 800.0
    assert np.isnan(blocks.columns.numbers("LA", ["-"])).tolist() == [False] * 2 + [True] * 2 + [
        False] * 2
    assert blocks.columns.texts("ROCK")[2] == "SAP"


def test_size_is_the_distance_of_centres_where_nothing_tells_it(tmp_path):
    """x 0.5, 1.5, 4.5 m: 1 m. A gap is no size; 0.5, 1.5, 3.2 m are not evenly spaced."""
    rows = [f"{x},{y},{z},1" for x in (0.5, 1.5, 4.5) for y in (1, 3) for z in (0.25, 0.75)]
    (tmp_path / "b.csv").write_text("x,y,z,g\n" + "\n".join(rows))
    blocks = read_blocks(tmp_path / "b.csv", entry("b.csv"))
    assert blocks.sizes[0].tolist() == [1.0, 2.0, 0.5]
    (tmp_path / "b.csv").write_text("x,y,z,g\n0.5,1,1,1\n1.5,2,2,1\n3.2,3,3,1\n")
    with pytest.raises(ValueError, match="not evenly spaced along x"):
        read_blocks(tmp_path / "b.csv", entry("b.csv"))
    (tmp_path / "b.csv").write_text("x,y,z,g\n0.5,1,1,1\n1.5,2,1,1\n")
    with pytest.raises(ValueError, match="one z only"):
        read_blocks(tmp_path / "b.csv", entry("b.csv"))


def test_rare_earths_are_no_coordinates(tmp_path):
    """Columns y and dy of yttrium and dysprosium beside centroid_y: grades, not places or sizes."""
    rows = [f"{x},{y},0.5,{9 + x},{7 + y}" for x in (0.5, 1.5) for y in (1, 3)]
    (tmp_path / "b.csv").write_text("centroid_x,centroid_y,centroid_z,y,dy\n" + "\n".join(rows))
    blocks = read_blocks(tmp_path / "b.csv", entry("b.csv", size=["1 m", "2 m", "1 m"]))
    assert blocks.centres[:, 1].tolist() == [1, 3, 1, 3] and (blocks.sizes == [1, 2, 1]).all()
    assert blocks.columns.numbers("y").tolist() == [9.5, 9.5, 10.5, 10.5]


def test_lengths_may_be_in_feet_or_kilometres(tmp_path):
    (tmp_path / "b.csv").write_text("x,y,z,g\n1,1,1,1\n3,3,3,1\n")
    assert read_blocks(tmp_path / "b.csv", entry("b.csv", length_unit="km")).centres[1, 0] == 3e3


@pytest.mark.filterwarnings("ignore:__array_wrap__")         # of the packages under omf
def test_parquet_omf_vtk_and_excel_have_the_same_blocks(tmp_path):
    """Written by the packages of the formats themselves; orders are theirs."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    openpyxl = pytest.importorskip("openpyxl")
    pyvista, omf = pytest.importorskip("pyvista"), pytest.importorskip("omf")
    parquet.write_table(arrow.table({
        "XC": CENTRES[:, 0], "YC": CENTRES[:, 1], "ZC": CENTRES[:, 2], "XINC": [10.0] * 4,
        "YINC": [10] * 4, "ZINC": [2.0] * 4, "LA": [412.5, 388.0, None, 95.0],
        "ROCK": ["LAT", "LAT", None, "SAP"]}), tmp_path / "b.parquet")
    book = openpyxl.Workbook()
    for row in (["a title"], ["X", "Y", "Z", "dx", "dy", "dz", "LA"], *(
            [*c, 10, 10, 2, None if np.isnan(v) else v] for c, v in zip(
                CENTRES.tolist(), LA, strict=True))):
        book.active.append(row)
    book.save(tmp_path / "b.xlsx")
    image = pyvista.ImageData(dimensions=(3, 3, 2), spacing=(10, 10, 2),
                              origin=(250000, 4800000, 100))
    image.cell_data["LA"] = LA                                  # x fastest
    image.save(tmp_path / "b.vti")
    geometry = omf.VolumeGridGeometry(tensor_u=[10.0, 10.0], tensor_v=[10.0, 10.0], tensor_w=[2.0],
                                      origin=[250000.0, 4800000.0, 100.0])
    data = omf.ScalarData(name="LA", location="cells",
                          array=LA.reshape(2, 2).T.reshape(-1))       # z fastest, x slowest
    omf.OMFWriter(omf.Project(name="p", elements=[
        omf.VolumeElement(name="v", geometry=geometry, data=[data])]), str(tmp_path / "b.omf"))
    for name in ("b.parquet", "b.xlsx", "b.vti", "b.omf"):
        blocks = read_blocks(tmp_path / name, entry(name))
        order = np.lexsort((blocks.centres[:, 0], blocks.centres[:, 1]))
        np.testing.assert_allclose(blocks.centres[order], CENTRES, rtol=1e-15, err_msg=name)
        assert (blocks.sizes == [10.0, 10.0, 2.0]).all(), name
        np.testing.assert_array_equal(blocks.columns.numbers("LA")[order], LA, err_msg=name)
    assert read_blocks(tmp_path / "b.parquet", entry("b.parquet")).columns.texts("ROCK") == [
        "LAT", "LAT", "", "SAP"]


@pytest.mark.parametrize("name, content, keys, message", [
    ("b.csv", "a,b,c\n1,2,3\n", {}, "no line names the columns x/xc/x_m"),
    ("b.csv", "x;y;z;g\n1;2;3;4\n", {}, "seem to be separated by semicolons"),
    ("b.csv", "x,y,z,g\n1,2,3\n", {"size": "1 m"}, "b.csv:2: 3 values under 4 columns"),
    ("b.csv", "x,y,z,g\n1,2,3,4\n1,two,3,4\n", {"size": "1 m"}, "b.csv:3: y is 'two', which is"),
    ("b.csv", "x,y,z,g\n1,2,3,4\n1,,3,4\n", {"size": "1 m"}, "b.csv:3: y is missing"),
    ("b.csv", "x,y,z,dx,dy,dz\n1,2,3,0,1,1\n", {}, "the size of a block must be above 0"),
    ("b.csv", "x,y,z\nm,m,m\n", {}, "holds no rows with numbers"),
    ("b.csv", "x,y,z,g,g\n1,2,3,4,5\n", {}, "column 'g' appears twice"),
    ("b.dat", "", {}, "the format of 'b.dat' is not known by its ending"),
    ("b.gslib", "t\n1\ng\n1\n", {}, "does not say where its cells are"),
    ("b.gslib", "t\n1\ng\n1\n", {"first": "0 m", "cells": [2, 1, 1], "size": "1 m"}, "has 1 rows"),
    ("b.str", "a\nb\n0,0,0,0\n", {}, "is no string file of Surpac"),
    ("b.parquet", "no", {}, "cannot read b.parquet"), ("b.xlsx", "no", {}, "cannot read b.xlsx"),
    ("b.omf", "no", {}, "cannot read b.omf")])
def test_wrong_files_are_refused_by_place(tmp_path, name, content, keys, message):
    if name.endswith(("parquet", "xlsx", "omf")):
        pytest.importorskip({"b.parquet": "pyarrow", "b.xlsx": "openpyxl"}.get(name, "omf"))
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError) as caught:
        blocks = read_blocks(tmp_path / name, entry(name, **keys))
        blocks.columns.numbers("g")
    assert message in str(caught.value), caught.value


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "b.parquet").write_text("x")
    with pytest.raises(ValueError, match=r'needs the package pyarrow; pip install "ekm3d\[geo\]"'):
        read_blocks(tmp_path / "b.parquet", entry("b.parquet"))
