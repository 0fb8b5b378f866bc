"""How much there is of every component, in mol: in the water, on the clay, in minerals.

    water_k = V sum_s nu_sk (sum over voxels of theta c_s),    clay and minerals alike

Voxels are added up first, species by species, so that nothing but their sums leaves the place where
the arrays live. Immobile water, slow sites and minerals with a rate law count where they belong.
"""

from ekm3d.state import clay_stores, mineral_stores


def by_phase(sim):
    """(dissolved, exchanged, solid), each (K,) mol."""
    s, chem, domain = sim.state, sim.chem, sim.domain
    water = chem.nu.T @ domain.dots(s.c, sim.rock.water_content) + domain.sums(s.immobile_water)
    clay = chem.nu_x.T @ sum(map(domain.sums, clay_stores(s)))
    solid = chem.nu_m.T @ sum(map(domain.sums, mineral_stores(s)))
    return tuple(sim.grid.voxel_volume * amount for amount in (water, clay, solid))


def by_total(sim):
    """(K,) mol of the totals that are transported and of what rests beside them.

    Acidity but for that of the bare slow sites, as `fields.components` has it.
    """
    s, chem, domain = sim.state, sim.chem, sim.domain
    held = domain.sums(s.slow_sites)
    total = domain.sums(s.totals) + domain.sums(s.immobile)
    total += chem.nu_m.T @ domain.sums(s.kinetic_minerals) + chem.nu_x.T @ held
    if chem.hydrogen is not None:
        total[chem.hydrogen] -= chem.z_x @ held
    return sim.grid.voxel_volume * total
