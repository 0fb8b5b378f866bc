"""Variants of a case by name, from a TOML file, for a study that changes several keys at once.

    set = { "grid.spacing" = "25 cm" }          # of all variants, before their own; may be left out

    [[variant]]
    name = "no voltage, same water"
    set = { "schedule.stage.1.voltage" = "0 V", "well.0.max_head" = "100 m" }

The case itself is a variant without `set`.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ekm3d.case.toml_text import toml
from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.study.points import Point, Value
from ekm3d.suggest import suggest
from ekm3d.text_file import NotUTF8, read_text

KEYS = ("name", "set")


@dataclass(frozen=True)
class Variant(Point):
    """Run with a name in place of its values."""

    label: str = ""

    @property
    def shown(self) -> dict[str, str]:
        """Name of the variant, as the column of a table has it."""
        return {"variant": self.label}


def read_variants(file: Path) -> list[Point]:
    """Return the variants of a TOML file; InputError for a wrong one."""
    try:
        data = tomllib.loads(read_text(file))
    except FileNotFoundError:
        raise InputError(f"{file} does not exist") from None
    except (OSError, NotUTF8, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    for key in data:
        if key not in ("set", "variant"):
            raise InputError(f"{file}: unknown key {quoted(key)}"
                             + suggest(key, ("set", "variant")))
    entries, found, names = data.get("variant"), [], set()
    common = _settings(str(file), data.get("set", {}))
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{file}: holds no [[variant]]")
    for n, entry in enumerate(entries):
        place = f"{file}: variant {n}"
        if not isinstance(entry, dict):
            raise InputError(f"{place}: should be a table")
        for key in entry:
            if key not in KEYS:
                raise InputError(f"{place}: unknown key {quoted(key)}" + suggest(key, KEYS))
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip() or name in names:
            raise InputError(f"{place}: name: {quoted(name)} should be text that no other variant "
                             "has")
        names.add(name)
        settings = common | _settings(place, entry.get("set", {}))
        found.append(Variant(tuple((key, Value(toml(value), str(value)))
                                   for key, value in settings.items()), 1, name))
    return list(found)


def _settings(place: str, value: Any) -> dict[str, Any]:
    """Return the keys that a table `set` changes."""
    if not isinstance(value, dict):
        raise InputError(f"{place}: set: should be a table, {{ \"KEY\" = value }}")
    return value
