"""Stages and pulses: which rows are driven, at what voltage, from when to when.

A pulse is `on` seconds of the stage's voltage, then `off` seconds of open circuit. Resolved,
the steps end at every switch; averaged, the drive is scaled by the duty on / (on + off).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Drive:
    """What the power supply does from now until `end` [s]."""

    stage: int
    anodes: tuple
    cathodes: tuple
    voltage: float       # V at the terminals while on
    duty: float          # share of the time that it is on: 1, 0, or in between when averaged
    end: float
    current: float = None    # A through the anodes instead of a voltage
    limit: float = None      # V at the terminals that a current supply does not pass
    floating: tuple = ()     # tuples of rows wired to each other and to nothing else

    @property
    def on(self):
        """True while the supply drives something."""
        return self.duty > 0.0 and (self.voltage > 0.0 or bool(self.current))


class Schedule:
    """The stages in order; times from the start of the first [s]."""

    def __init__(self, stages, averaged):
        self.stages, self.averaged = tuple(stages), averaged
        self.starts = [sum(s.duration for s in self.stages[:n]) for n in range(len(self.stages))]
        self.end = sum(s.duration for s in self.stages)
        self.slack = 1e-9 * self.end

    def drive(self, t):
        """The Drive at time t; a switch at t has happened."""
        n = max(i for i, start in enumerate(self.starts) if start <= t + self.slack)
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
                     stage.limit, stage.floating)

    def clip(self, dt, t, *marks):
        """Shorten dt to end on the next switch or mark, without a sliver of a step before it."""
        for end in (self.drive(t).end, *marks):
            left = end - t
            if left <= dt * (1 + 1e-9):
                dt = min(dt, left)
            elif left < 2 * dt:
                dt = min(dt, 0.5 * left)
        return dt
