"""Ledgers of a run: what electrodes, tanks, plates and wells have given and taken."""

from typing import Any

import numpy as np

from ekm3d.state import State

Simulation = Any            # of `simulation`, which imports this module


def advance(sim: Simulation, s: State, dt: float) -> None:
    """Tanks, plates, leachate and the water that went through wells, from t to t + dt [s]."""
    strips = sim.electrodes.strips
    drained, into = sim.potential.boundary.per_place(
        sim.backend.from_numpy(sim.flow.out), sim.potential.boundary.into_ore)[:, :strips]
    collecting = np.array([well.kind == "collector" for well in sim.wells.wells], bool)
    collected = sim.wells.shares_of_tanks(sim.flow.wells)[
        collecting[:len(sim.flow.wells)]].sum(0)
    for well, moved in zip(sim.wells.wells, sim.transport.wells_in, strict=False):
        if well.kind == "collector":
            s.leachate[...] -= moved * dt
        elif well.kind == "drain":
            s.drained[...] -= moved * dt
        else:
            s.injected[...] += moved * dt
    advance_water(sim, s, dt)
    s.injected[...] += sim.transport.side.sum(0) * dt
    s.electrode_acid[...] += sim.transport.acid * dt
    s.electrode_charge[...] += np.abs(into) * dt
    current = -np.minimum(into, 0.0)
    sim.catholytes.advance(s, dt, drained, collected, current)


def advance_water(sim: Simulation, s: State, dt: float) -> None:
    """Water that went through wells, from t to t + dt [s]."""
    for (_, inflow), well in zip(sim.flow.wells, sim.wells.wells, strict=False):
        s.injected_volume += inflow[inflow > 0].sum() * dt
        out = -inflow[inflow < 0].sum() * dt
        if well.kind == "collector":
            s.leachate_volume += out
        else:
            s.drained_volume += out
