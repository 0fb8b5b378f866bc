"""Case that starts from another one: `extends = "../bench_ekm"`.

Tables of the two files are merged key by key; any other value, a list included, replaces that of
the other case. Files are looked for in the directory of the case, then in that of the other one;
`start.run` and `folders` are taken from the directory of the case that has them.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ekm3d.case.problems import CaseError, KeyPath
from ekm3d.case.toml_text import key_lines, load, toml
from ekm3d.quoting import quoted
from ekm3d.text_file import NotUTF8, read_text

FILE, KEY = "case.toml", "extends"
LONGEST = 8                     # cases one upon the other


@dataclass(frozen=True)
class Sources:
    """Text of a case with those that it extends.

    text: TOML of all together, that of case.toml where it extends none; own: text of case.toml;
    places: {path: "file:line"} of values of other cases; bases: their directories, nearest first.
    """

    text: str
    own: str
    places: dict[KeyPath, str] = field(default_factory=dict)
    bases: tuple[Path, ...] = ()


def case_text(directory: Path) -> Sources:
    """Return the text of the case in a directory; CaseError where it cannot be read."""
    own = _text(directory)
    if KEY not in own:                              # most cases, and not read twice
        return Sources(own, own)
    data = load(own)[0]
    if KEY not in data:
        return Sources(own, own)
    bases: list[Path] = []
    merged, places = _merged(directory, data, FILE, own, bases)
    own_lines = key_lines(own)
    return Sources(_dumped(merged), own,
                   {path: place for path, place in places.items() if path not in own_lines},
                   tuple(bases))


def bases(directory: Path) -> tuple[Path, ...]:
    """Return the directories of the cases that a case extends, nearest first; () if unreadable."""
    try:
        return case_text(directory).bases
    except CaseError:
        return ()


def _merged(directory: Path, data: dict[str, Any], name: str, text: str, above: list[Path]
            ) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """Return (data of a case with what it extends, {path: "file:line"}); adds to `above`."""
    places = {path: f"{name}:{line}" for path, line in key_lines(text).items()}
    if KEY not in data:
        return data, places
    own = {key: value for key, value in data.items() if key != KEY}
    where = places[(KEY,)]
    if not isinstance(data[KEY], str) or "\0" in data[KEY]:
        raise CaseError([f"{where}: {KEY}: should be the directory of another case, such as "
                         f"\"../bench\", not {quoted(data[KEY])}"])
    base = Path(os.path.normpath(directory / data[KEY]))
    if not os.path.isfile(base / FILE):             # False, too, for names that are too long
        raise CaseError([f"{where}: {KEY}: there is no case in {quoted(data[KEY])}; name a "
                         "directory that holds case.toml, from that of this case"])
    known = [os.path.realpath(path) for path in (directory, *above)]
    if os.path.realpath(base) in known or len(above) >= LONGEST:
        raise CaseError([f"{where}: {KEY}: {quoted(data[KEY])} extends this case in its turn, or "
                         f"more than {LONGEST} cases extend one another"])
    above.append(base)
    read = _text(base)
    other, others = _merged(base, load(read, file=f"{data[KEY]}/{FILE}")[0],
                            f"{data[KEY]}/{FILE}", read, above)
    theirs = other.pop("folders", [])
    if not isinstance(theirs, list) or not all(isinstance(folder, str) for folder in theirs):
        raise CaseError([f"{others[('folders',)]}: folders: should be a list of directories, such "
                         f"as [\"../tables\"], not {quoted(theirs)}"])
    folders = [os.path.relpath(base / folder, directory) for folder in theirs]
    begin = other.get("start")
    if isinstance(begin, dict) and isinstance(begin.get("run"), str):
        other["start"] = begin | {"run": _seen_from(directory, base, begin["run"])}
    mine = own.get("folders", [])
    if isinstance(mine, list):
        own["folders"] = [*mine, data[KEY], *folders]
    merged = _over(other, own, (), others)
    return merged, others | places


def _seen_from(directory: Path, base: Path, place: str) -> str:
    """Return a place named from `base` as it is named from `directory`."""
    return place if os.path.isabs(place) or "\0" in place else os.path.relpath(
        base / place, directory)


def _over(base: dict[str, Any], own: dict[str, Any], path: KeyPath, places: dict[KeyPath, str]
          ) -> dict[str, Any]:
    """Return two tables as one; what is replaced loses its places."""
    out = dict(base)
    for key, value in own.items():
        below = (*path, key)
        if isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = _over(out[key], value, below, places)
            continue
        for gone in [place for place in places if place[:len(below)] == below]:
            del places[gone]
        out[key] = value
    return out


def _dumped(data: dict[str, Any]) -> str:
    """Return the text of tables, one line per key of a table."""
    plain = [f"{toml_key(key)} = {toml(value)}" for key, value in data.items()
             if not isinstance(value, dict)]
    tables = []
    for key, table in data.items():
        if isinstance(table, dict):
            tables += ["", f"[{toml_key(key)}]",
                       *(f"{toml_key(name)} = {toml(value)}" for name, value in table.items())]
    return "\n".join(["# Of several case.toml, merged", *plain, *tables]) + "\n"


def toml_key(key: str) -> str:
    """Return a key as it stands in TOML."""
    return key if key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key) \
        else toml(key)


def _text(directory: Path) -> str:
    """Return the text of case.toml."""
    file = directory / FILE
    try:
        return read_text(file)
    except NotUTF8 as e:
        raise CaseError([f"{FILE}:{e.line}: {e}"]) from None
    except (OSError, ValueError) as e:
        if directory.is_file():
            reason = "it is a file; give the directory that holds case.toml"
        elif not directory.is_dir():
            reason = "there is no such directory"
        elif not file.exists():
            reason = "there is no case.toml in it"
        else:
            reason = f"case.toml cannot be read: {getattr(e, 'strerror', None) or e}"
        raise CaseError([f"{directory}: not a case: {reason}"]) from None
