"""Checks of domains on the ranks of an MPI run: mpiexec -n N python rank_checks.py BACKEND [TOL].

TOL: of the elliptic problems. What one iteration does with bits, the next does, too.
Every rank makes the whole block from the same random numbers, works on its box, and compares with
the whole, to the last bit.
"""

import sys
from itertools import product

import numpy as np
from helpers import compile_once, cuda_stand_in
from helpers.quiet_ranks import wait_for_all

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cuda import CudaBackend
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import above, below, faces
from ekm3d.parallel.decomposition import factorisations
from ekm3d.parallel.domain import Domain
from ekm3d.parallel.mpi_domain import MpiDomain
from ekm3d.parallel.team import join
from ekm3d.solvers import agglomeration
from ekm3d.solvers.elliptic import EllipticSolver

SPACING = (0.1, 0.2, 0.3)
TOLERANCE = float(sys.argv[2]) if len(sys.argv) > 2 else 1e-11
COMM = join(asked=True).comm


def random_planes(rng, shape, count, unit):
    """Random planes that divide a grid into `count` boxes; None where none do."""
    limits = (*shape[:2], -(-shape[2] // unit))
    parts = [p for p in factorisations(count) if all(
        n <= m for n, m in zip(p, limits, strict=True))]
    if not parts:
        return None
    chosen = parts[rng.integers(len(parts))]
    return [[0, *(u * np.sort(rng.choice(np.arange(1, m), p - 1, replace=False))).tolist(), n]
            for p, m, n, u in zip(chosen, limits, shape, (1, 1, unit), strict=True)]


def boxes(rng, count, backend, number):
    """(whole grid, its MpiDomain) for odd and thin shapes, divided at random."""
    for _ in range(number):
        shape = rng.integers(1, rng.choice([3, 9, 15], 3)).tolist()
        unit = int(rng.choice([1, 1, 32]))
        if unit == 32:
            shape[2] = int(rng.integers(1, 110))
        whole = Grid(tuple(reversed(shape)), SPACING, segment=unit)
        planes = random_planes(rng, shape, count, unit)
        if planes:
            yield whole, MpiDomain(whole, backend, COMM, planes)


def own(domain, whole_array):
    """Part of a padded array of the whole in this rank's box, ghosts included."""
    return whole_array[(Ellipsis, *(slice(a, b + 2 * GHOST) for a, b in zip(
        domain.box.start, domain.box.stop, strict=True)))].copy()


def inside(grid):
    mask = np.zeros(grid.padded, bool)
    mask[grid.inner] = True
    return mask


def numbered(whole):
    """Padded array in which every cell, ghosts included, has its own number."""
    return np.arange(np.prod(whole.padded), dtype=float).reshape(whole.padded)


def check_halos(rng, backend):
    """Ghosts get the numbers of the voxels that they copy; those of the border keep their own.

    Two arrays of three and of one field, of 8 bytes and of 1, travel together.
    """
    for whole, domain in boxes(rng, COMM.size, backend, 25):
        cells = np.stack([numbered(whole), -numbered(whole), numbered(whole) ** 2])
        flags = rng.integers(0, 200, whole.padded).astype(np.uint8)
        mine, few = own(domain, cells), own(domain, flags)
        ghosts = own(domain, inside(whole)) & ~inside(domain.grid)     # held by other ranks
        blank = mine.copy()
        blank[:, ghosts] = np.nan
        mine[:, ghosts], few[ghosts] = np.nan, 255
        counted = domain.counters.messages
        domain.fill(mine, few)
        assert np.array_equal(mine, own(domain, cells)), "a ghost is not its voxel"
        assert np.array_equal(few, own(domain, flags))
        sides = [domain.box.neighbour(*side) for side in product(range(3), (False, True))]
        rounds = [len(domain.box.rounds(axis, GHOST)) for axis in range(3)]
        most = sum(rounds[n // 2] for n, other in enumerate(sides) if other is not None)
        least = 6 - sides.count(None)
        assert least <= domain.counters.messages - counted <= most
        domain.ghost_updater(blank)()
        for axis, up in product(range(3), (False, True)):
            index = [slice(GHOST, -GHOST)] * 3
            index[axis] = slice(-GHOST, -GHOST + 1) if up else slice(GHOST - 1, GHOST)
            assert np.array_equal(blank[(..., *index)], mine[(..., *index)])


def waits(on):
    """A list that gets an entry whenever a backend waits for its device."""
    found, done = [], type(on).copies_done
    on.copies_done = lambda: found.append(on) or done(on)
    return found


def check_device(rng, backend):
    """Ghosts and sums of arrays on the stand-in's device: the same as on the host."""
    if backend.name == "numpy":
        return                                  # one launch with the stand-in, which is compiled
    on = CudaBackend("test", cuda_stand_in)
    for whole, domain in boxes(rng, COMM.size, on, 4):
        cells = np.stack([numbered(whole), -numbered(whole)])
        blank = own(domain, cells)
        blank[:, own(domain, inside(whole)) & ~inside(domain.grid)] = np.nan
        device = on.from_numpy(blank)
        counted = waits(on)
        domain.fill(device)
        assert len(counted) <= 2 * 2 * 3        # before sending and after; axes, layers one by one
        counted.clear()
        domain.ghost_updater(device)()
        assert len(counted) <= 2                # six messages at once
        assert np.array_equal(on.to_numpy(device), own(domain, cells))
        assert domain.sum(device[1]) == Domain(whole).sum(cells[1])
        single = on.from_numpy(blank[0].astype(np.float32))         # its slabs are bundled
        domain.ghost_updater(single)()
        domain.fill(single)
        assert np.array_equal(on.to_numpy(single), own(domain, cells)[0].astype(np.float32))


def check_sums(rng, backend):
    """Sums, products, maxima: the same as on one rank, to the last bit."""
    for whole, domain in boxes(rng, COMM.size, backend, 15):
        alone = Domain(whole, backend)
        a, b = rng.normal(size=(2, *whole.padded)) * 10.0 ** rng.uniform(-9, 9, whole.padded)
        mine, other = own(domain, a), own(domain, b)
        assert domain.sum(mine) == alone.sum(a) and domain.dot(mine, other) == alone.dot(a, b)
        assert np.array_equal(domain.sums(np.stack([mine, other])), alone.sums(np.stack([a, b])))
        inner = mine[domain.grid.inner]
        assert domain.max(inner) == a[whole.inner].max()
        assert domain.any(inner > 1e8) == (a[whole.inner] > 1e8).any()
        assert domain.count(inner > 0) == (a[whole.inner] > 0).sum()
        inner[0, 0, 0] = np.nan if COMM.rank == COMM.size - 1 else inner[0, 0, 0]
        assert np.isnan(domain.max(inner))


def check_points(rng, backend):
    """Values of voxels by their index, some twice, and additions to them."""
    for whole, domain in boxes(rng, COMM.size, backend, 15):
        alone = Domain(whole, backend)
        a = rng.normal(size=(2, 3, *whole.padded))
        mine = own(domain, a)
        chosen = rng.integers(0, np.prod(whole.shape), 9)
        voxel = numbered(whole)[whole.inner].ravel()[chosen].astype(int)
        points, expected = domain.points(voxel), alone.points(voxel)
        assert np.array_equal(points.gather(mine), expected.gather(a))
        flags = (a[0, 0] > 0).astype(np.uint8)
        assert np.array_equal(points.gather(own(domain, flags)), flags.ravel()[voxel])
        values = rng.normal(size=(2, 3, 9))
        points.add(mine, values)
        expected.add(a, values)
        assert np.array_equal(mine[domain.grid.inner], own(domain, a)[domain.grid.inner])


def check_whole(rng, backend):
    """Views, slabs and the whole array assembled again."""
    for whole, domain in boxes(rng, COMM.size, backend, 15):
        a = rng.normal(size=(2, *whole.padded)).astype(np.float32)
        mine, inner = own(domain, a), a[whole.inner]
        assert np.array_equal(domain.local_view(inner), mine[domain.grid.inner])
        lower = [max(n - 1, 0) for n in domain.start]
        assert np.array_equal(domain.local_view(inner, halo=1), inner[(..., *(
            slice(n, stop + 1) for n, stop in zip(lower, domain.box.stop, strict=True)))])
        put, back = np.zeros_like(a), np.zeros_like(mine)
        domain.assemble(mine, put)
        assert np.array_equal(put[whole.inner], inner)
        domain.extract(put, back)
        assert np.array_equal(back[domain.grid.inner], mine[domain.grid.inner])
        mine = np.ascontiguousarray(np.moveaxis(mine[domain.grid.inner], 0, -1))
        slabs = list(domain.slabs(mine))
        assert bool(slabs) == domain.is_root
        if domain.is_root:
            assert np.array_equal(np.concatenate([slab for _, slab in slabs]),
                                  np.moveaxis(inner, 0, -1))


def medium(rng, grid, contrast, linked, dead, uneven):
    """(face, b, f), padded: faces over `contrast`, shares of links and of closed voxels."""
    face, live = np.zeros((3, *grid.padded)), inside(grid)
    live[grid.inner] &= rng.random(grid.shape) >= dead
    for axis in range(3):
        view = faces(face[axis], axis)
        view[...] = uneven[axis] * contrast ** rng.uniform(-0.5, 0.5, view.shape) * (
            below(live, axis) & above(live, axis))
    b, f = np.zeros((2, *grid.padded))
    b[grid.inner] = rng.uniform(0.1, 10, grid.shape) * (rng.random(grid.shape) < linked)
    f[grid.inner] = rng.normal(size=grid.shape)
    return face, b * live, f


# cells, voxels of the first small level, contrast, share of links and of closed voxels, unevenness
PROBLEMS = {
    "linked": ((12, 10, 16), 1, 1e3, 0.1, 0.05, (1, 1, 1)),
    "floating": ((12, 10, 16), 1, 1e3, 0.0, 0.05, (1, 1, 1)),
    "islands": ((26, 13, 11), 100, 1e2, 1.0, 0.4, (1, 1, 1)),
    "layered": ((12, 10, 16), 100, 1e3, 0.1, 0.0, (30, 1, 1)),
    "along x": ((13, 11, 17), 100, 1e3, 0.1, 0.0, (1, 1, 30)),
    "segments": ((67, 23, 22), 200, 1e2, 0.05, 0.05, (1, 1, 1)),
    "large": ((36, 32, 30), 32768, 1e2, 0.01, 0.05, (1, 1, 1)),
    "odd planes": ((7, 6, 21), 100, 1e2, 0.1, 0.05, (1, 1, 1)),
    "a sheet": ((40, 30, 1), 50, 1e2, 0.5, 0.0, (1, 1, 1)),
    "a column along x": ((37, 1, 1), 100, 1e2, 0.2, 0.0, (1, 1, 1)),
    "a floating column along z": ((1, 1, 17), 2, 1e2, 0.0, 0.0, (1, 1, 1)),
    "a broken column along y": ((1, 24, 1), 2, 1e2, 1.0, 0.2, (1, 1, 1)),
}


def solved(backend, domain, arrays, once=False):
    """(x of the last of three growing sources, assembled; residual and iterations of each).

    once: with V-cycles, which visit every coarse level once.
    """
    grid, told = domain.grid, []
    face, b, f = (own(domain, a) for a in arrays)
    for a in (b, f):
        a[~inside(grid)] = 0.0                  # values of other ranks are not needed
    x, trend = np.zeros((2, *grid.padded))
    solver = EllipticSolver(grid, backend, domain, TOLERANCE)
    solver.multigrid.v_cycles.update(["potential"] * once)
    for n in range(3):
        residual = solver.solve(face, b, f * (1.0 + n * n), x, trend=trend)
        told.append((residual, solver.iterations))
    whole = np.zeros(domain.whole.padded)
    domain.assemble(x, whole)
    own_faces = own(domain, whole)
    for axis in range(3):                       # the first ghost layer is updated
        assert np.array_equal(below(x, axis), below(own_faces, axis))
        assert np.array_equal(above(x, axis), above(own_faces, axis))
    return whole, told


def check_elliptic(rng, backend):
    """The same x, iterations and residuals as on one rank; two reductions an iteration."""
    problems = []
    for name, (cells, small, *how) in PROBLEMS.items():
        if COMM.size <= max(cells):
            whole = Grid(cells, SPACING, segment=32 if name in ("segments", "large") else 0)
            arrays = medium(rng, whole, *how)
            problems += [(name, small, whole, arrays, once) for once in (
                (False, True) if name in ("segments", "layered") else (False,))]
    for (name, small, whole, arrays, once), (x, told) in zip(
            problems, alone(backend, problems), strict=True):
        agglomeration.SMALL = small
        agglomeration.SMALL_ON[backend.name] = 5 * small if name in ("islands", "along x") else 0
        planes = None
        if name == "odd planes":                # none of which a coarser grid could have
            by = 3 if COMM.size <= 4 else 1
            planes = [[0, *range(by, by * (2 * COMM.size - 2), 2 * by), 21], [0, 6], [0, 7]]
        domain = MpiDomain(whole, backend, COMM, planes)
        counted = domain.counters.reductions
        mine, same = solved(backend, domain, arrays, once)
        assert told == same, f"{name}: {told} alone, {same} together"
        assert np.array_equal(x, mine), f"{name}: off by {abs(x - mine).max()}"
        sums = domain.counters.reductions - counted
        iterations = sum(n for _, n in told)
        assert sums <= 2 * iterations + 3 * 12, f"{name}: {sums} sums, {iterations} iterations"


def alone(backend, problems):
    """Results of `solved` for every problem in one process: each rank solves some of them."""
    mine = [solved(backend, Domain(whole, backend), arrays, once) if n % COMM.size == COMM.rank
            else None for n, (_, _, whole, arrays, once) in enumerate(problems)]
    wait_for_all(COMM)
    everyone = COMM.allgather(mine)
    return [everyone[n % COMM.size][n] for n in range(len(problems))]


if __name__ == "__main__":
    compile_once.install()
    checks = [value for name, value in globals().items() if name.startswith("check_")]
    for check in checks:
        check(np.random.default_rng(80114), choose_backend(sys.argv[1]))
    if COMM.rank == 0:
        print(f"{len(checks)} checks passed on {COMM.size} processes")
