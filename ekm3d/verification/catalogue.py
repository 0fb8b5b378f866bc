"""The verification cases shipped with the program, and the choice among them by name."""

from collections.abc import Iterable
from pathlib import Path

from ekm3d.case.problems import CaseError
from ekm3d.quoting import quoted
from ekm3d.resources import folder
from ekm3d.suggest import suggest
from ekm3d.verification.spec import FILE


def available() -> dict[str, Path]:
    """Return {name: directory} of the shipped verification cases."""
    paths = sorted((folder("cases") / "verification").glob(f"*/{FILE}"))
    return {path.parent.name: path.parent for path in paths}


def chosen(names: Iterable[str]) -> list[Path]:
    """Return the directories of the named cases, of all cases if none is named.

    A name is that of a folder, a path to a directory with a verify.toml, or the part of a
    folder's name before the first underscore: "d2" for d2_two_layers. CaseError if nothing, or
    more than one folder, answers to it.
    """
    known = available()
    return [_directory(name, known) for name in names or known]


def _directory(name: str, known: dict[str, Path]) -> Path:
    if name in known:
        return known[name]
    if (Path(name) / FILE).is_file():
        return Path(name)
    matches = [full for full in known if full.partition("_")[0] == name]
    if len(matches) > 1:
        raise CaseError([f"verification case {quoted(name)} is ambiguous: {', '.join(matches)}"])
    if not matches:
        raise CaseError([f"no verification case {quoted(name)}" + suggest(name, known)])
    return known[matches[0]]
