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


@dataclass(frozen=True)
class Template:
    """Folder below cases/templates, or a shipped case; files: those of other cases that go with it.

    folder: of the case below cases, "" for the folder of the template's name.
    """

    meaning: str
    files: tuple[str, ...] = ()
    folder: str = ""


TEMPLATES = {
    "field": Template("a site: layers of ore, two rows of electrodes, feed and leachate",
                      ("field_block/database.toml",)),
    "column": Template("a column in the laboratory: two plates and a pump, one dimension",
                       ("field_block/database.toml",)),
    "two-electrodes": Template("two strips in a box of ore, with the package's database"),
    "industrial": Template("5,000 t for 60 days: deep rods, a third powered in turn, a barrier",
                           ("field_block/database.toml",), "industrial"),
    "hillside": Template("a hillside: block model, drill holes, unsaturated ground, rods in turn",
                         ("field_block/database.toml",), "hillside")}
CASE_FILE = "case.toml"


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
    parser.add_argument("--list", action="store_true", help="list the templates")


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
        (f"{Path(args.name) / CASE_FILE}", "has comments throughout: change it"),
        *((f"{text}", "what it shows as it is shipped")
          for text in sorted(Path(args.name).glob("*.md")))], "<<")]))
    return 0


def write(template: str, directory: Path) -> None:
    """Make the directory with all files of a template, at once or not at all.

    OutputError where it exists or cannot be made.
    """
    if directory.exists() or directory.is_symlink():
        raise OutputError(f"{directory} exists, and nothing is overwritten; give another NAME")
    cases = folder("cases")
    chosen = TEMPLATES[template]
    here = cases / (chosen.folder or f"templates/{template}")
    sources = [*(path for ending in ("toml", "csv", "md") for path in sorted(
        here.glob(f"*.{ending}"))), *(cases / name for name in chosen.files)]
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".ekm3d-new-", dir=directory.parent))
        try:
            for source in sources:
                text = source.read_text(encoding="utf-8")
                if source.parent == here:
                    text = _of_its_own(_page(text) if source.suffix == ".md" else text, chosen,
                                       _word(str(directory)))
                (draft / source.name).write_text(text, encoding="utf-8")
            draft.chmod(0o777 & ~_umask())
            os.rename(draft, directory)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{directory} cannot be made: {error.strerror}; give another NAME"
                          ) from None


def _page(text: str) -> str:
    """Return the page of a shipped case without what is not beside it: pictures, links out of it.

    The command that makes the directory is left out as well.
    """
    text = "".join(line for line in text.splitlines(keepends=True)
                   if not line.startswith(("![", "ekm3d new ")))
    text = text.replace("\n\n\n", "\n\n")
    return re.sub(r"\[(?:\.\./)?([^\]]+)\]\(\.\./[^)]*\)", r"\1", text)


def _of_its_own(text: str, template: Template, name: str) -> str:
    """Return a file of a template for a directory: its name in commands, and files beside it."""
    text = text.replace(" NAME", f" {name}")
    if template.folder:
        text = text.replace(f"cases/{template.folder}", name)
    for file in template.files:
        text = text.replace(f'"../{file}"', f'"{Path(file).name}"')
        text = text.replace(f'folders = ["../{Path(file).parent}"]\n', "")
    return text


def _umask() -> int:
    """Return the mask of this process for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _word(name: str) -> str:
    """Return a path as one word of a command line."""
    return f'"{name}"' if any(c.isspace() for c in name) else name
