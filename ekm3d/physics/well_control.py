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
from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain
from ekm3d.physics.rock import Rock

SLACK = 1 + 1e-9     # relative excess of a pump's rate that counts as rounding
REOPENED = 3
UPRIGHT = (0.0, 0.0, 1.0)
ROCK = ("hydraulic_conductivity", "electroosmosis")
SLACK_OF_HEAD = 1e-9     # shortfall of an opening's inflow, over its rate, that does
ROUNDING = 1e-13         # inflow of an opening, over what head and osmosis move through its well,
#                          that is none


class WellControl:
    """State of all wells, and of the sides that pass water, under one drive.

    now: the wells and sides as they are in this stage; openings: an Openings for each; linked: True
    where any opening of the last `conditions` is coupled to a head; limited: True at max_rate. Of
    the openings of each, arrays of the backend: closed: masks of closed ones; at_head: of those of
    an injection at max_head.
    """

    def __init__(self, domain: Domain, rock: Rock, wells: Wells):
        self.domain, self.rock, self.wells, self.backend = domain, rock, wells, domain.backend
        self.openings: list[Openings] = []
        self.osmotic: list[Array] = []
        self.closed: list[Array] = []
        self.reopened: list[Array] = []         # times that a closed opening was opened again
        self.limited: list[bool] = []
        self.at_head: list[Array] = []
        self.ever: list[bool] = []              # any of them was closed, or at max_head
        self.now: list = []
        self.linked = False
        self.rock_at: dict[int, tuple] = {}     # number of a well -> voxels, K and k_e there

    def forget_rock(self) -> None:
        """Drop cached rock properties, which have changed."""
        self.rock_at = {}

    def start(self, drive: Drive, drop: Array) -> None:
        """Open all wells of a drive.

        drop: phi of the ore voxel minus that behind every boundary face [V], of the backend.
        """
        count, self.now = len(self.wells.all), self.wells.under(drive)
        self.openings = [self.wells.openings(n, drive) for n in range(count)]
        self.osmotic = [self._osmotic_outflow(n, drop) for n in range(count)]
        self.closed, self.at_head, self.reopened = (
            [self.backend.zeros(place.voxel.size, kind) for place in self.openings]
            for kind in (bool, bool, np.int64))
        self.limited, self.ever = [False] * count, [False] * count

    def conditions(self) -> list[tuple[Array, Array]]:
        """Return (coupling [m2/s], inflow at head zero [m3/s]) of the openings of every well."""
        found = [self._condition(n, place) for n, place in enumerate(self.openings)]
        self.linked = self._are_coupled(found)
        if not self.linked and float(sum(inflow.sum() for _, inflow in found)) > 0 and (
                self._open_outlets()):
            found = [self._condition(n, place) for n, place in enumerate(self.openings)]
            self.linked = self._are_coupled(found)
        return found

    def coupled_by(self, n: int) -> tuple | None:
        """Return what the couplings of well n follow from where none was ever closed; else None."""
        if self.ever[n]:
            return None
        return self._uncoupled(n), id(self.rock_at.get(n))

    def _uncoupled(self, n):
        """True where a well has its rate by itself, with no opening ever closed or at max_head."""
        well = self.now[n]
        return well is None or self.limited[n] or well.kind == "injection"

    def _are_coupled(self, found):
        """True if any opening is coupled to a head; the host waits only where some were closed."""
        unknown = []
        for n, (coupling, _) in enumerate(found):
            if self.ever[n]:
                unknown.append(coupling)
            elif not self._uncoupled(n) and self._rock_at(n, self.openings[n])[2]:
                return True
        return self._any(unknown)

    def _any(self, arrays):
        """True if any number of any of these arrays is; the host waits once."""
        return bool(arrays) and bool(self.backend.to_numpy(
            np.stack([array.any() for array in arrays])).any())

    def update(self, n: int, inflow: Array, head: Array) -> bool:
        """Close outlets and limit pumps of well n by the inflow [m3/s] found; True if any changed.

        head: of the ore voxel at every opening [m].
        """
        well, changed = self.now[n], False
        if well is None or not self.openings[n].voxel.size:
            return False
        if well.kind == "injection" and well.max_head is not None:
            return self._limit_head(n, well, head)
        outlet = well.kind in OUTFLOW_ONLY
        if outlet:
            changed = self._close(n, well, inflow, head)
        sign = -1.0 if outlet else 1.0
        if well.max_rate is not None and sign * float(inflow.sum()) > well.max_rate * SLACK:
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
        before = self.closed[n]
        driven = self._reaching(n) * (head - well.head)
        parts = np.abs(driven) + np.abs(self.osmotic[n])
        closed = before | (inflow > ROUNDING * parts.sum())
        if self.ever[n] and not self.limited[n]:
            draws = driven + self.osmotic[n] > SLACK_OF_HEAD * parts
            again = before & draws & (self.reopened[n] < REOPENED)
            self.reopened[n] += again
            closed = closed & ~again
        self.closed[n] = closed
        changed = self._any([closed != before])
        self.ever[n] |= changed
        return changed

    def _limit_head(self, n, well, head):
        """Give every opening of an injection its rate, or less at max_head; True if any changed."""
        coupling, free = self._at_max_head(n, well)
        driven, rate = free - coupling * head, well.rate * self._share(n)
        at_head, closed = self.at_head[n], self.closed[n]
        self.closed[n] = closed | (at_head & (driven < 0.0))    # not by heads of a rate too high
        self.at_head[n] = driven < rate * (1.0 - SLACK_OF_HEAD)
        changed = self._any([self.at_head[n] != at_head, self.closed[n] != closed])
        self.ever[n] |= changed
        return changed

    def _share(self, n):
        """Share of every opening of a well in its rate."""
        return self.backend.cached(self.openings[n].share)

    def _reaching(self, n):
        """Conductance K reach of every opening of a well [m2/s]."""
        place = self.openings[n]
        return self._rock_at(n, place)[0] * self.backend.cached(place.reach)

    def _at_max_head(self, n, well):
        """(coupling [m2/s], inflow at head zero [m3/s]) of an injection's openings at max_head."""
        coupling = self._reaching(n)
        return coupling, coupling * well.max_head - self.osmotic[n]

    def head_needed(self, n: int, inflow: np.ndarray, head: np.ndarray) -> float | None:
        """Return the head [m] in well n that drives these inflows [m3/s]; None for no openings.

        The largest of its openings, each from the head of its ore voxel [m].
        """
        coupling = self.backend.to_numpy(self._reaching(n))
        lets = coupling > 0
        if not lets.any():
            return None
        drives = (inflow + self.backend.to_numpy(self.osmotic[n])) / np.where(lets, coupling, 1.0)
        return float((head + drives)[lets].max())

    def _rock_at(self, n, place):
        """(K [m/s], k_e [m2/V/s], whether any conducts) at the openings of a well."""
        cached = self.rock_at.get(n)
        if cached is None or cached[0] is not place.voxel:
            axis, along = self._axes(n, place)
            ratios = [self.rock.at_faces(name, self.domain, place.voxel, axis, along)
                      for name in ROCK]
            k, k_e = (self.domain.take(getattr(self.rock, name), place.voxel) * (
                self.backend.from_numpy(ratio) if np.ndim(ratio) else ratio)
                for name, ratio in zip(ROCK, ratios, strict=True))
            lets = self._any([k * self.backend.cached(place.reach)])
            cached = self.rock_at[n] = (place.voxel, k, k_e, lets)
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
        place, cached = self.openings[n], self.backend.cached
        at_tank = self.backend.zeros(place.voxel.size)
        if place.at_face.size and drop.size:
            at_tank[cached(place.at_face)] = drop[cached(place.face_there)]
        return self._rock_at(n, place)[1] * cached(place.reach) * at_tank

    def _condition(self, n, place):
        """(coupling [m2/s], inflow at head zero [m3/s]) of a well's openings."""
        well, closed = self.now[n], self.closed[n]
        if well is None:
            return self.backend.zeros(0), self.backend.zeros(0)
        share = self._share(n)
        if well.kind == "injection":
            inflow, at_head = well.rate * share, self.at_head[n]
            if not self.ever[n]:
                return np.zeros_like(share), inflow
            coupling, free = self._at_max_head(n, well)
            return (np.where(at_head & ~closed, coupling, 0.0),
                    np.where(closed, 0.0, np.where(at_head, free, inflow)))
        if self.limited[n]:
            sign = -1.0 if well.kind in OUTFLOW_ONLY else 1.0
            return np.zeros_like(share), sign * well.max_rate * share
        coupling, osmotic = self._reaching(n), self.osmotic[n]
        if self.ever[n]:
            coupling, osmotic = (np.where(closed, 0.0, part) for part in (coupling, osmotic))
        return coupling, coupling * well.head - osmotic
