"""The whole model: one step, and a run from a case's first to its last second."""

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from threadpoolctl import threadpool_limits

from ekm3d.backends.choose import choose_backend
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Schedule
from ekm3d.boundaries.wells import Wells
from ekm3d.chemistry.equilibrium import EquilibriumSolver, acidity_from_neutrality
from ekm3d.chemistry.nonreactive import NonReactive
from ekm3d.diagnostics.balances import Balances
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import GHOST
from ekm3d.model import memory_estimate
from ekm3d.model.heun import HeunStage
from ekm3d.model.nonequilibrium import NonEquilibrium
from ekm3d.output.progress import Progress
from ekm3d.output.results import open_results
from ekm3d.output.run_directory import open_outputs
from ekm3d.parallel.communication_stats import CommunicationStats
from ekm3d.parallel.domain import domain_of
from ekm3d.parallel.team import ALONE
from ekm3d.physics.catholyte import Catholytes
from ekm3d.physics.electrolyte import Electrolyte
from ekm3d.physics.flow import Flow
from ekm3d.physics.initial_guess import RepresentativeVoxels
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.potential import Potential
from ekm3d.physics.reactions import Reactions
from ekm3d.physics.transport import Transport
from ekm3d.state import State, counts

GROWTH = 1.5    # longest step in units of the one before: charge fed back stays damped
ROCK = {"water_content": "water_content", "tortuosity": "tortuosity", "cec": "cec",
        "cec_slope": "cec_slope", "dispersivity": "dispersivity",
        "conductivity": "hydraulic_conductivity", "electroosmosis": "electroosmosis"}


def neutral(chem, amounts, fixed=0.0, given=False):
    """Component totals (K, ...) from a dict of amounts, acidity closing the charge.

    sum_k z_k T_k = fixed, the charge that the cation exchanger holds. given: where the amounts
    list H+, its digits are kept (which neutrality of the others may not reach in pure water).
    """
    amounts = {name: np.asarray(value, dtype=float) for name, value in amounts.items()}
    shape = np.broadcast_shapes(np.shape(fixed), *(a.shape for a in amounts.values()))
    total = np.zeros((len(chem.components), *shape))
    for name, value in amounts.items():
        total[chem.index(name)] += value
    listed = chem.hydrogen is not None and chem.components[chem.hydrogen] in amounts
    if chem.hydrogen is not None and not (given and listed):
        total[chem.hydrogen] = acidity_from_neutrality(chem, total, fixed)
    return total


class Simulation:
    """A case, its operators bound to a backend, and its state."""

    def __init__(self, case, backend="auto", team=ALONE):
        self.case, self.chem, self.backend = case, case.chemistry, choose_backend(backend)
        self.domain = domain_of(case.grid, self.backend, team.comm)
        self.grid, whole = self.domain.grid, case.grid
        self.ore, self.water = (self.domain.local_part(data) for data in (case.ore, case.water))
        memory_estimate.require(case.path, self.grid, self.chem, self.backend, case.rates.any)
        grid, chem, backend, domain = self.grid, self.chem, self.backend, self.domain
        el, plan, self.physics = case.electrodes, case.schedule, case.physics
        self.electrodes = Electrodes(whole, el.rows, el.overpotential)
        self.contacts = BoundaryFaces(whole, self.electrodes, case.sides,
                                 [neutral(chem, side.component_flux) for side in case.sides])
        self.schedule = Schedule(plan.stages, plan.pulses == "averaged")
        self.holds_ore = domain.local_view(self.electrodes.ore)
        self.rock = self._rock(self.ore)
        self.voxels = OreVoxels(grid, self.holds_ore, backend, domain)
        self.nonequilibrium = NonEquilibrium(self)
        self.engine = (EquilibriumSolver(chem, backend=backend) if self.physics.chemistry
                       else NonReactive(chem, backend))
        self.reactions = Reactions(self.voxels, chem, self.nonequilibrium.engine(self.engine), self.rock,
                                   self.physics.skip, RepresentativeVoxels(domain, self.electrodes.ore))
        self.catholytes = Catholytes(chem, self.engine, self.electrodes.volume,
                                 el.plate_capture, el.deposition)
        feeds = np.array([neutral(chem, well.composition) for well in case.wells])
        self.wells = Wells(whole, case.wells, self.contacts, feeds)
        options = SimpleNamespace(
            overpotential=el.overpotential, tolerance=plan.tolerance, cfl=plan.cfl,
            blend=float(self.physics.scheme == "blended"), sweeps=plan.order,
            conductivity=self._padded(self.ore.electric_conductivity),
            source=self._padded(self.ore.current_source))
        self.potential = Potential(grid, backend, domain, chem, self.contacts, options)
        self.flow = Flow(grid, backend, domain, self.rock, self.contacts, self.wells,
                         plan.tolerance)
        self.transport = Transport(grid, backend, domain, chem, self.rock, self.contacts,
                                   self.wells, options)
        self.electrolyte = Electrolyte(grid, backend, domain, chem, self.rock,
                                       options.conductivity)
        self.storing = self.physics.flow and self.flow.storing
        self.state = self._initial()
        self.balances = Balances(self)
        self.heun = HeunStage(self)
        self.drive, self.dt = self.schedule.drive(0.0), 0.0
        self._wanted = plan.fixed_step or plan.max_step

    def _padded(self, values):
        """A property of the ore with ghosts, zero in these and inside electrodes; None stays."""
        if values is None:
            return None
        values = np.where(self.holds_ore, values, 0.0)
        return self.backend.from_numpy(
            np.pad(values, [(0, 0)] * (values.ndim - 3) + [(GHOST, GHOST)] * 3))

    def _rock(self, ore):
        """Rock properties as padded arrays."""
        rock = {name: self._padded(getattr(ore, source)) for name, source in ROCK.items()}
        rock["storage"] = self._padded(0.0 if ore.storage is None else ore.storage)
        rock["reference_pH"] = ore.reference_pH if ore.cec.ndim == 3 else np.reshape(
            ore.reference_pH, (-1, 1))
        return rock

    def _initial(self):
        """Ore wetted and in equilibrium, tanks filled with the pore water before prewetting."""
        case, chem, ore = self.case, self.chem, self.ore
        s = State(self.grid, self.backend, counts(chem), self.electrodes.strips, len(case.sides))
        amounts = {name: np.array(value) for name, value in ore.exchangeable.items()}
        for name, value in self.water.composition.items():
            amounts[name] = amounts.get(name, 0.0) + value * ore.water_content
        for name, value in self.water.prewetting.items():
            amounts[name] = amounts.get(name, 0.0) + value * ore.density
        total = neutral(chem, amounts, ore.fixed_charge, given=not self.physics.potential)
        for name, value in ore.minerals.items():
            m = chem.minerals.index(name)
            if name in case.rates.laws:
                s.kinetic_minerals[m] = self._padded(value)
            else:
                total += np.multiply.outer(chem.nu_m[m], value)
        s.totals[...] = self._padded(total)
        pore = {name: np.mean(value) for name, value in case.water.composition.items()}
        s.catholyte_totals[...] = self.electrodes.volume[:, None] * neutral(chem, pore)
        for n, side in enumerate(case.sides):
            if side.composition is not None:
                water = neutral(chem, side.composition)[:, None]
                found = self.engine.solve_numpy(water, np.ones(1))
                s.reservoir_species[:, self.electrodes.strips + n] = found.c[:, 0]
        self.nonequilibrium.start(s)
        self.catholytes.start(s)
        s.gas_uptake[...] = 0.0              # what the air gave before belongs to the start
        return s

    def fields(self):
        """Potential and water flow from the state as it is; returns the Drive.

        With storage the head belongs to the step and is left as the last one found it.
        """
        s, physics = self.state, self.physics
        self.drive = self.schedule.drive(s.time)
        if not physics.potential:
            self.drive = replace(self.drive, voltage=0.0, current=None)
        self.electrolyte.update(s, self._wanted if self.case.schedule.order == 1 else 0.0)
        self.domain.fill(s.c, s.transport_factor, s.pore_turnover, s.phi)
        if physics.potential:
            self.potential.solve(s, self.drive, self._wanted)
        else:
            self.potential.boundary.start(self.drive)
        if physics.flow and not self.storing:
            self._solve_flow(s)
        return self.drive

    def _solve_flow(self, s):
        self.flow.solve(s, self.drive, self.potential.drop, self.electrolyte.sigma, self._wanted)

    def step(self, until=None):
        """Advance by one step, at most to the time `until` [s]; returns dt [s]."""
        s, plan = self.state, self.case.schedule
        marks = () if until is None else (until,)
        if not self.physics.transport:
            self._wanted = self.schedule.clip(plan.fixed_step or plan.max_step, s.time, *marks)
        self.fields()                                                    # phi, water    at t
        if self.storing:
            self._solve_flow(s)                                          # head          at t + dt
        if self.physics.transport:
            limit = self.transport.prepare(s, self.potential, self.flow)
            self._wanted = self._length(limit)
        self.dt = dt = self.schedule.clip(self._wanted, s.time, *marks)
        if self.physics.transport:
            if plan.order == 2:
                self.heun.correct(dt)                               # mean rates over dt
            self.balances.before(dt)
            self.move(dt, again=plan.order == 2)                         # totals, ore   at t + dt
            self.nonequilibrium.advance(s, dt)                                     # slow parts    at t + dt
        s.time, s.step = s.time + dt, s.step + 1
        self.balances.after()
        return dt

    def move(self, dt, again=False):
        """Everything that moves and reacts, by the rates of this step; again: its second stage."""
        s = self.state
        self.transport.advance(s, dt)                                    # totals        to t + dt
        self._account(s, dt)                                             # tanks         to t + dt
        self.reactions.advance(s, 0.0 if again else dt)                  # ore           at t + dt

    def _length(self, limit):
        """Length of the next step [s], before switches and marks cut it."""
        fixed = self.case.schedule.fixed_step
        if fixed is None:
            return min(limit, self.case.schedule.max_step, GROWTH * self._wanted)
        if fixed > limit * (1 + 1e-9) / self.case.schedule.cfl:
            raise ConvergenceError(f"schedule.fixed_step = {fixed:g} s is longer than the "
                               f"{limit / self.case.schedule.cfl:.3g} s that keep every species "
                               f"positive at t = {self.state.time:g} s; choose a shorter one")
        return fixed

    def _account(self, s, dt):
        """Tanks, plates, leachate and the water that went through wells, from t to t + dt."""
        el = self.electrodes
        drained = self.contacts.per_place(self.flow.out)[:el.strips]
        collected = np.zeros(el.strips, bool)
        for (place, inflow), well, moved in zip(self.flow.wells, self.wells.wells,
                                                self.transport.wells_in):
            s.injected_volume += inflow[inflow > 0].sum() * dt
            out = -inflow[inflow < 0].sum() * dt
            if well.kind == "collector":
                collected[self.contacts.faces.strip[place.face[place.face >= 0]]] = True
                s.leachate -= moved * dt
                s.leachate_volume += out
            elif well.kind == "drain":
                s.drained -= moved * dt
                s.drained_volume += out
            else:
                s.injected += moved * dt
                s.drained_volume += out
        s.injected += self.transport.side.sum(0) * dt
        s.electrode_acid += self.transport.acid * dt
        current = -np.minimum(self.contacts.per_place(self.potential.into_ore)[:el.strips], 0.0)
        self.catholytes.advance(s, dt, drained, collected, current)

    def row_currents(self):
        """Mean current from every row into the ore during the step [A]."""
        return self.electrodes.per_row(self.strip_currents())

    def strip_currents(self):
        """The same of every electrode of the rows, in their order."""
        return self.contacts.per_place(self.potential.into_ore)[:self.electrodes.strips]

    def side_currents(self):
        """{face: current into the block through that side now [A]}."""
        place = self.contacts.per_place(self.potential.into_ore)[self.electrodes.strips:]
        return {side.face: current for side, current in zip(self.case.sides, place)}

    def side_potentials(self):
        """{face: mean potential of what lies behind that side [V]}."""
        t, faces = self.potential.boundary, self.contacts.faces
        at_ore = self.domain.gather(self.state.phi, faces.voxel)
        behind = at_ore - t.drop
        return {side.face: float(behind[self.contacts.of_side(n)].mean())
                for n, side in enumerate(self.case.sides)}

    def side_water(self):
        """{face: water into the block through that side now [m3/s]}."""
        place = self.contacts.per_place(self.flow.out)[self.electrodes.strips:]
        return {side.face: -water for side, water in zip(self.case.sides, place)}

    @property
    def side_flux(self):
        """mol/s of every component into the block through each side; (sides, components)."""
        return self.transport.side

    @property
    def terminal_voltage(self):
        """Voltage at the supply's terminals now, while it is on [V]."""
        anodes = self.contacts.of_rows(self.drive.anodes)
        if not self.drive.on or not anodes.size:
            return 0.0
        level = self.potential.boundary.level[anodes[0]]
        return float(level / self.drive.duty + self.electrodes.overpotential)

    def run(self, out=None, force=False, quiet=False, profile=False):
        """Run to the end, write the results into `out` (case directory/out) and return them.

        profile: print what the processes sent one another, which the log has in any case.
        """
        begun, s, plan = time.monotonic(), self.state, self.case.output
        outputs = open_outputs(self, out or Path(self.case.path) / "out", force)
        monitor = TimeSeries(self)
        snapshots, series = Interval(plan.snapshot_every), Interval(plan.series_every)
        try:
            with threadpool_limits(1, "blas"), Progress(self.schedule.end, quiet) as progress:
                self.fields()
                traffic = CommunicationStats(self.domain)
                monitor.record(0.0)
                outputs.series(monitor.row())
                outputs.snapshot()
                while s.time < self.schedule.end - self.schedule.slack:
                    dt = self.step(min(snapshots.next, series.next))
                    monitor.record(dt)
                    last = s.time >= self.schedule.end - self.schedule.slack
                    if series.due(s.time, last):
                        outputs.series(monitor.row())
                        outputs.status("running")
                    if snapshots.due(s.time, last):
                        self.fields()                     # phi and water of the same moment
                        outputs.snapshot()
                    progress.update(s.time, s.step, f"dt {dt:6.0f} s")
            sent = traffic.text(s.step)
            outputs.finish(monitor.summary(time.monotonic() - begun),
                           f"{self.reactions.report()}\n{sent}")
            if profile:
                print(sent)
        except BaseException as error:
            outputs.failed(error)
            raise
        return open_results(outputs.path)


class Interval:
    """Tells when something that happens every so many seconds is due."""

    def __init__(self, every):
        self.every, self.count, self.next = every, 1, every

    def due(self, now, last):
        """True if the time has come, or if this is the last chance."""
        if now < self.next * (1 - 1e-12) and not last:
            return False
        while self.next <= now * (1 + 1e-12):
            self.count += 1
            self.next = self.count * self.every
        return True
