"""Conversion of quantities written as text ("0.3 V/cm", "22.5 meq/kg") to SI numbers.

The equivalent is a unit of its own, not a mole: 1 mol of an ion of charge z is |z| eq.
`m2` and `m3` mean square and cubic metres. The registry of pint is built on first use.
"""

import functools
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.case.plain_units import plain_factor
from ekm3d.constants import STANDARD_ATMOSPHERE
from ekm3d.quoting import quoted

NUMBER = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
UNIT = re.compile(r"[A-Za-zµμΩ%°·*/^()\s⁻⁰¹²³⁴⁵⁶⁷⁸⁹-]*(?:\d{1,2}[A-Za-zµμΩ%°·*/^()\s⁻-]*)*")
SOMETHING_ELSE = "{} is a unit of something else"
LONGEST = 200           # characters of a quantity
# Powers of units have one digit and are no part of another power: 9^99^99 would take for ever.
POWER = re.compile(r"(\^|\*\*)(?!\s*(?:[+-]?\s*\d(?!\d)|\(\s*[+-]?\s*\d\s*\))(?!\s*(?:\^|\*\*)))")
# What nature and engineering know, with room: the least number of a quantity that must be above
# zero, and the greatest size of any. Beyond them a slip is likelier, and the arithmetic of a step
# loses digits, overflows, or takes for ever.
SIZES = {
    "": (1e-30, 1e12), "m": (1e-9, 1e6), "m2": (1e-12, 1e9), "m3": (1e-12, 1e9),
    "s": (1e-6, 1e11), "1/s": (1e-20, 1e6), "1/m": (1e-20, 1e3), "m/s": (1e-20, 1.0),
    "m3/s": (1e-20, 1e3), "m3/A/s": (1e-20, 1.0), "m2/V/s": (1e-20, 1e-3), "V": (1e-9, 1e5),
    "V/m": (1e-9, 1e6), "A": (1e-15, 1e6), "A/m2": (1e-15, 1e6), "A/m3": (1e-15, 1e6),
    "ohm": (1e-12, 1e12), "ohm/m": (1e-9, 1e9), "ohm m2": (1e-12, 1e9), "m2/C": (1e-15, 1e6),
    "W": (1e-9, 1e9), "S/m": (1e-15, 1e8), "kg/m3": (1e-3, 3e4), "mol/m3": (1e-12, 1e5),
    "mol/kg": (1e-15, 1e3), "eq/kg": (1e-15, 1e3), "mol/m2/s": (1e-30, 1e3),
    "m3/mol": (1e-7, 1e-1), "m2/mol": (1e-9, 1e9), "atm": (1e-15, 1e4)}


# What most cases use, as in pint's own list, which takes 0.4 s to read. Only words of COMMON are
# looked up here: with these prefixes and units alone, `cd` would be a hundredth of a day.
DEFINITIONS = """
milli- = 1e-3 = m-
centi- = 1e-2 = c-
kilo- = 1e3 = k-
micro- = 1e-6 = µ- = u-
meter = [length] = m
second = [time] = s
gram = [mass] = g
ampere = [current] = A
mole = [substance] = mol
minute = 60 * second = min
hour = 60 * minute = h
day = 24 * hour = d
liter = 1e-3 * meter ** 3 = l
metric_ton = 1e6 * gram = t
coulomb = ampere * second = C
volt = kilogram * meter ** 2 / second ** 3 / ampere = V
ohm = volt / ampere
siemens = ampere / volt = S
percent = 0.01 = %
"""
COMMON = frozenset("""1 m cm mm km m2 cm2 m3 cm3 s min h d day days g kg mg t l ml mol mmol umol
    µmol eq meq A mA V mV kV ohm S mS uS C % um µm""".split())
OPERATORS, WORD = re.compile(r"\*\*-?\d+|\^-?\d+|[*/·()\s]"), re.compile(r"\S+")


@functools.cache
def registry(common: bool) -> Any:
    """Return a registry of pint, of DEFINITIONS only or of all it knows, with the equivalent."""
    import pint  # imported here: it costs 0.1 s, and most cases do without

    units: Any = pint.UnitRegistry(None if common else "")
    if common:
        units.load_definitions(DEFINITIONS.strip().splitlines())
    units.define("equivalent = [equivalent] = eq")
    power = re.compile(r"(?<![A-Za-z0-9_])([kcdmuµ]?m)([23])(?![A-Za-z0-9_.])")
    units.preprocessors.append(lambda text: power.sub(r"\1**\2", text))
    return units


@functools.cache
def factor(unit: str, target: str) -> float:
    """Return the factor that converts a number in `unit` to `target`.

    Raises ValueError if `unit` is not a unit or cannot be converted.
    """
    if len(unit) > 40 or not UNIT.fullmatch(unit) or POWER.search(unit):
        raise ValueError(f"{quoted(unit)} is not a unit")
    words = WORD.findall(OPERATORS.sub(" ", f"{unit} {target}"))
    common = bool(words) and COMMON.issuperset(words)
    found = plain_factor(unit, target) if common else None
    if found is None:
        return convert(registry(common), unit, target)
    if math.isnan(found):
        raise ValueError(SOMETHING_ELSE.format(quoted(unit)))
    return found


def convert(units: Any, unit: str, target: str) -> float:
    """Return `factor` as a registry of pint has it; ValueError if it has not."""
    try:
        parsed = units.parse_units(unit if not unit.startswith("/") else "1" + unit)
    except Exception:                           # pint lets errors of the tokenizer and eval through
        raise ValueError(f"{quoted(unit)} is not a unit known to pint") from None
    try:
        scale = units.convert(1.0, parsed, target or "dimensionless")
        return float(f"{scale:.15g}")           # 1e-3 m3 to the litre, not 1.0000000000000002e-3
    except TypeError:                           # pint's DimensionalityError is one
        raise ValueError(SOMETHING_ELSE.format(quoted(unit))) from None


@dataclass(frozen=True)
class QuantityKind:
    """Kind of a quantity: SI unit, an example of its notation, and the permitted range."""

    unit: str                   # SI; "" for a pure number
    example: str
    low: float = -math.inf
    high: float = math.inf
    above: bool = False         # exclude the lower limit itself
    below: bool = False         # exclude the upper limit itself

    def factor(self, unit: str) -> float:
        """Return the SI value of one `unit`; raises ValueError if it cannot be converted."""
        return factor(unit, self.unit)

    def bare(self, number: float) -> float:
        """Return the SI value of a number without a unit."""
        return number

    def read(self, value: Any) -> float:
        """Return the SI number of a text ("0.3 V/cm") or of a bare SI number.

        Raises ValueError, whose message shows an example, if it is neither or out of range.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f"cannot read {quoted(value)} as {self.name}; write e.g. "
                             f"{self.example!r}")
        try:
            if isinstance(value, str):
                number, unit = self._split(value)
                result = number * self.factor(unit) if unit else self._unitless(number)
            else:
                result = self.bare(float(value))
        except (ValueError, OverflowError) as e:
            raise ValueError(f"cannot read {quoted(value)} as {self.name}: {e}; "
                             f"write e.g. {self.example!r}") from None
        return self.check(result, value)

    def check(self, number: float, value: Any = None) -> float:
        """Return the number; raises ValueError, quoting the text `value`, if it is out of range."""
        shown = quoted(value) if isinstance(value, str) else f"{number:g} {self.unit}".rstrip()
        if not math.isfinite(number):
            raise ValueError(f"{shown} is not a finite number; write e.g. {self.example!r}")
        if not self.holds(number):
            raise ValueError(f"{shown} is out of range; it must be {self.wanted(number)}")
        return number

    def wanted(self, number: float) -> str:
        """Return in words what a wrong number should be."""
        if not math.isfinite(number):
            return "a finite number"
        least = self.limits[0]
        return f"at least {least:g} {self.unit}".rstrip() if 0 < number < least else self.range

    def holds(self, numbers: Any) -> Any:
        """Return True for every number (float or array) that is finite and in the range."""
        lowest, highest = self.limits
        low = np.greater if self.above and lowest == self.low else np.greater_equal
        high = np.less if self.below and highest == self.high else np.less_equal
        return np.isfinite(numbers) & low(numbers, lowest) & high(numbers, highest)

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest number: those of the kind within those of the unit."""
        least, most = SIZES.get(self.unit, (0.0, math.inf))
        low = least if self.above and self.low == 0.0 else self.low
        return max(low, -most), min(self.high, most)

    @property
    def name(self) -> str:
        """The unit, or "a number"."""
        return self.unit or "a number"

    @property
    def range(self) -> str:
        """The limits in words."""
        lowest, highest = self.limits
        if self.above:
            lowest = self.low
        low = ("above " if self.above else "at least ") + f"{lowest:g} {self.unit}".rstrip()
        high = ("below " if self.below else "at most ") + f"{highest:g} {self.unit}".rstrip()
        return " and ".join(text for text, limit in ((low, lowest), (high, highest))
                            if math.isfinite(limit))

    def _unitless(self, number: float) -> float:
        """Return the SI value of a text without a unit."""
        if self.unit:
            raise ValueError("the unit is missing")
        return number

    @staticmethod
    def _split(text):
        """Return (number, unit) of a text."""
        if len(text) > LONGEST:
            raise ValueError(f"it has {len(text)} characters")
        match = NUMBER.fullmatch(text)
        if not match:
            raise ValueError("it does not begin with a number")
        return float(match[1]), match[2]


class RealCoordinate(QuantityKind):
    """Kind of a coordinate in real space: northings reach 1e7 m."""

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest number."""
        return -1e8, 1e8


@dataclass(frozen=True)
class Amount(QuantityKind):
    """Amount of a component per kg or per m3, in mol, eq or mass; SI: mol."""

    charge: float = 0.0
    molar_mass: float = math.nan    # kg/mol

    def factor(self, unit: str) -> float:
        """Return the mol of one `unit`, which may be of mol, of eq or of mass."""
        per = self.unit.partition("/")[2]
        reasons = []
        for basis, moles in (("mol", 1.0), ("eq", 1 / abs(self.charge) if self.charge else None),
                             ("kg", 1 / self.molar_mass)):
            try:
                scale = factor(unit, f"{basis}/{per}")
            except ValueError as e:
                reasons.append(str(e))
                continue
            if moles is None:
                raise ValueError("an uncharged component has no equivalents")
            if not math.isfinite(moles):
                raise ValueError("its molar mass is not known; give mol")
            return scale * moles
        raise ValueError(reasons[0])

    def bare(self, number: float) -> float:
        """Return 0; any other number needs its unit."""
        if number:
            raise ValueError("the unit is missing (mol, eq and mg differ)")
        return number

    _unitless = bare


@dataclass(frozen=True)
class GasPressure(QuantityKind):
    """Pressure of a gas in atm, the unit of its constant of dissolution; a bare number is in Pa."""

    def bare(self, number: float) -> float:
        """Return the atm of a number of Pa."""
        return number / STANDARD_ATMOSPHERE


def positive(unit: str, example: str) -> QuantityKind:
    """Return a kind of quantity above zero."""
    return QuantityKind(unit, example, low=0.0, above=True)


def not_negative(unit: str, example: str) -> QuantityKind:
    """Return a kind of quantity of zero or more."""
    return QuantityKind(unit, example, low=0.0)


def per_kg(charge: float = 0.0, molar_mass: float = math.nan) -> Amount:
    """Return the kind of an amount of a component per kg of dry ore [mol/kg]."""
    return Amount("mol/kg", "400 mg/kg" if math.isfinite(molar_mass) else "0.02 mol/kg",
                  low=0.0, charge=charge, molar_mass=molar_mass)


def per_litre(charge: float = 0.0, molar_mass: float = math.nan, low: float = 0.0) -> Amount:
    """Return the kind of a concentration of a component in water [mol/m3]."""
    return Amount("mol/m3", "0.2 mmol/l", low=low, charge=charge, molar_mass=molar_mass)


def per_area(charge: float = 0.0, molar_mass: float = math.nan) -> Amount:
    """Return the kind of a flux of a component through a face [mol/m2/s], of either sign."""
    return Amount("mol/m2/s", "1e-6 mol/m2/s", charge=charge, molar_mass=molar_mass)
