"""TOML texts, read within bounds: the one place where `tomllib` is called.

The reader of Python's library descends once per bracket and per part of a dotted key, takes
integers of any length, and is slow on long dotted keys. A text is therefore measured before it is
read, and its integers are checked afterwards (TOML promises those of 64 bits).
"""

import re
import tomllib
from typing import Any

from ekm3d.quoting import quoted

DEEPEST = 24                    # nested lists and tables, parts of a dotted key
LONGEST = 400                   # characters of a key, number or date
LARGEST_TEXT = 2**22            # characters of a text
LARGEST = 2**63                 # integers lie below it
# Every alternative takes what it begins: an unclosed string goes on to the end of its line or text.
PIECE = re.compile(r'"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|\'\'\'.*?(?:\'{3,5}|\Z)'
                   r'|"(?:\\.|[^"\\\n])*+"?|\'[^\'\n]*+\'?|#[^\n]*+|[\[\]{}=\n,.]'
                   r'|[^\s\[\]{}=#"\',.]++|.', re.DOTALL)


class NotTOML(ValueError):
    """Text that is not TOML, or beyond the bounds.

    line, column: where, from 1, 0 where it is not known; path: keys and list numbers of a value.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0,
                 path: tuple[str | int, ...] = ()):
        super().__init__(message)
        self.line, self.column, self.path = line, column, path


def parsed(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text; NotTOML."""
    _measure(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        place = re.search(r"at line (\d+), column (\d+)", str(e))
        message = re.sub(r"\s*\(at .*\)$", "", str(e))
        raise NotTOML(message, *(map(int, place.groups()) if place else ())) from None
    except RecursionError:
        raise NotTOML(f"it is nested more than {DEEPEST} deep") from None
    except ValueError as e:             # of the number or the date that a value looks like
        raise NotTOML(str(e)) from None
    _check(data)
    return data


def _measure(text: str) -> None:
    """Raise NotTOML where the text is too long, or anything in it too deep or too long."""
    if len(text) > LARGEST_TEXT:
        raise NotTOML(f"it has {len(text):,} characters, more than the {LARGEST_TEXT:,} of a text "
                      "that a person wrote; keep long tables in CSV, .npy or HDF5 files")
    line, depth, dots = 1, 0, 0
    for match in PIECE.finditer(text):
        piece, reason = match[0], ""
        if piece in "[{":
            depth += 1
        elif piece in "]}":
            depth = max(depth - 1, 0)
        dots = 0 if piece in "\n=,[]{}" else dots + (piece == ".")
        if depth > DEEPEST or dots >= DEEPEST:
            reason = f"it is nested more than {DEEPEST} deep"
        elif len(piece) > LONGEST and piece[0] not in "#\"'":
            reason = f"a key or a number of {len(piece):,} characters"
        if reason:
            raise NotTOML(reason, line, match.start() - text.rfind("\n", 0, match.start()))
        line += piece.count("\n")


def _check(data: dict[str, Any]) -> None:
    """Raise NotTOML where values are nested too deeply, or an integer has more than 64 bits."""
    left: list[tuple[Any, tuple[str | int, ...]]] = [(data, ())]
    while left:
        value, path = left.pop()
        if len(path) > 2 * DEEPEST:
            raise NotTOML(f"is nested more than {DEEPEST} deep", path=path)
        if isinstance(value, dict):
            left += [(part, (*path, key)) for key, part in value.items()]
        elif isinstance(value, list):
            left += [(part, (*path, n)) for n, part in enumerate(value)]
        elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
            raise NotTOML(f"is {quoted(value, 60)}, too large for an integer of TOML", path=path)
