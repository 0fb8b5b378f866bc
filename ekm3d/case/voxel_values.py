"""Voxel values from the sources that a case may name.

    0.45                                          a constant
    {layers = [{bottom, top, value}, ...]}        by height above the block's bottom; a voxel
                                                  across two layers takes their mean by thickness
    {table = "t.csv", column = "c"}               one row per voxel with its centre x, y, z
    {table = "t.npy"}                             an array (nz, ny, nx)
    {table = "t.h5", dataset = "d"}               the same in an HDF5 file
    {formula = "0.3 + 0.1*z"}                     at the voxel centres, x, y, z in m
    {samples = "s.csv", column = "c"}             scattered samples, interpolated
    {block_model = "m", column = "c"}             blocks of the mine's own model, by their overlap
    {drill_holes = "h", column = "c"}             intervals of drill holes, interpolated

All but the first two take `unit = "..."`; CSV columns may carry it in their names instead.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.array_files import HDF5, NUMPY, read_dataset, read_numpy
from ekm3d.case.block_models import BlockModels, grade_scale
from ekm3d.case.csv_table import CsvTable, Layout, layout_of
from ekm3d.case.drill_holes import DrillHoleSets
from ekm3d.case.expressions import evaluate
from ekm3d.case.interpolation import FRACTION, Between, between
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.readings import Reading, of_samples
from ekm3d.case.schema import (
    ArraySource,
    DatasetSource,
    FormulaSource,
    LayersSource,
    SamplesSource,
    TableSource,
)
from ekm3d.case.schema_ore_files import BlockModelSource, DrillHolesSource
from ekm3d.case.toml_tables import parse
from ekm3d.case.units import QuantityKind
from ekm3d.grid.grid import Grid
from ekm3d.grid.rasterise import outer_voxels
from ekm3d.hdf5_child import Hdf5Child
from ekm3d.quoting import quoted
from ekm3d.regular_file import Folders
from ekm3d.suggest import suggest

SOURCES: dict[str, Any] = {"layers": LayersSource, "table": TableSource, "samples": SamplesSource,
                           "formula": FormulaSource, "block_model": BlockModelSource,
                           "drill_holes": DrillHolesSource}


def layered(grid: Grid, layers: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """Return the values (nz, ny, nx) of layers (bottom, top, value).

    Heights count from the block's bottom [m]. A voxel takes the mean weighted by overlap, so that
    an inventory does not depend on the spacing. Raises ValueError where the layers overlap or do
    not cover the block from bottom to top.
    """
    height, slack, reached = grid.size[2], 1e-9 * grid.size[2], 0.0
    for bottom, top, _ in sorted(layers):
        if top <= bottom:
            raise ValueError(f"a layer's top ({top:g} m) must lie above its bottom ({bottom:g} m)")
        if abs(bottom - reached) > slack and bottom < height:
            what = "a gap" if bottom > reached else "an overlap"
            low, high = sorted((bottom, reached))
            raise ValueError(f"the layers leave {what} between {low:g} and {high:g} m; each must "
                             "begin where the one below ends, the lowest at 0 m")
        reached = top
    if reached < height - slack:
        raise ValueError(f"the layers end at {reached:g} m but the block is {height:g} m high")
    edges = np.arange(grid.cells[2] + 1) * grid.spacing[2]
    profile = np.zeros(grid.cells[2])
    for bottom, top, value in layers:
        overlap = np.minimum(edges[1:], top) - np.maximum(edges[:-1], bottom)
        profile += value * np.clip(overlap, 0.0, None) / grid.spacing[2]
    return np.broadcast_to(profile[:, None, None], grid.shape).copy()


def tabulated(grid: Grid, table: CsvTable, values: np.ndarray) -> np.ndarray:
    """Return the values (nz, ny, nx) of a table that lists every voxel's centre once, in any order.

    values: (rows,). Raises ValueError, which names the first line that is no centre or repeats
    one, or a voxel that is not listed.
    """
    steps = (table.positions() - grid.origin) / grid.spacing - 0.5
    index = np.rint(np.clip(steps, -1e9, 1e9)).astype(int)
    wrong = ((np.abs(steps - index) > 1e-3) | (index < 0) | (index >= grid.cells)).any(axis=1)
    flat = np.ravel_multi_index(index[:, ::-1].T, grid.shape, mode="clip")
    order = np.argsort(flat, kind="stable")
    repeated = np.zeros(len(table), bool)
    repeated[order[1:]] = flat[order[1:]] == flat[order[:-1]]
    if (wrong | repeated).any():
        n = int(np.argmax(wrong | repeated))
        where = "({:g}, {:g}, {:g}) m".format(*table.positions()[n])
        reason = (f"{where} is not the centre of a voxel of the grid" if wrong[n] else
                  f"{where} is the voxel of line {table.lines[int(np.argmax(flat == flat[n]))]} "
                  "again; every voxel may be listed once")
        raise ValueError(f"{table.name}:{table.lines[n]}: {reason}")
    listed = np.zeros(grid.shape, bool)
    listed.flat[flat] = True
    if not listed.all():
        k, j, i = np.argwhere(~listed)[0]
        where = ", ".join(f"{grid.centres(a)[n]:g}" for a, n in ((2, i), (1, j), (0, k)))
        raise ValueError(f"{table.name} misses {np.sum(~listed)} of {listed.size} voxels, the "
                         f"first at ({where}) m")
    result = np.empty(grid.shape)
    result.flat[flat] = values
    return result


def interpolated(points: np.ndarray, values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the values (n,) at `where` (n, 3) by kriging of samples (m,) at `points` (m, 3).

    Radial basis functions -r with a constant: ordinary kriging with a linear variogram, which
    has no range or sill to choose; exact at the samples. Overshoots are clipped to the range of
    the samples, so that the result is never negative if they are not.
    """
    if len(points) == 1 or np.ptp(values) == 0.0:
        return np.full(len(where), values[0])
    from scipy.interpolate import RBFInterpolator  # imported here: it costs 0.8 s

    neighbours = None if len(points) <= 1000 else 64
    model = RBFInterpolator(points, values, neighbors=neighbours, kernel="linear", degree=0)
    return np.clip(model(where), values.min(), values.max())


class SourceReader:
    """Reader of sources of voxel values for a grid; problems go to `problems`."""

    def __init__(self, grid: Grid, folders: Folders, problems: Problems,
                 blocks: BlockModels | None = None, holes: DrillHoleSets | None = None,
                 realisation: int = 0):
        """blocks, holes: the case's block models and drill holes, none by default.

        realisation: of what has a variogram; 0: kriging.
        """
        self.grid, self.folders, self.problems = grid, folders, problems
        self.blocks = BlockModels((), grid, folders, problems) if blocks is None else blocks
        self.holes = DrillHoleSets((), folders, problems) if holes is None else holes
        self.realisation = realisation
        self._found: dict[str, Between] = {}
        self.active: np.ndarray | None = None       # voxels that take part; None: all
        self.sampled: list[Reading] = []            # of samples
        self.made: dict[KeyPath, np.ndarray] = {}   # fields of block models
        self.child = Hdf5Child()
        self._tables: dict[tuple[str, Layout], CsvTable] = {}

    def close(self) -> None:
        """End the process that has read HDF5 files."""
        self.child.close()

    def field(self, path: KeyPath, source: Any, kind: QuantityKind) -> Any:
        """Return the values (nz, ny, nx) of a source in SI, or MISSING.

        Those of a constant share the memory of one number and cannot be written to.
        """
        value = self.value(path, source, kind)
        if not isinstance(value, float):
            return value
        return self.problems.attempt(lambda: np.broadcast_to(value, self.grid.shape))

    def value(self, path: KeyPath, source: Any, kind: QuantityKind) -> Any:
        """Return the float of a constant, (nz, ny, nx) of any other source, or MISSING."""
        try:
            if source is MISSING:
                return MISSING
            if not isinstance(source, dict):
                return kind.read(source)
            return self._voxels(path, source, kind)
        except ValueError as e:
            self.problems.add(path, str(e))
            return MISSING
        except MissingValue:
            return MISSING

    def faces(self, path: KeyPath, source: Any, kind: QuantityKind, axis: int, upper: bool) -> Any:
        """Return the float of a constant, or a formula's values at the face centres of a side.

        axis: array axis 0, 1, 2 = z, y, x across the side; upper: at its upper end. The values
        have the shape (nz, ny, nx) without that axis. MISSING where the source is wrong.
        """
        try:
            if not isinstance(source, dict):
                return kind.read(source)
            spec = parse(FormulaSource, source, self.problems, path)
            if axis == 0 and self.active is not None:
                return self._on_surface(spec, kind, upper)
            at = [self.grid.centres(a) for a in (0, 1, 2)]
            at[axis] = self.grid.origin[2 - axis] + np.array([upper * self.grid.size[2 - axis]])
            return self._formula(spec, kind, at).squeeze(axis)
        except ValueError as e:
            self.problems.add(path, str(e))
            return MISSING
        except MissingValue:
            return MISSING

    def weigh(self, source: Any, kind: QuantityKind) -> None:
        """Weigh amounts per kg of block models by mass where ore.density, `source`, is theirs."""
        self.blocks.weigh(source, lambda table: parse(
            BlockModelSource, table, self.problems, ("ore", "density")), kind)

    def _on_surface(self, spec, kind, upper):
        """Values (ny, nx) of a formula on the outermost faces across z of what is active."""
        k = outer_voxels(self.grid.shape, self.active, 0, upper)[0][0]
        z = self.grid.centres(0)[k] + (0.5 if upper else -0.5) * self.grid.spacing[2]
        values = evaluate(spec.formula, self.grid.centres(2), self.grid.centres(1)[:, None], z)
        zero = np.zeros(1)
        return self._checked(np.broadcast_to(values, z.shape)[None], kind, spec.unit,
                             "the formula", (zero, *(self.grid.centres(a) for a in (1, 2))))[0]

    def place(self, mask: np.ndarray) -> str:
        """Return "(x, y, z) m", the centre of the first voxel of a mask (nz, ny, nx)."""
        first = np.argwhere(mask)[0]
        return "({}) m".format(", ".join(f"{self.grid.centres(a)[first[a]]:g}" for a in (2, 1, 0)))

    def _table(self, name: str, spec: Any) -> CsvTable:
        """Return a CSV file of the case directory, read once; spec: the source that names it."""
        layout = layout_of(spec.dialect, spec.separator, spec.decimal)
        if (name, layout) not in self._tables:
            self._tables[name, layout] = CsvTable(self.folders.file(name), layout)
        return self._tables[name, layout]

    def _voxels(self, path: KeyPath, source: dict[str, Any], kind: QuantityKind) -> np.ndarray:
        """Return the values (nz, ny, nx) of a source that is a table."""
        chosen = [key for key in source if key in SOURCES]
        if len(chosen) != 1:
            raise ValueError("should be a constant, or a table that holds one of layers, table, "
                             "samples, drill_holes, formula, block_model")
        model = SOURCES[chosen[0]]
        if model is TableSource and isinstance(source["table"], str):
            ending = Path(source["table"]).suffix.lower()
            model = ArraySource if ending in NUMPY else DatasetSource if ending in HDF5 else model
        spec = parse(model, source, self.problems, path)
        if model is LayersSource:
            return self._layers(path, spec.layers, kind)
        if model is SamplesSource:
            return self._samples(spec, kind)
        if model is DrillHolesSource:
            return self._drilled(spec, kind)
        if model is FormulaSource:
            return self._formula(spec, kind)
        if model is BlockModelSource:
            self.made[path] = self.blocks.field(path, spec, kind, self.active)
            return self.made[path]
        if model is TableSource:
            table = self._table(spec.table, spec)
            return tabulated(self.grid, table, table.values(spec.column, kind, spec.unit))
        file = self.folders.file(spec.table)
        if model is ArraySource:
            array = read_numpy(file, self.grid.shape)
        else:
            array = read_dataset(file, spec.dataset, self.grid.shape, self.child,
                                 self.folders.roots)
        return self._checked(array, kind, spec.unit, spec.table)

    def _formula(self, spec, kind, at=None):
        """Return a formula's values at coordinates `at` (z, y, x) [m], else at voxel centres."""
        z, y, x = at or (self.grid.centres(axis) for axis in (0, 1, 2))
        values = evaluate(spec.formula, x, y[:, None], z[:, None, None])
        return self._checked(values, kind, spec.unit, "the formula", (z, y, x))

    def _checked(self, values, kind, unit, what, at=None):
        """Return the values in SI; raises ValueError unless all are within the limits of `kind`."""
        with np.errstate(over="ignore"):            # an overflow is reported below
            values = values * self._scale(kind, unit, what)
        good = kind.holds(values)
        if not good.all():
            first = np.unravel_index(np.argmin(good), good.shape)
            at = at or [self.grid.centres(axis) for axis in (0, 1, 2)]
            where = ", ".join(f"{at[a][first[a]]:g}" for a in (2, 1, 0))
            raise ValueError(f"{what} gives {values[first]:g} {kind.unit}".rstrip()
                             + f" at ({where}) m; it must be {kind.wanted(values[first])}")
        return values

    @staticmethod
    def _scale(kind, unit, what):
        """Return the SI value of one `unit`."""
        if unit is None:
            if kind.unit:
                raise ValueError(f"the unit of {what} is not known; add unit = \"...\" "
                                 f"(something like the unit of {kind.example!r})")
            return 1.0
        try:
            return kind.factor(unit)
        except ValueError as e:
            raise ValueError(f"unit {quoted(unit)} does not fit: {e}; the value is like "
                             f"{kind.example!r}") from None

    def _layers(self, path, layers, kind):
        """Return the values (nz, ny, nx) of a list of layers."""
        read = []
        for n, layer in enumerate(layers):
            try:
                read.append((layer.bottom, layer.top, kind.read(layer.value)))
            except ValueError as e:
                self.problems.add((*path, "layers", n, "value"), str(e))
        if len(read) < len(layers):
            raise MissingValue
        return layered(self.grid, read)

    def _samples(self, spec, kind):
        """Return the values (nz, ny, nx) interpolated between samples."""
        table = self._table(spec.samples, spec)
        columns, own = self._columns(spec)
        values = np.stack([table.values(column, own or kind, spec.unit) for column in columns], 1)
        points = table.positions_inside(self.grid)
        _, first, count = np.unique(points, axis=0, return_index=True, return_counts=True)
        if (count > 1).any():
            line = table.lines[first[np.argmax(count > 1)]]
            raise ValueError(f"{table.name}:{line}: another sample has the same place")
        return self._between(spec, f"samples {spec.samples}", points, values, kind)

    def _drilled(self, spec, kind):
        """Return the values (nz, ny, nx) interpolated between composites of drill holes."""
        holes, entry = self.holes.holes(spec.drill_holes)
        missing = entry.missing if spec.missing is None else spec.missing
        columns, own = self._columns(spec)
        own, values = own or kind, []
        for column in columns:
            given = holes.intervals.numbers(column, missing)
            found = given * (grade_scale(holes.intervals.name, column, own, spec.unit) * spec.scale)
            holes.intervals.check(column, given, found, own)
            values.append(found)
        points, means = holes.composites(np.stack(values, 1))
        self.holes.check_near(spec.drill_holes, points, self.grid)
        return self._between(spec, f"drill holes {spec.drill_holes}", points, means, kind)

    @staticmethod
    def _columns(spec):
        """Return the columns that are interpolated together, and their kind if it is a part's."""
        if not spec.parts:
            return [spec.column], None
        if spec.column not in spec.parts:
            raise ValueError(f"column {quoted(spec.column)} is not among parts"
                             + suggest(spec.column, spec.parts))
        if spec.transform != "none":
            raise ValueError("parts have log-ratios; leave out transform")
        return spec.parts, FRACTION

    def _between(self, spec, source, points, values, kind):
        """Return the values (nz, ny, nx) from samples (n, columns) at points (n, 3) [m]."""
        z, y, x = (self.grid.centres(axis) for axis in (0, 1, 2))
        where = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1).reshape(-1, 3)
        origin = np.array(self.grid.origin)
        columns, part = self._columns(spec)
        n, note = columns.index(spec.column), ""
        if spec.variogram is None and spec.transform == "none" and not part:
            out = interpolated(points - origin, values[:, 0], where - origin)
        else:
            key = repr((source, columns, spec.model_copy(update={"column": ""})))
            if key not in self._found:
                self._found[key] = between(points, values, spec, where, columns, self.realisation)
            out = self._found[key].values[:, n]
            note = "; ".join(model.text() for model in self._found[key].variograms)
        scale = kind.factor("kg/kg") if part else 1.0
        out = (out * scale).reshape(self.grid.shape)
        self._checked_range(out, kind, f"{source}, {spec.column}")
        how = f"realisation {self.realisation}; {note}" if note and self.realisation else note
        held = out if self.active is None else out[self.active]
        self.sampled.append(of_samples(source, spec.column, kind, values[:, n] * scale, held, how))
        return out

    def _checked_range(self, out, kind, what):
        """Refuse interpolated values beyond the limits of their kind, where there is ore."""
        wrong = ~kind.holds(out)
        if self.active is not None:
            wrong &= self.active
        if wrong.any():
            raise ValueError(f"{what} becomes {out[wrong][0]:g} {kind.unit} at "
                             f"{self.place(wrong)}; it must be {kind.wanted(out[wrong][0])}; "
                             'transform = "normal score" stays among the samples')
