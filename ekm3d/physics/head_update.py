"""Update of pressure heads by an iteration of Richards' equation, limited as the content bends.

Newton's increment delta of the pressure head changes the water content by C delta, which the curve
follows at its end only. In dry, coarse rock C and K grow a thousandfold within the increment: taken
as a head it fills voxels whose pores the water that came would hardly wet. So the content sets the
limit: an increment that changes theta by more than C delta is cut to the head at theta + C delta
(the idea of a change of variables where rock is dry: Forsyth, Wu and Pruess 1995, Adv. Water
Resour. 18, 25; Diersch and Perrochet 1999, Adv. Water Resour. 23, 271). Both updates are alike for
small increments, so that iterations end where they would.

No iteration draws more than 1 - DRY of the water above the residual content; pores that were full
drain down to a head of their own, see `drained_head`; voxels that fill go beyond full pores by what
their increment of the integral of K_r has left there.
"""

import numpy as np

from ekm3d import retention_curves as curves
from ekm3d.backends.base import Backend, operator
from ekm3d.grid.grid import Array, Grid
from ekm3d.retention_curves import effective, suction

BEND = 0.05                 # change over suction, up to which no curve bends that much
DRY = 0.1                   # of the content above the residual one, which an iteration leaves
FARTHEST, DRIEST = 10.0, -1e6       # suction of one iteration over that before; m, pressure head
#                             below which none goes: ten times as dry as dried in an oven
DRAINED, MOIST = 0.2, 0.9   # m, suction beyond the air-entry value to which an iteration may drain
#                             full pores, or that of this S_e, where it is smaller
HALVINGS = 16               # of the interval of ln s of a curve without inverse, of two modes
EMPTY = -1e3                # m, pressure head of rock that has no water to give
DRYING = -1e2               # m, of rock that has little
BY_OSMOSIS = ('where electro-osmosis draws it, as behind an anode, ore.retention.osmosis = '
              '"saturation" or "conductivity" ends with the water')
LEAST = 1e-4                # suction at the end of that interval, over that at its start
KERNEL_CONSTANTS = {**curves.KERNEL_CONSTANTS, "BEND": BEND, "DRY_SHARE": DRY, "HALVINGS": HALVINGS,
                    "LEAST_RATIO": LEAST, "FARTHEST": FARTHEST, "DRIEST": DRIEST}


def drained_head(curve: np.ndarray) -> np.ndarray:
    """Return the pressure head [m] to which an iteration may drain full pores; of a curve."""
    moist = curve[curves.RESIDUAL] + MOIST * (curve[curves.SATURATED] - curve[curves.RESIDUAL])
    return np.maximum(curves.pressure_head(moist, curve), -curves.air_entry(curve) - DRAINED)


def cause_of_failure(pressure_head: float, gained: float) -> str:
    """Return why iterations did not end at a voxel [m] that gains more than it holds [m3/s]."""
    if pressure_head >= 0.0 and gained > 0.0:
        return "more water enters than the pores hold"
    if pressure_head < EMPTY and gained < 0.0:
        return f"more water is drawn than there is; {BY_OSMOSIS}"
    if pressure_head < DRYING and gained < 0.0:
        return f"it dries, and iterations do not end; {BY_OSMOSIS}"
    return ("iterations do not end; finer voxels, a wetter start, ore.storage, a larger "
            "ore.retention.tolerance or, where n is below 1.6, ore.retention.air_entry help")


def place_of_failure(backend: Backend, g: Grid, pressure_head: Array, source: Array) -> str:
    """Return a text about the voxel that lacks most water, and why; padded m, m3/s."""
    own = backend.to_numpy(source[g.inner])
    n = np.unravel_index(int(np.abs(own).argmax()), own.shape)
    psi = float(pressure_head[g.inner][n])
    z, y, x = (g.centres(axis)[n[axis]] for axis in range(3))
    return (f"the voxel at ({x:g}, {y:g}, {z:g}) m, pressure head {psi:.4g} m, is furthest "
            f"from its balance: {cause_of_failure(psi, own[n])}")


@operator
def update_heads(g, change, pressure_head, content, capacity, relative_conductivity, curve,
                 drained, updated_head):
    """Compute pressure heads [m] after an iteration: its change, as far as the curve allows it.

    change: delta [m]; pressure_head: psi [m] before, where content is theta [1], capacity C [1/m]
    and relative_conductivity K_r [1]; curve: (parameters, padded); drained: `drained_head` [m].
    Output updated_head: padded, inner voxels are written; the others are padded, too.
    """
    psi, delta, c = pressure_head[g.inner], change[g.inner], curve[g.inner]
    theta, low, full = content[g.inner], c[curves.RESIDUAL], c[curves.SATURATED]
    pores, fringe = c[curves.MODEL] > 0, -curves.air_entry(c)
    dry, wet = pores & (psi < fringe), pores & (psi >= fringe)
    floor = np.where(dry, np.minimum(np.maximum(FARTHEST * psi, DRIEST), psi), -np.inf)
    direct = np.maximum(psi + delta, floor)
    wanted = np.maximum(theta + capacity[g.inner] * delta, low + DRY * (theta - low))
    out = np.where(wet & (direct < drained[g.inner]), np.minimum(psi, drained[g.inner]), direct)
    holds = dry & (wanted < full)
    bent = holds & (np.abs(delta) > -BEND * psi)
    out[bent] = _nearer(psi[bent], direct[bent], wanted[bent], c[:, bent])
    fills = dry & ~holds & (direct > 0.0)
    k, before = relative_conductivity[g.inner][fills], psi[fills]
    out[fills] = np.maximum(delta[fills] * k + 0.5 * before * (1.0 + k), 0.0)
    updated_head[g.inner] = out


def _nearer(psi, direct, wanted, curve):
    """Return of `direct` and the pressure head at a content the one nearer to psi [m]; (n,)."""
    saturation = (wanted - curve[curves.RESIDUAL]) / (
        curve[curves.SATURATED] - curve[curves.RESIDUAL])
    by_content = -suction(saturation, curve)
    two = curve[curves.SHARE_2] > 0
    by_content[two] = _halve(psi[two], direct[two], saturation[two], curve[:, two])
    return np.where(np.abs(by_content - psi) < np.abs(direct - psi), by_content, direct)


def _halve(psi, direct, saturation, curve):
    """Return the pressure head [m] of a saturation between psi and `direct`, or near its end."""
    start = np.log(-psi)
    end = np.log(np.maximum(np.maximum(-direct, curve[curves.AIR_ENTRY]), -LEAST * psi))
    for _ in range(HALVINGS):
        middle = 0.5 * (start + end)
        reached = (effective(-np.exp(middle), curve)[0] < saturation) == (direct < psi)
        start, end = np.where(reached, start, middle), np.where(reached, middle, end)
    return -np.exp(end)
