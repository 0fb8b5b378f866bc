"""The command line: ekm3d run CASE, ekm3d check CASE, ekm3d verify, ekm3d database."""

import argparse
from pathlib import Path

from ekm3d.backends.choose import BACKENDS, choose_backend
from ekm3d.case.case import Case
from ekm3d.case.problems import CaseError
from ekm3d.cli import database
from ekm3d.errors import BackendError, LaunchError, OutputError
from ekm3d.model import memory_estimate
from ekm3d.model.simulation import Simulation
from ekm3d.output.run_directory import check_directory, table
from ekm3d.parallel.launcher_env import launched
from ekm3d.parallel.team import ALONE, join, silence
from ekm3d.verification import runner
from ekm3d.version import __version__

BAD_INPUT, FAILED = 2, 3


def parser():
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="ekm3d", description="Electrokinetic mining of rare earths in 3D.")
    top.add_argument("--version", action="version", version=f"ekm3d {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a case to its end and write the results")
    check = commands.add_parser("check", help="validate a case and print what would be run")
    for command in (run, check):
        command.add_argument("case", metavar="CASE", help="directory that holds case.toml")
        command.add_argument("-o", dest="overrides", action="append", default=[],
                             metavar="KEY=VALUE", help="replace a value of case.toml, e.g. "
                             '-o grid.spacing="5 cm"; may be given again')
        command.add_argument("--backend", choices=BACKENDS, default="auto")
    run.add_argument("--out", metavar="DIR", help="where results go (default: CASE/out)")
    run.add_argument("--force", action="store_true", help="replace a finished run")
    run.add_argument("--quiet", action="store_true", help="print the summary only")
    run.add_argument("--profile", action="store_true", help="print what the processes of the run "
                     "sent one another")
    run.add_argument("--mpi", action="store_true", help="use MPI though no launcher that is known "
                     "(mpiexec, srun) has started this process")
    runner.add_parser(commands)
    database.add_parser(commands)
    return top


def main(arguments=None):
    """Exit codes: 0 done, 2 bad input (nothing written), 3 the computation failed."""
    number, _ = launched()
    if number:
        silence()                       # what is wrong with the line, the first process says
    args = parser().parse_args(arguments)
    if args.command == "run":
        return run(args)
    if number:
        return 0                        # the rest is work for one
    return {"check": check, "verify": runner.command,
            "database": database.command}[args.command](args)


def run(args):
    """ekm3d run, by one process or by all that a launcher started."""
    team = ALONE
    try:
        team = join(args.mpi)
        case = Case.read(args.case, args.overrides)
        out = Path(args.out or Path(args.case) / "out")
        check_directory(out, args.force)
        sim = Simulation(case, args.backend, team)
        if not args.quiet:
            print(f"{case.title}\nbackend {sim.backend}; results go to {out}", flush=True)
        results = sim.run(out, args.force, args.quiet, args.profile)
    except (CaseError, BackendError, OutputError, LaunchError, memory_estimate.InsufficientMemory) as error:
        return team.failed(error, BAD_INPUT)
    except MemoryError as error:
        return team.failed(f"{args.case}: the memory is exhausted ({error}); larger voxels take "
                           "less, and `ekm3d check` tells how much", BAD_INPUT)
    except (RuntimeError, OSError) as error:    # no convergence, no outlet, no room on the disk
        return team.failed(f"ekm3d: the run failed: {error}", FAILED)
    except KeyboardInterrupt:
        return team.failed("ekm3d: interrupted", 130)
    print(table(results.summary))
    return 0


def check(args):
    """ekm3d check."""
    try:
        case = Case.read(args.case, args.overrides)
        print(case.describe())
        backend = choose_backend(args.backend)
        print(memory_estimate.text(case.grid, case.chemistry, backend, case.rates.any))
        print(estimate(Simulation(case, args.backend, ALONE)))
    except (CaseError, BackendError, memory_estimate.InsufficientMemory) as error:
        return ALONE.failed(error, BAD_INPUT)
    except (RuntimeError, OSError) as error:
        return ALONE.failed(f"ekm3d: the run failed: {error}", FAILED)
    return 0


def estimate(sim):
    """Steps of a run, from its first, as text."""
    sim.step()
    steps = sum(stage.duration for stage in sim.schedule.stages) / sim.dt
    return (f"expected: about {steps:.0f} steps of {sim.dt:.0f} s at the start's rate (more where "
            f"fields steepen); backend {sim.backend}")


