"""Water in the ore: Darcy's law and electro-osmosis in saturated pores.

    q = -K grad h + k_e E,   S_s dh/dt + div q = wells                                [m/s]

Both terms are taken in series across a face. The water content does not change; storage S_s,
where given, is implicit in time. An outlet that would admit water is closed; an inlet that
would give, or a drain that would take, more than its pump can does just that.
"""

import numpy as np

from ekm3d.blending import face_conductance
from ekm3d.elliptic import Elliptic
from ekm3d.stencil import above, below, faces
from ekm3d.wells import OUTFLOW_ONLY


class Flow:
    """Solves for the head and keeps the water that crosses every face and opening.

    water: (3, padded) flow across faces, up the axis [m3/s]; wells: for each well the Place
    and the flow into the ore at its openings [m3/s]; out: flow out of the ore at every contact
    face, into tanks and through sides [m3/s].
    """

    def __init__(self, grid, backend, domain, rock, contacts, wells, tolerance):
        self.grid, self.backend, self.domain = grid, backend, domain
        self.rock, self.sources = rock, wells
        self.elliptic = Elliptic(grid, backend, domain, tolerance)
        self.conductance, self.water = (backend.zeros((3, *grid.padded)) for _ in range(2))
        self.thrust = np.zeros_like(rock["conductivity"])                    # head per volt [m/V]
        self.take_up_rock()
        self.wells, self.out = [], np.zeros(contacts.faces.strip.size)
        self.iterations, self.residual = 0, 0.0

    def take_up_rock(self):
        """Conductances from the rock as it is now."""
        k, k_e = self.rock["conductivity"], self.rock["electroosmosis"]
        for axis in range(3):
            faces(self.conductance[axis], axis)[...] = face_conductance(k, self.grid, axis)
        np.divide(k_e, k, out=self.thrust, where=k > 0)

    def solve(self, s, drive, drop, sigma, dt):
        """Head and water flow at time t, with storage at t + dt.

        drop: phi of the ore voxel above what lies behind every contact face [V]; sigma: padded
        electric conductivity [S/m], which tells how a face's potential divides on both sides.
        """
        stored = (self.rock["storage"] * self.grid.voxel_volume / dt)
        source = stored * s.head
        for axis in range(3):
            moved = self._osmosis(sigma, axis) * (below(s.phi, axis) - above(s.phi, axis))
            faces(self.water[axis], axis)[...] = moved
            below(source, axis)[...] -= moved
            above(source, axis)[...] += moved
        places = [self.sources.openings(n, drive) for n in range(len(self.sources.all))]
        osmosis = [self._osmosis_at(place, drop) for place in places]
        closed = [np.zeros(place.voxel.size, bool) for place in places]
        limited = [False] * len(places)
        self.iterations = 0
        for _ in range(2 * len(places) + 20):
            link, fixed = stored.copy(), source.copy()
            for n, place in enumerate(places):
                coupling, inflow = self._opening(n, place, osmosis[n], closed[n], limited[n])
                self.backend.add_at(link, place.voxel, coupling)
                self.backend.add_at(fixed, place.voxel, inflow)
            if not link.any() and fixed.sum() > 1e-9 * np.abs(fixed).sum():
                raise RuntimeError(
                    f"flow: {float(fixed.sum()):.3g} m3/s of water are injected at "
                    f"t = {s.time:g} s but no outlet is open; a collector, "
                    "drain or head well is needed in this stage")
            sz, sy, sx = self.conductance
            self.residual = self.elliptic.solve(sx, sy, sz, link, fixed, s.head, "head")
            self.iterations += self.elliptic.iterations
            self.wells = []
            changed = False
            for n, place in enumerate(places):
                coupling, inflow = self._opening(n, place, osmosis[n], closed[n], limited[n])
                inflow -= coupling * self.backend.gather(s.head, place.voxel)
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
        for axis in range(3):
            faces(self.water[axis], axis)[...] += faces(self.conductance[axis], axis) * (
                below(s.head, axis) - above(s.head, axis))
        self.out[:] = 0.0
        for n, (place, inflow) in enumerate(self.wells):
            behind, real = place.face >= 0, n < len(self.sources)
            np.add.at(self.out, place.face[behind],
                      np.maximum(-inflow[behind], 0.0) if real else -inflow[behind])
        del self.wells[len(self.sources):]

    def _osmosis(self, sigma, axis):
        """Electro-osmotic flow through the faces of `axis` per volt between voxels [m3/s/V].

        In each half of the face k_e/K times its part of the voltage acts like a head; the parts
        divide like the resistances: q is then exact for layers across the flow.
        """
        a, b = below(sigma, axis), above(sigma, axis)
        both = a + b
        part = np.divide(b, both, out=np.full_like(both, 0.5), where=both > 0)
        head = part * below(self.thrust, axis) + (1.0 - part) * above(self.thrust, axis)
        return faces(self.conductance[axis], axis) * head

    def _osmosis_at(self, place, drop):
        """Electro-osmotic flow out of the ore at the openings of a well [m3/s]."""
        at_tank = np.where(place.face >= 0, drop[place.face] if drop.size else 0.0, 0.0)
        thrust = self.backend.gather(self.rock["electroosmosis"], place.voxel)
        return thrust * place.reach * at_tank

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
        conductance = self.backend.gather(self.rock["conductivity"], place.voxel) * reach
        return conductance, conductance * well.head - np.where(closed, 0.0, osmosis)
