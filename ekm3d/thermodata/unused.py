"""Parts of the PHREEQC files that a case does not use, where they can change an answer."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ekm3d.chemistry.system import WATER, ChemicalSystem
from ekm3d.thermodata import formulas
from ekm3d.thermodata.formulas import ELECTRON
from ekm3d.thermodata.records import ASSUMED

if TYPE_CHECKING:
    from ekm3d.thermodata.phreeqc_import import Reading

SHOWN = 6                      # names that a line lists
HARMLESS = {"KNOBS", "PRINT", "TITLE", "MEAN_GAMMAS", "SELECTED_OUTPUT", "USER_PUNCH", "USER_PRINT",
            "ISOTOPE_RATIOS", "ISOTOPE_ALPHAS", "CALCULATE_VALUES", "ISOTOPES"}


def unused(chem: ChemicalSystem, tables: Mapping[str, Any], readings: "Iterable[Reading]"
           ) -> list[str]:
    """Return a line for every part of the files that is missing from the system of a case.

    tables: the merged database; readings: of its PHREEQC files.
    """
    lines = []
    for reading in readings:
        lost = [f"line {line}: {text}" for line, text in sorted(reading.skipped)
                if line in reading.lost and _could_form(reading.lost[line], reading, chem)]
        lines += [f"{reading.name}, not taken over: {text}" for text in lost]
        blocks = sorted(set(reading.blocks) - HARMLESS)
        if blocks:
            lines.append(f"{reading.name}, blocks not read: {', '.join(blocks)}")
        ignored = {name: options for name, options in reading.unused.items()
                   if name in chem.species or name in chem.exchange}
        lines += [f"{reading.name}, not used: {', '.join(options)} of {name}"
                  for name, options in ignored.items()]
    return lines + list(_unsized(chem, tables)) + list(_assumed(chem, tables))


def _could_form(entry, reading, chem):
    """Return True for a species or exchange species of elements that the system has.

    Minerals form only where the case names them; electrons are exchanged by nothing here.
    """
    names = {name for _, name in (*entry.left, *entry.right)} - {WATER}
    if entry.kind not in ("species", "exchange") or ELECTRON in names:
        return False
    lumps = reading.lumps | {formulas.stem(site)[0] for site in chem.exchangers}
    known = {"H", "O"} | {formulas.stem(site)[0] for site in chem.exchangers}
    for name in chem.components:
        formula = formulas.parse(name, lumps)
        known |= formula[0].keys() if formula else {formulas.stem(name)[0]}
    if not entry.left or not entry.right:
        return False
    for name in names:
        formula = formulas.parse(name, lumps)
        if formula is None or not formula[0].keys() <= known:
            return False
    return True


def _records(chem, tables) -> Iterator[Any]:
    """Yield the records of the system's components, species and exchange species."""
    chosen = {"component": chem.components, "species": chem.species, "exchange": chem.exchange}
    for kind, names in chosen.items():
        yield from (r for r in tables.get(kind, ()) if r["name"] in names)


def _unsized(chem, tables):
    """Yield a line where ions have sizes and the activity model has no use for them, or reverse."""
    if not np.any(chem.debye_A):
        return
    if tables["activity"]["model"] == "llnl":
        charged = dict(zip(chem.species, chem.z, strict=True))
        bare = [r["name"] for r in _records(chem, tables)
                if not {"size", "gamma"} & set(r) and charged.get(r["name"])]
        if bare:
            yield ("no ion size in the database, activity coefficient 1 as in PHREEQC: "
                   + _some(bare))
    elif (chem.size == 1).all():
        sized = [r["name"] for r in _records(chem, tables)
                 if "size" in r and r["name"] in chem.species]
        if sized:
            yield f"ion sizes are not used, as the activity model is Davies: {_some(sized)}"


def _assumed(chem, tables):
    """Yield a line on the species whose diffusion coefficient is assumed."""
    assumed = [r["name"] for r in _records(chem, tables) if r.get("note") == ASSUMED]
    if assumed:
        yield f"no diffusion coefficient in the database, 1e-9 m2/s assumed: {_some(assumed)}"


def _some(names):
    """Return the first names as text, and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
