"""The concentration at a face that migrates: central where diffusion rules, limited upwind
where drift rules.

    c* = c_up + k (c_down - c_up),            u = z (F/RT) (phi_a - phi_b)
    k = (1 - nu min(u2, 1)) (w/2 + (1 - w) phi(r)/2),     w = 1 / max(|u|, 1)

phi(r) is a limiter, r the ratio of the upstream to the face's own difference, nu the
Courant number of the drift: where drift rules, 1 - nu makes the explicit step second order in
time as well (Lax and Wendroff). A species then leaves its voxel at most at twice the upwind
rate, and the voxel beyond adds nothing to that as long as |u| w <= 2: so concentrations stay
positive under the step that `transport` takes, even where the drift has up to doubled since k
was chosen. The same c* serves the conductance that the potential sees and the flux with which
the species then move, so charge is conserved exactly.
"""

import numpy as np

from ekm3d.constants import F_RT
from ekm3d.grid.grid import GHOST
from ekm3d.grid.stencil import above, below

SHARP = 10.0    # cell Peclet number of the water up to which fronts are left as smooth as they are


def face_conductance(mobility, grid, axis):
    """Geometric conductance of the faces of `axis`, two half voxels in series  [m].

    mobility: padded theta tau f(I), zero where nothing moves. G = A / (h/2m_a + h/2m_b).
    """
    a, b = below(mobility, axis), above(mobility, axis)
    both = a + b
    return (2 * grid.face_area(axis) / grid.step(axis)) * np.divide(
        a * b, both, out=np.zeros_like(both), where=both > 0)


def open_faces(mobility, axis):
    """Whether something can move across the faces of `axis`, and across one more at either end."""
    moves = _columns(mobility, axis) > 0
    return _part(moves, axis, 0, -1) & _part(moves, axis, 1, None)


def upstream_differences(c, opened, axis):
    """Differences of c across the faces of `axis` and across their neighbours on both sides.

    c: (species, padded); opened: of the faces, one more at either end (`open_faces`). Closed faces
    count as no difference. Returns three arrays (species, faces): own (c_b - c_a), lower
    neighbour's, upper neighbour's.
    """
    steps = np.diff(_columns(c, axis), axis=axis - 3) * opened
    return _part(steps, axis, 1, -1), _part(steps, axis, 0, -2), _part(steps, axis, 2, None)


def _columns(array, axis):
    """The inner voxels' columns along an axis, with their ghosts."""
    index = [slice(GHOST, -GHOST)] * 3
    index[axis] = slice(None)
    return array[(Ellipsis, *index)]


def _part(array, axis, start, stop):
    index = [slice(None)] * 3
    index[axis] = slice(start, stop)
    return array[(Ellipsis, *index)]


def same_way(own, upstream):
    """Whether both differences rise or both fall; their product would vanish below 1e-154."""
    return np.sign(own) * np.sign(upstream) > 0


def compressed(own, upstream):
    """phi(r)/2 of Roe's superbee limiter: keeps a jump within three voxels, squares a slope."""
    own, upstream = np.abs(own), np.where(same_way(own, upstream), np.abs(upstream), 0.0)
    least = np.maximum(np.minimum(2 * upstream, own), np.minimum(upstream, 2 * own))
    return np.divide(0.5 * least, own, out=np.zeros_like(own), where=own > 0)


def limited(own, upstream):
    """phi(r)/2 of van Leer's limiter, r = upstream / own: 0 at an extremum, 1/2 where smooth."""
    return np.divide(np.abs(upstream), np.abs(own) + np.abs(upstream),
                     out=np.zeros_like(own), where=same_way(own, upstream))


def migrating(c, z, speed, drop, safe, blend, differences, axis):
    """c* of every species on the faces of `axis`; (species, faces)  [mol/m3].

    drop: phi_a - phi_b of the last iterate [V]; z: (species,); speed: (species, faces) Courant
    number per |u|. Where `safe` is set (drift
    whose sign or size is in doubt) the smaller of both sides is taken. blend: 1, or 0 for
    first-order upwind.
    """
    own, lower, upper = differences
    a, b = below(c, axis), above(c, axis)
    zz = z[:, None, None, None]
    forward = zz * drop > 0
    u = F_RT * np.abs(zz * drop)
    central = 1.0 / np.maximum(u, 1.0)
    timely = np.maximum(1.0 - np.minimum(u * u, 1.0) * u * speed, 0.0)
    upstream = np.where(forward, lower, upper)
    k = blend * timely * (0.5 * central + (1.0 - central) * limited(own, upstream))
    face = np.where(forward, a, b) + k * np.where(forward, own, -own)
    return np.where(safe, np.minimum(a, b), face)


def carried(c, flow, courant, spreading, blend, differences, axis):
    """Concentration that water takes across the faces of `axis`; (species, faces)  [mol/m3].

    One limiter value for all species of a face, the smallest: water from an electroneutral
    voxel then carries no current. courant: (faces) that of the water; spreading: (faces) what
    diffusion and dispersion exchange [m3/s]. Where water passes more than SHARP times that, no
    front has a width that voxels could show, and the limiter turns into one that keeps jumps.
    """
    own, lower, upper = differences
    forward = flow > 0
    still = own == 0
    upstream = np.where(forward, lower, upper)
    through = np.abs(flow)
    sharp = np.divide(SHARP * spreading, through, out=np.ones_like(through), where=through > 0)
    sharp = 1.0 - np.minimum(sharp, 1.0)
    k = limited(own, upstream)
    if sharp.any():
        k += sharp * (compressed(own, upstream) - k)
    k[still] = 1.0
    k = blend * np.maximum(1.0 - courant, 0.0) * k.min(axis=0)
    return np.where(forward, below(c, axis), above(c, axis)) + k * np.where(forward, own, -own)


def per_flow(turnover, axis):
    """Courant number per m3/s on the faces of `axis`: mean of dt / (theta V) on both sides."""
    return 0.5 * (below(turnover, axis) + above(turnover, axis))


def from_tank(ore, tank, z, drop, unsure):
    """c* between ore and a well-mixed tank or reservoir, by drop = phi_ore - phi_tank [V].

    ore, tank: (species, faces) mol/m3; blended as above, with no limited part: nothing lies
    behind the tank. Where `unsure` is set the smaller of both is taken.
    """
    forward = z * drop > 0
    half = 0.5 / np.maximum(F_RT * np.abs(z * drop), 1.0)
    blended = np.where(forward, ore, tank) + half * np.where(forward, tank - ore, ore - tank)
    return np.where(unsure, np.minimum(ore, tank), blended)
