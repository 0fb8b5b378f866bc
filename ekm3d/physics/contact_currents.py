"""Currents through boundary faces: what a face gives a solution for phi, and what it says of it.

    I = coupling (level - shift - phi) - share I_d,    coupling = share S,  share = 1/(1 + S R)  [A]

with the conductance S and the diffusion current I_d of the half voxel before the face, and the
resistance R behind it. All arrays (n,) are of the backend: a large site has millions of faces.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.boundaries.boundary_faces import Roles
from ekm3d.grid.grid import Array


@dataclass(frozen=True)
class BoundaryState:
    """Electrical state of the n boundary faces, for transport and diagnostics; arrays (n,) of the
    backend."""

    roles: Roles                    # of each face, with its condition
    into_ore: Array                 # current into the ore                                  [A]
    drop: Array                     # phi of the ore voxel minus that of tank or reservoir  [V]
    level: Array                    # potential behind the face: of metal or reservoir      [V]
    previous_drop: Array            # drop that the face concentrations were chosen by      [V]
    use_smaller_side: Array         # faces whose concentration is the smaller of both sides, uint8
    still_share: Array              # of the immobile water in the conductance of a face    [1]
    clay_contact: Any = 0.0         # G along the clay where cations leave for a tank [m]


@operator
def couple_contacts(g, conductance, offset, series, level, shift, half_split, splitting, grouped,
                    blocked, n, driven, coupling, shared_offset, source):
    """Compute what every boundary face gives a solution for phi.

    g: of (n, 1, 1) voxels; conductance S [S], offset I_d [A], series R [ohm], level, shift,
    half_split [V], splitting (-1, 0, 1): (n,); grouped, blocked: (n,) uint8. Outputs (n,): driven,
    uint8, where a current passes; coupling [S], 0 elsewhere; shared_offset share I_d [A]; source
    coupling (level - shift) - share I_d [A], 0 elsewhere.
    """
    driven[:] = (grouped > 0) & (blocked == 0) & (~(half_split > 0) | (splitting != 0))
    share = 1.0 / (1.0 + conductance * series)
    coupling[:] = np.where(driven > 0, conductance * share, 0.0)
    shared_offset[:] = offset * share
    source[:] = np.where(driven > 0, coupling * (level - shift) - shared_offset, 0.0)


@operator
def contact_currents(g, at_face, coupling, shared_offset, series, level, shift, conductance, offset,
                     driven, n, into_ore, drop):
    """Compute the current of every boundary face into the ore [A] and its drop [V].

    at_face: phi of the voxel [V]; others as in `couple_contacts`. Outputs (n,): the drop is that
    of `BoundaryState`, the rest potential -I_d/S where no current passes.
    """
    rest = np.divide(-offset, conductance, out=np.zeros(n), where=conductance > 0)
    passes, behind = driven > 0, level - shift
    into_ore[:] = np.where(passes, coupling * (behind - at_face) - shared_offset, 0.0)
    drop[:] = np.where(passes, at_face - behind + into_ore * series, rest)


@operator
def flag_contacts(g, into_ore, drop, previous_drop, sign, passes, smaller_side, blocked, highest,
                  f_rt, sure, on_clay, n, backwards, turned):
    """Flag driven metal whose current runs backwards, and faces whose drift turned or grew.

    sign: (n,) of the role, 1, -1 or 0; passes, smaller_side, blocked: (n,) uint8; highest: F/(RT)
    times the largest |z|, f_rt: F/(RT) [1/V]; sure: |z u| below which a turn does not matter;
    on_clay: |u| above which any turn does. Outputs (n,) uint8: backwards, where not blocked yet;
    turned, of faces that species cross, where c* is not that of the smaller side.
    """
    now, old = highest * np.abs(drop), highest * np.abs(previous_drop)
    turns = drop * previous_drop <= 0
    bad = turns & (now > sure) | (now > 2.0 * np.maximum(old, 1.0)) | turns & (
        f_rt * np.abs(drop) > on_clay)
    backwards[:] = (into_ore * sign < 0) & (blocked == 0)
    turned[:] = bad & (passes > 0) & (smaller_side == 0)
