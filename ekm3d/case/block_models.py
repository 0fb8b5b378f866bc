"""Block models of a case, read from [[block_model]]: blocks in the case's coordinates, and means.

A value of a voxel is the mean over the blocks in it, weighted by the volume of their overlap;
amounts per kg are weighted by mass where ore.density comes from the same model, so that tonnes and
metal are those of the model.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ekm3d.case.block_files import Blocks, read_blocks
from ekm3d.case.csv_table import scale_of
from ekm3d.case.file_places import across, check_place, in_case
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.schema_ore_files import BlockModelEntry, BlockModelSource
from ekm3d.case.units import QuantityKind, factor
from ekm3d.grid import overlap
from ekm3d.grid.georeference import GeoReference
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted
from ekm3d.regular_file import Folders
from ekm3d.suggest import suggest

WORDS = ("nearest", "mean", "skip")
MASS = {"ppm": "mg/kg", "ppb": "ug/kg"}         # as mines write grades
MOST = 20_000_000                               # blocks of a model
ROUNDED = 0.02      # m, or 1 % of the smallest block: faces of neighbours that are as near are one


class BlockModel:
    """Blocks of one model that lie in the block of the grid.

    low, high: (n, 3) corners in the case's coordinates [m]; rows: their rows in the file, of
    `count`; file_centres, half: (n, 3) centres and half sizes as in the file [m]; named: True where
    its columns hold the centres; share: of every voxel that they cover (nz, ny, nx).
    """

    def __init__(self, entry: BlockModelEntry, blocks: Blocks, grid: Grid,
                 reference: GeoReference):
        """reference: of what is in real coordinates. ValueError where no block lies in the grid, or
        blocks overlap."""
        self.entry, self.grid, self.columns = entry, grid, blocks.columns
        self.count, self.name = len(blocks.centres), entry.name
        if self.count > MOST:
            raise ValueError(f"{blocks.columns.name} has {self.count:,} blocks; {MOST:,} are the "
                             "most")
        centres = in_case(blocks.centres, entry, reference)
        sizes = blocks.sizes[:, [1, 0, 2]] if across(entry, reference) else blocks.sizes
        self.file_volume = float(blocks.sizes.prod(axis=1).sum())
        self.bounds = (centres - sizes / 2).min(axis=0), (centres + sizes / 2).max(axis=0)
        ends = np.array(grid.origin), np.add(grid.origin, grid.size)
        self.rows = np.flatnonzero(((centres + sizes / 2 > ends[0])
                                    & (centres - sizes / 2 < ends[1])).all(axis=1))
        self.centres, self.file_centres = centres[self.rows], blocks.centres[self.rows]
        self.half, self.named = blocks.sizes[self.rows] / 2, blocks.named
        self.unit = factor(entry.length_unit, "m")
        half = sizes[self.rows] / 2
        self.low, self.high = self.centres - half, self.centres + half
        if not len(self.rows):
            raise ValueError(f"{self.where()}: no block lies in it; {self.keys} tell where the "
                             "case lies in the model")
        self.share = overlap.covered(grid, self.low, self.high)
        if self.share.max() > 1 + 1e-6:         # places that are rounded, or blocks that overlap
            self.low, self.high = overlap.joined(
                self.low, self.high, min(ROUNDED, 0.01 * float(blocks.sizes.min())))
            self.share = overlap.covered(grid, self.low, self.high)
        if self.share.max() > 1 + 1e-6:
            raise ValueError(f"{self.columns.name}: blocks overlap one another, the first at "
                             f"{self._at(self.share > 1 + 1e-6)}: each place may belong to one "
                             "block; export sub-blocks without their parents")

    @property
    def keys(self) -> str:
        """Keys that place the model in the case, in words."""
        return "grid.real_origin and grid.rotation" if self.entry.coordinates == "real" \
            else "origin and rotation"

    def where(self) -> str:
        """Return in words where the model lies, and where the block of the grid."""
        def ends(low, high):
            return ", ".join(f"{a} {x:g} to {y:g}" for a, x, y in zip("xyz", low, high,
                                                                      strict=True))

        block = ends(self.grid.origin, np.add(self.grid.origin, self.grid.size))
        return (f"the model reaches over {ends(*self.bounds)} m, the block of the grid over "
                f"{block} m")

    def mask(self) -> np.ndarray:
        """Voxels of which at least half lies in blocks, (nz, ny, nx)."""
        return self.share >= 0.5 - 1e-9

    def share_of(self, column: str | None = None, texts: Sequence[str] = ()) -> np.ndarray:
        """Return the share of every voxel that chosen blocks fill (nz, ny, nx); ValueError."""
        own = self.chosen(column, texts)
        return overlap.covered(self.grid, self.low[own], self.high[own])

    def chosen(self, column: str | None = None, texts: Sequence[str] = ()) -> np.ndarray:
        """Return which blocks (n,) have one of the texts in a column, all without a column.

        ValueError for a text that no block has.
        """
        if column is None:
            return np.ones(len(self.low), bool)
        if not texts:
            raise ValueError(f"equals is missing: the texts of {quoted(column)} that count")
        cells = self.columns.texts(column)
        known = sorted({cells[row] for row in self.rows})
        for text in texts:
            if text not in known:
                raise ValueError(f"{self.columns.name}: no block in the grid has {quoted(text)} in "
                                 f"{quoted(column)}" + suggest(text, known))
        return np.array([cells[row] in texts for row in self.rows])

    def categories(self, column: str, names: Sequence[str]) -> np.ndarray:
        """Return the number in `names` of the text that fills most of every voxel (nz, ny, nx).

        -1 where no block lies. ValueError for a text that is not among the names.
        """
        texts = self.columns.texts(column)
        numbers = {name: n for n, name in enumerate(names)}
        for row in self.rows:
            if texts[row] not in numbers:
                raise ValueError(f"{self.columns.place(int(row))}: {column} is {quoted(texts[row])}"
                                 + suggest(texts[row], names))
        return overlap.largest_category(self.grid, self.low, self.high,
                                        np.array([numbers[texts[row]] for row in self.rows]))

    def numbers(self, source: BlockModelSource, kind: QuantityKind) -> np.ndarray:
        """Return a column (n,) in SI units, NaN where a value is missing."""
        missing = self.entry.missing if source.missing is None else source.missing
        given = self.columns.numbers(source.column, missing)[self.rows]
        scale = grade_scale(self.columns.name, source.column, kind, source.unit)
        values = given * (scale * source.scale)
        self.columns.check(source.column, given, values, kind, self.rows)
        return values

    def filled(self, values: np.ndarray, source: BlockModelSource, kind: QuantityKind
               ) -> np.ndarray:
        """Return the values (n,) with missing ones filled as the source or the model asks."""
        fill = self.entry.fill if source.fill is None else source.fill
        gaps = ~np.isfinite(values)
        if not gaps.any():
            return values
        if fill is None:
            n = int(np.argmax(gaps))
            raise ValueError(f"{self.columns.place(self.rows[n])}: {source.column} is missing, as "
                             f"in {gaps.sum()} of {len(gaps)} blocks in the grid; add fill = "
                             '"nearest", "mean", "skip" (the others in the voxel count) or a value')
        self._any(gaps, source)
        if fill == "skip":
            return values
        out = values.copy()
        volume = (self.high - self.low).prod(axis=1)
        out[gaps] = self._nearest(values, self.centres[gaps]) if fill == "nearest" else \
            np.average(values[~gaps], weights=volume[~gaps]) if fill == "mean" else \
            self._value(fill, kind, "fill", WORDS)
        return out

    def field(self, values: np.ndarray, source: BlockModelSource, kind: QuantityKind,
              density: np.ndarray | None, needed: np.ndarray | None = None) -> np.ndarray:
        """Return the values (n,) as means of the voxels (nz, ny, nx).

        density: (n,) [kg/m3] where they are to be weighted by mass; needed: voxels that must be
        covered, all by default, others have the mean of the blocks.
        """
        out = overlap.mean(self.grid, self.low, self.high, values, density)
        empty = np.isnan(out)
        if not empty.any():
            return out
        outside = self.entry.outside if source.outside is None else source.outside
        bare = empty if needed is None else empty & needed
        if outside is None and bare.any():
            uncovered = bare & (self.share <= overlap.TOUCH)
            if uncovered.any():
                raise NotCovered(
                    f"block model {quoted(self.name)} does not cover the ore: {uncovered.sum()} of "
                    f"{bare.size} voxels, the first at {self._at(uncovered)}, have no block in "
                    f"them; {self.where()}; move it ({self.keys}), make the grid smaller, or add "
                    'outside = "nearest", "mean" or a value')
            raise ValueError(f"{bare.sum()} voxels, the first at {self._at(bare)}, have no block "
                             f'with {source.column} in them; add outside = "nearest", "mean" or a '
                             "value")
        if outside == "nearest":
            places = np.stack(np.meshgrid(*(self.grid.centres(a) for a in (0, 1, 2)),
                                          indexing="ij")[::-1], axis=-1)
            out[empty] = self._nearest(values, places[empty])
        elif outside in (None, "mean"):
            there = np.isfinite(values)
            volume = (self.high - self.low).prod(axis=1)
            out[empty] = np.average(values[there], weights=volume[there])
        else:
            out[empty] = self._value(outside, kind, "outside", WORDS[:2])
        return out

    def _any(self, gaps, source):
        """Refuse a column without any value."""
        if gaps.all():
            raise ValueError(f"{self.columns.name}: {source.column} has no value in any of the "
                             f"{len(gaps)} blocks in the grid")

    def _nearest(self, values, places):
        """Return at places (m, 3) the value of the nearest block that has one."""
        from scipy.spatial import cKDTree  # imported here: it costs 0.5 s

        there = np.isfinite(values)
        return values[there][cKDTree(self.centres[there]).query(places)[1]]

    @staticmethod
    def _value(given, kind, key, words):
        """Return a quantity that stands for a missing value."""
        try:
            return kind.read(given)
        except ValueError as error:
            raise ValueError(f"{key} should be {', '.join(map(quoted, words))} or a value: {error}"
                             ) from None

    def _at(self, mask):
        """Return the centre of the first voxel of a mask as text."""
        first = np.argwhere(mask)[0]
        return "({}) m".format(", ".join(f"{self.grid.centres(a)[first[a]]:g}" for a in (2, 1, 0)))


def grade_scale(name: str, column: str, kind: QuantityKind, unit: str | None) -> float:
    """Return the factor from a column's unit to SI, where grades may be in ppm; as `scale_of`."""
    if unit in MASS and kind.unit.endswith("/kg"):
        return kind.factor(MASS[unit])
    return scale_of(name, column, kind, unit)


class NotCovered(ValueError):
    """Voxels of the ore without any block: one message for all columns of a model."""


class BlockModels:
    """Block models of a case by name; problems go to `problems`.

    weights: {model: (n,) density of its blocks [kg/m3]}; used: (path, model, source, kind, values
    read) of every field that was made.
    """

    def __init__(self, entries: Sequence[BlockModelEntry], grid: Grid, folders: Folders,
                 problems: Problems, reference: GeoReference | None = None):
        """reference: of what is in real coordinates."""
        self.reference = GeoReference() if reference is None else reference
        self.entries, self.grid, self.folders, self.problems = entries, grid, folders, problems
        self.models: dict[str, Any] = {}
        self.weights: dict[str, np.ndarray] = {}
        self.used: list[tuple[KeyPath, BlockModel, BlockModelSource, QuantityKind, np.ndarray]] = []
        problems.attempt(problems.check_names, entries, ("block_model",), "block model")

    def model(self, name: str) -> BlockModel:
        """Return a model, read when it is first asked for.

        ValueError for an unknown one, MissingValue where the model is wrong, which is told once.
        """
        names = {entry.name: n for n, entry in enumerate(self.entries)
                 if entry.name is not MISSING}
        if name not in names:
            raise ValueError(f"there is no block model {quoted(name)}" + (
                suggest(name, names) if names else "; add a [[block_model]] with that name"))
        if name not in self.models:
            n = names[name]
            self.models[name] = self.problems.attempt(self._read, self.entries[n],
                                                      ("block_model", n))
        if self.models[name] is MISSING:
            raise MissingValue
        return self.models[name]

    def _read(self, entry, path):
        check_place(entry, self.reference, path, self.problems)
        try:
            return BlockModel(entry, read_blocks(self.folders.file(entry.file), entry), self.grid,
                              self.reference)
        except ValueError as error:
            self.problems.add((*path, "file"), str(error))
            raise MissingValue from None

    def weigh(self, source: Any, parsed: Callable[[Any], BlockModelSource],
              kind: QuantityKind) -> None:
        """Take the density of a model's blocks from the source of ore.density."""
        if not isinstance(source, dict) or "block_model" not in source:
            return
        spec = parsed(source)
        model = self.model(spec.block_model)
        try:
            self.weights[model.name] = model.filled(model.numbers(spec, kind), spec, kind)
        except ValueError:
            raise MissingValue from None        # told where ore.density is read

    def field(self, path: KeyPath, spec: BlockModelSource, kind: QuantityKind,
              needed: np.ndarray | None = None) -> np.ndarray:
        """Return the values (nz, ny, nx) of a source; ValueError, or MissingValue where told.

        needed: voxels that blocks must cover, all by default.
        """
        model = self.model(spec.block_model)
        read = model.numbers(spec, kind)
        values = model.filled(read, spec, kind)
        density = self.weights.get(model.name) if kind.unit.endswith("/kg") else None
        try:
            out = model.field(values, spec, kind, density, needed)
        except NotCovered as error:
            n = [entry.name for entry in self.entries].index(model.name)
            self.problems.add(("block_model", n, "file"), str(error))
            raise MissingValue from None
        self.used.append((path, model, spec, kind, read))
        return out
