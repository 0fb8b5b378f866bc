"""Small media for tests of the operators: a salt with a given conductivity, and its state."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np

from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import GHOST
from ekm3d.parallel.domain import Domain
from ekm3d.physics.numerical_options import NumericalOptions
from ekm3d.physics.potential import Potential
from ekm3d.physics.rock import Rock

SALT = SimpleNamespace(z=np.array([1.0, -1.0]), diffusion=np.array([1e-9, 1e-9]))
UNIT = FARADAY * F_RT * 2e-9    # S/m of 1 mol/m3 of the salt at transport factor 1


def row(name, *boxes, contact_resistance=0.0, catholyte_volume=1e-3):
    """An electrode row as a case describes it."""
    return SimpleNamespace(name=name, boxes=boxes, contact_resistance=contact_resistance,
                           catholyte_volume=catholyte_volume)


def options(**given):
    """Numerical options of potential and transport, blended scheme unless said otherwise."""
    return NumericalOptions(**{"overpotential": 0.0, "tolerance": 1e-12, "cfl": 0.9, "blend": 1.0,
                               "sweeps": 1} | given)


def rock_of(**arrays):
    """A Rock of some properties, all others None: a test that reads one of these fails."""
    return Rock(**{field.name: None for field in fields(Rock)} | {"along": {}} | arrays)


def salt_state(grid, conductivity, strips=0):
    """Return a state of 1 mol/m3 of salt with transport factors that give sigma [S/m] (inner)."""
    c = np.zeros((2, *grid.padded))
    c[grid.inner] = 1.0
    factor = np.pad(np.broadcast_to(conductivity, grid.shape) / UNIT, GHOST)
    zeros = {
        name: np.zeros(grid.padded) for name in ("phi", "phi_trend", "charge", "pore_turnover")
    }
    return SimpleNamespace(
        c=c, transport_factor=factor, time=0.0, reservoir_species=np.ones((2, strips)), **zeros
    )


def salt_potential(grid, backend, rows=(), overpotential=0.0, tolerance=1e-11):
    """A Potential for the salt and its electrodes."""
    contacts = BoundaryFaces(grid, Electrodes(grid, rows, overpotential))
    return Potential(grid, backend, Domain(grid), SALT, contacts,
                     options(overpotential=overpotential, tolerance=tolerance))
