"""Files of block models: text, Parquet, Excel, GSLIB, OMF and VTK to columns, centres and sizes.

Text, Parquet and Excel tables have the centre of every block, and its size in three columns, in
`size`, or as the distance of the centres. Orders where the file has no places: GSLIB and VTK x
fastest; OMF z fastest.
"""

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.csv_table import Layout, layout_of
from ekm3d.case.ore_columns import LARGEST, SPACE, Columns, TextColumns, Wanted, match, text_of
from ekm3d.case.schema_ore_files import BlockModelEntry
from ekm3d.case.units import factor
from ekm3d.quoting import quoted, some
from ekm3d.regular_file import opened
from ekm3d.suggest import suggest

PLACES = (*(tuple(form.format(axis) for axis in "xyz") for form in (
    "{0}", "{0}c", "{0}_m", "centroid_{0}", "{0}_centroid", "{0}_centre", "{0}_center", "mid_{0}",
    "{0}_mid", "{0}_world")), *((east, north, up) for east, north in (
        ("east", "north"), ("easting", "northing"))
    for up in ("rl", "z", "elev", "elevation", "level")))
SIZES = tuple(tuple(form.format(axis) for axis in "xyz") for form in (
    "d{0}", "{0}inc", "dim_{0}", "{0}_dim", "{0}_length", "{0}_size", "size_{0}", "block_size_{0}"))
FORMATS = {".csv": "csv", ".txt": "csv", ".asc": "csv", ".str": "str", ".gslib": "gslib",
           ".parquet": "parquet", ".pq": "parquet", ".omf": "omf", ".vti": "vtk", ".vtr": "vtk",
           ".vtk": "vtk", ".xlsx": "xlsx"}
STRING = ("string", "Y", "X", "Z")          # columns of a string file of Surpac, then D1, D2, ...


@dataclass(frozen=True)
class Blocks:
    """Blocks of a file in its own coordinates [m]: centres and sizes (n, 3), and the columns.

    named: True where columns hold the centres.
    """

    columns: Columns
    centres: np.ndarray
    sizes: np.ndarray
    named: bool = False


def read_blocks(path: Path, entry: BlockModelEntry) -> Blocks:
    """Return the Blocks of the file that a [[block_model]] names.

    ValueError, with a message for the user, where it cannot be read, or a package is missing.
    """
    ending = path.suffix.lower()
    kind = entry.format or FORMATS.get(ending)
    if kind is None:
        raise ValueError(f"the format of {quoted(path.name)} is not known by its ending; add "
                         'format = "csv", "str", "gslib", "parquet", "omf", "vtk" or "xlsx"')
    if kind == "csv":
        return _of_table(text_columns(path, entry, _centre_names(entry), entry.columns), entry)
    if kind == "str":
        return _of_table(_string_file(path, entry), entry)
    if kind == "parquet":
        return _of_table(parquet_columns(path), entry)
    if kind == "xlsx":
        return _of_table(excel_columns(path, _centre_names(entry)), entry)
    scale = factor(entry.length_unit, "m")
    columns, centres, sizes = {"gslib": _gslib, "omf": _omf, "vtk": _vtk}[kind](path, entry)
    return Blocks(columns, centres * scale, sizes * scale)


def layout(entry: Any) -> Layout:
    """Return the Layout of a table that may be separated by blanks."""
    if entry.separator == "space":
        return Layout(SPACE, entry.decimal or ".")
    return layout_of(entry.dialect, entry.separator, entry.decimal)


def text_columns(path: Path, entry: Any, wanted: Wanted, names: Sequence[str] | None = None
                 ) -> TextColumns:
    """Return the columns of a text file; entry: a TextFile with its signs."""
    return TextColumns(path, layout(entry), wanted, names)


def _centre_names(entry):
    """Return the names that the columns of the centres may have."""
    return _named([entry.x, entry.y, entry.z], PLACES)


def _named(given, usual):
    """Return the Wanted of three columns, some of which the case may name."""
    return Wanted([[name or form[d] for form in usual] for d, name in enumerate(given)], True)


def _of_table(columns: Columns, entry: BlockModelEntry) -> Blocks:
    """Return the Blocks of a table with the centres in columns."""
    if not len(columns):
        raise ValueError(f"{columns.name} holds no rows")
    scale = factor(entry.length_unit, "m")
    names = _centre_names(entry).found(columns.names)
    if names is None:
        for axis, name in zip("xyz", (entry.x, entry.y, entry.z), strict=True):
            if name and match(columns.names, (name,)) is None:
                raise ValueError(f"{columns.name} has no column {quoted(name)}, {axis} of the "
                                 f"centres{suggest(name, columns.names)}")
        raise ValueError(f"{columns.name} has no columns of the blocks' centres that are known by "
                         f"their names; it has {some(columns.names)}; name them: x = ..., y = "
                         "..., z = ...")
    centres = np.stack([_complete(columns, name) for name in names], axis=1) * scale
    return Blocks(columns, centres, _sizes(columns, entry, centres, scale), named=True)


def _complete(columns, name):
    """Return the numbers of a column that must not miss any."""
    values = columns.numbers(name)
    if not np.isfinite(values).all():
        n = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"{columns.place(n)}: {name} is missing; every block needs its place")
    return values


def _sizes(columns, entry, centres, scale):
    """Return the sizes of blocks (n, 3) [m]: of their columns, of `size`, or the distances."""
    out = np.empty_like(centres)
    given = [entry.dx, entry.dy, entry.dz]
    found = _named(given, SIZES).found(columns.names) or given
    for d, (axis, name) in enumerate(zip("xyz", found, strict=True)):
        if given[d] is None and entry.size is not None:
            out[:, d] = entry.size[d]
        elif name is not None:
            out[:, d] = _complete(columns, name) * scale
            if not (out[:, d] > 0).all():
                n = int(np.argmin(out[:, d] > 0))
                raise ValueError(f"{columns.place(n)}: {name} is {out[n, d] / scale:g}; the size "
                                 "of a block must be above 0")
        else:
            out[:, d] = _distance(columns, centres[:, d], axis)
    return out


def _distance(columns, places, axis):
    """Return the distance of centres along an axis, of which all others are multiples."""
    levels = np.unique(places)
    steps = np.diff(levels)
    steps = steps[steps > 1e-6 * max(np.ptp(levels), 1e-9)]
    if not len(steps):
        raise ValueError(f"{columns.name}: the blocks have one {axis} only, so that their size "
                         f"along {axis} is not known; add size = [\"5 m\", \"5 m\", \"2 m\"] or "
                         f"the name of its column, d{axis} = ...")
    step = steps.min()
    if (np.abs(steps / step - np.rint(steps / step)) > 1e-3).any():
        raise ValueError(f"{columns.name}: the centres are not evenly spaced along {axis}, as of "
                         f"sub-blocks; name the columns of the sizes: d{axis} = ...")
    return step


def _string_file(path, entry):
    """Return the columns of a string file of Surpac: string, Y, X, Z, D1, D2, ..., no heading."""
    first = text_of(path).splitlines()
    rows = [line.split(",") for line in first[2:] if line.strip()]
    kept = [(n, row) for n, row in enumerate(rows) if row[0].strip() not in ("0", "")]
    if not kept:
        raise ValueError(f"{path.name} is no string file of Surpac: two lines, then rows of "
                         "string, Y, X, Z, D1, ...")
    width = min(len(row) for _, row in kept)
    names = entry.columns or [*STRING, *(f"D{n + 1}" for n in range(width - len(STRING)))]
    if len(names) > width:
        raise ValueError(f"{path.name} has rows of {width} values, and `columns` names "
                         f"{len(names)}")
    return Columns(path.name, {name: [row[n].strip() for _, row in kept]
                               for n, name in enumerate(names)})


def _gslib(path, entry):
    """Return a regular grid in GeoEAS format: title, number of variables, names, numbers."""
    if entry.first is None or entry.cells is None or entry.size is None:
        raise ValueError(f"{path.name}: a GSLIB file does not say where its cells are; give first "
                         '= ["2.5 m", "2.5 m", "1 m"] (the centre of the first), cells = [20, 10, '
                         '5] and size = ["5 m", "5 m", "2 m"]')
    if len(entry.cells) != 3 or min(entry.cells) < 1:
        raise ValueError(f"cells should be three numbers of at least 1, not {entry.cells}")
    lines = text_of(path).splitlines()
    try:
        count = int(lines[1].split()[0])
        names = [line.strip() for line in lines[2:2 + count]]
        values = np.array([line.split() for line in lines[2 + count:] if line.strip()], float)
        values = values.reshape(-1, count)
    except (ValueError, IndexError):
        raise ValueError(f"{path.name} is no GSLIB file: a title, the number of variables, their "
                         "names line by line, then one row of numbers per cell") from None
    cells = tuple(entry.cells)
    if len(values) != np.prod(cells):
        raise ValueError(f"{path.name} has {len(values)} rows; {' x '.join(map(str, cells))} cells "
                         f"are {np.prod(cells)}")
    scale = factor(entry.length_unit, "m")
    k, j, i = np.indices(cells[::-1]).reshape(3, -1)            # x fastest
    size = np.array(entry.size) / scale
    centres = np.array(entry.first) / scale + np.stack([i, j, k], axis=1) * size
    return (Columns(path.name, dict(zip(names, values.T, strict=True))), centres,
            np.broadcast_to(size, centres.shape))


def package(name: str, of: str, file: str) -> Any:
    """Return an optional package; ValueError that names the extra where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        extra = "viz" if name == "pyvista" else "geo"
        raise ValueError(f"{file} needs the package {of}; pip install \"ekm3d[{extra}]\""
                         ) from None


def _regular(path):
    """Refuse what is no file of a size that is read; ValueError."""
    try:
        os.close(opened(path, LARGEST))
    except FileNotFoundError:
        raise ValueError(f"there is no file {quoted(path.name)} in {path.parent}") from None
    except OSError as error:
        raise ValueError(f"cannot read {path.name}: {error.strerror}") from None


def _unreadable(path, error):
    """Return the error of a library as a message."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ValueError(f"cannot read {path.name}: {reason}")


def parquet_columns(path: Path) -> Columns:
    """Return the columns of a Parquet file; nulls are NaN in numbers."""
    _regular(path)
    parquet = package("pyarrow.parquet", "pyarrow", path.name)
    try:
        table = parquet.read_table(path)
        columns = {}
        for name in table.column_names:
            column = table.column(name).combine_chunks()
            kind = str(column.type)
            number = any(word in kind for word in ("int", "float", "double", "decimal", "bool"))
            columns[name] = np.asarray(column.cast("double").to_numpy(zero_copy_only=False)) \
                if number else column.to_pylist()
    except Exception as error:                  # of many kinds, all of pyarrow
        raise _unreadable(path, error) from None
    return Columns(path.name, columns)


def excel_columns(path: Path, wanted: Wanted, sheet: str | None = None) -> Columns:
    """Return the columns of the first sheet (or the one named) of an Excel workbook.

    wanted: as of TextColumns: the first row that holds these columns is the heading.
    """
    _regular(path)
    openpyxl = package("openpyxl", "openpyxl", path.name)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = [list(row) for row in (book[sheet] if sheet else book.worksheets[0]).iter_rows(
            values_only=True)]
        book.close()
    except Exception as error:                  # zipfile, xml and openpyxl have their own
        raise _unreadable(path, error) from None
    heads = [["" if cell is None else str(cell).strip() for cell in row] for row in rows[:200]]
    n = next((n for n, names in enumerate(heads) if wanted.found(names) is not None), None)
    if n is None:
        raise ValueError(f"{path.name}: no row of the first sheet names the columns "
                         + wanted.text())
    names = heads[n]
    at = [m for m, name in enumerate(names) if name]
    body = [row for row in rows[n + 1:] if any(cell not in (None, "") for cell in row)]
    columns = {names[m]: ["" if m >= len(row) or row[m] is None else row[m] for row in body]
               for m in at}
    return Columns(path.name, columns)


def _omf(path, entry):
    """Return the cells of a volume of an OMF file (version 1)."""
    _regular(path)
    omf = package("omf", "omf", path.name)
    try:
        project = omf.OMFReader(str(path)).get_project()
    except Exception as error:
        raise _unreadable(path, error) from None
    volumes = {str(e.name): e for e in project.elements if type(e).__name__ == "VolumeElement"}
    if entry.element is None and len(volumes) != 1 or (
            entry.element is not None and entry.element not in volumes):
        raise ValueError(f"{path.name} has the volumes {some(volumes)}; name one: element = ...")
    volume = volumes[entry.element] if entry.element else next(iter(volumes.values()))
    g = volume.geometry
    axes = np.array([g.axis_u, g.axis_v, g.axis_w], float)
    if not np.allclose(axes, np.eye(3), atol=1e-9):
        raise ValueError(f"{path.name}: volume {quoted(str(volume.name))} is rotated in the file, "
                         "which is not read; export it unrotated, or as CSV with rotation = ...")
    steps = [np.asarray(t, float) for t in (g.tensor_u, g.tensor_v, g.tensor_w)]
    ends = [np.concatenate([[0.0], np.cumsum(t)]) for t in steps]
    origin = np.asarray(g.origin, float) + np.asarray(project.origin, float)
    centres = np.stack(np.meshgrid(*[0.5 * (e[1:] + e[:-1]) + o for e, o in zip(
        ends, origin, strict=True)], indexing="ij"), axis=-1).reshape(-1, 3)
    sizes = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    columns = {}
    for data in volume.data:
        if str(data.location) != "cells":
            continue
        if hasattr(data, "legends"):            # a category of rock by number
            names = [str(v) for v in data.legends[0].values.array] if data.legends else []
            index = np.asarray(data.indices.array)
            columns[str(data.name)] = [names[i] if 0 <= i < len(names) else str(i) for i in index]
        elif np.ndim(data.array.array) == 1:
            columns[str(data.name)] = np.asarray(data.array.array)
    return Columns(path.name, columns, "cell"), centres, sizes


def _vtk(path, entry):
    """Return the cells of an image or a rectilinear grid of VTK."""
    _regular(path)
    pyvista = package("pyvista", "pyvista", path.name)
    try:
        mesh = pyvista.read(path)
    except Exception as error:
        raise _unreadable(path, error) from None
    if not isinstance(mesh, (pyvista.ImageData, pyvista.RectilinearGrid)):
        raise ValueError(f"{path.name} holds {type(mesh).__name__}; an image (.vti) or a "
                         "rectilinear grid (.vtr) is needed")
    ends = [np.asarray(getattr(mesh, axis), float) for axis in "xyz"] \
        if isinstance(mesh, pyvista.RectilinearGrid) else \
        [o + d * np.arange(n) for o, d, n in zip(mesh.origin, mesh.spacing, mesh.dimensions,
                                                 strict=True)]
    if not mesh.cell_data.keys() or min(len(e) for e in ends) < 2:
        raise ValueError(f"{path.name} has no values in its cells; values at points are not read")
    grids = [np.meshgrid(*(f(e) for e in reversed(ends)), indexing="ij")[::-1]
             for f in (lambda e: 0.5 * (e[1:] + e[:-1]), np.diff)]
    centres, sizes = (np.stack(grid, axis=-1).reshape(-1, 3) for grid in grids)
    columns = {name: np.asarray(values) for name, values in mesh.cell_data.items()
               if np.ndim(values) == 1}
    return Columns(path.name, columns, "cell"), centres, sizes
