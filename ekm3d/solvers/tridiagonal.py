"""Direct solution of -div(a grad x) + b x = f on a single column of voxels."""

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain

LARGEST_RESIDUAL = 1e-6         # |r| / |f| above which a solution is refused
SHORT = 200                     # voxels, up to which SciPy is no quicker, and 0.3 s to import


def solve_column(domain: Domain, backend: Backend, face: Array, diagonal: Array, f: Array,
                 x: Array, singular: bool) -> None:
    """Solve a column of voxels along any axis into x, on every rank the whole of it.

    face: conductances along the column; diagonal: of the operator, 0 in inactive voxels, which
    keep their x; f: source, without mean if the problem is singular; all padded. singular: no
    coupling anywhere, the first active voxel is held at 0. x stays as it is where the matrix
    has no Cholesky factor, as of a column whose parts are not connected, or the residual is large.
    """
    column = backend.zeros((4, *domain.whole.padded))
    for part, whole in zip((diagonal, f, x, face), column, strict=True):
        domain.assemble(part, whole)
    inner = backend.to_numpy(column)[domain.whole.inner]
    d, rhs, old, a = inner.reshape(4, -1).copy()
    inactive = d == 0.0
    d[inactive], rhs[inactive] = 1.0, old[inactive]
    if singular:
        d[np.argmin(inactive)] *= 2.0                       # holds that voxel at 0
    beside = -a[:-1]
    try:
        new = solve(d, beside, rhs) if d.size <= SHORT else _with_scipy(d, beside, rhs)
    except np.linalg.LinAlgError:
        return
    r = rhs - d * new
    r[1:] -= beside * new[:-1]
    r[:-1] -= beside * new[1:]
    if np.linalg.norm(r) <= LARGEST_RESIDUAL * np.linalg.norm(rhs):
        column[0][domain.whole.inner] = backend.from_numpy(new.reshape(domain.whole.shape))
        domain.extract(column[0], x)


def solve(diagonal: np.ndarray, beside: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Return x (n,) of a symmetric positive definite tridiagonal matrix; else LinAlgError.

    diagonal (n,), beside (n - 1,): the matrix. L D L^T as LAPACK's ptsv has it, in the same order.
    """
    d, e, x = diagonal.tolist(), beside.tolist(), f.tolist()
    for i, coupling in enumerate(e):
        if not d[i] > 0:
            raise np.linalg.LinAlgError("not positive definite")
        e[i] = coupling / d[i]
        d[i + 1] -= e[i] * coupling
        x[i + 1] -= x[i] * e[i]
    if not d[-1] > 0:
        raise np.linalg.LinAlgError("not positive definite")
    x[-1] /= d[-1]
    for i in range(len(e) - 1, -1, -1):
        x[i] = x[i] / d[i] - x[i + 1] * e[i]
    return np.array(x)


def _with_scipy(diagonal, beside, f):
    """The same by LAPACK."""
    from scipy.linalg import solveh_banded  # imported here: it costs 0.3 s

    return solveh_banded(np.stack([np.append(0.0, beside), diagonal]), f)
