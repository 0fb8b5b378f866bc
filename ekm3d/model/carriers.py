"""Carriers beside the moving water that a case asks for: made for a run, or None.

Species in immobile water, dispersion across the flow, and cations that move along the clay.
"""

from typing import Any

from ekm3d.physics.dispersion_tensor import DispersionTensor
from ekm3d.physics.immobile_transport import ImmobileTransport
from ekm3d.physics.surface_conduction import SurfaceConduction


def in_immobile_water(sim: Any) -> ImmobileTransport | None:
    """Return the transport in immobile water, where species move through it; sim: a Simulation."""
    if not sim.case.rates.immobile_field:
        return None
    return ImmobileTransport(sim.grid, sim.backend, sim.chem, sim.physics.potential)


def across_the_flow(sim: Any) -> DispersionTensor | None:
    """Return the dispersion across the flow, where a transverse dispersivity is given."""
    transverse = sim.padded(sim.ore.transverse_dispersivity)
    if transverse is None:
        return None
    return DispersionTensor(sim.grid, sim.backend, sim.domain, sim.chem, sim.rock, sim.contacts,
                            transverse)


def along_the_clay(sim: Any) -> SurfaceConduction | None:
    """Return the conduction along the clay, where cations have a mobility on it."""
    mobility = sim.padded(sim.ore.surface_mobility)
    if mobility is None:
        return None
    sim.domain.fill(mobility)
    return SurfaceConduction(sim.grid, sim.backend, sim.chem, mobility,
                             sim.rock.along.get("tortuosity"))
