"""`ekm3d doctor`: what is installed and what works here, each with the remedy in one line."""

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from ekm3d.cli.doctor_checks import BROKEN, WORKS, Check, checks
from ekm3d.cli.help_page import page

CANNOT_RUN = 2
NEEDED = ("ekm3d", "packages")          # without these nothing runs
WIDTH = 100


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d doctor`."""
    parser = commands.add_parser("doctor", **page(
        "say what is installed and what works on this computer\n"
        "Exit code 0 unless the program cannot run at all (2).",
        "ekm3d doctor", "ekm3d doctor --json"))
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def command(args: argparse.Namespace) -> int:
    """Print the checks; 0, or CANNOT_RUN."""
    found = checks()
    print(json.dumps([asdict(check) for check in found], indent=1) if args.json else text(found))
    return CANNOT_RUN if any(c.state == BROKEN and c.name in NEEDED for c in found) else 0


def text(found: Sequence[Check]) -> str:
    """Return the checks as lines of a terminal."""
    lines = []
    for check in found:
        lines += textwrap.wrap(f"{check.state:8} {check.name:9} {check.found}", WIDTH,
                               subsequent_indent=" " * 19)
        if check.remedy and check.state != WORKS:
            lines += textwrap.wrap(f"-> {check.remedy}", WIDTH, initial_indent=" " * 19,
                                   subsequent_indent=" " * 22)
    return "\n".join(lines)
