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

KeyPath = tuple[str | int, ...]     # ("schedule", "stage", 0, "duration"): keys and list numbers


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


# Its text, UNREAD, appears in messages about a table whose own name could not be read.
MISSING: Any = type("Missing", (), {
    f"__{name}__": _refuse for name in
    "getattr iter len bool float contains getitem eq lt le gt ge add radd sub rsub mul rmul "
    "truediv rtruediv neg pos abs pow rpow fspath".split()} | {
        "__hash__": object.__hash__, "__repr__": lambda _: "UNREAD", "__array_ufunc__": None})()


class Problems:
    """Collection of problems, each with its place in the file.

    lines: {key path: line number} of the file, see `ekm3d.case.toml_text.key_lines`.
    """

    def __init__(self, file: str = "case.toml", lines: Mapping[KeyPath, int] | None = None):
        self.file, self.lines = file, lines or {}
        self.overridden: list[KeyPath] = []     # keys given by -o
        self._found: dict[str, int] = {}        # text -> line, in order of discovery
        self._warned: dict[str, int] = {}       # the same of what is computed all the same

    def refuse(self, override: str, message: str) -> None:
        """Add the reason why the override "key=value" cannot be applied."""
        self._found.setdefault(f"-o {override}: {message}", 0)

    def add(self, path: KeyPath, message: str) -> None:
        """Add a problem with the value at `path`."""
        self._found.setdefault(*self._placed(path, message))

    def warn(self, path: KeyPath, message: str) -> None:
        """Add a warning of the value at `path`: it is used, and may not be what was meant."""
        self._warned.setdefault(*self._placed(path, message))

    def _placed(self, path: KeyPath, message: str) -> tuple[str, int]:
        """Return (text with its place, line) of a message about the value at `path`."""
        dotted = ".".join(map(str, path))
        if any(path[:len(o)] == o or (o[:len(path)] == path and path not in self.lines)
               for o in self.overridden):
            return f"-o {dotted}: {message}", 0
        place = path
        while place and place not in self.lines:
            place = place[:-1]
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
            if not re.fullmatch(r"[^/,\"\n\r]*[^/,\"\s][^/,\"\n\r]*", name):
                self.add((*path, n, "name"), f"{name!r} cannot name a {noun}: it heads columns, so "
                         "it must not be empty or hold a slash, a comma, a quote or a line break")
            elif name != name.strip():
                self.add((*path, n, "name"), f"{name!r} begins or ends with a blank, which a table "
                         f"does not show; write {name.strip()!r}")
            same = unicodedata.normalize("NFC", name).strip()
            if same in seen:
                self.add((*path, n, "name"), f"{name!r} is also the name of {noun} {seen[same]}; "
                         "names must differ")
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
            raise CaseError(self.texts)
