"""Initial state: ore wetted and in equilibrium, tanks filled with the water before prewetting."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.chemistry.equilibrium import VoxelSolver, acidity_from_neutrality
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.state import State

Amounts = Mapping[str, Any]      # {component: amount}, numbers or arrays of one shape


def neutral_totals(chem: ChemicalSystem, amounts: Amounts, fixed: Any = 0.0,
                   keep_acidity: bool = False) -> np.ndarray:
    """Component totals (K, ...) from amounts by name; acidity closes the charge balance.

    sum_k z_k T_k = fixed, the charge that the cation exchanger holds. keep_acidity: an amount of
    H+ among `amounts` stands as it is (neutrality of the others may not reach its digits in pure
    water).
    """
    arrays = {name: np.asarray(value, dtype=float) for name, value in amounts.items()}
    shape = np.broadcast_shapes(np.shape(fixed), *(a.shape for a in arrays.values()))
    total = np.zeros((len(chem.components), *shape))
    for name, value in arrays.items():
        total[chem.index(name)] += value
    listed = chem.hydrogen is not None and chem.components[chem.hydrogen] in arrays
    if chem.hydrogen is not None and not (keep_acidity and listed):
        total[chem.hydrogen] = acidity_from_neutrality(chem, total, fixed)
    return total


def wetted_totals(chem: ChemicalSystem, ore: Any, water: Any, kinetic: Iterable[str],
                  keep_acidity: bool) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Totals (K, nz, ny, nx) [mol/m3] of wetted ore, and {mineral index: amount} of the others.

    ore, water: as a case describes them, on this rank; kinetic: names of the minerals with a rate
    law, whose amounts are kept apart from the totals.
    """
    amounts = {name: np.array(value) for name, value in ore.exchangeable.items()}
    for name, value in water.composition.items():
        amounts[name] = amounts.get(name, 0.0) + value * ore.water_content
    for name, value in water.prewetting.items():
        amounts[name] = amounts.get(name, 0.0) + value * ore.density
    total = neutral_totals(chem, amounts, ore.fixed_charge, keep_acidity)
    apart = {}
    for name, value in ore.minerals.items():
        m = chem.minerals.index(name)
        if name in kinetic:
            apart[m] = value
        else:
            total += np.multiply.outer(chem.nu_m[m], value)
    return total, apart


def fill_reservoirs(s: State, chem: ChemicalSystem, solver: VoxelSolver, electrodes: Electrodes,
                    composition: Amounts, sides: Sequence) -> None:
    """Fill the tanks with the mean pore water [mol/m3], and set the water behind open sides.

    composition: of the whole block's pore water; sides: as a case describes them.
    """
    pore = {name: np.mean(value) for name, value in composition.items()}
    s.catholyte_totals[...] = np.multiply.outer(neutral_totals(chem, pore), electrodes.volume)
    for n, side in enumerate(sides):
        if side.composition is not None:
            water = neutral_totals(chem, side.composition)[:, None]
            species = solver.solve_numpy(water, np.ones(1)).c
            s.reservoir_species[:, electrodes.strips + n] = species[:, 0]
