"""Water in the ore: Darcy's law and electro-osmosis in saturated pores.

    q = -K grad h + k_e E,   S_s dh/dt + div q = wells                                [m/s]

Both terms are taken in series across a face. The water content does not change; storage S_s,
where given, is implicit in time. Wells and their limits: see `well_control`.
"""

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.backends.read_only_memo import read_only
from ekm3d.backends.scratch import SOURCES
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.openings import Openings
from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import Wells
from ekm3d.errors import ConvergenceError, PlanError
from ekm3d.grid.grid import Array, Grid
from ekm3d.grid.stencil import above, below, faces
from ekm3d.parallel.domain import Domain
from ekm3d.physics.divergence import source_minus_divergence
from ekm3d.physics.face_interpolation import geometric_conductance
from ekm3d.physics.rock import Rock
from ekm3d.physics.well_control import WellControl
from ekm3d.physics.well_sums import WellSums
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.state import State


@operator
def rock_conductance(g, hydraulic_conductivity, conductance):
    """Compute the hydraulic conductance of every face, two half voxels in series  [m2/s].

    hydraulic_conductivity: padded K [m/s]. Output conductance: (3, padded), axis 0, 1, 2 = z, y, x.
    """
    for axis in range(3):
        faces(conductance[axis], axis)[...] = geometric_conductance(hydraulic_conductivity, g,
                                                                    axis)


@operator
def osmosis(g, sigma, hydraulic_conductivity, electroosmosis, conductance, phi, water):
    """Compute the electro-osmotic flow through every face  [m3/s].

    In each half of a face k_e/K times its part of the voltage acts like a head; the parts divide
    like the resistances: the flow is then exact for layers across it. sigma: padded electric
    conductivity [S/m]; hydraulic_conductivity K [m/s], electroosmosis k_e [m2/V/s], phi [V]:
    padded; conductance: (3, padded) m2/s. Output water: (3, padded), up the axis.
    """
    k = hydraulic_conductivity
    head_per_volt = np.divide(electroosmosis, k, out=np.zeros_like(k), where=k > 0)
    for axis in range(3):
        a, b = below(sigma, axis), above(sigma, axis)
        both = a + b
        part = np.divide(b, both, out=np.full_like(both, 0.5), where=both > 0)
        head = part * below(head_per_volt, axis) + (1.0 - part) * above(head_per_volt, axis)
        faces(water[axis], axis)[...] = faces(conductance[axis], axis) * head * (
            below(phi, axis) - above(phi, axis))


@operator
def darcy(g, conductance, head, water):
    """Add the flow driven by the head through every face; arguments as above  [m3/s]."""
    for axis in range(3):
        faces(water[axis], axis)[...] += faces(conductance[axis], axis) * (
            below(head, axis) - above(head, axis))


class Flow:
    """Solver for the head; keeps the water that crosses every face and opening.

    water: (3, padded) flow across faces, up the axis [m3/s]; wells: for each well its Openings
    and the flow into the ore there [m3/s]; out: flow out of the ore at every boundary face, into
    tanks and through sides [m3/s]: all of the backend; sums: over wells and faces; stage: number
    of that of the last solution; residual: of the last solution, relative; storing: True where the
    rock stores water; refused: (wells,) rain that runs off [m3/s].
    """

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, rock: Rock,
                 contacts: BoundaryFaces, wells: Wells, tolerance: float,
                 elliptic: EllipticSolver | None = None):
        """tolerance: relative residual of the solver; elliptic: the solver, one of its own if None;
        ghosts of rock must be up to date."""
        self.grid, self.backend, self.domain = grid, backend, domain
        self.rock, self.sources = rock, wells
        self.elliptic = elliptic or EllipticSolver(grid, backend, domain, tolerance)
        self.conductance, self.water = (backend.zeros((3, *grid.padded)) for _ in range(2))
        self.source, self.fixed, _ = self.elliptic.scratch[SOURCES]
        self.coupling = backend.zeros(grid.padded)      # kept: the operator may stay as it is
        self.storing = rock.storage is not None and domain.any(rock.storage)
        self.rock_conductance, self.osmosis, self.darcy = (
            backend.bind(op) for op in (rock_conductance, osmosis, darcy))
        self.source_minus_divergence = backend.bind(source_minus_divergence, NK=1)
        self.control = WellControl(domain, rock, wells)
        self.wells: list[tuple[Openings, Array]] = []
        self.out = backend.zeros(contacts.faces.strip.size)
        self.sums = WellSums(backend, contacts, len(wells))
        self.refused = np.zeros(len(wells.all))
        self.iterations, self.residual, self.stage = 0, 0.0, 0
        self._set_conductance()

    def update_rock(self) -> None:
        """Fill the ghosts of the rock's conductivities, which have changed; use the new values."""
        self.domain.fill(self.rock.hydraulic_conductivity, self.rock.electroosmosis)
        self._set_conductance()

    def _set_conductance(self):
        self._conduct(self.conductance)
        self.control.forget_rock()
        self.gathered: tuple = [], None, None   # openings, all their voxels, ends of each well's
        self.last_couplings: list | None = None     # of the openings in the last solution

    def _conduct(self, out):
        """Set the hydraulic conductance of every face of full pores, (3, padded) [m2/s]."""
        ratio = self.rock.along.get("hydraulic_conductivity")
        if ratio is None:
            self.rock_conductance(self.grid, self.rock.hydraulic_conductivity, out)
            return
        one = self.backend.zeros(out.shape)
        for axis in range(3):
            self.rock_conductance(self.grid, ratio[axis] * self.rock.hydraulic_conductivity, one)
            out[axis] = one[axis]

    def _osmose(self, sigma, conductance, phi, out):
        """Set the electro-osmotic flow through every face of full pores, (3, padded) [m3/s]."""
        rock, along = self.rock, self.rock.along
        k, k_e = rock.hydraulic_conductivity, rock.electroosmosis
        if not along:
            self.osmosis(self.grid, sigma, k, k_e, conductance, phi, out)
            return
        one = self.backend.zeros(out.shape)
        for axis in range(3):
            own = [values * along[name][axis] if name in along else values for name, values in (
                ("tortuosity", sigma), ("hydraulic_conductivity", k), ("electroosmosis", k_e))]
            self.osmosis(self.grid, *own, conductance, phi, one)
            out[axis] = one[axis]

    def solve(self, s: State, drive: Drive, drop: Array, sigma: Array, dt: float) -> None:
        """Solve for head and water flow at time t, with storage at t + dt.

        drop: phi of the ore voxel minus that behind every boundary face [V], (n,); sigma: padded
        electric conductivity [S/m], which divides a face's voltage among both sides; its ghosts
        are filled. Raises ConvergenceError where water is injected but no outlet is open, or where
        wells do not settle.
        """
        g, control = self.grid, self.control
        self.domain.fill(sigma)
        self.fixed[...] = 0.0
        self.stage = drive.stage
        if self.storing:
            self._set_stored(self.fixed, dt)
            self.fixed *= s.head
        self._osmose(sigma, self.conductance, s.phi, self.water)
        self.source_minus_divergence(g, s.head, self.fixed, self.water, 0.0, self.source)
        control.start(drive, drop)
        self.iterations, trend = 0, s.head_trend
        for _ in range(2 * len(control.openings) + 20):
            conditions = control.conditions()
            self._solve(s, conditions, trend, dt)
            trend = None
            self.wells = []
            changed = False
            for n, (place, head, (coupling, inflow)) in enumerate(zip(
                    control.openings, self._heads(s.head, control), conditions, strict=True)):
                inflow = inflow - coupling * head
                self.wells.append((place, inflow))
                changed |= control.update(n, inflow, head)
            if not changed:
                break
        else:
            raise ConvergenceError(f"flow: the wells did not settle at t = {s.time:g} s: which "
                                   "openings are open, at their rate or at their head")
        self.wells = [(place, np.minimum(inflow, 0.0) if control.is_outlet(n) else inflow)
                      for n, (place, inflow) in enumerate(self.wells)]
        self.darcy(g, self.conductance, s.head, self.water)
        self._set_outflow()

    def _heads(self, head, control):
        """Heads [m] of the ore voxels of all openings, by well."""
        places, known = control.openings, self.gathered
        if not places:
            return []
        if len(known[0]) != len(places) or not all(
                a is b for a, b in zip(known[0], places, strict=True)):
            voxels = [place.voxel for place in places]
            self.gathered = known = (list(places), read_only(np.concatenate(voxels)),
                                     np.cumsum([0, *(voxel.size for voxel in voxels)]).tolist())
        at, ends = self.domain.take(head, known[1]), known[2]
        return [at[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]

    def _set_outflow(self):
        """Flow out of the ore at boundary faces; then leave out the sides from the wells."""
        self.out[...] = 0.0
        cached = self.backend.cached
        for n, (place, inflow) in enumerate(self.wells):
            if place.at_face.size:              # no face twice
                leaves = -inflow[cached(place.at_face)]
                self.out[cached(place.face_there)] += np.maximum(
                    leaves, 0.0) if n < len(self.sources) else leaves
        del self.wells[len(self.sources):]

    def _set_stored(self, out, dt):
        """Set `out` to the water that a voxel stores per head and time  [m2/s]."""
        np.multiply(self.rock.storage, self.grid.voxel_volume / dt, out=out)

    z: Array                                # heights of the layers [m], of unsaturated rock
    next_step = np.inf                      # s, of its next sub-step
    substeps = 0                            # that it took in the last step

    def of_full_pores(self) -> tuple[Array, Array]:
        """Return content [1] of the moving water and tortuosity of full pores, padded."""
        return self.rock.water_content, self.rock.tortuosity

    @property
    def rates(self) -> list[Array]:
        """All that a step leaves of which two stages have a mean."""
        return [self.out, *(inflow for _, inflow in self.wells)]

    def start(self, s: State, pressure_head: Array, immobile: Array | None) -> None:
        """Set the first water of the state: nothing in full pores."""

    def advance(self, s: State) -> None:
        """Take over what the water of a step leaves in the state: nothing in full pores."""

    def take_up(self, s: State) -> None:
        """Have the rock follow the water of a state that was restored: nothing in full pores."""

    def through_sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the water into and out of the block through every side, each (sides,) [m3/s]."""
        return self.sums.through_sides(self.out)

    def _solve(self, s, conditions, trend, dt):
        """One solution for the head; conditions: (coupling, inflow at head zero) of openings."""
        openings = self.control.openings
        if not (self.storing or self.control.linked):
            given, size = (float(sum(part(inflow).sum() for _, inflow in conditions))
                           for part in (np.positive, np.abs))
            if given > 1e-9 * size:
                raise PlanError(
                    f"flow: {given:.3g} m3/s of water are injected at t = {s.time:g} s but no "
                    "outlet is open; a collector, drain or head well is needed in this stage")
        np.copyto(self.fixed, self.source)
        for place, (_, inflow) in zip(openings, conditions, strict=True):
            self.domain.add_at(self.fixed, place.voxel, inflow)
        same = self._same_operator(conditions)
        if not same:
            self.coupling[...] = 0.0
            if self.storing:
                self._set_stored(self.coupling, dt)
            for place, (coupling, _) in zip(openings, conditions, strict=True):
                self.domain.add_at(self.coupling, place.voxel, coupling)
        self.residual = self.elliptic.solve(self.conductance, self.coupling, self.fixed, s.head,
                                            "head", same, trend)
        self.iterations += self.elliptic.iterations

    def _same_operator(self, conditions):
        """True if the solver still has the operator, and rock and openings conduct as in it."""
        now = [(place.voxel, coupling, self.control.coupled_by(n)) for n, (
            place, (coupling, _)) in enumerate(zip(self.control.openings, conditions, strict=True))]
        last, self.last_couplings = self.last_couplings, None if self.storing else now
        if last is None or self.elliptic.operator_of != "head" or len(last) != len(now) or any(
                a is not b and not np.array_equal(a, b) for (a, *_), (b, *_) in zip(
                    last, now, strict=True)):
            return False
        changed = [(a != b).any() for (_, a, why), (_, b, by) in zip(last, now, strict=True)
                   if why is None or why != by]
        return not changed or not self.backend.to_numpy(np.stack(changed)).any()
