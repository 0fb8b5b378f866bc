"""Parameters of a calibration: keys of cases, with a prior and bounds, from a TOML file.

    [[parameter]]
    name = "k_eo"
    prior = "log-normal"            # or "normal"
    median = 1e-9                   # normal: mean
    factor = 2                      # one standard deviation of ln x; normal: sd
    lower = 1e-10
    upper = 1e-7
    unit = "m2/V/s"                 # of x; none for numbers without one
    set = { "ore.electroosmotic_permeability" = "x" }       # formulas of x, by keys of the cases
    cases = ["bench_ekm"]           # in which it is set; all where it is not given
    start = 5e-9                    # where the first search begins; the middle of the prior if not
    source = "electro-osmosis of soils"

The search works with u = (x - mean)/sd, or ln(x/median)/ln(factor): the prior of every u is a
standard normal distribution.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.expressions import number
from ekm3d.case.toml_text import toml
from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest
from ekm3d.text_file import NotUTF8, read_text

PRIORS = ("normal", "log-normal")
KEYS = ("name", "prior", "mean", "sd", "median", "factor", "lower", "upper", "start", "unit", "set",
        "cases", "source")


@dataclass(frozen=True)
class Parameter:
    """One parameter; middle and width: mean and sd, or ln of median and factor.

    settings: {key of a case: formula of x}; cases: labels of those in which it is set, () for all.
    """

    name: str
    log: bool
    middle: float
    width: float
    lower: float
    upper: float
    settings: Mapping[str, str]
    unit: str = ""
    cases: tuple[str, ...] = ()
    start: float | None = None
    source: str = ""

    def value(self, u: float) -> float:
        """Return x at u."""
        x = self.middle + self.width * u
        return math.exp(x) if self.log else x

    def coordinate(self, x: float) -> float:
        """Return u at x."""
        return ((math.log(x) if self.log else x) - self.middle) / self.width

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds of u."""
        return self.coordinate(self.lower), self.coordinate(self.upper)

    def overrides(self, x: float, case: str) -> list[str]:
        """Return what `ekm3d run` is given with -o for this value; [] for other cases."""
        if self.cases and case not in self.cases:
            return []
        out = []
        for key, formula in self.settings.items():
            text = f"{number(formula, {'x': x}):.10g}"
            out.append(f"{key}={toml(f'{text} {self.unit}') if self.unit else text}")
        return out


def read_parameters(file: Path) -> list[Parameter]:
    """Return the parameters of a TOML file; InputError with file, key and value for a wrong one."""
    try:
        data = tomllib.loads(read_text(file))
    except FileNotFoundError:
        raise InputError(f"{file} does not exist") from None
    except (OSError, NotUTF8, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    entries = data.get("parameter")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{file}: holds no [[parameter]]")
    found = [_parameter(f"{file}: parameter {n}", entry) for n, entry in enumerate(entries)]
    names = [parameter.name for parameter in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{file}: two parameters have the name {quoted(name)}")
    return found


def _parameter(place: str, entry: Any) -> Parameter:
    """Return the parameter of one table."""
    if not isinstance(entry, dict):
        raise InputError(f"{place}: should be a table")
    for key in entry:
        if key not in KEYS:
            raise InputError(f"{place}: unknown key {quoted(key)}" + suggest(key, KEYS))
    name, prior = entry.get("name"), entry.get("prior", "normal")
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"{place}: name: {quoted(name)} is no name of letters, digits and _")
    place = f"{place} {name}"
    if prior not in PRIORS:
        raise InputError(f"{place}: prior: {quoted(prior)} is neither \"normal\" nor "
                         "\"log-normal\"")
    log = prior == "log-normal"
    middle, width = _real(place, entry, "median" if log else "mean"), \
        _real(place, entry, "factor" if log else "sd")
    if log and not (middle > 0 and width > 1):
        raise InputError(f"{place}: a log-normal prior has a median above 0 and a factor above 1, "
                         f"not {middle:g} and {width:g}")
    if not log and not width > 0:
        raise InputError(f"{place}: sd: {width:g} should be above 0")
    lower, upper = _real(place, entry, "lower"), _real(place, entry, "upper")
    start = _real(place, entry, "start") if "start" in entry else None
    least = max(lower, 0) if log else lower
    if not lower < upper or least < lower or (log and lower <= 0):
        raise InputError(f"{place}: lower {lower:g} and upper {upper:g} should be in order"
                         + ", above 0" * log)
    if not lower < (middle if start is None else start) < upper:
        raise InputError(f"{place}: the search would begin at "
                         f"{middle if start is None else start:g}, outside of its bounds "
                         f"{lower:g} to {upper:g}")
    settings, cases = entry.get("set"), entry.get("cases", [])
    if not isinstance(settings, dict) or not settings \
            or not all(isinstance(formula, str) for formula in settings.values()):
        raise InputError(f"{place}: set: should be {{ key of the case = formula of x }}, such as "
                         "{ \"ore.tortuosity\" = \"x\" }")
    for key, formula in settings.items():
        try:
            good = math.isfinite(number(formula, {"x": middle}))
        except ValueError as error:
            raise InputError(f"{place}: set: {key}: {error}") from None
        if not good:
            raise InputError(f"{place}: set: {key}: {quoted(formula)} is not finite at x = "
                             f"{middle:g}")
    if not isinstance(cases, list) or not all(isinstance(case, str) for case in cases):
        raise InputError(f"{place}: cases: should be a list of names of cases")
    return Parameter(name, log, math.log(middle) if log else middle,
                     math.log(width) if log else width, lower, upper, settings,
                     str(entry.get("unit", "")), tuple(cases), start, str(entry.get("source", "")))


def _real(place: str, entry: Mapping[str, Any], key: str) -> float:
    """Return the number under a key."""
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{place}: {key}: " + ("is missing" if value is None else
                                                f"{quoted(value)} is no number"))
    return float(value)


def starts(parameters: Sequence[Parameter], count: int, seed: int) -> list[np.ndarray]:
    """Return `count` vectors u where searches begin: that of the file, then draws of the prior."""
    low, high = np.array([p.bounds for p in parameters]).T
    first = np.array([0.0 if p.start is None else p.coordinate(p.start) for p in parameters])
    generator = np.random.default_rng(seed)
    margin = 1e-3 * (high - low)
    return [np.clip(u, low + margin, high - margin) for u in
            [first, *generator.standard_normal((count - 1, len(parameters)))]]
