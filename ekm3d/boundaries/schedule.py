"""Stages and pulses: rows that are driven, their voltage, and the times of the switches.

A pulse is `on` seconds of the stage's voltage, then `off` seconds of open circuit. Resolved,
the steps end at every switch; averaged, the drive is scaled by the duty on / (on + off).
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Protocol, cast


@dataclass(frozen=True)
class Supply:
    """One of several supplies: the first of its limits that is reached rules."""

    name: str
    anodes: tuple        # names of rows
    cathodes: tuple
    voltage: float | None = None     # V at its terminals
    current: float | None = None     # A
    power: float | None = None       # W


@dataclass(frozen=True)
class Drive:
    """State of the power supply from now until `end` [s]."""

    stage: int
    anodes: tuple
    cathodes: tuple
    voltage: float       # V at the terminals while on
    duty: float          # share of the time that it is on: 1, 0, or in between when averaged
    end: float
    current: float | None = None   # A through the anodes instead of a voltage
    limit: float | None = None     # V at the terminals that a current supply does not exceed
    floating: tuple = ()     # tuples of rows wired to each other and to nothing else
    supplies: tuple = ()     # several supplies instead of the one of voltage or current

    @property
    def on(self) -> bool:
        """True while a supply drives a current."""
        return self.duty > 0.0 and (self.voltage > 0.0 or bool(self.current)
                                    or bool(self.supplies))

    @property
    def terminals(self) -> tuple:
        """Sets of rows at one terminal, those of the first supply's cathodes first."""
        ends = [end for s in self.supplies for end in (s.cathodes, s.anodes)]
        return tuple(dict.fromkeys(ends))


class Stage(Protocol):
    """Stage as a case describes it: times in s, voltage and limit in V, current in A."""

    name: str
    duration: float
    on: float                # s of a pulse with the supply on
    off: float               # s of a pulse with it off; 0: no pulses
    anodes: tuple
    cathodes: tuple
    voltage: float
    current: float | None
    limit: float | None
    floating: tuple

    # Optional: supplies, a tuple of Supply.


class Schedule:
    """Stages in order; times from the start of the first [s]."""

    def __init__(self, stages: Iterable[Stage], averaged: bool):
        """averaged: scale the drive of pulses by their duty instead of resolving them."""
        self.stages, self.averaged = tuple(stages), averaged
        *self.starts, self.end = accumulate((s.duration for s in self.stages), initial=0)
        self.slack = 1e-9 * self.end

    def drive(self, t: float) -> Drive:
        """Drive at time t [s]; a switch at t has happened."""
        n = max(bisect_right(self.starts, t + self.slack) - 1, 0)
        stage, start = self.stages[n], self.starts[n]
        end, duty = start + stage.duration, 1.0
        period = stage.on + stage.off
        if stage.off > 0.0 and self.averaged:
            duty = stage.on / period
        elif stage.off > 0.0:
            cycle = int((t - start + self.slack) // period)
            switch = start + cycle * period + stage.on
            duty = 1.0 if t + self.slack < switch else 0.0
            end = min(end, switch if duty else start + (cycle + 1) * period)
        return Drive(n, stage.anodes, stage.cathodes, stage.voltage, duty, end, stage.current,
                     stage.limit, stage.floating, getattr(stage, "supplies", ()))

    def change(self, t: float, **values: Any) -> None:
        """Give the stage at time t [s] other values from now on; those before t are past."""
        n = self.drive(t).stage
        self.stages = tuple(replace(cast(Any, stage), **values) if m == n else stage
                            for m, stage in enumerate(self.stages))

    def clip(self, dt: float, t: float, *marks: float) -> float:
        """Shorten dt [s] to end on the next switch or mark, without a tiny step before it."""
        for end in (self.drive(t).end, *marks):
            left = end - t
            if left <= dt * (1 + 1e-9):
                dt = min(dt, left)
            elif left < 2 * dt:
                dt = min(dt, 0.5 * left)
        return dt
