"""Nernst-Planck transport of every aqueous species, explicit and conservative.

    J_s = -m D_s ( grad c_s + z_s (F/RT) c_s grad phi ) + q c_s - alpha_L |q| grad c_s
    d T_k/dt = -div sum_s nu_sk J_s + sources            m = theta tau f(I)   [mol/m3/s]

Species move, component totals are stored. Electrodes pass only acid (anode, H+) and base
(cathode, OH- made in the tank); between ore and tank every species moves like on any face.
"""

import numpy as np

from ekm3d.backend import operator
from ekm3d.blending import (carried, face_conductance, from_tank, migrating,
                            upstream_differences)
from ekm3d.constants import F_RT, FARADAY
from ekm3d.stencil import above, below, faces, gain


@operator("transport.cu")
def component_flux(g, c, mobility, phi, lag, safe, water, dispersivity, z, diffusion, nu, flux):
    """Flux of every component across every face, up the axis  [mol/s].

    c: (species, padded) mol/m3 of water; mobility, phi [V], lag [V], dispersivity [m]: padded;
    safe: (3, padded) uint8; water: (3, padded) m3/s; z, diffusion [m2/s]: (species,);
    nu: (species, components). Output flux: (3, components, padded).
    """
    scale = diffusion[:, None, None, None]
    charge = (z * F_RT)[:, None, None, None]
    for axis in range(3):
        geometric = face_conductance(mobility, g, axis)
        differences = upstream_differences(c, geometric > 0, axis)
        lagged = below(lag, axis) - above(lag, axis)
        drop = below(phi, axis) - above(phi, axis)
        star = migrating(c, z, lagged, faces(safe[axis], axis) > 0, differences, axis)
        flow = faces(water[axis], axis)
        spread = dispersion(dispersivity, water, g, axis)
        own = differences[0]
        moved = scale * geometric * (charge * drop * star - own) - spread * own
        if flow.any():
            moved += flow * carried(c, flow, differences, axis)
        faces(flux[axis], axis)[...] = np.tensordot(nu.T, moved, 1)


def dispersion(dispersivity, water, g, axis):
    """Mechanical dispersion of the faces of `axis`, alpha_L |Q| / h  [m3/s]."""
    alpha = 0.5 * (below(dispersivity, axis) + above(dispersivity, axis))
    return alpha * np.abs(faces(water[axis], axis)) / g.step(axis)


class Transport:
    """Rates of all components from one solution of potential and flow, and the step they allow."""

    def __init__(self, grid, backend, domain, chem, rock, electrodes, wells, cfl):
        self.grid, self.domain, self.chem, self.rock = grid, domain, chem, rock
        self.electrodes, self.wells, self.cfl = electrodes, wells, cfl
        self.component_flux = backend.bind(component_flux)
        k = len(chem.components)
        self.flux = backend.zeros((3, k, *grid.padded))
        self.ore = np.zeros((k, *grid.padded))                 # mol/s into every voxel
        self.tank = np.zeros((electrodes.strips, k))           # mol/s into every tank
        self.wells_in = np.zeros((len(wells), k))              # mol/s into the ore
        self.acid = np.zeros(electrodes.strips)                # mol/s of H+ made (> 0) or OH- (< 0)
        self.fastest = [self._fastest(chem, sign) for sign in (1, -1)]

    @staticmethod
    def _fastest(chem, sign):
        """(D, D |z|) of the species of one sign (0 counted in) that no other outruns in both."""
        pairs = {(d, d * abs(z)) for d, z in zip(chem.diffusion, chem.z) if z * sign >= 0}
        return [p for p in pairs
                if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in pairs)]

    def prepare(self, s, potential, flow, drive):
        """Rates of change at time t, and the longest step [s] that keeps every species positive."""
        chem, g = self.chem, self.grid
        self.domain.fill(s.c, s.mobility, s.phi)
        self.component_flux(g, s.c, s.mobility, s.phi, potential.lag, potential.safe, flow.water,
                            self.rock["dispersivity"], chem.z, chem.diffusion, chem.nu, self.flux)
        self.ore[...] = 0.0
        for axis in range(3):
            self.ore[g.inner] += gain(faces(self.flux[axis], axis), axis)
        self._electrodes(s, potential, flow, drive)
        self._wells(s, flow)
        return self._longest_step(s, potential, flow, drive)

    def advance(self, s, dt):
        """Totals of ore and tanks from t to t + dt."""
        s.T[self.grid.inner] += (dt / self.grid.voxel_volume) * self.ore[self.grid.inner]
        s.tank += dt * self.tank

    def _electrodes(self, s, potential, flow, drive):
        """Acid into the ore at anodes; species between ore and tank, base into tanks."""
        el, chem = self.electrodes, self.chem
        f, roles = el.faces, el.roles(drive)
        self.tank[...] = self.acid[...] = 0.0
        made = potential.into_ore / FARADAY                    # mol/s: H+ > 0, OH- < 0
        if chem.hydrogen is not None:
            anode = roles > 0
            np.add.at(self.ore[chem.hydrogen].reshape(-1), f.voxel[anode], made[anode])
            self.tank[:, chem.hydrogen] += el.per_strip(np.where(roles < 0, made, 0.0))
            self.acid[:] = el.per_strip(made)
        contact = np.flatnonzero(roles < 0)
        if contact.size:
            moved = self._to_tank(s, potential, flow, contact)
            for k in range(len(moved)):
                np.add.at(self.ore[k].reshape(-1), f.voxel[contact], -moved[k])
                np.add.at(self.tank[:, k], f.strip[contact], moved[k])

    def _to_tank(self, s, potential, flow, contact):
        """Components from the ore into the tank at the faces `contact`; (components, n) mol/s."""
        f, chem = self.electrodes.faces, self.chem
        geometric = self._contact(s, contact)
        ore = s.c.reshape(len(s.c), -1)[:, f.voxel[contact]]
        tank = s.tank_c[:, f.strip[contact]]
        z, d = chem.z[:, None], chem.diffusion[:, None]
        star = from_tank(ore, tank, z, potential.lag_drop[contact], potential.unsure[contact])
        moved = geometric * d * (ore - tank + (F_RT * potential.drop[contact]) * z * star)
        return chem.nu.T @ (moved + flow.to_tank[contact] * ore)

    def _contact(self, s, contact):
        f = self.electrodes.faces
        return (f.area * s.mobility.reshape(-1)[f.voxel] / f.half)[contact]

    def _wells(self, s, flow):
        """Injected water brings its composition, drained water that of its voxel."""
        chem = self.chem
        self.wells_in[...] = 0.0
        for n, (place, inflow) in enumerate(flow.wells):
            leaves = (inflow < 0) & (place.face < 0)
            water = chem.nu.T @ s.c.reshape(len(s.c), -1)[:, place.voxel]
            moved = np.where(inflow > 0, self.wells.feeds[n][:, None] * inflow,
                             np.where(leaves, water * inflow, 0.0))
            for k in range(len(moved)):
                np.add.at(self.ore[k].reshape(-1), place.voxel, moved[k])
            self.wells_in[n] = moved.sum(1)

    def _longest_step(self, s, potential, flow, drive):
        """cfl x the time in which the fastest species could empty a voxel or a tank  [s]."""
        g, inner = self.grid, self.grid.inner
        still = np.zeros(g.padded)
        water = np.zeros(g.padded)
        drift = [np.zeros(g.padded), np.zeros(g.padded)]
        for axis in range(3):
            geometric = face_conductance(s.mobility, g, axis)
            drop = below(s.phi, axis) - above(s.phi, axis)
            flow_up = faces(flow.water[axis], axis)
            spread = dispersion(self.rock["dispersivity"], flow.water, g, axis)
            for side, sign in ((below, 1), (above, -1)):
                side(still, axis)[...] += geometric
                side(water, axis)[...] += 2 * np.maximum(sign * flow_up, 0.0) + spread
                for n, charge in enumerate((1, -1)):
                    side(drift[n], axis)[...] += 2 * geometric * F_RT * np.maximum(
                        charge * sign * drop, 0.0)
        f = self.electrodes.faces
        contact = np.flatnonzero(self.electrodes.roles(drive) < 0)
        geometric = self._contact(s, contact)
        drop = potential.drop[contact]
        np.add.at(still.reshape(-1), f.voxel[contact], geometric)
        np.add.at(water.reshape(-1), f.voxel[contact], flow.to_tank[contact])
        for n, charge in enumerate((1, -1)):
            np.add.at(drift[n].reshape(-1), f.voxel[contact],
                      geometric * F_RT * np.maximum(charge * drop, 0.0))
        for place, inflow in flow.wells:
            inside = place.face < 0
            np.add.at(water.reshape(-1), place.voxel[inside], np.maximum(-inflow[inside], 0.0))
        strip = self.electrodes.per_strip
        per_face = np.zeros((3, f.strip.size))
        per_face[:, contact] = geometric * np.stack(
            [np.ones_like(drop)] + [F_RT * np.maximum(-q * drop, 0.0) for q in (1, -1)])
        longest = np.inf
        for n in range(2):
            for d, dz in self.fastest[n]:
                rate = d * still[inner] + dz * drift[n][inner] + water[inner]
                pore = self.rock["water_content"][inner] * g.voxel_volume
                quickest = self.domain.max(
                    np.divide(rate, pore, out=np.zeros_like(rate), where=pore > 0))
                if contact.size:
                    tank = d * strip(per_face[0]) + dz * strip(per_face[1 + n])
                    quickest = max(quickest, self.domain.max(tank / self.electrodes.volume))
                if quickest > 0:
                    longest = min(longest, self.cfl / quickest)
        return longest
