"""Tables of a study: on the terminal, as CSV, as Markdown."""

import csv
import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ekm3d.diagnostics.summary_words import HEAD, entry, number
from ekm3d.study.refinement import Refinement
from ekm3d.study.runs import Outcome
from ekm3d.text_table import table as text_table

DEFAULT = ("recovery_REE", "removal_REE_mean", "purity_REE", "energy_kWh_per_kg_REE", "leachate_L",
           "residual_N_mg_per_kg", "wall_s")
HEADS = {"wall_s": ("computing", "s", 1.0), "cells": ("voxels", "", 1.0),
         "steps": ("steps", "", 1.0), "time_h": ("time", "h", 1.0),
         "recovery_REE": ("REE recovered", "%", 100.0),
         "removal_REE_mean": ("REE removed, mean", "%", 100.0),
         "purity_REE": ("purity of REE", "%", 100.0),
         "energy_kWh_per_kg_REE": ("energy per REE recovered", "kWh/kg", 1.0),
         "leachate_L": ("leachate", "l", 1.0),
         "residual_N_mg_per_kg": ("nitrogen left in pore water", "mg/kg", 1.0)}
NO_RESULTS = ("wall_s", "cells", "steps", "time_h")     # of them no limit of fine grids is told
WIDTH = 16              # letters of a column's heading


def heading(key: str) -> tuple[str, str, float]:
    """Return (words, unit, factor) of a value of the summary, in few words where there are any."""
    if key in HEADS:
        return HEADS[key]
    found = entry(key)
    return found.words.strip(), found.unit, found.factor


def known(outcomes: Sequence[Outcome], keys: Sequence[str]) -> list[str]:
    """Return those keys for which some run has a value."""
    return [key for key in keys if any(o.summary.get(key) is not None for o in outcomes)]


def numbers(outcomes: Sequence[Outcome]) -> list[str]:
    """Return all keys of the summaries that hold numbers."""
    keys = dict.fromkeys(key for o in outcomes for key in o.summary)
    return [key for key in keys if any(isinstance(o.summary.get(key), (int, float))
                                       for o in outcomes)]


def terminal(outcomes: Sequence[Outcome], keys: Sequence[str]) -> str:
    """Return the table in words with units; a run that has failed says why, below."""
    names = list(outcomes[0].point.shown) if outcomes else []
    heads = [*names, *(" ".join(heading(key)[:2]).strip() for key in keys)]
    wrapped = [textwrap.wrap(head, WIDTH, break_long_words=False) or [""] for head in heads]
    depth = max(map(len, wrapped), default=1)
    rows: list[list[str]] = [[(lines + [""] * depth)[n] for lines in wrapped]
                             for n in range(depth)]
    rows += [["-" * max(len(line) for line in lines) for lines in wrapped]]
    for o in outcomes:
        rows.append([*o.point.shown.values(), *(_cell(o, key) for key in keys)])
    lines = text_table(rows, "<" * len(names))
    failures = [f"  {label(o) or 'the run'}: failed: {o.failure}" for o in outcomes if o.failure]
    return "\n".join([*lines, *([""] if failures else []), *failures])


def markdown(outcomes: Sequence[Outcome], keys: Sequence[str]) -> str:
    """Return the same as a table of Markdown."""
    names = list(outcomes[0].point.shown) if outcomes else []
    failed = any(o.failure for o in outcomes)
    heads = [*names, *(" ".join([heading(k)[0], f"[{heading(k)[1]}]" * bool(heading(k)[1])]).strip()
                       for k in keys), *(["state"] if failed else [])]
    rows = [heads, ["---"] * len(heads)]
    for o in outcomes:
        state = [f"failed: {o.failure}" if o.failure else "done"] if failed else []
        rows.append([*o.point.shown.values(), *(_cell(o, key) for key in keys), *state])
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
                     for row in rows) + "\n"


def comma_separated(outcomes: Sequence[Outcome]) -> str:
    """Return all numbers of all runs as CSV, under the keys of the summary, in their units."""
    keys = [key for key in numbers(outcomes) if key not in HEAD[:1]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(outcomes[0].point.shown) if outcomes else []
    writer.writerow([*names, *keys, "directory", "failure"])
    for o in outcomes:
        writer.writerow([*o.point.shown.values(), *(_raw(o.summary.get(key)) for key in keys),
                         o.directory.name, o.failure])
    return text.getvalue()


def refinements(found: Mapping[str, Refinement]) -> str:
    """Return order, limit and error of the finest grid of every value, in words."""
    rows: list[tuple[str, ...]] = [("", "order", "fine limit", "error of the finest", "")]
    for key, r in found.items():
        words, unit, factor = heading(key)
        error = "-" if r.error is None else number(r.error, factor)
        rows.append((words, "-" if r.order is None else f"{r.order:.2f}", number(r.limit, factor),
                     error, r.remark or unit))
    return "\n".join(["Refinement of the grid, from the three finest", *text_table(rows, "<>>><")])


def label(outcome: Outcome) -> str:
    """Return the values of a run in one line."""
    return ", ".join(f"{key} = {value}" for key, value in outcome.point.shown.items())


def _cell(outcome: Outcome, key: str) -> str:
    return "failed" if outcome.failure else number(outcome.summary.get(key), heading(key)[2])


def _raw(value: Any) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
