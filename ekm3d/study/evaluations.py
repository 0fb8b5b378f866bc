"""Evaluations of a calibration: runs of all cases with one set of parameters, kept in a journal.

    OUT/setup.json          parameters, measured values and digests of the cases
    OUT/journal.jsonl       one line per set: values of the parameters, computed values, failures
    OUT/CASE/               runs in progress; those that are read are deleted

A set that stands in the journal is never run again, so that a calibration that was interrupted goes
on where it was, and ends with the same numbers. A run that fails is a penalty. Another calibration
with the same parameters, to which a case is added, gives what its journal holds of the cases that
both have.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.errors import InputError, OutputError
from ekm3d.study.measured import Measured, computed
from ekm3d.study.parameters import Parameter
from ekm3d.study.points import Point, Value
from ekm3d.study.runs import Outcome, Plan, digest, run_all

SETUP, JOURNAL = "setup.json", "journal.jsonl"
PENALTY = 1e4           # standard deviations by which every value of a run that failed is off


@dataclass(frozen=True)
class Evaluation:
    """One set: values of the parameters; computed values, nan where a run has failed."""

    x: tuple[float, ...]
    computed: tuple[float, ...]
    failures: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """True where a computed value is missing."""
        return not all(map(math.isfinite, self.computed))


@dataclass
class Evaluator:
    """Runs of `cases` {label: directory} with sets of `parameters`, for `measured` values.

    fixed: overrides of all runs; other: directory of another calibration whose runs count; made:
    evaluations that were run, not taken from the journal; fresh: `open` has begun a new
    calibration; known: values of single cases that another calibration has.
    """

    cases: dict[str, Path]
    parameters: Sequence[Parameter]
    measured: Sequence[Measured]
    out: Path
    backend: str = "auto"
    jobs: int = 1
    threads: int = 1
    fixed: Sequence[str] = ()
    force: bool = False
    tell: Callable[[str], None] = print
    other: Path | None = None
    made: int = 0
    fresh: bool = False
    journal: dict[tuple[float, ...], Evaluation] = field(default_factory=dict)
    known: dict[tuple[str, tuple[float, ...]], dict[str, float]] = field(default_factory=dict)

    def open(self) -> None:
        """Create OUT, or read its journal; InputError where it is of another calibration."""
        facts = {
            "parameters": [asdict(p) | {"settings": dict(p.settings)} for p in self.parameters],
            "measured": [asdict(m) for m in self.measured], "fixed": list(self.fixed),
            "cases": {label: digest(path) for label, path in self.cases.items()}}
        self._take_over(facts)
        setup = json.dumps(facts, indent=1)
        file = self.out / SETUP
        if file.exists() and not self.force:
            if file.read_text(encoding="utf-8") != setup + "\n":
                raise InputError(f"{self.out} holds a calibration with other parameters, targets "
                                 "or cases; give --force to begin anew, or --out DIR")
            self._read()
        elif self.out.exists() and any(self.out.iterdir()) and not file.exists():
            raise OutputError(f"{self.out} holds no calibration; give --out DIR with a directory "
                              "of its own")
        else:
            for label in self.cases:
                shutil.rmtree(self.out / label, ignore_errors=True)
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / JOURNAL).unlink(missing_ok=True)
            file.write_text(setup + "\n", encoding="utf-8")
            self.fresh = True

    def discard(self) -> None:
        """Delete what `open` and the first runs have written, if no set has been evaluated."""
        if not self.fresh or self.journal:
            return
        for label in self.cases:
            shutil.rmtree(self.out / label, ignore_errors=True)
        (self.out / SETUP).unlink(missing_ok=True)
        with suppress(OSError):                 # something else is in it
            self.out.rmdir()

    def _take_over(self, facts: Mapping[str, Any]) -> None:
        """Read what another calibration knows: {(case, set): values}; `facts` are those of this.

        InputError where it has other parameters, or holds no case with its values as here.
        """
        if self.other is None:
            return
        try:
            there = json.loads((self.other / SETUP).read_text(encoding="utf-8"))
            lines = (self.other / JOURNAL).read_text(encoding="utf-8").splitlines()
            missing = {"parameters", "fixed", "cases", "measured"} - set(there)
            if missing or not isinstance(there, dict):
                raise ValueError(f"{SETUP} lacks {', '.join(sorted(missing))}")
        except (OSError, TypeError, ValueError) as error:
            raise InputError(f"--reuse {self.other}: holds no calibration: {error}") from None
        here = json.loads(json.dumps(facts))
        if any(here[key] != there[key] for key in ("parameters", "fixed")):
            raise InputError(f"--reuse {self.other}: its parameters, or its -o, are others")
        same = [label for label in self.cases
                if there["cases"].get(label) == here["cases"][label]
                and all(m in there["measured"] for m in here["measured"] if m["case"] == label)]
        if not same:
            raise InputError(f"--reuse {self.other}: it has none of the cases as they are here, "
                             "with the same targets")
        names = [m["name"] for m in there["measured"]]
        for line in lines:
            try:
                entry = json.loads(line)
                found = dict(zip(names, entry["computed"], strict=True))
                at = tuple(entry["x"])
            except (KeyError, TypeError, ValueError):   # a line that was cut short
                continue
            for label in same:
                values = {m.name: found[m.name] for m in self.measured if m.case == label}
                if None not in values.values():
                    self.known[label, at] = values

    def _read(self) -> None:
        """Read the journal; a last line that was cut off is left out."""
        file = self.out / JOURNAL
        kept = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                entry = json.loads(line)
                found = Evaluation(tuple(entry["x"]), tuple(
                    math.nan if v is None else v for v in entry["computed"]),
                    tuple(entry["failures"]))
            except (ValueError, KeyError, TypeError):
                continue
            kept.append(line)
            self.journal[found.x] = found
        file.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def __call__(self, sets: Sequence[np.ndarray]) -> list[Evaluation]:
        """Return the evaluations of sets of u, in their order; those not in the journal are run."""
        xs = [self.values(u) for u in sets]
        new = [x for x in dict.fromkeys(xs) if x not in self.journal]
        if new:
            self._run(new)
        return [self.journal[x] for x in xs]

    def values(self, u: np.ndarray) -> tuple[float, ...]:
        """Return the values of the parameters at u, rounded to what a run is given."""
        return tuple(float(f"{p.value(float(c)):.10g}")
                     for p, c in zip(self.parameters, u, strict=True))

    def _run(self, sets: Sequence[tuple[float, ...]]) -> None:
        """Run sets of values and write them into the journal."""
        found: list[dict[str, float]] = [{} for _ in sets]
        failures: list[list[str]] = [[] for _ in sets]
        for number, (label, case) in enumerate(self.cases.items()):
            wanted = [m for m in self.measured if m.case == label]
            new = [n for n, x in enumerate(sets) if (label, x) not in self.known]
            for n in set(range(len(sets))) - set(new):
                found[n] |= self.known[label, sets[n]]
            if not new:
                continue
            points = [self.point(sets[n], label) for n in new]
            plan = Plan(case, self.out / label, self.backend, self.jobs, False, self.threads)
            told = self._progress(label, number * len(sets), len(sets) * len(self.cases))
            for n, outcome in zip(new, run_all(plan, points, told), strict=True):
                if outcome.refused:
                    raise InputError(f"{label}: {outcome.failure}")
                if outcome.failure:
                    failures[n].append(f"{label}: {outcome.failure}")
                    continue
                for one in wanted:
                    try:
                        found[n][one.name] = computed(one.quantity, outcome.directory, one.time)
                    except ValueError as error:
                        raise InputError(f"target {one.name}: {error}") from None
            shutil.rmtree(self.out / label)
        with (self.out / JOURNAL).open("a", encoding="utf-8") as file:
            for x, values, reasons in zip(sets, found, failures, strict=True):
                numbers = tuple(values.get(m.name, math.nan) for m in self.measured)
                self.journal[x] = Evaluation(x, numbers, tuple(reasons))
                self.made += 1
                file.write(json.dumps({
                    "x": x, "computed": [v if math.isfinite(v) else None for v in numbers],
                    "failures": reasons}) + "\n")
        self.tell(f"  sets evaluated: {len(self.journal)}; least 2 J so far: "
                  f"{min(map(self.cost, self.journal.values())):.4g}" + "".join(
                      f"\n    failed: {reason}" for reasons in failures for reason in reasons))

    def _progress(self, label: str, before: int, total: int) -> Callable[[Outcome, int], None]:
        """Return what tells of every run that has ended, with the time since the one before."""
        last = time.monotonic()

        def tell(outcome: Outcome, done: int) -> None:
            nonlocal last
            now = time.monotonic()
            self.tell(f"    run {before + done} of {total}: {label}, {now - last:.0f} s"
                      + ", failed" * bool(outcome.failure))
            last = now

        return tell

    def cost(self, found: Evaluation) -> float:
        """Return twice J of a set: squares of the misfits and of u."""
        u = [p.coordinate(x) for p, x in zip(self.parameters, found.x, strict=True)]
        return float(np.sum(self.misfits(found)**2) + np.dot(u, u))

    def point(self, x: Sequence[float], label: str) -> Point:
        """Return the run of one case with values of the parameters."""
        texts = [*self.fixed, *(text for p, value in zip(self.parameters, x, strict=True)
                                for text in p.overrides(value, label))]
        pairs = [text.split("=", 1) for text in texts]
        return Point(tuple((key, Value(text, text)) for key, text in pairs), 0)

    def misfits(self, found: Evaluation, values: np.ndarray | None = None) -> np.ndarray:
        """Return (computed - measured)/sd; values: in place of the measured ones.

        Of a run that has failed all are PENALTY.
        """
        measured = np.array([m.value for m in self.measured]) if values is None else values
        sd = np.array([m.sd for m in self.measured])
        off = (np.array(found.computed) - measured) / sd
        return np.where(np.isfinite(off), off, PENALTY)

    def facts(self) -> dict[str, Any]:
        """Return numbers of evaluations, for a report."""
        return {"sets": len(self.journal), "runs": len(self.journal) * len(self.cases),
                "failed": sum(e.failed for e in self.journal.values())}
