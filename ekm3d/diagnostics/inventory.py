"""Inventory of every component in mol: in the water, on the clay, in minerals.

    water_k = V sum_s nu_sk (sum over voxels of theta c_s),    clay and minerals alike

Voxels are summed first, species by species, so that only the sums leave the device. Immobile water,
slow sites and minerals with a rate law count where they belong.
"""

import numpy as np

from ekm3d.diagnostics.run_view import StateView
from ekm3d.state import clay_stores, mineral_stores


def by_phase(run: StateView) -> tuple[np.ndarray, ...]:
    """Amounts (dissolved, exchanged, solid) of every component, each (K,) [mol]."""
    s, chem, domain = run.state, run.chem, run.domain
    water = chem.nu.T @ domain.dots(s.c, run.rock.water_content) + domain.sums(s.immobile_water)
    clay = chem.nu_x.T @ sum(map(domain.sums, clay_stores(s)))
    solid = chem.nu_m.T @ sum(map(domain.sums, mineral_stores(s)))
    return tuple(run.grid.voxel_volume * amount for amount in (water, clay, solid))


def by_total(run: StateView) -> np.ndarray:
    """Amounts (K,) [mol] of the transported totals and of the stores beside them.

    Acidity without that of the bare slow sites, as in `state.components`.
    """
    s, chem, domain = run.state, run.chem, run.domain
    slow = domain.sums(s.slow_sites)
    total = domain.sums(s.totals) + domain.sums(s.immobile)
    total += chem.nu_m.T @ domain.sums(s.kinetic_minerals) + chem.nu_x.T @ slow
    if chem.hydrogen is not None:
        total[chem.hydrogen] -= chem.z_x @ slow
    return run.grid.voxel_volume * total
