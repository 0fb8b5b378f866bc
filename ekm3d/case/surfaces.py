"""Surfaces of a case: heights z over x and y.

    "12 m"                                  a constant height
    "topography"                            the name of a [surfaces.NAME]
    {formula = "12 - 0.2*x"}                an expression of x and y [m]
    {table = "topography.csv"}              points x, y, z: a full grid of them (bilinear), or
                                            scattered ones (linear on Delaunay's triangles)
    {grid = "terrain.asc"}                  an ESRI ASCII grid: bilinear between centres of cells
    {mesh = "topography.stl"}               triangles; where they overhang, the highest counts

A surface has to cover the block, or says beyond = "nearest". Files may be in real coordinates.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.csv_table import CsvTable, layout_of
from ekm3d.case.expressions import evaluate
from ekm3d.case.problems import KeyPath, MissingValue, Problems
from ekm3d.case.schema_shapes import (
    LENGTH,
    REAL,
    FormulaSurface,
    GridSurface,
    MeshSurface,
    TableSurface,
)
from ekm3d.case.toml_tables import parse
from ekm3d.case.triangles import read_triangles, vertical_crossings
from ekm3d.grid.georeference import GeoReference
from ekm3d.grid.solids import Heights
from ekm3d.quoting import quoted
from ekm3d.regular_file import MIB, Folders, contents
from ekm3d.suggest import suggest

MODELS: dict[str, Any] = {"formula": FormulaSurface, "table": TableSurface, "grid": GridSurface,
                          "mesh": MeshSurface}
LARGEST = 512 * MIB
HEADER = {"ncols", "nrows", "xllcorner", "yllcorner", "xllcenter", "yllcenter", "cellsize",
          "nodata_value"}


class SurfaceReader:
    """Reader of surfaces; problems go to `problems`."""

    def __init__(self, named: Mapping[str, Any], folders: Folders, reference: GeoReference,
                 problems: Problems):
        self.named, self.folders, self.problems = named, folders, problems
        self.reference = reference
        self.known: dict[str, Heights] = {}

    def read(self, path: KeyPath, value: Any) -> Heights:
        """Return the heights of a surface; MissingValue with a problem where it is wrong."""
        try:
            if isinstance(value, str) and value in self.named:
                return self.by_name(value)
            if isinstance(value, dict):
                return self._table(path, value)
            return self._constant(value)
        except ValueError as e:
            self.problems.add(path, str(e))
            raise MissingValue from None

    def by_name(self, name: str) -> Heights:
        """Return the heights of a [surfaces.NAME]; MissingValue with a problem if it is wrong."""
        if name not in self.known:
            path, given = ("surfaces", name), self.named[name]
            try:
                self.known[name] = self._table(path, given) if isinstance(given, dict) \
                    else self._constant(given)
            except ValueError as e:
                self.problems.add(path, str(e))
                raise MissingValue from None
        return self.known[name]

    def _constant(self, value: Any) -> Heights:
        try:
            height = LENGTH.read(value)
        except ValueError as e:
            more = suggest(value, list(self.named)) if isinstance(value, str) else ""
            raise ValueError(f"is neither a height nor the name of one of [surfaces]: {e}{more}"
                             ) from None
        return lambda x, y: np.full(np.shape(x), height)

    def _table(self, path: KeyPath, value: Any) -> Heights:
        chosen = [key for key in MODELS if isinstance(value, dict) and key in value]
        if len(chosen) != 1:
            raise ValueError("should be a height, the name of a surface, or a table with one of "
                             + ", ".join(MODELS))
        spec = parse(MODELS[chosen[0]], value, self.problems, path)
        if isinstance(spec, FormulaSurface):
            return self._formula(spec)
        file, found = getattr(spec, chosen[0]), self.folders.file(getattr(spec, chosen[0]))
        if isinstance(spec, TableSurface):
            table = CsvTable(found, layout_of(spec.dialect, spec.separator, spec.decimal))
            heights = of_points(table.positions(LENGTH if spec.coordinates == "case" else REAL),
                                table.name, spec.beyond == "nearest")
        elif isinstance(spec, GridSurface):
            heights = of_ascii_grid(found, spec.beyond == "nearest")
        else:
            heights = of_triangles(read_triangles(found), spec.beyond == "nearest")
        return self._covering(heights, file, spec.coordinates == "real")

    def _formula(self, spec: Any) -> Heights:
        scale = LENGTH.factor(spec.unit)
        if re.search(r"\bz\b", spec.formula):
            raise ValueError("a surface is a height over x and y, so no z can stand in its formula")

        def heights(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return scale * np.broadcast_to(evaluate(spec.formula, x, y, np.zeros(1)), x.shape)

        heights(np.zeros(1), np.zeros(1))
        return heights

    def _covering(self, heights: Heights, file: str, real: bool) -> Heights:
        """Return heights in the case's coordinates; ValueError where there is none."""
        reference = self.reference

        def checked(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            at, shift = (x, y), 0.0
            if real:
                places = reference.to_real(np.stack([x, y, np.zeros_like(x)], axis=-1))
                at, shift = (places[..., 0], places[..., 1]), 0.0
                shift = reference.origin[2] - reference.real_origin[2]
            found = heights(*at) + shift
            missing = ~np.isfinite(found)
            if missing.any():
                n = int(missing.argmax())
                where = f"({at[0][n]:g}, {at[1][n]:g}) m" + " of real space" * real
                raise ValueError(
                    f"surface {quoted(Path(file).name)} has no height at {where}, in the block; "
                    "take one that covers the block, say coordinates = \"real\" if it is in real "
                    "coordinates, or beyond = \"nearest\"")
            return found

        return checked


def of_points(points: np.ndarray, name: str, nearest: bool) -> Heights:
    """Return the heights of points x, y, z (n, 3) [m]; NaN beyond them unless `nearest`."""
    plan = np.unique(points[:, :2], axis=0)
    if len(plan) < len(points):
        raise ValueError(f"{name} has two heights at one place x, y")
    xs, ys = np.unique(points[:, 0]), np.unique(points[:, 1])
    if len(points) < 3 or xs.size < 2 or ys.size < 2:
        raise ValueError(f"{name} needs at least three points x, y, z that are not on one line")
    if xs.size * ys.size == len(points):
        values = np.empty((ys.size, xs.size))
        values[np.searchsorted(ys, points[:, 1]), np.searchsorted(xs, points[:, 0])] = points[:, 2]
        return bilinear(xs, ys, values, nearest)
    from scipy.interpolate import (  # imported here: it costs 0.8 s
        LinearNDInterpolator,
        NearestNDInterpolator,
    )

    middle = points[:, :2].mean(axis=0)
    try:
        linear = LinearNDInterpolator(points[:, :2] - middle, points[:, 2])
    except RuntimeError:                        # of Qhull
        raise ValueError(f"{name}: its points lie on one line") from None
    beside = NearestNDInterpolator(points[:, :2] - middle, points[:, 2])

    def heights(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        at = np.stack([x, y], axis=-1) - middle
        found = linear(at)
        return np.where(np.isnan(found), beside(at), found) if nearest else found

    return heights


def bilinear(xs: np.ndarray, ys: np.ndarray, values: np.ndarray, nearest: bool,
             margin: float = 0.0) -> Heights:
    """Return the heights between values (ny, nx) at rising xs, ys [m].

    margin: width [m] around the outermost of them that has their heights; NaN beyond it, unless
    `nearest`.
    """
    def heights(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = np.clip(x, xs[0], xs[-1]), np.clip(y, ys[0], ys[-1])
        i = np.clip(np.searchsorted(xs, u, "right") - 1, 0, max(xs.size - 2, 0))
        j = np.clip(np.searchsorted(ys, v, "right") - 1, 0, max(ys.size - 2, 0))
        s, t = (u - xs[i]) / (xs[i + 1] - xs[i]), (v - ys[j]) / (ys[j + 1] - ys[j])
        out = ((1 - t) * ((1 - s) * values[j, i] + s * values[j, i + 1])
               + t * ((1 - s) * values[j + 1, i] + s * values[j + 1, i + 1]))
        slack = margin + 1e-9 * max(xs[-1] - xs[0], ys[-1] - ys[0])
        far = (np.abs(x - u) > slack) | (np.abs(y - v) > slack)
        return out if nearest else np.where(far, np.nan, out)

    return heights


def of_ascii_grid(file: Path, nearest: bool) -> Heights:
    """Return the heights of an ESRI ASCII grid; ValueError, with the line, for one that is none."""
    name = file.name
    try:
        words = contents(file, LARGEST).decode("ascii").split()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not text, so it is no ESRI ASCII grid") from None
    except OSError as e:
        raise ValueError(f"cannot read {name}: {e.strerror}") from None
    head: dict[str, float] = {}
    while len(words) > 2 * len(head) and words[2 * len(head)].lower() in HEADER:
        n = 2 * len(head)
        try:
            head[words[n].lower()] = float(words[n + 1])
        except (ValueError, IndexError):
            raise ValueError(f"{name}: {words[n]} of its header has no number") from None
    wanted = ["ncols", "nrows", "cellsize"]
    if lacking := [key for key in wanted if key not in head]:
        raise ValueError(f"{name}: the header of an ESRI ASCII grid lacks {', '.join(lacking)}")
    nx, ny, h = int(head["ncols"]), int(head["nrows"]), head["cellsize"]
    try:
        values = np.array(words[2 * len(head):], float)
    except ValueError as e:
        raise ValueError(f"{name}: {e}") from None
    if nx < 2 or ny < 2 or not h > 0 or values.size != nx * ny:
        raise ValueError(f"{name}: {values.size} heights; its header says {nx} x {ny}, cellsize "
                         f"{h:g}; at least 2 x 2 are needed")
    corner = []
    for axis in "xy":
        if f"{axis}llcenter" in head:
            corner.append(head[f"{axis}llcenter"])
        elif f"{axis}llcorner" in head:
            corner.append(head[f"{axis}llcorner"] + 0.5 * h)
        else:
            raise ValueError(f"{name}: the header lacks {axis}llcorner or {axis}llcenter")
    values = values.reshape(ny, nx)[::-1].copy()            # the first row lies in the north
    values[values == head.get("nodata_value", -9999.0)] = np.nan
    if nearest and np.isnan(values).any():
        values = _filled(values, name)
    return bilinear(corner[0] + h * np.arange(nx), corner[1] + h * np.arange(ny), values, nearest,
                    0.5 * h)


def _filled(values: np.ndarray, name: str) -> np.ndarray:
    """Return the values with those of the nearest cell where they are NaN."""
    from scipy.ndimage import distance_transform_edt  # imported here: it costs time

    if np.isnan(values).all():
        raise ValueError(f"{name} holds no heights")
    place = distance_transform_edt(np.isnan(values), return_distances=False, return_indices=True)
    return values[tuple(place)]


def of_triangles(triangles: np.ndarray, nearest: bool) -> Heights:
    """Return the greatest heights of triangles (m, 3, 3) [m]; NaN beside them unless `nearest`."""
    beside: list[Callable[[np.ndarray, np.ndarray], np.ndarray]] = []

    def heights(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        line, z = vertical_crossings(triangles, x, y)
        out = np.full(x.shape, -np.inf)
        np.maximum.at(out, line, z)
        out[np.isneginf(out)] = np.nan
        lost = np.isnan(out)
        if nearest and lost.any():
            if not beside:
                from scipy.interpolate import NearestNDInterpolator  # it costs 0.8 s

                corners = triangles.reshape(-1, 3)
                beside.append(NearestNDInterpolator(corners[:, :2], corners[:, 2]))
            out[lost] = beside[0](x[lost], y[lost])
        return out

    return heights
