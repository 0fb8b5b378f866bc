"""Charge conservation: the electric potential of the ore between its electrodes.

    div i = -d rho/dt,   i = -F sum_s z_s D_s m ( grad c_s + z_s (F/RT) c_s grad phi )   [A/m2]

On a face: I = S (phi_a - phi_b) + I_d with S = F (F/RT) G sum z^2 D c* and the diffusion
current I_d = F G sum z D (c_a - c_b). c* is the very concentration with which the species
then move (`blending`). Net charge rho that a voxel still carries is fed back as a source,
F rho V / dt, so that the solver's leftovers never add up.
"""

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.constants import F_RT, FARADAY
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import GHOST
from ekm3d.grid.stencil import above, below, faces
from ekm3d.physics.divergence import net_source
from ekm3d.physics.electrical_boundary import ElectricalBoundary
from ekm3d.physics.face_interpolation import face_conductance as geometry
from ekm3d.physics.face_interpolation import migrating, open_faces, per_flow, upstream_differences
from ekm3d.solvers.elliptic import EllipticSolver

SURE = 0.5      # |u| below which diffusion keeps a face positive whatever the drift's sign
RESOLVES = 3    # solves with the newest potential before doubtful faces take the smaller side


@operator
def face_conductance(g, c, mobility, lag, turnover, safe, z, diffusion, blend, conductance,
                     current):
    """Conductance S [S] and diffusion current I_d [A] of every face.

    c: (species, padded) mol/m3 of water; mobility: padded theta tau f(I); lag: padded
    potential of the last iterate [V]; turnover: padded dt / (theta V) [s/m3]; safe: (3, padded)
    uint8; z, diffusion [m2/s]: (species,); blend: 1, or 0 for pure upwind.
    Outputs conductance, current: (3, padded), axis 0, 1, 2 = z, y, x, stored with the voxel
    below the face.
    """
    for axis in range(3):
        geometric = geometry(mobility, g, axis)
        differences = upstream_differences(c, open_faces(mobility, axis), axis)
        drop = below(lag, axis) - above(lag, axis)
        speed = diffusion[:, None, None, None] * (geometric * per_flow(turnover, axis))
        face = migrating(c, z, speed, drop, faces(safe[axis], axis) > 0, blend, differences, axis)
        faces(conductance[axis], axis)[...] = (FARADAY * F_RT) * geometric * WeightedSum(
            z * z * diffusion)(face)[0]
        faces(current[axis], axis)[...] = -FARADAY * geometric * WeightedSum(
            z * diffusion)(differences[0])[0]


@operator
def doubtful(g, phi, lag, conductance, safe, highest, doubt):
    """Faces whose c* was chosen for another drift and may not stay positive.

    phi, lag: padded potentials now and when c* was chosen [V]; conductance: (3, padded), > 0 where
    ions move; safe: (3, padded) uint8, faces that take the smaller side already; highest: largest
    |z|. Where the drift u = z (F/RT) drop of these ions turned, |u| may be SURE at most, else twice
    what it was, or 2. Output doubt: (3, padded) uint8.
    """
    for axis in range(3):
        u = F_RT * (below(phi, axis) - above(phi, axis))
        old = F_RT * (below(lag, axis) - above(lag, axis))
        now, then = highest * np.abs(u), highest * np.abs(old)
        bad = (u * old < 0) & (now > SURE) | (now > 2.0 * np.maximum(then, 1.0))
        moves = faces(conductance[axis], axis) > 0
        faces(doubt[axis], axis)[...] = bad & moves & (faces(safe[axis], axis) == 0)


class Potential:
    """Solves for phi and keeps what the other modules need of the solution.

    conductance, current: (3, padded) face conductances [S] and diffusion currents [A]; lag,
    safe: what the face concentrations were chosen by; terminals: the contacts' share.
    """

    def __init__(self, grid, backend, domain, chem, contacts, options):
        """options: overpotential [V], tolerance, blend (0: upwind), sweeps (least number of solves
        with face concentrations of the newest phi: 1, or 2 where the lag of a step would count),
        conductivity (padded [S/m] or None), source (padded [A/m3] or None)."""
        self.grid, self.backend, self.domain = grid, backend, domain
        self.contacts, self.options = contacts, options
        metal = [np.flatnonzero(np.pad(domain.local_view(mask), GHOST))
                 for mask in contacts.electrodes.masks]
        self.strip = np.repeat(np.arange(len(metal)), [voxels.size for voxels in metal])
        self.metal = backend.from_numpy(np.concatenate([np.zeros(0, int), *metal]))
        self.z, self.diffusion = (np.ascontiguousarray(a, dtype=float)
                                  for a in (chem.z, chem.diffusion))
        self.highest = float(np.abs(self.z).max(initial=0.0))
        self.elliptic = EllipticSolver(grid, backend, domain, options.tolerance)
        self.boundary = ElectricalBoundary(grid, backend, domain, contacts, self.z, self.diffusion,
                                   options.overpotential)
        self.conductance, self.current = (backend.zeros((3, *grid.padded)) for _ in range(2))
        self.safe, self.doubt = (backend.zeros((3, *grid.padded), np.uint8) for _ in range(2))
        self.lag, self.source = (backend.zeros(grid.padded) for _ in range(2))
        self.given = backend.zeros(grid.padded)                     # A of every voxel
        if options.source is not None:
            self.given += grid.voxel_volume * options.source
        self.iterations = 0
        self.net_source = backend.bind(net_source, NK=1)
        self.doubtful = backend.bind(doubtful, NS=len(self.z))
        if options.conductivity is None:
            self.face_conductance = backend.bind(face_conductance, NS=len(self.z))
        else:
            domain.fill(options.conductivity)
            for axis in range(3):
                faces(self.conductance[axis], axis)[...] = geometry(
                    options.conductivity, grid, axis)

    @property
    def into_ore(self):
        """Current from every contact face into the ore [A]."""
        return self.boundary.into_ore

    @property
    def drop(self):
        """phi of the ore voxel above that of the tank or reservoir at every contact face [V]."""
        return self.boundary.drop

    def solve(self, s, drive, dt):
        """phi from the species at time t; dt [s]: the coming step, for the feedback of charge.

        Ghosts of c, mobility, turnover and phi are to be up to date.
        """
        g, t, given = self.grid, self.boundary, self.options.conductivity
        t.start(drive, s, given)
        self.safe[...] = 0
        np.copyto(self.lag, s.phi)
        self.iterations, trend = 0, s.phi_trend
        for attempt in range(20):
            if given is None:
                self.face_conductance(g, s.c, s.transport_factor, self.lag, s.pore_turnover, self.safe, self.z,
                                      self.diffusion, self.options.blend, self.conductance,
                                      self.current)
            self.net_source(g, s.charge, self.given, self.current, FARADAY * g.voxel_volume / dt,
                            self.source)
            t.connect(given is None)
            self.iterations += t.solve(self.elliptic, self.conductance, self.source, s.phi, trend)
            trend = None                            # of the whole step, not of what corrects it
            if t.rectify():
                continue
            if given is not None:
                break
            self.doubtful(g, s.phi, self.lag, self.conductance, self.safe, self.highest, self.doubt)
            turned = t.turned(SURE)
            settled = not (self.domain.any(self.doubt) or turned.any())
            if settled and attempt + 1 >= self.options.sweeps:
                break
            if attempt >= RESOLVES:
                self.safe |= self.doubt
                t.unsure |= turned
            else:
                np.copyto(self.lag, s.phi)
                np.copyto(t.lag_drop, t.drop)
        else:
            raise ConvergenceError(
                f"potential: the direction of drift did not settle in 20 solves at t = {s.time:g} s"
                f" ({self.domain.count(self.doubt)} faces); a smaller schedule.max_step may help")
        self._show_metal(s.phi)

    def _show_metal(self, phi):
        """Give the voxels of electrodes the potential of their metal, for the picture."""
        level = np.zeros(self.contacts.count)
        level[self.contacts.faces.strip] = self.boundary.level
        phi.reshape(-1)[self.metal] = self.backend.from_numpy(level[self.strip])
