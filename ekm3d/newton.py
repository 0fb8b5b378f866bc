"""Newton's method for the equilibrium of many voxels in compiled code, one voxel per thread.

The equations, their derivatives and which phases are present are those of `equilibrium` and
`chemistry`; here their constants become lists without zeros, and the elimination a list of
instructions. Left to NumPy: systems with Vanselow exchangers, without H+, or whose phases cannot
all be present; voxels that lack a component; and those that do not converge.
"""

import numpy as np

from ekm3d.grid import Grid

STEPS, LONGEST = 25, 3.0      # as in `chemistry`


def entries(table):
    """CSR of a table (rows, columns): start (rows + 1), column and value of what is not 0."""
    rows, columns = np.nonzero(table)
    start = np.searchsorted(rows, np.arange(len(table) + 1))
    return start, columns, table[rows, columns]


def indices(lists):
    """CSR of lists of slices: start, and their members."""
    members = [[i for part in parts for i in range(part.start, part.stop)] for parts in lists]
    return np.cumsum([0, *map(len, members)]), [i for part in members for i in part]


def compiled(equations, backend):
    """A Newton of the system on this backend, or None where it has none or the code no room."""
    q = equations
    covered = (q.H is not None and not q.exchangers.mixed and q.phases.independent
               and not q.arrangements[0].left_out.size)
    newton = Newton(equations, backend) if covered and backend else None
    return newton if newton and newton.bound else None


class Newton:
    """Newton's method for one system, called with all of its voxels."""

    def __init__(self, equations, backend):
        q, self.backend = equations, backend
        self.equations = equations
        first, phases = q.arrangements[0], q.phases
        size = q.B + phases.count
        direct = entries(first.direct)
        below = indices(first.elimination.below)
        right = indices([[slice(r.start, min(r.stop, size)) for r in runs]
                         for runs in first.elimination.right])
        action, sums = entries(q.action), entries(q.sums)
        pad = max(1, phases.count)

        def whole(values, count=None):
            out = np.zeros(max(1, count or len(values)), np.int32)
            out[:len(values)] = values
            return out

        def phased(values, width=()):
            out = np.zeros((pad, *width))
            out[:phases.count] = values
            return out

        rows, columns = first.direct_at
        terms = q.S + q.E
        on = np.zeros((terms, q.N))
        on[q.S:] = q.exchangers.scaled_by_charge
        hydrated = np.zeros(terms)
        hydrated[:q.S] = q.chem.water
        sizes = np.append(q.activity.sizes[:, 0], 0.0)
        self.tables = (
            whole(action[0]), whole(action[1]), action[2], whole(sums[0]), whole(sums[1]), sums[2],
            whole(direct[0]), whole(direct[1]), whole(rows), whole(columns), direct[2],
            np.ascontiguousarray(q.activity.action), sizes, hydrated, on,
            phased(phases.nu, (q.K,)), phased(phases.water), phased(phases.constant),
            whole(q.additive), whole(phases.gas, pad), whole(first.phases, pad),
            whole(first.masters, pad), whole(first.place), whole(below[0]), whole(below[1]),
            whole(right[0]), whole(right[1]))
        self.bound = backend.kernel(
            "newton.cu", "newton", NK=q.K, NX=q.N, NP=phases.count, NG=len(sizes), NT=terms,
            NS=q.S, NU=size, NT1=terms + 1, NU1=size + 1, NP1=pad, NACTION=len(action[2]),
            NSUM=len(sums[2]), NDIRECT=len(direct[2]), ND=len(rows), ND1=len(rows) + 1,
            NBELOW=max(1, len(below[1])), NRIGHT=max(1, len(right[1])), LANES=16)

    def __call__(self, voxels, y, tolerance):
        """(y, terms, site, steps, done) from the states y (B + P, n)."""
        q, n, there = self.equations, voxels.water.size, self.backend
        given = [there.from_numpy(np.ascontiguousarray(v, float)) for v in (
            voxels.total, voxels.water, voxels.cec, voxels.slope, voxels.reference_pH,
            voxels.least, voxels.most, y)]
        made = [there.zeros(shape, dtype) for shape, dtype in (
            (y.shape, float), ((q.S + q.E, n), float), ((q.N, n), float), ((n,), np.int32),
            ((n,), np.uint8))]
        self.bound(Grid((n, 1, 1), (1.0, 1.0, 1.0)), *given, *self.tables, n, q.H, STEPS,
                   tolerance, LONGEST, *made)
        *found, done = map(there.to_numpy, made)
        return *found, done.astype(bool)
