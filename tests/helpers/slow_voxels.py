"""A few voxels with slow reactions and nothing else, for tests: chemistry, state and processes.

Lime dissolves as M+2 with two Cl- in place of carbonate, so that its equilibrium in ideal water
can be written down by hand; the exchanger holds Na+, M+2 and H+.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np
from helpers.salt_medium import rock_of

from ekm3d.backends.base import Backend
from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.grid.grid import Grid
from ekm3d.physics.kinetics import Kinetics
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.thermodata.build import build

PLAIN = Backend("plain arrays")
OWN = {"source": "this test's own", "diffusion": 1e-9}
TABLES = {
    "activity": {"model": "ideal", "water_activity": 0.0},
    "mobility": {"model": "sqrt", "coefficient": 0.0},
    "component": [dict(OWN, name=name, charge=z, molar_mass=10.0 * abs(z))
                  for name, z in (("H+", 1), ("Na+", 1), ("M+2", 2), ("Cl-", -1))],
    "species": [dict(OWN, name="OH-", reaction={"H+": -1, "H2O": 1}, log_k=-14.0)],
    "mineral": [
        {"name": "salt", "reaction": {"M+2": 1, "Cl-": 2}, "log_k": -5.0, "source": "own"},
        {"name": "base", "reaction": {"M+2": 1, "H+": -2, "H2O": 2}, "log_k": 17.0,
         "source": "own"}],
    "exchange": [
        {"name": "NaX", "reaction": {"Na+": 1, "X-": 1}, "log_k": 0.0, "source": "own"},
        {"name": "HX", "reaction": {"H+": 1, "X-": 1}, "log_k": 1.0, "source": "own"},
        {"name": "MX2", "reaction": {"M+2": 1, "X-": 2}, "log_k": 0.7, "source": "own"}],
}


def chemistry(*minerals, exchange=False):
    tables = dict(TABLES, mineral=[m for m in TABLES["mineral"] if m["name"] in minerals])
    if not exchange:
        del tables["exchange"]
    return build(tables)


def voxels(chem, total, laws=None, theta=0.4, cec=0.0, slope=0.0, slow=None,
           backend=PLAIN):
    """(Kinetics, state) of n voxels in a row; total (K, n) mol/m3; slow: (share, rate) or None.

    cec, slope: numbers, or (N, n) of several exchangers.
    """
    total = np.atleast_2d(np.asarray(total, float))
    n = total.shape[1]
    grid = Grid((n, 1, 1), (0.1, 0.1, 0.1), (0.0, 0.0, 0.0))
    every = np.ones(grid.shape, bool)
    ore = OreVoxels(grid, every, backend)

    def padded(values, *lead):
        array = np.zeros((*lead, *grid.padded))
        OreVoxels(grid, every).put(array, values)
        return backend.from_numpy(array)

    fast, kinds = 1 - (slow[0] if slow else 0.0), np.shape(cec)[:-1]
    rock = rock_of(water_content=padded(theta), cec=padded(fast * cec, *kinds),
                   cec_slope=padded(fast * slope, *kinds), whole_cec=padded(cec, *kinds),
                   whole_slope=padded(slope, *kinds), reference_pH=7.0)
    s = SimpleNamespace(step=0, totals=padded(total, len(chem.components)),
                        kinetic_minerals=padded(0.0, len(chem.minerals)),
                        slow_sites=padded(0.0, len(chem.exchange)))
    engine = partial(EquilibriumSolver, backend=backend)
    return Kinetics(ore, chem, rock, laws or {}, slow, engine), s


def total_of(kinetics, s, k):
    """mol/m3 of component k in all voxels: in reach, in slow minerals, on slow sites."""
    chem, take = kinetics.chem, kinetics.voxels.take
    held = take(s.slow_sites)
    amount = take(s.totals)[k] + chem.nu_m[:, k] @ take(s.kinetic_minerals) + chem.nu_x[:, k] @ held
    if k == chem.hydrogen:
        slow = take(kinetics.rock.whole_cec) - take(kinetics.rock.cec)
        amount = amount - (chem.z_x @ held - slow)
    return amount
