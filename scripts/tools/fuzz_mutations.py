"""Mutations of a case's files for fuzz.py: they keep enough of the structure to come far.

Each takes a random.Random and the contents of a file, and returns other contents. Texts are changed
by lines, keys, values and cells, with values that have broken readers before; binary files by
bytes, spans and their ends.
"""

import random
import re
from collections.abc import Callable

VALUE = re.compile(rb'"(?:\\.|[^"\\\n])*"|\[[^\[\]\n]*\]|[+-]?\d[\d_.eE+-]*|true|false')
KEY = re.compile(rb'(?m)^(\s*)("[^"\n]*"|[A-Za-z_][\w.-]*)(\s*=)')
WORD = re.compile(rb"[^\s,;=]+")
NUMBERS = [b"0", b"-1", b"1e308", b"-1e308", b"1e-308", b"nan", b"inf", b"-inf", b"1e6", b"1e9",
           b"1e-9", b"3", b"0.5", b"-0.0", b"9" * 30, b"9" * 390, b"9" * 5000, b"0x" + b"f" * 300,
           b"1e200", b"2147483648", b"9223372036854775807", b"1_0", b"1e-320", b"1970-01-01",
           b"07:32:00", b"true"]
TEXTS = ["", " ", "x", "a/b", "../../etc/passwd", "/dev/zero", "/dev/stdin", "\\u0000",
         "\\u001b[2J", "nan m", "1e400 m", "1e200 m/s", "1e6 V", "-5 m", "5 parsec", "m", "1 m m m",
         "1 m^99",
         "1 m^9^9^9", "1 (m", "9" * 5000, "9" * 5000 + " m", "e" * 10000, "5 \u00b5m", "\u202e5 m",
         "\u00e9", "na\u0308me", "-10 mV", "50 %", "H+", "Na+", "X-", "(aq)", "(((((((((((",
         "Ca(OH)2(((((", "+", "+" * 300, "H" * 1000, "(H2O)99999999", "Fe[3", "x**9**9**9",
         "x" + "+x" * 3000, "(" * 300 + "x", "1/0*x", "where(x>0, 1, x)", "feed", "left", "anodes",
         "cathodes", "package", "database.toml", "case.toml", ".", "..", "CON", "%s%n", "{0}",
         "10 h", "1 s", "1e-9 s", "1e12 s", "0 s", "1 mol/kg", "400 mg/kg", "22.5 meq/kg",
         "1 mmol/l", "1e9 mol/l", "10 cm", "1 um", "1000 km", "from inventory", "balance"]
PLAIN = [t.encode().replace(b"\\u0000", b"\0").replace(b"\\u001b", b"\x1b") for t in TEXTS]
NASTY = [*NUMBERS, *(b'"' + t.encode() + b'"' for t in TEXTS), b"[]", b"{}", b"[[]]", b"[[[0]]]",
         b"[1, 2, 3]", b'["a", "b"]', b"{ a = 1 }", b"[" * 60 + b"]" * 60,
         b"{ formula = \"x\" }", b"{ table = \"case.toml\", column = \"x\" }",
         b"{ table = \"t.npy\", unit = \"m\" }", b"{ layers = [] }",
         b"{ samples = \"points.csv\" }",
         b"[" + b"1, " * 2000 + b"]", b"'''\n'''", b"{ a" + b".a" * 40 + b" = 1 }"]

KEYS = [b'"\\u0000"', b'""', b'"a/b"', b"a.b.c", b"a" * 500, b"a" + b".a" * 50]


def binary(rng: random.Random, data: bytes) -> bytes:
    """Change bytes, spans or the length of any file; the beginning more often than the rest."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        near = rng.choice((16, 128, 4096, len(out) + 1))
        place = rng.randrange(max(min(near, len(out)), 1))
        kind = rng.randrange(6)
        if kind == 0:
            del out[place:]
        elif kind == 1:
            out[place:place + rng.choice((1, 2, 4, 8))] = rng.randbytes(rng.choice((0, 1, 4, 8)))
        elif kind == 2:
            out[place:place] = out[place:place + rng.choice((1, 8, 64, 512))]
        elif out:
            out[place % len(out)] = rng.choice((0, 255, 127, 128, 10, rng.randrange(256)))
    return bytes(out)


def _at(rng: random.Random, pattern: re.Pattern[bytes], data: bytes,
        new: bytes, group: int = 0) -> bytes:
    """Replace one match of a pattern."""
    found = list(pattern.finditer(data))
    if not found:
        return data
    match = rng.choice(found)
    return data[:match.start(group)] + new + data[match.end(group):]


def lines(rng: random.Random, data: bytes) -> bytes:
    """Remove, repeat, exchange or cut lines."""
    parts = data.split(b"\n")
    n, m = rng.randrange(len(parts)), rng.randrange(len(parts))
    kind = rng.randrange(5)
    if kind == 0:
        del parts[n:n + rng.choice((1, 1, 1, 2, 5, 20))]
    elif kind == 1:
        parts.insert(m, parts[n])
    elif kind == 2:
        parts[n], parts[m] = parts[m], parts[n]
    elif kind == 3:
        parts[m:m] = parts[n:n + rng.randrange(12)]
    else:
        parts[n] = parts[n][:rng.randrange(len(parts[n]) + 1)]
    return b"\n".join(parts)


def toml(rng: random.Random, data: bytes) -> bytes:
    """Change values, keys and lines of a TOML text."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        kind = rng.randrange(12)
        if kind < 6:
            data = _at(rng, VALUE, data, rng.choice(NASTY))
        elif kind < 7:
            data = _at(rng, VALUE, data, rng.choice(VALUE.findall(data) or NASTY))
        elif kind < 8:
            data = _at(rng, KEY, data, rng.choice([k[1] for k in KEY.findall(data)] + KEYS), 2)
        elif kind < 11:
            data = lines(rng, data)
        else:
            data = binary(rng, data)
    return data


def table(rng: random.Random, data: bytes) -> bytes:
    """Change cells, lines and separators of a CSV file."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.randrange(8)
        if kind < 4:
            data = _at(rng, WORD, data, rng.choice(NUMBERS + PLAIN))
        elif kind < 6:
            data = lines(rng, data)
        elif kind == 6:
            data = rng.choice((data.replace(b",", b";"), data.replace(b",", b"\t"),
                               data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + data,
                               b'"' + data, data.decode("latin-1").encode("utf-16"),
                               b"sep=" + rng.choice((b";", b",", b'"', b"\t", b"1")) + b"\n" + data,
                               data.replace(b"\n", b"," * 2000 + b"\n", 1),
                               data + b"x" * 200_000))
        else:
            data = binary(rng, data)
    return data


def phreeqc(rng: random.Random, data: bytes) -> bytes:
    """Change words and lines of a PHREEQC database."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.randrange(8)
        if kind < 3:
            data = _at(rng, WORD, data, rng.choice(NUMBERS + PLAIN))
        elif kind < 4:
            data = _at(rng, WORD, data, rng.choice(WORD.findall(data) or PLAIN))
        elif kind < 7:
            data = lines(rng, data)
        else:
            data = binary(rng, data)
    return data


def of_file(name: str) -> Callable[[random.Random, bytes], bytes]:
    """Return the mutation for files of this name."""
    ending = name.rpartition(".")[2].lower()
    return {"toml": toml, "csv": table, "dat": phreeqc}.get(ending, binary)
