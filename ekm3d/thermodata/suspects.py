"""Suspect constants of a database: signs of a slip of the pen, told when a case would use them.

Complexes of one or two ligands whose |log K| exceeds 60; and complexes of neighbours in the row of
the lanthanides whose log K differ by more than 1, or in sign. They are the same complex if their
reactions are equal but for the metal.
"""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

from ekm3d.thermodata.groups import RARE_EARTHS

ROW = tuple(symbol for symbol in RARE_EARTHS if symbol not in ("Y", "Sc", "Pm"))
LARGEST = 60.0                 # |log K| of a complex of one metal and one or two ligands
STEP, ACROSS_ZERO = 1.0, 0.5   # of log K between neighbours in the row, and with another sign


def suspects(tables: Mapping[str, Any], components: Collection[str] | None = None) -> list[str]:
    """Return a line for every suspect species among those that the components form (None: all)."""
    rows = [r for r in tables.get("species", ()) if components is None or
            all(name in components or name == "H2O" for name in r["reaction"])]
    charges = {r["name"]: r["charge"] for r in tables["component"]}
    names, found = {r["name"] for r in rows}, {}
    for record in rows:
        if abs(record["log_k"]) > LARGEST and _simple(record["reaction"], charges):
            found[record["name"]] = (f"{record['name']}: log K = {record['log_k']:g}, out of all "
                                     "proportion for such a complex")
    for row in _series(tables.get("species", ())).values():
        for name, log_k, other, value in _steps(row):
            if name in names:
                found.setdefault(name, f"{name}: log K = {log_k:g}, but {value:g} for {other} "
                                 "beside it in the row of the lanthanides")
    return list(found.values())


def _simple(reaction, charges):
    """Return True for one metal with one or two ligands; water and H+ do not count."""
    parts = {name: n for name, n in reaction.items() if name not in ("H2O", "H+")}
    metals = [name for name in parts if charges.get(name, 0) > 0]
    ligands = sum(abs(n) for name, n in parts.items() if name not in metals)
    return len(metals) == 1 and abs(parts[metals[0]]) == 1 and ligands <= 2


def _series(species):
    """Return {reaction but for the metal: {symbol: (name, log K)}} of rare earths' complexes."""
    series = {}
    for record in species:
        reaction = dict(record["reaction"])
        metal = next((name for name in reaction if name.partition("+")[0] in ROW
                      and name.endswith("+3")), None)
        if metal is None or reaction.pop(metal) != 1:
            continue
        key = tuple(sorted(reaction.items()))
        series.setdefault(key, {})[metal.partition("+")[0]] = record["name"], record["log_k"]
    return series


def _steps(row):
    """Yield (name, log K, neighbour, its log K) of complexes that stand out from a neighbour.

    Of two that differ the one that also differs from the median of the row is told, else both.
    """
    from statistics import median  # imported here: it costs 10 ms

    symbols = [symbol for symbol in ROW if symbol in row]
    middle = median(log_k for _, log_k in row.values())

    def differ(one, other):
        return abs(one - other) > (STEP if one * other >= 0 else ACROSS_ZERO)

    for pair in pairwise(symbols):
        values = [row[symbol][1] for symbol in pair]
        if not differ(*values):
            continue
        odd = [n for n in (0, 1) if differ(values[n], middle)] if len(symbols) > 2 else []
        for n in odd or (0, 1):
            yield (*row[pair[n]], *row[pair[1 - n]])
