"""Schedule of a case, read from [schedule]: stages, their electrode rows, and time steps.

The supply of a stage holds a voltage (given, or as a gradient between the rows) or a current;
with a current, `limit` is the voltage at the terminals that it cannot exceed. Several supplies,
rows driven in turn and reversed polarity: see `supplies`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ekm3d.boundaries.schedule import Supply
from ekm3d.case.electrode_distance import Distance, distance
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.schema_schedule import ScheduleEntry, StageEntry
from ekm3d.case.supplies import SupplyReader, expanded, turns_of
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

CONTROLS = ("gradient", "voltage", "current")
MAX_STAGES = 100_000


@dataclass(frozen=True)
class Stage:
    """Stage of a schedule: driven rows, their supply, and floating rows."""

    name: str
    duration: float              # s
    anodes: tuple[str, ...]      # names of rows
    cathodes: tuple[str, ...]
    voltage: float               # V at the terminals; 0: the power is off, or see `current`
    on: float                    # s, part of a pulse with power
    off: float                   # s, part of a pulse without; 0: continuous
    current: float | None = None    # A from the anodes to the cathodes; None: voltage control
    limit: float | None = None      # V at the terminals that a current cannot exceed
    floating: tuple[tuple[str, ...], ...] = ()   # groups of rows wired together, without supply
    gradient: float | None = None       # V/m that the voltage was given as
    distance: Distance | None = None    # that the gradient was taken over
    supplies: tuple[Supply, ...] = ()   # instead of the one above, where there are several
    rotate: tuple[int, float] | None = None     # groups of rows driven in turn, each for s
    reverse: tuple[float, float] | None = None  # s as given, then s with the polarity reversed


@dataclass(frozen=True)
class ScheduleData:
    """Stages of a case and the control of its time steps."""

    stages: tuple[Stage, ...]
    pulses: str                  # averaged | resolved
    max_step: float              # s
    cfl: float                   # Courant number [1] that a step may reach
    tolerance: float             # relative residual [1] of the elliptic solvers
    fixed_step: float | None = None     # s; None: steps as long as stability permits
    least_step: float = 1e-6     # share [1] of a stage below which a step ends the run
    order: int = 1               # order in time; 2: Heun's method, at twice the cost
    sequence: tuple[int, ...] = ()      # numbers of the stages in the order of the run
    turns: tuple[Stage, ...] = ()       # the same as stages, those that rotate or reverse in parts

    @property
    def run_stages(self) -> tuple[Stage, ...]:
        """Stages in the order of the run, repetitions included."""
        return self.turns or tuple(self.stages[n] for n in self.sequence)


class StageReader:
    """Reader of [schedule]; problems go to `problems`.

    rows: {name: Row or MISSING} of the case's electrodes.
    """

    def __init__(self, rows: Mapping[str, Any], problems: Problems):
        self.rows, self.problems = rows, problems

    def read(self, section: ScheduleEntry) -> ScheduleData:
        """Return the ScheduleData of a validated [schedule]."""
        path: KeyPath = ("schedule", "stage")
        if not section.stage:
            self.problems.add(("schedule",), "the schedule is empty; add at least one "
                              "[[schedule.stage]] with a name and a duration")
        self.problems.attempt(self.problems.check_names, section.stage, path, "stage")
        stages = tuple(self.problems.attempt(self._stage, (*path, n), stage)
                       for n, stage in enumerate(section.stage))
        sequence = self.problems.attempt(self._sequence, path, section.stage)
        turns: tuple[Stage, ...] = ()
        parts = self.problems.attempt(self._turns, path, stages, sequence)
        if parts is not MISSING and parts:
            sequence, turns = (tuple(a) for a in zip(*parts, strict=True))
        return ScheduleData(stages, section.pulses, section.max_step, section.cfl,
                            section.tolerance, section.fixed_step, section.least_step,
                            section.order, sequence, turns)

    def _turns(self, path: KeyPath, stages: Sequence[Stage], sequence: Sequence[int]
               ) -> list[tuple[int, Stage]]:
        """Return (number, part) of all stages in the order of the run; nothing if none has parts.
        """
        if not any(stage is not MISSING and (stage.rotate or stage.reverse) for stage in stages):
            return []
        parts = [(n, turn) for n in sequence for turn in turns_of(stages[n], MAX_STAGES)]
        if len(parts) > MAX_STAGES:
            self.problems.add(path, f"make more than {MAX_STAGES:,} turns; rotate or reverse less "
                              "often")
            raise MissingValue
        return parts

    def _sequence(self, path: KeyPath, stages: Sequence[StageEntry]) -> tuple[int, ...]:
        """Return the numbers of the stages in the order of the run.

        A stage with `repeat` runs that many times, with those from `repeat_from` on before it.
        """
        parts: list[list[int]] = []             # of stages so far: a group lies at its first
        names = [stage.name for stage in stages]
        for n, stage in enumerate(stages):
            parts.append([n])
            first = n
            if stage.repeat_from is not None:
                if stage.repeat_from not in names[:n + 1]:
                    self.problems.add((*path, n, "repeat_from"), f"no stage "
                                      f"{quoted(stage.repeat_from)} before this "
                                      "one" + suggest(stage.repeat_from, names[:n + 1]))
                    continue
                if stage.repeat == 1:
                    self.problems.add((*path, n, "repeat_from"), "needs repeat = 2 or more, the "
                                      "number of times that the stages run")
                first = names.index(stage.repeat_from)
            if not parts[first]:
                self.problems.add((*path, n, "repeat_from"), f"stage {quoted(stage.repeat_from)} "
                                  "lies inside stages that are repeated already; begin with the "
                                  "first")
                continue
            parts[first] = [m for part in parts[first:] for m in part] * stage.repeat
            parts[first + 1:] = [[] for _ in parts[first + 1:]]
            if len(parts[first]) > MAX_STAGES:
                self.problems.add((*path, n, "repeat"), f"makes more than {MAX_STAGES:,} stages")
                raise MissingValue
        return tuple(m for part in parts for m in part)

    def _stage(self, path: KeyPath, stage: StageEntry) -> Stage:
        """Return the Stage of one [[schedule.stage]]."""
        stage = expanded(stage, self.rows)
        if stage.supply:
            return self._with_supplies(path, stage)
        self.problems.attempt(self._check_roles, path, stage)
        self.problems.attempt(self._check_turns, path, stage)
        floating = self.problems.attempt(self._floating, path, stage)
        voltage, apart = self._voltage(path, stage)
        pulse = stage.pulse
        if any(value is MISSING for turns in (stage.rotate, stage.reverse) if turns is not None
               for _, value in turns):
            raise MissingValue
        on, off = (stage.duration, 0.0) if pulse is None else (pulse.on, pulse.off)
        rotate, reverse = stage.rotate, stage.reverse
        return Stage(stage.name, stage.duration, tuple(stage.anodes), tuple(stage.cathodes),
                     voltage, on, off, stage.current, stage.limit, floating, stage.gradient, apart,
                     (), None if rotate is None else (rotate.groups, rotate.every),
                     None if reverse is None else (reverse.every, reverse.lasting))

    def _with_supplies(self, path: KeyPath, stage: StageEntry) -> Stage:
        """Return the Stage of an entry with supplies of its own."""
        for key in (*CONTROLS, "limit", "anodes", "cathodes", "rotate", "reverse"):
            if getattr(stage, key):
                self.problems.add((*path, key), "cannot stand beside supplies; give every supply "
                                  "its rows and limits, and no others to the stage")
        supplies = SupplyReader(self.rows, self.problems).read(path, stage)
        anodes, cathodes = (tuple(dict.fromkeys(name for s in supplies for name in getattr(s, key)))
                            for key in ("anodes", "cathodes"))
        driven = stage.model_copy(update={"anodes": list(anodes), "cathodes": list(cathodes)})
        floating = self.problems.attempt(self._floating, path, driven)
        on, off = (stage.duration, 0.0) if stage.pulse is None else (stage.pulse.on,
                                                                     stage.pulse.off)
        volts = [s.voltage for s in supplies if s.voltage is not None]
        amperes = sum(s.current for s in supplies if s.current is not None)
        return Stage(stage.name, stage.duration, anodes, cathodes, max(volts, default=0.0), on, off,
                     None if volts else amperes, None, floating, supplies=supplies)

    def _check_turns(self, path: KeyPath, stage: StageEntry) -> None:
        """Check that there are rows to drive in turn, and time for it."""
        if stage.rotate is not None:
            most = max(len(stage.anodes), len(stage.cathodes))
            if stage.rotate.groups > most:
                self.problems.add((*path, "rotate", "groups"), f"{stage.rotate.groups} groups "
                                  f"cannot be made of {most} rows; give {max(most, 2)} or fewer")
        if stage.reverse is not None and not (stage.anodes and stage.cathodes):
            self.problems.add((*path, "reverse"), "needs anodes and cathodes to be exchanged")

    def _check_roles(self, path: KeyPath, stage: StageEntry) -> None:
        """Check that every row exists and has one role, and that anodes come with cathodes."""
        add = self.problems.add
        for key in ("anodes", "cathodes"):
            names = getattr(stage, key)
            for n, name in enumerate(names):
                if name not in self.rows:
                    add((*path, key, n), f"no electrode row "
                                         f"{quoted(name)}" + suggest(name, self.rows))
                elif name in names[:n]:
                    add((*path, key, n), f"row {quoted(name)} is named twice")
        for name in stage.anodes:
            if name in stage.cathodes:
                add(path, f"row {quoted(name)} is anode and cathode at once; it can be one of them")
        for one, other in (("anodes", "cathodes"), ("cathodes", "anodes")):
            if getattr(stage, one) and not getattr(stage, other):
                add(path, f"drives {one} ({', '.join(getattr(stage, one))}) without "
                    f"{other}; name at least one row as {other[:-1]}, or drive none")

    def _floating(self, path: KeyPath, stage: StageEntry) -> tuple[tuple[str, ...], ...]:
        """Return the groups of floating rows: "row 2" alone, "row 1+row 4" joined."""
        groups: list[tuple[str, ...]] = []
        seen: set[str] = set()
        for n, entry in enumerate(stage.floating):
            here = (*path, "floating", n)
            group = [entry] if entry in self.rows else [name.strip() for name in entry.split("+")]
            for name in group:
                if name not in self.rows:
                    self.problems.add(here, f"no electrode row {quoted(name)}"
                                      + suggest(name, self.rows))
                elif name in seen:
                    self.problems.add(here, f"row {quoted(name)} floats twice; a row belongs to "
                                      "one group, joined rows are written \"row 1+row 4\"")
                elif name in (*stage.anodes, *stage.cathodes):
                    self.problems.add(here, f"row {quoted(name)} is driven in this stage; a "
                                      "floating row has no supply, so it can be only one of them")
                seen.add(name)
            groups.append(tuple(group))
        return tuple(groups)

    def _voltage(self, path: KeyPath, stage: StageEntry) -> tuple[float, Distance | None]:
        """Return the voltage [V] at the terminals, and the distance that a gradient is taken over.
        """
        given = [key for key in CONTROLS if getattr(stage, key) is not None]
        if stage.limit is not None and stage.current is None:
            self.problems.add((*path, "limit"), "a limit holds back a current; give current = "
                              "\"1.5 A\" as well, or leave the limit out")
        if len(given) > 1:
            self.problems.add(path, f"has {'both ' * (len(given) == 2)}{' and '.join(given)}; "
                              "give one of them")
            return MISSING, None
        if not stage.anodes and not stage.cathodes:
            if given and getattr(stage, given[0]):
                what = "current" if given == ["current"] else "voltage"
                self.problems.add(path, f"has a {what} but drives no rows; name anodes and "
                                  f"cathodes, or leave the {what} out")
            return 0.0, None
        if stage.current is not None:
            return 0.0, None
        if stage.voltage is not None:
            return stage.voltage, None
        if stage.gradient is None:
            self.problems.add(path, "needs gradient = \"0.3 V/cm\", voltage = \"30 V\" or current "
                              "= \"1.5 A\"")
            return MISSING, None
        if not set(stage.anodes) | set(stage.cathodes) <= set(self.rows):
            return MISSING, None
        if not stage.anodes or not stage.cathodes:
            return MISSING, None
        apart = self.problems.attempt(distance, [self.rows[a] for a in stage.anodes],
                                      [self.rows[c] for c in stage.cathodes])
        if apart is MISSING:
            return MISSING, None
        if not apart.metres > 0:
            self.problems.add((*path, "gradient"), "an anode and a cathode have the same centre, "
                              "so that a gradient gives no voltage; give the voltage")
            return MISSING, None
        return stage.gradient * apart.metres, apart
