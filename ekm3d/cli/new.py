"""`ekm3d new`: write a commented case directory that runs as it is, to start a case from."""

import argparse
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ekm3d.cli.help_page import page
from ekm3d.errors import InputError, OutputError
from ekm3d.resources import folder
from ekm3d.text_table import table


CASE_FILE = "case.toml"


@dataclass(frozen=True)
class Template:
    """Folder below cases/templates, or `case`, one of the cases; files: those of other cases that go
    with it, and that its text then finds beside it.
    """

    meaning: str
    files: tuple[str, ...] = ()
    case: str | None = None

    def sources(self, cases: Path, name: str) -> list[Path]:
        """Return all files of the template of a name."""
        own = cases / "templates" / name if self.case is None else cases / self.case
        return [*sorted(path for path in own.iterdir() if path.suffix in (".toml", ".csv")),
                *(cases / file for file in self.files)]

    def text(self, source: Path, directory: str) -> str:
        """Return the text of a file, with the name of the new directory in comments of commands."""
        text = source.read_text(encoding="utf-8")
        if source.name != CASE_FILE:
            return text
        if self.case is not None:
            text = re.sub(r"(?m)^folders = .*\n", "", text)
            text = re.sub(rf"ekm3d (\w+) cases/{self.case}\b", r"ekm3d \1 NAME", text)
            for file in self.files:
                text = text.replace(f'"../{file}"', f'"{Path(file).name}"')
        return text.replace(" NAME", f" {_word(directory)}")


TEMPLATES = {
    "field": Template("a site: layers of ore, two rows of electrodes, feed and leachate",
                      ("field_block/database.toml",)),
    "column": Template("a column in the laboratory: two plates and a pump, one dimension",
                       ("field_block/database.toml",)),
    "two-electrodes": Template("two strips in a box of ore, with the package's database"),
    "hillside": Template("a hillside: block model, drill holes, topography, unsaturated ground, rods "
                         "in turn", ("field_block/database.toml",), "hillside")}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d new`."""
    parser = commands.add_parser("new", **page(
        "write a case directory that runs as it is, to start a case from\n"
        "Nothing is ever overwritten: NAME must not exist.",
        "ekm3d new site --template field", "ekm3d new bench/column1 --template column",
        "ekm3d new --list     the templates"))
    parser.add_argument("name", metavar="NAME", nargs="?", help="directory to make")
    parser.add_argument("--template", choices=list(TEMPLATES), default="field",
                        help="the case to start from (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="tell what there is")


def command(args: argparse.Namespace) -> int:
    """Write the case; InputError or OutputError, and nothing is written, where that cannot be."""
    if args.list:
        print("\n".join(table([(name, t.meaning) for name, t in TEMPLATES.items()], "<<")))
        return 0
    if not args.name:
        raise InputError("ekm3d new: give NAME, the directory to make; --list tells the templates")
    write(args.template, Path(args.name))
    print("\n".join([f"{args.name}: {TEMPLATES[args.template].meaning}", *table([
        (f"ekm3d check {_word(args.name)}", "what it means, in SI; nothing is run"),
        (f"ekm3d run {_word(args.name)}", f"results go to {Path(args.name) / 'out'}"),
        (f"{Path(args.name) / CASE_FILE}", "has comments throughout: change it")], "<<")]))
    return 0


def write(template: str, directory: Path) -> None:
    """Make the directory with all files of a template, at once or not at all.

    OutputError where it exists or cannot be made.
    """
    if directory.exists() or directory.is_symlink():
        raise OutputError(f"{directory} exists, and nothing is overwritten; give another NAME")
    found = TEMPLATES[template]
    sources = found.sources(folder("cases"), template)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".ekm3d-new-", dir=directory.parent))
        try:
            for source in sources:
                (draft / source.name).write_text(found.text(source, str(directory)),
                                                 encoding="utf-8")
            draft.chmod(0o777 & ~_umask())
            os.rename(draft, directory)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{directory} cannot be made: {error.strerror}; give another NAME"
                          ) from None


def _umask() -> int:
    """Return the mask of this process for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _word(name: str) -> str:
    """Return a path as one word of a command line."""
    return f'"{name}"' if any(c.isspace() for c in name) else name
