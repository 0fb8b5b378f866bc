"""`ekm3d export`: results of a run for every block of the mine's model."""

import argparse
import os
import sys
from pathlib import Path

from ekm3d.cli.help_page import page
from ekm3d.errors import InputError
from ekm3d.export.blocks import Ore, model_of, results_of
from ekm3d.export.formats import WRITERS, need_package
from ekm3d.output.console import tell


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d export`."""
    parser = commands.add_parser(
        "export", **page(
            "write what is left in, and was removed from, every block of a block model",
            "ekm3d export site                     blocks_NAME.csv among the results",
            "ekm3d export site --to csv,parquet,omf --out mine"))
    parser.add_argument("place", metavar="CASE|DIR", help="a case with results, or their directory")
    parser.add_argument("--to", metavar="FORMATS", default="csv",
                        help="csv, parquet, omf, or several with commas (default: csv)")
    parser.add_argument("--model", metavar="NAME", help="the [[block_model]] (default: the only "
                        "one of the case)")
    parser.add_argument("--case", metavar="CASE", help="directory with the files of the case "
                        "(default: where it was run)")
    parser.add_argument("--out", metavar="DIR", help="where the files go (default: the results)")


def command(args: argparse.Namespace) -> int:
    """Write the files and print their paths; 0. ResultsError, CaseError, InputError."""
    formats = [word.strip() for word in args.to.split(",")]
    for word in formats:
        if word not in WRITERS:
            raise InputError(f"--to {args.to}: {word!r} is no format; there are "
                             f"{', '.join(WRITERS)}")
        need_package(word)
    run = Ore.of(args.place)
    directory = _case_directory(args, run)
    model = model_of(run, directory, args.model)
    results = results_of(run, model)
    for line in changed(run, directory, model.entry.file):
        tell(f"warning: {line}", sys.stderr)
    folder = Path(args.out) if args.out else run.directory
    folder.mkdir(parents=True, exist_ok=True)
    for word in formats:
        path = folder / f"blocks_{model.name}.{word}"
        WRITERS[word](results, path)
        print(path, flush=True)
    return 0


def _case_directory(args: argparse.Namespace, run: Ore) -> Path:
    """Return the directory that has the files of the case; InputError."""
    places = [Path(args.case)] if args.case else [
        Path(args.place), run.directory.resolve().parent,
        Path(run.provenance.get("case_directory", args.place))]
    for place in places:
        if (place / "case.toml").is_file():
            return place
    raise InputError(f"{args.case or args.place}: no case.toml there, so that the block model is "
                     "not found; name the directory of the case with --case")


def changed(run: Ore, directory: Path, name: str) -> list[str]:
    """Return a warning where a file of the case is no longer what the run has read."""
    from ekm3d.case.case_files import CaseFiles
    from ekm3d.case.extends import bases

    above = bases(directory)
    place = next((base for base in (directory, *above) if (base / name).exists()), directory)
    key = Path(os.path.relpath(place / name, directory)).as_posix()
    known = run.provenance.get("case_files_sha256", {}).get(key)
    files = CaseFiles(directory, above)
    files.take(place / name)
    now = files.digests.get(key)
    return [f"{name} has changed since the run: results stand beside other blocks than it was "
            "made from"] if known and now != known else []
