"""Figures of a plan that a person would question, from its first step; printed by `ekm3d check`.

    power    = U I                       at the terminals while on                        [W]
    heat     = (U - overpotential) I duty / V_ore,   warming = heat / (rho c)      [W/m3, K/day]
    bounds   in equivalents over those of the exchangeable rare earths (REE):
        migration   charge of the whole plan / F
        water       anions that the water moved can carry, those of the feed included
        exchange    cations of prewetting, pore water and feed, and acid of the anodes

What is exchanged must be replaced by other cations, and what leaves is carried by the current or,
with as many anions, by the water: recovery <= min(exchange, migration + water). Currents of later
stages are taken from their voltage and the resistance of the first step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ekm3d.constants import FARADAY, HOUR
from ekm3d.diagnostics.inventory import by_phase
from ekm3d.errors import ConvergenceError
from ekm3d.text_table import table

DAY = 24 * HOUR
SHOWN = 40              # electrodes listed one by one
ROCK_HEAT, WATER_HEAT = 840.0, 4.18e6       # J/kg/K of dry rock (quartz, clay), J/m3/K of water
# Ranges beyond which a figure is questioned.
VOLTS = 1500.0          # V: the end of low voltage for direct current (IEC 60038)
UNLIMITED = 120.0       # V of a current without a limit: the end of extra-low voltage (IEC 61140)
DENSITY = 500.0         # A/m2 at the metal: ten times that of anodes in soil
WARMING = 20.0          # K/day
TURNOVERS = 100.0       # pore volumes per day
STEPS, WEEKS = 1e6, 4.0


@dataclass
class Plan:
    """Figures of a plan; electrical ones are None where the first step is not driven.

    voltage, current: V and A at the terminals while on; density: A/m2 at the metal, the highest;
    heat: W/m3 of ore; warming: K/day; pore_volumes: {stage: pore volumes of water that enter};
    charge: C of all stages; bounds: {way: equivalents over those of REE}, empty where unknown;
    stage: that the electrical figures are of, "" for the first step.
    """

    voltage: float | None = None
    current: float | None = None
    density: float = 0.0
    heat: float = 0.0
    warming: float = 0.0
    unlimited: bool = False
    pore_volumes: dict[str, float] = field(default_factory=dict)
    days: float = 0.0
    charge: float | None = None
    bounds: dict[str, float] = field(default_factory=dict)
    electrodes: list[tuple] = field(default_factory=list)   # rows of a table, see _electrodes
    stage: str = ""

    @property
    def most(self) -> float | None:
        """Largest share of the exchangeable REE that can leave; None where unknown."""
        if not self.bounds:
            return None
        return min(1.0, self.bounds["exchange"], self.bounds["migration"] + self.bounds["water"])


def electricity_of(sim: Any) -> Plan:
    """Return the electrical figures of a Simulation that has taken its first step."""
    plan = Plan(days=sim.schedule.end / DAY)
    _electricity(sim, plan)
    _electrodes(sim, plan)
    return plan


def plan_of(sim: Any) -> Plan:
    """Return the Plan of a Simulation that has taken its first step."""
    plan = electricity_of(sim)
    for n, stage in enumerate(sim.schedule.stages):     # those that are repeated, every time
        plan.pore_volumes[stage.name] = plan.pore_volumes.get(stage.name, 0.0) \
            + _water(sim, n) * stage.duration / _pores(sim)
    _charge(sim, plan)
    return plan


def drive_later(sim: Any, plan: Plan) -> None:
    """Add the electrical figures of the first stage with power, where the first step has none.

    By the water as it is now, before that stage. The Simulation is of no use afterwards.
    """
    if plan.voltage is not None or not sim.physics.potential:
        return
    for stage, start in zip(sim.schedule.stages, sim.schedule.starts, strict=True):
        sim.state.time = start
        if not sim.schedule.drive(start).on:
            continue
        try:
            sim.fields()
        except ConvergenceError:                # dry ore, or without ions yet
            return
        plan.stage, plan.electrodes = stage.name, []
        _electricity(sim, plan)
        _electrodes(sim, plan)
        _charge(sim, plan)
        return


def _pores(sim: Any) -> float:
    """Volume of the pores of the ore [m3]."""
    return float((sim.case.ore.porosity * sim.electrodes.ore).sum()) * sim.grid.voxel_volume


def _electricity(sim: Any, plan: Plan) -> None:
    """Voltage, current, density and heat of the step that was taken."""
    drive, values = sim.drive, sim.boundary_values
    if not drive.on:
        return
    rows = values.row_currents()
    plan.current = float(rows[rows > 0].sum() / drive.duty)
    plan.voltage = (drive.voltage if drive.current is None and not drive.supplies
                    else values.terminal_voltage)
    plan.unlimited = drive.current is not None and drive.limit is None
    faces = sim.contacts.faces
    metal = (faces.strip < sim.electrodes.strips) & (faces.area > 0)
    plan.density = float((np.abs(sim.potential.into_ore)[metal] / faces.area[metal]).max()
                         / drive.duty)
    ore, mask = sim.case.ore, sim.electrodes.ore
    volume = mask.sum() * sim.grid.voxel_volume
    plan.heat = (plan.voltage - sim.electrodes.overpotential) * plan.current * drive.duty / volume
    capacity = ROCK_HEAT * ore.density + WATER_HEAT * ore.water_content
    plan.warming = plan.heat / float(capacity[mask].mean()) * DAY


def _electrodes(sim: Any, plan: Plan) -> None:
    """Length in ore, areas, current and resistance to the ore of every electrode at the start.

    The areas are that of its metal as given, and that of the faces on which the model computes.

    Resistance to earth: from the metal, contact included, to the mean potential of the ore, which
    far ore would have; "" where the electrode passes no current. Of the first SHOWN.
    """
    if not sim.physics.potential:
        return
    el, boundary = sim.electrodes, sim.potential.boundary
    into = boundary.per_place(boundary.into_ore)[0, :el.strips]
    supplied = np.zeros(sim.contacts.count)
    supplied[sim.contacts.faces.strip] = sim.backend.to_numpy(boundary.supplied)
    phi = sim.state.phi[sim.grid.inner]
    ore = sim.backend.from_numpy(sim.holds_ore)
    mean = float((phi * ore).sum() / ore.sum())
    on = sim.drive.duty if sim.drive.on else 1.0
    for n in range(min(el.strips, SHOWN)):
        rod = n in el.openings
        length = float(el.openings[n].lengths.sum()) if rod else None
        passed = abs(into[n]) > 1e-9 * np.abs(into).max(initial=0.0) > 0.0
        plan.electrodes.append((
            el.names[n], "" if length is None else f"{length:.4g}", f"{_surface(sim, n):.4g}",
            f"{el.area[n]:.4g}",
            f"{into[n] / on:.4g}" if passed else "",
            f"{abs((supplied[n] - mean) / into[n]):.4g}" if passed else ""))


def _surface(sim: Any, n: int) -> float:
    """Surface of electrode n as given, but for what lies outside of the block or on its sides [m2].

    Of a rod that of its openings.
    """
    el, block = sim.electrodes, sim.domain.whole
    if n in el.openings:
        return float(el.area[n])
    start = np.array(block.origin)
    ends = np.clip(np.array(el.shapes[n]), start, start + block.size)
    low, high = ends.min(0), ends.max(0)
    slack = 1e-9 * np.array(block.size)
    faces = (low > start + slack) * 1.0 + (high < start + block.size - slack)
    across = [np.prod(np.delete(high - low, d)) for d in range(3)]
    return float(faces @ across)


def _water(sim: Any, stage: int) -> float:
    """Water that enters in a stage [m3/s]: rates as given, heads as in the first step."""
    total = sum(max(rate, 0.0) for _, rate in _feeds(sim, stage))
    for n, well in enumerate(_wells(sim, stage)):
        if well is not None and well.kind != "injection" and n < len(sim.flow.wells):
            total += float(np.maximum(sim.flow.wells[n][1], 0.0).sum())
    return total


def _wells(sim: Any, stage: int) -> list:
    """Wells, boundaries and sides as they are in a stage; None: closed."""
    wells = sim.wells
    return [*wells.stages[stage], *wells.all[len(wells):]] if wells.stages else wells.all


def _feeds(sim: Any, stage: int) -> Iterator[tuple[Any, float]]:
    """Yield (well, rate [m3/s]) of all that is fed in a stage; of rain, before any runs off."""
    drive = sim.schedule.stages[stage]
    for n, well in enumerate(_wells(sim, stage)):
        if well is None or well.kind != "injection":
            continue
        if n in sim.wells.surfaces:
            yield well, well.rate * float(sim.wells.surfaces[n].openings.area.sum())
        elif {"anodes": drive.anodes, "cathodes": drive.cathodes}.get(
                getattr(well, "at", None) or "", True):
            yield well, well.rate


def _charge(sim: Any, plan: Plan) -> None:
    """Charge of the whole plan, and what it and the water can move."""
    charge, resistance = 0.0, None
    if plan.current:
        resistance = (plan.voltage - sim.electrodes.overpotential) / plan.current   # type: ignore
    for stage in sim.schedule.stages:
        duty = stage.on / (stage.on + stage.off) if stage.off else 1.0
        if stage.current:
            charge += stage.current * duty * stage.duration
        elif stage.voltage and resistance is None:
            return
        elif stage.voltage:
            net = max(stage.voltage - sim.electrodes.overpotential, 0.0)
            charge += net / resistance * duty * stage.duration      # type: ignore[operator]
    plan.charge = charge
    _bounds(sim, plan, charge / FARADAY)


def _bounds(sim: Any, plan: Plan, passed: float) -> None:
    """Bounds of a block that nothing but its wells supplies; passed: charge [eq]."""
    chem, case = sim.chem, sim.case
    water, clay, _ = by_phase(sim)
    groups = np.array(chem.groups)
    ree = float((chem.charge * (water + clay))[groups == "REE"].sum())
    if ree <= 0 or case.sides or chem.gases or case.ore.minerals:
        return
    stages = range(len(sim.schedule.stages))
    if any(well is not None and well.kind == "head" and well.composition
           for n in stages for well in _wells(sim, n)):
        return
    fed = sum((np.array([well.composition.get(name, 0.0) for name in chem.components])
               * rate * sim.schedule.stages[n].duration
               for n in stages for well, rate in _feeds(sim, n)), np.zeros(len(chem.charge)))
    added = np.array([sum(amounts[1:]) for amounts in case.inventory().values()])
    # Ore that drains may lose all of its water.
    moved = 1.0 if case.ore.retention is not None else sum(plan.pore_volumes.values())
    plan.bounds = {"migration": passed / ree,
                   "water": (min(moved, 1.0) * _anions(chem, water) + _anions(chem, fed)) / ree,
                   "exchange": (passed + sum(max(_anions(chem, amounts), _cations(chem, amounts))
                                             for amounts in (added, fed))) / ree}


def _anions(chem: Any, moles: np.ndarray) -> float:
    """Equivalents of anions among amounts of components [mol]."""
    return float(-(chem.charge * moles)[chem.charge < 0].sum())


def _cations(chem: Any, moles: np.ndarray) -> float:
    """Equivalents of cations among amounts of components [mol]; a base counts nothing."""
    return float(np.maximum(chem.charge * moles, 0.0)[chem.charge > 0].sum())


def lines(plan: Plan) -> list[str]:
    """Return the figures as lines of text."""
    out = ["", "plan, from the first step" + (
        f"; the current is that of stage {plan.stage!r}, in the ore as it is at the start"
        if plan.stage else "")]
    if plan.electrodes:
        head = ("electrode", "rod, m", "metal m2", "faces m2", "current A", "to earth ohm")
        out += table([head, *plan.electrodes], "<>>>>>")
        if any(row[2] != row[3] for row in plan.electrodes):
            out.append("  metal: its surface in the block, as given; faces: of its voxels to ore, "
                       "on which current and contact are computed")
    if plan.voltage is not None and plan.current is not None:
        out += [f"  supply             {plan.voltage:.4g} V, {plan.current:.4g} A, "
                f"{plan.voltage * plan.current:.4g} W",
                f"  density at faces   {plan.density:.4g} A/m2 at most",
                f"  heat               {plan.heat:.4g} W/m3, {plan.warming:.4g} K per day"]
    out += [f"  water of {name!r}: {volumes:.3g} pore volumes"
            for name, volumes in plan.pore_volumes.items()]
    if plan.charge is not None:
        out.append(f"  charge             {plan.charge:.4g} C = {plan.charge / FARADAY:.4g} eq")
    if plan.bounds:
        out.append("  of the exchangeable REE could move at most, with this current: " + ", ".join(
            f"{100 * share:.3g} % by {way}" for way, share in plan.bounds.items()))
    if plan.most is not None and plan.most < 1:
        short = plan.most == plan.bounds["exchange"]
        out.append(f"  this plan cannot move more than {100 * plan.most:.3g} % of them, because "
                   + ("the reagent and the acid of the anodes replace no more" if short else
                      "the current carries no more, and the water has no more anions"))
    return out


def warnings(plan: Plan) -> list[str]:
    """Return what lies beyond plausible ranges, one line each."""
    out = []
    if plan.voltage is not None and plan.voltage > (UNLIMITED if plan.unlimited else VOLTS):
        hint = "; give the stage a limit, such as limit = \"60 V\"" if plan.unlimited else ""
        out.append(f"schedule: {plan.current:.3g} A need {plan.voltage / 1e3:.3g} kV here "
                   f"({plan.voltage * (plan.current or 0) / 1e3:.3g} kW){hint}")
    if plan.density > DENSITY:
        out.append(f"schedule: {plan.density:.3g} A/m2 at the electrodes; beyond {DENSITY:g} A/m2 "
                   "gas and heat make a contact of its own")
    if plan.warming > WARMING:
        out.append(f"schedule: the current heats the ore by {plan.warming:.3g} K per day "
                   f"({plan.heat:.3g} W/m3); the model keeps its temperature")
    moved = sum(plan.pore_volumes.values())
    if plan.days and moved / plan.days > TURNOVERS:
        out.append(f"well: {moved:.3g} pore volumes of water in {plan.days:.3g} days")
    return out
