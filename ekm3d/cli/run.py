"""`ekm3d run`: run a case to its end and print the summary."""

import argparse
from pathlib import Path

from ekm3d.case.case import Case
from ekm3d.cli import resume
from ekm3d.cli.case_arguments import add_case_arguments, print_warnings
from ekm3d.cli.execute import add_limits, execute, memory_told
from ekm3d.cli.help_page import page
from ekm3d.output.results import SUMMARY_FILE
from ekm3d.output.run_directory import check_directory
from ekm3d.parallel.team import Alone


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d run`."""
    parser = commands.add_parser("run", **page(
        "run a case to its end and write the results",
        "ekm3d run cases/field_block",
        'ekm3d run site --out fine -o grid.spacing="12.5 cm"     another value, elsewhere',
        'ekm3d run site --checkpoint "10 min" --max-hours 11.5     and go on with `ekm3d resume`'))
    add_case_arguments(parser)
    parser.add_argument("--out", metavar="DIR", help="where results go (default: CASE/out)")
    parser.add_argument("--force", action="store_true", help="replace a finished run")
    parser.add_argument("--resume", choices=("auto",), help="auto: from a checkpoint in the "
                        "results, where there is one, else from the beginning")
    add_limits(parser)


def command(args: argparse.Namespace, team: Alone) -> int:
    """Run the case on all processes of the team; 0 when it is done.

    InputError, OutputError or BackendError before anything is written, ConvergenceError, other
    RuntimeErrors or OSError where the run fails, Interrupted where it was asked to stop.
    """
    if args.resume and resume.has_checkpoint(args):
        return resume.command(args, team)
    with memory_told(args.case):
        case = Case.read(args.case, args.overrides)
        out = Path(args.out or Path(args.case) / "out")
        if args.resume and not (out / SUMMARY_FILE).exists():
            args.force = True           # an unfinished run without a checkpoint begins anew
        check_directory(out, args.force)
        print_warnings(case.warnings)
        return execute(args, team, case, out, args.backend)
