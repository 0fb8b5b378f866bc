"""Text of a TOML file: its data, the line of every key, and `-o key=value` overrides."""

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from ekm3d.case.problems import CaseError, KeyPath, Problems
from ekm3d.quoting import legible, quoted
from ekm3d.toml_file import DEEPEST, NotTOML, parsed

TOKEN = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
                   r'|#[^\n]*|\n|[\[\]{},=]|[^\s\[\]{},=#"\']+', re.DOTALL)


def load(text: str, overrides: Iterable[str] = (), file: str = "case.toml"
         ) -> tuple[dict[str, Any], Problems]:
    """Return (data, Problems) of a TOML text, the overrides applied to the data.

    Raises CaseError if the text is not TOML. An override that cannot be applied is added to the
    problems.
    """
    try:
        data = parsed(text)
    except NotTOML as e:
        raise CaseError([_placed(e, text, file)]) from None
    problems = Problems(file, key_lines(text))
    for override in overrides:
        try:
            path, value = _override(data, override)
            problems.overridden.append(path)
            problems.given.update(_texts(value))
        except ValueError as e:
            problems.refuse(override, str(e))
    return data, problems


def _placed(error: NotTOML, text: str, file: str) -> str:
    """Return the message of an error with its place in the file."""
    if error.path:
        line = key_lines(text).get(error.path, 1)
        return legible(f"{file}:{line}: {'.'.join(map(str, error.path))}: {error}")
    line, column = error.line, str(error.column)
    if not line:
        line, column = max(len(text.splitlines()), 1), "end"
    return legible(f"{file}:{line}: column {column}: {error}{_unusual(text, error)}; this is not "
                   "TOML: write key = value, with text in quotes")


def _unusual(text: str, place: NotTOML) -> str:
    """Name a character that looks like another and is none of TOML; "" if there is none.

    Texts from word processors and web pages hold no-break spaces, typographic quotes and dashes.
    """
    lines = text.splitlines()
    if not 0 < place.line <= len(lines):
        return ""
    for character in lines[place.line - 1][max(place.column - 2, 0):][:3]:
        if ord(character) > 127:
            name = unicodedata.name(character, "unnamed").lower()
            return f" (U+{ord(character):04X}, {name}, stands there)"
    return ""


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return {path: line number} of every table, key and list item of a valid TOML text."""
    return _LineReader(text).read()


class _LineReader:
    """Recursive-descent reader of a valid TOML text that notes the line of every path.

    `lines` holds the first line of every path; the methods take the number of a token and return
    that of the token after what they have read.
    """

    def __init__(self, text: str):
        self.tokens = _tokens(text)
        self.lines: dict[KeyPath, int] = {}
        self.counts: dict[KeyPath, int] = {}     # [[table]] -> number of its last entry

    def read(self) -> dict[KeyPath, int]:
        """Return the lines of the whole text."""
        n, table = 0, ()                         # token; path of the table that it belongs to
        while n < len(self.tokens):
            token, line = self.tokens[n]
            if token == "\n":
                n += 1
            elif token == "[":
                repeated = self.tokens[n + 1][0] == "["
                keys, n = self._key(n + 1 + repeated, "]")
                n += repeated
                table = self._header(keys, repeated)
                self._note((), table, line)
            else:
                keys, n = self._key(n, "=")
                n = self._value(n, self._note(table, keys, line))
        return self.lines

    def _key(self, n, stop):
        """Return (keys, next token) of the dotted key from token n up to `stop`."""
        keys = []
        while self.tokens[n][0] != stop:
            token = self.tokens[n][0]
            if token[0] in "\"'":
                keys.append(parsed(f"k={token}")["k"])
            else:
                keys += [k for k in token.split(".") if k]
            n += 1
        return keys, n + 1

    def _note(self, path, keys, line):
        """Note the line of a dotted key below `path`; return the whole path."""
        for part in range(1, len(keys) + 1):
            self.lines.setdefault((*path, *keys[:part]), line)
        return (*path, *keys)

    def _value(self, n, path):
        """Skip the value from token n on, noting the keys and items in it; return the next."""
        token = self.tokens[n][0]
        if token not in ("[", "{"):
            while self.tokens[n][0] not in ("\n", ",", "]", "}"):
                n += 1
            return n
        closing, item, n = {"[": "]", "{": "}"}[token], 0, n + 1
        while self.tokens[n][0] != closing:
            if self.tokens[n][0] in ("\n", ","):
                n += 1
            elif token == "[":
                n = self._value(n, self._note(path, [item], self.tokens[n][1]))
                item += 1
            else:
                line = self.tokens[n][1]
                keys, n = self._key(n, "=")
                n = self._value(n, self._note(path, keys, line))
        return n + 1

    def _header(self, keys, repeated):
        """Return the path of a [table] or [[table]] header, list numbers included."""
        path = ()
        for depth, k in enumerate(keys, 1):
            path += (k,)
            if repeated and depth == len(keys):
                self.counts[path] = self.counts.get(path, -1) + 1
            if path in self.counts:
                path += (self.counts[path],)
        return path


def _tokens(text):
    """Return [(token, line)] without comments; the last token is a line break."""
    tokens, line, end = [], 1, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        if not match[0].startswith("#"):
            tokens.append((match[0], line))
    tokens.append(("\n", line))
    return tokens


def _override(data, text):
    """Apply one "key=value" to the data in place; return (path of the key, its value)."""
    dotted, equals, value = text.partition("=")
    path = [k[1:-1] if k[0] in "\"'" else k
            for k in re.findall(r'"[^"]+"|\'[^\']+\'|[^.\s"\'][^."\']*', dotted.strip())]
    if not equals or not path:
        raise ValueError("write key=value, e.g. -o grid.spacing=\"5 cm\"")
    if len(path) > DEEPEST:
        raise ValueError(f"the key has {len(path)} parts; {DEEPEST} are the most")
    node, done = data, ()
    for depth, key in enumerate(path):
        if isinstance(node, list):
            if not re.fullmatch(r"\d{1,9}", key, re.ASCII) or int(key) >= len(node):
                raise ValueError(f"{'.'.join(map(str, done))} is a list of {len(node)}, numbered "
                                 f"from 0: {quoted(key)} is not one of them")
            key = int(key)
        elif not isinstance(node, dict):
            raise ValueError(f"{'.'.join(map(str, done))} is {quoted(node)}, not a "
                             f"table: there is no {quoted(key)} in it")
        done += (key,)
        if depth == len(path) - 1:
            node[key] = _toml_value(value)
            return done, node[key]
        else:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
    raise AssertionError("a path has a last key")


def _texts(value):
    """Yield every text in a value."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value \
            if isinstance(value, list) else ():
        yield from _texts(part)


def _toml_value(text):
    """Return the text as a TOML value, or as it is where it is none."""
    try:
        data = parsed(f"value = {text}")
    except NotTOML as error:
        if error.path:                  # TOML, but beyond the bounds
            raise ValueError(str(error)) from None
        return text
    return data["value"] if len(data) == 1 else text


def toml(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
