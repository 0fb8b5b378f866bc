"""Common part of `ekm3d run` and `ekm3d resume`: options, the simulation, the summary."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ekm3d.case.case import Case
from ekm3d.case.units import positive
from ekm3d.cli.self_test import backend_of
from ekm3d.diagnostics.summary_words import table
from ekm3d.model.loop import Control
from ekm3d.model.memory_estimate import InsufficientMemory
from ekm3d.model.simulation import Simulation
from ekm3d.output.checkpoints import Checkpoint
from ekm3d.output.console import tell
from ekm3d.output.progress import Patience
from ekm3d.parallel.team import Alone


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add what `ekm3d run` and `ekm3d resume` have in common."""
    parser.add_argument("--quiet", action="store_true", help="print the summary only")
    parser.add_argument("--profile", action="store_true", help="print what the processes of the "
                        "run sent one another")
    parser.add_argument("--mpi", action="store_true", help="use MPI though no launcher that is "
                        "known (mpiexec, srun) has started this process")
    parser.add_argument("--checkpoint", metavar="TIME", type=wall_clock, help='time by '
                        'the clock between saved states, e.g. "10 min"')
    parser.add_argument("--max-hours", metavar="N", type=hours, help="hours after which the "
                        "state is saved and the run stops, with exit code 75")


def wall_clock(text: str) -> float:
    """Return an interval of the clock in seconds; argparse shows the message of an error."""
    try:
        return positive("s", "10 min").read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def hours(text: str) -> float:
    """Return a number of hours above 0; argparse shows the message of an error."""
    try:
        return positive("", "11.5").read(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


@contextmanager
def memory_told(case: str) -> Iterator[None]:
    """Say how to need less memory where there is not enough: InsufficientMemory."""
    try:
        yield
    except MemoryError as error:
        raise InsufficientMemory(
            f"{case}: the memory is exhausted ({error}); larger voxels take "
            "less, and `ekm3d check` tells how much") from None


def execute(args: argparse.Namespace, team: Alone, case: Case, out: Path, backend: str,
            resumed: Checkpoint | None = None) -> int:
    """Make the simulation of a case, run it and print the summary; 0 when it is done."""
    if team.size > 1:
        team.alike("cases", json.dumps(case.record(), sort_keys=True))
        team.alike("options", repr([backend, resumed and (resumed.path.name, resumed.time)]))
    control = Control(args.checkpoint, args.max_hours, resumed, signals=True)
    with Patience("preparing: kernels that are new here are compiled, once", quiet=args.quiet):
        sim = Simulation(case, backend_of(backend, team), team)
    if not args.quiet:
        begin = f"; resumed at t = {resumed.time:g} s" if resumed else ""
        tell("\n".join([case.title, *(f"remark: {text}" for text in case.remarks),
                        f"backend {sim.backend}; results go to {out}{begin}"]))
    results = sim.run(out, getattr(args, "force", False), args.quiet, args.profile, control)
    tell(table(results.summary))
    return 0
