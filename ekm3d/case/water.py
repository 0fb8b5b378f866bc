"""Water of a case, read from [water]: compositions, and regions that differ.

A composition is a table {component: amount}; an amount may be a source (see
`ekm3d.case.voxel_values`) where the water fills the block. `pH` among them sets the acidity
instead of H+, and `balance` names the ion whose amount then closes the charge. Regions are boxes
that replace the composition inside; a voxel that a box cuts takes the mean by volume, so that the
moles of a box do not depend on the grid.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ekm3d.case.problems import MISSING, KeyPath, Problems
from ekm3d.case.rocks import Ground, RockValues
from ekm3d.case.schema import Box, Water, WaterRegion
from ekm3d.case.units import Amount, QuantityKind, per_kg, per_litre
from ekm3d.case.voxel_values import SourceReader
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

Amounts = dict[str, float | np.ndarray]     # component -> one amount, or (nz, ny, nx)

NO_TYPES = Ground()
PH, BALANCE = "pH", "balance"       # keys of a composition that are no components
SCALE = QuantityKind("", "5.3", 0.0, 14.0)
REPLACED = 0.05     # of a listed amount, by which the ion that closes the charge may differ


@dataclass(frozen=True)
class WaterData:
    """Water of a case; amounts are floats, or arrays (nz, ny, nx) where they differ."""

    composition: Amounts    # component -> mol/m3 of the pore water before prewetting
    prewetting: Amounts     # component -> mol per kg of dry ore


def composition(table: Mapping[str, Any], path: KeyPath, chem: ChemicalSystem, problems: Problems,
                kind: Callable[..., Amount] = per_litre, sources: SourceReader | None = None
                ) -> Any:
    """Return {component: SI amount} of a table of amounts, which must balance in charge.

    Without H+ the other ions must balance: acid is written as H+, which counts acidity and thus is
    negative in alkaline water. With `sources`, amounts may differ between voxels; they must
    balance in each. kind(charge, molar mass) is the kind of an amount.
    """
    amounts: Amounts = {}
    names = chem.components + chem.labels
    stated = {key: table[key] for key in (PH, BALANCE) if key in table}
    listed = {name: value for name, value in table.items() if name not in stated}
    for name, value in listed.items():
        here = (*path, name)
        if name not in names:
            problems.add(here, "unknown component" + suggest(name, chem.components, chem.labels))
            continue
        n = chem.index(name)
        if chem.components[n] in amounts:
            problems.add(here, f"{chem.components[n]} is given twice, by name and label")
        amount = kind(chem.charge[n], chem.molar_mass[n])
        if n == chem.hydrogen:
            amount = replace(amount, low=-math.inf)
        try:
            value = sources.value(here, value, amount) if sources else amount.read(value)
        except ValueError as e:
            problems.add(here, str(e))
            continue
        if value is not MISSING:
            amounts[chem.components[n]] = value
    if len(amounts) == len(listed) and stated:
        amounts = problems.attempt(_at_pH, amounts, stated, path, chem, problems, kind)
    elif len(amounts) == len(listed):
        problems.attempt(_balance, amounts, path, chem, problems, kind, sources)
    return amounts


def _at_pH(amounts, stated, path, chem, problems, kind):
    """Return the amounts with the acidity and the balancing ion that follow from the pH."""
    try:
        pH = SCALE.read(stated[PH]) if PH in stated else None
    except ValueError as e:
        problems.add((*path, PH), str(e))
        return MISSING
    if kind is not per_litre or any(np.ndim(amount) for amount in amounts.values()):
        problems.add((*path, PH), "needs amounts per litre that are the same in all voxels; leave "
                     "the pH out, or list H+ with the others")
        return MISSING
    from ekm3d.chemistry.solution import speciate  # imported here: few cases need it

    try:
        solution = speciate(chem, amounts, pH, stated.get(BALANCE),
                         dict(zip(chem.gases, chem.pressure_g, strict=True)), "the water")
    except ValueError as e:
        problems.add(path, str(e))
        return MISSING
    ionic = np.abs(chem.charge) @ np.abs(solution.total)
    if abs(solution.imbalance) > 1e-6 * ionic:
        anion = next((c for c, z in zip(chem.components, chem.charge, strict=True) if z < 0), "")
        problems.add((*path, PH), f"at pH {pH:g} the ions do not balance: "
                     f"{solution.imbalance:+.6g} meq/l in all; correct them, or name the one to "
                     f"adjust: {BALANCE} = {quoted(anion)}")
    total = dict(zip(chem.components, map(float, solution.total), strict=True))
    if BALANCE in stated:
        _warn_replaced(amounts, total, pH, chem.components[chem.index(stated[BALANCE])], path,
                       problems)
    return {name: amount for name, amount in total.items() if amount != 0.0}


def _warn_replaced(amounts, total, pH, ion, path, problems):
    """Warn where the ion that closes the charge has another amount than the case lists for it."""
    listed = amounts.get(ion)
    if listed is None or abs(total[ion] - listed) <= REPLACED * listed:
        return
    problems.warn((*path, BALANCE), (
        f"at pH {pH:g} neutral water has {total[ion]:.4g} mol/m3 of {ion}, and the {listed:.4g} "
        "that are listed are ignored: with these the ions do not hold that pH; list the "
        f"{'base' if total[ion] < listed else 'other ions'} that they need as well, take another "
        f"pH, or leave the amount of {ion} out"))


def _balance(amounts, path, chem, problems, kind, sources):
    """Check that the ions balance in charge, in every voxel."""
    charge = [chem.charge[chem.index(name)] * amount for name, amount in amounts.items()]
    net, ionic = np.asarray(sum(charge)), sum(map(abs, charge))
    off = np.abs(net) > 1e-6 * ionic
    if not off.any():
        return
    where = f" at {sources.place(off)}, the first of {off.sum()} voxels" if off.ndim else ""
    net, unit = float(net[off].flat[0]), kind().unit.replace("mol", "eq")
    problems.add(path, f"the ions do not balance: {net:+.6g} {unit} in all{where}; add "
                 f"{abs(net):.6g} {unit} of {'anions' if net > 0 else 'cations'}, or list "
                 "H+ as well if the water is meant to be acid")


def read_water(section: Water, chem: ChemicalSystem, sources: SourceReader, problems: Problems,
               ground: Ground = NO_TYPES) -> WaterData:
    """Return the WaterData of a validated [water], its regions and rock types included."""
    path = ("water", "composition")
    pore = problems.attempt(composition, section.composition, path, chem, problems, per_litre,
                            sources)
    added = problems.attempt(composition, section.prewetting, ("water", "prewetting"), chem,
                             problems, per_kg, sources)
    regions = [problems.attempt(_region, ("water", "region", n), region, chem, sources, problems)
               for n, region in enumerate(section.region)]
    for name, table in RockValues(ground, sources, problems).given("composition").items():
        own = problems.attempt(composition, table, ("rocks", name, "composition"), chem, problems,
                               per_litre, sources)
        pore = problems.attempt(_of_type, pore, own, ground.masks[name])
    if regions:
        pore = problems.attempt(mixed, sources.grid, pore, regions)
    return WaterData(pore, added)


def _of_type(around: Amounts, own: Amounts, mask: np.ndarray) -> Amounts:
    """Return amounts with those of a rock type in its voxels."""
    return {name: np.where(mask, own.get(name, 0.0), around.get(name, 0.0))
            for name in dict.fromkeys((*around, *own))}


def _region(path: KeyPath, region: WaterRegion, chem: ChemicalSystem, sources: SourceReader,
            problems: Problems) -> tuple[Box, Any]:
    """Return (box, composition) of one [[water.region]]."""
    grid = sources.grid
    for d, axis in enumerate("xyz"):
        low, high = region.box[0][d], region.box[1][d]
        start, end = grid.origin[d], grid.origin[d] + grid.size[d]
        if high <= start or low >= end:
            problems.add((*path, "box"), f"{axis} from {low:g} to {high:g} m lies outside the "
                         f"block ({start:g} to {end:g} m); move it")
            break
    return region.box, composition(region.composition, (*path, "composition"), chem, problems,
                                   per_litre, sources)


def mixed(grid: Grid, base: Amounts, regions: Sequence[tuple[Box, Amounts]]) -> Amounts:
    """Return {component: (nz, ny, nx)} of `base`, replaced inside the boxes of `regions`."""
    parts = [base, *(inside for _, inside in regions)]
    weights = shares(grid, [box for box, _ in regions])
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(weight * part[name] for weight, part in zip(weights, parts, strict=True)
                      if name in part)
            for name in names}


def shares(grid: Grid, boxes: Sequence[Box]) -> np.ndarray:
    """Return the share of every voxel's volume in each box: (1 + boxes, nz, ny, nx).

    Where boxes overlap, the last counts. The first of the shares lies in no box. Their sum is 1.
    """
    cuts = []           # along z, y, x: ends of the boxes; ends of voxels and boxes  [voxels]
    for d in (2, 1, 0):
        ends = (np.array([[low[d], high[d]] for low, high in boxes]) - grid.origin[d])
        ends = np.clip(ends / grid.spacing[d], 0, grid.cells[d]).reshape(-1, 2)
        whole = np.abs(ends - np.rint(ends)) < 1e-9
        ends[whole] = np.rint(ends[whole])
        cuts.append((ends, np.unique(np.append(np.arange(grid.cells[d] + 1), ends))))
    middles = [0.5 * (cut[1:] + cut[:-1]) for _, cut in cuts]
    owner = np.zeros([m.size for m in middles], dtype=np.int32)
    for n in range(len(boxes)):
        inside = [np.flatnonzero((m > ends[n, 0]) & (m < ends[n, 1]))
                  for m, (ends, _) in zip(middles, cuts, strict=True)]
        owner[np.ix_(*inside)] = n + 1
    result = np.empty((len(boxes) + 1, *grid.shape))
    for n in range(len(boxes) + 1):
        share = (owner == n).astype(float)
        for axis, (_, cut) in enumerate(cuts):
            width = np.diff(cut).reshape([-1 if a == axis else 1 for a in range(3)])
            first = np.searchsorted(cut, np.arange(grid.shape[axis]))
            share = np.add.reduceat(share * width, first, axis=axis)
        result[n] = share
    return result
