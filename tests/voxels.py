"""Voxels for the tests of the chemistry: field ore, anything at all, and what must hold there."""

from pathlib import Path

import numpy as np

from ekm3d.chemistry import Equilibrium, Sites, acidity_from_neutrality
from ekm3d.database import read_database

FIELD = Path(__file__).parents[1] / "cases" / "field_block" / "database.toml"
THETA = 0.42
CHEM = read_database(FIELD)
ENGINE = Equilibrium(CHEM)
H = CHEM.hydrogen


def ore(rng, n, spread=0.5):
    """Totals [mol/m3] of n neutral voxels of prewetted field ore, each varied by e^spread."""
    inventory = {"NH4": 22.5, "SO4": 11.25, "LREE": 4.2, "HREE": 2.5, "Al": 14.8, "Ca": 4.8,
                 "K": 0.9, "Na": 0.43, "HCO3": 0.02}                          # mol/t
    total = np.zeros((len(CHEM.components), n))
    for label, amount in inventory.items():
        total[CHEM.index(label)] = 1.5 * amount * np.exp(spread * rng.normal(size=n))
    sites = Sites(1.5 * 75.7, 1.5 * 6.0, 5.3)                                  # eq/m3, per pH
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec)
    return total, sites


def anything(rng, n):
    """Totals from 1e-12 to 5 mol/l, acidity of either sign, one voxel in three neutral."""
    litres = 1e3 * THETA
    total = litres * 10 ** rng.uniform(-12, np.log10(5), (len(CHEM.components), n))
    cec = 10 ** rng.uniform(-1.3, 2.2, n)
    sites = Sites(cec, 0.09 * cec, 5.3)
    acid = litres * 10 ** rng.uniform(-7, 0, n)
    total[H] = np.choose(np.arange(n) % 3,
                         [acidity_from_neutrality(CHEM, total, cec), acid, -acid])
    return total, sites


def imbalance(chem, total, theta, sites, found):
    """Largest error of every equation, each written out from its definition, without logarithms.

    Balances relative to the sum of their absolute terms; mass action, exchange and saturation
    as relative errors of the activities.
    """
    log_a = found.warm[:len(chem.components)] / np.log(10)
    log_aw = np.log10(found.water_activity)
    m, I = found.c / 1e3, found.ionic_strength
    root = np.sqrt(I)
    gamma = 10 ** (chem.linear[:, None] * I - chem.debye_A * chem.z[:, None] ** 2 * root / (
        1 + chem.size[:, None] * root))
    there = (chem.nu != 0) @ (log_a < -1000) == 0
    worst = {}
    action = 1e-300 + 10 ** (chem.log_k[:, None] + chem.nu @ log_a + np.outer(chem.water, log_aw))
    worst["mass action"] = np.max(np.abs(gamma * m / action - 1)[there & (action > 1e-200)])
    worst["ionic strength"] = np.max(np.abs(0.5 * chem.z**2 @ m / I - 1))
    worst["water"] = np.max(np.abs(1 - chem.water_activity * m.sum(axis=0) - found.water_activity))

    held = found.site - sites.cec
    terms = [theta * np.einsum("sk,sn->ksn", chem.nu, found.c),
             np.einsum("ek,en->ken", chem.nu_x, found.exchanged),
             np.einsum("mk,mn->kmn", chem.nu_m, found.solid), -total[:, None, :]]
    terms = np.concatenate(terms, axis=1)
    error, size = terms.sum(axis=1), np.abs(terms).sum(axis=1)
    error[chem.hydrogen] -= held
    size[chem.hydrogen] += np.abs(held)
    worst["mass"] = np.max(np.abs(error) / np.maximum(size, 1e-300))

    least, most = sites.limits[0] * sites.cec, sites.limits[1] * sites.cec
    line = sites.cec + sites.slope * (found.pH - sites.reference_pH)
    worst["variable charge"] = np.max(np.abs(np.clip(line, least, most) / found.site - 1))
    worst["sites"] = np.max(np.abs(chem.z_x @ found.exchanged / found.site - 1))
    fraction = found.exchanged * chem.z_x[:, None] / found.site
    affinity = np.log10(np.maximum(fraction, 1e-300)) - chem.log_k_x[:, None] - chem.nu_x @ log_a
    affinity = np.where(fraction > 1e-200, affinity / chem.z_x[:, None], np.nan)   # = log10 x
    worst["exchange"] = np.nanmax(np.abs(affinity - np.nanmean(affinity, axis=0)))

    saturation = chem.nu_m @ log_a + np.outer(chem.water_m, log_aw) - chem.log_k_m[:, None]
    worst["amounts"] = max(0.0, -found.solid.min())
    worst["saturation"] = np.max(np.where(found.solid > 0, np.abs(saturation), saturation))
    return worst


def check(chem, total, theta, sites, found):
    for equation, error in imbalance(chem, total, theta, sites, found).items():
        # In brines I, known to 1e-12 of up to 30 mol/l, moves ln gamma by 3 z^2/9 per mol/l.
        assert error < (1e-9 if equation == "mass action" else 1e-10), equation
