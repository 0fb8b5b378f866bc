"""Rock properties of a run as padded arrays, on the backend's device."""

from dataclasses import dataclass
from typing import Any

from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain


@dataclass
class Rock:
    """Properties of every voxel, (padded); zero in ghosts and inside electrodes.

    They describe the moving water and the exchange sites in equilibrium with it. Porosity feedback
    and slow processes change them in place, or replace an array; read them anew at every use.
    Capacities and their slopes are (exchangers, padded) where there are several exchangers.
    """

    water_content: Array              # theta, volume of water per volume of rock          [1]
    tortuosity: Array                 # tau, factor on diffusion in pore water             [1]
    cec: Array                        # exchange capacity at reference_pH           [eq/m3 of rock]
    cec_slope: Array                  # its change with pH                  [eq/m3 of rock per unit]
    dispersivity: Array               # longitudinal, alpha_L                              [m]
    hydraulic_conductivity: Array     # Darcy's K                                          [m/s]
    electroosmosis: Array             # electro-osmotic permeability k_e                   [m2/V/s]
    storage: Array | None             # specific storage S_s; None: none stored            [1/m]
    reference_pH: Any                 # of the capacities: a number, or (exchangers, 1)    [1]
    whole_cec: Array | None = None    # cec with slow exchange sites included; None: not divided
    whole_slope: Array | None = None  # their slope with pH

    def fill_ghosts(self, domain: Domain) -> None:
        """Update the ghosts of the properties that face stencils read."""
        domain.fill(self.hydraulic_conductivity, self.electroosmosis)
        domain.fill(self.dispersivity)
