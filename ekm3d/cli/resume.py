"""`ekm3d resume`: go on with a run from its last checkpoint, bit for bit.

The values that the run was started with (`-o`) and its backend are those of the checkpoint; more
`-o` may be added. A case whose past has changed is refused, with a list of the differences.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ekm3d.case.case import Case
from ekm3d.case.changes import differences
from ekm3d.cli.case_arguments import add_case_arguments, print_warnings
from ekm3d.cli.execute import add_limits, execute, memory_told
from ekm3d.cli.help_page import page
from ekm3d.errors import InputError, OutputError
from ekm3d.output import checkpoints
from ekm3d.output.checkpoints import Checkpoint
from ekm3d.output.console import tell
from ekm3d.output.results import SUMMARY_FILE, Results
from ekm3d.output.run_directory import check_directory
from ekm3d.parallel.team import Alone


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d resume`."""
    parser = commands.add_parser("resume", **page(
        "go on with a run from its last checkpoint",
        "ekm3d resume site", "ekm3d resume site --out fine",
        'ekm3d resume site -o schedule.stage.0.duration="200 h"     a longer last stage'))
    add_case_arguments(parser)
    parser.add_argument("--out", metavar="DIR", help="where its results are (default: CASE/out)")
    add_limits(parser)


def has_checkpoint(args: argparse.Namespace) -> bool:
    """Return True if there are results with a checkpoint to go on from."""
    return bool(checkpoints.files(_out(args)))


def _out(args: argparse.Namespace) -> Path:
    return Path(args.out or Path(args.case) / "out")


def command(args: argparse.Namespace, team: Alone) -> int:
    """Go on with the run on all processes of the team; 0 when it is done.

    InputError for a case that is not that of the run, OutputError without a checkpoint; else as
    for `ekm3d run`.
    """
    out = _out(args)
    check_directory(out, force=True)
    if (out / SUMMARY_FILE).exists() and not checkpoints.files(out):
        return _finished_without(out, args)
    resumed = checkpoints.newest(out, _tell)
    facts = resumed.facts
    case = Case.read(args.case, _latest([*facts["case"]["overrides"], *args.overrides]))
    changes = differences(facts["case"], case.record(), resumed.time)
    if changes:
        raise InputError(f"{args.case} is not the case of the run in {out}, which has come to "
                         f"t = {resumed.time:g} s; it has changed in\n  " + "\n  ".join(changes))
    if _is_done(out, resumed, case):
        tell(f"{out} holds a finished run; a longer last stage or another one goes on with it")
        return 0
    print_warnings(case.warnings)
    backend = facts["backend"] if args.backend == "auto" else args.backend
    if backend != facts["backend"]:
        _tell(f"the run was begun by backend {facts['backend']}; {backend} goes on with other last "
              "digits")
    with memory_told(args.case):        # what [start] gave is in the checkpoint
        return execute(args, team, replace(case, start=None), out, backend, resumed)


def _finished_without(out: Path, args: argparse.Namespace) -> int:
    """Say of a finished run without checkpoints that it is finished; 0.

    OutputError where the case has come to last longer than the run: there is nothing to go on from.
    """
    results = Results(out)
    time = float(results.status["time_s"])
    given = results.provenance.get("overrides", [])
    end = _end(Case.read(args.case, _latest([*given, *args.overrides])))
    if end > time * (1 + 1e-9):
        raise OutputError(f"{out} holds a finished run to t = {time:g} s, and no checkpoint to go "
                          f"on from to the case's {end:g} s; `ekm3d run {args.case} --force "
                          '--checkpoint "10 min"` makes it anew, with checkpoints')
    tell(f"{out} holds a finished run, without checkpoints: there is nothing left to do")
    return 0


def _end(case: Case) -> float:
    """Return the time at which the case ends [s]."""
    return float(sum(stage.duration for stage in case.schedule.run_stages))


def _latest(overrides: list[str]) -> tuple[str, ...]:
    """Return overrides in their order, one that is repeated in its last place alone."""
    return tuple(reversed(dict.fromkeys(reversed(overrides))))


def _is_done(out: Path, resumed: Checkpoint, case: Case) -> bool:
    """Return True if the run has come to the end of the case and has written its summary."""
    return (out / SUMMARY_FILE).exists() and resumed.time >= _end(case) * (1 - 1e-9)


def _tell(line: str) -> None:
    tell(f"warning: {line}", sys.stderr)
