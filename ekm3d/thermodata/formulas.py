"""Chemical formulas as elements and charge: "Al(OH)4-", "CaSO4:2H2O", "LREE(SO4)2-".

    formula = element count (group) count ... [":" or "." count formula] [charge] [state]

A component whose name is no formula ("LREE+3", "Acetate-") counts as an element of its own, a
lump, and may occur in formulas of its compounds; symbols are matched whole: beside lumps E and X
"ErX3" is Er and 3 X. States, "(aq)" or "(am)", are ignored.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

STATE = re.compile(r"\((?:aq|g|s|c|cr|am|a|l|beta|alpha|d)\)$")
CHARGE = re.compile(r"(?<=[\w)\]])(\++|-+|[+-]\d+(?:\.\d+)?)$")
LONGEST = 200           # characters of a formula
COUNT = re.compile(r"\d+(?:\.\d+)?|\.\d+")

ATOMIC_MASS = {        # g/mol: IUPAC 2021, abridged to five digits
    "H": 1.008, "He": 4.0026, "Li": 6.94, "Be": 9.0122, "B": 10.81, "C": 12.011, "N": 14.007,
    "O": 15.999, "F": 18.998, "Ne": 20.180, "Na": 22.990, "Mg": 24.305, "Al": 26.982,
    "Si": 28.085, "P": 30.974, "S": 32.06, "Cl": 35.45, "Ar": 39.95, "K": 39.098, "Ca": 40.078,
    "Sc": 44.956, "Ti": 47.867, "V": 50.942, "Cr": 51.996, "Mn": 54.938, "Fe": 55.845,
    "Co": 58.933, "Ni": 58.693, "Cu": 63.546, "Zn": 65.38, "Ga": 69.723, "Ge": 72.630,
    "As": 74.922, "Se": 78.971, "Br": 79.904, "Kr": 83.798, "Rb": 85.468, "Sr": 87.62,
    "Y": 88.906, "Zr": 91.224, "Nb": 92.906, "Mo": 95.95, "Tc": 97.0, "Ru": 101.07,
    "Rh": 102.91, "Pd": 106.42, "Ag": 107.87, "Cd": 112.41, "In": 114.82, "Sn": 118.71,
    "Sb": 121.76, "Te": 127.60, "I": 126.90, "Xe": 131.29, "Cs": 132.91, "Ba": 137.33,
    "La": 138.91, "Ce": 140.12, "Pr": 140.91, "Nd": 144.24, "Pm": 145.0, "Sm": 150.36,
    "Eu": 151.96, "Gd": 157.25, "Tb": 158.93, "Dy": 162.50, "Ho": 164.93, "Er": 167.26,
    "Tm": 168.93, "Yb": 173.05, "Lu": 174.97, "Hf": 178.49, "Ta": 180.95, "W": 183.84,
    "Re": 186.21, "Os": 190.23, "Ir": 192.22, "Pt": 195.08, "Au": 196.97, "Hg": 200.59,
    "Tl": 204.38, "Pb": 207.2, "Bi": 208.98, "Po": 209.0, "At": 210.0, "Rn": 222.0, "Fr": 223.0,
    "Ra": 226.0, "Ac": 227.0, "Th": 232.04, "Pa": 231.04, "U": 238.03, "Np": 237.0, "Pu": 244.0,
    "Am": 243.0, "Cm": 247.0, "Bk": 247.0, "Cf": 251.0, "Es": 252.0}
WATER_ELEMENTS = {"H": 2, "O": 1}
ELECTRON = "e-"


def stem(name: str) -> tuple[str, float]:
    """Return the name without state and charge, and the charge of its ending, 0 without one.

    A charge is a whole number of elementary charges: "+3", "--", "-2".
    """
    name = STATE.sub("", name)
    match = CHARGE.search(name)
    if not match:
        return name, 0.0
    sign = match[1]
    number = sign if sign[-1].isdigit() else f"{sign[0]}{len(sign)}"
    return name[:match.start()], float(number)


def canonical(name: str) -> str:
    """Return the name with its charge in canonical form: "Cu+1" is "Cu+", "SO4--" is "SO4-2"."""
    match = CHARGE.search(name)
    if not match:
        return name
    charge = stem(name)[1]
    size = f"{abs(charge):g}"
    return name[:match.start()] + ("+" if charge > 0 else "-") + ("" if size == "1" else size)


def parse(name: str, lumps: Collection[str] = ()) -> tuple[dict[str, float], float] | None:
    """Return (elements {symbol: count}, charge) of a formula; None where the name is none.

    lumps: names that count as elements besides those of the periodic table.
    """
    if len(name) > LONGEST:
        return None
    text, charge = stem(name)
    whole = [re.escape(lump) + "(?![a-z_])"
             for lump in sorted(filter(None, lumps), key=len, reverse=True)]
    symbols = re.compile("|".join([*whole, r"\[[^\]]+\]", "[A-Z][a-z]?"]))
    total: dict[str, float] = {}
    for part in re.split(r"[:·*]", text):
        factor = COUNT.match(part)
        elements = _group(part[factor.end():] if factor else part, symbols, lumps)
        if elements is None:
            return None
        _add(total, elements, float(factor[0]) if factor else 1.0)
    return total, charge


def _group(text: str, symbols: re.Pattern[str],
           lumps: Collection[str]) -> dict[str, float] | None:
    """Return the elements of a formula without charge, brackets resolved; None if it is none."""
    stack: list[dict[str, float]] = [{}]
    place = 0
    while place < len(text):
        if text[place] in "()":
            place += 1
            if text[place - 1] == "(":
                stack.append({})
                continue
            if len(stack) == 1:
                return None
            elements = stack.pop()
        else:
            match = symbols.match(text, place)
            if not match:
                return None
            symbol, place = match[0], match.end()
            if symbol not in lumps and symbol not in ATOMIC_MASS:
                symbol, place = symbol[0], place - len(symbol) + 1     # "Ca" is known, "CO" is C, O
                if symbol not in ATOMIC_MASS:
                    return None
            elements = {symbol: 1.0}
        count = COUNT.match(text, place)
        if count:
            place = count.end()
        _add(stack[-1], elements, float(count[0]) if count else 1.0)
    return stack[0] if len(stack) == 1 and stack[0] else None


def _add(total, elements, factor):
    """Add `factor` times the elements to total {symbol: count}."""
    for symbol, count in elements.items():
        total[symbol] = total.get(symbol, 0.0) + factor * count


def of_component(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the elements of a component: those given, or of its name as formula, or a lump."""
    if isinstance(record.get("elements"), dict):
        return {str(k): float(v) for k, v in record["elements"].items()}
    formula = parse(record["name"])
    return formula[0] if formula else {stem(record["name"])[0]: 1.0}


def of_reaction(reaction: Mapping[str, float],
                compositions: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the elements of sum nu_i component_i + w H2O: {symbol: count}, zeros left out."""
    total: dict[str, float] = {}
    for name, coefficient in reaction.items():
        _add(total, compositions[name], coefficient)
    return {symbol: count for symbol, count in total.items() if abs(count) > 1e-9}


def difference(formula: Mapping[str, float], reaction: Mapping[str, float]) -> str:
    """Return the difference of two compositions: "O 4, but the reaction gives 3"; or ""."""
    wrong = [f"{s} {formula.get(s, 0.0):g}, but the reaction gives {reaction.get(s, 0.0):g}"
             for s in sorted(formula.keys() | reaction.keys())
             if abs(formula.get(s, 0.0) - reaction.get(s, 0.0)) > 1e-6]
    return "; ".join(wrong)


def molar_mass(elements: Mapping[str, float],
               others: Mapping[str, float] | None = None) -> float | None:
    """Return the molar mass [g/mol] of a composition; None where it holds an unknown lump.

    others: masses of lumps, and of symbols that are not those of the periodic table here.
    """
    masses = ATOMIC_MASS | dict(others or {})
    if not elements.keys() <= masses.keys():
        return None
    return sum(masses[symbol] * count for symbol, count in elements.items())
