"""Points of a study: what its runs change in the case, from `-o KEY=A,B,C`.

    grid.spacing=20 cm, 10 cm            two values, separated by commas
    well.0.flux=0 m/s                    one value, the same in all runs
    grid.spacing=[["10 cm", "1 m", "1 m"], ["5 cm", "1 m", "1 m"]]
                                         a TOML list: its items are the values, here two lists
    title=["salt, then water"]           so this is one value, with a comma in it

Commas inside of quotes, brackets and braces separate nothing. Several keys are combined, every
value with every other, or in pairs: the first with the first, and so on.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ekm3d.case.toml_text import toml
from ekm3d.errors import InputError

LONGEST = 80        # letters of a directory's name
USAGE = 'write -o KEY=A,B,C, e.g. -o "well.0.flux=0 m/s, 1e-6 m/s"'


@dataclass(frozen=True)
class Value:
    """One value of a key: the text for `-o`, and the one for people."""

    text: str
    shown: str


@dataclass(frozen=True)
class Point:
    """One run of a study: (key, value) pairs, those first that vary from run to run."""

    values: tuple[tuple[str, Value], ...]
    varied: int

    @property
    def overrides(self) -> list[str]:
        """Values that `ekm3d run` is given with -o."""
        return [f"{key}={value.text}" for key, value in self.values]

    @property
    def shown(self) -> dict[str, str]:
        """{key: value in words} of the keys that vary."""
        return {key: value.shown for key, value in self.values[:self.varied]}

    @property
    def name(self) -> str:
        """Name of the run's directory: its values, in letters that every file system takes."""
        text = "_".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.shown.items())
        name = re.sub(r"[^A-Za-z0-9.+=-]+", "_", text).strip("_.") or "run"
        digest = hashlib.sha256(json.dumps(self.overrides).encode()).hexdigest()[:6]
        return f"{name[:LONGEST]}-{digest}"


def points(assignments: Iterable[str], pairs: bool = False) -> list[Point]:
    """Return the runs of a study: the product of all values, or pairs of them.

    InputError for an assignment that is none, a key given twice, or lists of different lengths.
    """
    keys: dict[str, list[Value]] = {}
    for text in assignments:
        key, found = values(text)
        if key in keys:
            raise InputError(f"-o {key} is given twice; give all its values at once")
        keys[key] = found
    many = {key: found for key, found in keys.items() if len(found) > 1}
    fixed = tuple((key, found[0]) for key, found in keys.items() if len(found) == 1)
    if pairs and len({len(found) for found in many.values()}) > 1:
        raise InputError("--zip pairs the values one by one, but there are " + ", ".join(
            f"{len(found)} of {key}" for key, found in many.items()))
    combined = zip(*many.values(), strict=True) if pairs and many else product(*many.values())
    return [Point((*zip(many, found, strict=True), *fixed), len(many)) for found in combined]


def values(assignment: str) -> tuple[str, list[Value]]:
    """Return (key, values) of "KEY=A,B,C"; InputError if it is none."""
    key, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals or not key or not text:
        raise InputError(f"-o {assignment}: {USAGE}")
    listed = _toml(text)
    if isinstance(listed, list):
        found = [Value(toml(item), item if isinstance(item, str) else toml(item))
                 for item in listed]
    else:
        found = [Value(part, _unquoted(part)) for part in split(text)]
    if not found or any(not value.text for value in found):
        raise InputError(f"-o {assignment}: a value is missing; {USAGE}")
    if len({value.text for value in found}) < len(found):
        raise InputError(f"-o {assignment}: a value is there twice")
    return key, found


def split(text: str) -> list[str]:
    """Return the parts of a text between commas outside of quotes, brackets and braces."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _toml(text: str) -> Any:
    """Return the text as a TOML value; None where it is none."""
    try:
        return tomllib.loads(f"value = {text}").get("value")
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _unquoted(text: str) -> str:
    """Return a value for people: text without its quotes."""
    read = _toml(text)
    return read if isinstance(read, str) else text


def numeric(shown: Sequence[str]) -> tuple[list[float], str] | None:
    """Return (numbers, unit) of values such as "5 cm" with one unit; None for any others."""
    found = [re.fullmatch(r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([^0-9\s].*)?", text)
             for text in shown]
    if not found or any(match is None for match in found):
        return None
    units = {(match[2] or "").strip() for match in found if match}
    return ([float(match[1]) for match in found if match], units.pop()) if len(units) == 1 else None
