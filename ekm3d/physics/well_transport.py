"""Amounts that wells bring into the ore and take out of it.

Injected water brings its composition, drained water takes that of its voxel.
"""

import numpy as np

from ekm3d.boundaries.wells import Wells
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain
from ekm3d.physics.flow import Flow
from ekm3d.state import State


def through_wells(s: State, chem: ChemicalSystem, domain: Domain, wells: Wells, flow: Flow,
                  ore: Array) -> list[Array]:
    """Add to `ore`, (components, padded), what passes wells; return it by opening  [mol/s].

    For every well (components, openings) into the ore. Water that leaves through faces of
    electrodes is counted there.
    """
    openings, feeds, backend = [], wells.feeds_in(flow.stage), domain.backend
    for n, (place, inflow) in enumerate(flow.wells):
        moved = backend.cached(feeds[n][:, None]) * np.maximum(inflow, 0.0)
        if place.inside.size and not wells.salt_stays[n]:       # bores and ground, which are few
            rate = backend.to_numpy(inflow[backend.cached(place.inside)])
            leaves = np.flatnonzero(rate < 0)
            if leaves.size:
                water = chem.nu.T @ domain.gather(s.c, place.voxel_inside[leaves])
                moved[:, backend.cached(place.inside[leaves])] = backend.from_numpy(
                    water * rate[leaves])
        domain.add_at(ore, place.voxel, moved)
        openings.append(moved)
    return openings
