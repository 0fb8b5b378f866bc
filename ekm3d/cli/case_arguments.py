"""Arguments of the commands that read a case: `ekm3d run` and `ekm3d check`."""

import argparse
import sys
from collections.abc import Iterable

from ekm3d.backends.choose import BACKENDS
from ekm3d.output.console import tell


def add_case_arguments(parser: argparse.ArgumentParser) -> None:
    """Add CASE, -o KEY=VALUE and --backend."""
    parser.add_argument("case", metavar="CASE", help="directory that holds case.toml")
    parser.add_argument("-o", dest="overrides", action="append", default=[],
                        metavar="KEY=VALUE", help="value in place of that of case.toml, e.g. "
                        '-o grid.spacing="5 cm"; may be given again')
    add_backend(parser)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add --backend."""
    parser.add_argument("--backend", choices=BACKENDS, default="auto",
                        help="what computes (default: auto, the fastest that works here)")


def print_warnings(lines: Iterable[str]) -> None:
    """Print warnings on standard error; rank 0 of a job only, as the others are silenced."""
    for line in lines:
        tell(f"warning: {line}", sys.stderr)
