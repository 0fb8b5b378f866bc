"""Multigrid preconditioner: z = M r with M close to the inverse of the 7-point operator A.

    (A x)_i = link_i x_i + sum_j face_ij (x_i - x_j),   D = diagonal of A        (every level)
    x <- x + w D^-1 (b - A x),  w = 1/(c + s), 1/(c - s): Chebyshev of degree 2  (smoothing)
    P: constant on the children of a coarse voxel,  R = P^T                      (transfer)

Coarse faces are rediscretised: the sum of the fine ones between two coarse voxels, halved along
a coarsened axis. Only axes whose mean conductance is at least half of the largest are coarsened,
down to one voxel, which is exact. Before and behind the coarse correction the same polynomial
smooths: M is symmetric. Levels are float32; differences are taken first, so that rounding changes
conductances by a few 1e-8 and nothing else.

Large coarse levels are visited twice (W-cycle) where that costs little: half the iterations. Halved
faces correct twice too much across weakly connected clusters, though, and a second visit squares
that, which may cost M its positivity; `visit_once` goes back to the V-cycle, always positive.
"""

from itertools import product

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel.decomposition import SMALL
from ekm3d.parallel.reproducible_sum import segments

LARGEST = 1.9                        # of the eigenvalues of D^-1 A, which end below 2; fitted
CENTRE, REACH = LARGEST * 3 / 5, LARGEST * 2 / 5 * 0.5**0.5
FIRST, SECOND = 1 / (CENTRE + REACH), 1 / (CENTRE - REACH)
TWICE = 2000                         # voxels from which on a coarse level is visited twice

FROM_ZERO, SMOOTH, RESTRICT, PROLONG, SOLVE = range(5)       # numbers as in solvers/multigrid.cu


def ratio(fine, coarse):
    """Children per coarse voxel along one axis, from the numbers of voxels."""
    return 2 if fine > coarse else 1


def children(a, g, coarse):
    """The padded array a as (mz, 2 or 1, my, 2 or 1, mx, 2 or 1): coarse voxels, children in each.

    Where g is odd the last children are ghosts.
    """
    split = [(m, ratio(n, m)) for n, m in zip(g.shape, coarse.shape)]
    part = a[tuple(slice(GHOST, GHOST + m * f) for m, f in split)]
    return part.reshape([k for pair in split for k in pair])


def added(part):
    """Sum over the children of what `children` made, always in the same order."""
    axes = (range(n) for n in part.shape[1::2])
    return sum(part[:, dz, :, dy, :, dx] for dz, dy, dx in product(*axes))


def left(face, link, b, x):
    """b - A x, over all voxels and ghosts."""
    flat = x.ravel()
    out = (b - link * x).ravel()
    for axis, stride in enumerate((x.shape[1] * x.shape[2], x.shape[2], 1)):
        flow = face[axis].ravel()[:-stride] * (flat[stride:] - flat[:-stride])
        out[:-stride] += flow
        out[stride:] -= flow
    return out.reshape(x.shape)


@operator
def smooth_from_zero(g, face, link, inverse, b, x):
    """x = both steps of smoothing for A x = b, beginning at x = 0; padded float32."""
    first = FIRST * inverse * b
    x[g.inner] = (first + SECOND * inverse * left(face, link, b, first))[g.inner]


@operator
def smooth(g, face, link, inverse, b, x, weight, y):
    """y = x + weight D^-1 (b - A x), 0 where nothing conducts."""
    new = x + weight * inverse * left(face, link, b, x)
    y[g.inner] = np.where(inverse > 0, new, 0)[g.inner]


@operator
def smooth_and_sum(g, face, link, inverse, b, x, weight, y, sums):
    """The same, and sums (nz, ny, segments): b y added up over every segment, in float64."""
    smooth(g, face, link, inverse, b, x, weight, y)
    sums[...] = segments(g, b[g.inner].astype(float) * y[g.inner])


@operator
def restrict_residual(g, coarse, face, link, b, x, coarse_b):
    """coarse_b: b - A x added up over the children, which may be ghosts."""
    coarse_b[coarse.inner] = added(children(left(face, link, b, x), g, coarse))


@operator
def prolong(g, coarse, coarse_x, x):
    """x += the parent's coarse_x."""
    change = coarse_x[coarse.inner]
    for axis, n in enumerate(g.shape):
        if n > coarse.shape[axis]:
            change = change.repeat(2, axis)
    nz, ny, nx = g.shape
    x[g.inner] += change[:nz, :ny, :nx]


@operator
def small_cycle(g, table, steps, entries, count, size, store):
    """Carry out steps (what, level, what, level, ...) on levels that lie in one array.

    table: four numbers per level, nx, ny, nz and where in the store (float32) the level's arrays
    begin, in the order of Level. entries, count, size: lengths of table, steps and store.
    """
    levels = [Level(Grid((nx, ny, nz), g.spacing), store[start:])
              for nx, ny, nz, start in table.reshape(-1, 4).tolist()]
    for what, n in steps.reshape(-1, 2).tolist():
        here = levels[n]
        if what == SOLVE:
            here.x[here.grid.inner] = (here.inverse * here.b)[here.grid.inner]
        elif what == FROM_ZERO:
            smooth_from_zero(here.grid, *here.operator, here.b, here.x)
        elif what == SMOOTH:
            smooth(here.grid, *here.operator, here.b, here.x, FIRST, here.y)
            smooth(here.grid, *here.operator, here.b, here.y, SECOND, here.x)
        elif what == RESTRICT:
            below = levels[n + 1]
            restrict_residual(here.grid, below.grid, here.face, here.link, here.b, here.x, below.b)
        else:
            below = levels[n + 1]
            prolong(here.grid, below.grid, below.x, here.x)


@operator
def survey(g, ax, ay, az, b, sums):
    """sums (5, nz, ny, segments): az, ay, ax, b, and 1 for every voxel that conducts, by segment.

    ax, ay, az, b: padded float64 as in elliptic.py.
    """
    for n, a in enumerate((az, ay, ax, b)):
        sums[n] = segments(g, a[g.inner])
    sums[4] = segments(g, _diagonal(g, (az, ay, ax), b) > 0)


@operator
def convert(g, ax, ay, az, b, scale, face, link, inverse):
    """scale times the operator in float32: face (3, padded) in the order z, y, x, link, inverse."""
    for axis, a in enumerate((az, ay, ax)):
        face[axis][g.inner] = scale * a[g.inner]
    link[g.inner] = scale * b[g.inner]
    d = (scale * _diagonal(g, (az, ay, ax), b)).astype(inverse.dtype)
    inverse[g.inner] = np.divide(1, d, out=np.zeros_like(d), where=d > 0)


@operator
def coarsen(g, coarse, face, link, coarse_face, coarse_link):
    """The operator on the next grid: faces halved along a coarsened axis, links added up."""
    coarse_link[coarse.inner] = added(children(link, g, coarse))
    for axis in range(3):
        part = children(face[axis], g, coarse)
        if g.shape[axis] > coarse.shape[axis]:
            part = part.take([1], 2 * axis + 1) / 2          # of the child below the coarse face
        coarse_face[axis][coarse.inner] = added(part)


@operator
def invert_diagonal(g, face, link, inverse):
    """inverse = 1 / diagonal of A, 0 where nothing conducts."""
    d = _diagonal(g, face, link)
    inverse[g.inner] = np.divide(1, d, out=np.zeros_like(d), where=d > 0)


def _diagonal(g, face, link):
    """Diagonal of A over the inner voxels; face in the order z, y, x."""
    d = link[g.inner].copy()
    for axis, a in enumerate(face):
        d += a[g.inner]
        d += np.roll(a, 1, axis)[g.inner]
    return d


def coarser(cells, mean):
    """Cells (x, y, z) of every coarser grid, down to one voxel; at least one grid.

    mean: mean conductance of the faces across x, y, z on the finest grid. On the grids below
    they follow: halving an axis halves its own faces' conductance and doubles the others'.
    """
    found = []
    while max(cells) > 1 or not found:
        largest = max((m for n, m in zip(cells, mean) if n > 1), default=0.0)
        halved = [n > 1 and 2 * m >= largest for n, m in zip(cells, mean)]
        mean = [m * 2.0 ** (sum(halved) - 2 * h) for m, h in zip(mean, halved)]
        cells = tuple((n + 1) // 2 if h else n for n, h in zip(cells, halved))
        found.append(cells)
    return found


def cycle_steps(sizes, level, twice=False, end=None, zero=True):
    """(what, level) of a cycle from `level` down, beginning at x = 0 or at x as it is.

    sizes: voxels of every level. twice: a level is visited twice if it has TWICE voxels and no more
    than 0.3 of those above it, so that a cycle takes 2.5 times the work of its first level at most.
    From level `end` on small_cycle has the rest: (FROM_ZERO or SMOOTH, end) stands for it.
    """
    start = FROM_ZERO if zero else SMOOTH
    if level == end:
        return [(start, level)]
    if level + 1 == len(sizes):
        return [(SOLVE, level)]
    coarse = cycle_steps(sizes, level + 1, twice, end)
    if twice and TWICE <= sizes[level + 1] <= 0.3 * sizes[level]:
        coarse += cycle_steps(sizes, level + 1, twice, end, zero=False)
    return [(start, level), (RESTRICT, level), *coarse, (PROLONG, level), (SMOOTH, level)]


class Level:
    """The arrays of one grid in one block: face (3, padded), link, inverse, b, x, y."""

    ARRAYS = 8

    def __init__(self, grid, block):
        """block: flat, at least ARRAYS padded voxel arrays long, zero."""
        whole = block[:self.ARRAYS * int(np.prod(grid.padded))].reshape(-1, *grid.padded)
        self.grid, self.face = grid, whole[:3]
        self.link, self.inverse, self.b, self.x, self.y = whole[3:]
        self.operator = self.face, self.link, self.inverse


class Multigrid:
    """The hierarchy of one grid and its cycle.

        take(ax, ay, az, b)     an operator; tells `links`, their sum, and `live`, how many conduct
        build()                 its coarse levels
        cycle()                 top.x = M top.b; returns their product
        visit_once()            from now on

    Every process has its box of the large levels. Level `joint`, the first that is small, or whose
    boxes cannot be halved, is put together from `gate`, the box of it, and cycled through with all
    below it by every process alone; where there is one process, it is `gate` itself.
    """

    def __init__(self, grid, backend, domain):
        self.grid, self.backend, self.domain = grid, backend, domain
        bound = (smooth_from_zero, smooth, smooth_and_sum, restrict_residual, prolong, small_cycle,
                 survey, convert, coarsen, invert_diagonal)
        self.do = {op.__name__: backend.bind(op) for op in bound}
        self.top = self._level(grid)
        self.fill_operator = domain.ghost_updater(self.top.face, self.top.inverse)
        self.fill_last = domain.ghost_updater(self.top.y)
        self.sums = backend.zeros((5, *grid.shape[:2], grid.segments))
        self.product = backend.zeros((1, *grid.shape[:2], grid.segments))
        self.add_sums = domain.segment_reducer(self.sums)
        self.add_product = domain.segment_reducer(self.product)
        self.levels, self.cells, self.twice = [self.top], None, True

    def _level(self, grid):
        """A level with memory of its own."""
        return Level(grid, self.backend.zeros((Level.ARRAYS * int(np.prod(grid.padded)),),
                                              np.float32))

    def take(self, ax, ay, az, b):
        """The finest level of an operator, and what its sums tell."""
        self.do["survey"](self.grid, ax, ay, az, b, self.sums)
        *faces, self.links, live = self.add_sums()
        self.live, self.built = int(live), False
        cells = self.domain.whole.cells
        voxels = np.prod(cells)
        self.mean = [total * n / (max(n - 1, 1) * voxels)
                     for total, n in zip(reversed(faces), cells)]
        size = max(*self.mean, self.links / voxels)
        self.do["convert"](self.grid, ax, ay, az, b, 1.0 / size if size > 0 else 1.0,
                           *self.top.operator)
        self.fill_operator()

    def build(self):
        """The operators of the coarse levels, if not there yet."""
        if self.built:
            return
        cells = coarser(self.domain.whole.cells, self.mean)
        if cells != self.cells:
            self._allocate(cells)
        for fine, coarse, domain in zip(self.boxes, self.boxes[1:], self.domains[1:]):
            self._coarsen(fine, coarse)
            domain.ghost_updater(coarse.face)()
            self.do["invert_diagonal"](coarse.grid, *coarse.operator)
            domain.ghost_updater(coarse.inverse)()
        if self.parted:
            for part, whole in zip(self.gate.operator, self.levels[self.joint].operator):
                self.domains[-1].assemble(part, whole)
        for fine, coarse in zip(self.levels[self.joint:], self.levels[self.joint + 1:]):
            self._coarsen(fine, coarse)
            self.do["invert_diagonal"](coarse.grid, *coarse.operator)
        self.built = True

    def _coarsen(self, fine, coarse):
        self.do["coarsen"](fine.grid, coarse.grid, fine.face, fine.link, coarse.face, coarse.link)

    def _allocate(self, cells):
        """The coarse levels; from `small` on they are small_cycle's and lie in one block."""
        spacing = self.grid.spacing                              # plays no part in it
        self.domains, self.cells = [self.domain], cells
        for c in cells:
            coarse = self.domains[-1].coarsened(Grid(c, spacing))
            if coarse is None:
                break
            self.domains.append(coarse)
            if np.prod(c) <= SMALL:
                break
        self.joint = len(self.domains) - 1
        self.parted = len(self.domain.boxes) > 1
        self.boxes = [self.top, *(self._level(domain.grid)
                                  for domain in self.domains[1:self.joint + self.parted])]
        cells = [self.domain.whole.cells, *cells]
        self.sizes = [int(np.prod(c)) for c in cells]
        self.small = next(n for n, size in enumerate(self.sizes) if n and size <= SMALL)
        grids = [Grid(c, spacing) for c in cells]
        self.levels = [*self.boxes[:self.joint],
                       *(self._level(grid) for grid in grids[self.joint:self.small])]
        grids = grids[self.small:]
        starts = np.cumsum([0, *(Level.ARRAYS * int(np.prod(grid.padded)) for grid in grids)])
        self.store = self.backend.zeros((int(starts[-1]),), np.float32)
        self.levels += [Level(grid, self.store[start:]) for grid, start in zip(grids, starts)]
        if not self.parted:
            self.boxes.append(self.levels[self.joint])
        self.gate = self.boxes[-1]
        table = [[*grid.cells, start] for grid, start in zip(grids, starts)]
        self.table = self.backend.from_numpy(np.array(table, np.int64).reshape(-1))
        self._schedule()

    def _schedule(self):
        """The calls that make a cycle."""
        self.small_steps = {
            what: self.backend.from_numpy(np.array([
                (do, level - self.small) for do, level in cycle_steps(
                    self.sizes, self.small, self.twice, zero=what == FROM_ZERO)], np.int32))
            for what in (FROM_ZERO, SMOOTH)}
        calls = [call for step in cycle_steps(self.sizes, 0, self.twice, self.small)
                 for call in self._prepared(*step)]
        calls, top = calls[:-1], self.top            # the last one is to add up, too
        if self.joint == 0:
            calls = [self._join, *calls, self._part_top]
        calls.append(self.backend.prepare(self.do["smooth_and_sum"], self.grid, *top.operator,
                                          top.b, top.y, SECOND, top.x, self.product[0]))
        self.steps = self.domain.sequence(calls)

    def visit_once(self):
        """Visit every level once per cycle from now on: a V-cycle."""
        self.twice = False
        self._schedule()

    def _prepared(self, what, n):
        """The calls that one step of the cycle takes."""
        here, do, ready = self.levels[n], self.do, self.backend.prepare
        domain = self.domains[n] if n < self.joint else self.domain.alone()
        fill = domain.ghost_updater
        if n == self.small:
            steps = self.small_steps[what].reshape(-1)
            return [ready(do["small_cycle"], here.grid, self.table, steps, self.table.size,
                          steps.size, self.store.size, self.store)]
        if what == FROM_ZERO:
            return [fill(here.b),
                    ready(do["smooth_from_zero"], here.grid, *here.operator, here.b, here.x)]
        if what == SMOOTH:
            return [call for u, weight, v in ((here.x, FIRST, here.y), (here.y, SECOND, here.x))
                    for call in (fill(u), ready(do["smooth"], here.grid, *here.operator, here.b, u,
                                                weight, v))]
        joins = self.parted and n + 1 == self.joint
        below = self.gate if joins else self.levels[n + 1]
        if what == RESTRICT:
            calls = [fill(here.x), ready(do["restrict_residual"], here.grid, below.grid, here.face,
                                         here.link, here.b, here.x, below.b)]
            return calls + [self._join] * joins
        return [self._part] * joins + [ready(do["prolong"], here.grid, below.grid, below.x, here.x)]

    def _join(self):
        """What the boxes of the joint level are given."""
        self.domains[-1].assemble(self.gate.b, self.levels[self.joint].b)

    def _part(self):
        """What comes of it."""
        self.domains[-1].extract(self.levels[self.joint].x, self.gate.x)

    def _part_top(self):
        """The same of the finest level, before its last step of smoothing."""
        self.domain.extract(self.levels[0].y, self.top.y)
        self.fill_last()

    def cycle(self):
        """top.x = M top.b; the sum of their product, over all processes."""
        self.steps()
        product, = self.add_product()
        return product
