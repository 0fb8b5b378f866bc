"""Newton's method for the equilibrium of many voxels in compiled code, one voxel per thread.

The equations, their derivatives and which phases are present are those of `equilibrium` and
`chemistry`; here their constants become lists without zeros, and the elimination a list of
instructions. Left to NumPy: systems with Vanselow exchangers, without H+, whose phases cannot
all be present, or where less of a component that may be lacking makes more of something; and the
voxels that do not converge.
"""

import numpy as np

from ekm3d.chemistry.chemical_state import FURTHEST
from ekm3d.grid.grid import Grid

STEPS, LONGEST = 25, 3.0                    # as in `chemistry`
LEAST_POWER = 0.1                           # of the activity of a component that may be lacking
LANES = 16                                  # voxels that a host's thread works on at once
MANY = 400                                  # voxels from which on threads pay
AT_ONCE = 32                                # tiles of a thread: far from what others write to


def entries(table):
    """CSR of a table (rows, columns): start (rows + 1), column and value of what is not 0."""
    rows, columns = np.nonzero(table)
    start = np.searchsorted(rows, np.arange(len(table) + 1))
    return start, columns, table[rows, columns]


def listed(lists):
    """CSR of lists: start, and their members."""
    return np.cumsum([0, *map(len, lists)]), [member for each in lists for member in each]


def compiled(equations, backend):
    """A Newton of the system on this backend, or None where it has none or the code no room."""
    q = equations
    taken = np.vstack([q.nu, q.phases.nu])[:, q.may_lack]      # exp(LEAST_POWER MISSING) is 0
    covered = (q.H is not None and not q.exchangers.mixed and q.phases.independent
               and not q.arrangements[0].left_out.size
               and np.all((taken == 0) | (taken > LEAST_POWER)))
    newton = Newton(equations, backend) if covered and backend else None
    return newton if newton and newton.bound else None


class Newton:
    """Newton's method for one system."""

    def __init__(self, equations, backend):
        q, self.backend = equations, backend
        self.hydrogen = q.H
        first, phases = q.arrangements[0], q.phases
        size, terms, pad = q.B + phases.count, q.S + q.E, max(1, phases.count)
        action, sums = entries(q.action), entries(q.sums)
        rows, columns, direct = self._derivatives(q, first.place)
        matrix = Matrix(first, q)
        direct = entries(direct)

        def whole(values, count=None):
            out = np.zeros(max(1, count or len(values)), np.int32)
            out[:len(values)] = values
            return out

        def phased(values, width=()):
            out = np.zeros((pad, *width))
            out[:phases.count] = values
            return out

        on = np.zeros((terms, q.N))
        on[q.S:] = q.exchangers.scaled_by_charge
        sizes = np.append(q.activity.sizes[:, 0], 0.0)
        move_start, move_from = listed(matrix.move_from)
        _, move_to = listed(matrix.move_to)
        below_start, below = listed(matrix.below)
        self.tables = (
            whole(action[0]), whole(action[1]), action[2], whole(sums[0]), whole(sums[1]), sums[2],
            whole(direct[0]), whole(direct[1]), whole(matrix.number[rows, columns]), direct[2],
            np.ascontiguousarray(q.activity.action), sizes, on, phased(phases.nu, (q.K,)),
            phased(phases.water), phased(phases.constant), whole(q.additive), whole(q.may_lack),
            whole(phases.gas, pad), whole(first.phases, pad), whole(first.masters, pad),
            whole(first.place), matrix.number, whole(np.diag(matrix.number)),
            whole(matrix.start), whole(matrix.column), whole(move_start, pad + 1),
            whole(move_from), whole(move_to), whole(below_start), whole(below),
            whole(matrix.target), np.append(np.ones(q.S), q.exchangers.per))
        self.bound = backend.kernel(
            "chemistry/newton.cu", "newton", NK=q.K, NX=q.N, NP=phases.count, NG=len(sizes), NT=terms,
            NS=q.S, NE=q.E, NM=q.M, NGAS=phases.G, NB=q.B, NW=q.B + q.M, NU=size, NT1=terms + 1,
            NU1=size + 1, NP1=pad, NP2=pad + 1, NACTION=len(action[2]), NSUM=len(sums[2]),
            NDIRECT=len(direct[2]), ND=len(rows), ND1=len(rows) + 1, NFILL=len(matrix.column),
            NMOVE=max(1, len(move_from)), NBELOW=max(1, len(below)),
            NTARGET=max(1, len(matrix.target)), LANES=LANES, MANY=MANY, AT_ONCE=AT_ONCE)

    @staticmethod
    def _derivatives(q, place):
        """(rows, columns, weights): entries of the matrix as sums of weights times sources.

        Sources are the terms and after them what these grow by: species with ln I, exchange
        species by way of X with ln a_H.
        """
        terms, out = q.S + q.E, np.zeros((q.B, q.B, 2 * (q.S + q.E)))
        sums = q.sums.T
        out[:, :q.I, :terms] = q.products.transpose(1, 2, 0)
        out[:, q.W, :terms] = q.watered
        ions = np.any(q.activity.action != 0, axis=1)
        out[:, q.I, terms:terms + q.S] = sums[:, :q.S] * ions
        out[:, q.H, terms + q.S:] += sums[:, q.S:] * q.exchangers.scaled_by_charge.any(axis=1)
        rows, columns = np.nonzero(out.any(axis=2))
        return place[rows], place[columns], out[rows, columns]

    def __call__(self, cells, where, tolerance, elapsed):
        """Solve the voxels `where` of Cells in place: (steps (n,), done (n,)) on the backend."""
        n, m, there = where.size, cells.theta.size, self.backend
        steps, done = there.zeros(n, np.int32), there.zeros(n, np.uint8)
        self.bound(Grid((n, 1, 1), (1.0, 1.0, 1.0)), where, cells.total, cells.theta, cells.cec,
                   cells.slope, cells.reference_pH, *self.tables, n, m, self.hydrogen, STEPS,
                   tolerance, LONGEST, *cells.limits, elapsed, FURTHEST, cells.warm_start, cells.rate,
                   cells.c, cells.exchanged, cells.solid, cells.gas, cells.pH, cells.strength,
                   steps, done)
        return steps, done


class Matrix:
    """Where the entries of the matrix lie in a list, and what elimination does with them.

    number (N, N): places of the entries in the list, row by row, 0 for what never differs from
    0; start, column: CSR of them. move_from, move_to: for every phase the entries that go from
    its master's row to its own. below: rows below each pivot; target: the entries that elimination
    changes, one after the other.
    """

    def __init__(self, arrangement, q):
        elimination, at = arrangement.elimination, arrangement.place
        fill, pattern = elimination.fill, elimination.pattern
        self.start, self.column, _ = entries(fill)
        self.number = np.zeros(fill.shape, np.int32)
        self.number[fill] = np.arange(len(self.column))
        self.move_from, self.move_to = [], []
        for p, k in zip(arrangement.phases, arrangement.masters):
            both = np.flatnonzero(pattern[at[q.B + p]] & pattern[at[k]])
            self.move_from.append(self.number[at[k], both])
            self.move_to.append(self.number[at[q.B + p], both])
        self.below, self.target = [], []
        for r in range(len(fill)):
            self.below.append(r + 1 + np.flatnonzero(fill[r + 1:, r]))
            right = r + 1 + np.flatnonzero(fill[r, r + 1:])
            self.target.extend(self.number[row, c] for row in self.below[-1] for c in right)
