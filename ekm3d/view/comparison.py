"""Comparison of runs: what differs in their cases and in their results, differences first.

The first run is what the others are compared with.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ekm3d.view.curves import Line, Panel, panels
from ekm3d.view.figures import ROLE_WORDS
from ekm3d.view.headline import Fact, Headline
from ekm3d.view.ledger import ledger
from ekm3d.view.numbers import UNKNOWN, show
from ekm3d.view.page import filled
from ekm3d.view.prices import Prices
from ekm3d.view.quantities import STANDARD, standard
from ekm3d.view.report import QUESTIONS, what
from ekm3d.view.run import Run
from ekm3d.view.svg_chart import chart
from ekm3d.view.svg_slices import slides

SAME = 1e-6             # relative difference [1] up to which numbers are called the same


@dataclass(frozen=True)
class Row:
    """Number of every run: name, texts, differences [1] from the first (None: not known), remark.
    """

    name: str
    texts: tuple[str, ...]
    differences: tuple[float | None, ...]
    remark: str = ""

    @property
    def largest(self) -> float:
        """Largest relative difference; infinite where a number is known in some runs only."""
        known = [abs(d) for d in self.differences if d is not None]
        if len({text == UNKNOWN for text in self.texts}) > 1:
            return float("inf")
        return max(known, default=0.0)


def names(runs: Sequence[Run]) -> list[str]:
    """Return a short name of every run, different from one another."""
    found = [run.name for run in runs]
    if len(set(found)) < len(found):
        found = [str(run.directory) for run in runs]
    return [f"{name} ({n + 1})" if found.count(name) > 1 else name for n, name in enumerate(found)]


def rows(runs: Sequence[Run], money: Prices | None = None) -> list[Row]:
    """Return the headline numbers of all runs, the largest differences first.

    Those that are known in some runs only come after those that are known in all.
    """
    tables = []
    for run in runs:
        headline = Headline(run, ledger(run), money)
        tables.append({f"{question}: {line.name}": line for question, name in QUESTIONS
                       for line in getattr(headline, name)()})
    keys = list(dict.fromkeys(key for table in tables for key in table))
    found = [_row(key, [table.get(key, Fact(key, UNKNOWN)) for table in tables]) for key in keys]
    return sorted(found, key=lambda row: (np.isinf(row.largest), -row.largest))


def _row(name: str, facts: list[Fact]) -> Row:
    first = facts[0].value
    differences = tuple(
        None if fact.value is None or first is None
        else 0.0 if fact.value == first else (fact.value - first) / abs(first) if first
        else float("inf") for fact in facts[1:])
    return Row(name, tuple(fact.text for fact in facts), differences, facts[0].remark
               if "kWh" not in facts[0].remark and "in all" not in facts[0].remark else "")


def difference(value: float | None, texts: tuple[str, ...] = ()) -> str:
    """Return a relative difference as text."""
    if value is None:
        return "" if texts and len(set(texts)) == 1 else "?"
    if not np.isfinite(value):
        return "from 0"
    if abs(value) <= SAME:
        return "same"
    if abs(value) >= 10:
        return f"{'−' if value < 0 else ''}× {show(abs(1 + value))}"
    return ("+" if value > 0 else "") + show(100 * value, "%", 3 if abs(value) >= 1 else 2)


def input_rows(runs: Sequence[Run]) -> list[tuple[str, tuple[str, ...]]]:
    """Return (key, value of every run) of what differs in case.toml and in the changes to it."""
    tables = [_inputs(run) for run in runs]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    found = [(key, tuple(table.get(key, "–") for table in tables)) for key in keys]
    return [(key, values) for key, values in found if len(set(values)) > 1]


def _inputs(run: Run) -> dict[str, str]:
    """Return {dotted key: value} of the case as it was run."""
    try:
        table = _flat(tomllib.loads(run.provenance.get("case.toml", "")))
    except tomllib.TOMLDecodeError:
        table = {}
    for override in run.provenance.get("overrides", []):
        key, _, value = override.partition("=")
        key = key.strip()
        for name in [name for name in table if name == key or name.startswith(f"{key}.")]:
            del table[name]
        table[key] = value.strip().strip('"')
    table["backend"] = str(run.provenance.get("backend", UNKNOWN))
    table["program"] = f"{run.provenance.get('ekm3d', '')} {run.provenance.get('commit', '')[:10]}"
    return table


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Return {dotted key: text} of nested tables; lists of tables are counted from 0."""
    parts: dict[str, str] = {}
    if isinstance(value, dict):
        for key, inner in value.items():
            parts |= _flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for n, inner in enumerate(value):
            parts |= _flat(inner, f"{path}.{n}")
    else:
        parts[path] = value if isinstance(value, str) else str(value)
    return parts


def overlays(runs: Sequence[Run], labels: Sequence[str]) -> list[Panel]:
    """Return panels with one line of every run: the sum of all currents, else the line of a kind
    of panel that differs most.
    """
    tables = [{panel.key: panel for panel in panels(run)} for run in runs]
    out = []
    for key in dict.fromkeys(key for table in tables for key in table):
        there = [(label, table[key]) for label, table in zip(labels, tables, strict=True)
                 if key in table]
        if len(there) < 2:
            continue
        first = there[0][1]
        hours = np.unique(np.concatenate([panel.hours for _, panel in there]))
        if key == "current":
            there = [(label, _total(panel)) for label, panel in there]
        name, tables_of_lines = _most_different(hours, [panel for _, panel in there])
        if name:
            lines = tuple(Line(label, values) for (label, _), values in zip(
                there, tables_of_lines, strict=True))
            title = f"{first.title}: {name}" if len(first.lines) > 1 else first.title
            out.append(Panel(key, title, first.label, hours, lines, "", (), first.zero))
    return out


def _total(panel: Panel) -> Panel:
    """Panel of the current that all anodes together give."""
    total = np.sum([np.maximum(line.values, 0.0) for line in panel.lines], axis=0)
    return replace(panel, lines=(Line("all anodes", total),))


def _most_different(hours: np.ndarray, there: list[Panel]) -> tuple[str, list[np.ndarray]]:
    """Name of the line of all panels that differs most, and its values; ("", []) without one.

    By the largest difference from that of the first panel, over the largest value; the first line
    where it differs by a percent.
    """
    shared = [line.name for line in there[0].lines
              if all(line.name in [other.name for other in panel.lines] for panel in there)]
    best: tuple[float, str, list[np.ndarray]] = (-1.0, "", [])
    for name in shared:
        values = [_at(hours, panel, name) for panel in there]
        size = max(float(np.nanmax(np.abs(v), initial=0.0)) for v in values)
        apart = max(float(np.nanmax(np.abs(v - values[0]), initial=0.0)) for v in values)
        if apart > best[0] * size:
            best = (apart / size if size else 0.0, name, values)
        if name == shared[0] and best[0] > 0.01:
            break
    return best[1], best[2]


def _at(hours: np.ndarray, panel: Panel, name: str) -> np.ndarray:
    """Values of a line of a panel at other hours; NaN outside of its own."""
    values = next(line.values for line in panel.lines if line.name == name)
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(hours), np.nan)
    return np.interp(hours, panel.hours[known], values[known], left=np.nan, right=np.nan)


def page(runs: Sequence[Run], money: Prices | None = None) -> str:
    """Return the HTML page of a comparison; ViewError without the extra."""
    labels, found = names(runs), rows(runs, money)
    differing = [row for row in found if row.largest > SAME]
    return filled(
        "compare.html", None, heading="Comparison of " + ", ".join(labels), labels=labels,
        what=[(label, run.title, what(run)) for label, run in zip(labels, runs, strict=True)],
        inputs=input_rows(runs), differing=[_cells(row) for row in differing],
        same=[row for row in found if row.largest <= SAME],
        charts=[chart(panel) for panel in overlays(runs, labels)],
        roles=tuple(ROLE_WORDS.items()),
        slices=list(zip(labels, _last_slices(runs), strict=True)))


def _cells(row: Row) -> tuple[str, str, list[tuple[str, str]]]:
    """Return (name, remark, [(text, difference), ...]) of a row."""
    texts = [(row.texts[0], "")]
    texts += [(text, difference(d, (row.texts[0], text)))
              for text, d in zip(row.texts[1:], row.differences, strict=True)]
    return row.name, row.remark, texts


def _last_slices(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Return the slices of the REE at the end of every run, in colours of one range."""
    shown = []
    for run in runs:
        quantities = [q for q in standard(run) if q.key == "REE"] or list(standard(run)[:1])
        shown.append(quantities)
    ranges = [q.limits(run, [0, len(run.times) - 1]) for run, quantities in zip(
        runs, shown, strict=True) for q in quantities if q.key == STANDARD[0].key]
    out = []
    for run, quantities in zip(runs, shown, strict=True):
        same = [q.within(min(r[0] for r in ranges), max(r[1] for r in ranges))
                if q.key == STANDARD[0].key else q for q in quantities]
        made = slides(run, same, last_only=True)
        out.append(made.figures if made is not None else ())
    return out
