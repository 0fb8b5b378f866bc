"""`ekm3d compare`: several runs side by side, differences first."""

import argparse
import sys
from pathlib import Path

from ekm3d.cli import help_page
from ekm3d.errors import OutputError
from ekm3d.output.console import tell
from ekm3d.text_table import table
from ekm3d.view.comparison import SAME, difference, input_rows, names, page, rows
from ekm3d.view.extras import ViewError
from ekm3d.view.page import written
from ekm3d.view.prices import prices
from ekm3d.view.run import Run

DEFAULT = "comparison.html"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d compare`."""
    parser = commands.add_parser(
        "compare", **help_page.page(
            "compare runs with the first of them, differences first: a table, and an HTML page",
            "ekm3d compare runs/default runs/no_feed runs/feed_1e-6"))
    parser.add_argument("places", metavar="CASE|DIR", nargs="+",
                        help="results, or cases with results; at least two")
    parser.add_argument("--out", metavar="FILE", default=DEFAULT,
                        help=f"where the page goes (default: {DEFAULT})")
    parser.add_argument("--force", action="store_true", help="replace a page that is there")
    parser.add_argument("--prices", metavar="FILE", help="TOML with prices, as for `ekm3d report`")


def command(args: argparse.Namespace) -> int:
    """Print the table, write the page and print its path; 0. ViewError, ResultsError.

    Without the extra the table alone, and one sentence about it. OutputError where the page would
    replace a file.
    """
    if len(args.places) < 2:
        raise ViewError("compare needs at least two runs: ekm3d compare A B")
    runs = [Run.of(place) for place in args.places]
    if Path(args.out).exists() and not args.force:
        raise OutputError(f"{args.out} exists; give --force to replace it, or --out FILE")
    money = prices(runs[0], Path(args.prices) if args.prices else None)
    labels = names(runs)
    changed = input_rows(runs)
    found = rows(runs, money)
    differing = [row for row in found if row.largest > SAME]
    if changed:
        tell("what was changed")
        tell("\n".join(table([("", *labels), *((key, *values) for key, values in changed)], "<")))
    tell("what came out differently, the largest difference first" if differing
         else "nothing came out differently")
    lines = [[row.name, row.texts[0]]
             + [f"{text}  {difference(d, (row.texts[0], text)):>8}" for text, d in zip(
                 row.texts[1:], row.differences, strict=True)] for row in differing]
    if lines:
        tell("\n".join(table([["", *labels], *lines], "<")))
    tell(f"  {len(found) - len(differing)} other numbers are the same")
    try:
        tell(str(written(Path(args.out), page(runs, money))))
    except ViewError as error:
        tell(f"no page: {error}", sys.stderr)
    return 0
