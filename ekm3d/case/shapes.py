"""Shapes of a case: bodies by name or in place, and which voxels belong to them.

    "site"                                             the name of a [shapes.NAME]
    {below = SURFACE}, {above = SURFACE}, {between = [LOWER, UPPER]}
    {box = [[x, y, z], [x, y, z]]}, {sphere = {...}}, {cylinder = {...}}, {polygon = {...}}
    {mesh = {file = "body.stl"}}
    {union = [...]}, {intersection = [...]}, {difference = [A, less, less]}, {outside = A}

A voxel belongs to a shape when at least grid.least_share of it, half by default, lies inside.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ekm3d.case.block_models import BlockModels
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.schema import box_of
from ekm3d.case.schema_shapes import (
    BlocksShape,
    CylinderShape,
    MeshShape,
    PolygonShape,
    SphereShape,
)
from ekm3d.case.surfaces import SurfaceReader
from ekm3d.case.toml_tables import parse_whole
from ekm3d.case.triangles import ClosedMesh, read_triangles
from ekm3d.grid.block_columns import BlockColumns
from ekm3d.grid.grid import Grid
from ekm3d.grid.solids import (
    Below,
    Between,
    Box,
    Combination,
    Cylinder,
    Prism,
    Solid,
    Sphere,
    outside,
    shares,
)
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

COMBINED = ("union", "intersection", "difference")
TABLES: dict[str, Any] = {"sphere": SphereShape, "cylinder": CylinderShape,
                          "polygon": PolygonShape, "mesh": MeshShape,
                          "blocks": BlocksShape}
KEYS = ("below", "above", "between", "box", *TABLES, *COMBINED, "outside")


class ShapeReader:
    """Reader of shapes; problems go to `problems`."""

    def __init__(self, grid: Grid, named: Mapping[str, Any], surfaces: SurfaceReader,
                 least_share: float, columns: int, problems: Problems,
                 models: BlockModels | None = None):
        """named: [shapes]; columns: vertical lines across a voxel, along x and along y.

        models: block models of the case.
        """
        self.models = models
        self.grid, self.named, self.surfaces, self.problems = grid, named, surfaces, problems
        self.least_share, self.columns = least_share, columns
        self.known: dict[str, Solid] = {}
        self.open: list[str] = []           # names that are being read: none may hold itself

    def read(self, path: KeyPath, value: Any) -> Solid:
        """Return the Solid of a shape; MissingValue with a problem where it is wrong."""
        if value is MISSING:
            raise MissingValue
        try:
            if isinstance(value, str):
                return self._named(value)
            return self._table(path, value)
        except ValueError as e:
            self.problems.add(path, str(e))
            raise MissingValue from None

    def shares(self, path: KeyPath, solids: list[Solid]) -> np.ndarray:
        """Return the share of every voxel in each solid (solids, nz, ny, nx).

        MissingValue, with a problem at `path`, where surfaces cross or do not cover the block.
        """
        try:
            return shares(self.grid, solids, self.columns)
        except ValueError as e:
            self.problems.add(path, str(e))
            raise MissingValue from None

    def read_all(self) -> None:
        """Read every named surface and shape: mistakes are told even where none is used."""
        for name in self.surfaces.named:
            self.problems.attempt(self.surfaces.by_name, name)
        for name in self.named:
            self.problems.attempt(self.read, ("shapes", name), name)

    def _named(self, name: str) -> Solid:
        if name not in self.named:
            raise ValueError(f"there is no [shapes.{name}]" + suggest(name, list(self.named)))
        if name in self.open:
            raise ValueError("is made of itself: " + " of ".join([*self.open, name]))
        if name not in self.known:
            self.open.append(name)
            try:
                self.known[name] = self.read(("shapes", name), self.named[name])
            finally:
                self.open.pop()
        return self.known[name]

    def _table(self, path: KeyPath, value: Any) -> Solid:
        if not isinstance(value, dict) or len(value) != 1:
            raise ValueError("should be the name of a shape, or a table with one of "
                             + ", ".join(KEYS))
        (key, given), = value.items()
        at = (*path, key)
        if key in ("below", "above"):
            below = Below(self.surfaces.read(at, given))
            return below if key == "below" else outside(below)
        if key == "between":
            if not isinstance(given, list) or len(given) != 2:
                raise ValueError("between should be two surfaces, [lower, upper]")
            return Between(*(self.surfaces.read(at, one) for one in given))
        if key == "box":
            return Box(*box_of(given))
        if key == "outside":
            return outside(self.read(at, given))
        if key in COMBINED:
            if not isinstance(given, list) or len(given) < 2:
                raise ValueError(f"{key} should be a list of at least two shapes")
            return Combination(key, [self.read((*at, n), one) for n, one in enumerate(given)])
        if key in TABLES:
            return self._body(key, parse_whole(TABLES[key], given, self.problems, at))
        raise ValueError(f"{quoted(key)} is no kind of shape" + suggest(key, KEYS))

    def _body(self, key: str, spec: Any) -> Solid:
        if key == "blocks":
            if self.models is None:
                raise ValueError("there are no block models here")
            model = self.models.model(spec.model)
            own = model.chosen(spec.column, spec.equals)
            return BlockColumns(model.low[own], model.high[own])
        if key == "sphere":
            return Sphere(spec.centre, spec.radius)
        if key == "cylinder":
            if spec.start == spec.end:
                raise ValueError("the cylinder has no length: start and end are the same point")
            return Cylinder(spec.start, spec.end, spec.radius)
        if key == "polygon":
            if spec.top <= spec.bottom:
                raise ValueError(f"the polygon's top ({spec.top:g} m) must lie above its bottom "
                                 f"({spec.bottom:g} m)")
            return Prism(np.array(spec.corners), spec.bottom, spec.top)
        triangles = read_triangles(self.surfaces.folders.file(spec.file))
        if spec.coordinates == "real":
            triangles = self.surfaces.reference.to_local(triangles)
        return ClosedMesh(triangles, spec.file)
