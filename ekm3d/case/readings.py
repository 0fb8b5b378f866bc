"""Amounts read from the mine's files against what the grid holds: tonnes, grades, metal.

Of a block model, what was read is the sum over the parts of its blocks that lie in the block of the
grid, without values that were missing; what the grid holds is the sum over its voxels. Amounts
differ by filled values, and by voxels that blocks cover in part or not at all. Grades and other
means are those of one support, the parts of voxels in blocks that have a value: blocks without an
assay, filled with a low one, would thin the grade of the others. They differ by voxels that lie in
several blocks, and where the density is not that of the model. Of samples, the mean of those that
were read stands beside that of the grid: no difference is an error there.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ekm3d.case.block_models import BlockModel, BlockModels
from ekm3d.case.problems import KeyPath, Problems
from ekm3d.case.units import Amount, QuantityKind
from ekm3d.grid import overlap
from ekm3d.text_table import table

WARN = 1.0          # per cent


@dataclass(frozen=True)
class Reading:
    """One quantity as it was read and as the grid holds it.

    source: "block model resource"; name: "LA_PPM, grade"; strict: a difference is warned of (that
    of a grade is told by its metal and the tonnes); note: how the values between were found.
    """

    source: str
    name: str
    unit: str
    read: float
    held: float
    strict: bool = True
    note: str = ""

    @property
    def difference(self) -> float | None:
        """Difference of what the grid holds [per cent]; None where nothing was read."""
        return 100.0 * (self.held / self.read - 1.0) if self.read else None

    def facts(self) -> dict[str, Any]:
        """Return plain data for the files of a run."""
        return asdict(self) | {"difference_percent": self.difference}


def readings(models: BlockModels, samples: Sequence[Reading], density: np.ndarray,
             arrays: dict[KeyPath, np.ndarray], active: np.ndarray | None = None
             ) -> tuple[Reading, ...]:
    """Return the Readings of a case: of block models, then those of samples.

    density: of the ore (nz, ny, nx) [kg/m3]; arrays: values of the grid by their path in the case;
    active: voxels that take part, all by default.
    """
    out: list[Reading] = []
    there = np.ones(density.shape) if active is None else active.astype(float)
    sums: dict[str, _Sums] = {}
    for path, model, spec, kind, read in models.used:
        if model.name not in sums:
            sums[model.name] = _Sums(model, models.weights.get(model.name), density, there)
            out += sums[model.name].body()
        out += sums[model.name].column(spec.column, kind, read, arrays[path])
    return (*out, *samples)


class _Sums:
    """Sums over the blocks of a model and over the voxels of the grid."""

    def __init__(self, model: BlockModel, weights: np.ndarray | None, density: np.ndarray,
                 there: np.ndarray):
        self.model, self.grid, self.source = model, model.grid, f"block model {model.name}"
        self.weights, self.there = weights, there
        self.held = density * there * self.grid.voxel_volume            # kg
        self.density, self.part = density.reshape(-1), there.reshape(-1)
        self.volume, self.mass = np.zeros(len(model.low)), np.zeros(len(model.low))
        self.assayed: dict[bytes, np.ndarray] = {}
        for box, voxel, volume in self._pieces():
            count = len(self.volume)
            self.volume += np.bincount(box, volume, count)
            self.mass += np.bincount(box, volume * (
                self.density[voxel] if weights is None else weights[box]), count)

    def _pieces(self):
        """Yield (block, voxel, volume [m3]) of the parts of voxels that take part and lie in it."""
        for box, voxel, volume in overlap.pieces(self.grid, self.model.low, self.model.high):
            yield box, voxel, volume * self.part[voxel]

    def _assayed(self, ok: np.ndarray) -> np.ndarray:
        """Return the volume of every voxel in blocks `ok` (n,) (nz, ny, nx) [m3]; kept."""
        key = ok.tobytes()                  # most columns miss the same blocks
        if key in self.assayed:
            return self.assayed[key]
        out = np.zeros(self.part.size)
        for box, voxel, volume in self._pieces():
            out += np.bincount(voxel, volume * ok[box], out.size)
        self.assayed[key] = out.reshape(self.there.shape)
        return self.assayed[key]

    def body(self) -> list[Reading]:
        """Volume and dry tonnes in the block of the grid."""
        volume = float(self.there.sum()) * self.grid.voxel_volume
        return [Reading(self.source, "volume in the block", "m3", float(self.volume.sum()), volume),
                Reading(self.source, "dry ore", "t", 1e-3 * float(self.mass.sum()),
                        1e-3 * float(self.held.sum()))]

    def column(self, column: str, kind: QuantityKind, read: np.ndarray, held: np.ndarray
               ) -> list[Reading]:
        """Mean of a column, and the amount of what is per kg."""
        ok = np.isfinite(read)
        unit, scale, amount = shown(kind)
        volume = self._assayed(ok)
        share = float(volume.sum() / self.volume.sum()) if self.volume.any() else 1.0
        note = "" if ok[self.volume > 0].all() else (
            f"{100 * share:.3g} % of the blocks' volume has a value: mean and grade are of that "
            "part, as read and on the grid")
        if not kind.unit.endswith("/kg"):
            mean = np.average(held, weights=volume if volume.any() else self.there)
            return [Reading(self.source, f"{column}, mean", unit, scale * float(np.average(
                read[ok], weights=np.maximum(self.volume[ok], 1e-300))), scale * float(mean),
                note=note)]
        metal, on_grid = float((read * self.mass)[ok].sum()), float((held * self.held).sum())
        mass = float(self.mass[ok].sum())
        grade = scale * metal / mass if mass else 0.0
        weight = volume * self.density.reshape(volume.shape)
        on_it = scale * float((held * weight).sum() / weight.sum()) if weight.any() else 0.0
        return [Reading(self.source, f"{column}, grade", unit, grade, on_it, strict=False,
                        note=note),
                Reading(self.source, f"{column}, metal", amount[0], amount[1] * metal,
                        amount[1] * on_grid)]


def shown(kind: QuantityKind) -> tuple[str, float, tuple[str, float]]:
    """Return (unit of a grade, its factor, (unit of the amount, its factor)) for a report."""
    if isinstance(kind, Amount) and np.isfinite(kind.molar_mass):
        return "mg/kg", 1e6 * kind.molar_mass, ("kg", kind.molar_mass)
    return kind.unit, 1.0, (kind.unit.partition("/")[0], 1.0)


def of_samples(source: str, column: str, kind: QuantityKind, read: np.ndarray, held: np.ndarray,
               note: str = "") -> Reading:
    """Return the mean of samples beside that of the voxels; both in SI; note: how, in words."""
    unit, scale, _ = shown(kind)
    return Reading(source, f"{column}, mean of {len(read)}", unit, scale * float(read.mean()),
                   scale * float(held.mean()), strict=False, note=note)


def warn(found: Sequence[Reading], problems: Problems) -> None:
    """Warn where the grid holds another amount than was read, by more than 1 per cent."""
    for reading in found:
        difference = reading.difference
        if reading.strict and difference is not None and abs(difference) > WARN:
            problems.warn(("block_model",), (
                f"{reading.source}: {reading.name}: the grid holds {reading.held:.4g} "
                f"{reading.unit}, {difference:+.2f} % against the {reading.read:.4g} that were "
                "read for it: values were filled in, or blocks fill it in part only"))


def text(found: Sequence[Reading]) -> list[str]:
    """Return the table of what was read and what the grid holds, line by line."""
    if not found:
        return []
    notes: dict[str, list[str]] = {}
    for r in found:
        if r.note:
            notes.setdefault(r.note, []).append(r.name.partition(",")[0])
    rows = [("", "", "read", "on the grid", "difference", "")]
    last = ""
    for r in found:
        difference = "" if r.difference is None else f"{round(r.difference, 2) + 0.0:+.2f} %"
        rows.append((r.source if r.source != last else "", r.name, f"{r.read:.6g}",
                     f"{r.held:.6g}", difference, r.unit))
        last = r.source
    return ["", "read from the mine's files, and held by the grid", *table(rows, "<<>>><"),
            *(f"  {', '.join(names)}: {note}" for note, names in notes.items())]
