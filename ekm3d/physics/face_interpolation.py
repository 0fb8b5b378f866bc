"""Face concentrations of migration and advection: central for diffusion, limited upwind for drift.

    c* = c_up + k (c_down - c_up),            u = z (F/RT) (phi_a - phi_b)
    k = (1 - nu min(u2, 1)) (w/2 + (1 - w) phi(r)/2),     w = 1 / max(|u|, 1)

phi(r) is a limiter, r the ratio of the upstream to the face's own difference, nu the
Courant number of the drift: where drift rules, 1 - nu makes the explicit step second order in
time as well (Lax and Wendroff). A species then leaves its voxel at most at twice the upwind
rate, and the voxel beyond adds nothing to that as long as |u| w <= 2: so concentrations stay
positive under the step that `transport` takes, even where the drift has up to doubled since k
was chosen. The same c* serves the conductance in the potential equation and the flux with which
the species then move, so charge is conserved exactly.

Of water, with m = 2 alpha/h and w = min(m, 1),

    k = (1 - nu) max(w/6 + (1 - w/3) phi(r)/2, w (1/2 - BELOW/max(m, 1)))

phi of the most limited species, for all. Mechanical dispersion, alpha |Q|/h, brings back what the
mean of both sides, k = w/2, takes from the voxel beyond. Where nothing is limited, a third of the
mean and two of van Leer's limiter, which is Fromm's scheme there, are third order in space (kappa =
1/3). Where something is, voxels finer than two dispersivities stay second order; BELOW fits tails
exp(x/L), which k from 0.34 to 0.43 carries exactly in voxels of h = 2 alpha, L from h/3 to 2 h,
together with the error of dispersion by differences.
"""

import numpy as np

from ekm3d.constants import F_RT
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.grid.stencil import above, below

SHARP = 10.0    # cell Peclet number of the water above which the limiter sharpens fronts
BELOW = 0.1     # the mean of both sides, where water is limited in voxels of two dispersivities
NEARLY = 1.0 - 1e-5     # |z u| below which a face surely is central; the kernel's alone
KERNEL_CONSTANTS = {"SHARP": SHARP, "NEARLY": NEARLY, "BELOW": BELOW}


def geometric_conductance(transport_factor: Array, grid: Grid, axis: int) -> Array:
    """Return the geometric conductance of the faces of `axis`, two half voxels in series  [m].

    transport_factor: padded theta tau f(I), zero where nothing moves. G = A / (h/2m_a + h/2m_b).
    """
    a, b = below(transport_factor, axis), above(transport_factor, axis)
    both = a + b
    opened = both > 0
    return (2 * grid.face_area(axis) / grid.spacing_along(axis)) * (
        np.where(opened, a * b, 0.0) / np.where(opened, both, 1.0))


def by_axis(transport_factor: Array, ratio: Array | None) -> Array:
    """Return padded transport factors as `of_axis` reads them; ratio: see `Rock.along`."""
    return transport_factor[None] if ratio is None else ratio * transport_factor


def of_axis(transport_factor: Array, axis: int) -> Array:
    """Return the padded factors of an axis, of one for all axes (1, padded) or one for each (3).

    Axis 0, 1, 2 = z, y, x.
    """
    return transport_factor[axis if len(transport_factor) > 1 else 0]


def open_faces(transport_factor: Array, axis: int) -> Array:
    """Return the mask of conducting faces of `axis`, with one more face at either end."""
    moves = _columns(transport_factor, axis) > 0
    return _part(moves, axis, 0, -1) & _part(moves, axis, 1, None)


def upstream_differences(c: Array, opened: Array, axis: int) -> tuple[Array, Array, Array]:
    """Return the differences of c across the faces of `axis` and across both neighbouring faces.

    c: (species, padded); opened: of the faces, one more at either end (`open_faces`). Closed faces
    count as no difference. Returns three arrays (species, faces): own (c_b - c_a), lower
    neighbour's, upper neighbour's.
    """
    steps = np.diff(_columns(c, axis), axis=axis - 3) * opened
    return _part(steps, axis, 1, -1), _part(steps, axis, 0, -2), _part(steps, axis, 2, None)


def _columns(array, axis):
    """Columns of the inner voxels along an axis, with their ghosts."""
    index = [slice(GHOST, -GHOST)] * 3
    index[axis] = slice(None)
    return array[(Ellipsis, *index)]


def _part(array, axis, start, stop):
    index = [slice(None)] * 3
    index[axis] = slice(start, stop)
    return array[(Ellipsis, *index)]


def same_sign(own: Array, upstream: Array) -> Array:
    """Return the mask of differences of one sign; their product would vanish below 1e-154."""
    return np.sign(own) * np.sign(upstream) > 0


def superbee(own: Array, upstream: Array) -> Array:
    """Return phi(r)/2 of Roe's superbee limiter: keeps a jump within 3 voxels, squares a slope."""
    own, upstream = np.abs(own), np.where(same_sign(own, upstream), np.abs(upstream), 0.0)
    least = np.maximum(np.minimum(2 * upstream, own), np.minimum(upstream, 2 * own))
    return np.divide(0.5 * least, own, out=np.zeros_like(own), where=own > 0)


def van_leer(own: Array, upstream: Array) -> Array:
    """Return phi(r)/2 of van Leer's limiter, r = upstream / own: 0 at extrema, 1/2 if smooth."""
    return np.divide(np.abs(upstream), np.abs(own) + np.abs(upstream),
                     out=np.zeros_like(own), where=same_sign(own, upstream))


def migrating(c: Array, z: np.ndarray, speed: Array, drop: Array, use_smaller_side: Array,
              blend: float, differences: tuple, axis: int) -> Array:
    """Return c* of every species on the faces of `axis`; (species, faces)  [mol/m3].

    drop: phi_a - phi_b of the last iterate [V]; z: (species,); speed: (species, faces) Courant
    number per |u|. On faces marked in `use_smaller_side`, where the sign or size of the drift is
    uncertain, c* is the smaller of both sides. blend: 1, or 0 for first-order upwind.
    """
    own, lower, upper = differences
    a, b = below(c, axis), above(c, axis)
    zz = z[:, None, None, None]
    forward = zz * drop > 0
    u = F_RT * np.abs(zz * drop)
    central = 1.0 / np.maximum(u, 1.0)
    timely = np.maximum(1.0 - np.minimum(u * u, 1.0) * u * speed, 0.0)
    upstream = np.where(forward, lower, upper)
    k = blend * timely * (0.5 * central + (1.0 - central) * van_leer(own, upstream))
    face = np.where(forward, a, b) + k * np.where(forward, own, -own)
    return np.where(use_smaller_side, np.minimum(a, b), face)


def share_of_mean(dispersivity: Array, kept: float, grid: Grid, axis: int) -> Array:
    """Return m of water on the faces of `axis`: it may take the mean of both sides from 1 on  [1].

    dispersivity: padded alpha_L [m]; kept: share of alpha_L |Q|/h that disperses at least.
    """
    alpha = 0.5 * (below(dispersivity, axis) + above(dispersivity, axis))
    return 2 * kept / grid.spacing_along(axis) * alpha


def advected(c: Array, flow: Array, courant: Array, spreading: Array, mean: Array, blend: float,
             differences: tuple, axis: int) -> Array:
    """Return the concentration advected by water on the faces of `axis`; (species, faces) [mol/m3].

    One k for all species of a face, with the smallest limiter: water from an electroneutral
    voxel then carries no current. courant: (faces) that of the water; spreading: (faces) exchange
    by diffusion and dispersion [m3/s]; mean: (faces) m of `share_of_mean`. Where the water flow
    exceeds SHARP times the spreading, voxels cannot resolve a front, and van Leer's limiter is
    blended with superbee, which keeps jumps.
    """
    own, lower, upper = differences
    forward = flow > 0
    still = own == 0
    upstream = np.where(forward, lower, upper)
    through = np.abs(flow)
    sharp = np.divide(SHARP * spreading, through, out=np.ones_like(through), where=through > 0)
    sharp = 1.0 - np.minimum(sharp, 1.0)
    k = van_leer(own, upstream)
    if sharp.any():
        k += sharp * (superbee(own, upstream) - k)
    k[still] = 1.0
    w = np.minimum(mean, 1.0)
    third = w / 3.0
    k = np.maximum((1.0 - third) * k.min(axis=0) + 0.5 * third,
                   w * (0.5 - BELOW / np.maximum(mean, 1.0)))
    k = blend * np.maximum(1.0 - courant, 0.0) * k
    return np.where(forward, below(c, axis), above(c, axis)) + k * np.where(forward, own, -own)


def per_flow(pore_turnover: Array, axis: int) -> Array:
    """Return the Courant number per m3/s on the faces of `axis`: mean of both sides' turnover."""
    return 0.5 * (below(pore_turnover, axis) + above(pore_turnover, axis))


def from_reservoir(ore: np.ndarray, reservoir: np.ndarray, z: np.ndarray, drop: np.ndarray,
                   use_smaller_side: np.ndarray) -> np.ndarray:
    """Return c* between ore and a well-mixed tank or reservoir, by drop = phi_ore - phi_res [V].

    ore, reservoir: (species, faces) mol/m3; blended as above, without a limited part, as nothing
    lies behind the reservoir. On marked faces c* is the smaller of both sides.
    """
    forward = z * drop > 0
    half = 0.5 / np.maximum(F_RT * np.abs(z * drop), 1.0)
    blended = np.where(forward, ore, reservoir) + half * np.where(forward, reservoir - ore,
                                                                  ore - reservoir)
    return np.where(use_smaller_side, np.minimum(ore, reservoir), blended)


def into_reservoir(ore: np.ndarray, reservoir: np.ndarray, z: np.ndarray, diffusion: np.ndarray,
                   contact: np.ndarray, previous_drop: np.ndarray, drop: np.ndarray,
                   use_smaller_side: np.ndarray) -> np.ndarray:
    """Return migration and diffusion from ore to tanks and reservoirs; (species, faces)  [mol/s].

    z, diffusion [m2/s]: (species, 1); contact: G of the faces [m]; previous_drop [V] chooses c*,
    drop: F/(RT) times that of phi now. Other arguments as in `from_reservoir`.
    """
    star = from_reservoir(ore, reservoir, z, previous_drop, use_smaller_side)
    return contact * diffusion * (ore - reservoir + drop * z * star)
