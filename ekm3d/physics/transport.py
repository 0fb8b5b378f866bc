"""Nernst-Planck transport of every aqueous species, explicit and conservative.

    J_s = -m D_s ( grad c_s + z_s (F/RT) c_s grad phi ) + q c_s - alpha_L |q| grad c_s
    d T_k/dt = -div sum_s nu_sk J_s + sources            m = theta tau f(I)   [mol/m3/s]

Species move, component totals are stored. Electrodes pass only acid (anode, H+) and base
(cathode, OH- made in the tank); between ore and tank every species moves like on any face.
"""

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.boundaries.boundary_faces import METAL, PASSING, TANK
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.stencil import above, below, ends, faces, gain
from ekm3d.physics.divergence import collect
from ekm3d.physics.face_interpolation import (
    carried,
    face_conductance,
    from_tank,
    migrating,
    open_faces,
    per_flow,
    upstream_differences,
)


@operator
def component_flux(g, c, mobility, phi, lag, turnover, safe, water, dispersivity, z, diffusion,
                   nu, blend, flux, gained):
    """Flux of every component across every face, up the axis, and what voxels gain by it  [mol/s].

    c: (species, padded) mol/m3 of water; mobility, phi [V], lag [V], turnover dt / (theta V)
    [s/m3], dispersivity [m]: padded;
    safe: (3, padded) uint8; water: (3, padded) m3/s; z, diffusion [m2/s]: (species,);
    nu: (species, components); blend: 1, or 0 for first-order upwind. Outputs flux: (3,
    components, padded); gained: (components, padded).
    """
    scale = diffusion[:, None, None, None]
    charge = (z * F_RT)[:, None, None, None]
    for axis in range(3):
        geometric = face_conductance(mobility, g, axis)
        differences = upstream_differences(c, open_faces(mobility, axis), axis)
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
        faces(flux[axis], axis)[...] = WeightedSum(nu.T)(moved)
    gained[g.inner] = sum(gain(faces(flux[axis], axis), axis) for axis in range(3))


@operator
def component_gain(g, c, mobility, phi, lag, turnover, safe, water, dispersivity, z, diffusion,
                   nu, blend, gained):
    """What every voxel gains, as component_flux has it, where nobody asks for the fluxes."""
    flux = np.empty((3, nu.shape[1], *g.padded))
    component_flux(g, c, mobility, phi, lag, turnover, safe, water, dispersivity, z, diffusion,
                   nu, blend, flux, gained)


def dispersion(dispersivity, water, g, axis):
    """Mechanical dispersion of the faces of `axis`, alpha_L |Q| / h  [m3/s]."""
    alpha = 0.5 * (below(dispersivity, axis) + above(dispersivity, axis))
    return alpha * np.abs(faces(water[axis], axis)) / g.step(axis)


@operator
def leaving(g, mobility, phi, water, dispersivity, still, swept, plus, minus):
    """What can leave a voxel through its faces, per concentration.

    still: sum of G [m], per D; swept: twice the water that leaves, and dispersion [m3/s]; plus,
    minus: twice the drift of cations and of anions [m], per D |z|. All padded, inner voxels are
    written. Twice: see `blending`.
    """
    for out in (still, swept, plus, minus):
        out[g.inner] = 0.0
    for axis in range(3):
        geometric = face_conductance(mobility, g, axis)
        drift = geometric * F_RT * (below(phi, axis) - above(phi, axis))
        spread = dispersion(dispersivity, water, g, axis)
        for sign, conductance, moved, flow, mixed in zip((-1, 1), *(
                ends(f, axis) for f in (geometric, drift, faces(water[axis], axis), spread))):
            still[g.inner] += conductance
            swept[g.inner] += 2 * np.maximum(sign * flow, 0.0) + mixed
            plus[g.inner] += 2 * np.maximum(sign * moved, 0.0)
            minus[g.inner] += 2 * np.maximum(-sign * moved, 0.0)


@operator
def emptying(g, still, swept, plus, minus, pores, fastest, rate):
    """Rate at which the fastest species could empty every voxel  [1/s].

    Inputs as `leaving` makes them; pores: padded theta V [m3]; fastest: (pairs, 3) D, and D |z|
    for cations and for anions. Output rate: padded, inner voxels are written.
    """
    rate[g.inner] = 0.0
    open_pores = pores[g.inner] > 0
    for d, cation, anion in fastest:
        out = (d * still + cation * plus + anion * minus + swept)[g.inner]
        np.maximum(rate[g.inner], np.divide(out, pores[g.inner], out=np.zeros_like(out),
                                            where=open_pores), out=rate[g.inner])


class Transport:
    """Rates of all components from one solution of potential and flow, and the step they allow.

    flux: (3, components, padded) across faces, for those who called keep_flux, else None; ore:
    (components, padded) into every voxel; tank: (strips, components) into every tank; side:
    (sides, components) into the block; wells_in: (wells, components) into the ore, openings: the
    same of every opening of each well; acid: (strips,) H+ made (> 0) or OH- (< 0); entered: acid
    through the walls of every box that is watched, the sum of what its voxels gain through their
    faces: all mol/s.
    """

    def __init__(self, grid, backend, domain, chem, rock, contacts, wells, options):
        """options: cfl, blend (0: upwind); contacts with the steady fluxes through sides."""
        self.grid, self.domain, self.chem, self.rock = grid, domain, chem, rock
        self.backend, self.flux = backend, None
        self.contacts, self.wells, self.options = contacts, wells, options
        k, strips = len(chem.components), contacts.electrodes.strips
        self.ore = backend.zeros((k, *grid.padded))
        self.tank, self.side = np.zeros((strips, k)), np.zeros((len(contacts.sides), k))
        self.wells_in, self.acid = np.zeros((len(wells), k)), np.zeros(strips)
        self.openings = []
        self.z, self.nu = (np.ascontiguousarray(a, dtype=float) for a in (chem.z, chem.nu))
        self.fastest = self._fastest(chem)
        counts = {"NS": len(chem.z), "NK": k, "NF": len(self.fastest)}
        self.component_flux, self.component_gain, self.leaving, self.emptying = (
            backend.bind(op, **counts)
            for op in (component_flux, component_gain, leaving, emptying))
        self.collect = backend.bind(collect, NK=k)
        self.watched, self.entered = [], np.zeros(0)
        self.parts = [backend.zeros(grid.padded) for _ in range(4)]
        self.rate = backend.zeros(grid.padded)
        self.pores = backend.zeros(grid.padded)
        self.domain.fill(rock.dispersivity)
        self.update_rock()

    def update_rock(self):
        """Volume of the pores from the rock as it is now."""
        np.multiply(self.rock.water_content, self.grid.voxel_volume, out=self.pores)

    def keep_flux(self):
        """From now on keep what passes every face in a step, too."""
        if self.flux is None:
            self.flux = self.backend.zeros((3, *self.ore.shape))

    def watch(self, window):
        """From now on work out what acid enters a box of voxels, a Window, through its walls.

        Returns its place in `entered`.
        """
        self.watched.append(window)
        self.entered = np.zeros(len(self.watched))
        return len(self.watched) - 1

    @property
    def rates(self):
        """All arrays of the rates of a step."""
        kept = [] if self.flux is None else [self.flux]
        return [*kept, self.ore, self.tank, self.side, self.acid, self.wells_in, self.entered,
                *self.openings]

    @staticmethod
    def _fastest(chem):
        """(D, D |z| of a cation, of an anion) of the species that no other outruns in all three."""
        rows = {(d, d * max(z, 0), d * max(-z, 0)) for d, z in zip(chem.diffusion, chem.z)}
        return np.array([row for row in sorted(rows) if not any(
            other != row and all(o >= r for o, r in zip(other, row)) for other in rows)])

    def prepare(self, s, potential, flow):
        """Rates of change at time t, and the longest step [s] that keeps every species positive.

        Ghosts of c, mobility, turnover and phi are to be up to date.
        """
        chem, g = self.chem, self.grid
        self.tank[...] = self.side[...] = self.acid[...] = 0.0
        given = (g, s.c, s.transport_factor, s.phi, potential.lag, s.pore_turnover, potential.safe, flow.water,
                 self.rock.dispersivity, self.z, chem.diffusion, self.nu, self.options.blend)
        if self.flux is None:
            self.component_gain(*given, self.ore)
        else:
            self.component_flux(*given, self.flux, self.ore)
        if self.watched:
            acid = self.ore[chem.hydrogen][g.inner]
            self.entered[:] = self.domain.sum_within(self.watched,
                                                 [acid[w.part] for w in self.watched])
        self._acid(potential.boundary)
        f = self.contacts.faces           # G of half a voxel between ore and contact face [m]
        self.contact = f.area * self.domain.gather(s.transport_factor, f.voxel) / f.half
        self._through(s, potential.boundary, flow)
        self._wells(s, flow)
        return self._longest_step(s, potential, flow)

    def advance(self, s, dt):
        """Totals of ore and tanks from t to t + dt."""
        self.collect(self.grid, self.ore, dt / self.grid.voxel_volume, s.totals)
        s.catholyte_totals += dt * self.tank

    def _acid(self, terminals):
        """Current through metal: H+ at anodes, OH- at cathodes, into the ore or the tank."""
        h, f = self.chem.hydrogen, self.contacts.faces
        if h is None:
            return
        strips = self.contacts.electrodes.strips
        metal = np.isin(terminals.kinds, METAL)
        tank = terminals.kinds == TANK
        made = np.where(metal | tank, terminals.into_ore / FARADAY, 0.0)
        self.domain.add_at(self.ore[h], f.voxel[metal], made[metal])
        self.tank[:, h] += self.contacts.per_place(np.where(tank, made, 0.0))[:strips]
        self.acid[:] = self.contacts.per_place(made)[:strips]

    def _through(self, s, terminals, flow):
        """Species between ore and tanks or reservoirs, and the given fluxes through sides."""
        f, chem, strips = self.contacts.faces, self.chem, self.contacts.electrodes.strips
        passing = np.flatnonzero(np.isin(terminals.kinds, PASSING))
        ore = self.domain.gather(s.c, f.voxel)
        moved = np.zeros((len(s.c), f.strip.size))
        if passing.size:
            beyond = s.reservoir_species[:, f.strip[passing]]
            z, d = chem.z[:, None], chem.diffusion[:, None]
            star = from_tank(ore[:, passing], beyond, z, terminals.lag_drop[passing],
                             terminals.unsure[passing])
            drift = (F_RT * terminals.drop[passing]) * z * star
            moved[:, passing] = self.contact[passing] * d * (ore[:, passing] - beyond + drift)
        water = np.where(flow.out > 0, ore, s.reservoir_species[:, f.strip] if s.reservoir_species.size else 0.0)
        out = chem.nu.T @ (moved + flow.out * water)
        for n in range(len(self.contacts.sides)):
            mine = self.contacts.of_side(n)
            out[:, mine] -= self.contacts.given[n][:, None] * f.area[mine]
        self.domain.add_at(self.ore, f.voxel, -out)
        for k in range(len(out)):
            place = self.contacts.per_place(out[k])
            self.tank[:, k] += place[:strips]
            self.side[:, k] -= place[strips:]

    def _wells(self, s, flow):
        """Injected water brings its composition, drained water that of its voxel."""
        chem = self.chem
        self.wells_in[...] = 0.0
        self.openings = []
        for n, (place, inflow) in enumerate(flow.wells):
            moved = self.wells.feeds[n][:, None] * np.maximum(inflow, 0.0)
            leaves = np.flatnonzero((inflow < 0) & (place.face < 0))
            if leaves.size:
                water = chem.nu.T @ self.domain.gather(s.c, place.voxel[leaves])
                moved[:, leaves] = water * inflow[leaves]
            self.domain.add_at(self.ore, place.voxel, moved)
            self.wells_in[n] = moved.sum(1)
            self.openings.append(moved)

    def _longest_step(self, s, potential, flow):
        """cfl x the time in which the fastest species could empty a voxel or a tank  [s]."""
        g, f = self.grid, self.contacts.faces
        still, swept, plus, minus = self.parts
        self.leaving(g, s.transport_factor, s.phi, flow.water, self.rock.dispersivity, *self.parts)
        passing = np.isin(potential.boundary.kinds, PASSING)
        contact = np.where(passing, self.contact, 0.0)
        drop = F_RT * potential.drop
        for part, values in ((still, contact), (swept, np.maximum(flow.out, 0.0)),
                             (plus, contact * np.maximum(drop, 0.0)),
                             (minus, contact * np.maximum(-drop, 0.0))):
            self.domain.add_at(part, f.voxel, values)
        for place, inflow in flow.wells:
            inside = place.face < 0
            self.domain.add_at(swept, place.voxel[inside], np.maximum(-inflow[inside], 0.0))
        self.emptying(g, *self.parts, self.pores, self.fastest, self.rate)
        strips, volume = self.contacts.electrodes.strips, self.contacts.electrodes.volume
        emptied = self.fastest @ [self.contacts.per_place(contact * w)[:strips]
                                  for w in (np.ones_like(drop), np.maximum(-drop, 0.0),
                                            np.maximum(drop, 0.0))]
        tanks = np.divide(emptied, volume, out=np.zeros_like(emptied), where=volume > 0)
        quickest = max(self.domain.max(self.rate[g.inner]), self.domain.max(tanks))
        return self.options.cfl / quickest if quickest > 0 else np.inf
