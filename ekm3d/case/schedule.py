"""Schedule of a case, read from [schedule]: stages, their electrode rows, and time steps.

The supply of a stage holds a voltage (given, or as a gradient between the rows) or a current;
with a current, `limit` is the voltage at the terminals that it cannot exceed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.case.problems import MISSING, KeyPath, Problems
from ekm3d.case.schema import ScheduleEntry, StageEntry
from ekm3d.suggest import suggest

CONTROLS = ("gradient", "voltage", "current")


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
        return ScheduleData(stages, section.pulses, section.max_step, section.cfl,
                            section.tolerance, section.fixed_step,
                            section.least_step, section.order)

    def _stage(self, path: KeyPath, stage: StageEntry) -> Stage:
        """Return the Stage of one [[schedule.stage]]."""
        self.problems.attempt(self._check_roles, path, stage)
        floating = self.problems.attempt(self._floating, path, stage)
        voltage = self._voltage(path, stage)
        pulse = stage.pulse
        on, off = (stage.duration, 0.0) if pulse is None else (pulse.on, pulse.off)
        return Stage(stage.name, stage.duration, tuple(stage.anodes), tuple(stage.cathodes),
                     voltage, on, off, stage.current, stage.limit, floating)

    def _check_roles(self, path: KeyPath, stage: StageEntry) -> None:
        """Check that every row exists and has one role, and that anodes come with cathodes."""
        add = self.problems.add
        for key in ("anodes", "cathodes"):
            names = getattr(stage, key)
            for n, name in enumerate(names):
                if name not in self.rows:
                    add((*path, key, n), f"no electrode row {name!r}" + suggest(name, self.rows))
                elif name in names[:n]:
                    add((*path, key, n), f"row {name!r} is named twice")
        for name in stage.anodes:
            if name in stage.cathodes:
                add(path, f"row {name!r} is anode and cathode at once; it can be one of them")
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
                    self.problems.add(here, f"no electrode row {name!r}"
                                      + suggest(name, self.rows))
                elif name in seen:
                    self.problems.add(here, f"row {name!r} floats twice; a row belongs to one "
                                      "group, joined rows are written \"row 1+row 4\"")
                elif name in (*stage.anodes, *stage.cathodes):
                    self.problems.add(here, f"row {name!r} is driven in this stage; a floating "
                                      "row has no supply, so it can be only one of them")
                seen.add(name)
            groups.append(tuple(group))
        return tuple(groups)

    def _voltage(self, path: KeyPath, stage: StageEntry) -> float:
        """Return the voltage [V] at the terminals; a gradient counts between the rows' centres."""
        given = [key for key in CONTROLS if getattr(stage, key) is not None]
        if stage.limit is not None and stage.current is None:
            self.problems.add((*path, "limit"), "a limit holds back a current; give current = "
                              "\"1.5 A\" as well, or leave the limit out")
        if len(given) > 1:
            self.problems.add(path, f"has {'both ' * (len(given) == 2)}{' and '.join(given)}; "
                              "give one of them")
            return MISSING
        if not stage.anodes and not stage.cathodes:
            if given and getattr(stage, given[0]):
                what = "current" if given == ["current"] else "voltage"
                self.problems.add(path, f"has a {what} but drives no rows; name anodes and "
                                  f"cathodes, or leave the {what} out")
            return 0.0
        if stage.current is not None:
            return 0.0
        if stage.voltage is not None:
            return stage.voltage
        if stage.gradient is None:
            self.problems.add(path, "needs gradient = \"0.3 V/cm\", voltage = \"30 V\" or current "
                              "= \"1.5 A\"")
            return MISSING
        if not set(stage.anodes) | set(stage.cathodes) <= set(self.rows):
            return MISSING
        apart = [np.linalg.norm(np.subtract(self.rows[a].centre, self.rows[c].centre))
                 for a in stage.anodes for c in stage.cathodes]
        if apart and max(apart) > 1.01 * min(apart):
            self.problems.add((*path, "gradient"), f"the anodes are {min(apart):g} to "
                              f"{max(apart):g} m from the cathodes, so that one gradient does not "
                              "give one voltage; give the voltage")
        return stage.gradient * float(np.mean(apart)) if apart else MISSING
