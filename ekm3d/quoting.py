"""Values and texts of the user as they stand in a message: short, legible, without internals.

A value that is wrong may be a number of a million digits, a table of a thousand keys or a text of
control characters. A message shows its beginning.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

LONGEST, WHOLE = 80, 400          # characters of a quoted value, and of a whole message
LARGEST = 10**20                  # integers from here on are described, not written
OBJECT = re.compile(r"<[\w.]+(?: \w+)* at 0x[0-9a-fA-F]+>")     # in messages of libraries
PARTS = 4                         # entries of a list or a table that are shown
UNREADABLE = "(unreadable)"       # for anything else


def quoted(value: Any, longest: int = LONGEST) -> str:
    """Return a value as Python writes it, cut to `longest` characters; no control characters.

    Integers that are too long are described, and nested tables shortened.
    """
    return _cut(_written(value, 2), longest)


def legible(text: str, longest: int = WHOLE) -> str:
    """Return the text of a message in one line of at most `longest` characters.

    The middle of a longer one is left out: its beginning names the place, its end the remedy.
    """
    text = OBJECT.sub("...", text)
    if len(text) > longest:
        half = (longest - 5) // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return "".join(c if _shown(c) else " " if c in "\n\r\t" else _escape(c) for c in text)


def some(names: Iterable[Any], most: int = 8) -> str:
    """Return the first names of a list as text, and the number of the others."""
    names = [_cut(str(name), 40) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return legible((", ".join(names[:most]) or "none") + more)


def _written(value: Any, depth: int) -> str:
    """Return the text of a value, nested ones down to `depth`."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return repr(value if len(value) <= 2 * LONGEST else value[:2 * LONGEST])
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LARGEST:
        return f"an integer of about {int(value.bit_length() * 0.30103) + 1} digits"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, dict):
        if not depth:
            return "{...}"
        parts = [f"{_written(k, 0)}: {_written(v, depth - 1)}"
                 for k, v in list(value.items())[:PARTS]]
        return "{" + ", ".join(parts + ["..."] * (len(value) > PARTS)) + "}"
    if isinstance(value, (list, tuple)):
        if not depth:
            return "[...]"
        parts = [_written(v, depth - 1) for v in value[:PARTS]]
        return "[" + ", ".join(parts + ["..."] * (len(value) > PARTS)) + "]"
    if type(value).__module__ == "datetime":
        return str(value)
    return UNREADABLE


def _cut(text: str, longest: int) -> str:
    """Return at most `longest` characters of a text."""
    return text if len(text) <= longest else text[:longest - 3] + "..."


def _shown(character: str) -> bool:
    """Return True for what a terminal shows as it is, and neither moves nor turns its text."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    """Return the number of a character."""
    return f"\\u{ord(character):04x}"
