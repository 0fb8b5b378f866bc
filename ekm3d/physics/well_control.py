"""Control of wells during a solution for the head: outlets that close, pumps at their limit.

An outlet that would admit water is closed; an inlet that would give, or a drain that would take,
more than its pump can, passes just that rate. Each opening has a coupling to the well's head [m2/s]
and an inflow at head zero [m3/s]:

    inflow = constant - coupling h                                                        [m3/s]
"""

import numpy as np

from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import OUTFLOW_ONLY, Openings, Wells
from ekm3d.parallel.domain import Domain
from ekm3d.physics.rock import Rock

SLACK = 1 + 1e-9     # relative excess of a pump's rate that counts as rounding


class WellControl:
    """State of all wells, and of the sides that pass water, under one drive.

    openings: an Openings for each; closed: masks of closed openings; limited: True at max_rate.
    """

    def __init__(self, domain: Domain, rock: Rock, wells: Wells):
        self.domain, self.rock, self.wells = domain, rock, wells
        self.openings: list[Openings] = []
        self.osmotic: list[np.ndarray] = []
        self.closed: list[np.ndarray] = []
        self.limited: list[bool] = []
        self.rock_at: dict[int, tuple] = {}     # number of a well -> voxels, K and k_e there

    def forget_rock(self) -> None:
        """Drop cached rock properties, which have changed."""
        self.rock_at = {}

    def start(self, drive: Drive, drop: np.ndarray) -> None:
        """Open all wells of a drive.

        drop: phi of the ore voxel minus that behind every boundary face [V].
        """
        count = len(self.wells.all)
        self.openings = [self.wells.openings(n, drive) for n in range(count)]
        self.osmotic = [self._osmotic_outflow(n, drop) for n in range(count)]
        self.closed = [np.zeros(place.voxel.size, bool) for place in self.openings]
        self.limited = [False] * count

    def conditions(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return (coupling [m2/s], inflow at head zero [m3/s]) of the openings of every well."""
        return [self._condition(n, place) for n, place in enumerate(self.openings)]

    def update(self, n: int, inflow: np.ndarray) -> bool:
        """Close outlets and limit pumps of well n by the inflow [m3/s] found; True if any changed.
        """
        well, changed = self.wells.all[n], False
        outlet = well.kind in OUTFLOW_ONLY
        if outlet and (inflow > 0).any():
            self.closed[n] |= inflow > 0
            changed = True
        sign = -1.0 if outlet else 1.0
        if well.max_rate is not None and sign * inflow.sum() > well.max_rate * SLACK:
            self.limited[n] = changed = True
        return changed

    def _rock_at(self, n, place):
        """(K [m/s], k_e [m2/V/s]) at the openings of a well."""
        cached = self.rock_at.get(n)
        if cached is None or not np.array_equal(cached[0], place.voxel):
            cached = self.rock_at[n] = (place.voxel, *(
                self.domain.gather(array, place.voxel)
                for array in (self.rock.hydraulic_conductivity, self.rock.electroosmosis)))
        return cached[1:]

    def _osmotic_outflow(self, n, drop):
        """Electro-osmotic flow out of the ore at the openings of a well [m3/s]."""
        place = self.openings[n]
        at_tank = np.where(place.face >= 0, drop[place.face] if drop.size else 0.0, 0.0)
        return self._rock_at(n, place)[1] * place.reach * at_tank

    def _condition(self, n, place):
        """(coupling [m2/s], inflow at head zero [m3/s]) of a well's openings."""
        well, closed = self.wells.all[n], self.closed[n]
        share = place.area / place.area.sum() if place.area.size else place.area
        if well.kind == "injection":
            return np.zeros_like(share), well.rate * share
        if self.limited[n]:
            sign = -1.0 if well.kind in OUTFLOW_ONLY else 1.0
            return np.zeros_like(share), sign * well.max_rate * share
        reach = np.where(closed, 0.0, place.reach)
        coupling = self._rock_at(n, place)[0] * reach
        return coupling, coupling * well.head - np.where(closed, 0.0, self.osmotic[n])
