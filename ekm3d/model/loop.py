"""Loop of a run: steps, rows of the series, snapshots and status, to the end of the schedule."""

import sys
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
from ekm3d.diagnostics.worst_voxel import AuditError
from ekm3d.errors import InputError
from ekm3d.model.interruption import CHECKPOINT, NOTHING, Interrupted, Interruption
from ekm3d.model.plan import electricity_of
from ekm3d.model.plan import warnings as plan_warnings
from ekm3d.model.safekeeping import Safekeeping
from ekm3d.output.checkpoints import Checkpoint
from ekm3d.output.console import tell
from ekm3d.output.intervals import Interval
from ekm3d.output.progress import Progress
from ekm3d.output.results import Results, open_results
from ekm3d.output.run_directory import Position, open_outputs
from ekm3d.parallel.communication_stats import CommunicationStats
from ekm3d.physics.reactions import Reactions


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


def run(sim: Steps, out: str | Path, force: bool = False, quiet: bool = False,
        profile: bool = False, control: Control | None = None) -> Results:
    """Run to the end of the schedule and write the results into `out`; return them.

    profile: print the messages between ranks, which the log has in any case. InputError for a
    Simulation that has been advanced: its charge, energy and inventory are not those of the start.
    Interrupted where the run is asked to stop, after a checkpoint.
    """
    if sim.state.step:
        raise InputError(f"this Simulation has been advanced to t = {sim.state.time:g} s, and a "
                         "run begins at t = 0: make another, Simulation(case), for another run")
    control = control or Control()
    s, plan, resumed = sim.state, sim.case.output, control.resumed
    end = sim.schedule.end - sim.schedule.slack
    outputs = open_outputs(sim, out, force,
                           Position(**resumed.facts["outputs"]) if resumed else None)
    series, strength, audits = TimeSeries(sim), PeakStrength(sim), Audits(sim)
    keeping = Safekeeping(sim, series, strength, audits, outputs, sim.case.record(),
                          control.checkpoint, resumed)
    interruption = Interruption(sim.domain, outputs.path, control.max_hours, control.signals)
    try:
        with (threadpool_limits(1, "blas"), interruption,
              Progress(sim.schedule.end, quiet) as progress):
            keeping.restore()
            progress.begin(s.time)
            if resumed is None:
                sim.fields()
            traffic = CommunicationStats(sim.domain)
            snapshots, rows = (Interval(every, s.time)
                               for every in (plan.snapshot_every, plan.series_every))
            if resumed is None:
                series.record(0.0)
                outputs.series(series.row() | audits.columns())
                strength.update()
                outputs.snapshot()
            while s.time < end:
                dt = sim.step(min(snapshots.next, rows.next))
                if sim.state.step == 1:
                    _warn(outputs, sim, quiet)
                series.record(dt)
                last = s.time >= end
                if rows.due(s.time, last):
                    outputs.series(series.row() | audits.columns())
                    _tell(outputs, audits.check(), quiet)
                    strength.update()
                    outputs.status("running")
                if snapshots.due(s.time, last):
                    progress.waits(f"the snapshot at {s.time / HOUR:.4g} h")
                    sim.fields()                     # phi and water of the same moment
                    outputs.snapshot()
                progress.update(s.time, s.step, f"dt {dt:6.0f} s")
                outputs.step_taken()
                if not last:
                    _obey(interruption.wish(keeping.due()), interruption, keeping)
            progress.waits("the last files")
            if keeping.enabled or resumed:
                keeping.save()
        sent = traffic.text(s.step)
        facts = summary(series, keeping.wall) | strength.facts() | audits.facts()
        outputs.finish(facts, f"{sim.reactions.report()}\n{sent}")
        if profile:
            tell(sent)
    except Interrupted as reason:
        outputs.interrupted(str(reason))
        raise Interrupted(f"ekm3d: the run was interrupted at t = {s.time:g} s {reason}; "
                          f"`ekm3d resume` goes on with it") from None
    except BaseException as error:
        if isinstance(error, AuditError):
            outputs.snapshot()                       # the state as it is, for a look
        outputs.failed(error)
        raise
    return open_results(outputs.path)


def _obey(wish: int, interruption: Interruption, keeping: Safekeeping) -> None:
    """Write a checkpoint, and end the run, where that is wished for."""
    if wish == NOTHING:
        return
    saved = keeping.save()
    if wish == CHECKPOINT:
        return
    reason = interruption.reason(wish)
    if not saved:
        raise OSError(f"stopped {reason}, and its state could not be written")
    raise Interrupted(reason)
