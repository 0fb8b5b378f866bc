"""`ekm3d plot`: pictures of a run: views in three dimensions, slices, curves, animations."""

import argparse
import sys
from pathlib import Path

import numpy as np

from ekm3d.case.units import not_negative
from ekm3d.cli.help_page import page
from ekm3d.constants import HOUR
from ekm3d.errors import InputError
from ekm3d.output.console import tell
from ekm3d.view import plot
from ekm3d.view.run import Run


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d plot`."""
    parser = commands.add_parser(
        "plot", **page(
            "draw a run: 3D views, slices and curves as PNG files",
            "ekm3d plot cases/field_block",
            'ekm3d plot cases/field_block --time 12h --time "5 days" --field pH',
            "ekm3d plot cases/field_block --animate     a film as well"))
    parser.add_argument("place", metavar="CASE|DIR", help="a case with results, or their directory")
    parser.add_argument("--out", metavar="DIR", help="where pictures go (default: plots beside "
                        "the results)")
    parser.add_argument("--time", dest="times", action="append", default=[], metavar="TIME",
                        help='time of slices, such as 24h or "5 days" (the nearest snapshot); may '
                        "be given again; by default the first, the middle and the last, of "
                        "potential and current of those with power on")
    parser.add_argument("--field", dest="fields", action="append", default=[], metavar="NAME",
                        help="REE, pH, phi, current, or a field of fields.vtkhdf; may be given "
                        "again; by default those that tell most")
    parser.add_argument("--animate", action="store_true", help="write an MP4 and a GIF as well")
    parser.add_argument("--flat", action="store_true", help="draw without pyvista")


def command(args: argparse.Namespace) -> int:
    """Draw the pictures and print their paths; 0. ViewError, ResultsError or InputError."""
    run = Run.of(args.place)
    chosen = plot.Choice(tuple(snapshots(run, args.times)), tuple(args.fields), args.animate,
                         args.flat, bool(args.times))
    folder = Path(args.out) if args.out else run.directory / "plots"
    for path in plot.pictures(run, folder, chosen, lambda line: tell(line, sys.stderr)):
        print(path, flush=True)
    return 0


def snapshots(run: Run, times: list[str]) -> list[int]:
    """Return the snapshots nearest to the times, or the first, the middle and the last."""
    count = len(run.times)
    if not times:
        return sorted({0, count // 2, count - 1})
    hours = [hour(text) for text in times]
    found = sorted({run.index(h) for h in hours})
    outside = [h for h in hours if not -1e-9 <= h <= run.times[-1] * (1 + 1e-9) + 1e-9]
    if outside:
        raise InputError(f"--time {outside[0]:g} h: the run has snapshots from 0 to "
                         f"{np.max(run.times):.6g} h")
    return found


def hour(text: str) -> float:
    """Return a time [h] from text with a unit; InputError."""
    try:
        return not_negative("s", "24 h").read(text) / HOUR
    except ValueError as error:
        raise InputError(f"--time {text}: {error}; write 24h or \"5 days\"") from None
