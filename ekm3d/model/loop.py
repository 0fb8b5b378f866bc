"""Loop of a run: steps, rows of the series, snapshots and status, to the end of the schedule."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from ekm3d.constants import HOUR
from ekm3d.diagnostics.audits import Audits
from ekm3d.diagnostics.ionic_strength import PeakStrength
from ekm3d.diagnostics.run_view import AuditView
from ekm3d.diagnostics.summary import summary
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.diagnostics.worst_voxel import AuditError, worst_voxel
from ekm3d.errors import ConvergenceError, InputError
from ekm3d.model.interruption import CHECKPOINT, NOTHING, Interrupted, Interruption
from ekm3d.model.plan import electricity_of
from ekm3d.model.plan import warnings as plan_warnings
from ekm3d.model.retries import Retries
from ekm3d.model.safekeeping import Safekeeping
from ekm3d.model.state_copy import StateCopy
from ekm3d.output.checkpoints import Checkpoint
from ekm3d.output.console import tell
from ekm3d.output.intervals import Interval
from ekm3d.output.progress import Progress
from ekm3d.output.results import Results, open_results
from ekm3d.output.run_directory import Position, open_outputs
from ekm3d.parallel.communication_stats import CommunicationStats
from ekm3d.physics.reactions import Reactions
from ekm3d.state import has_water


def _warn(outputs: Any, sim: "Steps", quiet: bool) -> None:
    """Write what is not plausible about the plan into the log, and on standard error."""
    _tell(outputs, [f"warning: {line}" for line in plan_warnings(electricity_of(sim))], quiet)


def _tell(outputs: Any, lines: list[str], quiet: bool) -> None:
    """Write lines into the log, and warnings on standard error as well."""
    for line in lines:
        outputs.log(line)
        if line.startswith("warning") and not quiet:
            tell(line, sys.stderr)


class Steps(AuditView, Protocol):
    """Run that can be advanced step by step."""

    reactions: Reactions
    longest: float          # bound on the coming step [s]
    tried: float            # length of the step under way [s]

    def fields(self) -> Any:
        """Solve for potential and water flow of the present state."""

    def step(self, until: float | None = None) -> float:
        """Advance by one step, at most to the time `until` [s]; return dt [s]."""


@dataclass(frozen=True)
class Control:
    """Control of a run on its way.

    checkpoint: s of the wall clock between checkpoints; max_hours: after which it is interrupted;
    resumed: the checkpoint that it goes on from; signals: those that ask it to stop are handled.
    """

    checkpoint: float | None = None
    max_hours: float | None = None
    resumed: Checkpoint | None = None
    signals: bool = False


class Course:
    """A run on its way: its steps, and all that is due after each of them."""

    def __init__(self, sim: Steps, outputs: Any, control: Control, quiet: bool) -> None:
        """outputs: writer of the files, of `output.run_directory`."""
        self.sim, self.outputs, self.quiet = sim, outputs, quiet
        self.resumed = control.resumed
        self.end = sim.schedule.end - sim.schedule.slack
        self.series, self.strength, self.audits = TimeSeries(sim), PeakStrength(sim), Audits(sim)
        diagnostics = sim.balances, self.series, self.strength, self.audits
        self.keeping = Safekeeping(sim, self.series, diagnostics, self.audits, outputs,
                                   sim.case.record(), control.checkpoint, self.resumed)
        self.copy = StateCopy(sim, self.series, diagnostics)
        self.row: dict[str, float | None] | None = None     # that has not been written
        self.begun = False
        self.waits: Callable[[str], None] = lambda work: None       # told what takes long

    def begin(self) -> None:
        """Go on from a checkpoint, or solve for the first fields and write what is due."""
        sim, plan, s = self.sim, self.sim.case.output, self.sim.state
        self.keeping.restore()
        if self.resumed is None:
            sim.fields()
        self.traffic = CommunicationStats(sim.domain)
        self.snapshots, self.rows = (Interval(every, s.time)
                                     for every in (plan.snapshot_every, plan.series_every))
        self.retries = Retries(sim, self.copy, (self.snapshots, self.rows), self.audits,
                               self.keeping.retries)
        self.keeping.retries_now = self.retries.facts
        if not self.retries.roomy:
            _tell(self.outputs, ["there is no memory for a copy of the state: steps that fail are "
                                 "not repeated"], self.quiet)
        self.begun = True
        if self.resumed is not None:
            self.outputs.last_snapshot = s.time     # of this moment or before
        else:
            self.series.record(0.0)
            self.outputs.series(self._row())
            self.strength.update()
            self.outputs.snapshot()

    def advance(self) -> None:
        """Take a step, or go back to take shorter ones where it fails."""
        self.row = None
        try:
            self.retries.before()
            self._step()
        except ConvergenceError as error:
            _name_place(self.sim, error)
            self.outputs.log(self.retries.again(error, audited=self.row is not None))

    def _step(self) -> None:
        """Take a step and write what is due; nothing anew where it has been taken before."""
        sim, s, retries = self.sim, self.sim.state, self.retries
        dt = sim.step(min(self.snapshots.next, self.rows.next))
        fresh, last = retries.fresh, s.time >= self.end
        if s.step == 1 and fresh:
            _warn(self.outputs, sim, self.quiet)
        self.series.record(dt)
        if self.rows.due(s.time, last):
            self.row = self._row()
            lines = self.audits.check()
            if fresh:
                self.outputs.series(self.row)
                _tell(self.outputs, lines, self.quiet)
                retries.trust()
            self.row = None
            self.strength.update()
            if fresh:
                self.outputs.status("running")
        if self.snapshots.due(s.time, last):
            self.waits(f"the snapshot at {s.time / HOUR:.4g} h")
            sim.fields()                             # phi and water of the same moment
            if fresh:
                self.outputs.snapshot()
                retries.trust()
        retries.after(dt)

    def _row(self) -> dict[str, float | None]:
        """Row of the series now, with the audits' columns."""
        row = self.series.row()
        return row | self.audits.columns(row)

    def save(self) -> bool:
        """Write a checkpoint; return False where that fails. Collective."""
        self.retries.trust()
        return self.keeping.save()

    def leave_state(self, error: ConvergenceError) -> None:
        """Write the state that a run which has failed ends with; collective.

        After an audit it is that which was found wrong; else the last one that was sound, which a
        checkpoint saves too, where there are any.
        """
        if not self.begun:
            return
        if isinstance(error, AuditError):
            if self.row is not None:
                self.outputs.series(self.row)
            self.outputs.snapshot()
            return
        retries, s = self.retries, self.sim.state
        before = retries.began
        if retries.copy.time < 0.0:                 # there is none
            return
        retries.go_back()
        while s.time < before:
            retries.before()
            self._step()
        if s.time > self.outputs.last_snapshot:
            self.outputs.snapshot()
        if self.keeping.enabled:
            self.save()


def run(sim: Steps, out: str | Path, force: bool = False, quiet: bool = False,
        profile: bool = False, control: Control | None = None) -> Results:
    """Run to the end of the schedule and write the results into `out`; return them.

    profile: print the messages between ranks, which the log has in any case. InputError for a
    Simulation that has been advanced: its charge, energy and inventory are not those of the start.
    Interrupted where the run is asked to stop, after a checkpoint. ConvergenceError where steps
    fail, shorter ones too, with the last state written.
    """
    if sim.state.step:
        raise InputError(f"this Simulation has been advanced to t = {sim.state.time:g} s, and a "
                         "run begins at t = 0: make another, Simulation(case), for another run")
    control = control or Control()
    s, resumed = sim.state, control.resumed
    outputs = open_outputs(sim, out, force,
                           Position(**resumed.facts["outputs"]) if resumed else None)
    try:
        course = Course(sim, outputs, control, quiet)
    except BaseException as error:
        outputs.failed(error)
        raise
    keeping = course.keeping
    interruption = Interruption(sim.domain, outputs.path, control.max_hours, control.signals)
    try:
        with (threadpool_limits(1, "blas"), interruption,
              Progress(sim.schedule.end, quiet) as progress):
            course.waits = progress.waits
            course.begin()
            progress.begin(s.time)
            while s.time < course.end:
                course.advance()
                progress.update(s.time, s.step, f"dt {sim.dt:6.0f} s" + (
                    f", water in {s.water_substeps} sub-steps" if has_water(s) else ""))
                outputs.step_taken()
                if s.time < course.end and s.time == course.retries.known:
                    _obey(interruption.wish(keeping.due()), interruption, course)
            progress.waits("the last files")
            if keeping.enabled or resumed:
                course.save()
        sent = course.traffic.text(s.step)
        facts = (summary(course.series, keeping.wall) | course.strength.facts()
                 | course.audits.facts() | {
                     "repeated_steps": course.retries.count,
                     "failed_writes": outputs.failures.count + keeping.failures})
        outputs.finish(facts, f"{sim.reactions.report()}\n{sent}")
        if profile:
            tell(sent)
    except Interrupted as reason:
        outputs.interrupted(str(reason))
        raise Interrupted(f"ekm3d: the run was interrupted at t = {s.time:g} s {reason}; "
                          f"`ekm3d resume` goes on with it") from None
    except ConvergenceError as error:
        try:
            course.leave_state(error)
        finally:
            outputs.failed(error)
        raise
    except BaseException as error:
        outputs.failed(error)
        raise
    return open_results(outputs.path)


def _name_place(sim: Steps, error: ConvergenceError) -> None:
    """Add the voxel where a solver was worst to its message; collective."""
    if error.worst is not None:
        error.args = (f"{error}; the largest residual is in {worst_voxel(sim, error.worst)}",)
        error.worst = None


def _obey(wish: int, interruption: Interruption, course: Course) -> None:
    """Write a checkpoint, and end the run, where that is wished for."""
    if wish == NOTHING:
        return
    saved = course.save()
    if wish == CHECKPOINT:
        return
    reason = interruption.reason(wish)
    if not saved:
        raise OSError(f"stopped {reason}, and its state could not be written")
    raise Interrupted(reason)
