"""Blocks of ore in which ions move and do not react, for tests of transport."""

from types import SimpleNamespace

import numpy as np
from helpers.salt_medium import options, rock_of, row

from ekm3d.backends.choose import choose_backend
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import Wells
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import faces
from ekm3d.parallel.domain import Domain
from ekm3d.physics.electrolyte import Electrolyte
from ekm3d.physics.flow import Flow
from ekm3d.physics.potential import Potential
from ekm3d.physics.transport import Transport

OFF = Drive(0, (), (), 0.0, 0.0, np.inf)
ON = Drive(0, ("a",), ("c",), 10.0, 1.0, np.inf)
SALT = {"Na+": (1, 1e-9), "Cl-": (-1, 1e-9)}


def along(axis, n, others=1):
    """Cells (x, y, z) of a column of n voxels along array axis 0, 1, 2 = z, y, x."""
    return tuple(n if d == 2 - axis else others for d in range(3))


def plates(cells, spacing, **more):
    """Rows a and c: plates of one voxel at both ends along x."""
    (nx, ny, nz), (dx, dy, dz) = cells, spacing
    return tuple(row(name, ((x, 0, 0), (x + dx, ny * dy, nz * dz)), **more)
                 for name, x in (("a", 0.0), ("c", (nx - 1) * dx)))


def well(kind, at=None, box=None, rate=None, head=None):
    """A well as a case describes it."""
    return SimpleNamespace(kind=kind, at=at, box=box, rate=rate, head=head, max_rate=None,
                           max_head=None)


def side(upper, **what):
    """A side across x of the block as a case describes it."""
    nothing = dict.fromkeys(("composition", "potential", "current", "head", "flux"))
    return SimpleNamespace(**nothing | {"axis": 2, "upper": upper, "contact": "diffusive"} | what)


class Block:
    """Potential, flow, transport and the state of some ions; one component per ion, T = theta c.

    ions: {name: (charge, D m2/s)}; theta, mobility, dispersivity, conductivity, osmosis: inner
    arrays or numbers, zero inside electrodes; nu: (species, components) if not one to one;
    feeds: what each well injects, in the order of the ions [mol/m3]; sides, given: as Contacts
    takes them, with what lies beyond a side set by the test.
    """

    def __init__(self, cells, spacing, ions, theta=1.0, mobility=1.0, dispersivity=0.0, rows=(),
                 wells=(), feeds=(), conductivity=1e-6, osmosis=0.0, cfl=0.9, nu=None,
                 backend=None, overpotential=0.0, blend=1.0, sides=(), given=()):
        self.grid = grid = Grid(cells, spacing)
        backend, domain = backend or choose_backend("numpy"), Domain(grid)
        names = tuple(ions)
        z, diffusion = (np.array(v, dtype=float) for v in zip(*ions.values(), strict=True))
        self.chem = SimpleNamespace(
            components=names, species=names, z=z, diffusion=diffusion,
            nu=np.eye(len(names)) if nu is None else np.array(nu, dtype=float),
            z_x=np.zeros(0), hydrogen=names.index("H+") if "H+" in names else None)
        self.electrodes = Electrodes(grid, rows, overpotential)
        self.contacts = BoundaryFaces(grid, self.electrodes, sides, given)
        self.rock = rock_of(**{name: self.padded(value) for name, value in (
            ("water_content", theta), ("dispersivity", dispersivity),
            ("hydraulic_conductivity", conductivity), ("electroosmosis", osmosis),
            ("storage", 0.0))})
        numerics = options(overpotential=overpotential, blend=blend, cfl=cfl)
        self.wells = Wells(grid, wells, self.contacts, np.array(feeds, dtype=float))
        self.potential = Potential(grid, backend, domain, self.chem, self.contacts, numerics)
        self.flow = Flow(grid, backend, domain, self.rock, self.contacts, self.wells, 1e-12)
        self.transport = Transport(grid, backend, domain, self.chem, self.rock, self.contacts,
                                   self.wells, numerics)
        self.transport.keep_flux()
        n, strips = len(names), self.electrodes.strips
        self.electrolyte = Electrolyte(grid, backend, domain, self.chem, self.rock)
        zeros = {name: np.zeros(grid.padded) for name in (
            "phi", "phi_trend", "head", "head_trend", "charge", "pore_turnover")}
        self.state = SimpleNamespace(
            time=0.0, transport_factor=self.padded(mobility), totals=np.zeros((n, *grid.padded)),
            c=np.zeros((n, *grid.padded)), exchanged=np.zeros((0, *grid.padded)),
            catholyte_totals=np.zeros((n, strips)),
            reservoir_species=np.zeros((n, strips + len(sides))), **zeros)

    def padded(self, value):
        """A rock property with ghosts, zero there and inside electrodes."""
        return np.pad(np.where(self.electrodes.ore, value, 0.0), GHOST)

    def fill(self, *water, tank=None):
        """Concentrations of the ions [mol/m3]: in the pores (inner arrays or numbers), in tanks."""
        s = self.state
        for n, c in enumerate(water):
            s.totals[n] = self.padded(c) * self.rock.water_content
        if tank is not None:
            s.catholyte_totals[...] = np.reshape(tank, (len(s.totals), -1)) * self.electrodes.volume
        self.settle()

    def settle(self):
        """Species from totals, as chemistry does in a run."""
        s, theta = self.state, self.rock.water_content
        np.divide(s.totals, theta, out=s.c, where=theta > 0)
        s.charge[...] = np.tensordot(self.chem.z, s.totals, 1)
        strips = self.electrodes.strips
        s.reservoir_species[:, :strips] = s.catholyte_totals / self.electrodes.volume

    def field(self, axis, drop):
        """Set the potential to fall by `drop` [V] per voxel along an axis, known beforehand."""
        shape = [1, 1, 1]
        shape[axis] = -1
        self.state.phi[...] = -drop * np.arange(self.grid.padded[axis]).reshape(shape)
        self.potential.previous_phi[...] = self.state.phi

    def time(self, dt):
        """Set the step [s] that the face concentrations are chosen for; 0: none."""
        pores = self.rock.water_content * self.grid.voxel_volume
        np.divide(dt, pores, out=self.state.pore_turnover, where=pores > 0)

    def stream(self, axis, rate):
        """Set the water to flow at `rate` [m3/s] through every face of an axis."""
        faces(self.flow.water[axis], axis)[...] = rate

    def solve(self, drive=OFF, dt=1.0):
        """Potential and water from the state."""
        self.potential.solve(self.state, drive, dt)
        sigma = self.electrolyte.conductivity(self.state)
        self.flow.solve(self.state, drive, self.potential.drop, sigma, dt)

    def prepare(self):
        """Rates of change; returns the longest step [s]."""
        return self.transport.prepare(self.state, self.potential, self.flow)

    def march(self, steps, dt=None, solve=False):
        """Take some steps of one length, the longest that the first allows; returns the time."""
        for _ in range(steps):
            if solve:
                self.solve(dt=dt or 1.0)
            limit = self.prepare()
            dt = dt or limit
            assert dt <= limit * (1 + 1e-9)
            self.transport.advance(self.state, dt)
            self.settle()
        return steps * dt

    @property
    def T(self):
        """(ions, inner) mol/m3 of rock."""
        return self.state.totals[self.grid.inner]

    @property
    def gained(self):
        """(ions, inner) mol/s that every voxel gains in the coming step."""
        return self.transport.ore[self.grid.inner]

    def flux(self, ion, axis):
        """mol/s of an ion through the faces of an axis, both outer ones included."""
        return faces(self.transport.flux[axis][ion], axis)

    def moments(self, ion, axis, background=0.0):
        """Amount [mol/m3 x voxels], mean [m] and variance [m2] of an ion along an axis."""
        others = tuple(a for a in range(3) if a != axis)
        amount = (self.T[ion] - background).sum(others)
        x = self.grid.centres(axis)
        mean = (amount * x).sum() / amount.sum()
        return amount.sum(), mean, (amount * (x - mean)**2).sum() / amount.sum()
