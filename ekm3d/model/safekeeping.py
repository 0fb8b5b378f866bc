"""Checkpoints of a run that goes on: when one is due, what it holds, and the way back.

A checkpoint is due at intervals of simulated time (`output.checkpoint`) and of the wall clock
(`--checkpoint`); it changes no step. Before it is written, all snapshots and rows that it counts
are on the disk. One that cannot be written is counted and told, and the run goes on.
"""

import time
from collections.abc import Callable
from typing import Any

from ekm3d.diagnostics.audits import Audits
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.errors import ConvergenceError
from ekm3d.model import earlier_run, run_memory
from ekm3d.output import checkpoints
from ekm3d.output.checkpoint_file import small_arrays, voxel_arrays
from ekm3d.output.checkpoints import Checkpoint
from ekm3d.output.intervals import Interval
from ekm3d.version import __version__


class Safekeeping:
    """Checkpoints of one run.

    failures: number of those that could not be written; wall: seconds that the run has taken so
    far, before it was resumed included.
    """

    def __init__(self, sim: Any, series: TimeSeries, diagnostics: tuple,
                 audits: Audits, outputs: Any, case: dict[str, Any], every: float | None,
                 resumed: Checkpoint | None = None) -> None:
        """case: record of the case, see `case.changes`; every: interval of the wall clock [s]."""
        self.sim, self.series, self.outputs, self.case = sim, series, outputs, case
        self.diagnostics = diagnostics
        self.retries = resumed.facts.get("retries") if resumed else None
        self.retries_now: Callable[[], dict[str, Any]] = dict
        self.audits = audits
        self.every, self.resumed, self.failures = every, resumed, 0
        self.begun = self.last = time.monotonic()
        self.before = float(resumed.facts["wall_s"]) if resumed else 0.0
        self.size = 0               # bytes of the last one
        self.of_time = sim.case.output.checkpoint
        self.next = Interval(self.of_time or float("inf"), resumed.time if resumed else 0.0)

    @property
    def enabled(self) -> bool:
        """True if the run was asked for checkpoints."""
        return self.every is not None or self.of_time is not None

    @property
    def wall(self) -> float:
        """Seconds that the run has taken."""
        return self.before + time.monotonic() - self.begun

    def due(self) -> bool:
        """Return True on all ranks when simulated time, on rank 0 when the clock asks for one."""
        by_time = self.next.due(self.sim.state.time, last=False)
        return by_time or (self.every is not None and time.monotonic() - self.last >= self.every)

    def save(self) -> bool:
        """Write a checkpoint; return False where that fails. Collective."""
        sim, outputs = self.sim, self.outputs
        outputs.finish_snapshot()
        try:
            with sim.domain.collective_errors(OSError):
                outputs.ask_space(self.size)
                position = outputs.position()
            facts = {"ekm3d": __version__, "case": self.case, "block": earlier_run.block(sim),
                     "backend": sim.backend.name, "ranks": len(sim.domain.boxes),
                     "wall_s": self.wall, "outputs": position,
                     "memory": run_memory.numbers(sim, self.series, self.diagnostics),
                     "retries": self.retries_now(), "warnings": self.audits.warnings,
                     "warned": sorted(self.audits.warned)}
            checkpoints.save(outputs.path, sim.state.step, sim.domain,
                             run_memory.voxels(sim, self.series),
                             run_memory.small(sim, self.diagnostics), facts)
            self.size = checkpoints.size(outputs.path)
        except (OSError, ConvergenceError) as error:
            self.failures += 1
            text = (f"warning: no checkpoint at t = {sim.state.time:g} s: {error}; the run goes on "
                    "from the one before")
            outputs.failures.tell(text, error)
            outputs.log(text)
            return False
        finally:
            self.last = time.monotonic()
        return True

    def restore(self) -> None:
        """Give the simulation the state of the checkpoint that it is resumed from; collective."""
        if self.resumed is None:
            return
        path, domain = self.resumed.path, self.sim.domain
        with voxel_arrays(path, domain) as stored:
            run_memory.restore(self.sim, self.series, self.diagnostics,
                               self.resumed.facts["memory"], stored, small_arrays(path))
        self.audits.warnings = list(self.resumed.facts["warnings"])
        self.audits.warned = set(self.resumed.facts["warned"])
        domain.barrier()                # all have read before the file may be replaced
