"""Inventory of every component in mol: in the water, on the clay, in minerals.

    water_k = V sum_s nu_sk (sum over voxels of theta c_s),    clay and minerals alike

Voxels are summed first, species by species, so that only the sums leave the device. Immobile water,
slow sites and minerals with a rate law count where they belong.
"""

import numpy as np

from ekm3d.diagnostics.run_view import StateView
from ekm3d.state import clay_stores, mineral_stores, stores


def by_phase(run: StateView) -> tuple[np.ndarray, ...]:
    """Amounts (dissolved, exchanged, solid) of every component, each (K,) [mol]."""
    s, chem, domain = run.state, run.chem, run.domain
    water = chem.nu.T @ domain.dots(s.c, run.rock.water_content)
    for still in stores(s, "immobile_water"):
        water += domain.sums(still)
    clay = chem.nu_x.T @ sum(map(domain.sums, clay_stores(s)))
    solid = chem.nu_m.T @ sum(map(domain.sums, mineral_stores(s)))
    return tuple(run.grid.voxel_volume * amount for amount in (water, clay, solid))


def by_total(run: StateView) -> np.ndarray:
    """Amounts (K,) [mol] of the transported totals and of the stores beside them.

    Acidity without that of the bare slow sites, as in `state.components`.
    """
    s, chem, domain = run.state, run.chem, run.domain
    total = sum(map(domain.sums, stores(s, "totals", "immobile")))
    slow = [domain.sums(held) for held in stores(s, "slow_sites")]
    total += sum([chem.nu_m.T @ domain.sums(n) for n in stores(s, "kinetic_minerals")]
                 + [chem.nu_x.T @ held for held in slow])
    if chem.hydrogen is not None:
        for held in slow:
            total[chem.hydrogen] -= chem.z_x @ held
    return run.grid.voxel_volume * total
