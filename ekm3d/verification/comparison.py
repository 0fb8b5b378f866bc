"""Found against expected: references, the places where both are compared, norms and orders.

A reference is a file with one column per quantity, a formula of x, y, z [m] and t [s], another
quantity of the same run, or another run. Rows of a file are either averages over equal cells
along one axis, compared cell by cell on the finest cells that both have in common, or values
at points, to which the voxels are interpolated linearly.
"""

import csv
import re
from dataclasses import dataclass, replace
from functools import cache
from math import gcd, isnan, log, nan

import numpy as np

from ekm3d.case.expressions import evaluate
from ekm3d.constants import FARADAY, RT_F
from ekm3d.errors import InputError
from ekm3d.suggest import suggest
from ekm3d.verification.quantities import Sample

NAMES = {"F": FARADAY, "RT_F": RT_F}
FEWEST = 5        # common cells below which a comparison of averages says nothing


class ReferenceDataError(InputError):
    """The reference does not fit what is to be compared; the text says why."""


@dataclass(frozen=True)
class Pairs:
    """Found and expected values of one quantity at one time, and where (None: one number)."""

    quantity: str
    time: float
    found: np.ndarray
    expected: np.ndarray
    places: dict | None


# ---- files -----------------------------------------------------------------------------------

@cache
def columns(path):
    """{column: values} of a CSV file; an empty field counts as 0."""
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    try:
        table = np.array([[float(v or 0.0) for v in row] for row in rows])
    except ValueError as error:
        raise ReferenceDataError(f"{path.name}: {error}") from None
    return dict(zip(header, table.T))


def file_times(path):
    """Times that the rows of a file belong to [s]; empty without a column t."""
    return sorted(set(columns(path).get("t", ())))


def file_rows(path, column, time):
    """(coordinates {"x": ...}, values) of a column at a time."""
    table = columns(path)
    if column not in table:
        raise ReferenceDataError(f"{path.name} has no column {column!r}" + suggest(column, table))
    keep = np.ones(len(table[column]), bool)
    if "t" in table:
        keep = np.abs(table["t"] - time) <= 1e-9 * max(abs(time), 1.0)
    if not keep.any():
        raise ReferenceDataError(f"{path.name} has no rows at t = {time:g} s")
    return {c: table[c][keep] for c in "xyz" if c in table}, table[column][keep]


# ---- putting both on the same places ---------------------------------------------------------

def against_rows(sample, where, values, averages):
    """(found, expected, places) of a Sample or number and the rows of a file."""
    if not isinstance(sample, Sample):
        if values.size != 1:
            raise ReferenceDataError(f"{values.size} rows for one number")
        return np.array([sample]), values, None
    if not where:
        found = sample.values[sample.mask]
        if found.size != values.size:
            raise ReferenceDataError(f"{values.size} rows without coordinates for {found.size} voxels")
        return found, values, sample.centres()
    if averages:
        return _common_cells(sample, where, values)
    return _at_points(sample, where), values, where


def _common_cells(sample, where, values):
    """Averages of both over the largest number of equal cells that both numbers allow."""
    if len(where) != 1:
        raise ReferenceDataError("rows that are averages need exactly one coordinate")
    ((name, x),) = where.items()
    axis = "zyx".index(name)
    line, profile = _profile(sample, axis)
    h, w = sample.grid.step(axis), float(np.diff(x).mean()) if x.size > 1 else np.inf
    ends = [line[0] - h / 2, line[-1] + h / 2], [x[0] - w / 2, x[-1] + w / 2]
    if np.abs(np.subtract(*ends)).max() > 1e-6 * (x[-1] - x[0]):
        raise ReferenceDataError(f"voxels reach from {ends[0][0]:g} to {ends[0][1]:g} m along {name}, "
                             f"the reference from {ends[1][0]:g} to {ends[1][1]:g} m")
    return _coarsened(profile, values, line, name)


def _coarsened(found, expected, x, name):
    """(found, expected, places) of averages over the cells that both numbers of cells allow."""
    n = gcd(found.size, expected.size)
    if n < min(FEWEST, found.size):
        raise ReferenceDataError(f"{found.size} cells and {expected.size} rows have {n} cells in "
                             f"common; take a divisor or a multiple of {expected.size}")
    mean = [a.reshape(n, -1).mean(1) for a in (found, expected, x)]
    return mean[0], mean[1], {name: mean[2]}


def against_other_rows(theirs, expected):
    """(found, expected, places) of another program's rows, averages over equal cells as well."""
    ((name, x),), values = theirs[0].items(), theirs[1]
    return _coarsened(values, expected[1], x, name)


def _profile(sample, axis):
    """(centres, values) along an axis, mean over the others, where all voxels hold ore."""
    keep = np.moveaxis(sample.mask, axis, -1).reshape(-1, sample.mask.shape[axis])
    lines = np.moveaxis(sample.values, axis, -1).reshape(keep.shape)
    live = keep.all(0)
    return sample.grid.centres(axis)[live], lines.mean(0)[live]


def _at_points(sample, where):
    """Voxel values at points, linear between centres and beyond the outermost ones."""
    from scipy.interpolate import RegularGridInterpolator

    axes, box = [], [slice(None)] * 3
    for axis, name in enumerate("zyx"):
        live = np.flatnonzero(sample.mask.any(tuple(a for a in range(3) if a != axis)))
        box[axis] = slice(live[0], live[-1] + 1)
        if name in where and live.size > 1:
            axes.append(axis)
    values = sample.values[tuple(box)]
    spare = tuple(a for a in range(3) if a not in axes)
    values = values.mean(spare)
    centres = [sample.grid.centres(a)[box[a]] for a in axes]
    points = np.stack([where["zyx"[a]] for a in axes], axis=-1)
    return RegularGridInterpolator(centres, values, bounds_error=False, fill_value=None)(points)


def against_formula(sample, text, time, constants):
    """(found, expected, places): a formula at the centres of voxels, or as one number."""
    text = with_numbers(text, NAMES | constants | {"t": time})
    if not isinstance(sample, Sample):
        return np.array([sample]), np.atleast_1d(evaluate(text, 0.0, 0.0, 0.0)), None
    places = sample.centres()
    return sample.values[sample.mask], evaluate(text, **places), places


def with_numbers(text, names):
    """The formula with these names replaced by their values."""
    pattern = r"\b(" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + r")\b"
    return re.sub(pattern, lambda found: f"({names[found[0]]!r})", text)


def region(text):
    """{"x": ..., "y": ..., "z": ...} -> mask of a condition such as "x > 0.1"; None without."""
    return text and (lambda places: evaluate(text, places["x"], places["y"], places["z"]) != 0.0)


def against_sample(sample, other, factor):
    """(found, expected, places) of two samples; a finer one is averaged over the voxels."""
    if not isinstance(sample, Sample):
        return np.array([sample]), np.array([factor * other]), None
    values = other.values
    for axis, n in enumerate(sample.grid.shape):
        if values.shape[axis] % n:
            raise ReferenceDataError(f"{values.shape[axis]} voxels of the finer run along "
                                 f"{'zyx'[axis]} are no multiple of {n}")
        shape = values.shape[:axis] + (n, values.shape[axis] // n) + values.shape[axis + 1:]
        values = values.reshape(shape).mean(axis + 1)
    return sample.values[sample.mask], factor * values[sample.mask], sample.centres()


def pairs(quantity, time, compared, up_to_constant=False, where=None):
    """The Pairs of one comparison, cut to where a region holds, constants removed."""
    found, expected, places = compared
    if where is not None and places is not None:
        zeros = np.zeros(found.size)
        keep = np.broadcast_to(where({c: places.get(c, zeros) for c in "xyz"}), found.shape)
        if not keep.any():
            raise ReferenceDataError(f"{quantity}: no place lies in the region")
        found, expected = found[keep], expected[keep]
        places = {c: v[keep] for c, v in places.items()}
    if up_to_constant and places is not None:
        found, expected = found - found.mean(), expected - expected.mean()
    return Pairs(quantity, time, found, expected, places)


def one_constant(all_pairs):
    """Numbers of a run at several times less their mean difference from what is expected."""
    numbers = [p for p in all_pairs if p.places is None]
    shift = np.mean([p.found - p.expected for p in numbers]) if numbers else 0.0
    return [replace(p, found=p.found - shift) if p.places is None else p for p in all_pairs]


# ---- norms -----------------------------------------------------------------------------------

def error(all_pairs, norm, scale):
    """(error, quantity that is worst) of a run's Pairs.

    max, rms, mean: of |found - expected| at each time, over `scale`, or over the largest
    |expected| of the quantity at all times where scale is None; the worst time and quantity.
    relative: |found - expected| / max(|expected|, scale) at its worst.
    """
    worst, name = 0.0, ""
    for quantity in dict.fromkeys(p.quantity for p in all_pairs):
        mine = [p for p in all_pairs if p.quantity == quantity]
        unit = scale or max(np.abs(p.expected).max() for p in mine) or 1.0
        for p in mine:
            value = _norm(np.abs(p.found - p.expected), p.expected, norm, unit)
            if isnan(value):
                return nan, quantity
            if value >= worst:
                worst, name = value, quantity
    return worst, name


def _norm(difference, expected, norm, unit):
    if norm == "relative":
        return float((difference / np.maximum(np.abs(expected), unit)).max())
    size = {"max": np.max, "mean": np.mean, "rms": lambda d: np.sqrt(np.mean(d * d))}[norm]
    return float(size(difference) / unit)


def order(errors, lengths):
    """Observed order between the last two runs; nan where there is none to observe."""
    if len(errors) < 2 or not min(errors[-2:]) > 0.0 or lengths[-1] == lengths[-2]:
        return nan
    return log(errors[-2] / errors[-1]) / log(lengths[-2] / lengths[-1])
