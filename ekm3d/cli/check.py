"""`ekm3d check`: validate a case and print the plan of its run: memory, steps, time, files."""

import argparse
import time
from pathlib import Path

from ekm3d.case.case import Case
from ekm3d.case.units import positive
from ekm3d.cli.case_arguments import add_case_arguments, print_warnings
from ekm3d.cli.help_page import page
from ekm3d.cli.self_test import backend_of
from ekm3d.diagnostics import ionic_strength, well_heads
from ekm3d.diagnostics.audits import Audits
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.errors import InputError
from ekm3d.model import earlier_run, memory_estimate, plan, run_estimate
from ekm3d.model.run_estimate import Forecast, duration, size
from ekm3d.model.simulation import Simulation
from ekm3d.output.earlier_results import free_space
from ekm3d.parallel.team import ALONE


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d check`."""
    parser = commands.add_parser("check", **page(
        "validate a case and print what would be run",
        "ekm3d check site     values in SI, voxels, memory, steps, run time, files",
        'ekm3d check site -o grid.spacing="5 cm" --ranks 4     would that fit?'))
    add_case_arguments(parser)
    parser.add_argument("--ranks", metavar="N", type=int, default=1,
                        help="processes whose memory is told as well (default: 1)")


def command(args: argparse.Namespace) -> int:
    """Read the case, describe it and take its first steps; writes no file.

    InputError or BackendError for bad input, ConvergenceError where a step fails.
    """
    if args.ranks < 1:
        raise InputError(f"--ranks {args.ranks}: a number of processes, at least 1")
    case = Case.read(args.case, args.overrides)
    if case.start:
        earlier_run.require(case.start)
    print(case.describe())
    print_warnings(case.warnings)
    backend = backend_of(args.backend)
    processes = case.processes
    print(memory_estimate.text(case.grid, case.chemistry, backend, processes))
    if args.ranks > 1:
        print(memory_estimate.by_ranks(case.grid, case.chemistry, backend, args.ranks, processes))
    sim = Simulation(case, backend, ALONE)
    text, remarks = estimate(sim)
    print(text)
    print_warnings(remarks)
    told = ionic_strength.warning(sim.chem, ionic_strength.largest(sim))
    if told:
        print_warnings([told])
    return 0


def estimate(sim: Simulation) -> tuple[str, list[str]]:
    """Take a few steps; return figures of the plan with steps, time and files, and warnings."""
    start = time.perf_counter()
    sim.step()
    first = time.perf_counter() - start
    figures, heads = plan.plan_of(sim), well_heads.lines(sim)
    series, audits, start = TimeSeries(sim), Audits(sim), time.perf_counter()
    columns = len(series.row() | audits.columns())
    found = run_estimate.forecast(sim, columns, first, time.perf_counter() - start)
    plan.drive_later(sim, figures)
    remarks = plan.warnings(figures)
    if found.steps > plan.STEPS or found.seconds > plan.WEEKS * 7 * plan.DAY:
        remarks.append(f"schedule: about {found.steps:.3g} steps, {found.seconds / plan.DAY:.3g} "
                       "days of computing; take larger voxels or a shorter schedule")
    remarks += _disk(sim, found)
    return "\n".join([*plan.lines(figures), *heads, (
        f"expected: about {found.steps:.0f} steps, of {found.step:.0f} s after the first "
        f"{found.taken} (more where fields steepen), {duration(found.seconds)} of "
        "computing"), f"backend: {sim.backend}", (
        f"files: {size(found.bytes)}: {found.snapshots} snapshots of {size(found.each)} as things "
        f"are now, {found.rows} rows; a checkpoint takes {size(found.checkpoint)}, of which up to "
        "three are there")]), remarks


def _disk(sim: Simulation, found: Forecast) -> list[str]:
    """Warning where the files would not fit beside the case, with the interval that would."""
    free = free_space(Path(sim.case.path))
    if free is None or found.bytes <= free:
        return []
    fit = max(1.0, (free - found.bytes) / found.each + found.snapshots)
    every = positive("h", "12 h").read(f"{sim.schedule.end / 3600 / fit:.3g} h")
    return [f"output: the files take {size(found.bytes)} and {size(free)} are free beside the "
            f"case; about {fit:.0f} snapshots would fit, one every {every / 3600:.3g} h, "
            "or give --out"]
