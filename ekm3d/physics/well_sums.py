"""Sums of the water that passes wells and sides, of openings that stay on the backend.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.openings import Openings
from ekm3d.grid.grid import Array
from ekm3d.physics.contact_sums import ContactSums

Passing = Sequence[tuple[Openings, Array]]      # openings of every well and their inflow [m3/s]


class Passed(NamedTuple):
    """Water of every well, and sums of faces, in a step; the host's.

    water: (wells, 2) into the ore and out of it, both positive [m3/s]; shares: (wells, strips) of
    the water leaving every tank that each well takes, 0 of tanks that nothing leaves; faces: (rows,
    places) sums of what was asked for; beside: other arrays that came along.
    """

    water: np.ndarray
    shares: np.ndarray
    faces: np.ndarray
    beside: list[np.ndarray]


class WellSums:
    """Sums over the openings of wells, and over boundary faces; results are the host's."""

    def __init__(self, backend: Backend, contacts: BoundaryFaces, wells: int) -> None:
        """wells: their number."""
        self.backend, self.contacts = backend, contacts
        self.sums = ContactSums(backend, contacts, wells + 2)

    def passed(self, wells: Passing, rows: Sequence[Array] = (), beside: Sequence[Array] = ()
               ) -> Passed:
        """Add up what passes wells, and rows (faces,) by place; the host waits for a GPU once.

        rows: two at most; beside: arrays that are to come along.
        """
        backend, lines = self.backend, self.sums.rows
        cached, count = backend.cached, len(rows) + len(wells)
        for line, row in zip(lines, rows, strict=False):
            line[...] = row
        for line, (place, inflow) in zip(lines[len(rows):], wells, strict=False):
            line[...] = 0.0
            if place.at_face.size:
                line[cached(place.face_there)] = np.maximum(-inflow[cached(place.at_face)], 0.0)
        water = [backend.sum_where(inflow, mask) for _, inflow in wells
                 for mask in (inflow > 0, inflow < 0)]
        came = backend.to_numpy_all([self.sums(count)[0],
                                     *([np.stack(water)] if water else []), *beside])
        sums, came = came[0], came[1:]
        both = came.pop(0).reshape(-1, 2) * (1.0, -1.0) if water else np.zeros((0, 2))
        leaves = sums[len(rows):, :self.contacts.electrodes.strips]
        total = leaves.sum(0)
        shares = np.divide(leaves, total, out=np.zeros_like(leaves), where=total > 0)
        return Passed(both, shares, sums[:len(rows)], came)

    def through_sides(self, leaving: Array) -> tuple[np.ndarray, np.ndarray]:
        """Return the water into and out of the block through every side, each (sides,) [m3/s].

        leaving: (faces,), out of the ore.
        """
        strips = self.contacts.electrodes.strips
        if not self.contacts.sides:
            return np.zeros(0), np.zeros(0)
        self.sums.rows[0], self.sums.rows[1] = leaving, -leaving
        entering, out = self.backend.to_numpy(self.sums(2)[1])[:, strips:]
        return entering, out
