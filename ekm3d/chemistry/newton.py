"""Newton's method for the equilibrium of many voxels in compiled code, one voxel per thread.

Equations, derivatives and active sets are those of `equations` and `equilibrium`; here their
constants become lists without zeros (CSR), and the LU elimination a list of instructions. Left to
NumPy: systems with Vanselow exchangers, without H+, whose phases cannot all be present, or where
less of a component that may be absent makes more of something; and voxels that do not converge.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.kernel_signature import signature
from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.chemical_state import MAX_EXTRAPOLATION, Array, ChemicalState
from ekm3d.chemistry.equations import (
    LARGEST,
    LITRES,
    MISSING,
    SATURATED,
    SMALLEST,
    TRACE,
    Equations,
    PivotOrder,
)
from ekm3d.grid.grid import Grid
from ekm3d.resources import kernel_text

SOURCE, KERNEL = "chemistry/newton.cu", "newton"
MAX_STEPS, MAX_LOG_CHANGE = 25, 3.0         # as in `equilibrium`
MIN_POWER = 0.1                             # of the activity of a component that may be absent
LANES = 16                                  # voxels that a host's thread works on at once
MANY = 400                                  # voxels from which on threads pay
AT_ONCE = 32                                # tiles of a thread: far from what others write to
KERNEL_CONSTANTS = {
    "LN10": float(LN10), "LITRES": LITRES, "MISSING": MISSING, "LARGEST": LARGEST,
    "SATURATED": SATURATED, "LEAST_PIVOT": SMALLEST, "ABSENT": TRACE}


def csr(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the CSR form of a table (rows, columns): start (rows + 1,), column and value."""
    rows, columns = np.nonzero(table)
    start = np.searchsorted(rows, np.arange(len(table) + 1))
    return start, columns, table[rows, columns]


def csr_of_lists(lists: Sequence[Sequence[int] | np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """Return the CSR form of lists: start (lists + 1,), and all their members."""
    return (np.cumsum([0, *map(len, lists)]),
            [member for members in lists for member in members])


def compiled(equations: Equations, backend: Backend | None) -> "Newton | None":
    """Return the compiled Newton of a system; None where backend or kernel do not cover it."""
    q = equations
    # exp(MIN_POWER MISSING) is 0
    taken = np.vstack([q.nu, q.phases.nu])[:, q.may_lack]
    covered = (q.H is not None and not q.exchangers.vanselow and q.phases.independent
               and not q.pivot_order.left_out.size
               and np.all((taken == 0) | (taken > MIN_POWER)))
    newton = Newton(equations, backend) if covered and backend else None
    return newton if newton and newton.bound else None


@dataclass(frozen=True)
class NewtonTables:
    """Constant tables of the kernel `newton`, each named as the parameter of its declaration.

    K components, S species, E exchange species, T = S + E terms, N exchangers, P phases (arrays at
    least 1 long), B unknowns that are logarithms, U = B + P unknowns; G ion sizes + 1.
    Pairs x_start, x_column are CSR. int32 and float64.
    """

    action_start: np.ndarray     # (T + 1,) ln of the terms = action @ factors
    action_column: np.ndarray
    action_weight: np.ndarray
    sum_start: np.ndarray        # (T + 1,) contributions of each term to the equations
    sum_row: np.ndarray
    sum_weight: np.ndarray
    direct_start: np.ndarray     # (B + 1,) matrix entries of every equation = direct @ sources
    direct_source: np.ndarray
    direct_at: np.ndarray        # number of the entry
    direct_weight: np.ndarray
    growth: np.ndarray           # (T, G) -ln gamma = growth @ functions of I
    sizes: np.ndarray            # (G,) ion sizes b of the activity model, 1 of I/(1 + I), and a 0
    on: np.ndarray               # (T, N) 1 where a term is scaled by an exchanger's charge X
    phase_nu: np.ndarray         # (P, K) components set free by dissolution
    phase_water: np.ndarray      # (P,) H2O set free
    phase_constant: np.ndarray   # (P,) ln K
    additive: np.ndarray         # (K,) 1 where all terms of the balance are positive
    may_lack: np.ndarray         # (K,) 1 where the component may be absent
    gas_phase: np.ndarray        # (P,) 1 for gases
    order: np.ndarray            # (P,) phases in the order of elimination
    masters: np.ndarray          # (P,) their master components
    position: np.ndarray            # (U,) row and column of each unknown
    entry: np.ndarray            # (U, U) number of each matrix entry; 0 where it is always zero
    diagonal: np.ndarray         # (U,) number of the diagonal entry of each row
    row_start: np.ndarray        # (U + 1,) first entry of each row
    column: np.ndarray           # column of each entry
    move_start: np.ndarray       # (P + 1,) entries that move from a master's row to its phase's
    move_from: np.ndarray
    move_to: np.ndarray
    balance: np.ndarray          # (U,) equation to assemble when a row has its turn, or -1
    phase: np.ndarray            # (U,) then the phase to insert, by its place in `order`, or -1
    target_start: np.ndarray     # (U + 1,) entries that the elimination of a row changes, in order
    target: np.ndarray
    per: np.ndarray              # (T,) amounts per mole of species

    @classmethod
    def of(cls, q: Equations) -> "NewtonTables":
        """Return the tables of a system."""
        order, phases, ex = q.pivot_order, q.phases, q.exchangers
        pad = max(1, phases.count)
        action, sums, matrix = csr(q.action), csr(q.sums), Matrix(order, q)
        equation, unknown, source, weight = derivatives(q)
        move_start, move_from = csr_of_lists(matrix.move_from)
        _, move_to = csr_of_lists(matrix.move_to)
        target_start, target = csr_of_lists(matrix.target)
        on = np.zeros((q.S + q.E, q.N))
        on[q.S:] = ex.scaled_by_charge
        return cls(
            action_start=_integers(action[0]), action_column=_integers(action[1]),
            action_weight=action[2], sum_start=_integers(sums[0]), sum_row=_integers(sums[1]),
            sum_weight=sums[2],
            direct_start=_integers(np.searchsorted(equation, np.arange(q.B + 1))),
            direct_source=_integers(source),
            direct_at=_integers(matrix.number[order.position[equation],
                                              order.position[unknown]]),
            direct_weight=weight,
            growth=np.vstack([q.activity.action, q.activity.exchange]),
            sizes=np.append(q.activity.sizes[:, 0], [1.0] * q.activity.saturates + [0.0]), on=on,
            phase_nu=_padded(phases.nu, (pad, q.K)), phase_water=_padded(phases.water, (pad,)),
            phase_constant=_padded(phases.constant, (pad,)), additive=_integers(q.additive),
            may_lack=_integers(q.may_lack), gas_phase=_integers(phases.gas, pad),
            order=_integers(order.phases, pad), masters=_integers(order.masters, pad),
            position=_integers(order.position), entry=matrix.number,
            diagonal=_integers(np.diag(matrix.number)), row_start=_integers(matrix.start),
            column=_integers(matrix.column), move_start=_integers(move_start, pad + 1),
            move_from=_integers(move_from), move_to=_integers(move_to),
            balance=matrix.balance, phase=matrix.phase,
            target_start=_integers(target_start), target=_integers(target),
            per=np.append(np.ones(q.S), ex.per))

    def counts(self) -> dict[str, int]:
        """Return the kernel's compile-time lengths of these tables."""
        return dict(NACTION=len(self.action_weight), NSUM=len(self.sum_weight),
                    NDIRECT=len(self.direct_weight), NFILL=len(self.column),
                    NMOVE=len(self.move_from), NTARGET=len(self.target))


class Newton:
    """Newton's method for one system.

    The kernel is called by name: its own declaration is the only list of arguments in order.
    """

    def __init__(self, equations: Equations, backend: Backend):
        q, P = equations, equations.phases.count
        self.backend, self.tables = backend, NewtonTables.of(q)
        self.by_name = {field.name: getattr(self.tables, field.name)
                        for field in fields(self.tables)}
        self.by_name |= dict(hydrogen=q.H, max_steps=MAX_STEPS, max_log_change=MAX_LOG_CHANGE,
                             max_extrapolation=MAX_EXTRAPOLATION)
        self.names = [p.name for p in signature(kernel_text(SOURCE), KERNEL) or ()]
        self.bound = backend.kernel(
            SOURCE, KERNEL, fixed=self.by_name, NK=q.K, NX=q.N, NP=P, NG=len(self.tables.sizes),
            NT=q.S + q.E, NS=q.S, NE=q.E, NM=q.M, NGAS=q.phases.G, NB=q.B, NW=q.B + q.M,
            NB1=q.B + 1, NU=q.B + P, NT1=q.S + q.E + 1, NU1=q.B + P + 1, NP1=max(1, P),
            NP2=max(1, P) + 1, LANES=LANES, MANY=MANY, AT_ONCE=AT_ONCE,
            NGROW=q.E if q.activity.exchange.any() else 0, SATURATES=int(q.activity.saturates),
            **self.tables.counts())

    def __call__(self, state: ChemicalState, where: Array, tolerance: float,
                 elapsed: float) -> tuple[Array, Array]:
        """Solve the voxels `where` (n,) of a ChemicalState in place; see `equilibrium`.

        Returns the steps (n,) and a flag (n,), 1 where the voxel converged, on the backend; no
        other voxel is written to.
        """
        n, m = where.size, state.theta.size
        steps, done = self.backend.zeros(n, np.int32), self.backend.zeros(n, np.uint8)
        lowest, highest = state.limits
        arguments: dict[str, Any] = {
            **self.by_name, **vars(state), "g": Grid((n, 1, 1), (1.0, 1.0, 1.0)), "where": where,
            "n": n, "m": m, "tolerance": tolerance, "lowest": lowest, "highest": highest,
            "elapsed": elapsed, "steps": steps, "done": done}
        self.bound(*(arguments[name] for name in self.names))
        return steps, done


class Matrix:
    """Packed form of the matrix: numbers of its entries, and the instructions of its elimination.

    number (U, U): numbers of the entries, row by row, 0 for those that are always 0; start,
    column: their CSR form. move_from, move_to: of every phase the entries that move from its
    master's row to its own. target: the entries that elimination changes, row after row, one after
    the other. balance, phase: equation and phase that every row's turn begins with, or -1: a phase
    and its master's equation are taken together.
    """

    def __init__(self, order: PivotOrder, q: Equations):
        at, fill, pattern = order.position, order.lu.fill, order.lu.pattern
        self.start, self.column, _ = csr(fill)
        self.number = np.zeros(fill.shape, np.int32)
        self.number[fill] = np.arange(len(self.column))
        self.move_from, self.move_to = [], []
        for p, k in zip(order.phases, order.masters, strict=True):
            both = np.flatnonzero(pattern[at[q.B + p]] & pattern[at[k]])
            self.move_from.append(self.number[at[k], both])
            self.move_to.append(self.number[at[q.B + p], both])
        self.target = [[self.number[r, c] for above in np.flatnonzero(fill[r, :r])
                        for c in above + 1 + np.flatnonzero(fill[above, above + 1:])]
                       for r in range(len(fill))]
        self.balance, self.phase = (np.full(len(fill), -1, np.int32) for _ in range(2))
        self.balance[at[:q.B]] = np.arange(q.B)
        for n, (p, k) in enumerate(zip(order.phases, order.masters, strict=True)):
            first, last = sorted((at[k], at[q.B + p]))
            self.balance[last] = -1
            self.balance[first], self.phase[first] = k, n


def derivatives(q: Equations) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (equation, unknown, source, weight) of the matrix: an entry is the sum of its weights
    times sources. Sorted in this order.

    Sources (2 T + E,) are the terms and their derivatives: of species by ln I, of exchange species
    through X by ln a_H, and by ln I.
    """
    terms, out = q.S + q.E, np.zeros((q.B, q.B, 2 * (q.S + q.E) + q.E))
    sums = q.sums.T
    out[:, :q.I, :terms] = q.products.transpose(1, 2, 0)
    out[:, q.W, :terms] = q.watered
    ions = np.any(q.activity.action != 0, axis=1)
    out[:, q.I, terms:terms + q.S] = sums[:, :q.S] * ions
    out[:, q.H, terms + q.S:2 * terms] += sums[:, q.S:] * q.exchangers.scaled_by_charge.any(axis=1)
    out[:, q.I, 2 * terms:] = sums[:, q.S:] * np.any(q.activity.exchange != 0, axis=1)
    equation, unknown, source = np.nonzero(out)
    return equation, unknown, source, out[equation, unknown, source]


def _integers(values, count=None):
    """Return int32 numbers padded with zeros to `count`, at least one."""
    out = np.zeros(max(1, count or len(values)), np.int32)
    out[:len(values)] = values
    return out


def _padded(values, shape):
    """Return the values padded with zeros along the first axis."""
    out = np.zeros(shape)
    out[:len(values)] = values
    return out
