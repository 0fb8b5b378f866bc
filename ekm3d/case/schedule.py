"""What runs when: stages with driven, floating and idle rows, and how a stage is controlled.

The supply of a stage holds a voltage (given, or as a gradient between the rows) or a current;
with a current, `limit` is the voltage at the terminals that it cannot exceed.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.case.toml_text import MISSING
from ekm3d.suggest import suggest

CONTROLS = ("gradient", "voltage", "current")


@dataclass(frozen=True)
class Stage:
    name: str
    duration: float              # s
    anodes: tuple
    cathodes: tuple
    voltage: float               # V at the terminals; 0: the power is off, or see `current`
    on: float                    # s of a pulse
    off: float                   # s of a pulse; 0: continuous
    current: float = None        # A from the anodes to the cathodes, or None: voltage control
    limit: float = None          # V at the terminals that a current cannot exceed, or None
    floating: tuple = ()         # groups of rows wired together and to nothing else


@dataclass(frozen=True)
class ScheduleData:
    stages: tuple
    pulses: str                  # averaged | resolved
    max_step: float              # s
    cfl: float
    tolerance: float             # of the elliptic solvers, relative
    fixed_step: float = None     # s of every step, or None: as long as may be
    order: int = 1               # of the step in time; 2: Heun's, at twice the work


class StageReader:
    """Turns [schedule] into plain data; `rows` {name: Row or UNREAD} are those of the case."""

    def __init__(self, rows, problems):
        self.rows, self.problems = rows, problems

    def read(self, section):
        """The ScheduleData of a validated [schedule]."""
        path = ("schedule", "stage")
        if not section.stage:
            self.problems.add(("schedule",), "the schedule is empty; add at least one "
                              "[[schedule.stage]] with a name and a duration")
        self.problems.attempt(self.problems.names, section.stage, path, "stage")
        stages = tuple(self.problems.attempt(self._stage, (*path, n), stage)
                       for n, stage in enumerate(section.stage))
        return ScheduleData(stages, section.pulses, section.max_step, section.cfl,
                            section.tolerance, section.fixed_step, section.order)

    def _stage(self, path, stage):
        self.problems.attempt(self._wiring, path, stage)
        floating = self.problems.attempt(self._floating, path, stage)
        voltage = self._voltage(path, stage)
        pulse = stage.pulse
        on, off = (stage.duration, 0.0) if pulse is None else (pulse.on, pulse.off)
        return Stage(stage.name, stage.duration, tuple(stage.anodes), tuple(stage.cathodes),
                     voltage, on, off, stage.current, stage.limit, floating)

    def _wiring(self, path, stage):
        """Every row exists and has one role; anodes come with cathodes."""
        wrong = self.problems.add
        for key in ("anodes", "cathodes"):
            names = getattr(stage, key)
            for n, name in enumerate(names):
                if name not in self.rows:
                    wrong((*path, key, n), f"no electrode row {name!r}" + suggest(name, self.rows))
                elif name in names[:n]:
                    wrong((*path, key, n), f"row {name!r} is named twice")
        for name in stage.anodes:
            if name in stage.cathodes:
                wrong(path, f"row {name!r} is anode and cathode at once; it can be one of them")
        for one, other in (("anodes", "cathodes"), ("cathodes", "anodes")):
            if getattr(stage, one) and not getattr(stage, other):
                wrong(path, f"drives {one} ({', '.join(getattr(stage, one))}) without "
                      f"{other}; name at least one row as {other[:-1]}, or drive none")

    def _floating(self, path, stage):
        """Groups of rows: "row 2" alone, "row 1+row 4" joined."""
        groups, seen = [], set()
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

    def _voltage(self, path, stage):
        """Volts at the terminals; a gradient counts over the distance of the rows' centres."""
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
        if not given:
            self.problems.add(path, "needs gradient = \"0.3 V/cm\", voltage = \"30 V\" or current "
                              "= \"1.5 A\"")
            return MISSING
        if given == ["current"]:
            return 0.0
        if given == ["voltage"]:
            return stage.voltage
        if not set(stage.anodes) | set(stage.cathodes) <= set(self.rows):
            return MISSING
        apart = [np.linalg.norm(np.subtract(self.rows[a].centre, self.rows[c].centre))
                 for a in stage.anodes for c in stage.cathodes]
        if apart and max(apart) > 1.01 * min(apart):
            self.problems.add((*path, "gradient"), f"the anodes are {min(apart):g} to "
                              f"{max(apart):g} m from the cathodes, so that one gradient does not "
                              "give one voltage; give the voltage")
        return stage.gradient * float(np.mean(apart)) if apart else MISSING
