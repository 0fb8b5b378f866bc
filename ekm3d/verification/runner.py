"""Runs of the studies of verification cases, in one process or several.

Every run of every study is a task of its own, so that two processes share the work. A run stops
at the times that are compared and returns samples; `judge` needs no simulation any more.
"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from math import nan
from multiprocessing import get_context
from pathlib import Path

from threadpoolctl import threadpool_limits

from ekm3d.case.case import Case
from ekm3d.errors import InputError
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.team import ALONE
from ekm3d.verification import comparison, quantities
from ekm3d.verification.quantities import Sample
from ekm3d.verification.spec import Compare, Study, Verification

Samples = dict[tuple[str, float], Sample | float]       # (quantity, time [s]) -> values

# Quantities that follow from the solution of potential and flow, which a step leaves at its start.
SOLVED = ("phi", "current", "voltage", "potential", "water", "head", "effluent")


@dataclass
class Run:
    """One finished run of a study: samples[n] of comparison n, or the reason of its failure."""

    cells: tuple[int, ...] = ()             # nx, ny, nz
    step: float = nan                       # s, of fixed_step or max_step
    steps: int = 0
    seconds: float = 0.0
    samples: dict[int, Samples] = field(default_factory=dict)
    failure: str = ""


Runs = dict[str, list[Run]]                             # study -> its runs, in their order


def run_cases(verifications: Iterable[Verification], which: str, backend: str = "auto",
              jobs: int = 1) -> Iterator[tuple[Verification, Runs]]:
    """Run the cases on the set "quick" or "full"; yield each with its runs as they become ready.

    jobs: number of processes that share the runs.
    """
    plan = [(v, [(study.name, overrides) for study in v.file.study
                 for overrides in study.runs(which)]) for v in verifications]
    if jobs == 1:
        for v, tasks in plan:
            yield v, _by_study(tasks, [run(v.path, which, name, overrides, backend)
                                       for name, overrides in tasks])
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread) as pool:
        waiting = [(v, tasks, [pool.submit(run, v.path, which, name, overrides, backend)
                               for name, overrides in tasks]) for v, tasks in plan]
        for v, tasks, futures in waiting:
            yield v, _by_study(tasks, [future.result() for future in futures])


def _one_thread() -> None:
    """Limit a process of the pool to one thread: the processes share the cores."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _by_study(tasks: list[tuple[str, list[str]]], results: list[Run]) -> Runs:
    runs: Runs = {}
    for (name, _), result in zip(tasks, results, strict=True):
        runs.setdefault(name, []).append(result)
    return runs


def run(path: Path, which: str, study_name: str, overrides: list[str], backend: str) -> Run:
    """Carry out one run of a study; errors of the case become the failure of the Run."""
    try:
        return _run(Verification.read(path), which, study_name, overrides, backend)
    except (ValueError, RuntimeError, OSError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return Run(failure=lines[0] + more)


def _run(verification: Verification, which: str, study_name: str, overrides: list[str],
         backend: str) -> Run:
    begun = time.monotonic()
    study = next(s for s in verification.file.study if s.name == study_name)
    case = Case.read(verification.path, overrides)
    sim = Simulation(case, backend, ALONE)
    record = quantities.Record(sim)
    schedule = case.schedule
    out = Run(case.grid.cells, getattr(schedule, "fixed_step", None) or schedule.max_step)
    compared = _by_time(verification, which, study, sim.schedule.end)
    late = [t for t in compared if t > sim.schedule.end * (1 + 1e-9)]
    if late:
        raise InputError(f"t = {max(late):g} s is to be compared, but the schedule ends at "
                         f"{sim.schedule.end:g} s")
    with threadpool_limits(1, "blas"):
        for t in sorted(compared):
            while sim.state.time < t - sim.schedule.slack:
                record.add(sim.step(t))
            for n, compare in compared[t]:
                out.samples.setdefault(n, {}).update(sample(sim, record, compare, t))
    out.steps, out.seconds = sim.state.step, time.monotonic() - begun
    return out


def _by_time(verification: Verification, which: str, study: Study,
             end: float) -> dict[float, list[tuple[int, Compare]]]:
    """Return {time [s]: [(number, Compare), ...]} of the comparisons that need a study's runs."""
    compared: dict[float, list[tuple[int, Compare]]] = {}
    for n, compare in verification.compares(study):
        for t in times(verification, which, compare, end):
            compared.setdefault(t, []).append((n, compare))
    return compared


def times(verification: Verification, which: str, compare: Compare, end: float) -> list[float]:
    """Return the times at which a comparison is made [s]: those given, of the file, or the end."""
    if compare.times is not None:
        return compare.times[which]
    if compare.reference.file is not None:
        return comparison.file_times(verification.path / compare.reference.file) or [end]
    return [end]


def sample(sim: Simulation, record: quantities.Record, compare: Compare, t: float) -> Samples:
    """Evaluate the quantities of a comparison at the present time t [s] of the simulation."""
    where = comparison.region(compare.where)
    names = [name for pattern in compare.quantity for name in quantities.expand(pattern, sim)]
    if compare.reference.quantity is not None:
        names.append(compare.reference.quantity)
    if any(name.split(":")[0] in SOLVED for name in names):
        sim.fields()                                  # potential and water at this very time
    return {(name, t): quantities.evaluate(name, sim, record, where) for name in names}
