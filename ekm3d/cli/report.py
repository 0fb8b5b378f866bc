"""`ekm3d report`: one HTML page about a run."""

import argparse
import sys
from pathlib import Path

from ekm3d.cli.help_page import page
from ekm3d.output.console import tell
from ekm3d.view.page import written
from ekm3d.view.report import Sources, report
from ekm3d.view.run import Run


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d report`."""
    parser = commands.add_parser(
        "report", **page(
            "write a report of a run: one HTML file that needs no network",
            "ekm3d report cases/field_block",
            "ekm3d report cases/field_block --prices prices.toml --3d"))
    parser.add_argument("place", metavar="CASE|DIR", help="a case with results, or their directory")
    parser.add_argument("--out", metavar="FILE", help="where the page goes (default: report.html "
                        "among the results)")
    parser.add_argument("--prices", metavar="FILE", help="TOML with prices of electricity, "
                        "ammonium salt, water and oxides (default: prices.toml of the case)")
    parser.add_argument("--targets", metavar="FILE", help="CSV of targets (default: targets.csv or "
                        "paper.csv of the case)")
    parser.add_argument("--3d", dest="scene", action="store_true",
                        help="write an interactive page beside it, and link it")


def command(args: argparse.Namespace) -> int:
    """Write the page and print its path; 0. ViewError, ResultsError or InputError."""
    run = Run.of(args.place)
    path = Path(args.out) if args.out else run.directory / "report.html"
    scene = ""
    if args.scene:
        from ekm3d.view.interactive import interactive

        made = interactive(run, path.with_name(f"{path.stem}_3d.html"),
                           lambda line: tell(line, sys.stderr))
        scene = made.name if made is not None else ""
    sources = Sources(Path(args.prices) if args.prices else None,
                      Path(args.targets) if args.targets else None, scene)
    print(written(path, report(run, sources)))
    return 0
