"""What the block's contacts do to the potential: links, levels, and control of currents.

A face that carries current has I = link (level - phi) - offset into the ore [A]. The level of a
group of faces is given, or it is unknown and the group's current is given: then one solve with
the levels at their last values and one unit response per unknown group,

    A u_g = sum of the links of g,    G_gh = dI_g/dV_h = sum over g of link (delta_gh - u_h),

give the levels that carry the required currents exactly, for the system is linear.
"""

import numpy as np

from ekm3d.boundaries.boundary_faces import ANODE, BARE_CATHODE, CLOSED, PASSING, TANK
from ekm3d.constants import F_RT, FARADAY
from ekm3d.physics.face_interpolation import from_tank


class ElectricalBoundary:
    """State of all contacts during the solution for the potential.

    into_ore: current from every face into the ore [A]; drop: potential of the ore voxel above
    that of the tank or reservoir [V]; level: potential behind every face [V]; lag_drop, unsure:
    what the concentrations on faces that species cross were chosen by.
    """

    def __init__(self, grid, backend, domain, contacts, z, diffusion, overpotential):
        self.domain, self.contacts, self.overpotential = domain, contacts, overpotential
        self.z, self.diffusion = z, diffusion
        self.coupling, self.source, self.pull = (backend.zeros(grid.padded) for _ in range(3))
        n = contacts.faces.strip.size
        self.into_ore, self.drop, self.level, self.lag_drop = (np.zeros(n) for _ in range(4))
        self.unsure, self.blocked = np.zeros(n, bool), np.zeros(n, bool)
        self.kinds = np.full(n, CLOSED)
        self.groups, self.found, self.responses = [], {}, {}

    def start(self, drive, s=None, conductivity=None):
        """Take up a drive; nothing is blocked or in doubt yet.

        s: the state that the current depends on; conductivity: padded [S/m] where it is given
        instead of the species. Without a state no current will be asked for.
        """
        self.kinds = self.contacts.kinds(drive)
        self.groups = self.contacts.groups(drive, self.overpotential)
        self.passing = np.isin(self.kinds, PASSING)
        self.sign = np.where(np.isin(self.kinds, (TANK, BARE_CATHODE)), -1, self.kinds == ANODE)
        self.unsure[:] = self.blocked[:] = False
        np.copyto(self.lag_drop, self.drop)
        if s is not None:
            f, gather = self.contacts.faces, self.domain.gather
            carries = s.transport_factor if conductivity is None else conductivity
            self.geometric = f.area * gather(carries, f.voxel) / f.half
            self.ore, self.other = gather(s.c, f.voxel), s.reservoir_species[:, f.strip]

    def connect(self, by_species):
        """Conductance and diffusion current of every face.

        by_species: they follow from the species on both sides; else from a given conductivity.
        """
        if by_species:
            z, d = self.z[:, None], self.diffusion[:, None]
            star = np.where(self.passing, from_tank(self.ore, self.other, z, self.lag_drop,
                                                    self.unsure), self.ore)
            self.side = FARADAY * F_RT * self.geometric * (z * z * d * star).sum(0)
            self.offset = np.where(self.passing, FARADAY * self.geometric * (
                z * d * (self.ore - self.other)).sum(0), 0.0)
        else:
            self.side, self.offset = self.geometric, np.zeros(self.geometric.size)
        self.share = 1.0 / (1.0 + self.side * self.contacts.faces.resistance)

    def solve(self, elliptic, conductance, f, phi, trend=None):
        """phi [padded, in place] with every group at its level or current; f [A] padded.

        trend: padded, in place: how phi changed in the last call with it (see `elliptic`).
        """
        held = set()
        while True:
            iterations = self._solve(elliptic, conductance, f, phi, held, trend)
            trend = None
            over = [n for n, g in enumerate(self.groups)
                    if g.limit is not None and n not in held and self.found[n] > g.limit]
            if not over:
                return iterations
            for n in over:
                self.found[n] = self.groups[n].limit
                held.add(n)

    def _solve(self, elliptic, conductance, f, phi, held, trend):
        """One solution; groups in `held` sit at the level found for them."""
        link, source = np.zeros(self.level.size), np.zeros(self.level.size)
        driven = np.zeros(self.level.size, bool)
        unknown = []
        for n, group in enumerate(self.groups):
            free = group.current is not None
            if free:
                self.found.setdefault(n, 0.0)
            mine = group.faces[~self.blocked[group.faces]]
            self.level[group.faces] = self.found[n] if free else group.level
            driven[mine] = True
            if free and n not in held and mine.size:
                unknown.append((n, mine))
        link[driven] = (self.side * self.share)[driven]
        source[driven] = (link * self.level - self.offset * self.share)[driven]
        voxel = self.contacts.faces.voxel
        self.coupling[...] = 0.0
        np.copyto(self.source, f)
        self.domain.add_at(self.coupling, voxel, link)
        self.domain.add_at(self.source, voxel, source)
        sz, sy, sx = conductance
        elliptic.solve(sx, sy, sz, self.coupling, self.source, phi, trend=trend)
        iterations = elliptic.iterations
        if unknown:
            iterations += self._control(elliptic, conductance, link, source, phi, unknown)
        at_face = self.domain.gather(phi, voxel)
        self.into_ore = np.where(
            driven, link * (self.level - at_face) - self.offset * self.share, 0.0)
        resting = np.divide(-self.offset, self.side, out=np.zeros_like(link), where=self.side > 0)
        self.drop = np.where(
            driven, at_face - self.level + self.into_ore * self.contacts.faces.resistance, resting)
        return iterations

    def _control(self, elliptic, conductance, link, source, phi, unknown):
        """Move the unknown levels, and phi with them, to the currents asked for."""
        voxel, iterations = self.contacts.faces.voxel, 0
        sz, sy, sx = conductance
        gains = np.zeros((len(unknown), len(unknown)))
        missing = np.zeros(len(unknown))
        responses = []
        for n, mine in unknown:
            u = self.responses.setdefault(n, np.zeros_like(phi))
            self.pull[...] = 0.0
            self.domain.add_at(self.pull, voxel[mine], link[mine])
            elliptic.solve(sx, sy, sz, self.coupling, self.pull, u, "unit response", reuse=True)
            iterations += elliptic.iterations
            responses.append(u)
        for a, (n, mine) in enumerate(unknown):
            at_face = self.domain.gather(phi, voxel[mine])
            missing[a] = self.groups[n].current - (source[mine] - link[mine] * at_face).sum()
            for b, u in enumerate(responses):
                response = self.domain.gather(u, voxel[mine])
                gains[a, b] = (link[mine] * ((a == b) - response)).sum()
        change = np.linalg.lstsq(gains, missing, rcond=1e-12)[0]
        for (n, mine), u, dv in zip(unknown, responses, change):
            phi += dv * u
            self.found[n] += dv
            self.level[self.groups[n].faces] += dv
        return iterations

    def rectify(self):
        """Block faces of driven metal whose current would run backwards; True if any is new."""
        new = (self.into_ore * self.sign < 0) & ~self.blocked
        self.blocked |= new
        return bool(new.any())

    def turned(self, sure):
        """Faces that species cross and whose drift turned or grew since c* was chosen."""
        z = F_RT * np.abs(self.z).max(initial=0)
        now, old = z * np.abs(self.drop), z * np.abs(self.lag_drop)
        bad = (self.drop * self.lag_drop <= 0) & (now > sure) | (now > 2.0 * np.maximum(old, 1.0))
        return bad & self.passing & ~self.unsure
