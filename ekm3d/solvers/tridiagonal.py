"""Direct solution of -div(a grad x) + b x = f on a single column of voxels."""

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain

LARGEST_RESIDUAL = 1e-6         # |r| / |f| above which a solution is refused


def solve_column(domain: Domain, backend: Backend, face: Array, diagonal: Array, f: Array,
                 x: Array, singular: bool) -> None:
    """Solve a column of voxels along any axis into x, on every rank the whole of it.

    face: conductances along the column; diagonal: of the operator, 0 in inactive voxels, which
    keep their x; f: source, without mean if the problem is singular; all padded. singular: no
    coupling anywhere, the first active voxel is held at 0. x stays as it is where the matrix
    has no Cholesky factor, as of a column whose parts are not connected, or the residual is large.
    """
    from scipy.linalg import solveh_banded  # imported here: it costs 0.3 s

    column = backend.zeros((4, *domain.whole.padded))
    for part, whole in zip((diagonal, f, x, face), column, strict=True):
        domain.assemble(part, whole)
    inner = backend.to_numpy(column)[domain.whole.inner]
    d, rhs, old, a = inner.reshape(4, -1).copy()
    inactive = d == 0.0
    d[inactive], rhs[inactive] = 1.0, old[inactive]
    if singular:
        d[np.argmin(inactive)] *= 2.0                       # holds that voxel at 0
    bands = np.zeros((2, d.size))
    bands[1], bands[0, 1:] = d, -a[:-1]
    try:
        new = solveh_banded(bands, rhs)
    except np.linalg.LinAlgError:
        return
    r = rhs - d * new
    r[1:] -= bands[0, 1:] * new[:-1]
    r[:-1] -= bands[0, 1:] * new[1:]
    if np.linalg.norm(r) <= LARGEST_RESIDUAL * np.linalg.norm(rhs):
        column[0][domain.whole.inner] = backend.from_numpy(new.reshape(domain.whole.shape))
        domain.extract(column[0], x)
