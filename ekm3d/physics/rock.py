"""Rock properties of a run as padded arrays, on the backend's device."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ekm3d.boundaries.electrodes import Faces
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
    # Of properties that differ along the axes, by name: (3, padded), value along z, y, x over that
    # along x, which is what the arrays above have.
    along: dict[str, Array] = field(default_factory=dict)

    def fill_ghosts(self, domain: Domain) -> None:
        """Update the ghosts of the properties that face stencils read."""
        domain.fill(self.hydraulic_conductivity, self.electroosmosis)
        domain.fill(self.dispersivity)
        for ratio in self.along.values():
            domain.fill(ratio)

    def across(self, name: str, domain: Domain, faces: Faces) -> Any:
        """Return `at_faces` of boundary faces."""
        return self.at_faces(name, domain, faces.voxel, faces.axis, faces.along)

    def at_faces(self, name: str, domain: Domain, voxel: np.ndarray, axis: np.ndarray,
                 along: np.ndarray) -> Any:
        """Return the ratio (n,) of a property across faces (n,) of voxels; 1 where there is none.

        axis: array axis 0, 1, 2 = z, y, x of every face, -1 of a line inside its voxel; along:
        (n, 3) x, y, z, unit vector t of that line. With K stretched to 1, the current of a line per
        length is that of sqrt(det K (t K^-1 t)): the mean root of both values across, for a line
        along an axis.
        """
        if name not in self.along:
            return 1.0
        ratio = domain.gather(self.along[name], voxel)
        across = np.take_along_axis(ratio, np.maximum(axis, 0)[None], axis=0)[0]
        (z, y, x), (t_x, t_y, t_z) = ratio, np.square(along).T
        return np.where(axis < 0, np.sqrt(t_z * (y * x) + t_y * (z * x) + t_x * (z * y)), across)
