"""Time series of a run, by equations (1) to (3) and (5) of Wang et al. (2022).

    Q = C V / m                     (1)  amount per kg of dry ore            [mg/kg]
    Q_t = int C Q_w dt / m          (2)  cumulative, in the leachate          [mg/kg]
    recovery = Q_total / T_ion      (3)  leachate and plate over what was there and was fed
    energy = int U I dt             (5)

(2) as printed lacks the division by m. T_ion of (3) counts, beside the ore's initial content, that
of the tanks as filled and what wells, sides and gases brought, which is nothing for REE as a rule.
Electric values are those at the terminals while the power is on, and at sides; with averaged
pulses the mean current is that times the duty. What is undefined (a share of nothing) or unknown
is None.
"""

import numpy as np

from ekm3d.constants import HOUR, KWH
from ekm3d.diagnostics.budget_columns import budget_columns
from ekm3d.diagnostics.derived_fields import MG, exchangeable_mg_per_kg
from ekm3d.diagnostics.inventory import by_phase
from ekm3d.diagnostics.run_view import RunView
from ekm3d.diagnostics.sampling import Sample, voxels_at
from ekm3d.diagnostics.well_heads import well_heads
from ekm3d.grid.grid import GHOST
from ekm3d.physics.catholyte import sum_over_strips


class TimeSeries:
    """Charge, energy and currents of a run so far, and the rows of series.csv.

    mass: kg of dry ore; volume: m3 of ore; initial, exchangeable: mol of every component in the
    ore at t = 0, in all phases and without minerals; currents: (stage, A) of the first and the last
    driven step of every stage.
    """

    def __init__(self, run: RunView):
        self.run = run
        self.mass = float((run.case.ore.density * run.electrodes.ore).sum() * run.grid.voxel_volume)
        self.volume = float(run.electrodes.ore.sum() * run.grid.voxel_volume)
        self.sample = Sample(run, [p.position for p in run.case.sampling])
        self.probes = voxels_at(run, [p.position for p in run.case.probes])
        water, clay, solid = by_phase(run)
        self.initial, self.exchangeable = water + clay + solid, water + clay          # mol
        self.in_tanks = sum_over_strips(run.state.catholyte_totals)     # mol, as filled
        self.initial_ree = self.exchangeable_ree()
        self.charge = self.energy = 0.0                     # C, J
        self.power = self.voltage = 0.0                     # W, V at the terminals while on
        self.current = np.zeros(len(run.electrodes.rows))   # A, while on
        self.strips = np.zeros(run.electrodes.strips)       # A of every electrode, while on
        self.supplies: dict[str, tuple[float, float]] = {}     # V and A of each while on
        self.supply_names = tuple(dict.fromkeys(
            supply.name for stage in run.case.schedule.stages for supply in stage.supplies))
        self.currents: list[tuple[int, float]] = []
        groups = run.chem.groups
        names = groups if "ammonium" in groups else run.chem.labels
        self.nitrogen = next((k for k, name in enumerate(names) if name in ("ammonium", "NH4")),
                             None)                          # number of the component
        self.in_ore = np.pad(run.electrodes.ore, GHOST).ravel()[self.probes]

    def exchangeable_ree(self) -> np.ndarray:
        """Ion-exchangeable REE of every voxel now [mg/kg]; (nz, ny, nx)."""
        return self.run.backend.to_numpy(exchangeable_mg_per_kg(self.run, "REE"))

    def record(self, dt: float) -> None:
        """Add a step of length dt [s] that has just been taken."""
        drive, values = self.run.drive, self.run.boundary_values
        mean = values.row_currents()
        into = mean[mean > 0].sum()
        self.charge += into * dt
        self.voltage = drive.voltage if drive.current is None else values.terminal_voltage
        supplied = self.voltage * into
        if drive.supplies:
            self.voltage, supplied = values.terminal_voltage, values.supply_power
        self.supplies = values.supplies
        self.power = supplied + values.side_power
        self.energy += self.power * dt
        if drive.on:
            self.current = mean / drive.duty
            self.strips = values.strip_currents() / drive.duty
            self._note((drive.stage, self.current[self.current > 0].sum()))

    def _note(self, current: tuple[int, float]) -> None:
        """Keep the first and the last current of a stage: a run may have millions of steps."""
        if [stage for stage, _ in self.currents[-2:]] == [current[0]] * 2:
            self.currents.pop()
        self.currents.append(current)

    def collected(self) -> tuple[np.ndarray, np.ndarray]:
        """Amount of every component recovered, in the leachate and on the plates [mol]."""
        s = self.run.state
        return s.leachate, sum_over_strips(s.plate_totals)

    def available(self) -> np.ndarray:
        """Amount of every component that there was at the start, and was fed since [mol]."""
        return self.initial + self.in_tanks + self.run.balances.budget.fed

    def group(self, moles: np.ndarray, name: str) -> float | None:
        """Mass of a group of components per mass of dry ore [mg/kg]; None without such components.

        moles: of all components.
        """
        chem = self.run.chem
        members = [k for k, g in enumerate(chem.groups) if g == name]
        if not members:
            return None
        return MG / self.mass * sum(moles[k] * chem.molar_mass[k] for k in members)

    def share(self, part: np.ndarray, whole: np.ndarray) -> float | None:
        """Ratio part / whole of REE by mass, None where there was none."""
        return quotient(self.group(part, "REE"), self.group(whole, "REE"))

    def ammonium(self, water: np.ndarray, clay: np.ndarray) -> tuple:
        """Amounts of NH4 (added, in pore water, on clay, out) [mol]; None in a system without.

        water, clay: mol of every component.
        """
        k = self.nitrogen
        if k is None:
            return None, None, None, None
        s, budget = self.run.state, self.run.balances.budget
        out = (s.leachate[k] + budget.lost[k] + s.plate_totals[k].sum()
               + s.catholyte_totals[k].sum() - self.in_tanks[k])
        return self.initial[k] + budget.fed[k], water[k], clay[k], out

    def known_pH(self, pH: float | None) -> float | None:
        """Return a pH; None in a system without H+, or where it is not a number."""
        if pH is None or self.run.chem.hydrogen is None or not np.isfinite(pH):
            return None
        return float(pH)

    def row(self) -> dict[str, float | None]:
        """Row of the series now, {name[unit]: value or None}; the names stay the same."""
        run, s, available = self.run, self.run.state, self.available()
        water, clay, solid = by_phase(run)
        leachate, plate = self.collected()
        drive = run.drive
        row: dict[str, float | None] = {
            "time[h]": s.time / HOUR, "step[1]": s.step, "dt[s]": run.dt,
            "voltage[V]": self.voltage if drive.on else 0.0, "duty[1]": drive.duty}
        for name, value in zip(run.electrodes.rows, self.current * drive.on, strict=True):
            row[f"current_{name}[A]"] = value
        for name, value in zip(run.electrodes.names, self.strips * drive.on, strict=True):
            row[f"current_{name}[A]"] = value
        for name in self.supply_names:
            volts, amperes = self.supplies.get(name, (0.0, 0.0))
            row[f"supply_{name}_voltage[V]"], row[f"supply_{name}_current[A]"] = volts, amperes
        row |= {"power[W]": self.power, "energy[kWh]": self.energy / KWH, "charge[C]": self.charge,
                "leachate[L]": 1e3 * s.leachate_volume, "water_fed[L]": 1e3 * s.injected_volume,
                "water_lost[L]": 1e3 * s.drained_volume,
                "recovery_REE[1]": self.share(leachate + plate, available),
                "REE_in_leachate[mg/kg]": self.group(leachate, "REE"),
                "REE_on_plate[mg/kg]": self.group(plate, "REE"),
                "impurities_in_leachate[mg/kg]": self.group(leachate, "impurity"),
                "impurities_on_plate[mg/kg]": self.group(plate, "impurity")}
        now = water + clay
        row["removal_REE[1]"] = less(self.share(now, self.exchangeable))
        for k, label in enumerate(run.chem.labels):
            if k != run.chem.hydrogen:
                row[f"recovery_{label}[1]"] = quotient((leachate + plate)[k], available[k])
                row[f"leachate_{label}[mol]"], row[f"plate_{label}[mol]"] = leachate[k], plate[k]
                row[f"removal_{label}[1]"] = less(quotient(now[k], self.exchangeable[k]))
        for name, value in zip(("added", "in_pore_water", "on_clay", "out"),
                               self.ammonium(water, clay), strict=True):
            row[f"NH4_{name}[mol]"] = value
        for probe, pH, in_ore in zip(run.case.probes, run.domain.gather(s.pH, self.probes),
                                     self.in_ore, strict=True):
            row[f"pH_{probe.name}[1]"] = self.known_pH(pH) if in_ore else None
        for r, name in enumerate(run.electrodes.rows):
            row[f"acid_{name}[mol]"] = s.electrode_acid[run.electrodes.strip_row == r].sum()
            tanks = (run.electrodes.strip_row == r) & (run.electrodes.volume > 0)
            row[f"pH_catholyte_{name}[1]"] = (self.known_pH(s.catholyte_pH[tanks].mean())
                                              if tanks.any() else None)
        row |= budget_columns(run, water + clay + solid)
        row |= {f"well_{name}_head[m]": head for name, head in well_heads(run).items()}
        row |= {f"current_side_{face}[A]": current
                for face, current in run.boundary_values.side_currents().items()}
        return row | run.balances.columns()


def quotient(part: float | None, whole: float | None) -> float | None:
    """Return part / whole; None where the whole is nothing, or either is unknown."""
    if part is None or whole is None or not whole > 0.0:
        return None
    return part / whole


def less(share: float | None) -> float | None:
    """Return 1 - share, None where that is unknown."""
    return None if share is None else 1.0 - share
