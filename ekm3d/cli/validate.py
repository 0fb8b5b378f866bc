"""`ekm3d validate`: runs of cases beside what an experiment has reported, in one table."""

import argparse
from pathlib import Path

from ekm3d.cli.case_arguments import add_backend
from ekm3d.cli.help_page import page
from ekm3d.cli.verify import processes
from ekm3d.errors import ConvergenceError, InputError
from ekm3d.output.console import tell
from ekm3d.parallel.team import usable_cores
from ekm3d.resources import folder
from ekm3d.study import validation_page
from ekm3d.study.kept_rows import KeptRows
from ekm3d.study.validation import Validation

TEXT = """hold the model against experiments: one table of measured and computed values
The directory names facts, formulas, runs and an ensemble of parameters; cases/validation holds
those of Wang et al. 2022. Finished runs are kept. Misses come with the budget of the run: charge
passed and anions that left, against the rare earths that the measured value claims."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d validate`."""
    parser = commands.add_parser("validate", **page(
        TEXT, "ekm3d validate                        the experiments of Wang et al. 2022",
        "ekm3d validate mine/validation --jobs 4",
        "ekm3d validate mine/validation --keep 'field*'    their rows as they were"))
    parser.add_argument("directory", metavar="DIR", nargs="?", help="directory of a validation "
                        "(default: that of the paper)")
    parser.add_argument("--out", metavar="DIR", default="validation",
                        help="where runs and tables go (default: ./validation)")
    parser.add_argument("--fit-only", action="store_true", help="leave out the ensemble's members")
    parser.add_argument("--keep", metavar="RUN", nargs="+", default=[], help="runs that are not "
                        "made, with * and ?: their rows are those of DIR/validation.csv, and say "
                        "so")
    parser.add_argument("--jobs", type=processes, metavar="N",
                        help="runs at a time (default: as many as processors, at most 4)")
    add_backend(parser)


def command(args: argparse.Namespace) -> int:
    """Make the runs and the table; 0, or 3 where a run has failed. InputError for bad input."""
    validation = Validation(Path(args.directory) if args.directory else folder("cases")
                            / "validation")
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a directory")
    if args.fit_only:
        validation.sets = validation.sets[:1]
    cores = len(usable_cores())
    jobs = args.jobs or min(4, cores)
    out.mkdir(parents=True, exist_ok=True)
    tell(f"{len(validation.runs)} runs, {max(1, len(validation.sets))} sets; results go to {out}")
    kept = KeptRows(validation.folder / "validation.csv", args.keep, list(validation.runs))
    outcomes = validation.outcomes(out, args.backend, jobs, max(1, cores // jobs), tell, kept.runs)
    rows = validation.rows(outcomes, kept.row)
    every = [o for made in outcomes.values() for o in made]
    facts = {"runs": len(every), "failed": sum(bool(o.failure) for o in every)}
    tell(f"{out}: {validation_page.write(validation, rows, out, facts, outcomes)}")
    return ConvergenceError.exit_code if facts["failed"] else 0
