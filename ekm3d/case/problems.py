"""Problems found in a case file, each with its line, and the stand-in for missing values.

A value that could not be read is replaced by MISSING, which raises `MissingValue` on any use. The
checks continue after the first mistake: each check that needs the missing value stops without a
message of its own, and the user sees all problems at once.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from ekm3d.errors import InputError
from ekm3d.quoting import UNREADABLE, legible, quoted

KeyPath = tuple[str | int, ...]     # ("schedule", "stage", 0, "duration"): keys and list numbers
# Names head columns and name datasets: no sign of a table or a path, nothing invisible but blanks.
NAME = r"(?!\s*\Z)(?!\.+\Z)[^/\\,\"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,100}"
NAME_RULE = "a slash, a comma, a quote, a line break, a control character or over 100 letters"
MOST = 100                          # problems that are listed


class CaseError(InputError):
    """Error of a wrong case; `lines` holds one problem each."""

    def __init__(self, lines: Iterable[str]):
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class MissingValue(Exception):
    """Use of a value that could not be read; the reason is among the problems already."""


def _refuse(*_: Any) -> NoReturn:
    """Raise MissingValue."""
    raise MissingValue


MISSING: Any = type("Missing", (), {
    f"__{name}__": _refuse for name in
    "getattr iter len bool float contains getitem eq lt le gt ge add radd sub rsub mul rmul "
    "truediv rtruediv neg pos abs pow rpow fspath".split()} | {
        "__hash__": object.__hash__, "__repr__": lambda _: UNREADABLE, "__array_ufunc__": None})()


class Problems:
    """Collection of problems, each with its place in the file.

    lines: {key path: line number} of the file, see `ekm3d.case.toml_text.key_lines`.
    """

    def __init__(self, file: str = "case.toml", lines: Mapping[KeyPath, int] | None = None):
        self.file, self.lines = file, lines or {}
        self.places: Mapping[KeyPath, str] = {}     # "file:line" of what other files say
        self.overridden: list[KeyPath] = []     # keys given by -o
        self.given: set[str] = set()            # texts in their values
        self._found: dict[str, int] = {}        # text -> line, in order of discovery
        self._warned: dict[str, int] = {}       # the same of what is computed all the same

    def refuse(self, override: str, message: str) -> None:
        """Add the reason why the override "key=value" cannot be applied."""
        self._found.setdefault(legible(f"-o {quoted(override)[1:-1]}: {message}"), 0)

    def add(self, path: KeyPath, message: str) -> None:
        """Add a problem with the value at `path`."""
        self._found.setdefault(*self._placed(path, message))

    def warn(self, path: KeyPath, message: str) -> None:
        """Add a warning of the value at `path`: it is used, and may not be what was meant."""
        self._warned.setdefault(*self._placed(path, message))

    def _placed(self, path: KeyPath, message: str) -> tuple[str, int]:
        """Return (text with its place, line) of a message about the value at `path`."""
        dotted = legible(".".join(map(str, path)), 120)
        message = legible(message)
        if any(path[:len(o)] == o or (o[:len(path)] == path and path not in self.lines
                                        and path not in self.places)
               for o in self.overridden):
            return f"-o {dotted}: {message}", 0
        inner = [legible(".".join(map(str, o)), 120) for o in self.overridden
                 if len(path) > 1 and o[:len(path)] == path]
        if inner:                       # the file has the table, and the value may be that of -o
            message += f" (with -o {', '.join(inner[:3])})"
        place = path
        while place and place not in self.lines and place not in self.places:
            place = place[:-1]
        if place in self.places and place not in self.lines:
            return f"{self.places[place]}: {dotted}: {message}", 0
        line = self.lines.get(place, 1)
        return f"{self.file}:{line}: {dotted}: {message}", line

    def attempt(self, build: Callable[..., Any], *args: Any) -> Any:
        """Return build(*args), or MISSING where that needs a value that could not be read."""
        try:
            return build(*args)
        except MissingValue:
            return MISSING

    def check_names(self, items: Sequence[Any], path: KeyPath, noun: str) -> None:
        """Check that the names of the tables at `path` are usable and differ."""
        seen: dict[str, int] = {}
        for n, item in enumerate(items):
            if item.name is MISSING:
                continue
            name = item.name
            if not re.fullmatch(NAME, name):
                self.add((*path, n, "name"), f"{quoted(name)} cannot name a {noun}: it heads "
                         f"columns, so it must not be empty or hold {NAME_RULE}")
            elif name != name.strip():
                self.add((*path, n, "name"), f"{quoted(name)} begins or ends with a blank, which "
                         f"a table does not show; write {quoted(name.strip())}")
            same = unicodedata.normalize("NFC", name).strip()
            if same in seen:
                self.add((*path, n, "name"), f"{quoted(name)} is also the name of {noun} "
                         f"{seen[same]}; names must differ")
            seen.setdefault(same, n)

    @property
    def texts(self) -> tuple[str, ...]:
        """All problems, in the order of the file."""
        return tuple(sorted(self._found, key=lambda text: self._found[text]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, in the order of the file."""
        return tuple(sorted(self._warned, key=lambda text: self._warned[text]))

    def raise_if_any(self) -> None:
        """Raise CaseError with all problems, if there are any."""
        if self._found:
            more = len(self._found) - MOST
            rest = [f"{self.file}: and {more} more problems"] if more > 0 else []
            raise CaseError([*self.texts[:MOST], *rest])
