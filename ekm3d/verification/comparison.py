"""Computed values beside expected ones: reading references and mapping both to common points.

A reference is a file with one column per quantity, a formula of x, y, z [m] and t [s], another
quantity of the same run, or another run. Rows of a file are either averages over equal cells
along one axis, compared cell by cell on the finest cells that both have in common, or values
at points, to which the voxels are interpolated linearly.

The functions `against_*` return (computed, expected, coordinates): two arrays of equal length n
and {"x": (n,), ...} [m], or None instead of the coordinates of a single number.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np

from ekm3d.case.expressions import evaluate
from ekm3d.constants import FARADAY, RT_F
from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest
from ekm3d.verification.quantities import Region, Sample

CONSTANTS = {"F": FARADAY, "RT_F": RT_F}
FEWEST = 5        # common cells below which a comparison of averages says nothing

Coordinates = dict[str, np.ndarray]                     # {"x": (n,), ...} [m]
Compared = tuple[np.ndarray, np.ndarray, Coordinates | None]


class ReferenceDataError(InputError):
    """The reference does not fit the quantity compared; the message says why."""


@dataclass(frozen=True)
class Pairs:
    """Computed and expected values (n,) of one quantity at one time [s].

    coordinates: of the points compared, (n,) each [m]; None for a single number.
    """

    quantity: str
    time: float
    computed: np.ndarray
    expected: np.ndarray
    coordinates: Coordinates | None


# ---- files -----------------------------------------------------------------------------------

@cache
def columns(path: Path) -> dict[str, np.ndarray]:
    """Read {column: values} of a CSV file; an empty field counts as 0."""
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    try:
        table = np.array([[float(v or 0.0) for v in row] for row in rows])
    except ValueError as error:
        raise ReferenceDataError(f"{path.name}: {error}") from None
    return dict(zip(header, table.T, strict=False))


def file_times(path: Path) -> list[float]:
    """Return the times of the rows of a file [s]; empty without a column t."""
    return sorted(set(columns(path).get("t", ())))


def file_rows(path: Path, column: str, time: float) -> tuple[Coordinates, np.ndarray]:
    """Return (coordinates, values) of a column at a time [s].

    ReferenceDataError where the file has no such column or time.
    """
    table = columns(path)
    if column not in table:
        raise ReferenceDataError(f"{path.name} has no column "
                                 f"{quoted(column)}" + suggest(column, table))
    keep = np.ones(len(table[column]), bool)
    if "t" in table:
        keep = np.abs(table["t"] - time) <= 1e-9 * max(abs(time), 1.0)
    if not keep.any():
        raise ReferenceDataError(f"{path.name} has no rows at t = {time:g} s")
    return {c: table[c][keep] for c in "xyz" if c in table}, table[column][keep]


# ---- mapping both to common points -----------------------------------------------------------

def against_rows(sample: Sample | float, coordinates: Coordinates, values: np.ndarray,
                 averages: bool) -> Compared:
    """Compare a Sample or a number with rows of a file: averages over cells, or values at points.

    Rows without coordinates belong to the voxels in order. ReferenceDataError where the number of
    rows or the extent does not fit.
    """
    if not isinstance(sample, Sample):
        if values.size != 1:
            raise ReferenceDataError(f"{values.size} rows for one number")
        return np.array([sample]), values, None
    if not coordinates:
        computed = sample.values[sample.mask]
        if computed.size != values.size:
            raise ReferenceDataError(f"{values.size} rows without coordinates for "
                                     f"{computed.size} voxels")
        return computed, values, sample.centres()
    if averages:
        return _on_common_cells(sample, coordinates, values)
    return _interpolated(sample, coordinates), values, coordinates


def _on_common_cells(sample: Sample, coordinates: Coordinates, values: np.ndarray) -> Compared:
    """Average both over the largest number of equal cells that divides both numbers."""
    if len(coordinates) != 1:
        raise ReferenceDataError("rows that are averages need exactly one coordinate")
    ((name, x),) = coordinates.items()
    axis = "zyx".index(name)
    line, profile = _profile(sample, axis)
    h, w = sample.grid.spacing_along(axis), float(np.diff(x).mean()) if x.size > 1 else np.inf
    ends = [line[0] - h / 2, line[-1] + h / 2], [x[0] - w / 2, x[-1] + w / 2]
    if np.abs(np.subtract(*ends)).max() > 1e-6 * (x[-1] - x[0]):
        raise ReferenceDataError(
            f"voxels reach from {ends[0][0]:g} to {ends[0][1]:g} m along {name}, "
            f"the reference from {ends[1][0]:g} to {ends[1][1]:g} m")
    return _coarsened(profile, values, line, name)


def _coarsened(computed: np.ndarray, expected: np.ndarray, x: np.ndarray, name: str) -> Compared:
    """Average both over the greatest common divisor of their numbers of cells."""
    n = gcd(computed.size, expected.size)
    if n < min(FEWEST, computed.size):
        raise ReferenceDataError(
            f"{computed.size} cells and {expected.size} rows have {n} cells in "
            f"common; take a divisor or a multiple of {expected.size}")
    mean = [a.reshape(n, -1).mean(1) for a in (computed, expected, x)]
    return mean[0], mean[1], {name: mean[2]}


def against_other_rows(rows: tuple[Coordinates, np.ndarray],
                       expected: tuple[Coordinates, np.ndarray]) -> Compared:
    """Compare the rows of another program, averages over equal cells as well."""
    ((name, x),), values = rows[0].items(), rows[1]
    return _coarsened(values, expected[1], x, name)


def _profile(sample: Sample, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (centres, values) along an axis: means over layers in which all voxels hold ore."""
    keep = np.moveaxis(sample.mask, axis, -1).reshape(-1, sample.mask.shape[axis])
    lines = np.moveaxis(sample.values, axis, -1).reshape(keep.shape)
    full = keep.all(0)
    return sample.grid.centres(axis)[full], lines.mean(0)[full]


def _interpolated(sample: Sample, coordinates: Coordinates) -> np.ndarray:
    """Interpolate voxel values to points, linearly, also beyond the outermost centres."""
    from scipy.interpolate import RegularGridInterpolator

    axes, box = [], [slice(None)] * 3
    for axis, name in enumerate("zyx"):
        ore = np.flatnonzero(sample.mask.any(tuple(a for a in range(3) if a != axis)))
        box[axis] = slice(ore[0], ore[-1] + 1)
        if name in coordinates and ore.size > 1:
            axes.append(axis)
    values = sample.values[tuple(box)]
    values = values.mean(tuple(a for a in range(3) if a not in axes))
    centres = [sample.grid.centres(a)[box[a]] for a in axes]
    points = np.stack([coordinates["zyx"[a]] for a in axes], axis=-1)
    return RegularGridInterpolator(centres, values, bounds_error=False, fill_value=None)(points)


def against_formula(sample: Sample | float, text: str, time: float,
                    constants: Mapping[str, float]) -> Compared:
    """Compare with a formula, evaluated at the voxel centres or once for a number."""
    text = substitute(text, {**CONSTANTS, **constants, "t": time})
    if not isinstance(sample, Sample):
        return np.array([sample]), np.atleast_1d(evaluate(text, 0.0, 0.0, 0.0)), None
    coordinates = sample.centres()
    return sample.values[sample.mask], evaluate(text, **coordinates), coordinates


def substitute(text: str, values: Mapping[str, float]) -> str:
    """Return the formula with these names replaced by their values."""
    pattern = r"\b(" + "|".join(map(re.escape, sorted(values, key=len, reverse=True))) + r")\b"
    return re.sub(pattern, lambda match: f"({quoted(values[match[0]])})", text)


def region(text: str | None) -> Region | None:
    """Return the mask function of a condition such as "x > 0.1"; None without a condition."""
    if not text:
        return None
    return lambda at: evaluate(text, at["x"], at["y"], at["z"]) != 0.0


def against_sample(sample: Sample | float, other: Sample | float, factor: float) -> Compared:
    """Compare with `factor` times another Sample or number; a finer one is averaged to voxels.

    ReferenceDataError where the finer grid does not divide the voxels, or where one is a number
    and the other is not.
    """
    if not isinstance(sample, Sample) and not isinstance(other, Sample):
        return np.array([sample]), np.array([factor * other]), None
    if not isinstance(sample, Sample) or not isinstance(other, Sample):
        raise ReferenceDataError("one of both is a quantity on voxels, the other a number")
    values = other.values
    for axis, n in enumerate(sample.grid.shape):
        if values.shape[axis] % n:
            raise ReferenceDataError(f"{values.shape[axis]} voxels of the finer run along "
                                     f"{'zyx'[axis]} are no multiple of {n}")
        shape = values.shape[:axis] + (n, values.shape[axis] // n) + values.shape[axis + 1:]
        values = values.reshape(shape).mean(axis + 1)
    return sample.values[sample.mask], factor * values[sample.mask], sample.centres()


def pairs(quantity: str, time: float, compared: Compared, up_to_constant: bool = False,
          where: Region | None = None) -> Pairs:
    """Return the Pairs of one comparison, restricted to a region.

    up_to_constant: subtract the mean of either over the points. ReferenceDataError where no point
    lies in the region.
    """
    computed, expected, coordinates = compared
    if where is not None and coordinates is not None:
        zeros = np.zeros(computed.size)
        keep = np.broadcast_to(where({c: coordinates.get(c, zeros) for c in "xyz"}),
                               computed.shape)
        if not keep.any():
            raise ReferenceDataError(f"{quantity}: no place lies in the region")
        computed, expected = computed[keep], expected[keep]
        coordinates = {c: v[keep] for c, v in coordinates.items()}
    if up_to_constant and coordinates is not None:
        computed, expected = computed - computed.mean(), expected - expected.mean()
    return Pairs(quantity, time, computed, expected, coordinates)


def without_offset(all_pairs: list[Pairs]) -> list[Pairs]:
    """Subtract from the numbers of a run, over all times, their mean difference from the expected.

    Pairs at points stay as they are.
    """
    numbers = [p for p in all_pairs if p.coordinates is None]
    shift = np.mean([p.computed - p.expected for p in numbers]) if numbers else 0.0
    return [replace(p, computed=p.computed - shift) if p.coordinates is None else p
            for p in all_pairs]
