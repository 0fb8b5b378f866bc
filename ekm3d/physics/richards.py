"""Water in unsaturated rock: Richards' equation in its mixed form, with electro-osmosis.

    d theta/dt + S_s S_w dh/dt = div(K(psi) grad h) - div(k_e(theta) E) + w,    h = psi + z    [1/s]

Backward Euler in sub-steps of their own length, in the mixed form (Celia, Bouloutas and Zarba 1990,
Water Resour. Res. 26, 1483), by Newton's method in increments u of the integral of K_r over the
pressure head (Kirchhoff's transformation). The conductivity of a face is the mean of K between its
voxels, so that the flow by pressure is the difference of that integral, and its derivative is the
conductance of full pores. With the residual r of the water of every voxel,

    ((C + S_s S_w)/K_r V/dt - div K_s grad) u = r,    h <- h + u/K_r,    until |r| dt/V is small

The matrix is symmetric and positive; it leaves out how gravity's and electro-osmosis' share of the
flow change with K. An increment changes the content by no more than C u/K_r, however the curve
bends, and stops at full pores (see `head_update`). Where that does not converge, C is raised
towards its largest value (L-scheme), and then the sub-step is cut. K, k_e and the flow through
openings belong to the head of the end of the sub-step, theta to the same head.

The water of a voxel, W, is a ledger: W(t + dt) = W(t) + dt/V (inflow - outflow), with the mean
flows of all sub-steps, which are those that carry the species. What the curve gives differs from it
by r dt/V, which the next step makes good. W counts the water that S_s stores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.scratch import SOURCES
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import Wells
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.flow import Flow
from ekm3d.physics.ground_openings import GroundOpenings
from ekm3d.physics.head_update import DRIEST, drained_head, place_of_failure, update_heads
from ekm3d.physics.retention import (
    OSMOSIS,
    general_faces,
    stored_water,
    wet_faces,
    wet_osmosis,
    wet_voxels,
)
from ekm3d.physics.rock import Rock
from ekm3d.retention_curves import RESIDUAL, SATURATED, air_entry, steepest
from ekm3d.solvers.anderson import Anderson
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.state import State

CLOSED, SETTLED = 0.01, 0.1     # residual of a sub-step that is left to the next, over the error in
#                                 time that it may have; the same from LATE iterations on
SMALL = 1e-300              # instead of a content of full pores of 0, where there is no ore
NEAR = 0.03                 # residual [1] from which iterations are accelerated
ROUGH, INNER = 0.1, 1e-2    # relative residual of the linear problem of an iteration, and of one
#                             that may be the last
PLAIN, EASY, LATE, HARD, LAST = 2, 9, 10, 13, 20       # iterations: accelerated from, step is
#                                 lengthened up to, SETTLED from, C raised from, given up after
SLOPES = (0.1, 0.3, 1.0)    # of the largest C, from HARD iterations on, three each
GROWTH, CUT = 2.0, 0.3      # of sub-steps
SHORTEST = 1e-9             # sub-step over the step, below which the run ends
FEWEST = 1e-3               # sub-step over the step, below which errors in time do not shorten it


@dataclass
class UnsaturatedRock:
    """Rock that may be unsaturated: curve (parameters, padded), see `retention_curves`.

    osmosis: what k_e / k_e,s is, of OSMOSIS; tortuosity: exponent of theta/theta_s that the
    tortuosity follows; tolerance: error of theta [1] that the length of a sub-step may cause.
    """

    curve: Array
    osmosis: str
    tortuosity: float
    tolerance: float


def unsaturated_rock(retention: Any, padded: Callable[[Any], Array]) -> UnsaturatedRock:
    """Return the UnsaturatedRock of a case's retention; padded: makes arrays with ghosts."""
    return UnsaturatedRock(padded(retention.curve), retention.osmosis, retention.tortuosity,
                           retention.tolerance)


class Richards(Flow):
    """Solver for head and water content; keeps the mean flows of a step as Flow does.

    head, content: padded h [m] and W [1] at the end of the step; z: heights of the layers [m];
    refused: (wells,) mean rate that ran off [m3/s]; substeps, cuts: numbers of the last step.
    """

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, rock: Rock,
                 contacts: BoundaryFaces, wells: Wells, tolerance: float, ground: Any,
                 elliptic: EllipticSolver | None = None):
        """ground: an UnsaturatedRock: curve (parameters, padded), osmosis, tortuosity; of `rock`,
        water content and tortuosity follow the water, the conductivities are those of full pores.
        """
        super().__init__(grid, backend, domain, rock, contacts, wells, tolerance, elliptic)
        self.storing, self.ground, self.curve = True, ground, ground.curve
        self.immobile: Array | None = None
        domain.fill(self.curve)
        self.control: GroundOpenings = GroundOpenings(domain, rock, wells, self.curve)
        self.law = float(OSMOSIS[ground.osmosis])
        (self.wet_voxels, self.wet_faces, self.wet_osmosis, self.stored_water,
         self.update_heads) = (backend.bind(op) for op in (
             wet_voxels, wet_faces, wet_osmosis, stored_water, update_heads))
        zeros, padded = backend.zeros, grid.padded
        self.full, self.conductance = self.conductance, zeros((3, *padded))
        self.osmotic, self.mean = zeros((3, *padded)), zeros((3, *padded))
        (self.head, self.head_at_start, self.content, self.elastic, self.pressure_head, self.stored,
         self.capacity, self.relative, self.relative_slope, self.relative_osmosis, self.rate,
         self.weight) = (zeros(padded) for _ in range(12))
        self.weight[...] = 1.0                  # in ghosts, which are divided by it, too
        self.general = backend.from_numpy(general_faces(backend.to_numpy(self.curve)))
        self.steepest = backend.from_numpy(steepest(backend.to_numpy(self.curve)))
        self.fringe = -air_entry(self.curve)
        self.drained = backend.from_numpy(drained_head(backend.to_numpy(self.curve)))
        self.specific_storage = zeros(padded) if rock.storage is None else rock.storage
        self.missing, self.source, self.change = self.elliptic.scratch[SOURCES]
        self.anderson = Anderson(grid, backend, domain)
        self.full_tortuosity = rock.tortuosity.copy()
        # Heights from the origin of the whole block: the same bits on every rank.
        layers = domain.start[0] - GHOST + np.arange(padded[0])
        z: Any = domain.whole.origin[2] + domain.whole.spacing[2] * (layers + 0.5)
        self.z = backend.from_numpy(np.ascontiguousarray(z[:, None, None]))
        self.voxels = max(domain.count(self.curve[SATURATED][grid.inner] > 0), 1)
        self.scale = max(domain.max(self.curve[SATURATED]), 1e-300)
        self.substeps = self.cuts = 0

    def _set_conductance(self):
        """Conductances of full pores; those of a step follow from its heads."""
        target = getattr(self, "full", self.conductance)
        self._conduct(target)
        self.control.forget_rock()
        self.last_couplings = None

    # ---- the state ----

    def start(self, s: State, pressure_head: Array, immobile: Array | None) -> None:
        """Set head and water of the state at t = 0.

        pressure_head: padded m; immobile: padded content of the water that stays, None: none.
        """
        self.immobile = immobile
        s.head[...] = pressure_head + self.z
        self.domain.fill(s.head)
        self.head[...] = s.head
        self._wet(s.head)
        s.water_content[...] = self.stored
        self.take_up(s)

    def take_up(self, s: State) -> None:
        """Have the rock follow the water of the state."""
        moving = s.water_content if self.immobile is None else s.water_content - self.immobile
        inner = self.grid.inner
        self.rock.water_content[inner] = moving[inner]
        if self.ground.tortuosity:
            full = self.curve[SATURATED][inner]
            share = s.water_content[inner] / np.maximum(full, SMALL)
            np.clip(share, 0.0, 1.0, out=share)
            self.rock.tortuosity[inner] = (self.full_tortuosity[inner]
                                           * share**self.ground.tortuosity)

    def of_full_pores(self) -> tuple[Array, Array]:
        """Return content [1] of the moving water and tortuosity of full pores, padded."""
        full = self.curve[SATURATED]
        return full if self.immobile is None else full - self.immobile, self.full_tortuosity

    def advance(self, s: State) -> None:
        """Take over head and water content of the end of the step."""
        s.head[...] = self.head
        s.water_content[...] = self.content
        s.elastic_water[...] = self.elastic
        s.water_rate[...] = self.rate
        np.subtract(self.head, self.head_at_start, out=s.head_trend)
        s.head_trend[...] *= self.next_step / self.last_step         # over the next sub-step
        s.next_substep = self.next_step
        self.take_up(s)

    @property
    def rates(self) -> list[Array]:
        """Flows of the step, and the water at its end, which is linear in them."""
        return [*super().rates, self.water, self.refused, self.content, self.elastic, self.head,
                self.head_at_start, self.rate]

    # ---- a step ----

    def solve(self, s: State, drive: Drive, drop: Array, sigma: Array, dt: float) -> None:
        """Solve for the heads at t + dt and the mean flows until then; the state stays at t.

        Arguments as of Flow. Raises ConvergenceError with the worst voxel where sub-steps fail.
        """
        control = self.control
        self.domain.fill(sigma)
        self.stage = drive.stage
        self._osmose(sigma, self.full, s.phi, self.osmotic)
        control.start(drive, drop)
        for array, value in ((self.head, s.head), (self.content, s.water_content),
                             (self.elastic, s.elastic_water), (self.rate, s.water_rate)):
            array[...] = value
        self.next_step, self.mean[...] = s.next_substep, 0.0
        inflow, refused = np.zeros(control.voxel.size), np.zeros(len(control.openings))
        self.iterations = self.substeps = self.cuts = 0
        self.residual, done, self.last_step = 0.0, 0.0, s.next_substep
        self.change[...] = s.head_trend
        self.domain.fill(self.change)
        while done < dt * (1 - 1e-12):
            sub = self._length(dt - done)
            end = s.time + done + sub
            self._guess(sub)
            if not self._substep(sub, end) or self._too_long(sub, dt):
                self._cut(s, sub, dt)
                continue
            self.mean += self.water * (sub / dt)
            inflow += control.inflow * (sub / dt)
            refused += control.refused * (sub / dt)
            self._take_substep(sub)
            self.substeps += 1
            done += sub
        self._finish(s, dt, inflow, refused)

    def _length(self, left):
        """Length of the next sub-step [s], which ends with the step or well before it."""
        sub = min(self.next_step, left)
        return 0.5 * left if sub < left < 1.8 * sub else left if sub > 0.999 * left else sub

    def _guess(self, sub):
        """Begin a sub-step [s] with the head going on as in the last one, `change` over last_step.
        """
        np.subtract(self.head, self.z, out=self.pressure_head)
        self.head_at_start[...] = self.head
        self.change *= sub / self.last_step
        fills = (self.pressure_head < self.fringe) & (self.change > -self.pressure_head)
        drains = (self.pressure_head >= 0.0) & (self.change + self.pressure_head < self.drained)
        lowest = np.minimum(self.pressure_head, DRIEST)
        self.pressure_head += self.change
        np.maximum(self.pressure_head, lowest, out=self.pressure_head)
        self.pressure_head[fills] = 0.0
        np.copyto(self.pressure_head, self.drained, where=drains)
        np.add(self.pressure_head, self.z, out=self.head)

    def _substep(self, sub, end):
        """Find the head at the end of a sub-step [s]; True if the water of every voxel closes."""
        g, bound = self.grid, self.control
        self.anderson.forget()
        tolerance, last = self.elliptic.tolerance, np.inf
        try:
            for n in range(LAST + 1):
                slope = SLOPES[min((n - HARD) // 3, 2)] if n >= HARD else 0.0
                self._flows(sub, end, slope)
                worst = self.domain.max(np.abs(self.source)) * sub / g.voxel_volume
                closed = (CLOSED if n < LATE else SETTLED) * self.ground.tolerance
                if worst <= closed or self._owed_only(worst, closed, sub):
                    self.worst, self.tried = worst / self.scale, n
                    return True
                if n == LAST or not np.isfinite(worst):
                    return False
                self.domain.add_at(self.coupling, bound.voxel, bound.coupling)
                self.elliptic.tolerance = ROUGH if ROUGH * worst > closed else INNER
                self._find_change()
                if worst > last:                   # voxels have become full, or have ceased to be
                    self.anderson.forget()
                last = worst
                if n >= PLAIN and (worst < NEAR or n >= HARD):
                    self.anderson.mix(self.change, self.source)
                self._move()
        except ConvergenceError:
            return False
        finally:
            self.elliptic.tolerance = tolerance
        return False

    def _owed_only(self, worst, closed, sub):
        """True if only voxels that owe water, and have none left, are above `closed` [1].

        What a late iteration has let them lose; it is made good as soon as water comes.
        """
        if worst > SETTLED * self.ground.tolerance:
            return False
        most = closed * self.grid.voxel_volume / sub
        left = self.stored - self.curve[RESIDUAL]
        unsettled = (self.source > most) | ((self.source < -most) & (left > closed))
        return self.domain.count(unsettled[self.grid.inner]) == 0

    def _find_change(self):
        """Set the change of head of an iteration from the residual and the coupling."""
        self.coupling /= self.weight
        self.change[...] = 0.0
        self.elliptic.solve(self.full, self.coupling, self.source, self.change, "head")
        self.change /= self.weight
        self.iterations += self.elliptic.iterations

    def _move(self):
        """Add the change of an iteration to the head."""
        updated = self.missing                                       # scratch
        self.update_heads(self.grid, self.change, self.pressure_head, self.stored, self.capacity,
                          self.relative, self.curve, self.drained, updated)
        np.add(updated, self.z, out=self.head)
        self.domain.fill(self.head)

    def _wet(self, head):
        """Set pressure head, content, capacity and conductivities of all voxels for a head."""
        np.subtract(head, self.z, out=self.pressure_head)
        self.wet_voxels(self.grid, self.pressure_head, self.curve, self.law, self.stored,
                        self.capacity, self.relative, self.relative_slope, self.relative_osmosis)

    def _flows(self, sub, end, slope):
        """Set flows, coupling and the residual `source` [m3/s] at the present head."""
        g, bound = self.grid, self.control
        self._wet(self.head)
        self.domain.fill(self.relative, self.relative_slope, self.relative_osmosis)
        self._wet_faces()
        self.wet_osmosis(g, self.osmotic, self.relative_osmosis, self.full, self.conductance,
                         self.law, self.water)
        self.darcy(g, self.conductance, self.head, self.water)
        self.stored_water(g, self.stored, self.capacity, self.relative, self.steepest, self.head,
                          self.head_at_start, self.content, self.elastic, self.specific_storage,
                          self.curve, slope, sub, self.coupling, self.weight, self.missing)
        self.source_minus_divergence(g, self.head, self.missing, self.water, 0.0, self.source)
        bound.find_flows(self.head, self.relative, self.relative_osmosis, end)
        self.domain.add_at(self.source, bound.voxel, bound.inflow)

    def _wet_faces(self):
        """Set the hydraulic conductance of every face by the water in it [m2/s]."""
        def wet(k, out):
            self.wet_faces(self.grid, self.pressure_head, self.relative, self.relative_slope,
                           self.curve, self.general, k, self.full, out)

        ratio, k = self.rock.along.get("hydraulic_conductivity"), self.rock.hydraulic_conductivity
        if ratio is None:
            wet(k, self.conductance)
            return
        one = self.backend.zeros(self.conductance.shape)
        for axis in range(3):
            wet(ratio[axis] * k, one)
            self.conductance[axis] = one[axis]

    def _gained(self, water, inflow, out):
        """Set `out` to the water that voxels gain by flows across faces and openings [m3/s]."""
        self.missing[...] = 0.0
        self.source_minus_divergence(self.grid, self.head, self.missing, water, 0.0, out)
        self.domain.add_at(out, self.control.voxel, inflow)

    def _too_long(self, sub, dt):
        """True if the rate at which voxels gain water has changed too much in a sub-step.

        error: the mean square of what the change makes in theta [1].
        """
        self._gained(self.water, self.control.inflow, self.source)
        self.source *= 1.0 / self.grid.voxel_volume                  # dW/dt now
        np.subtract(self.source, self.rate, out=self.change)
        self.error = 0.5 * sub * np.sqrt(self.domain.dot(self.change, self.change) / self.voxels)
        return self.error > self.ground.tolerance and sub > FEWEST * dt and self.cuts < 20

    def _cut(self, s, sub, dt):
        """Go back to the start of a sub-step and take a shorter one."""
        self.cuts += 1
        self.head[...] = self.head_at_start
        self.change[...] = 0.0
        self.next_step = CUT * sub
        if self.next_step < SHORTEST * dt:
            raise ConvergenceError(
                f"water: no solution at t = {s.time:g} s, not even for steps of {sub:.2g} s; "
                f"{place_of_failure(self.backend, self.grid, self.pressure_head, self.source)}")

    def _take_substep(self, sub):
        """Add a sub-step to the water of the voxels, and set the length of the next."""
        self.rate[...] = self.source
        np.subtract(self.head, self.head_at_start, out=self.change)
        full = self.curve[SATURATED]
        share = self.stored / np.maximum(full, SMALL)
        self.elastic += self.specific_storage * share * self.change
        self.source *= sub
        self.content += self.source
        grown = GROWTH if self.error <= 0 else min(
            GROWTH, 0.8 * np.sqrt(self.ground.tolerance / self.error))
        if self.tried > EASY:
            grown = min(grown, 1.0 if self.tried <= HARD else 0.7)
        whole = sub > 0.999 * self.next_step            # not cut by the end of the step
        self.next_step = sub * max(grown, CUT) if whole else max(self.next_step, sub * grown)
        self.last_step = sub
        self.residual = max(self.residual, self.worst)

    def _finish(self, s, dt, inflow, refused):
        """Set the mean flows of the step, and the water content that they leave."""
        control = self.control
        self.water[...] = self.mean
        self._gained(self.water, inflow, self.source)
        self.source *= dt / self.grid.voxel_volume
        np.add(s.water_content, self.source, out=self.content)
        self.change[...] = 0.0                   # scratch has zero ghosts
        self.refused = refused
        passing = self.backend.from_numpy(inflow)
        self.wells = [(place, passing[part]) for place, part in zip(
            control.openings, control.parts, strict=True)]
        self._set_outflow()
