"""Validation: runs of cases, by all sets of an ensemble, beside what experiments have reported.

A directory holds what is compared:

    facts.csv           what the experiments report: id, quantity, value, unit, where, remark
    comparisons.csv     for every fact a formula of results, or the reason why there is none
    runs.toml           the runs: a case and what is changed in it
    parameters.toml     parameters of the calibration (`parameters`)
    ensemble.csv        their sets, the first of them the fit, as `ekm3d calibrate` writes them

A formula names values as RUN.KEY: keys of summary.json, with a time columns of series.csv, and of
`extras`.
"""

import csv
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.expressions import number
from ekm3d.case.toml_text import toml
from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.study.measured import TIME
from ekm3d.study.parameters import Parameter, read_parameters
from ekm3d.study.points import Point, Value
from ekm3d.study.run_values import Budget, RunValues
from ekm3d.study.runs import Outcome, Plan, run_all
from ekm3d.suggest import suggest
from ekm3d.text_file import NotUTF8, read_text

STATUSES = ("fitted", "predicted", "input", "derived", "none")
NAME = re.compile(r"\b([A-Za-z]\w*)\.([A-Za-z]\w*)\b")
RUN_KEYS = ("name", "title", "case", "overrides", "members", "replace")


@dataclass(frozen=True)
class RunPlan:
    """One run; members: sets of the ensemble that it is made with, besides the fit, at most.

    replace: {parameter: its settings in this run}, where they differ from those of the parameter.
    """

    name: str
    title: str
    case: Path
    overrides: tuple[str, ...]
    members: int
    replace: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Comparison:
    """One row: a fact, a formula or a reason, and what the paper's number claims of a run's REE.

    number: that of the paper, nan where there is none; sd: its uncertainty; claim: (run, formula of
    `number` for the share of the ore's REE that it says has left).
    """

    fact: Mapping[str, str]
    status: str
    quantity: str
    time: float | None
    number: float
    sd: float
    claim: tuple[str, str] | None
    remark: str


@dataclass(frozen=True)
class Row:
    """Comparison with the values of all sets, the fit's first, and the budget of its claim."""

    comparison: Comparison
    values: tuple[float, ...]
    budget: str = ""

    @property
    def mean(self) -> float:
        """Mean over the ensemble's members; that of the fit where there are none."""
        members = [v for v in self.values[1:] if math.isfinite(v)]
        return float(np.mean(members)) if members else self.fit

    @property
    def spread(self) -> float:
        """Standard deviation over the members; nan of less than two."""
        members = [v for v in self.values[1:] if math.isfinite(v)]
        return float(np.std(members, ddof=1)) if len(members) > 1 else math.nan

    @property
    def fit(self) -> float:
        """Value of the fit; nan where it has failed."""
        return self.values[0] if self.values else math.nan

    @property
    def error(self) -> float:
        """(fit - paper)/paper; nan where one is unknown."""
        c = self.comparison
        return (self.fit - c.number) / abs(c.number) if c.number else math.nan

    @property
    def missed(self) -> bool:
        """True where fit and paper differ by more than 15 % and twice the uncertainty."""
        c = self.comparison
        known = math.isfinite(self.error)
        return known and abs(self.fit - c.number) > max(0.15 * abs(c.number), 2 * c.sd)


class Validation:
    """Contents of a directory of validation; InputError where a file is wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = _table(folder / "facts.csv", ("id", "experiment", "quantity", "value", "unit",
                                                   "where", "remark"))
        self.runs = _runs(folder)
        file = folder / "parameters.toml"
        self.parameters = read_parameters(file) if file.exists() else []
        self.sets = _sets(folder / "ensemble.csv", self.parameters)
        known = {fact["id"]: fact for fact in self.facts}
        self.comparisons = [
            _comparison(folder / "comparisons.csv", row, known, list(self.runs))
            for row in _table(folder / "comparisons.csv",
                              ("fact", "status", "quantity", "time", "number", "sd", "claim",
                               "remark"))]

    def points(self, plan: RunPlan) -> list[Point]:
        """Return the runs of one plan: the fit, then members; without sets the case as it is."""
        sets: list[dict[str, float]] = [dict(one) for one in self.sets[:1 + plan.members]] or [{}]
        found = []
        for one in sets:
            texts = list(plan.overrides)
            for p in self.parameters:
                if p.name in one:
                    texts += _settings(p, plan).overrides(one[p.name], "")
            pairs = [text.split("=", 1) for text in texts]
            found.append(Point(tuple((key, Value(text, text)) for key, text in pairs), 0))
        return found

    def outcomes(self, out: Path, backend: str, jobs: int, threads: int,
                 tell: Callable[[str], None], left_out: Sequence[str] = ()
                 ) -> dict[str, list[Outcome]]:
        """Make all runs that are not there yet; {run: outcomes, that of the fit first}."""
        made = {}
        for name, plan in self.runs.items():
            if name in left_out:
                continue
            points = self.points(plan)
            made[name] = run_all(Plan(plan.case, out / name, backend, jobs, False, threads),
                                 points, lambda *_: None)
            bad = [o.failure for o in made[name] if o.failure]
            tell(f"  {name}: {len(points)} runs" + "".join(f"\n    failed: {r}" for r in bad))
            if all(o.refused for o in made[name]):
                raise InputError(f"run {name}: {made[name][0].failure}")
        return made

    def rows(self, outcomes: Mapping[str, Sequence[Outcome]],
             kept: Callable[[Comparison], Row | None] = lambda _: None) -> list[Row]:
        """Return all rows, in the order of the facts; facts without a comparison say so.

        kept: rows that stand as they were before.
        """
        values = {name: [RunValues(o.directory) if o.summary else None for o in made]
                  for name, made in outcomes.items()}
        rows = []
        for fact in self.facts:
            own = [c for c in self.comparisons if c.fact["id"] == fact["id"]] or [
                Comparison(fact, "none", "", None, math.nan, math.nan, None,
                           "no comparable model quantity")]
            own = sorted(own, key=lambda c: c.status == "derived")
            rows += [kept(c) or _row(c, values) for c in own]
        return rows


def _settings(parameter: Parameter, plan: RunPlan) -> Parameter:
    """Return a parameter with the settings that it has in a run."""
    if parameter.name not in plan.replace:
        return replace(parameter, cases=())
    entry = dict(plan.replace[parameter.name])
    unit = entry.pop("unit", parameter.unit)
    return replace(parameter, settings=entry, unit=unit, cases=())


def _row(comparison: Comparison, values: Mapping[str, Sequence[RunValues | None]]) -> Row:
    """Return one row; a set counts where all runs that the formula names have come to their end."""
    if not comparison.quantity:
        return Row(comparison, ())
    names = list(dict.fromkeys(run for run, _ in NAME.findall(comparison.quantity)))
    count = min(len(values[name]) for name in names)
    try:
        found = tuple(_computed(comparison, {name: values[name][n] for name in names})
                      for n in range(count))
    except (InputError, ValueError) as error:
        raise InputError(f"comparisons.csv: {comparison.fact['id']}: {error}") from None
    budget = ""
    if comparison.claim and math.isfinite(comparison.number):
        run = values[comparison.claim[0]][0]
        if run is not None:
            share = number(comparison.claim[1], {"number": comparison.number})
            budget = in_words(run.budget(), share)
    return Row(comparison, found, budget)


def _computed(comparison: Comparison, runs: Mapping[str, RunValues | None]) -> float:
    """Return the formula's value; nan where a run has failed or a value is undefined."""
    names: dict[str, float] = {}

    def stand_in(match: re.Match[str]) -> str:
        run = runs[match[1]]
        name = f"value{len(names)}"
        names[name] = math.nan if run is None else run.value(match[2], comparison.time)
        return name

    text = NAME.sub(stand_in, comparison.quantity)
    return math.nan if any(map(math.isnan, names.values())) else number(text, names)


def in_words(budget: Budget, share: float) -> str:
    """Return whether charge and anions of a run allow that a share of its REE has left.

    A cation leaves with the current, at most one equivalent per Faraday, or with water that carries
    as many equivalents of anions.
    """
    needed, most = share * budget.held, budget.charge + budget.anions
    verdict = "forbidden by charge and anions" if needed > most else "charge and anions allow it" \
        if needed < 0.5 * most else "charge and anions allow it only if little else moves"
    return (f"needs {needed:.3g} eq of REE; charge {budget.charge:.3g} eq + anions in "
            f"{budget.water:.3g} l of leachate {budget.anions:.3g} eq = {most:.3g} eq (other "
            f"cations left with {budget.others:.3g} eq): {verdict}")


def _table(file: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file with these columns."""
    try:
        lines = [line for line in read_text(file).splitlines()
                 if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; a directory of validation holds facts.csv, "
                         "comparisons.csv and runs.toml") from None
    except (OSError, NotUTF8) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    reader = csv.DictReader(lines)
    for column in columns:
        if column not in (reader.fieldnames or ()):
            raise InputError(f"{file}: column {column} is missing; there must be "
                             + ", ".join(columns))
    return [{key: (row[key] or "").strip() for key in columns} for row in reader]


def _runs(folder: Path) -> dict[str, RunPlan]:
    """Return the runs of runs.toml by their names."""
    file = folder / "runs.toml"
    try:
        data: Any = tomllib.loads(read_text(file))
    except FileNotFoundError:
        raise InputError(f"{file} does not exist") from None
    except (OSError, NotUTF8, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    runs: dict[str, RunPlan] = {}
    for n, entry in enumerate(data.get("run", [])):
        place = f"{file}: run {n}"
        for key in entry:
            if key not in RUN_KEYS:
                raise InputError(f"{place}: unknown key {quoted(key)}" + suggest(key, RUN_KEYS))
        name, case = entry.get("name"), entry.get("case")
        if not isinstance(name, str) or not name.isidentifier() or name in runs:
            raise InputError(f"{place}: name: {quoted(name)} is no name of letters, digits and _, "
                             "or is there twice")
        if not isinstance(case, str) or not (folder / case / "case.toml").is_file():
            raise InputError(f"{place} {name}: case: there is no case in {quoted(case)}")
        overrides = entry.get("overrides", {})
        if not isinstance(overrides, dict):
            raise InputError(f"{place} {name}: overrides: should be a table, {{ \"KEY\" = value }}")
        runs[name] = RunPlan(name, str(entry.get("title", name)), folder / case,
                             tuple(f"{key}={toml(value)}" for key, value in overrides.items()),
                             int(entry.get("members", 10**6)), entry.get("replace", {}))
    if not runs:
        raise InputError(f"{file}: holds no [[run]]")
    return runs


def _sets(file: Path, parameters: Sequence[Parameter]) -> list[dict[str, float]]:
    """Return the sets of an ensemble, {parameter: value} each; [] without a file."""
    if not file.exists():
        return []
    names = [p.name for p in parameters]
    rows = _table(file, ["set", *names])
    try:
        return [{name: float(row[name]) for name in names} for row in rows]
    except ValueError as error:
        raise InputError(f"{file}: {error}") from None


def _comparison(file: Path, row: Mapping[str, str], facts: Mapping[str, Mapping[str, str]],
                runs: Sequence[str]) -> Comparison:
    """Return one comparison."""
    place = f"{file}: {row['fact']}"
    if row["fact"] not in facts:
        raise InputError(f"{place}: facts.csv has no such id")
    if row["status"] not in STATUSES:
        raise InputError(f"{place}: status: {quoted(row['status'])} is none of "
                         + ", ".join(STATUSES))
    claim = tuple(part.strip() for part in row["claim"].split(":", 1)) if row["claim"] else None
    for run in [run for run, _ in NAME.findall(row["quantity"])] + ([claim[0]] if claim else []):
        if run not in runs:
            raise InputError(f"{place}: there is no run {quoted(run)}" + suggest(run, runs))
    if bool(row["quantity"]) != (row["status"] in ("fitted", "predicted", "derived")):
        raise InputError(f"{place}: a row that is fitted, predicted or derived has a quantity, "
                         "RUN.KEY or a formula of such, any other none")
    try:
        value, sd = (float(row[key]) if row[key] else math.nan for key in ("number", "sd"))
        time = TIME.read(row["time"]) if row["time"] else None
        if claim and (len(claim) != 2 or math.isnan(number(claim[1], {"number": value}))):
            raise ValueError("claim: should be RUN: a formula of `number`")
    except ValueError as error:
        raise InputError(f"{place}: {error}") from None
    return Comparison(facts[row["fact"]], row["status"], row["quantity"], time, value,
                      0.0 if math.isnan(sd) else sd,
                      (claim[0], claim[1]) if claim else None, row["remark"])
