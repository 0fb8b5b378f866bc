"""Net charge from step to step: how fast the potential takes it out, and the step that allows.

The current of the ions obeys the potential's equation exactly, as both use one face concentration:
it takes out the share dt / tau of the net charge rho of every voxel, tau the feedback time. What
water and dispersion carry of it is not in that equation. On frozen coefficients, in an explicit
step of length dt, r = rho/theta changes by

    r_i  ->  (1 - dt/tau) r_i - dt sum_j a_ij r_j,             a_ii = q (1 - 2 k) + m        [1/s]
    a_ij = -q (1 - k) - m/2 upstream and q k - m/2 downstream

where q of the water of a voxel leaves it per time, dispersion exchanges m, and the limiter takes
the share k, 0 to 1, of the side downstream, the same for all ions. By rows, max |r| never grows if

    dt/tau + 2 (q + m) dt <= 2,          dt/tau >= 2 q k dt

The first is also the condition of von Neumann for the odd-even wave at k = 0, which turns over; the
second says that the feedback outdoes a limiter that sharpens. tau = dt is best while 2 (q + m) dt
is below STABLE - 1; beyond, tau lies in the middle of both. Concentrations stay positive while
(2 q + m) dt < 1, and there such a tau exists in uniform ore: steps are shorter than these ask for
only where the ore's dispersivity or its voxels differ along the axes, or water or step have just
grown. Heun's second stage is a mean of such steps. Water that leaves through a well or a side does
not come back: there it counts once, and its voxel has to damp itself alone. Water that ore stores
is not covered: voxels let out what they take in.
"""

from typing import NamedTuple

from ekm3d.grid.grid import Array, Grid
from ekm3d.parallel.domain import Domain

STABLE = 1.9       # of 2: the odd-even wave loses a tenth in a step at least
ANY = (0.0, 1e30)   # of `spreading`: dispersion that has no part in the flow across a face


class Stirring(NamedTuple):
    """Bounds, for all voxels, of the rates at which the water of a voxel is exchanged  [1/s]."""

    carried: float      # 2 q
    exchanged: float    # 2 (q + m)


def spreading(grid: Grid, domain: Domain, dispersivity: Array,
              pore_volume: Array) -> tuple[float, float]:
    """Return the least and the largest dispersivity of ore over the length of a voxel  [1]."""
    alpha = dispersivity[grid.inner][pore_volume[grid.inner] > 0]
    lengths = [grid.spacing_along(axis) for axis in range(3)]
    most, least = domain.max(alpha), -domain.max(-alpha)
    return least / max(lengths), most / min(lengths)


def stirring(rate: float, least: float, largest: float) -> Stirring:
    """Return the Stirring of voxels of which `rate` is the largest 2 q + m  [1/s].

    least, largest: face's dispersivity over the length of a voxel. Water that passes a voxel counts
    2 q on its faces, and m is that times this ratio.
    """
    return Stirring(rate / (1.0 + least), rate * (1.0 + largest / (1.0 + largest)))


def feedback_time(dt: float, stirred: Stirring) -> float:
    """Return the time [s] in which the potential takes out net charge, for a step of dt [s]."""
    carried, exchanged = dt * stirred.carried, dt * stirred.exchanged
    if exchanged <= STABLE - 1.0:
        return dt
    return dt / max(1.0 - 0.5 * (exchanged - carried), carried, 2.0 - STABLE)


def longest_step(feedback: float, stirred: Stirring) -> float:
    """Return the longest step [s] in which no wave of net charge turns over and grows.

    feedback: the feedback time [s] of the potential that the step moves by.
    """
    return STABLE / (1.0 / feedback + stirred.exchanged)
