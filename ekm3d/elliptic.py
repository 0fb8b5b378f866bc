"""One solver for two equations, electric potential and hydraulic head.

    -div(a grad x) + b x = f          a: face conductances, b: links to fixed values

Finite volumes, 7-point, symmetric positive (semi)definite; conjugate gradients with
Jacobi preconditioning in float64, started on a column of voxels from the direct solution of the
tridiagonal system. Voxels without any conductance keep their value.
"""

import numpy as np
from scipy.linalg import LinAlgError, solveh_banded

from ekm3d.backend import operator


class NoConvergence(RuntimeError):
    """The iteration ended above its tolerance."""


@operator("elliptic.cu")
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


class Elliptic:
    """Conjugate gradients on one grid; scratch arrays are kept between solves."""

    def __init__(self, grid, backend, domain, tolerance=1e-11, max_iterations=20000):
        self.grid, self.domain = grid, domain
        self.tolerance, self.max_iterations = tolerance, max_iterations
        self.apply = backend.bind(apply_operator)
        self.direction, self.image, self.scratch = (backend.zeros(grid.padded) for _ in range(3))
        self.iterations = 0
        long = [axis for axis in range(3) if grid.shape[axis] > 1]
        self.axis = long[0] if len(long) == 1 else None     # of a single column of voxels

    def _along(self, face, diag, f, x, floating):
        """Solve a column of voxels directly; x stays as it is if parts of it float apart."""
        d, rhs, old = (a[self.grid.inner].ravel().copy() for a in (diag, f, x))
        dead = d == 0.0
        d[dead], rhs[dead] = 1.0, old[dead]
        if floating:
            d[np.argmin(dead)] *= 2.0                       # holds that voxel at 0
        bands = np.zeros((2, d.size))
        bands[1], bands[0, 1:] = d, -face[self.grid.inner].ravel()[:-1]
        try:
            new = solveh_banded(bands, rhs)
        except LinAlgError:
            return
        left = rhs - d * new
        left[1:] -= bands[0, 1:] * new[:-1]
        left[:-1] -= bands[0, 1:] * new[1:]
        if np.linalg.norm(left) <= 1e-6 * np.linalg.norm(rhs):
            x[self.grid.inner] = new.reshape(self.grid.shape)

    def solve(self, ax, ay, az, b, f, x, what="potential"):
        """Improve x [padded, in place] until |f - A x| <= tolerance |f|.

        f is taken over the voxels that conduct; without any b the problem fixes x only up
        to a constant: the mean of f is removed and x gets mean zero. Returns |r| / |f|.
        A source of zero is measured against A x at the start instead.
        """
        g, dot = self.grid, self.domain.dot
        diag = diagonal(g, ax, ay, az, b)
        live = diag > 0
        inverse = np.zeros_like(diag)
        inverse[live] = 1.0 / diag[live]
        f = np.where(live, f, 0.0)
        floating = not np.any(b[live])
        if floating and np.any(live):
            f[live] -= f[live].mean()
        if self.axis is not None:
            self._along((az, ay, ax)[self.axis], diag, f, x, floating)
        p, image = self.direction, self.image
        self.apply(g, ax, ay, az, b, x, image)
        r = np.where(live, f - image, 0.0)
        norm = np.sqrt(dot(f, f)) or np.sqrt(dot(image, image))
        target = self.tolerance * norm
        size = np.sqrt(dot(r, r))
        if not np.isfinite(size):
            raise NoConvergence(f"{what}: a source, a conductance or the start is not a number")
        z = inverse * r
        rz = dot(r, z)
        np.copyto(p, z)
        self.iterations = 0
        while size > target and rz > 0.0:
            if self.iterations >= self.max_iterations:
                raise NoConvergence(
                    f"{what}: conjugate gradients stopped after {self.iterations} iterations at a "
                    f"residual of {size / norm:.1e} of the source "
                    f"(required {self.tolerance:.0e}); conductance contrast "
                    f"{diag[live].max() / diag[live].min():.1e}")
            self.apply(g, ax, ay, az, b, p, image)
            alpha = rz / dot(p, image)
            np.multiply(p, alpha, out=self.scratch)
            x += self.scratch
            np.multiply(image, alpha, out=self.scratch)
            r -= self.scratch
            np.multiply(inverse, r, out=z)
            rz, previous = dot(r, z), rz
            p *= rz / previous
            p += z
            size = np.sqrt(dot(r, r))
            self.iterations += 1
        if floating and np.any(live):
            x[live] -= x[live].mean()
        return size / norm if norm > 0 else 0.0
