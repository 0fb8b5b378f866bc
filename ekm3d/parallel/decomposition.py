"""Domain decomposition: division of the grid into boxes by planes across each axis.

    cost = voxels of the largest box + HALO times its faces to other boxes
           + voxels of the largest grid that multigrid leaves undivided on every rank     ->  least

Every factorisation of the number of ranks into three is tried. Cuts at multiples of 2^n can be
halved n times, so that n coarse grids are divided as well; where that leaves boxes too unequal, n
is smaller. Across x, cuts are at multiples of the grid's segment, the unit of reproducible sums
(`reproducible_sum`).
"""

import numpy as np

from ekm3d.grid.grid import Grid

HALO = 4          # cost of one voxel received from a neighbour, in voxels computed
SMALL = 32768     # voxels of the largest coarse grid that every rank holds undivided

Planes = list[list[int]]          # cuts 0, ..., n along z, y, x


def cuts(n: int, parts: int, unit: int) -> list[int] | None:
    """Return planes 0, ..., n that divide n voxels into parts at multiples of unit.

    None if there are more parts than units.
    """
    units = -(-n // unit)
    if parts > units:
        return None
    return [*(p * units // parts * unit for p in range(parts)), n]


def longest(planes: list[int]) -> int:
    """Return the voxels of the longest part."""
    return int(np.max(np.diff(planes)))


def halvings(shape: tuple) -> int:
    """Return the number of halvings, at least 1, that leave SMALL voxels or fewer."""
    n, halved = 1, (np.array(shape) + 1) // 2
    while np.prod(halved) > SMALL:
        n, halved = n + 1, (halved + 1) // 2
    return n


def factorisations(count: int) -> list[tuple[int, int, int]]:
    """Return all (a, b, c) with a b c = count."""
    divisors = [d for d in range(1, count + 1) if count % d == 0]
    return [(a, b, count // (a * b)) for a in divisors for b in divisors if count % (a * b) == 0]


def decompose(grid: Grid, count: int) -> Planes:
    """Return the planes of least cost that divide the grid into `count` boxes, for z, y, x.

    ValueError, with a number of processes that is possible, if there is no such division.
    """
    if planes := cheapest(grid, count):
        return planes
    below = next(n for n in range(count - 1, 0, -1) if cheapest(grid, n))
    raise ValueError(
        f"a grid of {' x '.join(map(str, grid.cells))} voxels cannot be cut into {count} boxes "
        f"(along x at every {grid.segment} voxels); start {below} processes instead")


def cheapest(grid: Grid, count: int) -> Planes | None:
    """Return the planes of least cost, or None. Among equals the first: most cuts across z."""
    least, best = np.inf, None
    most = halvings(grid.shape)
    for parts in sorted(factorisations(count), key=lambda p: (p[2], p[1])):
        for n in range(most, -1, -1):
            units = 2**n, 2**n, max(2**n, grid.segment)
            planes = [axis for axis in map(cuts, grid.shape, parts, units) if axis is not None]
            if len(planes) < 3:
                continue
            box = [longest(axis) for axis in planes]
            volume = int(np.prod(box))
            shared = sum(min(p - 1, 2) * volume // m for p, m in zip(parts, box, strict=True))
            undivided = np.prod([-(-m // 2**n) for m in grid.shape]) if n < most else 0
            cost = volume + HALO * shared + undivided
            if cost < least:
                least, best = cost, planes
    return best
