"""Supplies of a stage that has several, and stages whose rows are driven in turn or reversed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from ekm3d.boundaries.schedule import Supply
from ekm3d.case.electrode_distance import distance
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.schema_schedule import StageEntry, SupplyEntry
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

LEAST = 1e-9        # of a stage: a shorter turn is rounding


class SupplyReader:
    """Reader of [[schedule.stage.supply]]; problems go to `problems`.

    rows: {name: Row or MISSING} of the case's electrodes.
    """

    def __init__(self, rows: Mapping[str, Any], problems: Problems):
        self.rows, self.problems = rows, problems

    def read(self, path: KeyPath, stage: StageEntry) -> tuple[Supply, ...]:
        """Return the supplies of a stage; MissingValue where they are wrong or contradict."""
        self.problems.attempt(self.problems.check_names, stage.supply, (*path, "supply"), "supply")
        found = [self.problems.attempt(self._supply, (*path, "supply", n), entry)
                 for n, entry in enumerate(stage.supply)]
        if any(supply is MISSING for supply in found):
            raise MissingValue
        self._check_wiring((*path, "supply"), found)
        return tuple(found)

    def _supply(self, path: KeyPath, entry: SupplyEntry) -> Supply:
        """Return the Supply of one entry."""
        wrong = False
        for key in ("anodes", "cathodes"):
            names = getattr(entry, key)
            if not names:
                self.problems.add((*path, key), "are none; name at least one row")
                wrong = True
            for n, name in enumerate(names):
                if name not in self.rows:
                    self.problems.add((*path, key, n), f"no electrode row {quoted(name)}"
                                      + suggest(name, self.rows))
                    wrong = True
        if entry.voltage is not None and entry.gradient is not None:
            self.problems.add(path, "has both voltage and gradient; give one of them")
            wrong = True
        if entry.voltage is None and entry.gradient is None and entry.current is None:
            self.problems.add(path, "needs a voltage, a gradient or a current"
                              + (", the highest that it gives, beside the power"
                                 if entry.power is not None else ""))
            wrong = True
        if wrong or any(self.rows[name] is MISSING for name in (*entry.anodes, *entry.cathodes)):
            raise MissingValue
        voltage = entry.voltage
        if entry.gradient is not None:
            apart = distance([self.rows[a] for a in entry.anodes],
                             [self.rows[c] for c in entry.cathodes])
            voltage = entry.gradient * apart.metres
        if voltage is not None and not voltage > 0.0:
            self.problems.add(path, "has no voltage; give one above 0, or leave the supply out")
            raise MissingValue
        return Supply(entry.name, tuple(entry.anodes), tuple(entry.cathodes), voltage,
                      entry.current, entry.power)

    def _check_wiring(self, path: KeyPath, supplies: list[Supply]) -> None:
        """Refuse rows of two terminals, of both signs, and circles of supplies."""
        end_of: dict[str, tuple[tuple[str, ...], str]] = {}
        joined: dict[tuple[str, ...], tuple[str, ...]] = {}

        def root(end):
            joined.setdefault(end, end)
            return end if joined[end] == end else root(joined[end])

        for n, supply in enumerate(supplies):
            for sign in ("anodes", "cathodes"):
                end = getattr(supply, sign)
                for name in end:
                    other = end_of.setdefault(name, (end, sign))
                    if other != (end, sign):
                        self.problems.add((*path, n, sign), (
                            f"row {quoted(name)} belongs to another terminal too; supplies that "
                            "share rows must name the same ones, as anodes or as cathodes of both"))
                        raise MissingValue
            a, c = root(supply.anodes), root(supply.cathodes)
            if a == c:
                self.problems.add((*path, n), f"supply {quoted(supply.name)} closes a circle of "
                                  "supplies; each pair of terminals can have one way through them")
                raise MissingValue
            joined[a] = c


def expanded(stage: StageEntry, rows: Mapping[str, Any]) -> StageEntry:
    """Return a stage with every name that holds a * replaced by the rows that it stands for."""
    def names(given):
        return [row for name in given for row in (
            [r for r in rows if fnmatchcase(r, name)] or [name] if "*" in name else [name])]

    ends: list[StageEntry | SupplyEntry] = [stage, *stage.supply]
    if not any("*" in name for one in ends for name in (*one.anodes, *one.cathodes)):
        return stage
    return stage.model_copy(update={
        "anodes": names(stage.anodes), "cathodes": names(stage.cathodes),
        "supply": [s.model_copy(update={"anodes": names(s.anodes), "cathodes": names(s.cathodes)})
                   for s in stage.supply]})


def turns_of(stage: Any, most: int) -> Iterator[Any]:
    """Yield the parts of a Stage that is rotated or reversed, in order, `most` + 1 at most.

    Rows are dealt into the groups one by one, anodes and cathodes alike; rows of a kind of which
    there are fewer than groups are driven in all of them.
    """
    if not stage.rotate and not stage.reverse:
        yield stage
        return
    groups, every = stage.rotate or (1, stage.duration)
    at, turn, count = 0.0, 0, 0
    while at < stage.duration * (1 - LEAST) and count <= most:
        k, end = turn % groups, min(at + every, stage.duration)
        part = replace(stage, rotate=None, reverse=None,
                       anodes=_dealt(stage.anodes, groups, k),
                       cathodes=_dealt(stage.cathodes, groups, k),
                       name=f"{stage.name} group {k + 1}" if groups > 1 else stage.name)
        while at < end - LEAST * stage.duration and count <= most:
            for reversed_now, lasts in zip((False, True), stage.reverse or (every, 0.0),
                                           strict=True):
                length = min(lasts, end - at)
                if length <= LEAST * stage.duration:
                    continue
                count += 1
                yield replace(part, duration=length, on=part.on if part.off else length, **(
                    {"anodes": part.cathodes, "cathodes": part.anodes,
                     "name": f"{part.name} reversed"} if reversed_now else {}))
                at += length
        turn += 1


def _dealt(rows, groups, k):
    """Rows of group k; all of them where they are too few."""
    return rows if len(rows) < groups else rows[k::groups]
