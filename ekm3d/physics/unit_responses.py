"""Unit responses: how the currents of groups of boundary faces follow from their levels.

    A u_g = sum of couplings of g,    G_gh = dI_g/dV_h = sum over g of coupling (delta_gh - u_h)

of the groups whose current is given; see `electrical_boundary`.
"""

from typing import NamedTuple

import numpy as np

from ekm3d.backends.scratch import RESPONSE, Scratch
from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain
from ekm3d.physics.electrode_lines import ElectrodeLines
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.solvers.linked_voxels import LinkedVoxels


class Measured(NamedTuple):
    """Currents (m,) [A] and gains dI/dV (m, m) [S] of m groups; units: (n,), level of every face
    per level of its terminal; responses: padded phi per level, by group; iterations of the solver.
    """

    currents: np.ndarray
    gains: np.ndarray
    units: Array
    responses: list[Array]
    iterations: int


class UnitResponses:
    """Solutions for one volt of a group, kept as guesses: found, {number of a group: padded}."""

    def __init__(self, scratch: Scratch, domain: Domain, voxel: np.ndarray,
                 lines: ElectrodeLines) -> None:
        """voxel: (n,) of the boundary faces."""
        self.scratch, self.domain, self.voxel, self.lines = scratch, domain, voxel, lines
        self.found: dict[int, Array] = {}

    def measure(self, active: dict[int, Array], at_coupling: Array, at_source: Array,
                elliptic: EllipticSolver, conductance: Array, coupling: Array, phi: Array,
                link: LinkedVoxels | None) -> Measured:
        """Solve for all groups with the operator of the last solution, phi.

        active: numbers of a group's faces that carry current, on the backend, by the number of the
        group; at_coupling [S], at_source [A]: (n,); conductance, coupling: of the solver.
        """
        backend, m, iterations = self.domain.backend, len(active), 0
        units = np.ones(self.voxel.size) if link is None else self.lines.units(self.voxel.size)
        units, responses = backend.from_numpy(units), []
        for n, faces in active.items():
            u = self.found.setdefault(n, np.zeros_like(phi))
            source, = self.scratch[RESPONSE]
            source[...] = 0.0
            values = backend.zeros(self.voxel.size)
            values[faces] = (at_coupling * units)[faces]
            self.domain.add_at(source, self.voxel, values)
            elliptic.solve(conductance, coupling, source, u, "unit response", reuse=True, link=link)
            iterations += elliptic.iterations
            responses.append(u)
        below = [self._below_level(array, link) for array in (phi, *responses)]
        currents, gains = np.zeros(m), np.zeros((m, m))
        for a, faces in enumerate(active.values()):
            own = at_coupling[faces]
            currents[a] = float((at_source[faces] - own * below[0][faces]).sum())
            for b in range(m):
                gains[a, b] = float((own * ((a == b) * units[faces] - below[b + 1][faces])).sum())
        return Measured(currents, gains, units, responses, iterations)

    def _below_level(self, phi, link):
        """Return phi at faces less what it adds to the level of their metal [V]."""
        at_face = self.domain.take(phi, self.voxel)
        return at_face if link is None else at_face - self.lines.add_responses(at_face)
