"""Products and quotients of the units that most cases use, without pint, which takes 0.15 s.

Factors are fractions, so that nothing is rounded before the end; `units` asks pint wherever a text
is no plain product.
"""

import math
import re
from collections import Counter
from fractions import Fraction

# Of every word its size in SI and its powers of m, s, kg, A, mol, eq.
_BASE = {
    "1": (1, ""), "m": (1, "m"), "s": (1, "s"), "min": (60, "s"), "h": (3600, "s"),
    "d": (86400, "s"), "day": (86400, "s"), "days": (86400, "s"), "g": ("1e-3", "kg"),
    "t": (1000, "kg"), "l": ("1e-3", "m m m"), "mol": (1, "mol"), "eq": (1, "eq"), "A": (1, "A"),
    "C": (1, "A s"), "V": (1, "m m kg / s s s A"), "ohm": (1, "m m kg / s s s A A"),
    "S": (1, "s s s A A / m m kg"), "%": ("1e-2", "")}
_PREFIXED = {"cm": "m", "mm": "m", "km": "m", "kg": "g", "mg": "g", "ml": "l", "mmol": "mol",
             "umol": "mol", "µmol": "mol", "meq": "eq", "mA": "A", "mS": "S", "uS": "S",
             "um": "m", "µm": "m", "mV": "V", "kV": "V"}
_PREFIXES = {"k": "1e3", "c": "1e-2", "m": "1e-3", "u": "1e-6", "µ": "1e-6"}
_TOKEN = re.compile(r"\s*(?:([A-Za-zµ]+|%|1(?!\d))([23](?!\d))?(?:\s*(?:\^|\*\*)\s*(-?\d)(?!\d))?"
                    r"|([*/()]))\s*")


def _words():
    """Return {word: (size, powers)} of all units."""
    words = {}
    for word, (size, powers) in _BASE.items():
        above, _, below = powers.partition("/")
        count = Counter(above.split())
        count.subtract(below.split())
        words[word] = Fraction(size), count
    for word, unit in _PREFIXED.items():
        words[word] = Fraction(_PREFIXES[word[0]]) * words[unit][0], words[unit][1]
    return words


WORDS = _words()


def plain_factor(unit: str, target: str) -> float | None:
    """Return the factor from `unit` to `target`, to 15 digits; nan where it is of something else.

    None where pint is to be asked.
    """
    size, powers = Fraction(1), Counter()           # type: ignore[var-annotated]
    for text, sign in ((unit, 1), (target, -1)):
        read = _product(text, sign) if text else (Fraction(1), Counter())
        if read is None:
            return None
        size *= read[0]
        powers.update(read[1])
    return math.nan if any(powers.values()) else float(f"{float(size):.15g}")


def _product(text, sign):
    """Size and powers of a product of units, to the power `sign`; None where it is not plain."""
    size, powers, at = Fraction(1), Counter(), 0
    signs, operator, wanted = [sign], 1, True       # wanted: a unit has to follow
    if text.startswith("/"):
        text = "1" + text
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        word, short, power, mark = match.groups()
        at = match.end()
        if word is not None:
            if word not in WORDS or short and (power or word not in ("m", "cm", "mm", "km")):
                return None
            exponent = signs[-1] * operator * int(short or power or 1)
            size *= WORDS[word][0] ** exponent
            for name, n in WORDS[word][1].items():
                powers[name] += n * exponent
            operator, wanted = 1, False
        elif mark in "*/":
            if wanted:
                return None
            operator, wanted = 1 if mark == "*" else -1, True
        elif mark == "(":
            signs.append(signs[-1] * operator)
            operator, wanted = 1, True
        elif wanted or len(signs) == 1 or text[at:].startswith(("^", "**")):
            return None
        else:
            signs.pop()
    return None if wanted or len(signs) > 1 else (size, powers)
