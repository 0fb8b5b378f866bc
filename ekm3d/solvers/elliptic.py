"""One solver for two equations, electric potential and hydraulic head.

    -div(a grad x) + b x = f          a: face conductances, b: links to fixed values

Finite volumes, 7-point, symmetric positive (semi)definite; conjugate gradients in float64 with
the preconditioner of `multigrid` in float32, started on a column of voxels from the direct
solution of the tridiagonal system. Voxels without any conductance keep their value. Sums are the
same whoever adds up what (`sums`): the answer depends on no number of threads or processes.

An iteration adds up twice over all processes: r.Mr, and p.Ap with what tells the next |r|,

    |r - w q|^2 = r.r - 2 w r.q + w^2 q.q,   q = A p

of which as many digits are lost as the square falls by; below CLEAR of r.r it is added up anew.
"""

import numpy as np
from scipy.linalg import LinAlgError, solveh_banded

from ekm3d.backends.base import operator
from ekm3d.errors import ConvergenceError
from ekm3d.parallel.reproducible_sum import segments
from ekm3d.solvers.multigrid import Multigrid

CLEAR = 1e-8        # of r.r: below, the next r.r is no difference of sums any more
PATIENCE = 100      # iterations after which the preconditioner is doubted


@operator
def apply_operator(g, ax, ay, az, b, x, y):
    """y = b x - div(a grad x): sum over six faces of a_f (x - neighbour) + b x  [A or m3/s].

    ax, ay, az: padded face conductances; ax[k, j, i] is the face between i and i + 1.
    b, x, y: padded voxel arrays with finite ghosts; only inner voxels of y are written.
    """
    flat = x.ravel()
    out = (b * x).ravel()
    for face, stride in ((ax, 1), (ay, x.shape[2]), (az, x.shape[1] * x.shape[2])):
        flow = face.ravel()[:-stride] * (flat[:-stride] - flat[stride:])
        out[:-stride] += flow
        out[stride:] -= flow
    y[g.inner] = out.reshape(x.shape)[g.inner]


def diagonal(g, ax, ay, az, b):
    """Diagonal of the operator, zero in the ghosts; padded."""
    d = b.ravel().copy()
    for face, stride in ((ax, 1), (ay, b.shape[2]), (az, b.shape[1] * b.shape[2])):
        d += face.ravel()
        d[stride:] += face.ravel()[:-stride]
    out = np.zeros_like(b)
    out[g.inner] = d.reshape(b.shape)[g.inner]
    return out


@operator
def apply_to_direction(g, ax, ay, az, b, p, r, image, sums):
    """image = A p, p in float32.

    sums (3, nz, ny, segments): p image, r image and image^2 added up over every segment.
    """
    apply_operator(g, ax, ay, az, b, p.astype(float), image)
    for n, a in enumerate((p, r, image)):
        sums[n] = segments(g, a[g.inner] * image[g.inner])


@operator
def residual(g, f, image, inverse, shift, r, sums):
    """r = f - shift - image where inverse > 0, else 0.

    sums (3, nz, ny, segments): squares of r, of f - shift (where inverse > 0) and of image by segment.
    """
    source = np.where(inverse[g.inner] > 0, f[g.inner] - shift, 0.0)
    r[g.inner] = source - image[g.inner]
    for n, a in enumerate((r[g.inner], source, image[g.inner])):
        sums[n] = segments(g, a * a)


@operator
def reduce_residual(g, r, scale, small):
    """small = scale r in float32, what the preconditioner is given."""
    small[g.inner] = scale * r[g.inner]


@operator
def redirect(g, z, keep, p):
    """p = z + keep p: z is what the preconditioner answered."""
    p[g.inner] = z[g.inner] + np.float32(keep) * p[g.inner]


@operator
def advance(g, p, image, way, scale, x, r, small, sums):
    """x += way p, r -= way image, small = scale r; sums (nz, ny, segments): squares of r."""
    x[g.inner] += way * p[g.inner].astype(float)
    r[g.inner] -= way * image[g.inner]
    small[g.inner] = scale * r[g.inner]
    sums[...] = segments(g, r[g.inner] ** 2)


@operator
def lift(g, b, inverse, way, x, r, sums):
    """x += way where inverse > 0, r -= way b; sums (nz, ny, segments): squares of r."""
    x[g.inner] += np.where(inverse[g.inner] > 0, way, 0.0)
    r[g.inner] -= way * b[g.inner]
    sums[...] = segments(g, r[g.inner] ** 2)


@operator
def follow(g, image, way, trend, x, r):
    """x += way trend, r -= way image, trend = way trend - x; image: A trend."""
    step = way * trend[g.inner]
    x[g.inner] += step
    r[g.inner] -= way * image[g.inner]
    trend[g.inner] = step - x[g.inner]


class EllipticSolver:
    """Conjugate gradients on one grid; all arrays are allocated once."""

    def __init__(self, grid, backend, domain, tolerance=1e-11, max_iterations=20000):
        self.grid, self.backend, self.domain = grid, backend, domain
        self.tolerance, self.max_iterations = tolerance, max_iterations
        self.multigrid = Multigrid(grid, backend, domain)
        bound = (apply_operator, apply_to_direction, residual, reduce_residual, redirect, advance,
                 lift, follow)
        self.do = {op.__name__: backend.bind(op) for op in bound}
        self.image, self.r = (backend.zeros(grid.padded) for _ in range(2))
        self.p = backend.zeros(grid.padded, np.float32)
        self.fill_direction = domain.ghost_updater(self.p)
        sums = backend.zeros((4, *grid.shape[:2], grid.segments))
        self.square, self.products, self.three = sums[0], sums[1:], sums[:3]
        self.add_square, self.add_all, self.add_three = map(domain.segment_reducer,
                                                            (sums[:1], sums, self.three))
        self.iterations = 0
        long = [axis for axis, n in enumerate(domain.whole.shape) if n > 1]
        self.axis = long[0] if len(long) == 1 else None     # of a single column of voxels

    def _along(self, face, diag, f, x, floating):
        """Solve a column of voxels directly; x stays as it is if parts of it float apart.

        Every process has all of the column.
        """
        domain, column = self.domain, self.backend.zeros((4, *self.domain.whole.padded))
        for part, whole in zip((diag, f, x, face), column):
            domain.assemble(part, whole)
        inner = self.backend.to_numpy(column)[domain.whole.inner]
        d, rhs, old, face = inner.reshape(4, -1).copy()
        dead = d == 0.0
        d[dead], rhs[dead] = 1.0, old[dead]
        if floating:
            d[np.argmin(dead)] *= 2.0                       # holds that voxel at 0
        bands = np.zeros((2, d.size))
        bands[1], bands[0, 1:] = d, -face[:-1]
        try:
            new = solveh_banded(bands, rhs)
        except LinAlgError:
            return
        left = rhs - d * new
        left[1:] -= bands[0, 1:] * new[:-1]
        left[:-1] -= bands[0, 1:] * new[1:]
        if np.linalg.norm(left) <= 1e-6 * np.linalg.norm(rhs):
            column[0][domain.whole.inner] = self.backend.from_numpy(
                new.reshape(domain.whole.shape))
            domain.extract(column[0], x)

    def solve(self, ax, ay, az, b, f, x, what="potential", same=False, trend=None):
        """Improve x [padded, in place] until |f - A x| <= tolerance |f|.

        f is taken over the voxels that conduct; without any b the problem fixes x only up
        to a constant: the mean of f is removed and x gets mean zero. Returns |r| / |f|. Faces on
        the lower side of the box must be there; the first ghosts of x are afterwards.
        A source of zero is measured against A x at the start instead. If x had to be improved, what
        flows in flows out again: the sum of f - A x is zero to rounding.

        same: the operator is that of the last call, its multigrid is used again. trend: padded,
        in place: how x changed in the last call with it; the start is moved along it, as far as
        lowers the error most.
        """
        g, grids = self.grid, self.multigrid
        if not same:
            grids.take(ax, ay, az, b)
        floating = not grids.links and grids.live > 0
        shift = self._mean(f) if floating else 0.0
        if self.axis is not None:
            source = np.where(grids.top.inverse > 0, f - shift, 0.0)
            self._along((az, ay, ax)[self.axis], diagonal(g, ax, ay, az, b), source, x, floating)
        size, norm = self._residual(ax, ay, az, b, f, shift, x)
        if not np.isfinite(size):
            raise ConvergenceError(f"{what}: a source, a conductance or the start is not a number")
        moves = size > self.tolerance * norm
        if trend is not None and moves:
            size = self._extrapolate(ax, ay, az, b, x, trend)
        self.iterations = 0
        while size > self.tolerance * norm:
            size = self._iterate(ax, ay, az, b, x, size, norm, what)
            if grids.links:
                size = self._balance(b, x)
        if floating:
            np.subtract(x, self._mean(x), out=x, where=grids.top.inverse > 0)
        self.domain.ghost_updater(x)()
        if trend is not None and moves:
            trend += x
        elif trend is not None:
            trend[...] = 0.0            # not the rounding of x: nothing to go along
        return size / norm if norm > 0 else 0.0

    def _mean(self, a):
        """Mean over the voxels that conduct."""
        return self.domain.sum(np.where(self.multigrid.top.inverse > 0, a, 0.0)
                               ) / self.multigrid.live

    def _residual(self, ax, ay, az, b, f, shift, x):
        """(|r|, |f|), r = f - A x; |A x| for |f| if f is zero."""
        self.domain.ghost_updater(x)()
        self.do["apply_operator"](self.grid, ax, ay, az, b, x, self.image)
        self.do["residual"](self.grid, f, self.image, self.multigrid.top.inverse, shift, self.r,
                            self.three)
        left, source, answer = np.sqrt(self.add_three())
        return left, source or answer

    def _extrapolate(self, ax, ay, az, b, x, trend):
        """Move x along its last change to where the error is least; the new |r|.

        The error's energy norm falls by the most for way = (trend, r) / (trend, A trend). What
        remains in trend turns into the next one when the new x is added.
        """
        self.domain.ghost_updater(trend)()
        self.do["apply_operator"](self.grid, ax, ay, az, b, trend, self.image)
        along, curvature = (self.domain.dot(trend, a) for a in (self.r, self.image))
        way = along / curvature if curvature > 0 else 0.0
        self.do["follow"](self.grid, self.image, way, trend, x, self.r)
        return np.sqrt(self.domain.dot(self.r, self.r))

    def _balance(self, b, x):
        """Add the constant to x that makes the sum of r zero, A 1 being b; the new |r|.

        What multigrid leaves is smooth, and a little of it everywhere would add up.
        """
        self.do["lift"](self.grid, b, self.multigrid.top.inverse,
                        self.domain.sum(self.r) / self.multigrid.links, x, self.r, self.square)
        return np.sqrt(*self.add_square())

    def _iterate(self, ax, ay, az, b, x, size, norm, what):
        """Conjugate gradients from x and self.r on; the last |r|.

        The preconditioner sees r / |r| of one iteration before, p is the direction by the same
        scale: float32 has 38 decades and no more.
        """
        g, grids, do = self.grid, self.multigrid, self.do
        p, r, image = self.p, self.r, self.image
        grids.build()
        scale, old_scale, old = 1.0 / size, 1.0, np.inf
        p[...], summed = 0.0, False                         # summed: `square` is of this r
        do["reduce_residual"](g, r, scale, grids.top.b)
        while size > self.tolerance * norm:
            now = grids.cycle() / scale / scale                      # r . M r
            if grids.twice and (self.iterations == PATIENCE or not now > 0):
                grids.visit_once()
                old = np.inf
                continue
            do["redirect"](g, grids.top.x, now / old * (scale / old_scale), p)
            self.fill_direction()
            do["apply_to_direction"](g, ax, ay, az, b, p, r, image, self.products)
            squares, curvature, along, square = self.add_all()
            curvature = curvature / scale / scale
            if self.iterations >= self.max_iterations or not (now > 0 and curvature > 0):
                d = diagonal(g, ax, ay, az, b)
                raise ConvergenceError(
                    f"{what}: conjugate gradients stopped after {self.iterations} iterations at a "
                    f"residual of {size / norm:.1e} of the source "
                    f"(required {self.tolerance:.0e}); conductance contrast "
                    f"{float(d.max() / d[d > 0].min()):.1e}")
            old, old_scale, scale = now, scale, 1.0 / size
            way = now / curvature / old_scale
            do["advance"](g, p, image, way, scale, x, r, grids.top.b, self.square)
            before = squares if summed else size * size
            left = before - 2 * way * along + way * way * square
            if not left > max(CLEAR * before, (self.tolerance * norm) ** 2):
                left, = self.add_square()
            size, summed = np.sqrt(left), True
            self.iterations += 1
        return size
