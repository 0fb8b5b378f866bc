"""case.toml as text: on which line a key is, `-o key=value` overrides, and every problem found.

A value that could not be read is replaced by UNREAD, which raises `Unread` on any use. So the
checks go on past the first mistake, each one that needs the missing value stops quietly, and
the user sees all problems at once.
"""

import difflib
import re
import tomllib

from ekm3d.errors import InputError

TOKEN = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
                   r'|#[^\n]*|\n|[\[\]{},=]|[^\s\[\]{},=#"\']+', re.DOTALL)


class CaseError(InputError):
    """What is wrong with a case: `lines`, one problem each."""

    def __init__(self, lines):
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class MissingValue(Exception):
    """A value is needed that could not be read; the reason is among the problems already."""


def _refuse(*_):
    raise MissingValue


MISSING = type("UnreadValue", (), {
    f"__{name}__": _refuse for name in
    "getattr iter len bool float contains getitem eq lt le gt ge add radd sub rsub mul rmul "
    "truediv rtruediv neg pos abs pow rpow fspath".split()} | {
        "__hash__": object.__hash__, "__repr__": lambda _: "UNREAD", "__array_ufunc__": None})()


class Problems:
    """Collects what is wrong, each with its place in the file."""

    def __init__(self, file="case.toml", lines=None):
        self.file, self.lines = file, lines or {}
        self.overridden = []            # paths of keys given by -o
        self._found = {}                # text -> line, in order of discovery

    def refuse(self, override, message):
        """Note that "key=value" cannot be put in."""
        self._found.setdefault(f"-o {override}: {message}", 0)

    def add(self, path, message):
        """Note that the value at `path`, a tuple of keys and list numbers, is wrong."""
        dotted = ".".join(map(str, path))
        if any(path[:len(o)] == o or (o[:len(path)] == path and path not in self.lines)
               for o in self.overridden):
            self._found.setdefault(f"-o {dotted}: {message}", 0)
            return
        place = path
        while place and place not in self.lines:
            place = place[:-1]
        line = self.lines.get(place, 1)
        self._found.setdefault(f"{self.file}:{line}: {dotted}: {message}", line)

    def attempt(self, build, *args):
        """build(*args), or UNREAD where that needs a value that could not be read."""
        try:
            return build(*args)
        except MissingValue:
            return MISSING

    def names(self, items, path, what):
        """Check that the names of a list of tables are usable and differ."""
        seen = {}
        for n, item in enumerate(items):
            if item.name is MISSING:
                continue
            name = item.name
            if not re.fullmatch(r"[^/,\"\n\r]*[^/,\"\s][^/,\"\n\r]*", name):
                self.add((*path, n, "name"), f"{name!r} cannot name a {what}: it heads columns, so "
                         "it must not be empty or hold a slash, a comma, a quote or a line break")
            if name in seen:
                self.add((*path, n, "name"), f"{name!r} is also the name of {what} {seen[name]}; "
                         "names must differ")
            seen.setdefault(name, n)

    @property
    def texts(self):
        """All problems, in the order of the file."""
        return tuple(sorted(self._found, key=self._found.get))

    def raise_if_any(self):
        """CaseError with all problems, if there are any."""
        if self._found:
            raise CaseError(self.texts)


def key_lines(text):
    """{path: line number} of every table, key and list item of a valid TOML text.

    A path is a tuple of keys (str) and list numbers (int), as in the parsed data.
    """
    tokens, line, end = [], 1, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        if not match[0].startswith("#"):
            tokens.append((match[0], line))
    tokens.append(("\n", line))
    lines, counts = {}, {}

    def key(n, stop):
        """The dotted key from token n up to `stop`: (keys, number of the token after it)."""
        keys = []
        while tokens[n][0] != stop:
            token = tokens[n][0]
            if token[0] in "\"'":
                keys.append(tomllib.loads(f"k={token}")["k"])
            else:
                keys += [k for k in token.split(".") if k]
            n += 1
        return keys, n + 1

    def note(path, keys, line):
        for part in range(1, len(keys) + 1):
            lines.setdefault((*path, *keys[:part]), line)
        return (*path, *keys)

    def value(n, path):
        """Skip the value that starts at token n, noting what it holds; the token after it."""
        token = tokens[n][0]
        if token not in ("[", "{"):
            while tokens[n][0] not in ("\n", ",", "]", "}"):
                n += 1
            return n
        closing, item, n = {"[": "]", "{": "}"}[token], 0, n + 1
        while tokens[n][0] != closing:
            if tokens[n][0] in ("\n", ","):
                n += 1
            elif token == "[":
                n = value(n, note(path, [item], tokens[n][1]))
                item += 1
            else:
                line = tokens[n][1]
                keys, n = key(n, "=")
                n = value(n, note(path, keys, line))
        return n + 1

    def header(keys, repeated):
        """Path of a [table] or [[table]] header, list numbers put in."""
        path = ()
        for depth, k in enumerate(keys, 1):
            path += (k,)
            if repeated and depth == len(keys):
                counts[path] = counts.get(path, -1) + 1
            if path in counts:
                path += (counts[path],)
        return path

    n, table = 0, ()
    while n < len(tokens):
        token, line = tokens[n]
        if token == "\n":
            n += 1
        elif token == "[":
            repeated = tokens[n + 1][0] == "["
            keys, n = key(n + 1 + repeated, "]")
            n += repeated
            table = header(keys, repeated)
            note((), table, line)
        else:
            keys, n = key(n, "=")
            n = value(n, note(table, keys, line))
    return lines


def load(text, overrides=(), file="case.toml"):
    """(data, Problems) of a TOML text with overrides put in; CaseError if it is not TOML."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        message = re.sub(r"\s*\(at .*\)$", "", str(e))
        place = re.search(r"at line (\d+), column (\d+)", str(e))
        line, column = place.groups() if place else (max(len(text.splitlines()), 1), "end")
        raise CaseError([f"{file}:{line}: column {column}: {message}; this is not TOML: "
                         "write key = value, with text in quotes"]) from None
    problems = Problems(file, key_lines(text))
    for override in overrides:
        try:
            problems.overridden.append(_override(data, override))
        except ValueError as e:
            problems.refuse(override, str(e))
    return data, problems


def _override(data, text):
    """Put one "key=value" into the data; the path of the key."""
    dotted, equals, value = text.partition("=")
    path = [k[1:-1] if k[0] in "\"'" else k
            for k in re.findall(r'"[^"]+"|\'[^\']+\'|[^.\s"\'][^."\']*', dotted.strip())]
    if not equals or not path:
        raise ValueError("write key=value, e.g. -o grid.spacing=\"5 cm\"")
    node, done = data, ()
    for depth, key in enumerate(path):
        if isinstance(node, list):
            if not key.isdigit() or int(key) >= len(node):
                raise ValueError(f"{'.'.join(map(str, done))} is a list of {len(node)}, numbered "
                                 f"from 0: {key!r} is not one of them")
            key = int(key)
        elif not isinstance(node, dict):
            raise ValueError(f"{'.'.join(map(str, done))} is {node!r}, not a table: "
                             f"there is no {key!r} in it")
        done += (key,)
        if depth == len(path) - 1:
            node[key] = _toml_value(value)
        else:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
    return done


def _toml_value(text):
    """The text as a TOML value, or as it is."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text
