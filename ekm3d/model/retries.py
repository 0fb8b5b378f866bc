"""Repetition of steps that fail: shorter, a bounded number of times, from the state before them.

    a step that fails           solver, chemistry, what is not a number: a quarter of its length,
                                a sixteenth, ... from the state before it
    an audit above its limit    all steps since the last row that was sound, likewise, twice

The state before is had from the last copy of the run (`state_copy`) by taking the same steps again,
which write nothing anew. It does not go back beyond what has been written since: a row, a snapshot,
a checkpoint. Fixed steps are not repeated, nor is what no shorter step can mend, nor with less than
`schedule.least_step`: a run would crawl on without end.
"""

from typing import Any, NamedTuple

import numpy as np

from ekm3d.errors import ConvergenceError
from ekm3d.model.state_copy import EVERY, StateCopy
from ekm3d.output.intervals import Interval

ATTEMPTS, SHORTER, GROWTH = 4, 0.25, 1.5
ROUNDS = 2                  # repetitions of the steps before a row, which are many
Simulation = Any            # of `simulation`, which imports this module's users


class Window(NamedTuple):
    """Bound on the length of steps that begin in a span of time; all in s."""

    begin: float
    end: float
    longest: float


class Retries:
    """Course of action about steps that fail.

    count: number of repetitions so far; known: time [s] up to which rows and snapshots have been
    written; roomy: True where there is memory for a copy, without which nothing is repeated.
    """

    def __init__(self, sim: Simulation, copy: StateCopy, intervals: tuple[Interval, ...],
                 audits: Any, facts: dict[str, Any] | None = None) -> None:
        """intervals: at which rows and snapshots are due; facts: of a run that goes on."""
        self.sim, self.copy, self.intervals, self.audits = sim, copy, intervals, audits
        facts = facts or {"count": 0, "windows": [], "growing": False}
        self.growing = bool(facts["growing"])   # steps grow from a short one, without transport
        self.count = int(facts["count"])
        self.windows = [Window(*window) for window in facts["windows"]]
        self.attempts: dict[float, int] = {}
        self.known = self.sound = self.began = sim.state.time
        self.span = 0.0                     # longest step since `sound`
        self.due = True
        self.kept: tuple = ()
        self.roomy = copy.fits()
        self.fixed = sim.case.schedule.fixed_step is not None

    def facts(self) -> dict[str, Any]:
        """Return what a run that goes on needs to know, for JSON."""
        return {"count": self.count, "windows": [list(window) for window in self.windows],
                "growing": self.growing}

    @property
    def fresh(self) -> bool:
        """True where the run is further than it has ever been: what is due is written."""
        return bool(self.sim.state.time > self.known)

    def before(self) -> None:
        """Prepare for a step: take a copy if one is due, and bound its length; collective."""
        s = self.sim.state
        if self.roomy and s.time >= self.known and (self.due or s.step % EVERY == 0):
            self.due = False
            self.copy.take()
            self.kept = (*((n.count, n.next) for n in self.intervals), self.growing,
                         list(self.audits.warnings), set(self.audits.warned))
            self.windows = [window for window in self.windows if window.end > s.time]
            self.trust()
        self.began = s.time
        self.sim.longest = min((window.longest for window in self.windows
                                if window.begin <= s.time < window.end), default=np.inf)
        if self.growing and not self.sim.physics.transport:     # else the step itself sees to it
            self.sim.longest = min(self.sim.longest, GROWTH * self.sim.dt)
            self.growing = self.sim.longest < self.sim.case.schedule.max_step

    def trust(self) -> None:
        """Take the state for sound: nothing goes back beyond it."""
        self.sound, self.span = self.sim.state.time, 0.0

    def after(self, dt: float) -> None:
        """Note that a step of length dt [s] is complete, with all that was due."""
        self.growing = self.growing or self.began in self.attempts
        if not self.fresh:
            return
        self.span = max(self.span, dt)
        self.known = self.sim.state.time

    def again(self, error: ConvergenceError, audited: bool) -> str:
        """Go back, to take shorter steps; return a line for the log, or raise the error.

        audited: it was found in a row of the series. Collective.
        """
        begin, end, last = self.began, float(np.nextafter(self.began, np.inf)), self.sim.tried
        if audited:
            begin, end, last = self.sound, self.sim.state.time, max(self.span, self.sim.dt)
        tried = self.attempts.get(begin, 0)
        left = tried < (ROUNDS if audited else ATTEMPTS)
        if self.fixed or not (self.roomy and error.repeatable and left):
            raise error
        least = self._least()
        if SHORTER * last < least and not audited:
            error.args = (f"{error}; a quarter of the step of {last:.3g} s is below the "
                          f"{least:.3g} s of schedule.least_step",)
            raise error
        self.attempts[begin] = tried + 1
        self.count += 1
        self.windows = [w for w in self.windows if w[:2] != (begin, end)]
        self.windows.append(Window(begin, end, SHORTER * last))
        self.known = begin if audited else max(self.known, begin)
        self.span, self.due = 0.0, True
        self.go_back()
        what = "the steps since then are" if audited else "the step is"
        return (f"warning: t = {begin / 3600:.6g} h: {error}; {what} repeated with at most "
                f"{SHORTER * last:.3g} s")

    def _least(self) -> float:
        """Return the shortest step that the present stage allows [s]."""
        plan = self.sim.case.schedule
        return float(plan.least_step * self.sim.schedule.stages[self.sim.drive.stage].duration)

    def go_back(self) -> None:
        """Have the run be as it was at the last copy; collective."""
        self.copy.give_back()
        *intervals, self.growing, warnings, warned = self.kept
        for interval, (count, due) in zip(self.intervals, intervals, strict=True):
            interval.count, interval.next = count, due
        self.audits.warnings, self.audits.warned = list(warnings), set(warned)
