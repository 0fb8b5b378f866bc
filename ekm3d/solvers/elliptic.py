"""Conjugate gradients for electric potential and hydraulic head.

    -div(a grad x) + b x = f      a: face conductances, b: coupling to fixed values, A x = f

Finite volumes, 7-point, symmetric positive (semi)definite. Preconditioned conjugate gradients in
float64 with the float32 preconditioner of `multigrid_cycle`; on a single column of voxels they
start from the direct solution of `tridiagonal`. Voxels without any conductance are inactive and
keep their value. Sums are reproducible (`reproducible_sum`): the solution does not depend on the
number of threads or ranks.

An iteration reduces twice over all ranks: r.Mr, and p.Ap with the sums that give the next |r|,

    |r - alpha A p|^2 = r.r - 2 alpha r.Ap + alpha^2 Ap.Ap

which loses as many digits as the square falls by; below MIN_DECREASE r.r it is summed anew.

Voxels far from one another may be linked besides (`linked_voxels`), as by a metal that resists.
"""

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.backends.scratch import SOLVER, Scratch
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import Array, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.parallel.reproducible_sum import segments
from ekm3d.solvers.linked_voxels import LinkedVoxels
from ekm3d.solvers.multigrid_cycle import Multigrid
from ekm3d.solvers.tridiagonal import solve_column

MIN_DECREASE = 1e-8     # of r.r: below, the next r.r is not taken from a difference of sums
MAX_W_CYCLES = 100      # then fall back to the V-cycle, which is always positive


@operator
def apply_operator(g, face, b, x, y):
    """y = A x = b x - div(a grad x): sum over six faces of a_f (x - neighbour) + b x  [A or m3/s].

    face: conductances (3, padded); face[2, k, j, i] is that of the face between i and i + 1.
    b, x, y: padded voxel arrays with finite ghosts; only inner voxels of y are written.
    """
    flat = x.ravel()
    out = (b * x).ravel()
    for axis, stride in ((2, 1), (1, x.shape[2]), (0, x.shape[1] * x.shape[2])):
        flow = face[axis].ravel()[:-stride] * (flat[:-stride] - flat[stride:])
        out[:-stride] += flow
        out[stride:] -= flow
    y[g.inner] = out.reshape(x.shape)[g.inner]


def diagonal(g: Grid, face: Array, b: Array) -> Array:
    """Return the diagonal of A, zero in the ghosts; padded. face: (3, padded)."""
    d = b.ravel().copy()
    for axis, stride in ((2, 1), (1, b.shape[2]), (0, b.shape[1] * b.shape[2])):
        a = face[axis].ravel()
        d += a
        d[stride:] += a[:-stride]
    out = np.zeros_like(b)
    out[g.inner] = d.reshape(b.shape)[g.inner]
    return out


@operator
def apply_to_direction(g, face, b, p, r, Ap, sums):
    """Ap = A p, p in float32.

    sums (3, nz, ny, segments): p Ap, r Ap and Ap^2 added up over every segment.
    """
    apply_operator(g, face, b, p.astype(float), Ap)
    for n, a in enumerate((p, r, Ap)):
        sums[n] = segments(g, a[g.inner] * Ap[g.inner])


@operator
def residual(g, f, Ax, inverse_diagonal, source_mean, r, sums):
    """r = f - source_mean - Ax in active voxels (inverse_diagonal > 0), else 0.

    sums (3, nz, ny, segments): r^2, (f - source_mean)^2 in active voxels, and Ax^2, by segment.
    """
    source = np.where(inverse_diagonal[g.inner] > 0, f[g.inner] - source_mean, 0.0)
    r[g.inner] = source - Ax[g.inner]
    for n, a in enumerate((r[g.inner], source, Ax[g.inner])):
        sums[n] = segments(g, a * a)


@operator
def scale_residual(g, r, scale, scaled_r):
    """scaled_r = scale r in float32, the right-hand side of the preconditioner."""
    scaled_r[g.inner] = scale * r[g.inner]


@operator
def update_direction(g, z, beta, p):
    """p = z + beta p; z: preconditioned residual."""
    p[g.inner] = z[g.inner] + np.float32(beta) * p[g.inner]


@operator
def update_solution(g, p, Ap, alpha, scale, x, r, scaled_r, sums):
    """x += alpha p, r -= alpha Ap, scaled_r = scale r; sums (nz, ny, segments): r^2 by segment."""
    x[g.inner] += alpha * p[g.inner].astype(float)
    r[g.inner] -= alpha * Ap[g.inner]
    scaled_r[g.inner] = scale * r[g.inner]
    sums[...] = segments(g, r[g.inner] ** 2)


@operator
def remove_mean_residual(g, b, inverse_diagonal, constant, x, r, sums):
    """x += constant in active voxels, r -= constant b; sums (nz, ny, segments): r^2 by segment."""
    x[g.inner] += np.where(inverse_diagonal[g.inner] > 0, constant, 0.0)
    r[g.inner] -= constant * b[g.inner]
    sums[...] = segments(g, r[g.inner] ** 2)


@operator
def extrapolate(g, A_trend, alpha, trend, x, r):
    """x += alpha trend, r -= alpha A_trend, trend = alpha trend - x; A_trend: A trend."""
    step = alpha * trend[g.inner]
    x[g.inner] += step
    r[g.inner] -= alpha * A_trend[g.inner]
    trend[g.inner] = step - x[g.inner]


class EllipticSolver:
    """Preconditioned conjugate gradients on one grid; all arrays are allocated once.

    One solver serves several problems, one after the other. tolerance: of the residual, relative
    to the source. iterations: of the last solve; operator_of: the quantity whose operator was set
    last; scratch: arrays that it shares with other phases of a step.
    """

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, tolerance: float = 1e-11,
                 max_iterations: int = 20000, scratch: Scratch | None = None) -> None:
        self.grid, self.backend, self.domain = grid, backend, domain
        self.tolerance, self.max_iterations = tolerance, max_iterations
        self.multigrid = Multigrid(grid, backend, domain)
        operators = (apply_operator, apply_to_direction, residual, scale_residual,
                     update_direction, update_solution, remove_mean_residual, extrapolate)
        self.do = {op.__name__: backend.bind(op) for op in operators}
        self.scratch = scratch or Scratch(grid, backend)
        self.Ap, self.r = self.scratch[SOLVER]
        self.p = backend.zeros(grid.padded, np.float32)
        self.fill_direction = domain.ghost_updater(self.p)
        sums = backend.zeros((4, *grid.shape[:2], grid.segments))
        self.rr_sums, self.product_sums, self.residual_sums = sums[0], sums[1:], sums[:3]
        self.add_rr, self.add_all, self.add_residual = map(
            domain.segment_reducer, (sums[:1], sums, self.residual_sums))
        self.iterations, self.operator_of = 0, ""
        self.link: LinkedVoxels | None = None       # of the present solve
        long = [axis for axis, n in enumerate(domain.whole.shape) if n > 1]
        self.axis = long[0] if len(long) == 1 else None     # of a single column of voxels

    def solve(self, face: Array, b: Array, f: Array, x: Array, quantity: str = "potential",
              reuse: bool = False, trend: Array | None = None,
              link: LinkedVoxels | None = None) -> float:
        """Improve x [padded, in place] until |f - A x| <= tolerance |f|; return |r| / |f|.

        face: conductances (3, padded); b, f: couplings and sources, padded.

        f is taken over the active voxels; without any b the problem is singular, it fixes x only
        up to a constant: the mean of f is removed and x gets mean zero. Faces on the lower side of
        the box must be set; the first ghost layer of x is up to date afterwards. A zero source is
        measured against A x at the start instead. If x had to be improved, the balance closes: the
        sum of f - A x is zero to rounding.

        quantity: the solved field, for error messages. reuse: the operator is that of the last
        call, whose multigrid hierarchy is reused. trend: padded, in place: change of x in the last
        call with it; the start is extrapolated along it, as far as lowers the error most. link:
        part of A between voxels that need not be neighbours, with which A stays positive.

        Raises ConvergenceError if an input is not finite or max_iterations are not enough.
        """
        A, multigrid, self.link = (face, b), self.multigrid, link
        if not reuse:
            multigrid.set_operator(*A, quantity)
            self.operator_of = quantity
        singular = not multigrid.coupling_sum and multigrid.active_count > 0
        source_mean = self._mean(f) if singular else 0.0
        if self.axis is not None:
            source = np.where(multigrid.finest.inverse_diagonal > 0, f - source_mean, 0.0)
            solve_column(self.domain, self.backend, face[self.axis], diagonal(self.grid, *A),
                         source, x, singular)
        residual_norm, source_norm = self._residual(A, f, source_mean, x)
        if not np.isfinite(residual_norm):
            raise ConvergenceError(
                f"{quantity}: a source, a conductance or the start is not a number")
        improved = residual_norm > self.tolerance * source_norm
        if trend is not None and improved:
            residual_norm = self._extrapolate(A, x, trend)
        self.iterations = 0
        while residual_norm > self.tolerance * source_norm:
            residual_norm = self._iterate(A, x, residual_norm, source_norm, quantity)
            if multigrid.coupling_sum:
                residual_norm = self._remove_mean_residual(b, x)
        if singular:
            x -= np.where(multigrid.finest.inverse_diagonal > 0, self._mean(x), 0.0)
        self.domain.ghost_updater(x)()
        if trend is not None and improved:
            trend += x
        elif trend is not None:
            trend[...] = 0.0            # rounding of x is no trend
        return residual_norm / source_norm if source_norm > 0 else 0.0

    def _mean(self, a):
        """Return the mean over the active voxels."""
        active = self.multigrid.finest.inverse_diagonal > 0
        return self.domain.sum(np.where(active, a, 0.0)) / self.multigrid.active_count

    def _apply(self, A, x):
        """Set self.Ap = A x."""
        self.do["apply_operator"](self.grid, *A, x, self.Ap)
        if self.link is not None:
            self.link.add_product(x, self.Ap)

    def _residual(self, A, f, source_mean, x):
        """Set r = f - A x; return (|r|, |f|), with |A x| for |f| if f is zero."""
        self.domain.ghost_updater(x)()
        self._apply(A, x)
        self.do["residual"](self.grid, f, self.Ap, self.multigrid.finest.inverse_diagonal,
                            source_mean, self.r, self.residual_sums)
        residual_norm, source_norm, product_norm = np.sqrt(self.add_residual())
        return residual_norm, source_norm or product_norm

    def _extrapolate(self, A, x, trend):
        """Move x along its last change to the minimum of the error; return the new |r|.

        The energy norm of the error falls by the most for alpha = (trend, r) / (trend, A trend).
        What remains in trend turns into the next one when the new x is added.
        """
        self.domain.ghost_updater(trend)()
        self._apply(A, trend)
        slope, curvature = (self.domain.dot(trend, a) for a in (self.r, self.Ap))
        alpha = slope / curvature if curvature > 0 else 0.0
        self.do["extrapolate"](self.grid, self.Ap, alpha, trend, x, self.r)
        return np.sqrt(self.domain.dot(self.r, self.r))

    def _remove_mean_residual(self, b, x):
        """Add the constant to x that makes the sum of r zero, A 1 being b; return the new |r|.

        The residual that multigrid leaves is smooth: small everywhere, it would add up.
        """
        link, coupling = self.link, self.multigrid.coupling_sum
        constant = self.domain.sum(self.r) / (coupling + (link.sum if link is not None else 0.0))
        self.do["remove_mean_residual"](self.grid, b, self.multigrid.finest.inverse_diagonal,
                                        constant, x, self.r, self.rr_sums)
        if link is not None:
            link.add_constant(-constant, self.r)
            return np.sqrt(self.domain.dot(self.r, self.r))
        return np.sqrt(*self.add_rr())

    def _iterate(self, A, x, residual_norm, source_norm, quantity):
        """Conjugate gradients from x and self.r on; return the last |r|.

        The preconditioner is given r / |r| of one iteration before, p is the direction by the same
        scale: float32 has 38 decades and no more.
        """
        g, multigrid, finest, do = self.grid, self.multigrid, self.multigrid.finest, self.do
        p, r, Ap = self.p, self.r, self.Ap
        multigrid.build_hierarchy()
        scale, old_scale, old_rz = 1.0 / residual_norm, 1.0, np.inf
        p[...], summed = 0.0, False                         # summed: `rr_sums` are of this r
        do["scale_residual"](g, r, scale, finest.b)
        while residual_norm > self.tolerance * source_norm:
            rz = multigrid.apply() / scale / scale
            if multigrid.w_cycle and (self.iterations == MAX_W_CYCLES or not rz > 0):
                multigrid.use_v_cycle()
                old_rz = np.inf
                continue
            beta = rz / old_rz * (scale / old_scale)
            do["update_direction"](g, finest.x, beta, p)
            self.fill_direction()
            do["apply_to_direction"](g, *A, p, r, Ap, self.product_sums)
            rr_sum, pAp, rAp, ApAp = self.add_all()
            if self.link is not None:
                more = self.link.add_to_sums(p, r, Ap)
                pAp, rAp, ApAp = (a + b for a, b in zip((pAp, rAp, ApAp), more, strict=True))
            pAp = pAp / scale / scale
            if self.iterations >= self.max_iterations or not (rz > 0 and pAp > 0):
                raise self._not_converged(A, residual_norm / source_norm, quantity)
            old_rz, old_scale, scale = rz, scale, 1.0 / residual_norm
            alpha = rz / pAp / old_scale
            do["update_solution"](g, p, Ap, alpha, scale, x, r, finest.b, self.rr_sums)
            rr = rr_sum if summed else residual_norm * residual_norm
            new_rr = rr - 2 * alpha * rAp + alpha * alpha * ApAp
            if not new_rr > max(MIN_DECREASE * rr, (self.tolerance * source_norm) ** 2):
                new_rr, = self.add_rr()
            residual_norm, summed = np.sqrt(new_rr), True
            self.iterations += 1
        return residual_norm

    def _not_converged(self, A, relative_residual, quantity):
        """Return the ConvergenceError with the residual reached and the conductance contrast."""
        d = diagonal(self.grid, *A)
        return ConvergenceError(
            f"{quantity}: conjugate gradients stopped after {self.iterations} iterations at a "
            f"residual of {relative_residual:.1e} of the source "
            f"(required {self.tolerance:.0e}); conductance contrast "
            f"{float(d.max() / d[d > 0].min()):.1e}", worst=abs(self.r))
