"""How a block of voxels is cut for many processes: into boxes, by planes across each axis.

    cost = voxels of the largest box + HALO times its faces to other boxes
           + voxels of the largest grid that multigrid leaves to every process            ->  least

Every factorisation of the number of processes into three is tried. Cuts at multiples of 2^n can
be halved n times, so that n coarse grids are cut as well; where that leaves boxes too unequal, n
is smaller. Across x cuts are at multiples of the grid's segment: sums keep their parts (`sums`).
"""

import numpy as np

HALO = 4          # what it costs to bring a voxel from a neighbour, in voxels worked on
SMALL = 32768     # voxels of the largest coarse grid that every process holds whole


def cuts(n, parts, unit):
    """Planes 0, ..., n that cut n voxels into parts at multiples of unit; None: too many."""
    units = -(-n // unit)
    if parts > units:
        return None
    return [*(p * units // parts * unit for p in range(parts)), n]


def longest(planes):
    return int(np.max(np.diff(planes)))


def halvings(shape):
    """How often the axes of a grid are halved until SMALL voxels are left: once at least."""
    n, shape = 1, (np.array(shape) + 1) // 2
    while np.prod(shape) > SMALL:
        n, shape = n + 1, (shape + 1) // 2
    return n


def factorisations(count):
    """All (a, b, c) with a b c = count."""
    divisors = [d for d in range(1, count + 1) if count % d == 0]
    return [(a, b, count // (a * b)) for a in divisors for b in divisors if count % (a * b) == 0]


def decompose(grid, count):
    """Planes that cut the grid into `count` boxes, for the axes z, y, x.

    ValueError, with numbers that can be, if there is no such cut.
    """
    if found := cheapest(grid, count):
        return found
    below = next(n for n in range(count - 1, 0, -1) if cheapest(grid, n))
    raise ValueError(
        f"a grid of {' x '.join(map(str, grid.cells))} voxels cannot be cut into {count} boxes "
        f"(along x at every {grid.segment} voxels); start {below} processes instead")


def cheapest(grid, count):
    """The planes of least cost; None where there are none. The first of equals: cuts across z."""
    best, found = np.inf, None
    most = halvings(grid.shape)
    for parts in sorted(factorisations(count), key=lambda p: (p[2], p[1])):
        for n in range(most, -1, -1):
            units = 2**n, 2**n, max(2**n, grid.segment)
            planes = [cuts(*axis) for axis in zip(grid.shape, parts, units)]
            if any(axis is None for axis in planes):
                continue
            box = [longest(axis) for axis in planes]
            volume = int(np.prod(box))
            shared = sum(min(p - 1, 2) * volume // m for p, m in zip(parts, box))
            whole = np.prod([-(-m // 2**n) for m in grid.shape]) if n < most else 0
            if volume + HALO * shared + whole < best:
                best, found = volume + HALO * shared + whole, planes
    return found
