"""Cause of a short step: the voxel or tank, the species and the process that empty it first.

    1 / step = (D g + D |z| F/RT u + q) / (theta V)     diffusion, migration, water of a species
"""

import numpy as np

from ekm3d.grid.grid import GHOST, Array
from ekm3d.physics.transport import Transport

PROCESSES = ("diffusion", "migration in the field", "the water that flows")


def cause_of_step(transport: Transport) -> str:
    """Return what limits the step that `Transport.prepare` has just computed, as text; collective.
    """
    domain, grid, tanks = transport.domain, transport.grid, transport.tank_rate
    rate = np.asarray(transport.backend.to_numpy(transport.rate[grid.inner]))
    k, j, i = (int(n) for n in np.unravel_index(int(rate.argmax()), rate.shape))
    best = max(domain.allgather((float(rate[k, j, i]), *_species_at(transport, (k, j, i)))))
    if transport.still_rate > best[0] and not (tanks.size and tanks.max() > transport.still_rate):
        return "ions leave the immobile water of a voxel by diffusion or migration in the field"
    if transport.clay_rate > max(best[0], transport.still_rate, tanks.max(initial=0.0)):
        return "cations leave the clay of a voxel by migration along it"
    if tanks.size and tanks.max() > best[0]:
        strip = int(tanks.max(axis=0).argmax())
        names = transport.contacts.electrodes.names
        return f"the catholyte of electrode {names[strip]!r} exchanges its water too fast"
    return "in the voxel at ({:g}, {:g}, {:g}) m {} leaves by {}".format(*best[1:])


def _species_at(transport: Transport, place: tuple[int, ...]
                ) -> tuple[float, float, float, str, str]:
    """Return (x, y, z [m], species, process) of the fastest outflow from a voxel [k, j, i]."""
    grid, chem = transport.grid, transport.chem
    index = tuple(n + GHOST for n in place)

    def at(array: Array) -> float:
        return float(transport.backend.to_numpy(array[index]))

    diffusive, advective, cation, anion = (at(part) for part in transport.outflow)
    rates = np.array([(d * diffusive, d * (max(z, 0) * cation + max(-z, 0) * anion), advective)
                      for d, z in zip(chem.diffusion, chem.z, strict=True)])
    s = int(rates.sum(axis=1).argmax())
    z, y, x = (float(grid.centres(axis)[n]) for axis, n in enumerate(place))
    return x, y, z, chem.species[s], PROCESSES[int(rates[s].argmax())]
