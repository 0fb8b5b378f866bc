"""Rows of a validation whose runs are not made again: those of an earlier table, marked as such.

Runs of hours need not be made anew for a change that leaves them alone, or all at once: what is
kept are numbers of the validation.csv that stands in the directory of the validation.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.study.validation import NAME, Comparison, Row
from ekm3d.suggest import suggest
from ekm3d.text_file import NotUTF8, read_text

MARK = "kept from the table before"


@dataclass(frozen=True)
class KeptRow(Row):
    """Row of an earlier table: of its ensemble only mean and spread are known."""

    kept_mean: float = math.nan
    kept_spread: float = math.nan

    @property
    def mean(self) -> float:
        """Mean over the ensemble's members at that time."""
        return self.kept_mean

    @property
    def spread(self) -> float:
        """Standard deviation over the members at that time; nan of less than two."""
        return self.kept_spread


class KeptRows:
    """Rows of `table` that depend on runs which are not made.

    runs: names of these; row(comparison) is None for a comparison that needs none of them.
    """

    def __init__(self, table: Path, patterns: Sequence[str], runs: Sequence[str]) -> None:
        """Read the table; InputError where it is missing or a pattern is no run's."""
        for pattern in patterns:
            if not any(fnmatchcase(run, pattern) for run in runs):
                raise InputError(f"--keep {pattern}: there is no run {quoted(pattern)}"
                                 + suggest(pattern, runs))
        self.runs = [run for run in runs if any(fnmatchcase(run, p) for p in patterns)]
        self.rows: dict[tuple[str, str, str, str], Mapping[str, str]] = {}
        if not self.runs:
            return
        try:
            lines = read_text(table).splitlines()
        except (OSError, NotUTF8) as error:
            raise InputError(f"--keep: the table before cannot be read: {error}") from None
        for row in csv.DictReader(lines):
            remark = row["remark"].removesuffix(MARK).removesuffix("; ")
            self.rows[row["id"], row["status"], row["number"], remark] = row

    def row(self, comparison: Comparison) -> Row | None:
        """Return the row as it was; InputError where the table has none."""
        if not any(run in self.runs for run, _ in NAME.findall(comparison.quantity)):
            return None
        c, fact = comparison, comparison.fact["id"]
        number = "" if math.isnan(c.number) else f"{c.number:.6g}"
        found = self.rows.get((fact, c.status, number, c.remark))
        if found is None:
            raise InputError(f"--keep: the table before has no row {fact} ({c.remark or c.status})"
                             "; make its runs")
        fit, mean, spread = (float(found[key] or math.nan) for key in ("fit", "mean", "spread"))
        marked = replace(c, remark="; ".join(filter(None, (c.remark, MARK))))
        return KeptRow(marked, (fit,) * int(found["sets"]), found["budget"], mean, spread)
