"""Command line: ekm3d new NAME, ekm3d check CASE, ekm3d run CASE, ekm3d study CASE, ...

One module per command has its grammar, `add_parser`, and its work, `command`; it is imported when
its command is called. Errors are reported here and nowhere else.
"""

import argparse
import gc
import importlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import NoReturn

from ekm3d.cli.help_page import HEADING
from ekm3d.errors import ConvergenceError, Ekm3dError
from ekm3d.parallel.launcher_env import launched
from ekm3d.parallel.team import ALONE, join, silence
from ekm3d.version import __version__

COMMANDS = ("new", "check", "run", "resume", "status", "study", "calibrate", "plot", "report",
            "validate", "compare", "export", "verify", "database", "doctor", "completion")
ON_ALL_RANKS = ("run", "resume")
FAILED, INTERRUPTED, PIPE_CLOSED = ConvergenceError.exit_code, 130, 141
EXAMPLES = f"""{HEADING}
  ekm3d new site && ekm3d run site     a first case
  ekm3d doctor     what works on this computer

`ekm3d COMMAND --help` has examples of every command. Exit codes: 0 done, 1 a verification case
missed its reference, 2 wrong input, 3 the computation failed, 75 a run was asked to stop."""


class Grammar(argparse.ArgumentParser):
    """Grammar of the command line, whose errors say what would be right."""

    def error(self, message: str) -> NoReturn:
        """End with the message and a remedy; exit code 2."""
        strange = message.removeprefix("unrecognized arguments: ")
        if message.endswith(" COMMAND"):
            message += f"; one of {', '.join(COMMANDS)}; {self.prog} --help tells more"
        elif strange != message and not strange.startswith("-"):
            message += "; a value with blanks needs quotes, such as -o grid.spacing=\"5 cm\""
        super().error(message)


def module_of(name: str) -> ModuleType:
    """Return the module of a command."""
    return importlib.import_module(f"ekm3d.cli.{name}")


def parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the grammar of the command line, with these commands."""
    top = Grammar(
        prog="ekm3d", description="Electrokinetic mining of rare earths in 3D.",
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EXAMPLES)
    top.add_argument("--version", action="version", version=f"ekm3d {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module_of(name).add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0 done, 1 a verification case missed, 2 bad input and nothing written, 3 the computation
    failed, 75 a run was asked to stop and can be resumed, 130 interrupted at once, 141 nobody reads
    the output of a command (`| head`). `arguments`: those of the process by default. SystemExit(2)
    for a line that is no command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):        # a terminal that cannot show every letter
            stream.reconfigure(errors="backslashreplace")
    rank, _ = launched()
    if rank:
        silence()                       # rank 0 reports errors in the arguments
    words = sys.argv[1:] if arguments is None else arguments
    with _few_collections(arguments is None):
        args = parser(words[:1] if words and words[0] in COMMANDS else COMMANDS).parse_args(words)
    team = ALONE
    try:
        if args.command in ON_ALL_RANKS:
            team = join(args.mpi)
            return module_of(args.command).command(args, team)
        if rank:
            return 0                    # the other commands use one process
        return module_of(args.command).command(args)
    except Ekm3dError as error:
        return team.failed(_failure(error) if error.exit_code == FAILED else str(error),
                           error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (RuntimeError, OSError) as error:
        return team.failed(_failure(error), FAILED)
    except KeyboardInterrupt:
        return team.failed("ekm3d: interrupted", INTERRUPTED)


@contextmanager
def _few_collections(own: bool) -> Iterator[None]:
    """Collect no garbage while modules are imported, nor look through them ever after.

    That takes a tenth of a second else. own: False leaves the process, another program's, alone.
    """
    if not own:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _failure(error: Exception) -> str:
    """Return the message for a computation that failed."""
    return f"ekm3d: the run failed: {error}"
