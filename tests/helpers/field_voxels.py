"""Voxels for the tests of the chemistry: field ore, random totals, and checks of the equations."""

from pathlib import Path

import numpy as np

from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites, acidity_from_neutrality
from ekm3d.thermodata.build import read_database

FIELD = Path(__file__).parents[2] / "cases" / "field_block" / "database.toml"
THETA = 0.42
CHEM = read_database(FIELD)
ENGINE = EquilibriumSolver(CHEM)
H = CHEM.hydrogen


def ore(rng, n, spread=0.5):
    """Return totals [mol/m3] and Sites of n neutral voxels of prewetted field ore.

    Each amount is varied by e^spread.
    """
    inventory = {"NH4": 22.5, "SO4": 11.25, "LREE": 4.2, "HREE": 2.5, "Al": 14.8, "Ca": 4.8,
                 "K": 0.9, "Na": 0.43, "HCO3": 0.02}                          # mol/t
    total = np.zeros((len(CHEM.components), n))
    for label, amount in inventory.items():
        total[CHEM.index(label)] = 1.5 * amount * np.exp(spread * rng.normal(size=n))
    sites = Sites(1.5 * 75.7, 1.5 * 6.0, 5.3)                                  # eq/m3, per pH
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec)
    return total, sites


def anything(rng, n):
    """Return totals from 1e-12 to 5 mol/l and Sites; acidity of any sign, every third neutral."""
    litres = 1e3 * THETA
    total = litres * 10 ** rng.uniform(-12, np.log10(5), (len(CHEM.components), n))
    cec = 10 ** rng.uniform(-1.3, 2.2, n)
    sites = Sites(cec, 0.09 * cec, 5.3)
    acid = litres * 10 ** rng.uniform(-7, 0, n)
    total[H] = np.choose(np.arange(n) % 3,
                         [acidity_from_neutrality(CHEM, total, cec), acid, -acid])
    return total, sites


def imbalance(chem, total, theta, sites, found):
    """Return the largest error of every equation, each from its definition, without logarithms.

    Balances relative to the sum of their absolute terms; mass action, exchange and saturation
    as relative errors of the activities.
    """
    log_a = found.warm_start[:len(chem.components)] / np.log(10)
    log_aw = np.log10(found.water_activity)
    m, strength = found.c / 1e3, found.ionic_strength
    root = np.sqrt(strength)
    gamma = 10 ** (chem.linear[:, None] * strength - chem.debye_A * chem.z[:, None] ** 2 * root / (
        1 + chem.size[:, None] * root))
    present = (chem.nu != 0) @ (log_a < -1000) == 0
    worst = {}
    action = 1e-300 + 10 ** (chem.log_k[:, None] + chem.nu @ log_a + np.outer(chem.water, log_aw))
    worst["mass action"] = np.max(np.abs(gamma * m / action - 1)[present & (action > 1e-200)])
    worst["ionic strength"] = np.max(np.abs(0.5 * chem.z**2 @ m / strength - 1))
    worst["water"] = np.max(np.abs(1 - chem.water_activity * m.sum(axis=0) - found.water_activity))

    site = np.atleast_2d(found.site)
    cec, slope, reference = (np.broadcast_to(v, site.shape)
                             for v in (sites.cec, sites.slope, sites.reference_pH))
    held = np.sum(site - cec, axis=0)
    nu_g = chem.nu_g.reshape(-1, len(chem.components))
    terms = [theta * np.einsum("sk,sn->ksn", chem.nu, found.c),
             np.einsum("ek,en->ken", chem.nu_x, found.exchanged),
             np.einsum("mk,mn->kmn", chem.nu_m, found.solid), -total[:, None, :],
             -np.einsum("gk,gn->kgn", nu_g, found.gas)]
    terms = np.concatenate(terms, axis=1)
    error, size = terms.sum(axis=1), np.abs(terms).sum(axis=1)
    error[chem.hydrogen] -= held
    size[chem.hydrogen] += np.abs(held)
    worst["mass"] = np.max(np.abs(error) / np.maximum(size, 1e-300))

    line = cec + slope * (found.pH - reference)
    worst["variable charge"] = np.max(
        np.abs(np.clip(line, sites.limits[0] * cec, sites.limits[1] * cec) - site) / (site + 1e-9))
    for i, convention in enumerate(chem.conventions):
        on, full = chem.site_of == i, site[i] > 0
        if not full.any():
            continue
        z, n, X = chem.z_x[on, None], found.exchanged[np.ix_(on, full)], site[i, full]
        worst["sites"] = max(worst.get("sites", 0.0), np.max(np.abs((z * n).sum(0) / X - 1)))
        fraction = n / n.sum(axis=0) if convention == "vanselow" else z * n / X
        affinity = (chem.log_k_x[on, None] + chem.nu_x[on] @ log_a[:, full])
        power = 1.0 / z if convention == "gapon" else 1.0
        rest = np.log10(np.maximum(fraction, 1e-300)) - power * affinity
        empty = np.where(fraction > 1e-200, rest / (z * power), np.nan)      # = log10 x
        worst["exchange"] = max(worst.get("exchange", 0.0),
                                np.nanmax(np.abs(empty - np.nanmean(empty, axis=0))))

    saturation = chem.nu_m @ log_a + np.outer(chem.water_m, log_aw) - chem.log_k_m[:, None]
    worst["amounts"] = max(0.0, -found.solid.min(initial=0.0))
    worst["saturation"] = np.max(np.where(found.solid > 0, np.abs(saturation), saturation),
                                 initial=0.0)
    pressure = nu_g @ log_a + np.outer(chem.water_g, log_aw) - chem.log_k_g[:, None]
    worst["pressure"] = np.max(np.abs(pressure - np.log10(chem.pressure_g[:, None])), initial=0.0)
    return worst


def check(chem, total, theta, sites, found):
    """Assert that all equations hold to 1e-10, mass action to 1e-9."""
    for equation, error in imbalance(chem, total, theta, sites, found).items():
        # In brines I, known to 1e-12 of up to 30 mol/l, moves ln gamma by 3 z^2/9 per mol/l.
        assert error < (1e-9 if equation == "mass action" else 1e-10), equation
