"""Water in the ore: Darcy's law and electro-osmosis in saturated pores.

    q = -K grad h + k_e E,   S_s dh/dt + div q = wells                                [m/s]

Both terms are taken in series across a face. The water content does not change; storage S_s,
where given, is implicit in time. An outlet that would admit water is closed; an inlet that
would give, or a drain that would take, more than its pump can does just that.
"""

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.boundaries.wells import OUTFLOW_ONLY
from ekm3d.errors import ConvergenceError
from ekm3d.grid.stencil import above, below, faces
from ekm3d.physics import face_interpolation
from ekm3d.physics.divergence import net_source
from ekm3d.solvers.elliptic import EllipticSolver


@operator
def rock_conductance(g, conductivity, conductance):
    """Hydraulic conductance of every face, two half voxels in series  [m2/s].

    conductivity: padded K [m/s]. Output conductance: (3, padded), axis 0, 1, 2 = z, y, x.
    """
    for axis in range(3):
        faces(conductance[axis], axis)[...] = face_interpolation.face_conductance(conductivity, g, axis)


@operator
def osmosis(g, sigma, conductivity, electroosmosis, conductance, phi, water):
    """Electro-osmotic flow through every face  [m3/s].

    In each half of a face k_e/K times its part of the voltage acts like a head; the parts divide
    like the resistances: the flow is then exact for layers across it. sigma: padded electric
    conductivity [S/m]; conductivity K [m/s], electroosmosis k_e [m2/V/s], phi [V]: padded;
    conductance: (3, padded) m2/s. Output water: (3, padded), up the axis.
    """
    k = conductivity
    thrust = np.divide(electroosmosis, k, out=np.zeros_like(k), where=k > 0)         # head per volt
    for axis in range(3):
        a, b = below(sigma, axis), above(sigma, axis)
        both = a + b
        part = np.divide(b, both, out=np.full_like(both, 0.5), where=both > 0)
        head = part * below(thrust, axis) + (1.0 - part) * above(thrust, axis)
        faces(water[axis], axis)[...] = faces(conductance[axis], axis) * head * (
            below(phi, axis) - above(phi, axis))


@operator
def darcy(g, conductance, head, water):
    """Adds the flow that the head drives through every face; arguments as above  [m3/s]."""
    for axis in range(3):
        faces(water[axis], axis)[...] += faces(conductance[axis], axis) * (
            below(head, axis) - above(head, axis))


class Flow:
    """Solves for the head and keeps the water that crosses every face and opening.

    water: (3, padded) flow across faces, up the axis [m3/s]; wells: for each well the Place
    and the flow into the ore at its openings [m3/s]; out: flow out of the ore at every contact
    face, into tanks and through sides [m3/s].
    """

    def __init__(self, grid, backend, domain, rock, contacts, wells, tolerance):
        self.grid, self.backend, self.domain = grid, backend, domain
        self.rock, self.sources = rock, wells
        self.elliptic = EllipticSolver(grid, backend, domain, tolerance)
        self.conductance, self.water = (backend.zeros((3, *grid.padded)) for _ in range(2))
        self.stored, self.kept, self.source, self.link, self.fixed = (
            backend.zeros(grid.padded) for _ in range(5))
        self.storing = domain.any(rock.storage)
        self.rock_conductance, self.osmosis, self.darcy = (
            backend.bind(op) for op in (rock_conductance, osmosis, darcy))
        self.net_source = backend.bind(net_source, NK=1)
        self.update_rock()
        self.wells, self.out = [], np.zeros(contacts.faces.strip.size)
        self.iterations, self.residual = 0, 0.0

    def update_rock(self):
        """Conductances from the rock as it is now."""
        self.domain.fill(self.rock.hydraulic_conductivity, self.rock.electroosmosis)
        self.rock_conductance(self.grid, self.rock.hydraulic_conductivity, self.conductance)
        self.known = None                       # openings' links in the last solution: of none
        self.at_openings = {}                   # number of a well -> voxels, K and k_e there

    def solve(self, s, drive, drop, sigma, dt):
        """Head and water flow at time t, with storage at t + dt.

        drop: phi of the ore voxel above what lies behind every contact face [V]; sigma: padded
        electric conductivity [S/m], which tells how a face's potential divides on both sides.
        """
        g, rock = self.grid, self.rock
        self.domain.fill(sigma)
        if self.storing:
            np.multiply(rock.storage, g.voxel_volume / dt, out=self.stored)
            np.multiply(self.stored, s.head, out=self.kept)
        self.osmosis(g, sigma, rock.hydraulic_conductivity, rock.electroosmosis, self.conductance,
                     s.phi, self.water)
        self.net_source(g, s.head, self.kept, self.water, 0.0, self.source)
        places = [self.sources.openings(n, drive) for n in range(len(self.sources.all))]
        osmotic = [self._osmosis_at(n, place, drop) for n, place in enumerate(places)]
        closed = [np.zeros(place.voxel.size, bool) for place in places]
        limited = [False] * len(places)
        self.iterations, trend = 0, s.head_trend
        for _ in range(2 * len(places) + 20):
            opened = [self._opening(n, place, osmotic[n], closed[n], limited[n])
                      for n, place in enumerate(places)]
            self._solve(s, places, opened, trend)
            trend = None
            self.wells = []
            changed = False
            for n, (place, (coupling, inflow)) in enumerate(zip(places, opened)):
                inflow = inflow - coupling * self.domain.gather(s.head, place.voxel)
                self.wells.append((place, inflow))
                well = self.sources.all[n]
                if well.kind in OUTFLOW_ONLY and (inflow > 0).any():
                    closed[n] |= inflow > 0
                    changed = True
                sign = -1.0 if well.kind in OUTFLOW_ONLY else 1.0
                if well.max_rate is not None and (
                        sign * inflow.sum() > well.max_rate * (1 + 1e-9)):
                    limited[n] = changed = True
            if not changed:
                break
        self.darcy(g, self.conductance, s.head, self.water)
        self.out[:] = 0.0
        for n, (place, inflow) in enumerate(self.wells):
            behind, real = place.face >= 0, n < len(self.sources)
            np.add.at(self.out, place.face[behind],
                      np.maximum(-inflow[behind], 0.0) if real else -inflow[behind])
        del self.wells[len(self.sources):]

    def _solve(self, s, places, opened, trend):
        """One solution for the head; opened: (link, inflow at head zero) of the openings."""
        linked = self.storing or any(coupling.any() for coupling, _ in opened)
        inflow = np.concatenate([np.zeros(0), *(inflow for _, inflow in opened)])
        if not linked and inflow.sum() > 1e-9 * np.abs(inflow).sum():
            raise ConvergenceError(
                f"flow: {float(inflow.sum()):.3g} m3/s of water are injected at t = {s.time:g} s "
                "but no outlet is open; a collector, drain or head well is needed in this stage")
        np.copyto(self.fixed, self.source)
        for place, (_, inflow) in zip(places, opened):
            self.domain.add_at(self.fixed, place.voxel, inflow)
        same = self._same(places, opened)
        if not same:
            np.copyto(self.link, self.stored)
            for place, (coupling, _) in zip(places, opened):
                self.domain.add_at(self.link, place.voxel, coupling)
        sz, sy, sx = self.conductance
        self.residual = self.elliptic.solve(sx, sy, sz, self.link, self.fixed, s.head, "head",
                                            same, trend)
        self.iterations += self.elliptic.iterations

    def _same(self, places, opened):
        """Whether rock and openings conduct just as they did in the last solution."""
        links = [values for place, (coupling, _) in zip(places, opened)
                 for values in (place.voxel, coupling)]
        known, self.known = self.known, None if self.storing else links
        return known is not None and len(known) == len(links) and all(
            map(np.array_equal, known, links))

    def _rock_at(self, n, place):
        """(K [m/s], k_e [m2/V/s]) at the openings of a well."""
        known = self.at_openings.get(n)
        if known is None or not np.array_equal(known[0], place.voxel):
            known = self.at_openings[n] = (place.voxel, *(
                self.domain.gather(array, place.voxel)
                for array in (self.rock.hydraulic_conductivity, self.rock.electroosmosis)))
        return known[1:]

    def _osmosis_at(self, n, place, drop):
        """Electro-osmotic flow out of the ore at the openings of a well [m3/s]."""
        at_tank = np.where(place.face >= 0, drop[place.face] if drop.size else 0.0, 0.0)
        return self._rock_at(n, place)[1] * place.reach * at_tank

    def _opening(self, n, place, osmosis, closed, limited):
        """(link [m2/s], inflow at head zero [m3/s]) of a well's openings."""
        well = self.sources.all[n]
        share = place.area / place.area.sum() if place.area.size else place.area
        if well.kind == "injection":
            return np.zeros_like(share), well.rate * share
        if limited:
            sign = -1.0 if well.kind in OUTFLOW_ONLY else 1.0
            return np.zeros_like(share), sign * well.max_rate * share
        reach = np.where(closed, 0.0, place.reach)
        conductance = self._rock_at(n, place)[0] * reach
        return conductance, conductance * well.head - np.where(closed, 0.0, osmosis)
