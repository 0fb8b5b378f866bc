"""What a planner reads: the time series, and the summary by the paper's equations (1) to (5).

    Q = C V / m                     (1)  amount per kg of dry ore            [mg/kg]
    Q_t = int C Q_w dt / m          (2)  cumulative, in the leachate          [mg/kg]
    recovery = Q_total / T_ion      (3)  leachate and plate over the ore's initial content
    removal = (C_ini - C) / C_ini   (4)  of the ion-exchangeable content, mean of the points
    energy = int U I dt             (5)

(2) as printed lacks the division by m. Electric values are those at the terminals while the
power is on; with averaged pulses the mean current is that times the duty. purity_REE is REE over
REE and impurities, charge_over_REE the charge passed (eq) over the exchangeable REE (eq): what
electromigration alone could move at the very most.
"""

import numpy as np

from ekm3d.constants import FARADAY, HOUR, KWH, MOLAR_MASS_N
from ekm3d.diagnostics.derived_fields import MG, exchangeable_mg_per_kg, parts
from ekm3d.diagnostics.inventory import by_phase
from ekm3d.diagnostics.sampling import Sample, places


class TimeSeries:
    """Accumulates what flows, and works out rows of the series and the summary."""

    def __init__(self, sim):
        self.sim = sim
        self.mass = float((sim.case.ore.density * sim.electrodes.ore).sum() * sim.grid.voxel_volume)
        self.volume = float(sim.electrodes.ore.sum() * sim.grid.voxel_volume)
        self.sample = Sample(sim, [p.position for p in sim.case.sampling])
        self.probes = places(sim, [p.position for p in sim.case.probes])
        water, clay, solid = by_phase(sim)
        self.initial, self.exchangeable = water + clay + solid, water + clay          # mol
        self.in_tanks = sim.state.catholyte_totals.sum(0)               # mol, catholytes as they were filled
        self.initial_ree = self._ree()
        self.charge = self.energy = 0.0                     # C, J
        self.power = self.voltage = 0.0                     # W, V at the terminals while on
        self.current = np.zeros(len(sim.electrodes.rows))   # A, while on
        self.strips = np.zeros(sim.electrodes.strips)       # A of every electrode, while on
        self.currents = []                                  # (stage, A) of every driven step
        self.label = {label: k for k, label in enumerate(sim.chem.labels)}

    def _ree(self):
        """Ion-exchangeable REE of every voxel now [mg/kg]."""
        return self.sim.backend.to_numpy(exchangeable_mg_per_kg(self.sim, "REE"))

    def record(self, dt):
        """Add a step that has just been taken."""
        drive = self.sim.drive
        mean = self.sim.row_currents()
        into = mean[mean > 0].sum()
        self.charge += into * dt
        self.voltage = drive.voltage if drive.current is None else self.sim.terminal_voltage
        self.power = self.voltage * into
        self.energy += self.power * dt
        if drive.on:
            self.current = mean / drive.duty
            self.strips = self.sim.strip_currents() / drive.duty
            self.currents.append((drive.stage, self.current[self.current > 0].sum()))

    def collected(self):
        """mol of every component recovered: in the leachate, on the plates."""
        s = self.sim.state
        return s.leachate, s.plate_totals.sum(0)

    def group(self, moles, name):
        """mg of a group of components per kg of dry ore."""
        chem = self.sim.chem
        return MG / self.mass * sum(moles[k] * chem.molar_mass[k]
                                    for k, g in enumerate(chem.groups) if g == name)

    def share(self, part, whole):
        """part / whole of REE by mass, 0 where there was none."""
        total = self.group(whole, "REE")
        return self.group(part, "REE") / total if total > 0 else 0.0

    def ammonium(self, water, clay):
        """mol of NH4 (added, in pore water, on clay, out); zeros in a system without.

        water, clay: mol of every component.
        """
        k = self.label.get("NH4")
        if k is None:
            return 0.0, 0.0, 0.0, 0.0
        s = self.sim.state
        out = (s.leachate[k] + s.drained[k] + s.plate_totals[:, k].sum() + s.catholyte_totals[:, k].sum()
               - self.in_tanks[k])
        return self.initial[k] + max(s.injected[k], 0.0), water[k], clay[k], out

    def row(self):
        """{name[unit]: value} of the series now."""
        sim, s = self.sim, self.sim.state
        water, clay, _ = by_phase(sim)
        leachate, plate = self.collected()
        drive = sim.drive
        row = {"time[h]": s.time / HOUR, "step[1]": s.step, "dt[s]": sim.dt,
               "voltage[V]": self.voltage if drive.on else 0.0, "duty[1]": drive.duty}
        for name, value in zip(sim.electrodes.rows, self.current * drive.on):
            row[f"current_{name}[A]"] = value
        for name, value in zip(sim.electrodes.names, self.strips * drive.on):
            row[f"current_{name}[A]"] = value
        row |= {"power[W]": self.power, "energy[kWh]": self.energy / KWH, "charge[C]": self.charge,
                "leachate[L]": 1e3 * s.leachate_volume, "water_fed[L]": 1e3 * s.injected_volume,
                "water_lost[L]": 1e3 * s.drained_volume,
                "recovery_REE[1]": self.share(leachate + plate, self.initial),
                "REE_in_leachate[mg/kg]": self.group(leachate, "REE"),
                "REE_on_plate[mg/kg]": self.group(plate, "REE"),
                "impurities_in_leachate[mg/kg]": self.group(leachate, "impurity")}
        now = water + clay
        row["removal_REE[1]"] = 1.0 - self.share(now, self.exchangeable)
        for k, label in enumerate(sim.chem.labels):
            if k != sim.chem.hydrogen and self.initial[k] > 0:
                row[f"recovery_{label}[1]"] = (leachate + plate)[k] / self.initial[k]
                row[f"leachate_{label}[mol]"], row[f"plate_{label}[mol]"] = leachate[k], plate[k]
                if self.exchangeable[k] > 0:
                    row[f"removal_{label}[1]"] = 1.0 - now[k] / self.exchangeable[k]
        for name, value in zip(("added", "in_pore_water", "on_clay", "out"),
                               self.ammonium(water, clay)):
            row[f"NH4_{name}[mol]"] = value
        for probe, pH in zip(sim.case.probes, sim.domain.gather(s.pH, self.probes)):
            row[f"pH_{probe.name}[1]"] = float(pH)
        for r, name in enumerate(sim.electrodes.rows):
            row[f"pH_catholyte_{name}[1]"] = s.catholyte_pH[sim.electrodes.strip_row == r].mean()
        row |= {"mass_balance[1]": sim.balances.mass_errors().max(),
                "charge_balance[1]": sim.balances.charge_max,
                "faraday_error[1]": sim.balances.faraday_error(),
                "water_balance[1]": sim.balances.water_max}
        return row

    def stage_currents(self):
        """{stage number: (first, last)} current while on [A]."""
        out = {}
        for stage, current in self.currents:
            out[stage] = (out.get(stage, (current,))[0], current)
        return out

    def summary(self, wall):
        """Flat keys with unit suffixes; wall: seconds that the run took."""
        sim, s, chem = self.sim, self.sim.state, self.sim.chem
        water, clay, solid = by_phase(sim)
        leachate, plate = self.collected()
        ree = self._ree()
        removal = self.sample.of(np.divide(self.initial_ree - ree, self.initial_ree,
                                           out=np.zeros_like(ree), where=self.initial_ree > 0))
        added = self.ammonium(water, clay)[0]
        recovered = self.group(leachate + plate, "REE")
        impurity = self.group(leachate, "impurity")
        equivalents = sum(chem.charge[n] * self.exchangeable[n]
                          for n, g in enumerate(chem.groups) if g == "REE")
        k = self.label.get("NH4")
        per_kg = (MG * 1e-3 * MOLAR_MASS_N) / sim.ore.density
        out = {"title": sim.case.title, "time_h": s.time / HOUR, "steps": s.step, "wall_s": wall,
               "cells": int(np.prod(sim.domain.whole.shape)), "ore_kg": self.mass,
               "ore_m3": self.volume,
               "energy_kWh": self.energy / KWH,
               "energy_kWh_per_m3": self.energy / KWH / self.volume,
               "charge_C": self.charge,
               "current_start_A": self.currents[0][1] if self.currents else 0.0,
               "current_end_A": self.currents[-1][1] if self.currents else 0.0}
        for stage, (first, last) in self.stage_currents().items():
            out |= {f"current_stage{stage + 1}_start_A": first,
                    f"current_stage{stage + 1}_end_A": last}
        out |= {"leachate_L": 1e3 * s.leachate_volume, "water_fed_L": 1e3 * s.injected_volume,
                "REE_initial_mg_per_kg": self.group(self.initial, "REE"),
                "REE_leachate_mg_per_kg": self.group(leachate, "REE"),
                "REE_plate_mg_per_kg": self.group(plate, "REE"),
                "REE_hydroxide_in_ore_mg_per_kg": self.group(solid, "REE"),
                "recovery_REE": self.share(leachate + plate, self.initial)}
        out |= {f"recovery_{label}": (leachate + plate)[n] / self.initial[n]
                for n, label in enumerate(chem.labels)
                if n != chem.hydrogen and self.initial[n] > 0}
        out |= {"removal_REE_mean": removal.mean,
                "removal_REE_min": removal.least, "removal_REE_max": removal.largest,
                "removal_points_above_90_percent": removal.above(0.9),
                "impurity_mg_per_kg": impurity,
                "purity_REE": recovered / (recovered + impurity) if recovered > 0 else 0.0,
                "energy_kWh_per_kg_REE": (self.energy / KWH / (recovered * self.mass / MG)
                                          if recovered > 0 else 0.0),
                "charge_over_REE": self.charge / FARADAY / equivalents if equivalents > 0 else 0.0,
                "nh4_added_mol": added,
                "residual_N_mg_per_kg": 0.0, "exchangeable_N_mg_per_kg": 0.0}
        if k is not None:
            for name, amount in zip(("residual", "exchangeable"), parts(sim, k)):
                amount = sim.backend.to_numpy(amount)
                out[f"{name}_N_mg_per_kg"] = self.sample.of(per_kg * amount).mean
        pH = Sample(sim).of(sim.backend.to_numpy(s.pH[sim.grid.inner]))
        out |= {"pH_min": pH.least, "pH_max": pH.largest,
                "mass_balance_max": float(sim.balances.mass_errors().max()),
                "charge_balance_max": sim.balances.charge_max,
                "faraday_error": sim.balances.faraday_error(),
                "water_balance_max": sim.balances.water_max}
        return out
