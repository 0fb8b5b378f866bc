"""`ekm3d study`: run a case with several values, some at a time; one table and one picture."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ekm3d.case.case import Case
from ekm3d.cli.case_arguments import add_backend
from ekm3d.cli.help_page import page
from ekm3d.cli.verify import processes
from ekm3d.errors import ConvergenceError, InputError
from ekm3d.output.console import tell
from ekm3d.output.results import open_results
from ekm3d.parallel.team import usable_cores
from ekm3d.study import picture, tables
from ekm3d.study.points import Point, points
from ekm3d.study.refinement import refine, widths
from ekm3d.study.runs import Outcome, Plan, run_all
from ekm3d.study.variants import read_variants
from ekm3d.suggest import suggest

TEXT = """run a case with several values of some keys, and compare the results
Every value of a key with every value of the others, or in pairs with --zip. Values are separated
by commas; a TOML list gives values that are lists, or hold commas: -o 'KEY=[[1, 2], [3, 4]]'.
Called again, it keeps the runs that have finished and makes the others."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d study`."""
    parser = commands.add_parser("study", **page(
        TEXT,
        'ekm3d study site -o "schedule.stage.0.gradient=0.2 V/cm, 0.3 V/cm, 0.4 V/cm"',
        'ekm3d study site -o "well.0.flux=0 m/s, 1e-6 m/s" -o "grid.spacing=50 cm, 25 cm"',
        'ekm3d study site --grid "50 cm, 25 cm, 12.5 cm"     order and error of the grid',
        "ekm3d study site -o schedule.order=1,2 --show recovery_REE,wall_s --jobs 2",
        "ekm3d study site --variants mechanisms.toml     named variants of several keys each"))
    parser.add_argument("case", metavar="CASE", help="directory that holds case.toml")
    parser.add_argument("-o", dest="assignments", action="append", default=[],
                        metavar="KEY=A,B,C", help="values of a key; may be given again")
    parser.add_argument("--grid", metavar="A,B,C", help="short for -o grid.spacing=A,B,C; three "
                        "grids give the order of convergence")
    parser.add_argument("--variants", metavar="FILE", help="named variants of several keys each, "
                        "in place of -o: [[variant]] with name and set, TOML")
    parser.add_argument("--zip", action="store_true", dest="pairs",
                        help="pair the values: the first together, the second together, and so on")
    parser.add_argument("--out", metavar="DIR", help="where the runs go (default: CASE/study)")
    parser.add_argument("--show", metavar="KEY,KEY", help="values of summary.json to compare")
    parser.add_argument("--jobs", type=processes, metavar="N",
                        help="runs at a time (default: as many as processors, at most 4)")
    parser.add_argument("--force", action="store_true", help="make finished runs again")
    add_backend(parser)


def command(args: argparse.Namespace) -> int:
    """Make the study; 0, 2 where no run could begin, or 3 where one has failed.

    InputError or OutputError for bad input, before anything is written where no run can be read.
    """
    given = [*args.assignments, *([f"grid.spacing={args.grid}"] if args.grid else [])]
    if not given and not args.variants:
        raise InputError('ekm3d study: give values, e.g. -o "grid.spacing=50 cm, 25 cm"')
    if given and args.variants:
        raise InputError("ekm3d study: --variants names all that changes; leave out -o and --grid")
    case = Path(args.case)
    todo = read_variants(Path(args.variants)) if args.variants else points(given, args.pairs)
    if not (case / "case.toml").is_file():
        raise InputError(f"{case}: not a case: there is no case.toml in it")
    _refuse_if_all_are_wrong(case, todo)
    cores = len(usable_cores())
    jobs = min(args.jobs or min(4, cores), len(todo))
    plan = Plan(case, Path(args.out or case / "study"), args.backend, jobs, args.force,
                max(1, cores // jobs))
    tell(f"{len(todo)} runs, {jobs} at a time; results go to {plan.out}")
    outcomes = run_all(plan, todo, lambda outcome, count: tell(
        f"  {count} of {len(todo)}  {tables.label(outcome)}: {_state(outcome)}"))
    wanted = args.show.split(",") if args.show else list(tables.DEFAULT)
    keys = tables.known(outcomes, [key.strip() for key in wanted])
    tell("\n" + tables.terminal(outcomes, keys))
    for key in wanted if args.show else ():
        if key.strip() not in keys and any(o.summary for o in outcomes):
            tell(f"no run has the value {key.strip()!r}"
                 + suggest(key.strip(), tables.numbers(outcomes)))
    if set(todo[0].shown) == {"grid.spacing"}:
        tell("\n" + _refinements(outcomes, keys))
    tell("\n" + write(plan.out, outcomes, keys))
    if all(o.refused for o in outcomes):
        return InputError.exit_code
    return ConvergenceError.exit_code if any(o.failure for o in outcomes) else 0


def _refuse_if_all_are_wrong(case: Path, todo: Sequence[Point]) -> None:
    """Raise the first problem if the case can be read with the values of no run."""
    problems = []
    for point in todo:
        try:
            Case.read(case, point.overrides)
        except InputError as error:
            problems.append(error)
        else:
            return
    raise problems[0]


def write(out: Path, outcomes: Sequence[Outcome], keys: Sequence[str]) -> str:
    """Write table.csv, table.md and study.png; return where they are."""
    (out / "table.csv").write_text(tables.comma_separated(outcomes), encoding="utf-8")
    (out / "table.md").write_text(tables.markdown(outcomes, keys), encoding="utf-8")
    missing = picture.draw(outcomes, keys, out / "study.png")
    files = ["table.csv", "table.md", *([] if missing else ["study.png"])]
    return f"{out}: {', '.join(files)}" + (f"; {missing}" if missing else "")


def _refinements(outcomes: Sequence[Outcome], keys: Sequence[str]) -> str:
    """Return order and limit of the values, by the width of the voxels of every run."""
    done = [o for o in outcomes if o.summary]
    width = widths([open_results(o.directory).grid.spacing for o in done]) if done else []
    return tables.refinements({key: refine(width, [
        float("nan") if o.summary.get(key) is None else float(o.summary[key]) for o in done])
        for key in keys if key not in tables.NO_RESULTS})


def _state(outcome: Outcome) -> str:
    if outcome.failure:
        return f"failed: {outcome.failure}"
    return "kept" if outcome.kept else f"done in {outcome.summary['wall_s']:.0f} s"
