"""Interface of the solvers of the chemistry of voxels: methods, results, statistics, errors."""

from dataclasses import dataclass

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.chemistry.chemical_state import Array, ChemicalState
from ekm3d.chemistry.ion_exchange import NO_SITES, Sites
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.errors import ConvergenceError


class ChemistryError(ConvergenceError):
    """No equilibrium: `voxels` (n,) are the flat indices, `total` (K, n) their totals [mol/m3];
    where: their places, as text, if known."""

    def __init__(self, reason: str, components: tuple[str, ...], voxels: np.ndarray,
                 total: np.ndarray, where: str = ""):
        self.reason, self.voxels, self.total = reason, voxels, total
        first = ", ".join(f"{name} {value:.6g}" for name, value in zip(
            components, total[:, 0], strict=False))
        super().__init__(f"{reason} in {voxels.size} voxel(s), the first is voxel {voxels[0]} "
                         f"with totals [mol/m3] {first}" + (f"; at {where}" if where else ""))


@dataclass(frozen=True)
class Result:
    """Equilibrium of n voxels, in NumPy arrays."""

    c: np.ndarray                # (S, n) species, mol/m3 of water
    exchanged: np.ndarray        # (E, n) exchange species, mol/m3 of bulk
    solid: np.ndarray            # (M, n) minerals, mol/m3 of bulk
    site: np.ndarray             # (n,) X, eq/m3 of bulk; (N, n) with several exchangers
    ionic_strength: np.ndarray   # (n,) mol/l
    water_activity: np.ndarray   # (n,)
    pH: np.ndarray               # (n,) -log10 of the activity of H+; NaN in a system without it
    warm_start: np.ndarray       # (U, n) the unknowns, to start the next call with
    iterations: np.ndarray       # (n,) Newton steps
    converged: np.ndarray        # (n,) bool; all True, or ChemistryError was raised
    gas: np.ndarray              # (G, n) taken up from the gases, not part of the totals given,
    #                              mol/m3 of bulk: nu_g^T gas is to be added to these
    restarts: np.ndarray         # (n,) rounds of cold starts; 0 where the warm start converged


@dataclass(frozen=True)
class SolverStats:
    """Effort of the solution of n voxels."""

    steps: Array                 # (n,) of Newton's method and of cold starts, on the backend
    left: np.ndarray             # numbers of the voxels that were solved in NumPy
    restarts: np.ndarray         # of these, rounds of cold starts
    most: int = 0                # steps of any voxel


class VoxelSolver:
    """Base of the solvers of the chemistry of voxels.

    `solve` works in place on a ChemicalState, `solve_list` takes lists where the backend keeps
    arrays and returns a ChemicalState, `solve_numpy` takes and returns NumPy arrays.
    """

    def __init__(self, chem: ChemicalSystem, backend: Backend | None = None):
        """backend: where the arrays of `solve` live."""
        self.chem, self.backend = chem, backend or Backend("plain arrays")

    def solve(self, state: ChemicalState, where: Array,
              elapsed: float | None = None) -> SolverStats:
        """Solve the voxels with flat indices `where` (n,), on the backend, of `state` in place.

        elapsed [s]: since the equilibrium state.warm_start, which is extrapolated over it (see
        `extrapolate_warm_start`); None starts cold. Raises ChemistryError with flat indices.
        """
        raise NotImplementedError

    def solve_numpy(self, total: np.ndarray, theta: np.ndarray | float, sites: Sites = NO_SITES,
                    warm_start: np.ndarray | None = None) -> Result:
        """Return the equilibrium of n voxels, NumPy arrays throughout.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; warm_start (U, n): of
        a previous result of the same voxels. Raises ChemistryError without an equilibrium.
        """
        raise NotImplementedError

    def solve_list(self, total: Array, theta: Array, sites: Sites = NO_SITES,
                   warm_start: Array | None = None) -> ChemicalState:
        """Return the ChemicalState of n voxels, from lists where the backend keeps arrays.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; sites: numbers or such
        lists; warm_start (U, n): of a previous state, not changed. Raises ChemistryError as
        `solve` does.
        """
        state = self.allocate_state(total, theta, sites, warm_start)
        self.solve(state, self.backend.arange(theta.size), None if warm_start is None else 0.0)
        return state

    def allocate_state(self, total: Array, theta: Array, sites: Sites = NO_SITES,
                       warm_start: Array | None = None) -> ChemicalState:
        """Return the ChemicalState of just n voxels, its outputs allocated, not yet solved."""
        chem, n, N = self.chem, theta.size, max(1, len(self.chem.exchangers))
        K, S, E, M, G = map(len, (chem.components, chem.species, chem.exchange, chem.minerals,
                                  chem.gases))

        def array(*shape, values=None):
            out = self.backend.zeros(shape)
            if values is not None:
                out[...] = values
            return out

        cec, slope, reference_pH = (array(N, n, values=values) for values in (
            sites.cec, sites.slope, sites.reference_pH))
        return ChemicalState(
            total=array(K, n, values=total), theta=array(n, values=theta), cec=cec, slope=slope,
            reference_pH=reference_pH, limits=sites.limits,
            warm_start=array(chem.unknowns, n, values=warm_start),
            rate=self.backend.zeros((chem.unknowns - M, n), np.float32), c=array(S, n),
            exchanged=array(E, n), gas=array(G, n), pH=array(n), strength=array(n))
