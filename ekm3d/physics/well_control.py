"""Control of wells during a solution for the head: outlets that close, pumps at their limit.

An outlet that would admit water is closed, and opened again where other wells then let the head
rise above its own; an inlet that would give, or a drain that would take,
more than its pump can, passes just that rate. An injection gives its rate at every opening where
the head max_head suffices for it, and what that head drives in elsewhere. Each opening
has a coupling to the well's head [m2/s] and an inflow at head zero [m3/s]:

    inflow = constant - coupling h                                                        [m3/s]
"""

from typing import Any

import numpy as np

from ekm3d.boundaries.openings import Openings
from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import OUTFLOW_ONLY, Wells
from ekm3d.parallel.domain import Domain
from ekm3d.physics.rock import Rock

SLACK = 1 + 1e-9     # relative excess of a pump's rate that counts as rounding
REOPENED = 3
UPRIGHT = (0.0, 0.0, 1.0)
SLACK_OF_HEAD = 1e-9     # shortfall of an opening's inflow, over its rate, that does
ROUNDING = 1e-13         # inflow of an opening, over what head and osmosis move through its well,
#                          that is none


class WellControl:
    """State of all wells, and of the sides that pass water, under one drive.

    now: the wells and sides as they are in this stage; openings: an Openings for each; closed:
    masks of closed openings; limited: True at max_rate; at_head: masks of an injection's openings
    at max_head.
    """

    def __init__(self, domain: Domain, rock: Rock, wells: Wells):
        self.domain, self.rock, self.wells = domain, rock, wells
        self.openings: list[Openings] = []
        self.osmotic: list[np.ndarray] = []
        self.closed: list[np.ndarray] = []
        self.reopened: list[np.ndarray] = []    # times that a closed opening was opened again
        self.limited: list[bool] = []
        self.at_head: list[np.ndarray] = []
        self.now: list = []
        self.rock_at: dict[int, tuple] = {}     # number of a well -> voxels, K and k_e there

    def forget_rock(self) -> None:
        """Drop cached rock properties, which have changed."""
        self.rock_at = {}

    def start(self, drive: Drive, drop: np.ndarray) -> None:
        """Open all wells of a drive.

        drop: phi of the ore voxel minus that behind every boundary face [V].
        """
        count, self.now = len(self.wells.all), self.wells.under(drive)
        self.openings = [self.wells.openings(n, drive) for n in range(count)]
        self.osmotic = [self._osmotic_outflow(n, drop) for n in range(count)]
        self.closed = [np.zeros(place.voxel.size, bool) for place in self.openings]
        self.reopened = [np.zeros(place.voxel.size, int) for place in self.openings]
        self.limited = [False] * count
        self.at_head = [np.zeros(place.voxel.size, bool) for place in self.openings]

    def conditions(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return (coupling [m2/s], inflow at head zero [m3/s]) of the openings of every well."""
        found = [self._condition(n, place) for n, place in enumerate(self.openings)]
        stuck = not any(coupling.any() for coupling, _ in found) \
            and sum(inflow.sum() for _, inflow in found) > 0
        if stuck and self._open_outlets():
            return [self._condition(n, place) for n, place in enumerate(self.openings)]
        return found

    def update(self, n: int, inflow: np.ndarray, head: np.ndarray) -> bool:
        """Close outlets and limit pumps of well n by the inflow [m3/s] found; True if any changed.

        head: of the ore voxel at every opening [m].
        """
        well, changed = self.now[n], False
        if well is None:
            return False
        if well.kind == "injection" and well.max_head is not None:
            return self._limit_head(n, well, head)
        outlet = well.kind in OUTFLOW_ONLY
        if outlet:
            changed = self._close(n, well, inflow, head)
        sign = -1.0 if outlet else 1.0
        if well.max_rate is not None and sign * inflow.sum() > well.max_rate * SLACK:
            self.limited[n] = changed = True
        return changed

    def is_outlet(self, n: int) -> bool:
        """Return True if well or side n lets water out only in this stage."""
        return self.now[n] is not None and self.now[n].kind in OUTFLOW_ONLY

    def _open_outlets(self):
        """Open the closed openings of outlets, as the water has no other way; True if any were.

        They closed while a pump was thought to take more than it can.
        """
        opened = False
        for n in range(len(self.now)):
            if self.is_outlet(n) and not self.limited[n]:
                again = self.closed[n] & (self.reopened[n] < REOPENED)
                self.reopened[n] += again
                self.closed[n] = self.closed[n] & ~again
                opened |= bool(again.any())
        return opened

    def _close(self, n, well, inflow, head):
        """Close openings of an outlet that would admit water, open those that no longer would.

        The last open one of a block without an inlet passes nothing, of either sign by rounding.
        Each is opened again REOPENED times at most, so that the search ends; True if any changed.
        """
        before, place = self.closed[n], self.openings[n]
        driven = self._rock_at(n, place)[0] * place.reach * (head - well.head)
        parts = np.abs(driven) + np.abs(self.osmotic[n])
        closed = before | (inflow > ROUNDING * parts.sum())
        if before.any() and not self.limited[n]:
            draws = driven + self.osmotic[n] > SLACK_OF_HEAD * parts
            again = before & draws & (self.reopened[n] < REOPENED)
            self.reopened[n] += again
            closed = closed & ~again
        self.closed[n] = closed
        return not np.array_equal(closed, before)

    def _limit_head(self, n, well, head):
        """Give every opening of an injection its rate, or less at max_head; True if any changed."""
        coupling, free = self._at_max_head(n, well)
        driven, rate = free - coupling * head, well.rate * self._shares(n)
        before = (self.at_head[n], self.closed[n].copy())
        self.closed[n] |= self.at_head[n] & (driven < 0.0)      # not by heads of a rate too high
        self.at_head[n] = driven < rate * (1.0 - SLACK_OF_HEAD)
        return not all(map(np.array_equal, before, (self.at_head[n], self.closed[n])))

    def _shares(self, n):
        """Share of every opening of a well in its rate."""
        area = self.openings[n].area
        return area / area.sum() if area.size else area

    def _at_max_head(self, n, well):
        """(coupling [m2/s], inflow at head zero [m3/s]) of an injection's openings at max_head."""
        coupling = self._rock_at(n, self.openings[n])[0] * self.openings[n].reach
        return coupling, coupling * well.max_head - self.osmotic[n]

    def head_needed(self, n: int, inflow: np.ndarray, head: np.ndarray) -> float | None:
        """Return the head [m] in well n that drives these inflows [m3/s]; None for no openings.

        The largest of its openings, each from the head of its ore voxel [m].
        """
        place = self.openings[n]
        coupling = self._rock_at(n, place)[0] * place.reach
        lets = coupling > 0
        if not lets.any():
            return None
        drives = (inflow + self.osmotic[n]) / np.where(lets, coupling, 1.0)
        return float((head + drives)[lets].max())

    def _rock_at(self, n, place):
        """(K [m/s], k_e [m2/V/s]) at the openings of a well."""
        cached = self.rock_at.get(n)
        if cached is None or not np.array_equal(cached[0], place.voxel):
            axis, along = self._axes(n, place)
            cached = self.rock_at[n] = (place.voxel, *(
                self.domain.gather(getattr(self.rock, name), place.voxel)
                * self.rock.at_faces(name, self.domain, place.voxel, axis, along)
                for name in ("hydraulic_conductivity", "electroosmosis")))
        return cached[1:]

    def _axes(self, n, place):
        """(array axis across every opening of a well, -1 in a bore or at a rod; its direction).

        The direction is that of the rod or bore, (n, 3) x, y, z; bores are upright.
        """
        axis, along = np.full(place.face.size, -1), np.tile(UPRIGHT, (place.face.size, 1))
        if n in self.wells.surfaces:
            boundary: Any = self.wells.wells[n]
            axis[:] = boundary.axis
        at = place.face >= 0
        faces = self.wells.contacts.faces
        axis[at], along[at] = faces.axis[place.face[at]], faces.along[place.face[at]]
        return axis, along

    def _osmotic_outflow(self, n, drop):
        """Electro-osmotic flow out of the ore at the openings of a well [m3/s]."""
        place = self.openings[n]
        at_tank = np.where(place.face >= 0, drop[place.face] if drop.size else 0.0, 0.0)
        return self._rock_at(n, place)[1] * place.reach * at_tank

    def _condition(self, n, place):
        """(coupling [m2/s], inflow at head zero [m3/s]) of a well's openings."""
        well, closed = self.now[n], self.closed[n]
        if well is None:
            return np.zeros(0), np.zeros(0)
        share = self._shares(n)
        if well.kind == "injection":
            inflow, at_head = well.rate * share, self.at_head[n]
            if not at_head.any():
                return np.zeros_like(share), inflow
            coupling, free = self._at_max_head(n, well)
            return (np.where(at_head & ~closed, coupling, 0.0),
                    np.where(closed, 0.0, np.where(at_head, free, inflow)))
        if self.limited[n]:
            sign = -1.0 if well.kind in OUTFLOW_ONLY else 1.0
            return np.zeros_like(share), sign * well.max_rate * share
        reach = np.where(closed, 0.0, place.reach)
        coupling = self._rock_at(n, place)[0] * reach
        return coupling, coupling * well.head - np.where(closed, 0.0, self.osmotic[n])
