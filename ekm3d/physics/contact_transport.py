"""Transport through boundary faces: ions by migration and diffusion, and with the water.

    species   F_s = G D_s (c_s - c_b,s + z_s (F/RT) drop c*_s) + Q c_s       of a face     [mol/s]

Q > 0 takes the ore's water along, Q < 0 brings that of the tank or reservoir behind the face.
Values of species at faces stay where the backend keeps its arrays: a large site has millions.
"""

from typing import Any

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import F_RT
from ekm3d.grid.grid import Array, Grid
from ekm3d.physics.electrical_boundary import BoundaryState
from ekm3d.physics.face_interpolation import into_reservoir
from ekm3d.state import State


@operator
def sum_places(g, out, starts, n, ends, places, sums, entering):
    """Compute the sums of every component over the faces of each place, in their order.

    g: of (places, components, 1) voxels; out: (components, n) that leaves the ore; starts: (places
    + 1,) first face of every place. Outputs (components, places): sums, and what enters the ore.
    """
    owner = np.repeat(np.arange(places), np.diff(starts))
    for k, values in enumerate(out):
        sums[k] = np.bincount(owner, values, minlength=places)
        entering[k] = np.bincount(owner, np.maximum(-values, 0.0), minlength=places)


class ContactTransport:
    """Fluxes through all boundary faces, of components."""

    def __init__(self, backend: Backend, contacts: BoundaryFaces, chem: ChemicalSystem,
                 inverse_temperature: float) -> None:
        """inverse_temperature: 298.15 K / T."""
        self.backend, self.contacts = backend, contacts
        self.nu, self.reduced = chem.nu.T, inverse_temperature
        self.z, self.diffusion = chem.z[:, None], chem.diffusion[:, None]
        places, k = contacts.count, len(chem.components)
        self.table = Grid((places, k, 1), (1.0, 1.0, 1.0)) if places else None
        self.starts = np.searchsorted(contacts.faces.strip, np.arange(places + 1))
        self.sum_places = backend.bind(sum_places, NK=k)
        self.sums, self.entering = (backend.zeros((k, places)) for _ in range(2))

    def leaving(self, s: State, boundary: BoundaryState, ore: Array, contact: np.ndarray,
                off_clay: Any, flow: np.ndarray | None = None) -> Array:
        """Return what leaves one water of the ore, (components, n) on the backend [mol/s].

        ore: (species, n) in the faces' voxels, on the backend; contact: (n,) G of the half voxel
        [m]; off_clay: what leaves along the clay, (components, n) or 0; flow: (n,) water that
        leaves [m3/s], None of water that stands.
        """
        backend, strip = self.backend, self.contacts.faces.strip
        behind = backend.from_numpy(s.reservoir_species)[:, backend.cached(strip)] \
            if s.reservoir_species.size else 0.0
        moved = self._by_ions(boundary, ore, behind, contact)
        if flow is not None:
            flows = backend.from_numpy(flow)
            moved = moved + flows * np.where(flows > 0, ore, behind)
        out = backend.cached(self.nu) @ moved
        out += backend.from_numpy(off_clay) if np.ndim(off_clay) else off_clay
        return out

    def _by_ions(self, boundary, ore, behind, contact):
        """Migration and diffusion of species (species, n) [mol/s]."""
        backend, passing = self.backend, boundary.roles.crossed
        moved, at = backend.zeros(ore.shape), backend.cached(passing)
        if passing.size:
            moved[:, at] = into_reservoir(
                ore[:, at], behind[:, at], backend.cached(self.z), backend.cached(self.diffusion),
                *map(backend.from_numpy, (
                    contact[passing], self.reduced * boundary.previous_drop[passing],
                    F_RT * self.reduced * boundary.drop[passing],
                    boundary.use_smaller_side[passing])))
        return moved

    def add_up(self, out: Array) -> list[Array]:
        """Return the sums (components, places) of `out`, (components, n), over the faces of every
        place, and of what enters the ore there; arrays of this object, on the backend."""
        if self.table:
            self.sum_places(self.table, out, self.backend.cached(self.starts), out.shape[1],
                            self.starts.size, self.contacts.count, self.sums, self.entering)
        return [self.sums, self.entering]

    def take_given(self, out: Array) -> None:
        """Take the given fluxes into the block through sides [mol/s] off `out`, (components, n)."""
        f = self.contacts.faces
        for n in range(len(self.contacts.sides)):
            of_side = self.contacts.of_side(n)
            out[:, self.backend.cached(of_side)] -= self.backend.from_numpy(
                self.contacts.given[n][:, None] * f.area[of_side])
