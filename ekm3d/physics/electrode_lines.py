"""Electrodes that resist along themselves: a chain of resistors, one node per piece of a rod.

    sum over neighbours of (V_q - V_p) / (rho L_pq) = sum over faces of I_f                     [A]
    I_f = g_f (V_p - s_f - phi_f) - o_f

with rho [ohm/m], the terminal as a neighbour of the fed ends half a piece away, g_f the coupling of
a face with its contact, s_f and o_f the shift and the offset of `electrical_boundary`. Written as
T V = feed V_t + sum of g (phi + s) + o, the nodes are eliminated:

    V_p = u_p V_t + w_p + sum of T^-1_pq g_f phi_f

so that all voxels of a rod are linked by M = -g T^-1 g (`linked_voxels`), beside their couplings.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.backends.read_only_memo import read_only
from ekm3d.boundaries.boundary_faces import ANODE, BARE_CATHODE, TANK, BoundaryFaces
from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.linked_voxels import LinkedVoxels

DRIVEN = (ANODE, BARE_CATHODE, TANK)


@dataclass
class Line:
    """Chain of one rod. faces: numbers of its faces; piece: of each; chain: (pieces, pieces)
    conductances [S] with those to the terminal, which `feed` (pieces,) holds alone.

    unit, response: of the present solution, level of every face per terminal level, and per phi of
    the faces (faces, faces).
    """

    faces: np.ndarray
    piece: np.ndarray
    chain: np.ndarray
    feed: np.ndarray
    unit: np.ndarray
    response: np.ndarray

    def solve(self, driven: np.ndarray, coupling: np.ndarray, shift: np.ndarray,
              offset: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Eliminate the nodes; return M (faces, faces) [S]. Arguments of its faces, as those of
        `ElectrodeLines.connect`: level is replaced in place.
        """
        p, count = self.piece, len(self.feed)
        g = np.where(driven, coupling, 0.0)
        more = np.where(driven, g * shift + offset, 0.0)
        T = self.chain + np.diag(np.bincount(p, g, minlength=count))
        inverse = np.linalg.inv(T)
        inverse = 0.5 * (inverse + inverse.T)
        self.unit = (inverse * self.feed).sum(1)[p]
        self.response = inverse[np.ix_(p, p)] * g
        level[...] = self.unit * level + (inverse * np.bincount(
            p, more, minlength=count)).sum(1)[p]
        return -g[:, None] * self.response


class ElectrodeLines:
    """Chains of all rods that resist along themselves; those of floating rows count as ideal."""

    def __init__(self, domain: Domain, contacts: BoundaryFaces):
        self.domain, self.voxel, self.backend = domain, contacts.faces.voxel, domain.backend
        self.lines: list[Line] = []
        self.active: list[Line] = []
        electrodes = contacts.electrodes
        for n, found in electrodes.openings.items():
            rod = electrodes.shapes[n]
            if rod.resistance > 0.0:
                chain, feed = chain_of(found.lengths, rod.resistance, rod.fed)
                faces = read_only(np.flatnonzero(contacts.faces.strip == n))
                self.lines.append(Line(faces, found.piece, chain, feed, np.zeros(faces.size),
                                       np.zeros((faces.size, faces.size))))
        self.faces = read_only(np.concatenate([np.zeros(0, int), *(
            line.faces for line in self.lines)]))       # of all

    def connect(self, kinds: np.ndarray, driven: Array, coupling: Array, shift: Array,
                offset: Array, level: Array) -> LinkedVoxels | None:
        """Link the voxels of every driven rod; None without any. Of the faces, only theirs come to
        the host.

        All (faces,), all but kinds of the backend: driven (uint8), coupling g [S], shift s [V],
        offset o [A]; level [V]: of the terminals, replaced by u V_t + w.
        """
        if not self.lines:
            return None
        backend, at = self.backend, self.backend.cached(self.faces)
        passes = backend.to_numpy(driven[at]) > 0
        given = backend.to_numpy_all([values[at] for values in (coupling, shift, offset, level)])
        ends = np.cumsum([line.faces.size for line in self.lines])[:-1]
        self.active, blocks, levels = [], [], given[-1]
        for line, on, g, s, o, v in zip(self.lines, np.split(passes, ends), *(
                np.split(values, ends) for values in given), strict=True):
            if np.isin(kinds[line.faces], DRIVEN).all() and on.any():
                self.active.append(line)
                blocks.append(line.solve(on, g, s, o, v))
        if not self.active:
            return None
        level[at] = backend.from_numpy(levels)
        return LinkedVoxels(self.domain, [self.voxel[line.faces] for line in self.active], blocks)

    def units(self, count: int) -> np.ndarray:
        """Return the level of every face per level of its terminal, (count,); 1 without a chain."""
        units = np.ones(count)
        for line in self.active:
            units[line.faces] = line.unit
        return units

    def add_responses(self, at_face: Array) -> Array:
        """Return what phi at the faces (n,) adds to their levels, on the backend [V]."""
        more = self.backend.zeros(at_face.shape)
        for line in self.active:
            at = self.backend.cached(line.faces)
            found = (line.response * self.backend.to_numpy(at_face[at])).sum(1)
            more[at] = self.backend.from_numpy(found)
        return more


def chain_of(lengths: np.ndarray, resistance: float, fed: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (chain, feed) of pieces of these lengths [m], of `resistance` [ohm/m]."""
    n = len(lengths)
    chain, feed = np.zeros((n, n)), np.zeros(n)
    between = 2.0 / (resistance * (lengths[1:] + lengths[:-1]))
    for p, conductance in enumerate(between):
        chain[p, p] += conductance
        chain[p + 1, p + 1] += conductance
        chain[p, p + 1] = chain[p + 1, p] = -conductance
    for end, at in (("start", 0), ("end", n - 1)):
        if fed in (end, "both"):
            feed[at] += 2.0 / (resistance * lengths[at])
    chain[np.diag_indices(n)] += feed
    return chain, feed
