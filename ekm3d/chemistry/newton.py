"""Newton's method for the equilibrium of many voxels in compiled code, one voxel per thread.

Equations, derivatives and active sets are those of `equations` and `equilibrium`; the sums over
terms and the LU elimination are written for the system (`newton_statements`). Left to NumPy:
systems with Vanselow exchangers, without H+, whose phases cannot all be present, or where less of
a component that may be absent makes more of something; and voxels that do not converge.
"""

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
)
from ekm3d.chemistry.newton_statements import derivatives, statements
from ekm3d.grid.grid import Grid
from ekm3d.resources import kernel_text

SOURCE, KERNEL = "chemistry/newton.cu", "newton"
MAX_STEPS, MAX_LOG_CHANGE = 25, 3.0         # as in `equilibrium`
MIN_POWER = 0.1                             # of the activity of a component that may be absent
LANES = 8                                   # voxels that a host's thread works on: PACK of ekm.cuh
MANY = 400                                  # voxels from which on threads pay
AT_ONCE = 32                                # tiles of a thread: far from what others write to
KERNEL_CONSTANTS = {
    "LN10": float(LN10), "LITRES": LITRES, "MISSING": MISSING, "LARGEST": LARGEST,
    "SATURATED": SATURATED, "LEAST_PIVOT": SMALLEST, "ABSENT": TRACE}


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
    least 1 long); G ion sizes + 1. int32 and float64.
    """

    action_weight: np.ndarray    # of factors in ln terms: nonzeros of `Equations.action`
    sum_weight: np.ndarray       # of terms in the equations: nonzeros of `Equations.sums`
    sum_size: np.ndarray         # their magnitudes
    direct_weight: np.ndarray    # of sources in the matrix: nonzeros of `derivatives`
    growth: np.ndarray           # (T, G) -ln gamma = growth @ functions of I
    sizes: np.ndarray            # (G,) ion sizes b of the activity model, 1 of I/(1 + I), and a 0
    on: np.ndarray               # (T, N) 1 where a term is scaled by an exchanger's charge X
    phase_nu: np.ndarray         # (P, K) components set free by dissolution
    phase_water: np.ndarray      # (P,) H2O set free
    phase_constant: np.ndarray   # (P,) ln K
    may_lack: np.ndarray         # (K,) 1 where the component may be absent
    gas_phase: np.ndarray        # (P,) 1 for gases
    per: np.ndarray              # (T,) amounts per mole of species

    @classmethod
    def of(cls, q: Equations) -> "NewtonTables":
        """Return the tables of a system."""
        phases, ex = q.phases, q.exchangers
        pad = max(1, phases.count)
        on = np.zeros((q.S + q.E, q.N))
        on[q.S:] = ex.scaled_by_charge
        return cls(
            action_weight=_nonzeros(q.action), sum_weight=_nonzeros(q.sums),
            sum_size=abs(_nonzeros(q.sums)), direct_weight=_nonzeros(derivatives(q)),
            growth=np.vstack([q.activity.action, q.activity.exchange]),
            sizes=np.append(q.activity.sizes[:, 0], [1.0] * q.activity.saturates + [0.0]), on=on,
            phase_nu=_padded(phases.nu, (pad, q.K)), phase_water=_padded(phases.water, (pad,)),
            phase_constant=_padded(phases.constant, (pad,)),
            may_lack=_integers(q.may_lack), gas_phase=_integers(phases.gas, pad),
            per=np.append(np.ones(q.S), ex.per))

    def counts(self) -> dict[str, int]:
        """Return the kernel's compile-time lengths of these tables."""
        return dict(NACTION=len(self.action_weight), NSUM=len(self.sum_weight),
                    NDIRECT=len(self.direct_weight))


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
            SOURCE, KERNEL, fixed=self.by_name, written=statements(q), NK=q.K, NX=q.N, NP=P,
            NG=len(self.tables.sizes), NT=q.S + q.E, NS=q.S, NE=q.E, NM=q.M, NGAS=q.phases.G,
            NB=q.B, NW=q.B + q.M, NU=q.B + P, NP1=max(1, P), LANES=LANES, MANY=MANY,
            AT_ONCE=AT_ONCE, NGROW=q.E if q.activity.exchange.any() else 0,
            SATURATES=int(q.activity.saturates), **self.tables.counts())

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


def _integers(values, count=None):
    """Return int32 numbers padded with zeros to `count`, at least one."""
    out = np.zeros(max(1, count or len(values)), np.int32)
    out[:len(values)] = values
    return out


def _nonzeros(table):
    """Return the nonzeros of a table in the order of its rows."""
    return table[table != 0]


def _padded(values, shape):
    """Return the values padded with zeros along the first axis."""
    out = np.zeros(shape)
    out[:len(values)] = values
    return out
