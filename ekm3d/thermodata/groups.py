"""Groups of components that reports sum up: "REE", "impurity" and "ammonium", found by name.

A record may state its group; one without the key is sorted by its elements. La to Lu, Y and Sc are
REE, Al, Fe, Mn, Ca, Mg, K and Na impurities, NH4+ (AmmH+ in PHREEQC's files, NH3 where that is the
component) ammonium; hydroxides count as their metal, valences such as "[Fe+2]" as their element.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.thermodata import formulas

RARE_EARTHS = tuple("La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Y Sc".split())
IMPURITIES = tuple("Al Fe Mn Ca Mg K Na".split())
AMMONIUM = ({"N": 1, "H": 4}, {"N": 1, "H": 3}, {"Amm": 1, "H": 1}, {"Amm": 1})
GROUPS = ("REE", "impurity", "ammonium")
VALENCE = re.compile(r"\[([A-Z][a-z]?)[+-]\d*\]")      # "[Fe+2]", an element of its own in a file


def group_of(record: Mapping[str, Any]) -> str:
    """Return the group of a component's record: that stated, or by its elements, or ""."""
    if "group" in record:
        return str(record["group"])
    elements = {VALENCE.sub(r"\1", symbol): count
                for symbol, count in formulas.of_component(record).items()}
    if elements in AMMONIUM and record.get("charge") in (0, 1):
        return "ammonium"
    metals = elements.keys() - {"H", "O"}
    if len(metals) == 1:
        symbol = next(iter(metals))
        return "REE" if symbol in RARE_EARTHS else "impurity" if symbol in IMPURITIES else ""
    return ""


def regrouped(chem: ChemicalSystem, members: Mapping[Any, Sequence[str]]) -> ChemicalSystem:
    """Return the system with groups {group: its components} in place of those found by name.

    InputError for an unknown component, or one in two groups.
    """
    groups = ["" if group in members else group for group in chem.groups]
    for group, names in members.items():
        for name in names:
            groups[chem.index(name)] = group
    return replace(chem, groups=tuple(groups))
