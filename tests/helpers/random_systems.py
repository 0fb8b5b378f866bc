"""Random chemical systems from the seed thermodynamic data: activity, exchangers, minerals, gases.

The data's own constants; what it has no numbers for (ion sizes, a second exchanger) is drawn.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers.phreeqc import DEBYE_B, comparable

from ekm3d.thermodata.build import read_database

BATCH = comparable(read_database(Path(__file__).parents[1] / "data" / "chemistry_batch.toml"))


def with_sizes(chem, rng):
    """Return the system with extended Debye-Hueckel: sizes 3 to 9 angstrom, linear -0.1 to 0.2."""
    count = len(chem.species)
    return replace(chem, size=DEBYE_B * rng.choice([3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 9.0], count),
                   linear=rng.uniform(-0.1, 0.2, count).round(4))


def with_exchangers(chem, *conventions):
    """Return the system with one exchanger per convention, constants half a unit apart."""
    count, copies = len(chem.exchange), len(conventions)
    return replace(
        chem, exchangers=tuple(f"clay {i}" for i in range(copies)), conventions=conventions,
        exchange=tuple(f"{name} {i}" for i in range(copies) for name in chem.exchange),
        nu_x=np.tile(chem.nu_x, (copies, 1)), z_x=np.tile(chem.z_x, copies),
        log_k_x=np.concatenate([chem.log_k_x + 0.5 * i * (np.arange(count) % 3)
                                for i in range(copies)]),
        site_of=np.repeat(np.arange(copies), count))


def with_minerals(chem, *records):
    """Return the system with more minerals.

    records: (name, {component: coefficient}, water, log K of dissolution) each.
    """
    nu = [[parts.get(name, 0.0) for name in chem.components] for _, parts, _, _ in records]
    names, _, water, log_k = zip(*records, strict=True)
    return replace(chem, minerals=chem.minerals + names, nu_m=np.vstack([chem.nu_m, nu]),
                   water_m=np.append(chem.water_m, water), log_k_m=np.append(chem.log_k_m, log_k),
                   volume_m=np.append(chem.volume_m, np.full(len(names), np.nan)))


def with_gas(chem, name, parts, water, log_k, pressure):
    """Return the system with one more gas at a fixed pressure [atm]."""
    nu = [[parts.get(component, 0.0) for component in chem.components]]
    return replace(chem, gases=chem.gases + (name,), water_g=np.append(chem.water_g, water),
                   nu_g=np.vstack([chem.nu_g.reshape(-1, len(chem.components)), nu]),
                   log_k_g=np.append(chem.log_k_g, log_k),
                   pressure_g=np.append(chem.pressure_g, pressure))


# phreeqc.dat; log K of CO2(g) = CO3-2 + 2 H+ - H2O is -1.468 - 16.681
POLYMORPHS = (("gibbsite", {"Al+3": 1, "H+": -3}, 3, 8.11),
              ("goethite", {"Fe+3": 1, "H+": -3}, 2, -1.0),
              ("aragonite", {"Ca+2": 1, "CO3-2": 1}, 0, -8.336),
              ("dolomite", {"Ca+2": 1, "Mg+2": 1, "CO3-2": 2}, 0, -17.09))
CARBON_DIOXIDE = "CO2(g)", {"CO3-2": 1, "H+": 2}, -1, -18.149


def totals(chem, rng, n, spare=("Na+", "Cl-")):
    """Return (total (K, n), site (N, n)) in mol and eq per litre: neutral, pH 1 to 13.

    Some components are absent, none of `spare`; exchangers are never short of cations.
    """
    K, H = len(chem.components), chem.hydrogen
    total = 10 ** rng.uniform(-5, -0.6, (K, n)) * (rng.random((K, n)) < 0.75)
    salt = [chem.components.index(name) for name in spare]
    total[salt] = 10 ** rng.uniform(-3, -0.6, (2, n))
    strong = [chem.components.index(name) for name in ("Na+", "K+", "NH4+", "Ca+2", "Mg+2")]
    cations = chem.charge[strong] @ total[strong]
    site = cations * rng.uniform(0.02, 0.25, (max(1, len(chem.exchangers)), n))
    acid = rng.choice([-1, 1], n) * 10 ** rng.uniform(-6, -1.3, n)
    total[H] = 0.0
    short = chem.charge @ total + acid - site.sum(axis=0)      # to be covered by the salt's ions
    total[salt[1]] += np.maximum(short, 0)
    total[salt[0]] += np.maximum(-short, 0)
    total[H] = site.sum(axis=0) - chem.charge @ total
    return total, site
