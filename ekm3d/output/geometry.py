"""Electrodes, wells and points of a case as files that ParaView shows beside the block.

    electrodes.vtp    boxes as the case gives them; strip and row by number and name
    rods.vtp          axes of rods as lines, with the radius for ParaView's filter Tube, likewise
    wells.vtp         boxes of wells that have one of their own
    points.vtp        sampling points and probes

Format: VTK XML PolyData, in text. Coordinates are real, as those of the block, where the case names
a place in real space; crs and rotation then stand in the files, too.
"""

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.boundaries.rods import Rod
from ekm3d.grid.georeference import GeoReference

GEOMETRY_FILES = ELECTRODES, RODS, WELLS, POINTS = (
    "electrodes.vtp", "rods.vtp", "wells.vtp", "points.vtp")
CORNERS = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])
QUADS = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
Values = Mapping[str, Sequence[int] | Sequence[float] | Sequence[str]]    # of every shape, by name


def write_geometry(directory: Path, case: Any) -> None:
    """Write the files of a case (electrodes, wells, sampling, probes).

    One that would be empty is not written. OSError where they cannot be.
    """
    shapes = [(shape, r + 1, f"{row.name}.{n + 1}", row.name)
              for r, row in enumerate(case.electrodes.rows)
              for n, shape in enumerate((*row.boxes, *row.rods))]
    numbers = [n + 1 for n, (shape, *_) in enumerate(shapes) if not isinstance(shape, Rod)]
    of_rods = [n + 1 for n, (shape, *_) in enumerate(shapes) if isinstance(shape, Rod)]
    strips, rods = ([shapes[n - 1] for n in chosen] for chosen in (numbers, of_rods))
    boxed = [well for well in case.wells if well.box is not None]
    points = [*((p, 0) for p in case.sampling), *((p, 1) for p in case.probes)]
    reference = case.reference
    for name, tree in (
            (ELECTRODES, _boxes([box for box, *_ in strips], {
                "row": [row for _, row, _, _ in strips], "strip": numbers,
                "name": [name for _, _, name, _ in strips],
                "row_name": [row for *_, row in strips]})),
            (RODS, _lines([(rod.start, rod.end) for rod, *_ in rods], {
                "row": [row for _, row, _, _ in rods], "strip": of_rods,
                "radius": [rod.radius for rod, *_ in rods],
                "name": [name for _, _, name, _ in rods],
                "row_name": [row for *_, row in rods]})),
            (WELLS, _boxes([well.box for well in boxed], {
                "name": [well.name for well in boxed], "kind": [well.kind for well in boxed]})),
            (POINTS, _points([p.position for p, _ in points], {
                "name": [p.name for p, _ in points], "probe": [probe for _, probe in points]}))):
        path = directory / name
        path.unlink(missing_ok=True)
        if tree is not None:
            place_in_real_space(tree, reference)
            draft = path.with_name(f".{name}.{os.getpid()}")
            draft.write_text('<?xml version="1.0"?>\n' + ET.tostring(tree, "unicode"), "utf-8")
            os.replace(draft, path)


def place_in_real_space(tree: ET.Element, reference: GeoReference) -> None:
    """Turn a PolyData into real coordinates, with crs and rotation as field data."""
    if not reference.given:
        return
    points = tree.find(".//Points/DataArray")
    assert points is not None
    places = reference.to_real(np.array((points.text or "").split(), float).reshape(-1, 3))
    points.text = " ".join(map(repr, places.ravel().tolist()))
    data = ET.Element("FieldData")
    for name, value in reference.facts().items():
        if name == "crs":
            _array(data, "String", name, (*reference.crs.encode(), 0), count=1)
        else:
            numbers = np.atleast_1d(value).tolist()
            _array(data, "Float64", name, numbers, count=len(numbers))
    tree[0].insert(0, data)


def _boxes(boxes: Sequence, values: Values) -> ET.Element | None:
    """Surfaces of boxes ((x0, y0, z0), (x1, y1, z1)), with values for each."""
    ends = [np.array(box, float) for box in boxes]
    points = [low + CORNERS * (high - low) for low, high in ends]
    cells = [8 * n + np.array(quad) for n in range(len(boxes)) for quad in QUADS]
    return _poly_data(points, "Polys", cells, values, repeat=len(QUADS))


def _lines(ends: Sequence, values: Values) -> ET.Element | None:
    """Straight lines between two points each, with values for each."""
    cells = [np.array([2 * n, 2 * n + 1]) for n in range(len(ends))]
    return _poly_data([np.array(pair, float) for pair in ends], "Lines", cells, values, repeat=1)


def _points(places: Sequence, values: Values) -> ET.Element | None:
    """Single points, with values for each."""
    cells = [np.array([n]) for n in range(len(places))]
    return _poly_data([np.array([p], float) for p in places], "Verts", cells, values, repeat=1)


def _poly_data(points: Sequence[np.ndarray], kind: str, cells: Sequence[np.ndarray],
               values: Values, repeat: int) -> ET.Element | None:
    """PolyData of cells of a kind with `repeat` cells for every value; None without points."""
    if not points:
        return None
    places = np.concatenate(points)
    root = ET.Element("VTKFile", type="PolyData", version="0.1")
    piece = ET.SubElement(ET.SubElement(root, "PolyData"), "Piece", {
        "NumberOfPoints": str(len(places)), f"NumberOf{kind}": str(len(cells))})
    _array(ET.SubElement(piece, "Points"), "Float64", "points", places.ravel().tolist(), 3)
    group = ET.SubElement(piece, kind)
    _array(group, "Int64", "connectivity", np.concatenate(cells).tolist())
    _array(group, "Int64", "offsets", np.cumsum([len(cell) for cell in cells]).tolist())
    data = ET.SubElement(piece, "CellData")
    for name, column in values.items():
        texts = [str(value) for value in column for _ in range(repeat)]
        if isinstance(column[0], str):
            _array(data, "String", name, [byte for text in texts for byte in (*text.encode(), 0)],
                   count=len(texts))
        elif isinstance(column[0], float):
            _array(data, "Float64", name, map(float, texts))
        else:
            _array(data, "Int32", name, map(int, texts))
    return root


def _array(parent: ET.Element, kind: str, name: str, numbers: Iterable, components: int = 1,
           count: int | None = None) -> None:
    """Add a DataArray; count: of the texts whose bytes the numbers are."""
    about = {"type": kind, "Name": name, "NumberOfComponents": str(components), "format": "ascii"}
    if count is not None:
        about["NumberOfTuples"] = str(count)
    ET.SubElement(parent, "DataArray", about).text = " ".join(map(repr, numbers))
