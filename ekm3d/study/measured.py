"""Measured values that a calibration is held against: a CSV file, one line each.

    name,case,quantity,time,value,sd,source
    leachate,bench_ekm,REE_leachate_mg_per_kg,,201.2,6,"Fig. 2c"
    early,bench_leaching,REE_in_leachate,52.5 h,44,5,"Fig. 2d"

quantity: a formula of keys of summary.json or, at a time of the run, of columns of series.csv
(without their units; signs other than letters and digits are written _). case: label of a case,
that is the name of its directory. Lines that begin with # are comments.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from ekm3d.case.expressions import KNOWN, number
from ekm3d.case.units import QuantityKind
from ekm3d.errors import InputError
from ekm3d.output.results import open_results
from ekm3d.quoting import quoted
from ekm3d.text_file import NotUTF8, read_text

COLUMNS = ("name", "case", "quantity", "time", "value", "sd", "source")
TIME = QuantityKind("s", "270 min", 0.0, 1e11)


@dataclass(frozen=True)
class Measured:
    """One measured value; time: of the run [s], None for its end; sd: standard uncertainty."""

    name: str
    case: str
    quantity: str
    time: float | None
    value: float
    sd: float
    source: str = ""


def read_measured(file: Path, cases: Sequence[str]) -> list[Measured]:
    """Return the lines of a CSV file; InputError for a wrong one, or one of an unknown case."""
    try:
        lines = [line for line in read_text(file).splitlines()
                 if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        raise InputError(f"{file} does not exist") from None
    except (OSError, NotUTF8) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    reader = csv.DictReader(lines)
    missing = [c for c in COLUMNS[:-1] if c not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{file}: column {missing[0]} is missing; there must be "
                         + ", ".join(COLUMNS))
    found = [_measured(f"{file}: {row['name']}", row, cases) for row in reader]
    if not found:
        raise InputError(f"{file}: holds no value")
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{file}: two values have the name {quoted(name)}")
    return found


def _measured(place: str, row: Mapping[str, str], cases: Sequence[str]) -> Measured:
    """Return one line."""
    if row["case"] not in cases:
        raise InputError(f"{place}: case: {quoted(row['case'])} is none of {', '.join(cases)}")
    try:
        value, sd = float(row["value"]), float(row["sd"])
    except (TypeError, ValueError):
        raise InputError(f"{place}: value and sd: {quoted(row['value'])} and {quoted(row['sd'])} "
                         "should be numbers") from None
    if not (math.isfinite(value) and math.isfinite(sd) and sd > 0):
        raise InputError(f"{place}: sd: {sd:g} should be above 0, and value {value:g} finite")
    try:
        time = TIME.read(row["time"]) if (row["time"] or "").strip() else None
    except ValueError as error:
        raise InputError(f"{place}: time: {error}") from None
    return Measured(row["name"], row["case"], row["quantity"], time, value, sd,
                    row.get("source") or "")


def computed(quantity: str, directory: Path, time: float | None = None) -> float:
    """Return the quantity of a finished run, at its end or at a time [s]; nan if undefined.

    ValueError where the formula holds no such value, or the run ends before.
    """
    results = open_results(directory)
    end = {identifier(key): math.nan if value is None else float(value)
           for key, value in results.summary.items()
           if value is None or isinstance(value, (int, float))}
    series, units = results.series, results.units
    columns = {identifier(key): values for key, values in series.items()}
    if time is None:
        _refuse_unknown(quantity, end, columns, "a column of series.csv, which needs a time")
        return number(quantity, end)
    _refuse_unknown(quantity, columns, end, "a key of summary.json, which has no time")
    hours = series["time"] * (1.0 if units["time"] == "h" else 1.0 / 3600.0)
    if not hours[0] - 1e-9 <= time / 3600.0 <= hours[-1] + 1e-6:
        raise ValueError(f"{time / 3600.0:g} h lies outside of the run, which ends at "
                         f"{hours[-1]:g} h")
    return number(quantity, {key: float(np.interp(time / 3600.0, hours, values))
                             for key, values in columns.items()})


def _refuse_unknown(quantity: str, known: Iterable[str], other: Iterable[str], what: str) -> None:
    """Raise ValueError for a name that is not known; what: names of `other` are."""
    names, others = set(known), set(other) - set(known)
    for name in re.findall(r"(?<![\w.])[A-Za-z_]\w*", quantity):
        if name in others:
            raise ValueError(f"quantity: {quoted(name)} is {what}")
        if name not in names and name not in KNOWN:
            near = [*get_close_matches(name, sorted(names | others), 1), ""][0]
            raise ValueError(f"quantity: {quoted(name)} is not known"
                             + f"; did you mean {quoted(near)}?" * bool(near)
                             + f" It is {what}." * (near in others))


def identifier(key: str) -> str:
    """Return a key as a formula has it."""
    return re.sub(r"[^0-9A-Za-z_]", "_", key)
