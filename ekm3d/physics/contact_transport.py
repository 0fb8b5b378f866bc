"""Transport through boundary faces: ions by migration and diffusion, and with the water.

    species   F_s = G D_s (c_s - c_b,s + z_s (F/RT) drop c*_s) + Q c_s       of a face     [mol/s]

Q > 0 takes the ore's water along, Q < 0 brings that of the tank or reservoir behind the face.
Values of species at faces stay where the backend keeps its arrays: a large site has millions.
"""

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import Array, Grid
from ekm3d.physics.contact_currents import BoundaryState
from ekm3d.physics.contact_sums import ContactSums
from ekm3d.physics.face_interpolation import into_reservoir
from ekm3d.state import State

RATES = 4       # rows beside the components: made, reach, cations, anions


@operator
def contact_fluxes(g, ore, reservoir, strip, contact, previous_drop, drop, smaller_side, passes,
                   flow, z, diffusion, nu, reduced, n, m, places, out):
    """Compute what leaves one water of the ore through every boundary face [mol/s].

    g: of (n, 1, 1) voxels; ore: (species, m) in the faces' voxels and m - n others; reservoir:
    (species, places) [mol/m3]; strip, contact G [m], previous_drop, drop [V]: (n,); smaller_side,
    passes: (n,) uint8; flow: (n,) water that leaves [m3/s]; z, diffusion [m2/s]: (species,); nu:
    (species, components); reduced: 298.15 K / T. Output out: (components, n).
    """
    ore, there, at = ore[:, :n], reservoir[:, strip], np.flatnonzero(passes)
    moved = np.zeros_like(ore)
    moved[:, at] = into_reservoir(
        ore[:, at], there[:, at], z[:, None], diffusion[:, None], contact[at],
        reduced * previous_drop[at], F_RT * reduced * drop[at], smaller_side[at] > 0)
    moved += flow * np.where(flow > 0, ore, there)
    out[...] = nu.T @ moved


@operator
def contact_rates(g, into_ore, drop, contact, passes, electrolyses, reduced, n, made, reach,
                  cations, anions):
    """Compute H+ made at every boundary face [mol/s], and what bounds the step there.

    into_ore [A], drop [V], contact G [m]: (n,); passes: where species cross, electrolyses: metal
    and tanks, (n,) uint8. Outputs (n,): made; reach: G where species cross; cations, anions: times
    the drift F/(RT) drop of either, as far as it leaves the ore [m].
    """
    by = F_RT * reduced * drop
    made[:] = np.where(electrolyses > 0, into_ore / FARADAY, 0.0)
    reach[:] = np.where(passes > 0, contact, 0.0)
    cations[:] = reach * np.maximum(by, 0.0)
    anions[:] = reach * np.maximum(-by, 0.0)


class ContactTransport:
    """Fluxes through all boundary faces, of components, and their sums over places.

    out: (components, n) [mol/s]; made, reach, cations, anions: (n,), of `contact_rates`.
    """

    def __init__(self, backend: Backend, contacts: BoundaryFaces, chem: ChemicalSystem,
                 inverse_temperature: float) -> None:
        """inverse_temperature: 298.15 K / T."""
        self.backend, self.contacts, self.reduced = backend, contacts, inverse_temperature
        self.z, self.diffusion, self.nu = (np.ascontiguousarray(a, dtype=float)
                                           for a in (chem.z, chem.diffusion, chem.nu))
        k, self.n = len(chem.components), contacts.faces.strip.size
        self.line = Grid((self.n, 1, 1), (1.0, 1.0, 1.0)) if self.n else None
        self.contact_fluxes, self.contact_rates = (
            backend.bind(op, NS=len(chem.z), NK=k) for op in (contact_fluxes, contact_rates))
        self.sums = ContactSums(backend, contacts, k + RATES)
        self.out, rates = self.sums.rows[:k], self.sums.rows[k:]
        self.made, self.reach, self.cations, self.anions = (rates[m] for m in range(RATES))
        self.still_water = backend.zeros(self.n)

    def leaving(self, s: State, boundary: BoundaryState, ore: Array, contact: Array,
                off_clay: Array | None, flow: Array | None = None,
                out: Array | None = None) -> Array:
        """Return what leaves one water of the ore, (components, n) on the backend [mol/s].

        ore: (species, n or more), first in the faces' voxels; contact: (n,) G of the half voxel
        [m]; off_clay: what leaves along the clay, (components, n) or None; flow: (n,) water that
        leaves [m3/s], None of water that stands: all of the backend; out: where to put it.
        """
        backend = self.backend
        out = backend.zeros(self.out.shape) if out is None else out
        if self.line:
            reservoir = np.ascontiguousarray(s.reservoir_species) if s.reservoir_species.size \
                else np.zeros((len(self.z), 1))
            self.contact_fluxes(
                self.line, ore,
                backend.from_numpy(reservoir), backend.cached(self.contacts.faces.strip), contact,
                boundary.previous_drop, boundary.drop, boundary.use_smaller_side,
                backend.cached(boundary.roles.passing), self.still_water if flow is None else flow,
                self.z, self.diffusion, self.nu, self.reduced, self.n, ore.shape[1],
                reservoir.shape[1], out)
        if off_clay is not None:
            out += off_clay
        return out

    def rate(self, boundary: BoundaryState, contact: Array) -> None:
        """Set `made` and what bounds the step; contact: (n,) G [m] of the backend."""
        if self.line:
            cached, roles = self.backend.cached, boundary.roles
            self.contact_rates(self.line, boundary.into_ore, boundary.drop, contact,
                               cached(roles.passing), cached(roles.electrolyses), self.reduced,
                               self.n, self.made, self.reach, self.cations, self.anions)

    def take_given(self, out: Array) -> None:
        """Take the given fluxes into the block through sides [mol/s] off `out`, (components, n)."""
        f = self.contacts.faces
        for n in range(len(self.contacts.sides)):
            if self.contacts.given[n].any():
                of_side = self.contacts.of_side(n)
                out[:, self.backend.cached(of_side)] -= self.backend.from_numpy(
                    self.contacts.given[n][:, None]) * self.backend.cached(f.area)[
                        self.backend.cached(of_side)]
