"""Simulation: a case bound to a backend, its state, and one step of the whole model.

A step goes one way: potential and water flow at t, transport and catholytes to t + dt, equilibrium
and slow processes at t + dt. The loop of a whole run is in `loop`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.scratch import Scratch
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Drive, Schedule
from ekm3d.boundaries.wells import Wells
from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.chemistry.nonreactive import NonReactive
from ekm3d.diagnostics.balances import Balances
from ekm3d.diagnostics.boundary_values import BoundaryValues
from ekm3d.diagnostics.derived_fields import snapshot, written_fields
from ekm3d.errors import PlanError
from ekm3d.grid.grid import GHOST
from ekm3d.model import carriers, earlier_run, ledgers, loop, memory_estimate
from ekm3d.model.heun import HeunStage
from ekm3d.model.initial_state import fill_reservoirs, neutral_totals, wetted_totals
from ekm3d.model.nonequilibrium import NonEquilibrium
from ekm3d.output.results import Results
from ekm3d.parallel.mpi_domain import domain_of
from ekm3d.parallel.team import ALONE, Alone
from ekm3d.physics.catholyte import Catholytes
from ekm3d.physics.charge_damping import feedback_time, longest_step
from ekm3d.physics.electrolyte import Electrolyte
from ekm3d.physics.flow import Flow
from ekm3d.physics.initial_guess import RepresentativeVoxels
from ekm3d.physics.numerical_options import NumericalOptions
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.potential import Potential
from ekm3d.physics.reactions import Reactions
from ekm3d.physics.richards import Richards, unsaturated_rock
from ekm3d.physics.rock import Rock
from ekm3d.physics.step_limit import cause_of_step
from ekm3d.physics.transport import Transport
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.state import State, counts, has_immobile_field, stores

SAFE = 0.95     # share of the longest step that water which comes and goes is solved for
GROWTH = 1.5    # longest step in units of the one before: charge fed back stays damped
ROCK = ("water_content", "tortuosity", "cec", "cec_slope", "dispersivity",
        "hydraulic_conductivity", "electroosmosis")


class Simulation:
    """A case, its operators bound to a backend, and its state.

    state: of this rank's part of the grid; drive: of the power supply in the present step; dt: its
    length [s]; boundary_values: currents, voltages and water at electrodes and sides; begun: where
    the first contents come from, "" where the case has them; longest: bound on the coming step [s],
    where one has failed; tried: length of the one under way, even if it fails [s].
    """

    def __init__(self, case: Any, backend: str | Backend = "auto", team: Alone = ALONE):
        """case: a Case; backend: "auto", "numpy", "cpp", "cuda", or one that was chosen before;
        team: of `parallel.team.join`.

        BackendError if the backend cannot run, InsufficientMemory if the run would not fit,
        InputError for output.fields that there are not.
        """
        self.case, self.chem, self.backend = case, case.chemistry, choose_backend(backend)
        self.domain = domain_of(case.grid, self.backend, team.comm)
        self.grid, self.physics = self.domain.grid, case.physics
        memory_estimate.require(case.path, self.grid, self.chem, self.backend,
                                case.processes, team.comm)
        self.ore, self.water = (self.domain.local_part(data) for data in (case.ore, case.water))
        self._bind_boundaries()
        self._bind_chemistry()
        self._bind_operators()
        self.state = self._initial_state()
        self.begun = earlier_run.begin_from(self, case.start) if case.start else ""
        self.balances, self.boundary_values = Balances(self), BoundaryValues(self)
        self.heun = HeunStage(self)
        self.drive, self.dt = self.schedule.drive(0.0), 0.0
        self._wanted = self._feedback = case.schedule.fixed_step or case.schedule.max_step
        self._reach = self._wanted
        self.longest, self.tried = np.inf, 0.0
        written_fields(self)                    # refuses names that are no fields

    # ---- set-up ----

    def _bind_boundaries(self) -> None:
        """Electrodes, open sides, wells and the schedule, on the whole grid."""
        case, chem, whole, el = self.case, self.chem, self.case.grid, self.case.electrodes
        self.electrodes = Electrodes(whole, el.rows, el.overpotential, case.active, el.tafel, *map(
            case.ore.along.get, ("tortuosity", "hydraulic_conductivity")))
        self.contacts = BoundaryFaces(whole, self.electrodes, case.sides, [
            neutral_totals(chem, side.component_flux) for side in case.sides])
        feeds, *stage_feeds = (np.array([neutral_totals(chem, well.composition if well else {})
                                         for well in wells])
                               for wells in (case.openings, *case.stage_openings))
        self.wells = Wells(whole, case.openings, self.contacts, feeds,
                           [case.stage_openings[n] for n in case.schedule.sequence],
                           [stage_feeds[n] for n in case.schedule.sequence])
        self.schedule = Schedule(case.schedule.run_stages, case.schedule.pulses == "averaged")
        self.holds_ore = self.domain.local_view(self.electrodes.ore)

    def _bind_chemistry(self) -> None:
        """Rock, and all that is in equilibrium or reacts at a rate."""
        case, chem, domain, el = self.case, self.chem, self.domain, self.case.electrodes
        self.voxels = OreVoxels(self.grid, self.holds_ore, self.backend, domain)
        self.nonequilibrium = NonEquilibrium(self.voxels, chem, case.rates, case.response,
                                             self.ore.porosity)
        self.rock = self.nonequilibrium.divide(self._rock())
        self.rock.fill_ghosts(domain)
        self.engine = (EquilibriumSolver(chem, backend=self.backend) if self.physics.chemistry
                       else NonReactive(chem, self.backend))
        self.reactions = Reactions(
            self.voxels, chem, self.nonequilibrium.fast_solver(self.engine), self.rock,
            self.physics.skip, RepresentativeVoxels(domain, self.electrodes.ore))
        self.catholytes = Catholytes(chem, self.engine, self.electrodes.volume, el.plate_capture,
                                     el.deposition_of(chem.minerals), el.air, el.conditioning,
                                     el.plate_film)

    def _bind_operators(self) -> None:
        """Potential, flow, transport and the electrolyte's properties."""
        plan, bound = self.case.schedule, (self.grid, self.backend, self.domain)
        options = NumericalOptions(
            overpotential=self.electrodes.overpotential, tolerance=plan.tolerance, cfl=plan.cfl,
            blend=float(self.physics.scheme == "blended"), sweeps=plan.order,
            conductivity=self.padded(self.ore.electric_conductivity),
            source=self.padded(self.ore.current_source),
            inverse_temperature=self.chem.inverse_temperature)
        self.scratch = Scratch(self.grid, self.backend)
        elliptic = EllipticSolver(*bound, plan.tolerance, scratch=self.scratch)
        still, clay = carriers.in_immobile_water(self), carriers.along_the_clay(self)
        self.potential = Potential(*bound, self.chem, self.contacts, options, elliptic,
                                   still is not None, self.rock.along.get("tortuosity"), clay)
        self.potential.boundary.half_voxels.along = self.rock.across(
            "tortuosity", self.domain, self.contacts.faces)
        of_water = (*bound, self.rock, self.contacts, self.wells, plan.tolerance)
        self.flow = Flow(*of_water, elliptic) if self.ore.retention is None else Richards(
            *of_water, unsaturated_rock(self.ore.retention, self.padded), elliptic)
        self.transport = Transport(*bound, self.chem, self.rock, self.contacts, self.wells, options,
                                   self.scratch, still, carriers.across_the_flow(self))
        self.electrolyte = Electrolyte(*bound, self.chem, self.rock, options.conductivity,
                                       self.scratch, options.inverse_temperature, clay)
        self.storing = self.physics.flow and self.flow.storing
        self.wetting = self.physics.flow and self.ore.retention is not None

    def padded(self, values: Any) -> Any:
        """Property of the ore with ghosts, zero in these and inside electrodes; None stays."""
        if values is None:
            return None
        values = np.where(self.holds_ore, values, 0.0)
        return self.backend.from_numpy(
            np.pad(values, [(0, 0)] * (values.ndim - 3) + [(GHOST, GHOST)] * 3))

    def _rock(self) -> Rock:
        """Rock of the case as padded arrays, before slow parts are taken out."""
        ore = self.ore
        return Rock(**{name: self.padded(getattr(ore, name)) for name in ROCK},
                    storage=self.padded(ore.storage),
                    along={name: self.padded(ratio) for name, ratio in ore.along.items()},
                    reference_pH=ore.reference_pH if ore.cec.ndim == 3 else np.reshape(
                        ore.reference_pH, (-1, 1)))

    def _initial_state(self) -> State:
        """State at t = 0: ore wetted and in equilibrium, tanks and reservoirs filled."""
        case, chem = self.case, self.chem
        s = State(self.grid, self.backend, counts(chem), self.electrodes.strips, len(case.sides),
                  case.processes)
        totals, kinetic = wetted_totals(chem, self.ore, self.water, case.rates.laws,
                                        keep_acidity=not self.physics.potential)
        for k, total in enumerate(totals):
            s.totals[k] = self.padded(total)
        for m, amount in kinetic.items():
            s.kinetic_minerals[m] = self.padded(amount)
        if self.ore.retention is not None:
            immobile = self.nonequilibrium.immobile(self.padded(self.ore.water_content))
            self.flow.start(s, self.padded(self.ore.retention.pressure_head), immobile)
            self.transport.update_rock()
        fill_reservoirs(s, chem, self.engine, self.electrodes, case.water.composition, case.sides)
        self.nonequilibrium.start(s, self.rock, self.reactions, self._update_rock,
                                  self.flow.of_full_pores)
        self.catholytes.start(s)
        s.gas_uptake[...] = 0.0              # uptake before t = 0 belongs to the start
        return s

    def _update_rock(self) -> None:
        """Have the operators take up a change of the rock's arrays."""
        self.flow.update_rock()
        self.transport.update_rock()

    # ---- one step ----

    def fields(self) -> Drive:
        """Solve for potential and water flow of the present state; return the Drive.

        With storage the head belongs to the step and is left as the last one found it.
        """
        s, physics = self.state, self.physics
        self.drive = self.schedule.drive(s.time)
        if not physics.potential:
            self.drive = replace(self.drive, voltage=0.0, current=None, supplies=())
        self.electrolyte.update(s, self._wanted if self.case.schedule.order == 1 else 0.0)
        self.domain.fill(s.c, s.transport_factor, s.pore_turnover, s.phi)
        if has_immobile_field(s):
            self.domain.fill(s.immobile_c, s.immobile_factor, s.immobile_turnover)
        if self.potential.clay is not None:
            self.domain.fill(*stores(s, "exchanged", "immobile_exchanged"))
        if physics.potential:
            self.potential.solve(s, self.drive, self._feedback)
        else:
            self.potential.set_drive(self.drive)
        if physics.flow and not self.storing:
            self._solve_flow(s, self._wanted)
        return self.drive

    def _solve_flow(self, s: State, dt: float) -> None:
        self.flow.solve(s, self.drive, self.potential.boundary.drop, self.electrolyte.sigma, dt)

    def _wet(self, s: State) -> None:
        """Take over the water content at the end of the step, where it changes."""
        if self.wetting:
            self.flow.advance(s)
            self.transport.update_rock()

    def step(self, until: float | None = None) -> float:
        """Advance by one step, at most to the time `until` [s]; return dt [s].

        ConvergenceError where a solver fails, PlanError where a fixed step is too long.
        """
        s, plan = self.state, self.case.schedule
        marks = () if until is None else (until,)
        if not self.physics.transport:
            self._wanted = self._feedback = self.schedule.clip(
                min(plan.fixed_step or plan.max_step, self.longest), s.time, *marks)
        self._wanted, self._feedback = (min(dt, self.longest)
                                        for dt in (self._wanted, self._feedback))
        self.tried = min(GROWTH * self._wanted, plan.max_step)
        self.fields()                                                    # phi, water    at t
        if self.storing and not (self.wetting and self.physics.transport):
            self._solve_flow(s, self._wanted)                            # head          at t + dt
        if self.physics.transport:
            self.dt = self._rates(marks)
        else:
            self.dt = self._wanted
        self.tried = dt = self.dt
        if self.physics.transport:
            if plan.order == 2:
                self.heun.correct(dt)                                    # mean rates over dt
            self.balances.before(dt)
            self.move(dt, again=plan.order == 2)                         # totals, ore   at t + dt
            self.nonequilibrium.advance(s, dt)                           # slow parts    at t + dt
        elif self.physics.flow:
            self._wet(s)                                                 # water         at t + dt
            ledgers.advance_water(self, s, dt)
            self.balances.without_transport(dt)
        if self.wetting:
            s.water_substeps += self.flow.substeps
        s.time, s.step = s.time + dt, s.step + 1
        self.balances.after()
        return dt

    def _rates(self, marks: tuple[float, ...]) -> float:
        """Compute the rates of the step; return its length [s], at most to the next mark.

        Water that comes and goes is solved for over the step first: where its flow does not allow
        that step, it is solved again over a shorter one.
        """
        s = self.state
        tried = min(self._reach, self.longest) if self.wetting else np.inf
        while True:
            if self.wetting:
                tried = self.schedule.clip(tried, s.time, *marks)
                self._solve_flow(s, tried)                               # head          at t + dt
            limit = self.transport.prepare(s, self.potential, self.flow)
            wanted = self._length(limit)
            if not self.wetting or tried <= wanted * (1 + 1e-9):
                break
            tried = SAFE * wanted
        self._wanted, self._feedback = wanted, feedback_time(wanted, self.transport.stirring)
        self._reach = wanted if self.case.schedule.fixed_step else SAFE * wanted
        return tried if self.wetting else self.schedule.clip(wanted, s.time, *marks)

    def move(self, dt: float, again: bool = False) -> None:
        """Transport and react by the rates of this step; again: its second stage."""
        s = self.state
        self.transport.advance(s, dt)                                    # totals        to t + dt
        self._wet(s)                                                     # water content at t + dt
        ledgers.advance(self, s, dt)                                     # tanks         to t + dt
        self.reactions.advance(s, 0.0 if again else dt)                  # ore           at t + dt
        self.nonequilibrium.equilibrate(s)                               # immobile      at t + dt

    def _length(self, limit: float) -> float:
        """Length of the next step [s], before switches and marks cut it."""
        fixed = self.case.schedule.fixed_step
        if fixed is None:
            stage = self.schedule.stages[self.drive.stage]
            if limit < self.case.schedule.least_step * stage.duration:
                raise PlanError(
                    f"at t = {self.state.time:g} s a step may take no more than {limit:.3g} s: "
                    f"{cause_of_step(self.transport)}; stage {stage.name!r} would need "
                    f"{stage.duration / limit:,.0f} of them; lower the voltage or current, give "
                    "a current a limit, or allow such steps by schedule.least_step")
            return min(limit, self.charge_limit(), self.case.schedule.max_step,
                       GROWTH * self._wanted, self.longest)
        if fixed > limit * (1 + 1e-9) / self.case.schedule.cfl:
            raise PlanError(
                f"schedule.fixed_step = {fixed:g} s is longer than the "
                f"{limit / self.case.schedule.cfl:.3g} s that keep every species "
                f"positive at t = {self.state.time:g} s; choose a shorter one")
        return fixed

    def charge_limit(self) -> float:
        """Longest step [s] by the rates that are prepared in which no net charge grows."""
        return longest_step(self._feedback, self.transport.stirring) if self.physics.potential \
            else np.inf

    # ---- from Python ----

    def steps(self, until: float | None = None) -> Iterator[Self]:
        """Advance step by step to the time `until` [s], by default the end; yield self after each.

        Between two steps the supply may be changed (`set_supply`), and everything looked at.
        ConvergenceError as `step`.
        """
        end = self.schedule.end if until is None else min(until, self.schedule.end)
        while self.state.time < end - self.schedule.slack:
            self.step(end)
            yield self

    def set_supply(self, voltage: float | None = None, current: float | None = None) -> None:
        """Have the supply of the present stage give a voltage [V] or a current [A] from now on.

        ValueError unless exactly one is given, finite and not negative, and the stage has no
        [[supply]]. A run that was changed
        so is not the one of its case: `run` and `ekm3d resume` know nothing of it.
        """
        given = [value for value in (voltage, current) if value is not None]
        if len(given) != 1 or not 0.0 <= given[0] < np.inf:
            raise ValueError(f"a voltage or a current of 0 or more is needed, not "
                             f"voltage={voltage}, current={current}")
        if self.schedule.drive(self.state.time).supplies:
            raise ValueError("the present stage has supplies of its own, which cannot be changed")
        self.schedule.change(self.state.time, voltage=voltage or 0.0, current=current)
        self.drive = self.schedule.drive(self.state.time)

    def field(self, name: str) -> np.ndarray:
        """Return a field of a snapshot now, (nz, ny, nx[, 3]); KeyError with the names for others.

        Potential and flows are those of the last step, or of `fields()` after it.
        """
        for label, values in snapshot(self):
            if label == name:
                return self.backend.to_numpy(values)
        raise KeyError(f"no field {name!r}; there are {', '.join(n for n, _ in snapshot(self))}")

    # ---- a whole run ----

    def run(self, out: str | Path | None = None, force: bool = False, quiet: bool = False,
            profile: bool = False, control: loop.Control | None = None) -> Results:
        """Run to the end, write the results into `out` (case directory/out) and return them.

        force: replace a finished run; quiet: no progress; profile: print the messages between
        ranks, which the log has in any case; control: checkpoints, resumption, interruption.
        """
        return loop.run(self, out or Path(self.case.path) / "out", force, quiet, profile, control)
