"""`ekm3d calibrate`: fit keys of cases to measured values, and say what these do not fix."""

import argparse
from pathlib import Path

from ekm3d.case.case import Case
from ekm3d.cli.case_arguments import add_backend
from ekm3d.cli.help_page import page
from ekm3d.cli.verify import processes
from ekm3d.errors import ConvergenceError, InputError
from ekm3d.output.console import tell
from ekm3d.parallel.team import usable_cores
from ekm3d.study import calibration_files
from ekm3d.study.evaluations import Evaluator
from ekm3d.study.fit import Search, ensemble
from ekm3d.study.measured import read_measured
from ekm3d.study.parameters import read_parameters

TEXT = """fit parameters of cases to measured values
Least squares with priors, from several starts; then the covariance, the combinations of parameters
that the data do not fix, and an ensemble of sets that agree with the data. Called again, it takes
finished runs from its journal. The files are described in cases/guide/calibration.md."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d calibrate`."""
    parser = commands.add_parser("calibrate", **page(
        TEXT,
        "ekm3d calibrate bench leaching --targets targets.csv",
        "ekm3d calibrate bench --targets targets.csv --starts 3 --ensemble 20 --jobs 4",
        'ekm3d calibrate bench --targets t.csv -o "grid.spacing=1 cm"     all runs on that grid'))
    parser.add_argument("cases", metavar="CASE", nargs="+", help="directories that hold case.toml")
    parser.add_argument("--targets", metavar="FILE", required=True, help="measured values, CSV")
    parser.add_argument("--parameters", metavar="FILE", help="parameters with their priors, TOML "
                        "(default: parameters.toml beside the targets)")
    parser.add_argument("--out", metavar="DIR", help="where results go (default: calibration, "
                        "beside the targets)")
    parser.add_argument("-o", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                        help="one value, in all runs; may be given again")
    parser.add_argument("--starts", type=processes, default=1, metavar="N",
                        help="searches, the first from the parameters' starts (default: 1)")
    parser.add_argument("--ensemble", type=int, default=0, metavar="N",
                        help="sets of an ensemble (default: none)")
    parser.add_argument("--most", type=processes, default=20, metavar="N",
                        help="steps of a search at most (default: 20)")
    parser.add_argument("--renew", type=processes, default=1, metavar="N",
                        help="steps after which slopes are computed anew (default: 1)")
    parser.add_argument("--slopes", metavar="DIR", help="slopes of another calibration of "
                        "the same values, nearby, to begin with: steps correct them, none are made")
    parser.add_argument("--seed", type=int, default=1, metavar="N",
                        help="seed of the starts and the ensemble (default: 1)")
    parser.add_argument("--jobs", type=processes, metavar="N",
                        help="runs at a time (default: as many as processors, at most 4)")
    parser.add_argument("--reuse", metavar="DIR", help="take finished runs of another calibration "
                        "with the same parameters, of the cases and targets that both have")
    parser.add_argument("--force", action="store_true", help="begin anew")
    add_backend(parser)


def command(args: argparse.Namespace) -> int:
    """Calibrate; 0, or 3 where the best set has a run that fails. InputError for bad input."""
    cases = {Path(case).resolve().name: Path(case) for case in args.cases}
    if len(cases) < len(args.cases):
        raise InputError("two of the cases have directories of the same name, which labels them")
    targets = Path(args.targets)
    measured = read_measured(targets, list(cases))
    parameters = read_parameters(Path(args.parameters or targets.with_name("parameters.toml")))
    for parameter in parameters:
        for label in parameter.cases:
            if label not in cases:
                raise InputError(f"parameter {parameter.name}: cases: {label!r} is none of "
                                 + ", ".join(cases))
    if args.ensemble < 0:
        raise InputError(f"--ensemble {args.ensemble}: give the number of sets, or 0")
    cores = len(usable_cores())
    jobs = args.jobs or min(4, cores)
    evaluator = Evaluator(cases, parameters, measured, Path(args.out or targets.with_name(
        "calibration")), args.backend, jobs, max(1, cores // jobs), args.overrides, args.force,
        tell, Path(args.reuse) if args.reuse else None)
    given = calibration_files.slopes(Path(args.slopes), evaluator) if args.slopes else None
    search = Search(evaluator, args.renew, args.most, given)
    _refuse_wrong_input(evaluator)
    evaluator.open()
    tell(f"parameters: {len(parameters)}, values: {len(measured)}, cases: {len(cases)}, runs at a "
         f"time: {jobs}; results go to {evaluator.out}")
    try:
        fits = search.all(args.starts, args.seed)
    except InputError:
        evaluator.discard()
        raise
    for n, fit in enumerate(fits):
        tell(f"search {n + 1}: 2 J = {fit.cost:.3f}, {fit.reason}, {fit.steps} steps")
    members = ensemble(evaluator, fits[0], args.ensemble, args.seed) if args.ensemble else []
    files = calibration_files.write(evaluator, fits, members)
    tell("\n" + (evaluator.out / "calibration.md").read_text(encoding="utf-8"))
    tell(f"sets run now: {evaluator.made}; {evaluator.out}: {', '.join(files)}")
    return ConvergenceError.exit_code if fits[0].found.failed else 0


def _refuse_wrong_input(evaluator: Evaluator) -> None:
    """Raise the first problem of a case with the parameters at their starts, before any run."""
    x = [p.value(0) if p.start is None else p.start for p in evaluator.parameters]
    for label, path in evaluator.cases.items():
        if not (path / "case.toml").is_file():
            raise InputError(f"{path}: not a case: there is no case.toml in it")
        Case.read(path, evaluator.point(x, label).overrides)
