"""Forecast of a run from its first steps: how many there will be, how long they take, the files.

A few steps are taken until their length no longer grows, and some more where they are quick, as
catholytes and fronts begin easy; the later half of them is timed. From there on

    steps of a stage = sum over what cuts it (switches, rows, snapshots) of ceil(length / dt)

where dt is that of the last step; in a stage with another voltage it is longer or shorter by their
ratio, for ions leave a voxel by migration, and `max_step` bounds it. A snapshot is compressed in
memory as it would be in the file. Rows and snapshots take time besides the steps.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.constants import HOUR
from ekm3d.diagnostics.derived_fields import snapshot, written_fields
from ekm3d.model import memory_estimate
from ekm3d.output.intervals import Interval
from ekm3d.output.vtkhdf import compressed_bytes

MOST_STEPS, MOST_SECONDS = 30, 20.0     # of the trial
LEAST_STEPS, LEAST_SECONDS = 12, 0.5    # of the trial, whichever comes first
SETTLED = 1.01                          # growth of a step below which its length has settled
ROW, CELL = 12.0, 13.0                  # bytes: of a row's time, of each of its cells
FIELD = 17e3                            # bytes of a field's index in the file of snapshots
XDMF = 380.0                            # bytes of a field of a snapshot in fields.xdmf


@dataclass(frozen=True)
class Forecast:
    """Figures of a run.

    steps; step: length of the last of the trial [s]; taken: steps of the trial; seconds: of
    computing in all; snapshots, rows: their numbers; bytes: of all files; each: of a snapshot;
    checkpoint: bytes of one.
    """

    steps: float
    step: float
    taken: int
    seconds: float
    snapshots: int
    rows: int
    bytes: float
    each: float
    checkpoint: float


def forecast(sim: Any, columns: int, first: float = 0.0, row: float = 0.0) -> Forecast:
    """Return the Forecast of a Simulation, which takes steps.

    columns: of series.csv; first: time of the first step [s], where it is the only one; row: that
    of a row of the series [s].
    """
    steps, seconds = _trial(sim, first)
    plan, end = sim.case.output, sim.schedule.end
    count = sim.state.step + _steps_ahead(sim)
    snapshots, rows = (2 + math.floor(end / every * (1 - 1e-9))
                       for every in (plan.snapshot_every, plan.series_every))
    begun = time.perf_counter()
    each, fields = _snapshot_bytes(sim)
    beside = snapshots * (time.perf_counter() - begun) + rows * row
    checkpoint = memory_estimate.copied(sim.domain.whole, sim.chem, sim.case.processes)
    kept = 2 * checkpoint if plan.checkpoint else 0.0
    written = (snapshots * (each + fields * XDMF) + fields * FIELD
               + rows * (ROW + CELL * columns) + kept)
    return Forecast(count, sim.dt, steps, count * seconds + beside, snapshots, rows, written, each,
                    checkpoint)


def _trial(sim, first):
    """Take steps until their length has settled; return their number and the time of one [s]."""
    begun, last, timed = time.monotonic(), math.inf, []
    marks = tuple(Interval(every, sim.state.time) for every in (
        sim.case.output.snapshot_every, sim.case.output.series_every))
    while sim.state.time < sim.schedule.end - sim.schedule.slack:
        start = time.perf_counter()
        sim.step(min(mark.next for mark in marks))
        for mark in marks:
            mark.due(sim.state.time, last=False)
        timed.append(time.perf_counter() - start)
        enough = len(timed) >= LEAST_STEPS or time.monotonic() - begun > LEAST_SECONDS
        settled = len(timed) > 2 and sim.tried <= SETTLED * last
        if settled and enough or len(timed) >= MOST_STEPS \
                or time.monotonic() - begun > MOST_SECONDS:
            break
        last = sim.tried
    return len(timed), float(np.mean(timed[max(1, len(timed) // 2):] or timed or [first]))


def _steps_ahead(sim):
    """Number of steps from now to the end."""
    plan, schedule, now = sim.case.schedule, sim.schedule, sim.state.time
    here = schedule.drive(max(now - schedule.slack - 1e-6 * schedule.end, 0.0))
    cuts, count = (sim.case.output.snapshot_every, sim.case.output.series_every), 0.0
    for stage, start in zip(schedule.stages, schedule.starts, strict=True):
        left = start + stage.duration - max(now, start)
        if left <= schedule.slack:
            continue
        longest = plan.fixed_step or plan.max_step
        dt = longest
        if plan.fixed_step is None and sim.physics.transport:
            dt = min(longest, sim._wanted * _slower(stage, here))
        pulses = (stage.on, stage.off) if stage.off > 0.0 and not schedule.averaged else ()
        if pulses:
            count += left / sum(pulses) * sum(_pieces(part, dt, cuts) for part in pulses)
        else:
            count += _pieces(left, dt, cuts)
    return count


def _slower(stage, here):
    """Factor on the length of steps in another stage: that of the voltages, if both are known."""
    if here.current is None and stage.current is None and here.voltage > 0 and stage.voltage > 0:
        return here.voltage / stage.voltage
    return 1.0


def _pieces(length, dt, cuts):
    """Number of steps of length dt at most, that end on multiples of `cuts` too."""
    cut = min(length, *cuts)
    return length / cut * math.ceil(cut / dt * (1 - 1e-9))


def _snapshot_bytes(sim):
    """Bytes of a snapshot of the block as it is now, compressed, and the number of its fields."""
    precision = {field.name: field.precision for field in written_fields(sim)}
    sizes = [compressed_bytes(sim.backend.to_numpy(array), precision[name])
             for name, array in snapshot(sim, precision)]
    return float(sum(sizes)), len(sizes)


def duration(seconds: float) -> str:
    """Return "20 s", "3 min", "5 h" or "4 days"."""
    for unit, name, most in ((1.0, "s", 120.0), (60.0, "min", 120.0), (HOUR, "h", 48.0)):
        if seconds < most * unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds / (24 * HOUR):.2g} days"


def size(count: float) -> str:
    """Return "3 kB", "2.5 MB" or "1.2 GB"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count / 1e3:.3g} kB"
