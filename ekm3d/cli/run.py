"""`ekm3d run`: run a case to its end and print the summary."""

import argparse
from pathlib import Path

from ekm3d.case.case import Case
from ekm3d.cli.case_arguments import add_case_arguments, print_warnings
from ekm3d.cli.self_test import backend_of
from ekm3d.model.memory_estimate import InsufficientMemory
from ekm3d.model.simulation import Simulation
from ekm3d.output.run_directory import check_directory, table
from ekm3d.parallel.team import Alone


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d run`."""
    parser = commands.add_parser("run", help="run a case to its end and write the results")
    add_case_arguments(parser)
    parser.add_argument("--out", metavar="DIR", help="where results go (default: CASE/out)")
    parser.add_argument("--force", action="store_true", help="replace a finished run")
    parser.add_argument("--quiet", action="store_true", help="print the summary only")
    parser.add_argument("--profile", action="store_true", help="print what the processes of the "
                        "run sent one another")
    parser.add_argument("--mpi", action="store_true", help="use MPI though no launcher that is "
                        "known (mpiexec, srun) has started this process")


def command(args: argparse.Namespace, team: Alone) -> int:
    """Run the case on all processes of the team; 0 when it is done.

    InputError, OutputError or BackendError before anything is written, ConvergenceError, other
    RuntimeErrors or OSError where the run fails.
    """
    try:
        case = Case.read(args.case, args.overrides)
        out = Path(args.out or Path(args.case) / "out")
        check_directory(out, args.force)
        print_warnings(case.warnings)
        sim = Simulation(case, backend_of(args.backend, team), team)
        if not args.quiet:
            print("\n".join([case.title, *(f"remark: {text}" for text in case.remarks),
                             f"backend {sim.backend}; results go to {out}"]), flush=True)
        results = sim.run(out, args.force, args.quiet, args.profile)
    except MemoryError as error:
        raise InsufficientMemory(
            f"{args.case}: the memory is exhausted ({error}); larger voxels take "
            "less, and `ekm3d check` tells how much") from None
    print(table(results.summary))
    return 0
