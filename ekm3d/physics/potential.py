"""Charge conservation: the electric potential of the ore between its electrodes.

    div i = -d rho/dt,   i = -F sum_s z_s D_s m ( grad c_s + z_s (F/RT) c_s grad phi )   [A/m2]

On a face: I = S (phi_a - phi_b) + I_d with S = F (F/RT) G sum z^2 D c* and the diffusion
current I_d = F G sum z D (c_a - c_b). c* is the very concentration with which the species
then move (`face_interpolation`). Net charge rho that a voxel still carries is fed back as a
source, F rho V / dt, so that residuals of the solver never add up.
"""

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.backends.scratch import SOURCES
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.schedule import Drive
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import F_RT, FARADAY
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import Array, Grid
from ekm3d.grid.rasterise import padded_voxels
from ekm3d.grid.stencil import above, below, faces
from ekm3d.parallel.domain import Domain
from ekm3d.physics.contact_currents import BoundaryState
from ekm3d.physics.divergence import source_minus_divergence
from ekm3d.physics.electrical_boundary import ElectricalBoundary
from ekm3d.physics.face_interpolation import (
    by_axis,
    geometric_conductance,
    migrating,
    of_axis,
    open_faces,
    per_flow,
    upstream_differences,
)
from ekm3d.physics.numerical_options import NumericalOptions
from ekm3d.physics.surface_conduction import SurfaceConduction
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.state import State, stores

SURE = 0.5      # |u| below which diffusion keeps a face positive whatever the drift's sign
KERNEL_CONSTANTS = {"SURE": SURE}
RESOLVES = 3    # solves with the newest potential before flagged faces take the smaller side
MAX_SOLVES = 20


@operator
def face_conductance(g, c, transport_factor, previous_phi, pore_turnover, use_smaller_side, z,
                     diffusion, blend, conductance, current):
    """Compute conductance S [S] and diffusion current I_d [A] of every face.

    c: (species, padded) mol/m3 of water; transport_factor: (1 or 3, padded) theta tau f(I);
    previous_phi: padded potential of the last iterate [V]; pore_turnover: padded dt / (theta V)
    [s/m3]; use_smaller_side: (3, padded) uint8; z, diffusion [m2/s]: (species,); blend: 1, or 0 for
    pure upwind. Outputs conductance, current: (3, padded), axis 0, 1, 2 = z, y, x, stored with the
    voxel below the face.
    """
    for axis in range(3):
        factor = of_axis(transport_factor, axis)
        geometric = geometric_conductance(factor, g, axis)
        differences = upstream_differences(c, open_faces(factor, axis), axis)
        drop = below(previous_phi, axis) - above(previous_phi, axis)
        speed = diffusion[:, None, None, None] * (geometric * per_flow(pore_turnover, axis))
        face = migrating(c, z, speed, drop, faces(use_smaller_side[axis], axis) > 0, blend,
                         differences, axis)
        faces(conductance[axis], axis)[...] = (FARADAY * F_RT) * geometric * WeightedSum(
            z * z * diffusion)(face)[0]
        faces(current[axis], axis)[...] = -FARADAY * geometric * WeightedSum(
            z * diffusion)(differences[0])[0]


@operator
def flag_drift_changes(g, phi, previous_phi, conductance, use_smaller_side, highest, flagged):
    """Flag faces whose c* was chosen for another drift and may not stay positive.

    phi, previous_phi: padded potentials now and when c* was chosen [V]; conductance: (3, padded),
    > 0 where ions move; use_smaller_side: (3, padded) uint8, faces that are safe already; highest:
    largest |z|. Where the drift u = z (F/RT) drop of these ions turned, |u| may be SURE at most,
    else twice its former value, or 2. Output flagged: (3, padded) uint8.
    """
    for axis in range(3):
        u = F_RT * (below(phi, axis) - above(phi, axis))
        old = F_RT * (below(previous_phi, axis) - above(previous_phi, axis))
        now, then = highest * np.abs(u), highest * np.abs(old)
        bad = (u * old < 0) & (now > SURE) | (now > 2.0 * np.maximum(then, 1.0))
        moves = faces(conductance[axis], axis) > 0
        faces(flagged[axis], axis)[...] = bad & moves & (faces(use_smaller_side[axis], axis) == 0)


class Potential:
    """Solver for phi; keeps the quantities of the solution that other modules need.

    conductance, current: (3, padded) face conductances [S] and diffusion currents [A];
    previous_phi [V, reduced], use_smaller_side: choice of the face concentrations.

    Potentials are reduced to 25 C, times 298.15 K / T, where kernels form F/(RT) phi of them.
    """

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, chem: ChemicalSystem,
                 contacts: BoundaryFaces, options: NumericalOptions,
                 elliptic: EllipticSolver | None = None, immobile: bool = False,
                 along: Array | None = None, clay: SurfaceConduction | None = None):
        """chem: with z and diffusion [m2/s] of the species; elliptic: solver, one of its own if
        None; immobile: True where immobile water carries current, too; along: (3, padded), of
        the tortuosity, see `Rock.along`; clay: conduction along it."""
        self.grid, self.backend, self.domain = grid, backend, domain
        self.contacts, self.options = contacts, options
        metal = [padded_voxels(domain.subregion([(s.start, s.stop) for s in place]).part, grid)
                 if place else np.zeros(0, int) for place in contacts.electrodes.places]
        self.metal_electrode = np.repeat(np.arange(len(metal)), [voxels.size for voxels in metal])
        self.metal_voxels = np.concatenate([np.zeros(0, int), *metal])
        self.z, self.diffusion = (np.ascontiguousarray(a, dtype=float)
                                  for a in (chem.z, chem.diffusion))
        self.highest = float(np.abs(self.z).max(initial=0.0))
        self.elliptic = elliptic or EllipticSolver(grid, backend, domain, options.tolerance)
        self.source = self.elliptic.scratch[SOURCES][0]
        self.boundary = ElectricalBoundary(self.elliptic.scratch, domain, contacts, self.z,
                                           self.diffusion, options.overpotential,
                                           options.inverse_temperature)
        self.boundary.clay = clay
        self.conductance, self.current = (backend.zeros((3, *grid.padded)) for _ in range(2))
        self.still = [backend.zeros((3, *grid.padded)) for _ in range(2 * immobile)]
        self.along, self.clay = along, clay
        self.charge = backend.zeros(grid.padded) if immobile else None      # of both waters
        self.use_smaller_side, self.flagged = (
            backend.zeros((3, *grid.padded), np.uint8) for _ in range(2))
        self.previous_phi = backend.zeros(grid.padded)
        self.given = None                                           # current source, A per voxel
        if options.source is not None:
            self.given = grid.voxel_volume * options.source
        self.iterations = 0
        self.inverse_temperature = options.inverse_temperature
        self.reduced_phi = None if self.inverse_temperature == 1 else backend.zeros(grid.padded)
        self.source_minus_divergence = backend.bind(source_minus_divergence, NK=1)
        self.flag_drift_changes = backend.bind(flag_drift_changes, NS=len(self.z))
        if options.conductivity is None:
            self.face_conductance = backend.bind(face_conductance, NS=len(self.z),
                                                 NT=1 if along is None else 3)
        else:
            conductivity = options.conductivity.copy()              # its ghosts are filled here
            domain.fill(conductivity)
            for axis in range(3):
                faces(self.conductance[axis], axis)[...] = geometric_conductance(
                    conductivity, grid, axis)

    @property
    def boundary_state(self) -> BoundaryState:
        """Electrical state of the boundary faces after the last solution."""
        return self.boundary.state

    @property
    def into_ore(self) -> np.ndarray:
        """Current from every boundary face into the ore, on the host [A]."""
        return self.backend.to_numpy(self.boundary.into_ore)

    @property
    def drop(self) -> np.ndarray:
        """Phi of the ore voxel minus that of tank or reservoir at every face, on the host [V]."""
        return self.backend.to_numpy(self.boundary.drop)

    def reduced(self, phi: Array) -> Array:
        """Return a padded potential [V] times 298.15 K / T: phi itself at 25 C, else a scratch."""
        if self.reduced_phi is None:
            return phi
        return np.multiply(phi, self.inverse_temperature, out=self.reduced_phi)

    def set_drive(self, drive: Drive) -> None:
        """Apply a drive without a solution, where the potential is not part of the model."""
        self.boundary.start(drive)

    def metal_potential(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (voxels, values): flat padded indices of electrode voxels, their potential [V].

        NaN in electrodes that are neither driven nor wired to others now.
        """
        return self.metal_voxels, self.boundary.present_potential()[self.metal_electrode]

    def phi_at_faces(self, phi: Array) -> np.ndarray:
        """Return phi [V] of the voxel at every boundary face, of metal where it is an electrode's,
        on the host.

        phi: padded, of the last solution.
        """
        return self.backend.to_numpy(self.boundary.phi_at_faces(phi))

    def solve(self, s: State, drive: Drive, dt: float) -> None:
        """Solve for phi from the species at time t; dt [s]: coming step, for feedback of charge.

        Ghosts of c, transport_factor, pore_turnover and phi must be up to date. Raises
        ConvergenceError if face concentrations and potential do not agree after 20 solves.
        """
        g, boundary, given = self.grid, self.boundary, self.options.conductivity
        boundary.start(drive, s, given)
        self.use_smaller_side[...] = 0
        np.copyto(self.previous_phi, self.reduced(s.phi))
        self.iterations, trend = 0, s.phi_trend
        for attempt in range(MAX_SOLVES):
            if given is None:
                self._conduct(s)
            self.source_minus_divergence(g, self._charge(s), self._given_source(), self.current,
                                         FARADAY * g.voxel_volume / dt, self.source)
            boundary.connect(given is None)
            self.iterations += boundary.solve(self.elliptic, self.conductance, self.source, s.phi,
                                              trend)
            trend = None                            # of the whole step, not of its corrections
            if given is None:
                self._flag_drifts(self.reduced(s.phi))
            backwards, turned, inside = boundary.flag(SURE, self.flagged)
            if backwards:
                continue
            if given is not None:
                break
            settled = not (self.domain.any(np.array([inside])) or turned)
            if settled and attempt + 1 >= self.options.sweeps:
                break
            if attempt >= RESOLVES:
                self.use_smaller_side |= self.flagged
                boundary.use_smaller_side |= boundary.turned
            else:
                np.copyto(self.previous_phi, self.reduced(s.phi))
                np.copyto(boundary.previous_drop, boundary.drop)
        else:
            raise ConvergenceError(
                f"potential: the direction of drift did not settle in {MAX_SOLVES} solves at "
                f"t = {s.time:g} s ({self.domain.count(self.flagged)} faces); a smaller "
                "schedule.max_step may help")
        boundary.finish()

    def _flag_drifts(self, phi):
        """Flag faces whose drift changed since c* was chosen; phi: padded, reduced."""
        self.flag_drift_changes(self.grid, phi, self.previous_phi, self.conductance,
                                self.use_smaller_side, self.highest, self.flagged)
        if self.clay is not None:
            self.clay.flag_turns(phi, self.previous_phi, self.conductance, self.use_smaller_side,
                                 self.flagged)

    def _conduct(self, s):
        """Set conductance and diffusion current of every face: of both waters side by side."""
        def conduct(c, factor, turnover, conductance, current):
            self.face_conductance(self.grid, c, by_axis(factor, self.along), self.previous_phi,
                                  turnover, self.use_smaller_side, self.z, self.diffusion,
                                  self.options.blend, conductance, current)

        conduct(s.c, s.transport_factor, s.pore_turnover, self.conductance, self.current)
        if self.still:
            conduct(s.immobile_c, s.immobile_factor, s.immobile_turnover, *self.still)
            self.conductance += self.still[0]
            self.current += self.still[1]
        if self.clay is not None:
            for exchanged in stores(s, "exchanged", "immobile_exchanged")[:1 + bool(self.still)]:
                self.conductance += self.clay.conduct(exchanged, self.previous_phi,
                                                      self.use_smaller_side)
        if self.reduced_phi is not None:
            self.conductance *= self.inverse_temperature

    def _charge(self, s):
        """Net charge of every voxel, padded [mol/m3 of rock], of both waters."""
        if self.charge is None:
            return s.charge
        return np.add(s.charge, s.immobile_charge, out=self.charge)

    def _given_source(self):
        """Padded current source of the case [A]; zeros, in an array that is free, without one."""
        if self.given is not None:
            return self.given
        free = self.boundary.source
        free[...] = 0.0
        return free
