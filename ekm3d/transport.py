"""Nernst-Planck transport of every aqueous species, explicit and conservative.

    J_s = -m D_s ( grad c_s + z_s (F/RT) c_s grad phi ) + q c_s - alpha_L |q| grad c_s
    d T_k/dt = -div sum_s nu_sk J_s + sources            m = theta tau f(I)   [mol/m3/s]

Species move, component totals are stored. Electrodes pass only acid (anode, H+) and base
(cathode, OH- made in the tank); between ore and tank every species moves like on any face.
"""

import numpy as np

from ekm3d.backend import operator
from ekm3d.blending import (carried, face_conductance, from_tank, migrating, per_flow,
                            upstream_differences)
from ekm3d.constants import F_RT, FARADAY
from ekm3d.contacts import METAL, PASSING, TANK
from ekm3d.stencil import above, below, faces, flat, gain


@operator("transport.cu")
def component_flux(g, c, mobility, phi, lag, turnover, safe, water, dispersivity, z, diffusion,
                   nu, blend, flux):
    """Flux of every component across every face, up the axis  [mol/s].

    c: (species, padded) mol/m3 of water; mobility, phi [V], lag [V], turnover dt / (theta V)
    [s/m3], dispersivity [m]: padded;
    safe: (3, padded) uint8; water: (3, padded) m3/s; z, diffusion [m2/s]: (species,);
    nu: (species, components); blend: 1, or 0 for first-order upwind. Output flux: (3,
    components, padded).
    """
    scale = diffusion[:, None, None, None]
    charge = (z * F_RT)[:, None, None, None]
    for axis in range(3):
        geometric = face_conductance(mobility, g, axis)
        differences = upstream_differences(c, geometric > 0, axis)
        own = differences[0]
        lagged = below(lag, axis) - above(lag, axis)
        drop = below(phi, axis) - above(phi, axis)
        passing = per_flow(turnover, axis)
        star = migrating(c, z, scale * (geometric * passing), lagged,
                         faces(safe[axis], axis) > 0, blend, differences, axis)
        flow = faces(water[axis], axis)
        spread = dispersion(dispersivity, water, g, axis)
        moved = scale * geometric * (charge * drop * star - own) - spread * own
        if flow.any():
            spreading = diffusion.max() * geometric + spread
            moved += flow * carried(c, flow, np.abs(flow) * passing, spreading, blend,
                                    differences, axis)
        faces(flux[axis], axis)[...] = np.tensordot(nu.T, moved, 1)


def dispersion(dispersivity, water, g, axis):
    """Mechanical dispersion of the faces of `axis`, alpha_L |Q| / h  [m3/s]."""
    alpha = 0.5 * (below(dispersivity, axis) + above(dispersivity, axis))
    return alpha * np.abs(faces(water[axis], axis)) / g.step(axis)


class Transport:
    """Rates of all components from one solution of potential and flow, and the step they allow.

    flux: (3, components, padded) across faces; ore: (components, padded) into every voxel; tank:
    (strips, components) into every tank; side: (sides, components) into the block; wells_in:
    (wells, components) into the ore, openings: the same of every opening of each well; acid:
    (strips,) H+ made (> 0) or OH- (< 0): all mol/s.
    """

    def __init__(self, grid, backend, domain, chem, rock, contacts, wells, options):
        """options: cfl, blend (0: upwind); contacts with the steady fluxes through sides."""
        self.grid, self.domain, self.chem, self.rock = grid, domain, chem, rock
        self.contacts, self.wells, self.options = contacts, wells, options
        self.component_flux = backend.bind(component_flux)
        k, strips = len(chem.components), contacts.electrodes.strips
        self.flux = backend.zeros((3, k, *grid.padded))
        self.ore = backend.zeros((k, *grid.padded))
        self.tank, self.side = np.zeros((strips, k)), np.zeros((len(contacts.sides), k))
        self.wells_in, self.acid = np.zeros((len(wells), k)), np.zeros(strips)
        self.openings = []
        self.fastest = [self._fastest(chem, sign) for sign in (1, -1)]

    @staticmethod
    def _fastest(chem, sign):
        """(D, D |z|) of the species of one sign (0 counted in) that no other outruns in both."""
        pairs = {(d, d * abs(z)) for d, z in zip(chem.diffusion, chem.z) if z * sign >= 0}
        return [p for p in pairs
                if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in pairs)]

    def prepare(self, s, potential, flow):
        """Rates of change at time t, and the longest step [s] that keeps every species positive."""
        chem, g = self.chem, self.grid
        self.domain.fill(s.c, s.mobility, s.phi)
        self.component_flux(g, s.c, s.mobility, s.phi, potential.lag, s.turnover,
                            potential.safe, flow.water, self.rock["dispersivity"], chem.z,
                            chem.diffusion, chem.nu, self.options.blend, self.flux)
        self.ore[...] = self.tank[...] = self.side[...] = self.acid[...] = 0.0
        for axis in range(3):
            self.ore[g.inner] += gain(faces(self.flux[axis], axis), axis)
        self._acid(potential.terminals)
        self._through(s, potential.terminals, flow)
        self._wells(s, flow)
        return self._longest_step(s, potential, flow)

    def advance(self, s, dt):
        """Totals of ore and tanks from t to t + dt."""
        s.T[self.grid.inner] += (dt / self.grid.voxel_volume) * self.ore[self.grid.inner]
        s.tank += dt * self.tank

    def _into_ore(self, voxel, moved):
        """Add rates (components, n) to the voxels they belong to."""
        for k in range(len(moved)):
            np.add.at(self.ore[k].reshape(-1), voxel, moved[k])

    def _acid(self, terminals):
        """Current through metal: H+ at anodes, OH- at cathodes, into the ore or the tank."""
        h, f = self.chem.hydrogen, self.contacts.faces
        if h is None:
            return
        strips = self.contacts.electrodes.strips
        metal = np.isin(terminals.kinds, METAL)
        tank = terminals.kinds == TANK
        made = np.where(metal | tank, terminals.into_ore / FARADAY, 0.0)
        np.add.at(self.ore[h].reshape(-1), f.voxel[metal], made[metal])
        self.tank[:, h] += self.contacts.per_place(np.where(tank, made, 0.0))[:strips]
        self.acid[:] = self.contacts.per_place(made)[:strips]

    def _through(self, s, terminals, flow):
        """Species between ore and tanks or reservoirs, and the given fluxes through sides."""
        f, chem, strips = self.contacts.faces, self.chem, self.contacts.electrodes.strips
        passing = np.flatnonzero(np.isin(terminals.kinds, PASSING))
        ore = flat(s.c)[:, f.voxel]
        moved = np.zeros((len(s.c), f.strip.size))
        if passing.size:
            beyond = s.beyond[:, f.strip[passing]]
            z, d = chem.z[:, None], chem.diffusion[:, None]
            star = from_tank(ore[:, passing], beyond, z, terminals.lag_drop[passing],
                             terminals.unsure[passing])
            drift = (F_RT * terminals.drop[passing]) * z * star
            moved[:, passing] = self._contact(s)[passing] * d * (ore[:, passing] - beyond + drift)
        water = np.where(flow.out > 0, ore, s.beyond[:, f.strip] if s.beyond.size else 0.0)
        out = chem.nu.T @ (moved + flow.out * water)
        for n in range(len(self.contacts.sides)):
            mine = self.contacts.of_side(n)
            out[:, mine] -= self.contacts.given[n][:, None] * f.area[mine]
        self._into_ore(f.voxel, -out)
        for k in range(len(out)):
            place = self.contacts.per_place(out[k])
            self.tank[:, k] += place[:strips]
            self.side[:, k] -= place[strips:]

    def _contact(self, s):
        """Geometric conductance between ore voxel and contact face, half a voxel  [m]."""
        f = self.contacts.faces
        return f.area * s.mobility.reshape(-1)[f.voxel] / f.half

    def _wells(self, s, flow):
        """Injected water brings its composition, drained water that of its voxel."""
        chem = self.chem
        self.wells_in[...] = 0.0
        self.openings = []
        for n, (place, inflow) in enumerate(flow.wells):
            leaves = (inflow < 0) & (place.face < 0)
            water = chem.nu.T @ flat(s.c)[:, place.voxel]
            moved = np.where(inflow > 0, self.wells.feeds[n][:, None] * inflow,
                             np.where(leaves, water * inflow, 0.0))
            self._into_ore(place.voxel, moved)
            self.wells_in[n] = moved.sum(1)
            self.openings.append(moved)

    def _longest_step(self, s, potential, flow):
        """cfl x the time in which the fastest species could empty a voxel or a tank  [s]."""
        g, inner, f = self.grid, self.grid.inner, self.contacts.faces
        still, water, plus, minus = (np.zeros(g.padded) for _ in range(4))
        for axis in range(3):
            geometric = face_conductance(s.mobility, g, axis)
            drop = below(s.phi, axis) - above(s.phi, axis)
            flow_up = faces(flow.water[axis], axis)
            spread = dispersion(self.rock["dispersivity"], flow.water, g, axis)
            for side, sign in ((below, 1), (above, -1)):
                side(still, axis)[...] += geometric
                side(water, axis)[...] += 2 * np.maximum(sign * flow_up, 0.0) + spread
                for drift, charge in ((plus, 1), (minus, -1)):
                    side(drift, axis)[...] += 2 * geometric * F_RT * np.maximum(
                        charge * sign * drop, 0.0)
        passing = np.isin(potential.terminals.kinds, PASSING)
        contact = np.where(passing, self._contact(s), 0.0)
        drop = F_RT * potential.drop
        np.add.at(still.reshape(-1), f.voxel, contact)
        np.add.at(water.reshape(-1), f.voxel, np.maximum(flow.out, 0.0))
        np.add.at(plus.reshape(-1), f.voxel, contact * np.maximum(drop, 0.0))
        np.add.at(minus.reshape(-1), f.voxel, contact * np.maximum(-drop, 0.0))
        for place, inflow in flow.wells:
            inside = place.face < 0
            np.add.at(water.reshape(-1), place.voxel[inside], np.maximum(-inflow[inside], 0.0))
        strips, volume = self.contacts.electrodes.strips, self.contacts.electrodes.volume
        tanks = [self.contacts.per_place(contact * w)[:strips]
                 for w in (np.ones_like(drop), np.maximum(-drop, 0.0), np.maximum(drop, 0.0))]
        pore = self.rock["water_content"][inner] * g.voxel_volume
        quickest = 0.0
        for drift, tank, pairs in ((plus, tanks[1], self.fastest[0]),
                                   (minus, tanks[2], self.fastest[1])):
            for d, dz in pairs:
                rate = d * still[inner] + dz * drift[inner] + water[inner]
                quickest = max(quickest, self.domain.max(
                    np.divide(rate, pore, out=np.zeros_like(rate), where=pore > 0)))
                emptied = d * tanks[0] + dz * tank
                quickest = max(quickest, self.domain.max(
                    np.divide(emptied, volume, out=np.zeros_like(volume), where=volume > 0)))
        return self.options.cfl / quickest if quickest > 0 else np.inf
