"""Species that move through immobile water, and the ions that pass between both waters.

Both waters of a voxel have one potential. Each has its own composition, so that the current that
enters one of them through the faces of a voxel need not leave it there: what is missing passes from
water to water, carried by the ions of either, each by its share z2 D c of the conductance,

    j_s = z_s D_s c*_s P,       P = sum_k z_k gain_k / sum_s z_s2 D_s c*_s      [mol/s], [m]

from the immobile to the moving water. gain: of the immobile water through its faces [mol/s]; c* of
a species is that of the water which it leaves. So each water stays neutral, and the exchange of
`dual_porosity`, at one rate for all, needs no charge.
"""

from typing import Any

import numpy as np

from ekm3d.backends.base import Backend, Call, operator
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Array, Grid
from ekm3d.state import State


@operator
def passing_ions(g, c, still_c, still_gained, z, diffusion, nu, component_charge, drive, moved):
    """Compute what passes from the immobile to the moving water to leave the first neutral.

    c, still_c: (species, padded) mol/m3 of either water; still_gained: (components, padded) mol/s
    through the faces of the immobile water; z, diffusion [m2/s]: (species,); nu: (species,
    components); component_charge: (components,). Outputs drive: padded P [m], moved: (components,
    padded) mol/s; inner voxels are written, 0 where there is no ion.
    """
    cut = g.inner
    excess = WeightedSum(component_charge)(still_gained[cut])[0]
    zz, d = z[:, None, None, None], diffusion[:, None, None, None]
    leaving = np.where(excess * zz > 0, still_c[cut], c[cut])
    carrying = WeightedSum(z * z * diffusion)(leaving)[0]
    drive[cut] = np.divide(excess, carrying, out=np.zeros_like(excess), where=carrying > 0)
    moved[cut] = WeightedSum(nu.T)(zz * d * leaving * drive[cut])


class ImmobileTransport:
    """Rates of all components in the immobile water from one solution of the potential.

    gained: (components, padded) into the immobile water of every voxel [mol/s]; moved: of it, from
    there to the moving water; drive: P of the module's text, padded [m].
    """

    def __init__(self, grid: Grid, backend: Backend, chem: ChemicalSystem, neutral: bool):
        """neutral: True where the potential is solved for and each water is kept neutral."""
        k = len(chem.components)
        self.grid, self.neutral = grid, neutral
        self.z, self.diffusion, self.nu, self.charge = (
            np.ascontiguousarray(a, dtype=float)
            for a in (chem.z, chem.diffusion, chem.nu, chem.charge))
        self.gained, self.moved = (backend.zeros((k, *grid.padded)) for _ in range(2))
        self.drive, self.pore_volume, self.no_dispersivity = (
            backend.zeros(grid.padded) for _ in range(3))
        self.no_water = backend.zeros((3, *grid.padded))
        counts: dict[str, Any] = {"NS": len(self.z), "NK": k}
        self.passing_ions = backend.bind(passing_ions, **counts)

    def let_pass(self, s: State) -> None:
        """Compute `moved` and `drive` from what the immobile water gains through its faces."""
        if self.neutral:
            self.passing_ions(self.grid, s.c, s.immobile_c, self.gained, self.z, self.diffusion,
                              self.nu, self.charge, self.drive, self.moved)

    def set_outflow(self, factor: Array, s: State, phi: Array, outflow_coefficients: Call,
                    outflow: list[Array]) -> None:
        """Set the outflow coefficients and the pore volume of the immobile water.

        factor: (1 or 3, padded) transport factors of it.
        """
        outflow_coefficients(self.grid, factor, phi, self.no_water,
                             self.no_dispersivity, *outflow)
        np.multiply(s.immobile_content, self.grid.voxel_volume, out=self.pore_volume)

    def add_passing(self, cation_drift: Array, anion_drift: Array, leaving: float) -> None:
        """Add to the outflow coefficients of a water what leaves it for the other.

        leaving: 1 for the immobile water, -1 for the moving one.
        """
        cation_drift += np.maximum(leaving * self.drive, 0.0)
        anion_drift += np.maximum(-leaving * self.drive, 0.0)
