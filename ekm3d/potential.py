"""Charge conservation: the electric potential of the ore between its electrodes.

    div i = -d rho/dt,   i = -F sum_s z_s D_s m ( grad c_s + z_s (F/RT) c_s grad phi )   [A/m2]

On a face: I = S (phi_a - phi_b) + I_d with S = F (F/RT) G sum z^2 D c* and the diffusion
current I_d = F G sum z D (c_a - c_b). c* is the very concentration with which the species
then move (`blending`). Net charge rho that a voxel still carries is fed back as a source,
F rho V / dt, so that the solver's leftovers never add up.
"""

import numpy as np

from ekm3d.backend import operator
from ekm3d.blending import face_conductance as geometry
from ekm3d.blending import from_tank, migrating, upstream_differences
from ekm3d.constants import F_RT, FARADAY
from ekm3d.elliptic import Elliptic
from ekm3d.stencil import above, below, faces

SURE = 0.5      # |u| below which diffusion keeps a face positive whatever the drift's sign
RESOLVES = 3    # solves with the newest potential before doubtful faces take the smaller side


@operator("potential.cu")
def face_conductance(g, c, mobility, lag, safe, z, diffusion, conductance, current):
    """Conductance S [S] and diffusion current I_d [A] of every face.

    c: (species, padded) mol/m3 of water; mobility: padded theta tau f(I); lag: padded
    potential of the last iterate [V]; safe: (3, padded) uint8; z, diffusion [m2/s]: (species,).
    Outputs conductance, current: (3, padded), axis 0, 1, 2 = z, y, x, stored with the voxel
    below the face.
    """
    for axis in range(3):
        geometric = geometry(mobility, g, axis)
        differences = upstream_differences(c, geometric > 0, axis)
        drop = below(lag, axis) - above(lag, axis)
        face = migrating(c, z, drop, faces(safe[axis], axis) > 0, differences, axis)
        faces(conductance[axis], axis)[...] = (FARADAY * F_RT) * geometric * np.tensordot(
            z * z * diffusion, face, 1)
        faces(current[axis], axis)[...] = -FARADAY * geometric * np.tensordot(
            z * diffusion, differences[0], 1)


class Potential:
    """Solves for phi and keeps what the other modules need of the solution.

    conductance, current: (3, padded) face conductances [S] and diffusion currents [A];
    lag, lag_drop, safe, unsure: what the face concentrations were chosen by; into_ore: current
    from every electrode face into the ore [A]; drop: potential of the ore voxel above that of
    the tank, for faces of cathodes [V].
    """

    def __init__(self, grid, backend, domain, chem, electrodes, tolerance):
        self.grid, self.domain, self.electrodes = grid, domain, electrodes
        self.charged = chem.z != 0
        self.z = np.ascontiguousarray(chem.z[self.charged], dtype=float)
        self.diffusion = np.ascontiguousarray(chem.diffusion[self.charged])
        self.elliptic = Elliptic(grid, backend, domain, tolerance)
        self.face_conductance = backend.bind(face_conductance, NS=len(self.z))
        self.conductance, self.current = (backend.zeros((3, *grid.padded)) for _ in range(2))
        self.safe = backend.zeros((3, *grid.padded), dtype=np.uint8)
        self.lag = backend.zeros(grid.padded)
        n = electrodes.faces.strip.size
        self.lag_drop = np.zeros(n)
        self.into_ore, self.drop = np.zeros(n), np.zeros(n)
        self.blocked, self.unsure = np.zeros(n, bool), np.zeros(n, bool)
        self.iterations = 0

    def solve(self, s, drive, dt):
        """phi from the species at time t; dt [s]: the coming step, for the feedback of charge."""
        el = self.electrodes
        c = s.c[self.charged]
        self.domain.fill(c, s.mobility)
        level = self._terminals(drive)
        s.phi[self.grid.inner][el.solid] = self._metal(level)[el.solid]
        self.safe[...] = 0
        self.blocked[:] = self.unsure[:] = False
        lag, lag_drop = self.lag, self.lag_drop
        np.copyto(lag, s.phi)
        np.copyto(lag_drop, self.drop)
        self.iterations = 0
        for attempt in range(20):
            self.face_conductance(self.grid, c, s.mobility, lag, self.safe,
                                  self.z, self.diffusion, self.conductance, self.current)
            link, source, offset = self._electrode_faces(s, c, drive, level, lag_drop)
            coupling, f = np.zeros_like(s.phi), self._sources(s, dt)
            np.add.at(coupling.reshape(-1), el.faces.voxel, link)
            np.add.at(f.reshape(-1), el.faces.voxel, source)
            sz, sy, sx = self.conductance
            self.elliptic.solve(sx, sy, sz, coupling, f, s.phi)
            self.iterations += self.elliptic.iterations
            at_face = s.phi.reshape(-1)[el.faces.voxel]
            self.into_ore = source - link * at_face
            self.drop = self._drops(at_face, level, offset)
            if self._rectify(drive):
                continue
            doubtful = self._doubtful(s.phi, lag)
            turned = (self.drop * lag_drop <= 0) & ~self.unsure & (
                np.abs(self.drop) * np.abs(self.z).max() * F_RT > SURE)
            if not (doubtful.any() or turned.any()):
                break
            if attempt >= RESOLVES:
                self.safe |= doubtful
                self.unsure |= turned
            else:
                np.copyto(lag, s.phi)
                np.copyto(lag_drop, self.drop)
        else:
            raise RuntimeError(
                f"potential: the direction of drift did not settle in 20 solves at t = "
                f"{s.time:g} s ({int(doubtful.sum())} faces); a smaller schedule.max_step may help")

    def _terminals(self, drive):
        """Potential of the metal behind every electrode face [V]."""
        level = max(drive.voltage - self.electrodes.overpotential, 0.0) * drive.duty
        return np.where(self.electrodes.roles(drive) > 0, level, 0.0)

    def _metal(self, level):
        """Potential inside the electrodes' voxels, for the picture [V]; inner shape."""
        out = np.zeros(self.grid.shape)
        for n, mask in enumerate(self.electrodes.masks):
            mine = level[self.electrodes.faces.strip == n]
            out[mask] = mine[0] if mine.size else 0.0
        return out

    def _sources(self, s, dt):
        """F rho V / dt minus the diffusion current that leaves every voxel [A]; padded."""
        f = (FARADAY * self.grid.voxel_volume / dt) * s.charge
        for axis in range(3):
            current = faces(self.current[axis], axis)
            below(f, axis)[...] -= current
            above(f, axis)[...] += current
        return f

    def _electrode_faces(self, s, c, drive, level, lag_drop):
        """Link [S] and source [A] of every electrode face, and (S, I_d) of the tank's side.

        Anode: the ore's half voxel in series with the contact. Cathode: the Nernst-Planck
        face between ore and tank in series with the contact. Without current: no link.
        """
        el, roles = self.electrodes, self.electrodes.roles(drive)
        f = el.faces
        geometric = f.area * s.mobility.reshape(-1)[f.voxel] / f.half
        ore = c.reshape(len(c), -1)[:, f.voxel]
        tank = s.tank_c[self.charged][:, f.strip]
        z, d = self.z[:, None], self.diffusion[:, None]
        star = np.where(roles < 0, from_tank(ore, tank, z, lag_drop, self.unsure), ore)
        side = (FARADAY * F_RT) * geometric * (z * z * d * star).sum(0)
        diffusion = np.where(roles < 0, FARADAY * geometric * (z * d * (ore - tank)).sum(0), 0.0)
        share = 1.0 / (1.0 + side * f.resistance)
        driven = drive.on & (roles != 0) & ~self.blocked & (drive.voltage > el.overpotential)
        link = np.where(driven, side * share, 0.0)
        source = link * level - np.where(driven, diffusion * share, 0.0)
        return link, source, (side, diffusion, driven)

    def _drops(self, at_face, level, offset):
        """phi of the ore voxel minus that of the tank at every face [V]; no current: -I_d / S."""
        side, diffusion, driven = offset
        resting = np.divide(-diffusion, side, out=np.zeros_like(side), where=side > 0)
        return np.where(driven, at_face - level + self.into_ore * self.electrodes.faces.resistance,
                        resting)

    def _rectify(self, drive):
        """Block electrode faces whose current would run backwards; True if there are new ones."""
        wrong = self.into_ore * self.electrodes.roles(drive) < 0
        new = wrong & ~self.blocked
        self.blocked |= new
        return bool(new.any())

    def _doubtful(self, phi, lag):
        """Faces whose c* was chosen for another drift and may not stay positive; (3, padded)."""
        out = np.zeros_like(self.safe)
        for axis in range(3):
            u = F_RT * (below(phi, axis) - above(phi, axis))
            old = F_RT * (below(lag, axis) - above(lag, axis))
            bad = np.zeros(u.shape, bool)
            for z in np.unique(np.abs(self.z)):
                bad |= (u * old < 0) & (z * np.abs(u) > SURE)
                bad |= z * np.abs(u) > 2.0 * np.maximum(z * np.abs(old), 1.0)
            moves = faces(self.conductance[axis], axis) > 0
            faces(out[axis], axis)[...] = bad & moves & (faces(self.safe[axis], axis) == 0)
        return out
